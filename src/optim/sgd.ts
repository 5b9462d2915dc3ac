// Stochastic gradient descent.
import { checkFlag, checkNumber, checkOptions } from '../core/options.js'
import { CLIPPING, clippingOf, optimizerOf, type ClippingOptions, type Optimizer } from './optimizer.js'
import { rateOf, type LearningRate } from './schedules.js'

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
  checkOptions('sgd', options, ['learningRate', 'momentum', 'nesterov', ...CLIPPING])
  const momentum = checkNumber('sgd.momentum', options.momentum ?? 0, { min: 0, below: 1 })
  const rate = rateOf('sgd', options.learningRate ?? 0.01)
  return optimizerOf({
    kind: 'sgd', kernel: 'f32_sgd', states: momentum > 0 ? ['m'] : [], scalars: { rate }, constants: { momentum },
    flags: { nesterov: checkFlag('sgd.nesterov', options.nesterov ?? false) ? 1 : 0, ...(momentum > 0 ? {} : { m: 0 }) },
    clipping: clippingOf('sgd', options), learningRate: rate, decay: { rate: 0, exclude: [] },
  })
}
