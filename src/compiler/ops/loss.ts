// Sparse cross-entropy: logits against class numbers. (The other losses are made of elementwise ops and reductions.)
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { rule2 } from '../rule.js'
import { rowwise } from './softmax.js'
import { operand, width } from './types.js'

export const sparseXentOp: Op = {
  name: 'sparseXent',
  infer(ins) {
    const x = operand('sparseXent', ins, 0)
    const labels = operand('sparseXent', ins, 1, 'i32')
    width('sparseXent', x.shape)
    if (!sameShape(x.shape.slice(0, -1), labels.shape)) throw new ShapeError(`sparseXent: expected one label for each row of ${formatShape(x.shape)}, got ${formatShape(labels.shape)}`)
    return [{ shape: labels.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const { rows, width: w, tiles } = rowwise('sparseXent', ctx.in(0).shape)
    ctx.call('f32_sparse_xent', { x: ctx.in(0), labels: ctx.in(1), y: ctx.out(0), rows, width: w }, { tiles, writes: ['y'] })
  },
  vjp: /* @__PURE__ */ rule2((dy, x, labels) => apply1(sparseXentGradOp, [x, labels, dy])),
}

export const sparseXentGradOp: Op = {
  name: 'sparseXentGrad',
  infer(ins) {
    const x = operand('sparseXentGrad', ins, 0)
    operand('sparseXentGrad', ins, 1, 'i32')
    if (!sameShape(x.shape.slice(0, -1), operand('sparseXentGrad', ins, 2).shape)) throw new ShapeError('sparseXentGrad: expected one gradient for each row')
    return [{ shape: x.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const { rows, width: w, tiles } = rowwise('sparseXentGrad', ctx.in(0).shape)
    ctx.call('f32_sparse_xent_grad', { x: ctx.in(0), labels: ctx.in(1), dy: ctx.in(2), dx: ctx.out(0), rows, width: w }, { tiles, writes: ['dx'], inplace: ['x'] })
  },
}

/**
 * Cross-entropy of logits [..., classes] against class numbers (i32) [...]: log Σ eˣ − x[label].
 *
 * @returns [...]
 * @throws ShapeError when there is not one class number for each row of logits
 */
export const sparseXent = (logits: Value, labels: Value): Value => apply1(sparseXentOp, [logits, labels])
