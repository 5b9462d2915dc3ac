// Softmax and cross-entropy of one row: as the kernels round them, and in f64 with a bound on the distance of the two.
import { KC } from '../../src/compiler/kernels.js'
import { at } from '../support/bits.js'
import { EXP_ULPS, kernelExp, kernelLog, LOG_ULPS } from '../support/elementary.js'
import { rowSum } from './sums.js'

const fround = Math.fround
/** The largest relative error of one rounding to f32. */
const U = 2 ** -24

export const rowMax = (x: ArrayLike<number>): number => Array.from(x).reduce((a, b) => Math.max(a, b), -Infinity)

function shiftedExp(x: ArrayLike<number>): { e: number[]; sum: number; max: number } {
  const max = rowMax(x)
  const e = Array.from(x, (v) => kernelExp(fround(v - max)))
  return { e, sum: rowSum(e.length, (j) => at(e, j)), max }
}

export function softmaxRow(x: ArrayLike<number>): number[] {
  const { e, sum } = shiftedExp(x)
  return e.map((v) => fround(v / sum))
}

export function logSoftmaxRow(x: ArrayLike<number>): number[] {
  const { sum, max } = shiftedExp(x)
  const log = kernelLog(sum)
  return Array.from(x, (v) => fround(fround(v - max) - log))
}

/** In real numbers, as near as f64 comes. */
export function exactSoftmax(x: ArrayLike<number>): number[] {
  const max = rowMax(x)
  const e = Array.from(x, (v) => Math.exp(v - max))
  const sum = e.reduce((a, b) => a + b, 0)
  return e.map((v) => v / sum)
}

/**
 * Relative error of Σ exp(x − max), to first order in U. With D = max − min: rounding x − max moves the exponential by D·U; exp errs by EXP_ULPS
 * ulps, 2·U each; a term passes through at most KC / 8 + 3 additions of its chunk and one for each chunk. All terms are positive.
 */
const sumError = (range: number, width: number): number => (range + 2 * EXP_ULPS + KC / 8 + 3 + Math.ceil(width / KC)) * U

const rangeOf = (x: ArrayLike<number>): number => rowMax(x) - Math.min(...Array.from(x))

/** Relative error of a softmax: the numerator's, the sum's, and the division's. */
export function softmaxError(x: ArrayLike<number>): number {
  const range = rangeOf(x)
  return (range + 2 * EXP_ULPS + 1) * U + sumError(range, x.length)
}

/** Absolute error of a log softmax: x − max, the sum's relative error, the logarithm's own, the last subtraction. */
export function logSoftmaxError(x: ArrayLike<number>): number {
  const range = rangeOf(x), log = Math.log(x.length)
  return range * U + sumError(range, x.length) + 2 * LOG_ULPS * log * U + (range + log) * U
}

/** Half the smallest denormal, twice: what a result that is denormal may miss besides. */
export const UNDERFLOW = 2 ** -149
/** Bounds are of first order in U; the rest is below one part in a hundred. */
export const FIRST_ORDER = 1.01
