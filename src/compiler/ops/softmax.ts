// softmax and its logarithm over the last axis, with their gradients as ops.
import { sameShape, type Shape } from '../../core/shape.js'
import { ROWS, type KernelName } from '../kernels.js'
import { ShapeError } from '../../core/errors.js'
import { apply1, type Value } from '../graph/value.js'
import type { Op } from '../op.js'
import { sizeOf, tilesOf, type Size } from '../program.js'
import { operand, width } from './types.js'

/** Rows and width of a value that is worked on row by row, and the tiles of that. */
export function rowwise(op: string, shape: Shape): { readonly rows: Size; readonly width: number; readonly tiles: Size } {
  const rows = sizeOf(shape.slice(0, -1))
  return { rows, width: width(op, shape), tiles: tilesOf(rows, ROWS) }
}

const forward = (name: string, kernel: 'f32_softmax' | 'f32_log_softmax'): Op => ({
  name,
  infer(ins) {
    const x = operand(name, ins, 0)
    width(name, x.shape)
    return [{ shape: x.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const { rows, width: w, tiles } = rowwise(name, ctx.in(0).shape)
    ctx.call(kernel, { x: ctx.in(0), y: ctx.out(0), rows, width: w }, { tiles, writes: ['y'], inplace: ['x'] })
  },
})

const backward = (name: string, kernel: Extract<KernelName, 'f32_softmax_grad' | 'f32_log_softmax_grad'>): Op => ({
  name,
  infer(ins) {
    const y = operand(name, ins, 0)
    if (!sameShape(y.shape, operand(name, ins, 1).shape)) throw new ShapeError(`${name}: expected a gradient of the output's shape`)
    return [{ shape: y.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const { rows, width: w, tiles } = rowwise(name, ctx.in(0).shape)
    ctx.call(kernel, { y: ctx.in(0), dy: ctx.in(1), dx: ctx.out(0), rows, width: w }, { tiles, writes: ['dx'], inplace: ['dy'] })
  },
})

export const softmaxOp: Op = forward('softmax', 'f32_softmax')
export const logSoftmaxOp: Op = forward('logSoftmax', 'f32_log_softmax')
export const softmaxGradOp: Op = backward('softmaxGrad', 'f32_softmax_grad')
export const logSoftmaxGradOp: Op = backward('logSoftmaxGrad', 'f32_log_softmax_grad')

/** exp(x) / Σ exp(x) over the last axis. */
export const softmax = (x: Value): Value => apply1(softmaxOp, [x])
/** log softmax(x) over the last axis. */
export const logSoftmax = (x: Value): Value => apply1(logSoftmaxOp, [x])
