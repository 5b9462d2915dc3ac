// Adam and AdamW.
import { checkNames, checkNumber, checkOptions } from '../core/options.js'
import type { Expression } from '../core/scalar.js'
import { CLIPPING, clippingOf, optimizerOf, type ClippingOptions, type Optimizer } from './optimizer.js'
import { rateOf, type LearningRate } from './schedules.js'

/** Options of {@link adam}. */
export interface AdamOptions extends ClippingOptions {
  /** > 0, or a schedule (default 0.001) */
  readonly learningRate?: LearningRate
  /** decay of the mean, 0 ≤ beta1 < 1 (default 0.9) */
  readonly beta1?: number
  /** decay of the mean square, 0 ≤ beta2 < 1 (default 0.999) */
  readonly beta2?: number
  /** > 0 (default 1e-7) */
  readonly epsilon?: number
}

/** Options of {@link adamW}. */
export interface AdamWOptions extends AdamOptions {
  /** each step w −= rate·weightDecay·w first (default 0.004) */
  readonly weightDecay?: number
  /** weights whose key ends so are not decayed, such as `['bias']` (default none, as in Keras) */
  readonly exclude?: readonly string[]
}

const KEYS = ['learningRate', 'beta1', 'beta2', 'epsilon', ...CLIPPING]

/**
 * m += (g − m)(1 − β₁); v += (g² − v)(1 − β₂); w −= rate·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m / (√v + epsilon): Keras' `Adam` (Kingma, Ba, 2015, the form at
 * the end of its section 2; PyTorch divides v by 1 − β₂ᵗ before it adds its epsilon, 1e-8).
 *
 * @example
 * model.compile({ optimizer: adam({ learningRate: 3e-4 }), loss: mse() })
 */
export function adam(options: AdamOptions = {}): Optimizer {
  checkOptions('adam', options, KEYS)
  return adamLike('adam', options, 0, [])
}

/**
 * Adam with decoupled weight decay (Loshchilov, Hutter, 2019): Keras' `AdamW` (PyTorch's default decay is 0.01).
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  checkOptions('adamW', options, [...KEYS, 'weightDecay', 'exclude'])
  return adamLike('adamW', options, checkNumber('adamW.weightDecay', options.weightDecay ?? 0.004, { min: 0 }), checkNames('adamW.exclude', options.exclude ?? []))
}

function adamLike(kind: string, options: AdamOptions, decay: number, exclude: readonly string[]): Optimizer {
  const beta1 = checkNumber(`${kind}.beta1`, options.beta1 ?? 0.9, { min: 0, below: 1 })
  const beta2 = checkNumber(`${kind}.beta2`, options.beta2 ?? 0.999, { min: 0, below: 1 })
  const learningRate = rateOf(kind, options.learningRate ?? 0.001)
  const correction: Expression = ['div', ['sqrt', ['sub', 1, ['pow', beta2, 't']]], ['sub', 1, ['pow', beta1, 't']]]
  return optimizerOf({
    kind, kernel: 'f32_adam', states: ['m', 'v'], scalars: { rate: ['mul', learningRate, correction], decayRate: learningRate },
    constants: { oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2, epsilon: checkNumber(`${kind}.epsilon`, options.epsilon ?? 1e-7, { above: 0 }) },
    flags: {}, clipping: clippingOf(kind, options), learningRate, decay: { rate: decay, exclude },
  })
}
