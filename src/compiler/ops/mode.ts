// byMode: one value while training, another in prediction. `specialise` removes it, so it is never lowered.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { apply1, type Value } from '../graph/value.js'
import type { Op } from '../op.js'
import { operand } from './types.js'

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
}

/** `train` while training, `predict` otherwise. */
export const byMode = (train: Value, predict: Value): Value => apply1(byModeOp, [train, predict])
