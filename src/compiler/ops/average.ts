// average: a statistic of the batch while training, its moving average in prediction. `specialise` removes it, so it is never lowered. A training
// moves the weight that is its second operand: that is how a graph says which weights follow statistics instead of gradients.
import { describe, message, ShapeError } from '../../core/errors.js'
import { formatShape, isBatched, sameShape } from '../../core/shape.js'
import { tracedMode } from '../graph/trace.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { openRule } from './mode.js'
import { operand } from './types.js'

/** The momentum of an application, 0 to 1. */
export function momentumOf(attrs: Attrs): number {
  const momentum = attrs['momentum']
  if (typeof momentum !== 'number' || !(momentum >= 0 && momentum <= 1)) throw new ShapeError(message('average: momentum', 'a number from 0 to 1', describe(momentum)))
  return momentum
}

export const averageOp: Op = {
  name: 'average',
  infer(ins, attrs) {
    const stat = operand('average', ins, 0)
    const moving = operand('average', ins, 1)
    momentumOf(attrs)
    if (!sameShape(stat.shape, moving.shape) || isBatched(stat.shape)) {
      throw new ShapeError(message('average', 'a statistic over the samples and a weight of its shape', `${formatShape(stat.shape)} and ${formatShape(moving.shape)}`))
    }
    return [{ shape: stat.shape, dtype: 'f32' }]
  },
  lower() { throw new ShapeError('average: expected to be specialised before it is lowered') },
  vjp: openRule,
}

/**
 * `stat` while training, `moving` in prediction. Each step moves `moving`, a weight that is not trained otherwise:
 * moving·momentum + stat·(1 − momentum), where the statistics of shards count by their samples.
 */
export function average(stat: Value, moving: Value, momentum: number): Value {
  const open = apply1(averageOp, [stat, moving], { momentum })
  return tracedMode() === 'predict' ? moving : open
}
