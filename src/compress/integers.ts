// From numbers to integers: the parameters of activations, the s8 weights of each output, and what a product needs to come back. All on the
// host by exact operations, so the same everywhere. real = scale·(q − zeroPoint) (Jacob et al., 2018, "Quantization and Training of Neural Networks
// for Efficient Integer-Arithmetic-Only Inference").
import { highest, type Bits, type Quantization } from '../compiler/ops/quantized.js'

/** The numbers that a tensor's values lie in. */
export interface Range { readonly min: number; readonly max: number }

/** Weights lie in [−127, 127]: symmetric, so they need no zero point. */
const WEIGHT = 127
/** Scales below this count as this: all is then zero to within 2⁻⁹³, and reciprocals and products of scales stay finite. */
const SMALLEST = 7.888609052210118e-31 // 2⁻¹⁰⁰
const LARGEST_F32 = 3.4028234663852886e38

/** The nearest whole number, a half to the even one. */
export function nearestEven(x: number): number {
  const low = Math.floor(x), rest = x - low
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1
}

/** How values of a range are quantised: zero is one of the numbers that bytes stand for, so that what is +0 stays so. */
export function quantizationOf({ min, max }: Range, bits: Bits): Quantization {
  const [low, high] = [Math.min(min, 0), Math.max(max, 0)]
  if (low === high) return { scale: 1, zeroPoint: 0, bits }
  const scale = Math.max((high - low) / highest(bits), SMALLEST)
  return { scale, zeroPoint: Math.min(highest(bits), nearestEven(-low / scale)), bits }
}

/** What takes the place of a product's weight [k, n] and bias. */
export interface IntegerWeights {
  /** [k, n], −127 to 127 */
  readonly weights: Int8Array
  /** [n]: the bias, less the zero point of the activations times the sum of the weights */
  readonly offset: Int32Array
  /** [n] */
  readonly multiplier: Float32Array
}

/** What calibration says of the activations that a product takes, feature by feature. */
export interface Features {
  /** [k] */
  readonly mean: Float64Array
  /** [k]: the mean of what their bytes stand for */
  readonly quantizedMean: Float64Array
}

/**
 * Weights of a product as integers, for each output with a scale of its own: that at which none is clipped, or a larger one where the bias would
 * otherwise not fit beside the longest sum in 31 bits. What rounding changes of the output's mean goes into the bias (Nagel et al., 2019, "Data-Free
 * Quantization Through Weight Equalization and Bias Correction", §4.2).
 *
 * @param weight - [k, n], row by row
 * @param bias - [n], or null
 * @param x - how the activations are quantised
 * @param y - how the output is, or null where it is f32
 */
export function integerWeights(weight: Float64Array, k: number, n: number, bias: Float64Array | null, x: Quantization, y: Quantization | null, features: Features): IntegerWeights {
  const weights = new Int8Array(k * n), offset = new Int32Array(n), multiplier = new Float32Array(n)
  const room = 0x7fff_ffff - highest(x.bits) * WEIGHT * k
  const column = new Float64Array(k)
  for (let j = 0; j < n; j++) {
    for (let p = 0; p < k; p++) column[p] = weight[p * n + j] ?? 0
    let scale = Math.max(column.reduce((most, w) => Math.max(most, Math.abs(w)), 0) / WEIGHT, SMALLEST)
    let b = corrected(bias?.[j] ?? 0, column, scale, features)
    const least = Math.abs(b) / (x.scale * room)
    if (scale < least) {
      scale = 2 * least
      b = corrected(bias?.[j] ?? 0, column, scale, features)
    }
    let sum = 0
    for (let p = 0; p < k; p++) {
      const q = byte(column[p] ?? 0, scale)
      weights[p * n + j] = q
      sum += q
    }
    offset[j] = Math.max(-room, Math.min(room, nearestEven(b / (x.scale * scale)))) - x.zeroPoint * sum
    multiplier[j] = Math.min(LARGEST_F32, y === null ? x.scale * scale : (x.scale * scale) / y.scale)
  }
  return { weights, offset, multiplier }
}

const byte = (w: number, scale: number): number => Math.max(-WEIGHT, Math.min(WEIGHT, nearestEven(w / scale)))

/** A bias that makes up for what is lost of the mean: Σ mean(x)·w − Σ mean(x as bytes)·(w as bytes). */
function corrected(bias: number, column: Float64Array, scale: number, { mean, quantizedMean }: Features): number {
  let b = bias
  for (let p = 0; p < column.length; p++) {
    const w = column[p] ?? 0
    b += (mean[p] ?? 0) * w - (quantizedMean[p] ?? 0) * scale * byte(w, scale)
  }
  return b
}
