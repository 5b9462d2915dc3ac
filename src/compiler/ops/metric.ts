// What metrics are made of: the index of the largest element, equality of class numbers, and sums in f64.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { ELEMENTS } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { sizeOf, tilesOf } from '../program.js'
import { noGradient } from '../rule.js'
import { rowwise } from './softmax.js'
import { operand, width } from './types.js'

export const argMaxOp: Op = {
  name: 'argMax',
  infer(ins) {
    const x = operand('argMax', ins, 0)
    width('argMax', x.shape)
    return [{ shape: x.shape.slice(0, -1), dtype: 'i32' }]
  },
  lower(ctx) {
    const { rows, width: w, tiles } = rowwise('argMax', ctx.in(0).shape)
    ctx.call('i32_arg_max', { x: ctx.in(0), y: ctx.out(0), rows, width: w }, { tiles, writes: ['y'] })
  },
  vjp: noGradient,
}

export const sameIndexOp: Op = {
  name: 'sameIndex',
  infer(ins) {
    const a = operand('sameIndex', ins, 0, 'i32')
    const b = operand('sameIndex', ins, 1, 'i32')
    if (!sameShape(a.shape, b.shape)) throw new ShapeError(`sameIndex: expected equal shapes, got ${formatShape(a.shape)} and ${formatShape(b.shape)}`)
    return [{ shape: a.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const length = sizeOf(ctx.in(0).shape)
    ctx.call('i32_equal', { a: ctx.in(0), b: ctx.in(1), y: ctx.out(0), length }, { tiles: tilesOf(length, ELEMENTS), writes: ['y'] })
  },
  vjp: noGradient,
}

export const totalOp: Op = {
  name: 'total',
  infer(ins) {
    const x = operand('total', ins, 0)
    if (ins[1] !== undefined && !sameShape(operand('total', ins, 1).shape, x.shape)) throw new ShapeError('total: expected weights of the values\' shape')
    return [{ shape: [], dtype: 'f64' }]
  },
  lower(ctx) {
    ctx.call('f32_total', { x: ctx.in(0), w: ctx.ins[1] ?? 0, y: ctx.out(0), length: sizeOf(ctx.in(0).shape) }, { tiles: 1, writes: ['y'] })
  },
}

/**
 * The index of the first largest element along the last dimension; of the first NaN if there is one. It has no gradient.
 *
 * @returns i32 [...], of x [..., width]
 * @throws ShapeError when the last dimension is that of the samples
 * @example
 * const agreement = metric('agreement', (output, y) => sameIndex(argMax(output), argMax(y)))
 */
export const argMax = (x: Value): Value => apply1(argMaxOp, [x])
/**
 * 1 where two whole numbers (i32) are the same, else 0; without a gradient.
 *
 * @returns f32, of the shape that both have
 * @throws ShapeError when their shapes differ
 */
export const sameIndex = (a: Value, b: Value): Value => apply1(sameIndexOp, [a, b])
/** Σ x, or Σ x·w, over everything, in f64. */
export const total = (x: Value, w?: Value): Value => apply1(totalOp, w === undefined ? [x] : [x, w])
