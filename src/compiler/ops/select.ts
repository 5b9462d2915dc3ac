// select: one of two values, element by element, by a mask of bytes. A selection of bits: 0 · NaN does not come into it.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { ELEMENTS } from '../kernels.js'
import { apply1, constant, type Op, type Value } from '../graph/value.js'
import { sizeOf, tilesOf } from '../program.js'
import { sum } from './reduce.js'
import { operand } from './types.js'

export const selectOp: Op = {
  name: 'select',
  infer(ins) {
    const mask = operand('select', ins, 0, 'u8')
    for (const i of [1, 2]) {
      const { shape } = operand('select', ins, i)
      if (shape.length > 0 && !sameShape(shape, mask.shape)) throw new ShapeError(`select: expected values of the mask's shape ${formatShape(mask.shape)} or scalars, got ${formatShape(shape)}`)
    }
    return [{ shape: mask.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const [mask, a, b] = [ctx.in(0), ctx.in(1), ctx.in(2)]
    const length = sizeOf(mask.shape)
    ctx.call('f32_select', { mask, a, b, y: ctx.out(0), length, aStride: a.shape.length === 0 ? 0 : 1, bStride: b.shape.length === 0 ? 0 : 1 },
      { tiles: tilesOf(length, ELEMENTS), writes: ['y'] })
  },
  vjp({ ins: [mask, a, b] }, [dy], need) {
    if (mask === undefined || a === undefined || b === undefined || dy === undefined || dy === null) return [null, null, null]
    const zero = constant([], 'f32', [0])
    const fit = (g: Value, like: Value): Value => (like.shape.length === 0 ? sum(g) : g)
    return [null, need[1] === true ? fit(select(mask, dy, zero), a) : null, need[2] === true ? fit(select(mask, zero, dy), b) : null]
  },
}

/**
 * a where the mask is not 0, else b: a choice of bits, not a product, so NaN in what is not chosen does not matter.
 *
 * @param mask - of u8, such as `constant(new Uint8Array([1, 0, 1]))` or a `lengthMask`
 * @param a - of the mask's shape, or a scalar; b alike
 * @throws ShapeError when the shapes differ
 */
export const select = (mask: Value, a: Value, b: Value): Value => apply1(selectOp, [mask, a, b])
