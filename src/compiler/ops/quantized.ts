// quantizeLinear, qmatmul: integers in a graph. real = scale·(q − zeroPoint); activations are unsigned bytes of 7 or 8 bits, weights signed ones
// with zero point 0 and a scale for each output. Sums are exact, so their order is no part of the definition (Jacob et al., 2018, eq. 4, 7).
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape, type Shape } from '../../core/shape.js'
import { ELEMENTS, GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { sizeOf, tilesOf } from '../program.js'
import type { Attrs } from '../type.js'
import { operand, width } from './types.js'

/** Terms of the longest sum: 127·255·65 536 < 2³¹. */
export const MAX_TERMS = 65536

/** The largest quantised value of so many bits. */
export const highest = (bits: Bits): number => (bits === 7 ? 127 : 255)
export type Bits = 7 | 8

function bitsAttr(op: string, attrs: Attrs, key: string): Bits {
  const bits = attrs[key]
  if (bits !== 7 && bits !== 8) throw new ShapeError(`${op}: expected ${key} 7 or 8, got ${String(bits)}`)
  return bits
}

/** The zero point among attributes: one of the quantised values. */
function zeroPointAttr(op: string, attrs: Attrs, bits: Bits): number {
  const zeroPoint = attrs['zeroPoint']
  if (typeof zeroPoint !== 'number' || !Number.isInteger(zeroPoint) || zeroPoint < 0 || zeroPoint > highest(bits)) throw new ShapeError(`${op}: expected a zero point from 0 to ${highest(bits)}, got ${String(zeroPoint)}`)
  return zeroPoint
}

function scaleAttr(attrs: Attrs): number {
  const scale = attrs['scale']
  if (typeof scale !== 'number' || !(scale > 0 && scale < Infinity)) throw new ShapeError(`quantizeLinear: expected a scale above 0, got ${String(scale)}`)
  return scale
}

export const quantizeLinearOp: Op = {
  name: 'quantizeLinear',
  infer(ins, attrs) {
    const x = operand('quantizeLinear', ins, 0)
    scaleAttr(attrs)
    zeroPointAttr('quantizeLinear', attrs, bitsAttr('quantizeLinear', attrs, 'bits'))
    return [{ shape: x.shape, dtype: 'u8' }]
  },
  lower(ctx) {
    const length = sizeOf(ctx.in(0).shape)
    const bits = bitsAttr('quantizeLinear', ctx.attrs, 'bits')
    ctx.call('qu8_quantize', {
      x: ctx.in(0), y: ctx.out(0), length, multiplier: { f32: 1 / scaleAttr(ctx.attrs) }, zeroPoint: zeroPointAttr('quantizeLinear', ctx.attrs, bits), high: highest(bits),
    }, { tiles: tilesOf(length, ELEMENTS), writes: ['y'] })
  },
}

const rows = (shape: Shape): Shape => shape.slice(0, -1)

export const qmatmulOp: Op = {
  name: 'qmatmul',
  infer(ins, attrs) {
    const [x, w] = [operand('qmatmul', ins, 0, 'u8'), operand('qmatmul', ins, 1, 'i8')]
    const k = width('qmatmul', x.shape), n = width('qmatmul', w.shape)
    bitsAttr('qmatmul', attrs, 'bits')
    if (attrs['to'] !== 32) zeroPointAttr('qmatmul', attrs, bitsAttr('qmatmul', attrs, 'to'))
    if (x.shape.length < 2 || !sameShape(w.shape, [k, n])) throw new ShapeError(`qmatmul: expected shapes that fit, got ${formatShape(x.shape)} · ${formatShape(w.shape)}`)
    if (k > MAX_TERMS) throw new ShapeError(`qmatmul: expected sums of at most ${MAX_TERMS} terms, got ${k}`)
    for (const [i, dtype] of [[2, 'i32'], [3, 'f32']] as const) {
      const { shape } = operand('qmatmul', ins, i, dtype)
      if (!sameShape(shape, [n])) throw new ShapeError(`qmatmul: expected [${n}] for its ${i === 2 ? 'offset' : 'multiplier'}, got ${formatShape(shape)}`)
    }
    return [{ shape: [...rows(x.shape), n], dtype: attrs['to'] === 32 ? 'f32' : 'u8' }]
  },
  lower(ctx) {
    const [x, w] = [ctx.in(0), ctx.in(1)]
    const y = ctx.out(0)
    const k = width('qmatmul', x.shape), n = width('qmatmul', w.shape)
    const panels = Math.ceil(n / PANEL)
    const seven = bitsAttr('qmatmul', ctx.attrs, 'bits') === 7
    const packed = ctx.temp([panels, 64 + 32 * Math.ceil(k / 2)], 'u8')
    ctx.call(seven ? 'qs8_pack_u7' : 'qs8_pack_u8', { w, offset: ctx.in(2), multiplier: ctx.in(3), out: packed, k, n }, { tiles: panels, writes: ['out'] })
    const relu = ctx.attrs['relu'] === true
    const to = ctx.attrs['to'] === 32 ? null : bitsAttr('qmatmul', ctx.attrs, 'to')
    const zeroPoint = to === null ? 0 : zeroPointAttr('qmatmul', ctx.attrs, to)
    const m = sizeOf(rows(x.shape))
    ctx.call(seven ? 'qs8_gemm_u7' : 'qs8_gemm_u8', {
      a: x, b: packed, c: y, m, n, k, aRow: k, cRow: to === null ? n * 4 : n, zeroPoint, asFloat: to === null ? 1 : 0,
      low: { f32: relu ? 0 : to === null ? -Infinity : -zeroPoint }, high: { f32: to === null ? Infinity : highest(to) - zeroPoint },
    }, { tiles: tilesOf(m, GEMM_ROWS, Math.ceil(n / GEMM_COLUMNS)), writes: ['c'] })
  },
}

/** How a tensor of activations is quantised. */
export interface Quantization { readonly scale: number; readonly zeroPoint: number; readonly bits: Bits }

/**
 * round(x / scale) + zeroPoint, half to even, saturated to [0, 2^bits − 1]: f32 to u8. The division is one f32 product with 1 / scale; NaN gives
 * the zero point.
 *
 * @returns u8, of x's shape
 */
export const quantizeLinear = (x: Value, { scale, zeroPoint, bits }: Quantization): Value => apply1(quantizeLinearOp, [x], { scale, zeroPoint, bits })

export interface QmatmulOptions {
  /** bits of `x` */
  readonly bits: Bits
  readonly relu: boolean
  /** the output's bits and zero point (its scale is in the multipliers), or null for f32 */
  readonly to: Pick<Quantization, 'bits' | 'zeroPoint'> | null
}

/**
 * f32(Σ x·w + offset)·multiplier, requantised: as f32, or as bytes, rounded half to even and saturated.
 *
 * @param x - u8 [..., k] of 7 or 8 bits
 * @param w - i8 [k, m]
 * @param offset - i32 [m]: the bias in units of x's scale times w's, less the zero point of x times the sum of w's column
 * @param multiplier - f32 [m]: scale of x times scale of w, over the output's scale
 * @returns [..., m]
 */
export const qmatmul = (x: Value, w: Value, offset: Value, multiplier: Value, { bits, relu, to }: QmatmulOptions): Value =>
  apply1(qmatmulOp, [x, w, offset, multiplier], { bits, relu, to: to === null ? 32 : to.bits, zeroPoint: to?.zeroPoint ?? 0 })
