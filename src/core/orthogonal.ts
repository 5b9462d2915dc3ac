// Orthonormal rows out of any matrix: host arithmetic that IEEE 754 defines exactly, so that every machine gives the same bits.

/**
 * Makes the rows of a matrix orthonormal, in place, each against those before it (modified Gram-Schmidt, twice: Giraud, Langou,
 * Rozloznik: The loss of orthogonality in the Gram-Schmidt orthogonalization process, 2005). Of normal numbers it gives what the QR decomposition
 * with a positive diagonal gives: a matrix uniform among all orthogonal ones.
 *
 * @param matrix - [rows, columns], rows ≤ columns, of full rank
 */
export function orthonormalRows(matrix: Float64Array, rows: number, columns: number): void {
  for (let r = 0; r < rows; r++) {
    const row = matrix.subarray(r * columns, (r + 1) * columns)
    for (let pass = 0; pass < 2; pass++) {
      for (let q = 0; q < r; q++) {
        const other = matrix.subarray(q * columns, (q + 1) * columns)
        const along = dot(row, other)
        for (let i = 0; i < columns; i++) row[i] = (row[i] ?? 0) - along * (other[i] ?? 0)
      }
    }
    const length = Math.sqrt(dot(row, row))
    for (let i = 0; i < columns; i++) row[i] = (row[i] ?? 0) / length
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}
