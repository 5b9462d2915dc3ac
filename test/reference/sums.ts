// The orders of summation of law 3, written out in plain JavaScript.
import { KB, KC } from '../../src/compiler/kernels.js'

const fround = Math.fround

/** Terms of a sum: term(0) … term(n − 1), f32. */
export type Terms = (i: number) => number

/** ((0+4)+(2+6))+((1+5)+(3+7)), each addition rounded by `round`. */
function pairwise(a: readonly number[], round: (x: number) => number): number {
  const [a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0] = a
  const even = round(round(a0 + a4) + round(a2 + a6))
  const odd = round(round(a1 + a5) + round(a3 + a7))
  return round(even + odd)
}

function eightAccumulators(term: Terms, first: number, count: number, round: (x: number) => number): number {
  const sums = [0, 0, 0, 0, 0, 0, 0, 0]
  for (let j = 0; j < count; j++) sums[j % 8] = round((sums[j % 8] ?? 0) + term(first + j))
  return pairwise(sums, round)
}

/** The f32 sum of a row: chunks of KC with 8 interleaved accumulators, chunks ascending. */
export function rowSum(n: number, term: Terms): number {
  let total = 0
  for (let first = 0; first < n; first += KC) total = fround(total + eightAccumulators(term, first, Math.min(KC, n - first), fround))
  return total
}

/** The f32 sum of a column, as in GEMM: chunks of KC ascending, chunks ascending to blocks of KB, blocks ascending. */
export function columnSum(n: number, term: Terms): number {
  let total = 0
  for (let block = 0; block < n; block += KB) {
    let blockSum = 0
    for (let chunk = block; chunk < Math.min(n, block + KB); chunk += KC) {
      let sum = 0
      for (let i = chunk; i < Math.min(n, block + KB, chunk + KC); i++) sum = fround(sum + term(i))
      blockSum = fround(blockSum + sum)
    }
    total = fround(total + blockSum)
  }
  return total
}

/** The f64 sum of a loss or metric: chunks of KC ascending, chunks ascending. */
export function totalSum(n: number, term: Terms): number {
  let total = 0
  for (let first = 0; first < n; first += KC) {
    let sum = 0
    for (let i = first; i < Math.min(n, first + KC); i++) sum += term(i)
    total += sum
  }
  return total
}

/** The f64 sum over one piece of a segment: 8 interleaved accumulators. */
export const pieceSum = (n: number, term: Terms): number => eightAccumulators(term, 0, n, (x) => x)
