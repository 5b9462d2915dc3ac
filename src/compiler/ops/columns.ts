// split and concat along the last dimension: each is the other's gradient.
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { apply, apply1, type Value } from '../graph/value.js'
import { ROWS } from '../kernels.js'
import type { Op } from '../op.js'
import { sizeOf, tilesOf, type LowerContext, type View } from '../program.js'
import { operand, width } from './types.js'

/** Copies the columns of `x` that begin at `xFrom` to those of `y` that begin at `yFrom`. */
function copyColumns(ctx: LowerContext, { x, xFrom, y, yFrom, columns }: { readonly x: View; readonly xFrom: number; readonly y: View; readonly yFrom: number; readonly columns: number }): void {
  const rows = sizeOf(x.shape.slice(0, -1))
  ctx.call('copy_rows', {
    x: { buffer: x.buffer, offset: x.offset + xFrom * 4 }, y: { buffer: y.buffer, offset: y.offset + yFrom * 4 }, rows, width: columns * 4,
    xRow: width('columns', x.shape) * 4, yRow: width('columns', y.shape) * 4,
  }, { tiles: tilesOf(rows, ROWS), writes: ['y'] })
}

const sizesOf = (sizes: unknown): readonly number[] => (Array.isArray(sizes) ? sizes.map(Number) : [])

export const splitOp: Op = {
  name: 'split',
  infer(ins, attrs) {
    const x = operand('split', ins, 0)
    const sizes = sizesOf(attrs['sizes'])
    if (sizes.length === 0 || sizes.some((s) => !Number.isInteger(s) || s < 1) || sizes.reduce((a, b) => a + b, 0) !== width('split', x.shape)) {
      throw new ShapeError(`split: expected widths that make up the last dimension of ${formatShape(x.shape)}, got [${sizes.join(', ')}]`)
    }
    return sizes.map((s) => ({ shape: [...x.shape.slice(0, -1), s], dtype: 'f32' }))
  },
  lower(ctx) {
    let from = 0
    sizesOf(ctx.attrs['sizes']).forEach((columns, i) => {
      copyColumns(ctx, { x: ctx.in(0), xFrom: from, y: ctx.out(i), yFrom: 0, columns })
      from += columns
    })
  },
}

export const concatOp: Op = {
  name: 'concat',
  infer(ins) {
    const first = operand('concat', ins, 0)
    ins.forEach((_, i) => {
      const x = operand('concat', ins, i)
      if (width('concat', x.shape) < 1 || !sameShape(x.shape.slice(0, -1), first.shape.slice(0, -1))) throw new ShapeError(`concat: expected shapes that differ in the last dimension alone, got ${formatShape(first.shape)} and ${formatShape(x.shape)}`)
    })
    return [{ shape: [...first.shape.slice(0, -1), ins.reduce((sum, { shape }) => sum + width('concat', shape), 0)], dtype: 'f32' }]
  },
  lower(ctx) {
    let from = 0
    ctx.ins.forEach((x) => {
      const columns = width('concat', x.shape)
      copyColumns(ctx, { x, xFrom: 0, y: ctx.out(0), yFrom: from, columns })
      from += columns
    })
  },
}

/**
 * The parts of a value along its last dimension.
 *
 * @param sizes - their widths, which make up that dimension
 */
export const split = (x: Value, sizes: readonly number[]): readonly Value[] => apply(splitOp, [x], { sizes })
/** Values side by side along the last dimension. */
export const concat = (...xs: readonly Value[]): Value => apply1(concatOp, xs)
