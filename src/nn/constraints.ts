// What weights must satisfy: after each update, what a constraint makes of a weight takes the weight's place. Keras' formulas.
import { describe, message, ShapeError } from '../core/errors.js'
import { checkNumber } from '../core/options.js'
import { number, or, readOptions, wordOr, type Reader } from '../core/readers.js'
import { formatShape, sameShape, type Shape } from '../core/shape.js'
import { toGraph, type Graph } from '../compiler/graph/graph.js'
import { inScope, topological, Value } from '../compiler/graph/value.js'
import { add, div, mul } from '../compiler/ops/binary.js'
import { sum } from '../compiler/ops/reduce.js'
import { expand, reshape } from '../compiler/ops/shapes.js'
import { affine, clip, relu, sqrt, square } from '../compiler/ops/unary.js'

/** From a weight, as a value, to one of the same shape: built of ops and constants. It should give finite numbers for finite ones. */
export type ConstraintFunction = (w: Value) => Value
/** The constraints of the library by their words, each with its defaults. */
export type ConstraintName = 'maxNorm' | 'nonNeg' | 'unitNorm' | 'minMaxNorm'
/** What a weight must satisfy after each update: a word, or a function such as `maxNorm(2)`. */
export type Constraint = ConstraintName | ConstraintFunction

/** Added to norms that are divided by (Keras' `backend.epsilon`). */
const EPSILON = 1e-7

/** Along which dimensions of a weight a norm is taken: one or several, negative from the end. */
export type Axis = number | readonly number[]
/** Which norms a constraint is on. */
export interface NormOptions {
  /** the dimensions whose elements make up one norm, negative from the end: 0 for the inputs of a unit of `dense`, [0, 1, 2] for a filter of `conv2d` (default 0) */
  readonly axis?: Axis
}

const axes: Reader<readonly number[]> = (where, given) => {
  const listed: readonly unknown[] = Array.isArray(given) ? given : [or(given, 0)]
  if (listed.length === 0) throw new RangeError(message(where, 'at least one dimension', 'none'))
  return listed.map((axis) => checkNumber(where, axis, { integer: true }))
}

/** What is computed of ‖w‖ = √Σ w² along some axes, in the shape of w. */
function byNorm(where: string, w: Value, axes: readonly number[], of: (norm: Value) => Value): Value {
  const at = axes.map((axis) => (axis < 0 ? axis + w.shape.length : axis))
  if (at.some((axis) => axis < 0 || axis >= w.shape.length)) throw new ShapeError(message(where, `a weight that has the axes [${axes.join(', ')}]`, formatShape(w.shape)))
  const y = of(sqrt(sum(square(w), at)))
  // Repeated along one axis after the other: broadcasts join at most three runs of dimensions.
  const kept: Shape = w.shape.map((d, i) => (at.includes(i) ? 1 : d))
  return at.reduce<Value>((v, axis) => expand(v, v.shape.map((d, i) => (i === axis ? w.shape[i] ?? d : d))), reshape(y, kept))
}

/**
 * Norms of at most `limit` (Keras' `MaxNorm`): w · clip(‖w‖, 0, limit) / (1e-7 + ‖w‖).
 *
 * @param limit - ≥ 0 (default 2)
 * @param options - `axis` (default 0)
 * @throws RangeError, TypeError for a limit or axis that is none; ShapeError, when the layer is used, for an axis that the weight does not have
 * @example
 * const layers = [dense(64, { kernelConstraint: maxNorm(3) }), conv2d(16, 3, { kernelConstraint: maxNorm(2, { axis: [0, 1, 2] }) })]
 */
export function maxNorm(limit = 2, options: NormOptions = {}): ConstraintFunction {
  checkNumber('maxNorm', limit, { min: 0 })
  const { axis } = readOptions('maxNorm', options, { axis: axes })
  return (w) => mul(w, byNorm('maxNorm', w, axis, (norm) => div(clip(norm, 0, limit), affine(norm, 1, EPSILON))))
}

/** Weights ≥ 0 (Keras' `NonNeg`): what is negative becomes +0. */
export const nonNeg = (): ConstraintFunction => (w) => relu(w)

/**
 * Norms of 1 (Keras' `UnitNorm`): w / (1e-7 + ‖w‖).
 *
 * @param options - `axis` (default 0)
 */
export function unitNorm(options: NormOptions = {}): ConstraintFunction {
  const { axis } = readOptions('unitNorm', options, { axis: axes })
  return (w) => div(w, byNorm('unitNorm', w, axis, (norm) => affine(norm, 1, EPSILON)))
}

/** Options of {@link minMaxNorm}. */
export interface MinMaxNormOptions extends NormOptions {
  /** smallest norm, ≥ 0 (default 0) */
  readonly min?: number
  /** largest norm, ≥ min (default 1) */
  readonly max?: number
  /** how far a norm outside is moved to the bound by one step, 0 to 1 (default 1: all the way) */
  readonly rate?: number
}

/**
 * Norms between `min` and `max` (Keras' `MinMaxNorm`): w · (rate·clip(‖w‖, min, max) + (1 − rate)·‖w‖) / (1e-7 + ‖w‖).
 *
 * @param options - `min` (default 0), `max` (default 1), `rate` (default 1), `axis` (default 0)
 * @throws RangeError, TypeError for options that are none
 */
export function minMaxNorm(options: MinMaxNormOptions = {}): ConstraintFunction {
  const { min, max, rate, axis } = readOptions('minMaxNorm', options, { min: number(0, { min: 0 }), max: number(1), rate: number(1, { min: 0, max: 1 }), axis: axes })
  checkNumber('minMaxNorm.max', max, { min })
  return (w) => mul(w, byNorm('minMaxNorm', w, axis, (norm) => div(add(affine(clip(norm, min, max), rate, 0), affine(norm, 1 - rate, 0)), affine(norm, 1, EPSILON))))
}

const named: Readonly<Record<ConstraintName, ConstraintFunction>> = { maxNorm: (w) => maxNorm()(w), nonNeg: relu, unitNorm: (w) => unitNorm()(w), minMaxNorm: (w) => minMaxNorm()(w) }

/** What an option says: the function of a word, or the function itself. */
export const constraintOption: Reader<ConstraintFunction> = (where, given) => wordOr('a constraint such as maxNorm(2), or a function of a weight', named)(where, given)

/**
 * A constraint as plain data: what it computes of a weight of a shape.
 *
 * @throws TypeError when it gives no value, ShapeError when one of another type, or one that depends on anything but the weight
 */
export function constraintGraph(where: string, constraint: ConstraintFunction, shape: Shape): Graph {
  const w = new Value(shape, 'f32', { kind: 'input', spec: { name: 'w', data: 'f32', scale: 1, offset: 0, classes: null } })
  const given: unknown = inScope(null, () => constraint(w), where)
  if (!(given instanceof Value)) throw new TypeError(message(where, 'a constraint that gives a value', describe(given)))
  if (given.dtype !== 'f32' || !sameShape(given.shape, shape)) throw new ShapeError(message(where, `a constraint that gives a value as its weight, ${String(w)}`, String(given)))
  const leaves = [given, ...topological([given]).flatMap((node) => node.ins)].filter((v) => v.source.kind !== 'node')
  const other = leaves.find((v) => v !== w && v.source.kind !== 'constant')
  if (other !== undefined) throw new ShapeError(message(where, 'a constraint built of its weight and of constants', `one that uses ${other.source.kind === 'param' ? 'another weight' : 'an input'} ${String(other)}`))
  const naming = { path: () => '', key: () => '' }
  return toGraph({ in0: w, out0: given }, naming)
}
