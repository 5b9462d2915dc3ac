// Gradients of what differs between training and prediction, still open: each branch gets the gradient in its own mode, zeros in the other.
import { constant, type Value } from '../graph/value.js'
import { byMode } from '../ops/mode.js'
import { expand } from '../ops/shapes.js'
import type { Vjp } from './vjp.js'

/** y is the first operand while training, the second in prediction. */
const openVjp: Vjp = (node, [dy], need) => {
  if (dy === null || dy === undefined) return node.ins.map(() => null)
  const zeros: Value = expand(constant([], 'f32', [0]), dy.shape)
  return [need[0] === true ? byMode(dy, zeros) : null, need[1] === true ? byMode(zeros, dy) : null]
}

export const byModeVjp: Vjp = openVjp
/** A statistic while training, the weight that follows it in prediction. */
export const averageVjp: Vjp = openVjp
