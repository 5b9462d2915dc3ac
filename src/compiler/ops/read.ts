// read: rows of data in the type they were given, gathered by index, converted and scaled. It is how inputs come into a graph: JavaScript
// touches no sample.
import { EquigradError, ShapeError } from '../../core/errors.js'
import { dtypeCode } from '../../core/codes.js'
import { elements, isBatched } from '../../core/shape.js'
import { ROWS } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { noGradient } from '../rule.js'
import { operand } from './types.js'

export const readOp: Op = {
  name: 'read',
  infer(ins, attrs) {
    const x = operand('read', ins, 0, null)
    if (ins[1] !== undefined) operand('read', ins, 1, 'i32')
    if (x.dtype === 'i8') throw new ShapeError('read: expected data of f32, f64, i32 or u8, got i8')
    if (!isBatched(x.shape)) throw new ShapeError('read: expected rows')
    return [{ shape: x.shape, dtype: attrs['to'] === 'i32' ? 'i32' : 'f32' }]
  },
  lower(ctx) {
    const source = ctx.in(0)
    const y = ctx.out(0)
    if (source.dtype === 'i8') throw new EquigradError('read: i8 is no type of data')
    ctx.call('gather', {
      source, index: ctx.ins[1] ?? 0, y, rows: { per: 1 }, width: elements(source.shape), sourceType: dtypeCode[source.dtype], yType: y.dtype === 'i32' ? dtypeCode.i32 : dtypeCode.f32,
      scale: { f32: Number(ctx.attrs['scale'] ?? 1) }, offset: { f32: Number(ctx.attrs['offset'] ?? 0) },
    }, { tiles: { per: 1, div: ROWS }, writes: ['y'] })
  },
  vjp: noGradient,
}

/**
 * Rows of `source` [n, …] as f32 (times scale, plus offset) or i32.
 *
 * @param index - i32 [n]: which row of the source each row is; in order when left out
 */
export const read = (source: Value, index: Value | null, options: { readonly to?: 'f32' | 'i32'; readonly scale?: number; readonly offset?: number } = {}): Value =>
  apply1(readOp, index === null ? [source] : [source, index], { to: options.to ?? 'f32', scale: options.scale ?? 1, offset: options.offset ?? 0 })

/**
 * Whole numbers (i32) of samples as f32, rounded to the nearest above 2²⁴; without a gradient.
 *
 * @param x - i32 [n, …], such as class numbers in a loss of one's own
 * @throws ShapeError for what has no samples or is not of i32
 * @example
 * // one-hot labels of class numbers, of three classes
 * const oneHot = (y: Value) => equal(reshapeTo(toFloat(y), ['n', 1]), constant([0, 1, 2]))
 */
export function toFloat(x: Value): Value {
  operand('toFloat', [x], 0, 'i32')
  return read(x, null)
}
