// byMode: one value while training, another in prediction. `specialise` removes it, so it is never lowered; where a step is traced, the mode is
// known and it does not come into being.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { apply1, type Op, type Value, type Vjp } from '../graph/value.js'
import { tracedMode } from '../graph/trace.js'
import { rule2 } from '../rule.js'
import { filled } from './shapes.js'
import { operand } from './types.js'

/** Of what is still open: each branch gets the gradient in its own mode, zeros in the other. */
export const openRule: Vjp = /* @__PURE__ */ rule2((dy) => byMode(dy, filled(0, dy.shape)), (dy) => byMode(filled(0, dy.shape), dy))

export const byModeOp: Op = {
  name: 'byMode',
  infer(ins) {
    const train = operand('byMode', ins, 0, null)
    const predict = operand('byMode', ins, 1, null)
    if (!sameShape(train.shape, predict.shape) || train.dtype !== predict.dtype) {
      throw new ShapeError(`byMode: expected two values of one type, got ${formatShape(train.shape)} and ${formatShape(predict.shape)}`)
    }
    return [{ shape: train.shape, dtype: train.dtype }]
  },
  lower() { throw new ShapeError('byMode: expected to be specialised before it is lowered') },
  vjp: openRule,
}

/**
 * One value while training, another in prediction and evaluation, of the same shape.
 *
 * @returns `train` in `fit`, `trainOnBatch` and steps that update; `predict` elsewhere
 * @throws ShapeError when their shapes or element types differ
 * @example
 * const sharpened = layer('sharpen', {}, (x) => byMode(x, affine(x, 2, 0)))
 */
export function byMode(train: Value, predict: Value): Value {
  const mode = tracedMode()
  const open = apply1(byModeOp, [train, predict])
  return mode === null ? open : mode === 'train' ? train : predict
}
