// sum and mean over axes, each in the order of law 3, and the largest and smallest element.
import { ShapeError } from '../../core/errors.js'
import { reduceCode } from '../../core/codes.js'
import { elements, formatShape, type Shape } from '../../core/shape.js'
import { COLUMNS, ROWS } from '../kernels.js'
import { apply1, type Op, type Scalar, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import type { Type } from '../type.js'
import { sizeOf, tilesOf } from '../program.js'
import { operand } from './types.js'
import { neg } from './unary.js'

export const axesOf = (attrs: Attrs): readonly number[] => (Array.isArray(attrs['axes']) ? attrs['axes'].map(Number) : [])

function infer(name: string, ins: readonly Type[], attrs: Attrs): readonly Type[] {
  const x = operand(name, ins, 0)
  const axes = axesOf(attrs)
  axes.forEach((axis, i) => {
    if (!(Number.isInteger(axis) && axis >= 0 && axis < x.shape.length) || (i > 0 && axis !== (axes[i - 1] ?? 0) + 1)) {
      throw new ShapeError(`${name}: expected neighbouring axes in ascending order within ${formatShape(x.shape)}, got [${axes.join(', ')}]`)
    }
  })
  return [{ shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: 'f32' }]
}

function reduceOp(name: 'sum' | 'mean' | 'max'): Op {
  return {
    name,
    infer: (ins, attrs) => infer(name, ins, attrs),
    lower(ctx) {
      const x = ctx.in(0)
      const axes = axesOf(ctx.attrs)
      const from = axes[0] ?? x.shape.length
      const part = (a: number, b?: number): Shape => x.shape.slice(a, b)
      const outer = sizeOf(part(0, from))
      const inner = elements(part(from + axes.length))
      ctx.call('f32_reduce', { x, y: ctx.out(0), outer, k: sizeOf(part(from, from + axes.length)), inner, code: reduceCode[name] }, {
        tiles: inner === 1 ? tilesOf(outer, ROWS) : tilesOf(outer, 1, Math.ceil(inner / COLUMNS)), writes: ['y'],
      })
    },
  }
}

export const sumOp: Op = reduceOp('sum')
export const meanOp: Op = reduceOp('mean')
export const maxOp: Op = reduceOp('max')

/** Axes as given: negative ones count from the end; none means all. Runs of neighbours, the last first. */
function runs(x: Value, axes: number | readonly number[] | undefined): readonly (readonly number[])[] {
  const rank = x.shape.length
  const given = axes === undefined ? Array.from({ length: rank }, (_, i) => i) : typeof axes === 'number' ? [axes] : axes
  const sorted = [...new Set(given.map((a) => (a < 0 ? a + rank : a)))].sort((a, b) => a - b)
  const out: number[][] = []
  for (const axis of sorted) {
    const run = out[out.length - 1]
    if (run !== undefined && run[run.length - 1] === axis - 1) run.push(axis)
    else out.push([axis])
  }
  return out.reverse()
}

const reduced = (op: Op, x: Value, axes: number | readonly number[] | undefined): Scalar => runs(x, axes).reduce((y, run) => apply1(op, [y], { axes: run }), x) as Scalar

/**
 * The sum over axes, which vanish.
 *
 * @param axes - one or several, negative from the end; all when left out
 * @returns a value of the other dimensions; a scalar of all
 * @throws ShapeError for an axis that x does not have
 * @example
 * const energy = sum(square(input([3, 4])), [1, 2])   // [n]
 */
export function sum(x: Value): Scalar
/**
 * The sum over some axes.
 *
 * @param axes - one or several, negative from the end
 * @returns a value of the other dimensions
 */
export function sum(x: Value, axes: number | readonly number[]): Value
export function sum(x: Value, axes?: number | readonly number[]): Value { return reduced(sumOp, x, axes) }

/**
 * The mean over axes, which vanish: the sum divided by the count, each rounded to f32.
 *
 * @param axes - one or several, negative from the end; all when left out
 * @returns a value of the other dimensions; a scalar of all
 * @throws ShapeError for an axis that x does not have
 * @example
 * const centred = (x: Value) => sub(x, mean(x, 0))
 */
export function mean(x: Value): Scalar
/**
 * The mean over some axes.
 *
 * @param axes - one or several, negative from the end
 * @returns a value of the other dimensions
 */
export function mean(x: Value, axes: number | readonly number[]): Value
export function mean(x: Value, axes?: number | readonly number[]): Value { return reduced(meanOp, x, axes) }

/**
 * The largest element over axes, which vanish; NaN if there is one, −∞ of none. Elements that are equally large share the gradient equally, as
 * in TensorFlow.
 *
 * @param axes - one or several, negative from the end; all when left out
 * @returns a value of the other dimensions; a scalar of all
 * @throws ShapeError for an axis that x does not have
 * @example
 * const overTime = layer('maxOverTime', {}, (x) => max(x, 1))   // [n, T, d] → [n, d]
 */
export function max(x: Value): Scalar
/**
 * The largest element over some axes.
 *
 * @param axes - one or several, negative from the end
 * @returns a value of the other dimensions
 */
export function max(x: Value, axes: number | readonly number[]): Value
export function max(x: Value, axes?: number | readonly number[]): Value { return reduced(maxOp, x, axes) }

/** The smallest element over axes, which vanish: −max(−x), with its rules. */
export function min(x: Value): Scalar
/**
 * The smallest element over some axes.
 *
 * @param axes - one or several, negative from the end
 * @returns a value of the other dimensions
 */
export function min(x: Value, axes: number | readonly number[]): Value
export function min(x: Value, axes?: number | readonly number[]): Value { return neg(reduced(maxOp, neg(x), axes)) }
