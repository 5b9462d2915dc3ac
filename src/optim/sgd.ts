// Stochastic gradient descent.
import { flag, readOptions, share } from '../core/readers.js'
import { clippingOf, clippingOptions, optimizerOf, type ClippingOptions, type Optimizer } from './optimizer.js'
import { rateOption, type LearningRate } from './schedules.js'

/** Options of {@link sgd}. */
export interface SgdOptions extends ClippingOptions {
  /** > 0, or a schedule (default 0.01) */
  readonly learningRate?: LearningRate
  /** 0 ≤ momentum < 1 (default 0) */
  readonly momentum?: number
  /** Nesterov's form of momentum (default false) */
  readonly nesterov?: boolean
}

/**
 * w −= rate·g; with momentum m = momentum·m − rate·g, w += m, or w += momentum·m − rate·g in Nesterov's form: Keras' `SGD`
 * (PyTorch keeps m without the rate, which differs when the rate changes).
 *
 * @example
 * model.compile({ optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), loss: mse() })
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  const { learningRate, momentum, nesterov, ...clipping } = readOptions('sgd', options, { learningRate: rateOption(0.01), momentum: share(0), nesterov: flag(false), ...clippingOptions() })
  return optimizerOf({
    kind: 'sgd', kernel: 'f32_sgd', states: momentum > 0 ? ['m'] : [], scalars: { rate: learningRate }, constants: { momentum },
    flags: { nesterov: nesterov ? 1 : 0, ...(momentum > 0 ? {} : { m: 0 }) },
    clipping: clippingOf('sgd', clipping), learningRate, decay: { rate: 0, exclude: [] },
  })
}
