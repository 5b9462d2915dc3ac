// Gradients of what stands for weights: a mark hands its own through, and so does a rounding.
import { greater, mul } from '../ops/binary.js'
import { abs, affine } from '../ops/unary.js'
import type { Vjp } from './vjp.js'

export const weightVjp: Vjp = (_, [dy]) => [dy ?? null]

/**
 * Straight-through: Bengio, Léonard, Courville, Estimating or Propagating Gradients Through Stochastic Neurons for Conditional Computation, 2013.
 * Where x was clipped there is none.
 */
export const fakeQuantVjp: Vjp = (node, [dy], need) => {
  const [x, range] = node.ins
  if (x === undefined || range === undefined || dy === null || dy === undefined || need[0] !== true) return [null, null]
  return [node.attrs['limited'] === true ? mul(dy, affine(greater(abs(x), range), -1, 1)) : dy, null]
}
