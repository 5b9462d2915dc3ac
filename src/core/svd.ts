// The singular value decomposition by rotations: host arithmetic that IEEE 754 defines exactly, so that every machine gives the same bits.

/** A = Σ values[i]·left[i]·right[i]ᵀ. */
export interface SingularValues {
  /** [min(rows, columns)], from the largest; none is negative */
  readonly values: Float64Array
  /** rows of length `rows`, of unit length, at right angles; zeros where the value is 0 */
  readonly left: readonly Float64Array[]
  /** rows of length `columns`, alike */
  readonly right: readonly Float64Array[]
}

/** Below this cosine a pair is taken to be at right angles: 2⁻⁴⁸, some roundings of f64. */
const PARALLEL = 3.552713678800501e-15
/** Convergence is quadratic: some ten are needed. */
const SWEEPS = 60

/**
 * Singular values and vectors of a matrix, by one-sided Jacobi rotations (Hestenes 1958; Golub, Van Loan: Matrix Computations, 4th ed., 8.6.3).
 * Time is about 10·m·n² products of the larger side m and the smaller n: a tenth of a second for 784 × 64, three seconds for 512 × 512.
 *
 * @param matrix - [rows, columns], finite
 */
export function singularValues(matrix: ArrayLike<number>, rows: number, columns: number): SingularValues {
  const tall = rows >= columns
  const [count, length] = tall ? [columns, rows] : [rows, columns]
  // Vectors along the longer side, one for each of the shorter.
  const vectors = Array.from({ length: count }, (_, i) => Float64Array.from({ length }, (__, j) => matrix[tall ? j * columns + i : i * columns + j] ?? 0))
  orthogonalise(vectors)
  const sorted = vectors.map((v) => ({ v, norm: Math.sqrt(dot(v, v)) })).sort((a, b) => b.norm - a.norm)
  const values = Float64Array.from(sorted, ({ norm }) => norm)
  const long = sorted.map(({ v, norm }) => (norm === 0 ? v.fill(0) : v.map((x) => x / norm)))
  const short = long.map((u, i) => {
    const y = new Float64Array(count), value = values[i] ?? 0
    if (value === 0) return y
    for (let k = 0; k < count; k++) {
      let sum = 0
      for (let j = 0; j < length; j++) sum += (matrix[tall ? j * columns + k : k * columns + j] ?? 0) * (u[j] ?? 0)
      y[k] = sum / value
    }
    return y
  })
  return tall ? { values, left: long, right: short } : { values, left: short, right: long }
}

/** Rotates pairs until all vectors are at right angles; what they span together, and the sum of their squares, stay. */
function orthogonalise(vectors: readonly Float64Array[]): void {
  for (let sweep = 0, turned = true; turned && sweep < SWEEPS; sweep++) {
    turned = false
    const squares = vectors.map((v) => dot(v, v))
    for (let p = 0; p < vectors.length; p++) {
      for (let q = p + 1; q < vectors.length; q++) {
        const a = vectors[p], b = vectors[q], alpha = squares[p] ?? 0, beta = squares[q] ?? 0
        if (a === undefined || b === undefined || alpha === 0 || beta === 0) continue
        const gamma = dot(a, b)
        if (!(Math.abs(gamma) > PARALLEL * Math.sqrt(alpha) * Math.sqrt(beta))) continue
        const zeta = (beta - alpha) / (2 * gamma)
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.sqrt(1 + zeta * zeta))
        const c = 1 / Math.sqrt(1 + t * t)
        rotate(a, b, c, c * t)
        squares[p] = alpha - t * gamma
        squares[q] = beta + t * gamma
        turned = true
      }
    }
  }
}

/** (a, b) ← (c·a − s·b, s·a + c·b) */
function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let i = 0; i < a.length; i++) {
    const x = a[i] ?? 0
    const y = b[i] ?? 0
    a[i] = c * x - s * y
    b[i] = s * x + c * y
  }
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0)
  return sum
}
