// matmul: A·B, Aᵀ·B or A·Bᵀ, with an optional bias and activation that `fuse` puts there. Leading dimensions of A are rows.
import { ShapeError } from '../../core/errors.js'
import { unaryCode, NO_ACTIVATION, type UnaryName } from '../../core/codes.js'
import { formatShape, type Dim, type Shape } from '../../core/shape.js'
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../kernels.js'
import { apply1, type Value } from '../graph/value.js'
import type { Op, Type } from '../op.js'
import { sizeOf, type Size, type View } from '../program.js'
import { requireF32 } from './types.js'

const last = (shape: Shape): number => {
  const d = shape[shape.length - 1]
  if (d === undefined || d === 'n') throw new ShapeError(`matmul: expected a last dimension that is a number, got ${formatShape(shape)}`)
  return d
}
const rows = (shape: Shape): Shape => shape.slice(0, -1)

function infer(ins: readonly Type[], transposeA: boolean, transposeB: boolean): Type {
  const [a, b, bias] = ins
  if (a === undefined || b === undefined) throw new ShapeError('matmul: expected two operands')
  requireF32('matmul', ...ins)
  const fail = (): never => {
    throw new ShapeError(`matmul: expected shapes that fit, got ${formatShape(a.shape)}${transposeA ? 'ᵀ' : ''} · ${formatShape(b.shape)}${transposeB ? 'ᵀ' : ''}`)
  }
  if (a.shape.length < 2 || b.shape.length < 2) fail()
  let shape: Shape
  if (transposeA) {
    if (a.shape.length !== b.shape.length || rows(a.shape).some((d, i) => d !== b.shape[i])) fail()
    shape = [last(a.shape), last(b.shape)]
  } else {
    if (b.shape.length !== 2 || b.shape[0] === 'n') fail()
    const [k, m] = transposeB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]]
    if (last(a.shape) !== k || m === undefined) fail()
    const columns: Dim = m ?? 0
    shape = [...rows(a.shape), columns]
  }
  if (bias !== undefined && (bias.shape.length !== 1 || bias.shape[0] !== last(shape))) fail()
  return { shape, dtype: 'f32' }
}

export const matmulOp: Op = {
  name: 'matmul',
  infer: (ins, attrs) => [infer(ins, attrs['transposeA'] === true, attrs['transposeB'] === true)],
  lower(ctx) {
    const a = ctx.in(0)
    const b = ctx.in(1)
    const bias = ctx.ins[2]
    const c = ctx.out(0)
    const transposeA = ctx.attrs['transposeA'] === true
    const transposeB = ctx.attrs['transposeB'] === true
    const width = last(a.shape)
    const m: Size = transposeA ? width : sizeOf(rows(a.shape))
    const n = last(c.shape)
    const k: Size = transposeA ? sizeOf(rows(a.shape)) : width
    // B is always packed: the microkernel that walks panels reaches 95 % of the mul+add peak, the one that reads B in place 70 %.
    const panels = Math.ceil(n / PANEL)
    const packed: View = ctx.temp(transposeA ? [...rows(b.shape), panels * PANEL] : [panels * PANEL, width], 'f32')
    ctx.call('f32_pack_b', { b, out: packed, k, n, bStep: transposeB ? 4 : n * 4, bColumn: transposeB ? width * 4 : 4 }, { tiles: panels, writes: ['out'] })
    const activation = ctx.attrs['activation']
    ctx.call('f32_gemm', {
      a, b: packed, c, bias: bias ?? 0, m, n, k,
      aRow: transposeA ? 4 : width * 4, aStep: transposeA ? width * 4 : 4,
      bStep: PANEL * 4, bPanel: typeof k === 'number' ? k * PANEL * 4 : { per: k.per * PANEL * 4 },
      cRow: n * 4,
      activation: typeof activation === 'string' ? unaryCode[activation as UnaryName] : NO_ACTIVATION,
      alpha: { f32: Number(ctx.attrs['alpha'] ?? 0) },
    }, { tiles: typeof m === 'number' ? Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS) : { per: m.per, div: GEMM_ROWS, mul: Math.ceil(n / GEMM_COLUMNS) }, writes: ['c'] })
  },
}

/**
 * The matrix product of `a` [..., k] and `b` [k, m], in the order of summation of law 3.
 *
 * @param options - `transposeA`: a [..., k] and b [..., m] give aᵀ·b [k, m], summed over all rows; `transposeB`: b is [m, k]
 * @returns [..., m]
 * @throws ShapeError when the shapes do not fit
 */
export const matmul = (a: Value, b: Value, options: { readonly transposeA?: boolean; readonly transposeB?: boolean } = {}): Value =>
  apply1(matmulOp, [a, b], { transposeA: options.transposeA === true, transposeB: options.transposeB === true })
