// softmax and its logarithm over the last axis, with their gradients as ops.
import { sameShape, type Shape } from '../../core/shape.js'
import { ROWS, type KernelName } from '../kernels.js'
import { ShapeError } from '../../core/errors.js'
import { apply1, type Op, type Value, type Vjp } from '../graph/value.js'
import { sizeOf, tilesOf, type Size } from '../program.js'
import { rule1, rule2 } from '../rule.js'
import { mul, sub } from './binary.js'
import { sum } from './reduce.js'
import { expand, reshape } from './shapes.js'
import { operand, width } from './types.js'
import { exp, neg } from './unary.js'

/** Rows and width of a value that is worked on row by row, and the tiles of that. */
export function rowwise(op: string, shape: Shape): { readonly rows: Size; readonly width: number; readonly tiles: Size } {
  const rows = sizeOf(shape.slice(0, -1))
  return { rows, width: width(op, shape), tiles: tilesOf(rows, ROWS) }
}

const forward = (name: string, kernel: 'f32_softmax' | 'f32_log_softmax', grad: () => Op): Op => ({
  name,
  vjp: rule1((dy, _, y) => apply1(grad(), [y, dy])),
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

const backward = (name: string, kernel: Extract<KernelName, 'f32_softmax_grad' | 'f32_log_softmax_grad'>, vjp: Vjp): Op => ({
  name, vjp,
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

export const softmaxOp: Op = /* @__PURE__ */ forward('softmax', 'f32_softmax', () => softmaxGradOp)
export const logSoftmaxOp: Op = /* @__PURE__ */ forward('logSoftmax', 'f32_log_softmax', () => logSoftmaxGradOp)

/** A sum over the last axis that stays there as 1, in the shape of x. */
const rowSum = (x: Value): Value => expand(reshape(sum(x, -1), [...x.shape.slice(0, -1), 1]), x.shape)

/** f = y·(dy − Σ dy·y): by dy the same form again (it is symmetric), by y: g·(dy − Σ dy·y) − dy·Σ g·y. */
export const softmaxGradOp: Op = /* @__PURE__ */ backward('softmaxGrad', 'f32_softmax_grad', /* @__PURE__ */ rule2(
  (g, y, dy) => sub(mul(g, sub(dy, rowSum(mul(dy, y)))), mul(dy, rowSum(mul(g, y)))), (g, y) => apply1(softmaxGradOp, [y, g]),
))
/** f = dy − eʸ·Σ dy: by dy: g − Σ g·eʸ, by y: −g·eʸ·Σ dy. */
export const logSoftmaxGradOp: Op = /* @__PURE__ */ backward('logSoftmaxGrad', 'f32_log_softmax_grad', /* @__PURE__ */ rule2(
  (g, y, dy) => neg(mul(mul(g, exp(y)), rowSum(dy))), (g, y) => sub(g, rowSum(mul(g, exp(y)))),
))

/** exp(x) / Σ exp(x) over the last axis. */
export const softmax = (x: Value): Value => apply1(softmaxOp, [x])
/** log softmax(x) over the last axis. */
export const logSoftmax = (x: Value): Value => apply1(logSoftmaxOp, [x])
