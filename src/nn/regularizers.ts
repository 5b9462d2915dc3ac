// Penalties on weights, added to the loss: Keras' formulas.
import { describe, message } from '../core/errors.js'
import { checkNumber } from '../core/options.js'
import { number, readOptions, type Reader } from '../core/readers.js'

/** l1·Σ|w| + l2·Σw², with gradient l1·sign(w) + 2·l2·w. */
export interface Regularizer {
  /** factor of Σ|w|, ≥ 0 */
  readonly l1: number
  /** factor of Σw², ≥ 0 */
  readonly l2: number
}

/** What an option says. */
export const regularizerOption: Reader<Regularizer> = (where, given) => {
  const { l1, l2 } = { ...(given as Partial<Regularizer>) }
  if (typeof l1 !== 'number' || typeof l2 !== 'number') throw new TypeError(message(where, 'a regularizer such as l2(0.01)', describe(given)))
  return { l1, l2 }
}

/**
 * Penalty factor·Σ|w| (Keras' `L1`).
 *
 * @param factor - ≥ 0 (default 0.01)
 */
export const l1 = (factor = 0.01): Regularizer => ({ l1: checkNumber('l1', factor, { min: 0 }), l2: 0 })

/**
 * Penalty factor·Σw² (Keras' `L2`; PyTorch's weight_decay has half of it, ½·factor·Σw²).
 *
 * @param factor - ≥ 0 (default 0.01)
 */
export const l2 = (factor = 0.01): Regularizer => ({ l1: 0, l2: checkNumber('l2', factor, { min: 0 }) })

/**
 * Both penalties.
 *
 * @param options - `l1`, `l2`: factors ≥ 0 (default 0)
 */
export function l1l2(options: { readonly l1?: number; readonly l2?: number } = {}): Regularizer {
  return readOptions('l1l2', options, { l1: number(0, { min: 0 }), l2: number(0, { min: 0 }) })
}
