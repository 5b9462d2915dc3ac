// Gradients of what changes shapes: expand, reshape, and sums and means over axes.
import { elements, type Shape } from '../../core/shape.js'
import { constant, type Value } from '../graph/value.js'
import type { Vjp } from './vjp.js'
import { div } from '../ops/binary.js'
import { concat, split } from '../ops/columns.js'
import { axesOf, sum } from '../ops/reduce.js'
import { expand, reshape, sumTo } from '../ops/shapes.js'

export const expandVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  return [x === undefined || dy === null || dy === undefined ? null : sumTo(dy, x.shape)]
}

export const reshapeVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  return [x === undefined || dy === null || dy === undefined ? null : reshape(dy, x.shape)]
}

/** dy, repeated along the axes that were summed over. */
function spread(x: Value, dy: Value, axes: readonly number[]): Value {
  const kept: Shape = x.shape.map((d, i) => (axes.includes(i) ? 1 : d))
  return expand(reshape(dy, kept), x.shape)
}

export const sumVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  return [x === undefined || dy === null || dy === undefined ? null : spread(x, dy, axesOf(node.attrs))]
}

export const meanVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  if (x === undefined || dy === null || dy === undefined) return [null]
  const axes = axesOf(node.attrs)
  const reduced = axes.map((i) => x.shape[i] ?? 1)
  // The count is a sum of ones where it is bound at run.
  const count = reduced.includes('n') ? sum(expand(constant([], 'f32', [1]), reduced)) : constant([], 'f32', [elements(reduced)])
  return [spread(x, div(dy, count), axes)]
}

export const splitVjp: Vjp = (node, dys) => [concat(...node.outs.map((y, i) => dys[i] ?? expand(constant([], 'f32', [0]), y.shape)))]

export const concatVjp: Vjp = (node, [dy]) =>
  (dy === null || dy === undefined ? node.ins.map(() => null) : split(dy, node.ins.map(({ shape }) => Number(shape[shape.length - 1]))))
