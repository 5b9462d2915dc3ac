// Activations: a word, or a function of a value.
import { checkNumber } from '../core/options.js'
import { wordOr, type Reader } from '../core/readers.js'
import type { Value } from '../compiler/graph/value.js'
import { elu as eluOp, leakyRelu as leakyReluOp, relu, sigmoid, tanh } from '../compiler/ops/unary.js'
import { softmax } from '../compiler/ops/softmax.js'

/** An activation of one's own: a function of values, built of ops, that keeps the shape. */
export type ActivationFunction = (x: Value) => Value
/** The activations of the library by their words, each with its defaults. */
export type ActivationName = 'linear' | 'relu' | 'leakyRelu' | 'elu' | 'sigmoid' | 'tanh' | 'softmax'
/** What is applied to each element, or for softmax each row: a word, or a function of a value such as `leakyRelu(0.1)`. */
export type Activation = ActivationName | ActivationFunction

/**
 * max(x, alpha·x) for 0 ≤ alpha ≤ 1.
 *
 * @param alpha - slope for x ≤ 0 (default 0.2, as in Keras' `activations.leaky_relu`; PyTorch 0.01)
 */
export function leakyRelu(alpha = 0.2): ActivationFunction {
  checkNumber('leakyRelu', alpha, { min: 0 })
  return (x) => leakyReluOp(x, alpha)
}

/**
 * x where positive, else alpha·(eˣ − 1) (Clevert, Unterthiner, Hochreiter, 2015).
 *
 * @param alpha - ≥ 0 (default 1)
 */
export function elu(alpha = 1): ActivationFunction {
  checkNumber('elu', alpha, { min: 0 })
  return (x) => eluOp(x, alpha)
}

const named: Readonly<Record<ActivationName, ActivationFunction>> = {
  linear: (x) => x, relu, leakyRelu: (x) => leakyReluOp(x, 0.2), elu: (x) => eluOp(x, 1), sigmoid, tanh, softmax,
}

/** What an option says: the function of a word, or the function itself. */
export const activationOption = (fallback: ActivationName = 'linear'): Reader<ActivationFunction> => wordOr('an activation', named, fallback)
