// concat, slice and split: values side by side along an axis, a part of one, and its parts along the last dimension.
import { message, ShapeError } from '../../core/errors.js'
import { elements, formatShape, sameShape, type Shape } from '../../core/shape.js'
import { ROWS } from '../kernels.js'
import { apply, apply1, type Op, type Value } from '../graph/value.js'
import { sizeOf, tilesOf, type LowerContext, type View } from '../program.js'
import type { Attrs } from '../type.js'
import { rule1 } from '../rule.js'
import { filled } from './shapes.js'
import { operand, width } from './types.js'

const axisOf = (attrs: Attrs): number => Number(attrs['axis'])

/** An axis as given, negative from the end: not the sample dimension. */
function checkedAxis(op: string, axis: number, shape: Shape): number {
  const at = axis < 0 ? axis + shape.length : axis
  if (!Number.isInteger(axis) || at < 0 || at >= shape.length || shape[at] === 'n') throw new ShapeError(message(op, `an axis of ${formatShape(shape)} that is not the samples'`, String(axis)))
  return at
}

const dim = (shape: Shape, axis: number): number => Number(shape[axis])
const withDim = (shape: Shape, axis: number, d: number): Shape => shape.map((s, i) => (i === axis ? d : s))

/** Copies `count` of the axis from position `from` of x to position `to` of y. */
function copyPart(ctx: LowerContext, axis: number, x: View, from: number, y: View, to: number, count: number): void {
  const inner = elements(x.shape.slice(axis + 1)) * 4
  const rows = sizeOf(x.shape.slice(0, axis))
  const at = (view: View, position: number): View => ({ ...view, offset: view.offset + position * inner })
  ctx.call('copy_rows', { x: at(x, from), y: at(y, to), rows, width: count * inner, xRow: dim(x.shape, axis) * inner, yRow: dim(y.shape, axis) * inner },
    { tiles: tilesOf(rows, ROWS), writes: ['y'] })
}

export const concatOp: Op = {
  name: 'concat',
  infer(ins, attrs) {
    const first = operand('concat', ins, 0)
    const axis = axisOf(attrs)
    ins.forEach((_, i) => {
      const { shape } = operand('concat', ins, i)
      if (shape.length !== first.shape.length || !sameShape(withDim(shape, axis, 0), withDim(first.shape, axis, 0))) {
        throw new ShapeError(`concat: expected shapes that differ along axis ${axis} alone, got ${ins.map((t) => formatShape(t.shape)).join(' and ')}`)
      }
    })
    return [{ shape: withDim(first.shape, axis, ins.reduce((sum, { shape }) => sum + dim(shape, axis), 0)), dtype: 'f32' }]
  },
  lower(ctx) {
    const axis = axisOf(ctx.attrs)
    let to = 0
    for (const x of ctx.ins) {
      copyPart(ctx, axis, x, 0, ctx.out(0), to, dim(x.shape, axis))
      to += dim(x.shape, axis)
    }
  },
  // Each operand gets its own part.
  vjp({ ins, attrs }, [dy], need) {
    const axis = axisOf(attrs)
    let from = 0
    return ins.map((x, i) => {
      const to = from + dim(x.shape, axis)
      const part = dy === null || dy === undefined || need[i] !== true ? null : slice(dy, from, to, { axis })
      from = to
      return part
    })
  },
}

export const sliceOp: Op = {
  name: 'slice',
  infer(ins, attrs) {
    const { shape } = operand('slice', ins, 0)
    const [axis, from, to] = [axisOf(attrs), Number(attrs['from']), Number(attrs['to'])]
    if (!(Number.isInteger(from) && Number.isInteger(to) && 0 <= from && from < to && to <= dim(shape, axis))) throw new ShapeError(`slice: expected 0 ≤ from < to ≤ ${dim(shape, axis)} along axis ${axis} of ${formatShape(shape)}, got ${from} to ${to}`)
    return [{ shape: withDim(shape, axis, to - from), dtype: 'f32' }]
  },
  lower(ctx) {
    const [axis, from, to] = [axisOf(ctx.attrs), Number(ctx.attrs['from']), Number(ctx.attrs['to'])]
    copyPart(ctx, axis, ctx.in(0), from, ctx.out(0), 0, to - from)
  },
  // Zero beside the part.
  vjp: /* @__PURE__ */ rule1((dy, x, _, attrs) => {
    const [axis, from, to] = [axisOf(attrs), Number(attrs['from']), Number(attrs['to'])]
    const zeros = (count: number): Value[] => (count === 0 ? [] : [filled(0, withDim(x.shape, axis, count))])
    return concatenate([...zeros(from), dy, ...zeros(dim(x.shape, axis) - to)], { axis })
  }),
}

const sizesOf = (attrs: Attrs): readonly number[] => (Array.isArray(attrs['sizes']) ? attrs['sizes'].map(Number) : [])

export const splitOp: Op = {
  name: 'split',
  infer(ins, attrs) {
    const { shape } = operand('split', ins, 0)
    const sizes = sizesOf(attrs)
    if (sizes.length === 0 || sizes.some((s) => !Number.isInteger(s) || s < 1) || sizes.reduce((a, b) => a + b, 0) !== width('split', shape)) {
      throw new ShapeError(`split: expected widths that make up the last dimension of ${formatShape(shape)}, got [${sizes.join(', ')}]`)
    }
    return sizes.map((s) => ({ shape: withDim(shape, shape.length - 1, s), dtype: 'f32' }))
  },
  lower(ctx) {
    const x = ctx.in(0)
    let from = 0
    sizesOf(ctx.attrs).forEach((count, i) => {
      copyPart(ctx, x.shape.length - 1, x, from, ctx.out(i), 0, count)
      from += count
    })
  },
  vjp: ({ outs }, dys) => [concatenate(outs.map((y, i) => dys[i] ?? filled(0, y.shape)))],
}

/**
 * The parts of a value along its last dimension.
 *
 * @param sizes - their widths, each ≥ 1, which make up that dimension
 * @returns as many values, [..., size] of x [..., width]
 * @throws ShapeError when the widths do not make up the dimension
 * @example
 * const gated = layer('glu', {}, (x) => { const [a, b] = split(x, [4, 4]); return mul(a, sigmoid(b)) })
 */
export const split = (x: Value, sizes: readonly number[]): readonly Value[] => apply(splitOp, [x], { sizes })

/**
 * Values one after the other along an axis.
 *
 * @param xs - at least one; their shapes differ along that axis alone
 * @param options - `axis`: not the sample dimension, negative from the end (default −1)
 * @throws ShapeError when shapes differ elsewhere, or the axis is that of the samples
 * @example
 * const both = concatenate([input([3]), input([5])])   // [n, 8]
 */
export function concatenate(xs: readonly Value[], options: { readonly axis?: number } = {}): Value {
  const first = xs[0]
  if (first === undefined) throw new ShapeError('concatenate: expected at least one value, got none.')
  return xs.length === 1 ? first : apply1(concatOp, xs, { axis: checkedAxis('concatenate', options.axis ?? -1, first.shape) })
}

/**
 * Positions `from` to before `to` along an axis.
 *
 * @param options - `axis`: not the sample dimension, negative from the end (default −1)
 * @throws ShapeError for positions beyond the dimension, or the axis of the samples
 */
export const slice = (x: Value, from: number, to: number, options: { readonly axis?: number } = {}): Value =>
  apply1(sliceOp, [x], { axis: checkedAxis('slice', options.axis ?? -1, x.shape), from, to })
