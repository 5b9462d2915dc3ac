// Singular values: what they are by definition, for awkward sizes, repeated values and matrices of less than full rank.
import { describe, expect, it } from 'vitest'
import { singularValues } from '../../src/core/svd.js'
import { at } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

/**
 * Roundings of f64: a rotation errs by some 2⁻⁵³ of the largest value for each of the sweeps' turns of a vector; 2⁻⁴⁸ is where pairs count as at right
 * angles. 40 vectors turn against each other: 40·2⁻⁴⁸ and as many roundings.
 */
const TOLERANCE = 64 * 2 ** -48

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, x, i) => sum + x * at(b, i), 0)

/** Values descend, vectors are orthonormal where the value is not 0, and the sum of their products is the matrix. */
function expectDecomposed(matrix: Float32Array, rows: number, columns: number): readonly number[] {
  const { values, left, right } = singularValues(matrix, rows, columns)
  expect([values.length, left.length, right.length]).toEqual([Math.min(rows, columns), Math.min(rows, columns), Math.min(rows, columns)])
  const largest = at(values, 0)
  values.forEach((s, i) => {
    expect(s).toBeGreaterThanOrEqual(0)
    if (i > 0) expect(s).toBeLessThanOrEqual(at(values, i - 1))
  })
  // A value that is roundings of the largest has directions that are roundings too.
  const real = Array.from(values).filter((s) => s > 1e-9 * largest).length
  for (let i = 0; i < real; i++) for (let j = 0; j <= i; j++) for (const side of [left, right]) {
    const bound = TOLERANCE * largest / at(values, i)
    expect(Math.abs(dot(side[i] ?? [], side[j] ?? []) - (i === j ? 1 : 0))).toBeLessThanOrEqual(bound)
  }
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) {
    const sum = values.reduce((s, value, i) => s + value * at(left[i] ?? [], r) * at(right[i] ?? [], c), 0)
    expect(Math.abs(sum - at(matrix, r * columns + c))).toBeLessThanOrEqual(TOLERANCE * largest)
  }
  return Array.from(values)
}

describe('singular values', () => {
  it.each([[1, 1], [1, 7], [7, 1], [2, 2], [3, 5], [5, 3], [17, 9], [8, 8], [40, 13], [13, 40]])('of a random matrix of %i × %i', (rows, columns) => {
    const values = expectDecomposed(randomFloats(rows * columns, rows * 100 + columns), rows, columns)
    const squares = randomFloats(rows * columns, rows * 100 + columns).reduce((s, x) => s + x * x, 0)
    expect(Math.abs(values.reduce((s, x) => s + x * x, 0) / squares - 1)).toBeLessThanOrEqual(TOLERANCE)
  })

  it('known ones: a diagonal, the identity, a rotation of both', () => {
    expect(expectDecomposed(Float32Array.of(3, 0, 0, 0, -7, 0), 2, 3)).toEqual([7, 3])
    expect(expectDecomposed(Float32Array.from({ length: 25 }, (_, i) => (i % 6 === 0 ? 1 : 0)), 5, 5)).toEqual([1, 1, 1, 1, 1])
    const [a, b] = expectDecomposed(Float32Array.of(1, 1, 0, 1), 2, 2)
    expect(Math.abs((a ?? 0) - (1 + Math.sqrt(5)) / 2)).toBeLessThan(TOLERANCE)
    expect(Math.abs((b ?? 0) - (Math.sqrt(5) - 1) / 2)).toBeLessThan(TOLERANCE)
  })

  it('less than full rank, and nothing at all', () => {
    const [u, v] = [randomFloats(9, 1), randomFloats(6, 2)]
    const outer = Float32Array.from({ length: 54 }, (_, i) => Math.fround(at(u, Math.floor(i / 6)) * at(v, i % 6)))
    const values = expectDecomposed(outer, 9, 6)
    expect(at(values, 1)).toBeLessThan(1e-6 * at(values, 0))
    expect(expectDecomposed(new Float32Array(12), 3, 4)).toEqual([0, 0, 0])
    expect(expectDecomposed(Float32Array.of(2, 0, 2, 0, 2, 0), 3, 2)[1]).toBe(0)
    // of the smallest and the largest numbers: squares in f64 neither vanish nor overflow
    for (const scale of [1e-38, 1e38]) expectDecomposed(randomFloats(20, 3).map((x) => x * scale), 5, 4)
  })
})
