// Gradients of what changes shapes: expand, reshape, and sums, means and maxima over axes.
import { elements, type Shape } from '../../core/shape.js'
import { constant, type Value } from '../graph/value.js'
import type { Vjp } from './vjp.js'
import { div, equal, mul } from '../ops/binary.js'
import { concatenate, slice } from '../ops/concat.js'
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

/** Shared equally among those that are as large as the largest; NaN where that is NaN, for 0 · (dy / 0). */
export const maxVjp: Vjp = (node, [dy]) => {
  const [x, y] = [node.ins[0], node.outs[0]]
  if (x === undefined || y === undefined || dy === null || dy === undefined) return [null]
  const axes = axesOf(node.attrs)
  const largest = equal(x, spread(x, y, axes))
  return [mul(largest, spread(x, div(dy, sum(largest, axes)), axes))]
}

/** Each operand gets its own part. */
export const concatVjp: Vjp = (node, [dy], need) => {
  const axis = Number(node.attrs['axis'])
  let from = 0
  return node.ins.map((x, i) => {
    const to = from + Number(x.shape[axis])
    const part = dy === null || dy === undefined || need[i] !== true ? null : slice(dy, from, to, { axis })
    from = to
    return part
  })
}

/** Zero beside the part. */
export const sliceVjp: Vjp = (node, [dy]) => {
  const x = node.ins[0]
  if (x === undefined || dy === null || dy === undefined) return [null]
  const [axis, from, to] = [Number(node.attrs['axis']), Number(node.attrs['from']), Number(node.attrs['to'])]
  const zeros = (count: number): Value[] => (count === 0 ? [] : [expand(constant([], 'f32', [0]), x.shape.map((d, i) => (i === axis ? count : d)))])
  return [concatenate([...zeros(from), dy, ...zeros(Number(x.shape[axis]) - to)], { axis })]
}

export const splitVjp: Vjp = (node, dys) => [concatenate(node.outs.map((y, i) => dys[i] ?? expand(constant([], 'f32', [0]), y.shape)))]
