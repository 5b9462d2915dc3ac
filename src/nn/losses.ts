// Losses: one value per sample, in ops. The divisor and the weights of samples come later, from the data. Every loss is a metric too.
import { message, ShapeError } from '../core/errors.js'
import { flag, readOptions, word } from '../core/readers.js'
import { formatShape, type Shape } from '../core/shape.js'
import { Value } from '../compiler/graph/value.js'
import { add, div, logitXent, mul, sub } from '../compiler/ops/binary.js'
import { sparseXent } from '../compiler/ops/loss.js'
import { sum } from '../compiler/ops/reduce.js'
import { expand, reshape } from '../compiler/ops/shapes.js'
import { logSoftmax } from '../compiler/ops/softmax.js'
import { abs, affine, clip, log, neg, square } from '../compiler/ops/unary.js'
import { checkOwn, type Metric } from './metrics.js'
import { ownPerSample, perSampleMean } from './samples.js'

/** What data labels may be: numbers for each output, or class numbers. */
export type LabelKind = 'values' | 'classes'

/**
 * A loss for labels of type `Y`; it can be measured as a metric under the name `N` as well.
 */
export interface Loss<Y, N extends string = string> extends Metric<N> {
  /** what it is, such as `mse` */
  readonly kind: string
  /** 'values': labels are f32 of the output's shape; 'classes': class numbers, i32 */
  readonly labelKind: LabelKind
  /** only for types: which labels it takes */
  readonly labels?: (y: Y) => void
  /** the loss of each sample [n] */
  perSample(output: Value, y: Value): Value
}

/** Probabilities are kept this far from 0 and 1, as in Keras. */
const EPSILON = 1e-7

/** The input that labels for an output come through. */
export function labelInput(name: string, output: Value, kind: LabelKind): Value {
  if (kind === 'values') return new Value(output.shape, 'f32', { kind: 'input', spec: { name, data: 'f32', scale: 1, offset: 0, classes: null } })
  const classes = output.shape[output.shape.length - 1]
  if (output.shape.length < 2 || classes === undefined || classes === 'n') throw new ShapeError(message('loss', 'an output of [n, …, classes] for class labels', formatShape(output.shape)))
  return new Value(output.shape.slice(0, -1), 'i32', { kind: 'input', spec: { name, data: 'i32', scale: 1, offset: 0, classes } })
}

const lossOf = <Y, N extends string>(kind: N, labelKind: LabelKind, elementwise: (output: Value, y: Value) => Value): Loss<Y, N> => {
  const perSample = (output: Value, y: Value): Value => perSampleMean(elementwise(output, y))
  return { kind, name: kind, labelKind, perSample, build: perSample }
}

/** p / Σ p over the classes, within [1e-7, 1 − 1e-7]. */
function normalized(p: Value): Value {
  const rows: Shape = [...p.shape.slice(0, -1), 1]
  return clip(div(p, expand(reshape(sum(p, -1), rows), p.shape)), EPSILON, 1 - EPSILON)
}

/** Typed arrays of class numbers, or plain ones. */
export type Labels = Int32Array | Uint8Array | readonly number[]

/** What the outputs of a cross-entropy are. */
export interface CrossentropyOptions {
  /** are the outputs logits? (default false; an output that is a softmax, or a sigmoid, is unwrapped by itself) */
  readonly fromLogits?: boolean
}

/** A loss by the logits where they are known: those of an output that is an activation stand before it, so softmax followed by cross-entropy is one loss on logits. */
function crossentropyOf<Y, N extends string>(kind: N, labelKind: LabelKind, activation: 'softmax' | 'sigmoid', options: CrossentropyOptions, elementwise: (output: Value, y: Value, logits: Value | null) => Value): Loss<Y, N> {
  const { fromLogits } = readOptions(kind, options, { fromLogits: flag(false) })
  return lossOf(kind, labelKind, (output, y) => {
    const inner = output.source.kind === 'node' && output.source.node.op.name === activation ? output.source.node.ins[0] ?? null : null
    return elementwise(output, y, fromLogits ? output : inner)
  })
}

/**
 * Mean squared error, mean over the outputs of (y − t)².
 */
export const mse = (): Loss<NumericData, 'mse'> => lossOf('mse', 'values', (y, t) => square(sub(y, t)))

/** Mean absolute error, mean over the outputs of |y − t|; its gradient at 0 is 0. */
export const mae = (): Loss<NumericData, 'mae'> => lossOf('mae', 'values', (y, t) => abs(sub(y, t)))

/**
 * Cross-entropy of independent yes/no outputs: mean over them of −(t·log p + (1 − t)·log(1 − p)).
 *
 * @param options - `fromLogits` (default false)
 */
export function binaryCrossentropy(options: CrossentropyOptions = {}): Loss<NumericData, 'binaryCrossentropy'> {
  return crossentropyOf('binaryCrossentropy', 'values', 'sigmoid', options, (output, t, logits) => {
    if (logits !== null) return logitXent(logits, t)
    const p = clip(output, EPSILON, 1 - EPSILON)
    return neg(add(mul(t, log(p)), mul(affine(t, -1, 1), log(affine(p, -1, 1)))))
  })
}

/**
 * Cross-entropy of one class among several against a distribution (one-hot or soft): −Σ t·log p.
 *
 * @param options - `fromLogits` (default false)
 */
export function categoricalCrossentropy(options: CrossentropyOptions = {}): Loss<NumericData, 'categoricalCrossentropy'> {
  return crossentropyOf('categoricalCrossentropy', 'values', 'softmax', options, (output, t, logits) =>
    neg(sum(mul(t, logits === null ? log(normalized(output)) : logSoftmax(logits)), -1)))
}

/**
 * Cross-entropy of one class among several against class numbers: −log p[label] (PyTorch's `cross_entropy` takes logits).
 *
 * @param options - `fromLogits` (default false)
 */
export function sparseCategoricalCrossentropy(options: CrossentropyOptions = {}): Loss<Labels, 'sparseCategoricalCrossentropy'> {
  // log of probabilities that sum to 1 are logits: Σ exp(log p) = 1
  return crossentropyOf('sparseCategoricalCrossentropy', 'classes', 'softmax', options, (output, labels, logits) => sparseXent(logits ?? log(normalized(output)), labels))
}

/** What labels a loss of one's own takes. */
export interface LossOptions<K extends LabelKind> {
  /** 'values': numbers of the output's shape; 'classes': class numbers, i32 [n, …], from 0 to below the output's last dimension (default 'values') */
  readonly labels?: K
}

/**
 * A loss of one's own: a function of an output and its labels, built of ops. It is saved with the model like those that are built in.
 *
 * @param name - what it is called as a metric; not 'loss' there
 * @param perElement - given the output [n, …] and the labels, gives f32 [n] or [n, …]; of the latter the mean of each sample is taken. Weights of the
 * model (`model.weights.values`) may be used as well
 * @param options - `labels` (default 'values')
 * @returns a loss for `compile`
 * @throws TypeError, RangeError for a wrong name, no function or wrong options; when it is compiled, TypeError or ShapeError for a function that gives
 * something else
 * @example
 * const logCosh = loss('logCosh', (output, y) => { const d = sub(output, y); return affine(add(d, softplus(affine(d, -2, 0))), 1, -0.6931471805599453) })
 * sequential([dense(1)], { input: [4] }).compile({ optimizer: adam(), loss: logCosh })
 * @example
 * // focal loss (Lin et al. 2017) of logits: (1 − p)²·(−log p), p the probability of the right class
 * const focal = loss('focal', (logits, y) => { const xent = sparseXent(logits, y); return mul(square(affine(exp(neg(xent)), -1, 1)), xent) }, { labels: 'classes' })
 * sequential([dense(3)], { input: [4] }).compile({ optimizer: adam(), loss: focal })
 */
export function loss<const N extends string>(name: N, perElement: (output: Value, y: Value) => Value, options?: LossOptions<'values'>): Loss<NumericData, N>
/** A loss of one's own for class numbers, i32 [n, …]. */
export function loss<const N extends string>(name: N, perElement: (output: Value, y: Value) => Value, options: LossOptions<'classes'> & { readonly labels: 'classes' }): Loss<Labels, N>
export function loss(name: string, perElement: (output: Value, y: Value) => Value, options: LossOptions<LabelKind> = {}): Loss<never> {
  checkOwn('loss', name, perElement)
  const { labels: labelKind } = readOptions('loss', options, { labels: word(['values', 'classes'], 'values') })
  const perSample = (output: Value, y: Value): Value => ownPerSample(`loss '${name}'`, perElement(output, y))
  return { kind: name, name, labelKind, perSample, build: perSample }
}

/** Arrays of numbers as labels. */
export type NumericData = Float32Array | Float64Array | Uint8Array | Int32Array | readonly number[] | readonly (readonly number[])[] | { readonly data: Float32Array | Float64Array | Uint8Array | Int32Array; readonly shape: readonly number[] }

