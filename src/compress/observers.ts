// Observers: from the values that calibration saw of a tensor, the range that its bytes stand for. The values are seen twice: for the ends of each
// channel, then counted in equal bins between those of all; a third time for what bytes change of each feature. Counts and sums are exact or in a fixed
// order, so the same data gives the same range everywhere.
import { highest, type Bits, type Quantization } from '../compiler/ops/quantized.js'
import { nearestEven, quantizationOf, type Features, type Range } from './integers.js'

/**
 * How a range is chosen. `minMax`: all that was seen. `percentile`: all but one value in 10 000 at each end. `mse`: the ends moved inwards to where the mean
 * square of what rounding and clipping change is least.
 */
export type Observer = 'minMax' | 'percentile' | 'mse'
export const OBSERVERS = ['minMax', 'percentile', 'mse'] as const

const BINS = 2048
/** Values beyond each end of a percentile's range. */
const OUTSIDE = 1 / 10000
/** Candidates of `mse`: ends moved inwards by so many steps of 1 / MSE_STEPS. */
const MSE_STEPS = 100
const MSE_MOST = 70

/** What the byte of a value stands for. */
const real = (v: number, { scale, zeroPoint, bits }: Quantization): number => scale * (Math.min(highest(bits), Math.max(0, nearestEven(v / scale) + zeroPoint)) - zeroPoint)

/** Means of the features of a tensor, once it is known how it is quantised. */
export class FeatureSums {
  readonly #sum: Float64Array
  readonly #bytes: Float64Array
  #rows = 0

  /** @param width - features of a row */
  constructor(readonly width: number, readonly how: Quantization) {
    this.#sum = new Float64Array(width)
    this.#bytes = new Float64Array(width)
  }

  add(values: Float32Array): void {
    const { width, how } = this
    for (let i = 0; i < values.length; i++) {
      const v = values[i] ?? 0, p = i % width
      this.#sum[p] = (this.#sum[p] ?? 0) + v
      this.#bytes[p] = (this.#bytes[p] ?? 0) + real(v, how)
    }
    this.#rows += values.length / width
  }

  get features(): Features {
    return { mean: this.#sum.map((s) => s / this.#rows), quantizedMean: this.#bytes.map((s) => s / this.#rows) }
  }
}

/** Channels whose range is less than this share of the widest one count as of this share. */
const NARROWEST = 1 / 65536

/** What is known of a tensor. */
export class Observed {
  readonly #low: Float64Array
  readonly #high: Float64Array
  readonly #counts = new Float64Array(BINS)
  #total = 0
  #settled: { readonly spread: Float64Array; readonly min: number; readonly max: number } | undefined

  /** @param channels - the last dimension, if each of them may have a scale of its own, or else 1 */
  constructor(readonly channels: number) {
    this.#low = new Float64Array(channels).fill(Infinity)
    this.#high = new Float64Array(channels).fill(-Infinity)
  }

  /** First pass; false if a value is not finite. */
  see(values: Float32Array): boolean {
    const low = this.#low, high = this.#high, channels = this.channels
    let sum = 0
    for (let i = 0, c = 0; i < values.length; i++) {
      const v = values[i] ?? 0
      // Infinite or NaN where one is; sums of finite f32 stay finite in f64.
      sum += v
      if (v < (low[c] ?? 0)) low[c] = v
      if (v > (high[c] ?? 0)) high[c] = v
      if (++c === channels) c = 0
    }
    return sum - sum === 0
  }

  /**
   * [channels]: what the values of each channel are divided by before they become bytes. √(its largest magnitude / that of all): half of the way, as a
   * logarithm, to channels of equal range; the other half stays with the weights that take them (Nagel et al., 2019, §4.1; Xiao et al., 2023,
   * "SmoothQuant", α = ½). Of one channel it is 1.
   */
  get spread(): Float64Array { return this.#ends.spread }
  /** the ends of what was seen, spread out */
  get min(): number { return this.#ends.min }
  get max(): number { return this.#ends.max }

  /** Known once the first pass is over. */
  get #ends(): { readonly spread: Float64Array; readonly min: number; readonly max: number } {
    if (this.#settled !== undefined) return this.#settled
    const ranges = this.#low.map((low, c) => Math.max(Math.abs(low), Math.abs(this.#high[c] ?? 0)))
    const widest = ranges.reduce((a, b) => Math.max(a, b), 0)
    const spread = ranges.map((range) => (range > 0 ? Math.sqrt(Math.max(range / widest, NARROWEST)) : 1))
    const over = (ends: Float64Array): Float32Array => Float32Array.from(ends, (end, c) => end / (spread[c] ?? 1))
    return (this.#settled = { spread, min: over(this.#low).reduce((a, b) => Math.min(a, b), Infinity), max: over(this.#high).reduce((a, b) => Math.max(a, b), -Infinity) })
  }

  /** Values as they are before they become bytes: each divided by its channel's spread. */
  spreadOut(values: Float32Array): Float32Array {
    const { spread, channels } = this
    return channels === 1 ? values : values.map((v, i) => v / (spread[i % channels] ?? 1))
  }

  /** Second pass: counts in bins of values that are spread out. */
  count(values: Float32Array): void {
    const { min } = this
    const perBin = this.#width > 0 ? 1 / this.#width : 0
    for (let i = 0; i < values.length; i++) {
      const bin = Math.min(BINS - 1, Math.floor(((values[i] ?? 0) - min) * perBin))
      this.#counts[bin] = (this.#counts[bin] ?? 0) + 1
    }
    this.#total += values.length
  }

  get #width(): number { return (this.max - this.min) / BINS }

  /** The range by an observer; both passes must be over where it is another than `minMax`. */
  range(observer: Observer, bits: Bits): Range {
    if (observer === 'minMax' || this.#width === 0) return { min: this.min, max: this.max }
    return observer === 'percentile' ? this.#percentile() : this.#leastError(bits)
  }

  /** The ends of the bins within which all but OUTSIDE of the values lie, at each end. */
  #percentile(): Range {
    const most = this.#total * OUTSIDE
    let [from, to, below, above] = [0, BINS - 1, this.#counts[0] ?? 0, this.#counts[BINS - 1] ?? 0]
    while (below <= most && from < to) below += this.#counts[++from] ?? 0
    while (above <= most && to > from) above += this.#counts[--to] ?? 0
    return { min: this.min + from * this.#width, max: this.min + (to + 1) * this.#width }
  }

  /** The candidate of least error, the widest of equals. */
  #leastError(bits: Bits): Range {
    let best: Range = { min: this.min, max: this.max }
    let least = this.#error(best, bits)
    for (let step = 1; step <= MSE_MOST; step++) {
      const share = 1 - step / MSE_STEPS
      const range = { min: Math.min(this.min, 0) * share, max: Math.max(this.max, 0) * share }
      const error = this.#error(range, bits)
      if (error < least) { least = error; best = range }
    }
    return best
  }

  /** Σ (value − what its byte stands for)², each value taken as its bin's middle. */
  #error(range: Range, bits: Bits): number {
    const { scale, zeroPoint } = quantizationOf(range, bits)
    let sum = 0
    this.#counts.forEach((count, bin) => {
      if (count === 0) return
      const v = this.min + (bin + 0.5) * this.#width
      const off = v - real(v, { scale, zeroPoint, bits })
      sum += count * off * off
    })
    return sum
  }
}
