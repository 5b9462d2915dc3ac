// Adam and AdamW.
import { checkNames } from '../core/options.js'
import { notNegative, or, positive, readOptions, share, type Read } from '../core/readers.js'
import type { Expression } from '../core/scalar.js'
import { clippingOf, clippingOptions, optimizerOf, type ClippingOptions, type Optimizer, type OptimizerData } from './optimizer.js'
import { rateOption, type LearningRate } from './schedules.js'

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

const adamOptions = () => ({ learningRate: rateOption(0.001), beta1: share(0.9), beta2: share(0.999), epsilon: positive(1e-7), ...clippingOptions() })

/**
 * m += (g − m)(1 − β₁); v += (g² − v)(1 − β₂); w −= rate·√(1 − β₂ᵗ)/(1 − β₁ᵗ)·m / (√v + epsilon): Keras' `Adam` (Kingma, Ba, 2015, the form at
 * the end of its section 2; PyTorch divides v by 1 − β₂ᵗ before it adds its epsilon, 1e-8).
 *
 * @example
 * model.compile({ optimizer: adam({ learningRate: 3e-4 }), loss: mse() })
 */
export function adam(options: AdamOptions = {}): Optimizer {
  return adamLike('adam', readOptions('adam', options, adamOptions()), { rate: 0, exclude: [] })
}

/**
 * Adam with decoupled weight decay (Loshchilov, Hutter, 2019): Keras' `AdamW` (PyTorch's default decay is 0.01).
 */
export function adamW(options: AdamWOptions = {}): Optimizer {
  const { weightDecay: rate, exclude, ...given } = readOptions('adamW', options, { ...adamOptions(), weightDecay: notNegative(0.004), exclude: (where, names) => checkNames(where, or(names, [])) })
  return adamLike('adamW', given, { rate, exclude })
}

function adamLike(kind: string, { learningRate, beta1, beta2, epsilon, ...clipping }: Read<ReturnType<typeof adamOptions>>, decay: OptimizerData['decay']): Optimizer {
  const correction: Expression = ['div', ['sqrt', ['sub', 1, ['pow', beta2, 't']]], ['sub', 1, ['pow', beta1, 't']]]
  return optimizerOf({
    kind, kernel: 'f32_adam', states: ['m', 'v'], scalars: { rate: ['mul', learningRate, correction], decayRate: learningRate },
    constants: { oneMinusBeta1: 1 - beta1, oneMinusBeta2: 1 - beta2, epsilon },
    flags: {}, clipping: clippingOf(kind, clipping), learningRate, decay,
  })
}
