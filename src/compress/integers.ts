// From numbers to integers: the parameters of activations, the s8 weights of each output, and what a product needs to come back. All on the
// host by exact operations, so the same everywhere. real = scale·(q − zeroPoint) (Jacob et al., 2018, "Quantization and Training of Neural Networks
// for Efficient Integer-Arithmetic-Only Inference").
import { highest, type Bits, type Quantization } from '../compiler/ops/quantized.js'

/** The numbers that a tensor's values lie in. */
export interface Range { readonly min: number; readonly max: number }

/** Weights lie in [−127, 127]: symmetric, so they need no zero point. */
const WEIGHT = 127
/** Scales below this count as this: all is then zero to within 2⁻⁹³, and reciprocals and products of scales stay finite. */
const SMALLEST = 2 ** -100
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

/**
 * Weights of a product as integers, for each output with a scale of its own: the largest in magnitude becomes ±127; more where the bias would
 * otherwise not fit beside the longest sum in 31 bits.
 *
 * @param weight - [k, n], row by row
 * @param bias - [n], or null
 * @param x - how the activations are quantised
 * @param y - how the output is, or null where it is f32
 */
export function integerWeights(weight: Float32Array, k: number, n: number, bias: Float32Array | null, x: Quantization, y: Quantization | null): IntegerWeights {
  const weights = new Int8Array(k * n), offset = new Int32Array(n), multiplier = new Float32Array(n)
  const room = 0x7fff_ffff - highest(x.bits) * WEIGHT * k
  for (let j = 0; j < n; j++) {
    const b = bias?.[j] ?? 0
    let largest = 0
    for (let p = 0; p < k; p++) largest = Math.max(largest, Math.abs(weight[p * n + j] ?? 0))
    const scale = Math.max(largest / WEIGHT, Math.abs(b) / (x.scale * room), SMALLEST)
    let sum = 0
    for (let p = 0; p < k; p++) {
      const q = nearestEven((weight[p * n + j] ?? 0) / scale)
      weights[p * n + j] = q
      sum += q
    }
    offset[j] = Math.max(-room, Math.min(room, nearestEven(b / (x.scale * scale)))) - x.zeroPoint * sum
    multiplier[j] = Math.min(LARGEST_F32, y === null ? x.scale * scale : (x.scale * scale) / y.scale)
  }
  return { weights, offset, multiplier }
}
