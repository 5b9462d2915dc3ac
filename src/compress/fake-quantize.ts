// Quantised training: layers compute with weights as integers of a few bits would give them, while training moves the weights themselves.
import { checkOptions, checkNumber, checkWord } from '../core/options.js'
import { constant, type Value } from '../compiler/graph/value.js'
import { div, maximum } from '../compiler/ops/binary.js'
import { fakeQuant } from '../compiler/ops/quant.js'
import { max, sum } from '../compiler/ops/reduce.js'
import { abs, affine, sign, sqrt, square } from '../compiler/ops/unary.js'
import { layerWeights } from '../compiler/ops/weight.js'
import type { Model } from '../model/model.js'
import type { TrainableModel } from '../train/model.js'
import { chosenKeys, copied, isKernel, modelOf, rewriteWeights, valuesOf } from './rewrite.js'

/** Which weights {@link fakeQuantize} rounds, and how. */
export interface FakeQuantizeOptions {
  /** keys of the weights (default: all kernels, weights of at least two dimensions) */
  readonly weights?: readonly string[]
  /** 2 to 8 (default 8): 2^bits − 1 numbers, as many above 0 as below */
  readonly bits?: number
  /** one step for each output channel, the last dimension (default), or one for the whole weight; weights of one dimension have one in either case */
  readonly granularity?: 'perChannel' | 'perTensor'
  /**
   * the largest magnitude, > 0: beyond it a weight is clipped and has no gradient (default: the largest magnitude of the channel, in each step; of 2
   * bits 1.224 times the root mean square of its weights that are not 0)
   */
  readonly clip?: number
}

/**
 * The step that changes normal numbers of variance 1 least when they are rounded to one of −s, 0, s (Max, Quantizing for Minimum Distortion, 1960,
 * table II). With the largest magnitude for a step most weights of a trained layer are nearer to 0 and vanish. Of 3 bits and more neither rule is
 * better (seen on images held out of training).
 */
const TERNARY = 1.224

/** The magnitude up to which weights are rounded, over axes, or over all. */
function rangeOf(w: Value, levels: number, axes: readonly number[] | null): Value {
  const over = (f: typeof max | typeof sum, x: Value): Value => (axes === null ? f(x) : f(x, axes))
  if (levels > 1) return over(max, abs(w))
  // Zeros are what a mask leaves: they need no step.
  const count = maximum(over(sum, square(sign(w))), constant([], 'f32', [1]))
  return affine(sqrt(div(over(sum, square(w)), count)), TERNARY, 0)
}

/**
 * A model whose layers get quantised weights: fakeQuant(W), W rounded half to even to a multiple of s within ±levels·s, where levels = 2^(bits − 1) − 1 and
 * s = max|W| / levels, symmetric, per output channel. Its gradient is straight-through: that of W itself, so that training goes on with all digits
 * (Jacob et al., Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference, 2018; Bengio, Léonard, Courville 2013).
 * Of 2 bits s = 1.224·rms(W), and weights beyond s, which are clipped, have no gradient.
 *
 * What `strip` makes of it lies on these numbers: of 8 bits it is what s8 integers of the same rule give, scales included, to the bit. It stands
 * outside of what else was made of the weight (a mask, factors, an adapter); zeros stay zeros.
 *
 * @returns a new model with copies of the weights; it is not compiled
 * @throws TypeError for unknown keys or options, RangeError for bits or a clip out of range
 * @example
 * const trained = fakeQuantize(model, { bits: 4 }).compile({ optimizer: adam({ learningRate: 1e-4 }), loss: mse() })
 * await trained.fit(x, y)
 * const plain = strip(trained)   // its kernels have 15 different numbers in each column
 */
export function fakeQuantize<I, O>(model: Model<I, O>, options: FakeQuantizeOptions = {}): TrainableModel<I, O> {
  checkOptions('fakeQuantize', options, ['weights', 'bits', 'granularity', 'clip'])
  const bits = checkNumber('fakeQuantize.bits', options.bits ?? 8, { integer: true, min: 2, max: 8 })
  const granularity = checkWord('fakeQuantize.granularity', options.granularity ?? 'perChannel', ['perChannel', 'perTensor'])
  // as f32, which the kernels compute in: a bound that is 0 or infinite there is none
  const clip = options.clip === undefined ? null : Math.fround(checkNumber('fakeQuantize.clip', options.clip, { above: 0 }))
  if (clip !== null) checkNumber('fakeQuantize.clip', clip, { above: 0 })
  const keys = new Set(chosenKeys('fakeQuantize', options.weights, layerWeights(Object.values(valuesOf(model.definition))), isKernel))
  const levels = (1 << (bits - 1)) - 1
  const range = (w: Value): Value => {
    if (clip !== null) return constant([], 'f32', [clip])
    const axes = Array.from({ length: w.shape.length - 1 }, (_, i) => i)
    return rangeOf(w, levels, granularity === 'perChannel' && axes.length > 0 ? axes : null)
  }
  const definition = rewriteWeights(model.definition, (w, key) => (keys.has(key) ? fakeQuant(w, range(w), levels, clip !== null || levels === 1) : w))
  return modelOf<I, O>(definition, copied(model))
}
