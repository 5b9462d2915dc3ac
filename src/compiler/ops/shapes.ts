// Values in another shape: expand repeats, reshape renames, sumTo undoes a broadcast in gradients.
import { ShapeError } from '../../core/errors.js'
import { binaryCode } from '../../core/codes.js'
import { elements, formatShape, isBatched, sameShape, type Shape } from '../../core/shape.js'
import { apply1, constant, type Op, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { broadcastLoops, broadcastShapes } from './loops.js'
import { sum } from './reduce.js'
import { operand } from './types.js'

/** Shapes among attributes: −1 stands for n. */
export const shapeAttr = (shape: Shape): readonly number[] => shape.map((d) => (d === 'n' ? -1 : d))
export function attrShape(attrs: Attrs): Shape {
  const shape = attrs['shape']
  if (!Array.isArray(shape)) throw new ShapeError('expected a shape among the attributes')
  return shape.map((d: unknown, i) => (i === 0 && d === -1 ? 'n' : Number(d)))
}

export const expandOp: Op = {
  name: 'expand',
  infer(ins, attrs) {
    const x = operand('expand', ins, 0)
    const shape = attrShape(attrs)
    if (!sameShape(broadcastShapes('expand', x.shape, shape), shape)) throw new ShapeError(`expand: expected a shape that ${formatShape(x.shape)} broadcasts to, got ${formatShape(shape)}`)
    return [{ shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const x = ctx.in(0)
    const y = ctx.out(0)
    const loops = broadcastLoops('expand', x.shape, y.shape)
    ctx.call('f32_binary', {
      a: x, b: x, y, outer: loops.sizes[0], mid: loops.sizes[1], inner: loops.sizes[2],
      aOuter: loops.a[0], aMid: loops.a[1], aInner: loops.a[2], bOuter: loops.a[0], bMid: loops.a[1], bInner: loops.a[2],
      code: binaryCode.first, alpha: { f32: 0 }, beta: { f32: 0 },
    }, { tiles: loops.tiles, writes: ['y'] })
  },
}

/**
 * Repeats a value along dimensions of 1 or in front.
 *
 * @param shape - that x broadcasts to; `'n'` in front for samples
 * @throws ShapeError when it does not
 */
export const expand = (x: Value, shape: Shape): Value => (sameShape(x.shape, shape) ? x : apply1(expandOp, [x], { shape: shapeAttr(shape) }))

/** One number throughout a shape. */
export const filled = (value: number, shape: Shape): Value => expand(constant([], 'f32', [value]), shape)

export const reshapeOp: Op = {
  name: 'reshape',
  infer(ins, attrs) {
    const x = operand('reshape', ins, 0, null)
    const shape = attrShape(attrs)
    if (elements(shape) !== elements(x.shape) || isBatched(shape) !== isBatched(x.shape)) {
      throw new ShapeError(`reshape: expected ${elements(x.shape)} elements${isBatched(x.shape) ? ' a sample' : ''} as in ${formatShape(x.shape)}, got ${formatShape(shape)}`)
    }
    return [{ shape, dtype: x.dtype }]
  },
  lower: (ctx) => ctx.alias(0, ctx.in(0)),
}

/**
 * The same elements in another shape, in row-major order (the layer `reshape` is for models; this is for values of any kind).
 *
 * @param shape - of as many elements; with `'n'` in front, as many a sample
 * @throws ShapeError when it has not
 * @example
 * const rows = reshapeTo(input([2, 3]), ['n', 6])
 */
export const reshape = (x: Value, shape: Shape): Value => apply1(reshapeOp, [x], { shape: shapeAttr(shape) })

/** Sums over what a broadcast repeated: the gradient of an operand of `shape`. */
export function sumTo(dy: Value, shape: Shape): Value {
  if (sameShape(dy.shape, shape)) return dy
  const added = dy.shape.length - shape.length
  const axes = dy.shape.flatMap((d, i) => (i < added || (shape[i - added] === 1 && d !== 1) ? [i] : []))
  const y = sum(dy, axes)
  return sameShape(y.shape, shape) ? y : reshape(y, shape)
}
