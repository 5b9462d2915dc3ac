// Gradients of pooling. Averages are linear: the gradient of their gradient is the pooling itself.
import { apply1 } from '../graph/value.js'
import type { Vjp } from './vjp.js'
import { averagePool2dGradOp, averagePool2dOp, maxPool2dGradOp } from '../ops/pool.js'

export const maxPool2dVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  return [x === undefined || dy === null || dy === undefined ? null : apply1(maxPool2dGradOp, [x, dy], node.attrs)]
}

export const averagePool2dVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  if (x === undefined || dy === null || dy === undefined) return [null]
  return [apply1(averagePool2dGradOp, [dy], { ...node.attrs, image: x.shape.slice(1, 3).map(Number) })]
}

export const averagePool2dGradVjp: Vjp = (node, [g]) => {
  const { image: _, ...attrs } = node.attrs
  return [g === null || g === undefined ? null : apply1(averagePool2dOp, [g], attrs)]
}
