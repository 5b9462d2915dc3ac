// fakeQuant: a value as it is after it went through integers of a few bits and back, for training with what quantisation will do.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { ELEMENTS } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { sizeOf, tilesOf } from '../program.js'
import type { Attrs } from '../type.js'
import { rule2 } from '../rule.js'
import { greater, mul } from './binary.js'
import { operand } from './types.js'
import { abs, affine } from './unary.js'

/** The largest integer on either side: 127 of 8 bits. */
function levelsOf(attrs: Attrs): number {
  const levels = attrs['levels']
  if (typeof levels !== 'number' || !Number.isInteger(levels) || levels < 1 || levels > 127) throw new ShapeError(`fakeQuant: expected levels from 1 to 127, got ${String(levels)}`)
  return levels
}

export const fakeQuantOp: Op = {
  name: 'fakeQuant',
  infer(ins, attrs) {
    const x = operand('fakeQuant', ins, 0), range = operand('fakeQuant', ins, 1)
    levelsOf(attrs)
    const last = x.shape[x.shape.length - 1]
    if (range.shape.length > 0 && (last === undefined || last === 'n' || !sameShape(range.shape, [last]))) {
      throw new ShapeError(`fakeQuant: expected one range, or one for each of the last dimension of ${formatShape(x.shape)}, got ${formatShape(range.shape)}`)
    }
    return [{ shape: x.shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const [x, range] = [ctx.in(0), ctx.in(1)]
    const inner = range.shape.length === 0 ? sizeOf(x.shape) : sizeOf(x.shape.slice(-1))
    const outer = range.shape.length === 0 ? 1 : sizeOf(x.shape.slice(0, -1))
    ctx.call('f32_fake_quant', { x, range, y: ctx.out(0), outer, inner, rangeStride: range.shape.length, levels: { f32: levelsOf(ctx.attrs) } },
      { tiles: typeof inner === 'number' ? tilesOf(outer, 1, Math.ceil(inner / ELEMENTS)) : tilesOf(inner, ELEMENTS), writes: ['y'], inplace: ['x'] })
  },
  // Straight-through; where x was clipped there is none.
  vjp: /* @__PURE__ */ rule2((dy, x, range, _, { limited }) => (limited === true ? mul(dy, affine(greater(abs(x), range), -1, 1)) : dy)),
}

/**
 * x rounded, half to even, to the nearest of 2·levels + 1 numbers from −range to range, evenly apart.
 *
 * The gradient is straight-through (Bengio, Léonard, Courville 2013): that of x itself; if `limited`, 0 where |x| > range. None by the range.
 *
 * @param range - [], or [channels] for the last dimension of x; 0 gives +0
 * @param levels - integers on either side of 0: 127 for 8 bits, 7 for 4
 * @param limited - may |x| be larger than range? Then x is clipped
 */
export const fakeQuant = (x: Value, range: Value, levels: number, limited: boolean): Value => apply1(fakeQuantOp, [x, range], { levels, limited })
