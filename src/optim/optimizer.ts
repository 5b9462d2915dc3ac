// What an optimizer is: plain data that names an update kernel, its states and its scalars. The train floor lowers it to the `apply` program.
import { describe, message } from '../core/errors.js'
import { Value, type Scalar } from '../compiler/graph/value.js'
import { optional, positive } from '../core/readers.js'
import type { Expression } from '../core/scalar.js'
import type { KernelName } from '../compiler/kernels.js'

export type UpdateKernel = Extract<KernelName, 'f32_sgd' | 'f32_rmsprop' | 'f32_adam'>

/** Clipping of gradients, before the update; at most one kind. */
export interface Clipping {
  /** of each element, of each weight's norm, or of the norm of all gradients together */
  readonly kind: 'none' | 'value' | 'norm' | 'globalNorm'
  /** > 0; without meaning where nothing is clipped */
  readonly limit: number
}

/** An optimizer as plain data. */
export interface OptimizerData {
  /** which one it is, such as `adam` */
  readonly kind: string
  /** the kernel that updates */
  readonly kernel: UpdateKernel
  /** blocks as large as the gradients, that start at 0; by the kernel's field */
  readonly states: readonly string[]
  /** fields of the kernel that are computed in f64 each step and rounded once to f32 */
  readonly scalars: Readonly<Record<string, Expression>>
  /** fields that never change, f32 */
  readonly constants: Readonly<Record<string, number>>
  /** fields that are integers, and states that are not kept (0) */
  readonly flags: Readonly<Record<string, number>>
  /** what is done to gradients before the update */
  readonly clipping: Clipping
  /** the learning rate as a function of the step */
  readonly learningRate: Expression
  /** decoupled weight decay: its rate, and ends of keys it leaves out */
  readonly decay: { readonly rate: number; readonly exclude: readonly string[] }
}

/** Trained weights, as values. */
export interface Weights {
  /** f32, one for each weight */
  readonly values: readonly Value[]
}

/** An update of weights that a step makes. */
export interface Update {
  /** tells updates from values */
  readonly update: true
  /** what is minimised */
  readonly loss: Scalar
  /** what is moved */
  readonly weights: Weights
  /** how */
  readonly optimizer: OptimizerData
}

/** What `compile` takes; in a step of one's own, `minimize` says what it does. */
export interface Optimizer extends OptimizerData {
  /**
   * The update of `weights` down the gradient of `loss`, for `step` to return.
   *
   * @param loss - a scalar, such as `mean(…)`
   * @param weights - as of `model.weights`
   */
  minimize(loss: Scalar, weights: Weights): Update
}

/** An optimizer of some data. Its method is no part of the data: it is neither saved nor compared. */
export function optimizerOf(data: OptimizerData): Optimizer {
  const minimize = (loss: Scalar, weights: Weights): Update => {
    if (!(loss instanceof Value) || loss.shape.length > 0 || loss.dtype !== 'f32') throw new TypeError(message(`${data.kind}.minimize`, 'a scalar loss such as mean(…)', loss instanceof Value ? String(loss) : describe(loss)))
    if (typeof weights !== 'object' || weights === null || !Array.isArray(weights.values) || weights.values.length === 0) throw new TypeError(message(`${data.kind}.minimize`, 'weights such as model.weights', describe(weights)))
    return { update: true, loss, weights, optimizer: data }
  }
  return Object.defineProperty({ ...data, minimize }, 'minimize', { enumerable: false })
}

export interface ClippingOptions {
  /** gradients are kept within ± this */
  readonly clipValue?: number
  /** the gradient of each weight is scaled down to this L2 norm */
  readonly clipNorm?: number
  /** all gradients together are scaled down to this L2 norm */
  readonly globalClipNorm?: number
}

/** Which clipping an option asks for. */
export const CLIPPING = { clipValue: 'value', clipNorm: 'norm', globalClipNorm: 'globalNorm' } as const

/** {@link ClippingOptions} as they are read. */
export const clippingOptions = () => ({ clipValue: optional(positive()), clipNorm: optional(positive()), globalClipNorm: optional(positive()) })

/** The clipping that options ask for; two kinds at once are refused, as in Keras. */
export function clippingOf(where: string, options: ClippingOptions): Clipping {
  const given = Object.entries(options) as (readonly [keyof typeof CLIPPING, number])[]
  if (given.length > 1) throw new RangeError(message(where, `at most one of ${Object.keys(CLIPPING).join(', ')}`, given.map(([key]) => key).join(' and ')))
  const [first] = given
  return first === undefined ? { kind: 'none', limit: Infinity } : { kind: CLIPPING[first[0]], limit: first[1] }
}
