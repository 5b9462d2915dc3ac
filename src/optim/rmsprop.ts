// RMSprop.
import { flag, positive, readOptions, share } from '../core/readers.js'
import { clippingOf, clippingOptions, optimizerOf, type ClippingOptions, type Optimizer } from './optimizer.js'
import { rateOption, type LearningRate } from './schedules.js'

/** Options of {@link rmsprop}. */
export interface RmspropOptions extends ClippingOptions {
  /** > 0, or a schedule (default 0.001) */
  readonly learningRate?: LearningRate
  /** decay of the mean square, 0 ≤ rho < 1 (default 0.9) */
  readonly rho?: number
  /** 0 ≤ momentum < 1 (default 0) */
  readonly momentum?: number
  /** > 0, added under the root (default 1e-7) */
  readonly epsilon?: number
  /** divide by an estimate of the variance instead of the mean square (default false) */
  readonly centered?: boolean
}

/**
 * v = rho·v + (1 − rho)·g²; w −= rate·g / √(v + epsilon): Keras' `RMSprop` (Hinton, Coursera lecture 6e, 2012; PyTorch adds its epsilon
 * outside the root, 1e-8, and has rho 0.99).
 */
export function rmsprop(options: RmspropOptions = {}): Optimizer {
  const { learningRate, rho, momentum, epsilon, centered, ...clipping } = readOptions('rmsprop', options, {
    learningRate: rateOption(0.001), rho: share(0.9), momentum: share(0), epsilon: positive(1e-7), centered: flag(false), ...clippingOptions(),
  })
  return optimizerOf({
    kind: 'rmsprop', kernel: 'f32_rmsprop', states: ['v', ...(centered ? ['a'] : []), ...(momentum > 0 ? ['m'] : [])], scalars: { rate: learningRate },
    constants: { rho, oneMinusRho: 1 - rho, momentum, epsilon },
    flags: { ...(centered ? {} : { a: 0 }), ...(momentum > 0 ? {} : { m: 0 }) },
    clipping: clippingOf('rmsprop', clipping), learningRate, decay: { rate: 0, exclude: [] },
  })
}
