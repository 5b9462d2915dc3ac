// Learning rates as functions of the step (updates completed, from 0), as expressions: see core/scalar.ts.
import { describe, message } from '../core/errors.js'
import { checkNumber } from '../core/options.js'
import { count, notNegative, number, or, positive, readOptions, type Reader } from '../core/readers.js'
import type { Expression } from '../core/scalar.js'

/** A learning rate that changes from step to step. */
export interface Schedule {
  /** the rate as an expression of the step: plain data, evaluated in f64 */
  readonly rate: Expression
}

/** A rate that stays, or a schedule. */
export type LearningRate = number | Schedule

/** A linear rise before a schedule (Goyal et al., 2017). */
export interface WarmupOptions {
  /** steps in which the rate rises linearly from `warmupFrom` to its start; the schedule begins after them (default 0) */
  readonly warmup?: number
  /** the rate at step 0 of the warm-up (default 0) */
  readonly warmupFrom?: number
}

const warmupOptions = () => ({ warmup: number(0, { integer: true, min: 0 }), warmupFrom: notNegative(0) })

/** Puts a linear rise in front: rate(step) for step < warmup, then the schedule, counted from there. */
function warmed(kind: string, start: number, { warmup, warmupFrom: from }: Required<WarmupOptions>, schedule: (step: Expression) => Expression): Schedule {
  checkNumber(`${kind}: rate`, start, { above: 0 })
  if (warmup === 0) return { rate: schedule('step') }
  const rising: Expression = ['add', from, ['mul', start - from, ['div', 'step', warmup]]]
  return { rate: ['ifLess', 'step', warmup, rising, schedule(['sub', 'step', warmup])] }
}

/**
 * A constant rate.
 *
 * @param rate - > 0
 */
export function constantSchedule(rate: number, options: WarmupOptions = {}): Schedule {
  return warmed('constantSchedule', rate, readOptions('constantSchedule', options, warmupOptions()), () => rate)
}

/** When a rate drops, and by how much. */
export interface StepDecayOptions extends WarmupOptions {
  /** steps between two drops */
  readonly every: number
  /** what the rate is multiplied by at each drop (default 0.1) */
  readonly factor?: number
}

/**
 * rate·factor^⌊step / every⌋.
 *
 * @param rate - at the start, > 0
 */
export function stepDecay(rate: number, options: StepDecayOptions): Schedule {
  const { every, factor, ...warmup } = readOptions('stepDecay', options, { every: count(), factor: positive(0.1), ...warmupOptions() })
  return warmed('stepDecay', rate, warmup, (step) => ['mul', rate, ['pow', factor, ['floor', ['div', step, every]]]])
}

/** How fast a rate falls. */
export interface ExponentialDecayOptions extends WarmupOptions {
  /** steps in which the rate falls by `factor` */
  readonly steps: number
  /** what the rate is multiplied by in `steps` steps, > 0 */
  readonly factor: number
}

/**
 * rate·factor^(step / steps), Keras' `ExponentialDecay`.
 *
 * @param rate - at the start, > 0
 */
export function exponentialDecay(rate: number, options: ExponentialDecayOptions): Schedule {
  const { steps, factor, ...warmup } = readOptions('exponentialDecay', options, { steps: count(), factor: positive(), ...warmupOptions() })
  return warmed('exponentialDecay', rate, warmup, (step) => ['mul', rate, ['pow', factor, ['div', step, steps]]])
}

/** How long a rate falls, and where to. */
export interface CosineDecayOptions extends WarmupOptions {
  /** steps until the lowest rate, which then stays */
  readonly steps: number
  /** the lowest rate, as a part of the start (default 0) */
  readonly floor?: number
}

/**
 * rate·((1 − floor)·½(1 + cos(π·min(step, steps) / steps)) + floor), Keras' `CosineDecay` (Loshchilov, Hutter: SGDR, 2017).
 *
 * @param rate - at the start, > 0
 */
export function cosineDecay(rate: number, options: CosineDecayOptions): Schedule {
  const { steps, floor, ...warmup } = readOptions('cosineDecay', options, { steps: count(), floor: number(0, { min: 0, max: 1 }), ...warmupOptions() })
  return warmed('cosineDecay', rate, warmup, (step) => {
    const wave: Expression = ['mul', 0.5, ['add', 1, ['cos', ['mul', Math.PI, ['div', ['min', step, steps], steps]]]]]
    return ['mul', rate, ['add', ['mul', 1 - floor, wave], floor]]
  })
}

/** The expression of a learning rate, times the factor that callbacks may set. */
export const rateOption = (fallback: number): Reader<Expression> => (where, given) => {
  const value = or(given, fallback)
  if (typeof value === 'object' && value !== null && 'rate' in value) return ['mul', value.rate as Expression, 'scale']
  if (typeof value !== 'number') throw new TypeError(message(where, 'a number, or a schedule such as cosineDecay(…)', describe(value)))
  return ['mul', checkNumber(where, value, { above: 0 }), 'scale']
}
