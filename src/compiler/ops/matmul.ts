// matmul: A·B, Aᵀ·B or A·Bᵀ. Leading dimensions of A are rows. `fuse` gives it a third operand, a bias or (with `accumulate`) a value of the
// product's shape that the finished sums are added to, and an activation.
import { ShapeError } from '../../core/errors.js'
import { binaryCode, NO_ACTIVATION, unaryCode, type UnaryName } from '../../core/codes.js'
import { formatShape, sameShape, type Dim, type Shape } from '../../core/shape.js'
import { ELEMENTS, GEMM_COLUMNS, GEMM_ROWS, GEMV_COLUMNS, GEMV_ROWS, KB, PANEL } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import type { Type } from '../type.js'
import { sizeAt, sizeOf, tilesOf, type LowerContext, type Size, type View } from '../program.js'
import { rule2 } from '../rule.js'
import { byBlocks } from './blocks.js'
import { requireF32 } from './types.js'

const last = (shape: Shape): number => {
  const d = shape[shape.length - 1]
  if (d === undefined || d === 'n') throw new ShapeError(`matmul: expected a last dimension that is a number, got ${formatShape(shape)}`)
  return d
}
const rows = (shape: Shape): Shape => shape.slice(0, -1)

function infer(ins: readonly Type[], attrs: Attrs): Type {
  const [a, b, third] = ins
  const transposeA = attrs['transposeA'] === true
  const transposeB = attrs['transposeB'] === true
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
  if (third !== undefined && !sameShape(third.shape, attrs['accumulate'] === true ? shape : [last(shape)])) fail()
  return { shape, dtype: 'f32' }
}

export const matmulOp: Op = {
  name: 'matmul',
  infer: (ins, attrs) => [infer(ins, attrs)],
  lower(ctx) {
    const a = ctx.in(0)
    const b = ctx.in(1)
    const accumulate = ctx.attrs['accumulate'] === true
    const bias = accumulate ? undefined : ctx.ins[2]
    const y = ctx.out(0)
    const transposeA = ctx.attrs['transposeA'] === true
    const transposeB = ctx.attrs['transposeB'] === true
    const width = last(a.shape)
    const m: Size = transposeA ? width : sizeOf(rows(a.shape))
    const n = last(y.shape)
    const k: Size = transposeA ? sizeOf(rows(a.shape)) : width
    if (!accumulate && sizeAt(m, ctx.capacity) <= GEMV_ROWS && !ctx.fixed(b) && (!transposeA || sizeAt(k, ctx.capacity) <= KB)) return fewRows(ctx, m, n, k)
    // For more rows B is always packed: the microkernel that walks panels reaches 95 % of the mul+add peak, the one that reads B in place 70 %.
    const panels = Math.ceil(n / PANEL)
    const packed: View = ctx.temp(transposeA ? [...rows(b.shape), panels * PANEL] : [panels * PANEL, width], 'f32')
    ctx.call('f32_pack_b', { b, out: packed, k, n, bStep: transposeB ? 4 : n * 4, bColumn: transposeB ? width * 4 : 4 }, { tiles: panels, writes: ['out'] })
    // The kernel adds to what is there only sums of one block; longer ones are finished elsewhere first.
    const adds = accumulate && sizeAt(k, ctx.capacity) <= KB
    const c = accumulate && !adds ? ctx.temp(y.shape, 'f32') : y
    if (adds) {
      const bytes = sizeOf(y.shape, 4)
      ctx.call('copy', { x: ctx.in(2), y, length: bytes }, { tiles: tilesOf(bytes, ELEMENTS * 4), writes: ['y'], inplace: ['x'] })
    }
    const across = Math.ceil(n / GEMM_COLUMNS)
    // Few outputs have long sums where these go over samples.
    const bare = transposeA && bias === undefined && ctx.attrs['activation'] === undefined
    const split = bare ? byBlocks(ctx, c, k, Math.ceil(width / GEMM_ROWS) * across) : { c, cBlock: 0, tiles: tilesOf(m, GEMM_ROWS, across), finish: () => undefined }
    ctx.call('f32_gemm', {
      a, b: packed, c: split.c, bias: bias ?? 0, m, n, k,
      aRow: transposeA ? 4 : width * 4, aStep: transposeA ? width * 4 : 4,
      bStep: PANEL * 4, bPanel: typeof k === 'number' ? k * PANEL * 4 : { per: k.per * PANEL * 4 },
      cRow: n * 4,
      ...activationOf(ctx.attrs), add: adds ? 1 : 0, cBlock: split.cBlock,
    }, { tiles: split.tiles, ...(adds ? { writes: [], updates: ['c'] } : { writes: ['c'] }) })
    split.finish()
    if (accumulate && !adds) addTo(ctx, ctx.in(2), c, y)
  },
  // C = A·B: dA = dC·Bᵀ, dB = Aᵀ·dC; the other forms alike. `fuse` comes after gradients, so there is no bias here.
  vjp: /* @__PURE__ */ rule2(
    (dc, _, b, __, { transposeA, transposeB }) => (transposeA === true ? matmul(b, dc, { transposeB: true }) : matmul(dc, b, { transposeB: transposeB !== true })),
    (dc, a, _, __, { transposeA, transposeB }) => (transposeA === true ? matmul(a, dc) : transposeB === true ? matmul(dc, a, { transposeA: true }) : matmul(a, dc, { transposeA: true })),
  ),
}

/** The words of a fused activation. */
function activationOf({ activation, alpha }: Attrs): { activation: number; alpha: { f32: number } } {
  return { activation: typeof activation === 'string' ? unaryCode[activation as UnaryName] : NO_ACTIVATION, alpha: { f32: Number(alpha ?? 0) } }
}

/** So few rows that to pack a B that changes costs more than the product: it is read in place. */
function fewRows(ctx: LowerContext, m: Size, n: number, k: Size): void {
  const [a, b, bias] = [ctx.in(0), ctx.in(1), ctx.ins[2]]
  const width = last(a.shape) * 4
  const [transposeA, transposeB] = [ctx.attrs['transposeA'] === true, ctx.attrs['transposeB'] === true]
  ctx.call('f32_gemv', {
    a, b, c: ctx.out(0), bias: bias ?? 0, m, n, k, aRow: transposeA ? 4 : width, aStep: transposeA ? width : 4,
    bStep: transposeB ? 4 : n * 4, bColumn: transposeB ? width : 4, cRow: n * 4, ...activationOf(ctx.attrs),
  }, { tiles: Math.ceil(n / GEMV_COLUMNS), writes: ['c'] })
}

/** y = a + b */
function addTo(ctx: LowerContext, a: View, b: View, y: View): void {
  const inner = sizeOf(y.shape)
  ctx.call('f32_binary', { a, b, y, outer: 1, mid: 1, inner, aOuter: 0, aMid: 0, aInner: 1, bOuter: 0, bMid: 0, bInner: 1, code: binaryCode.add, alpha: { f32: 0 }, beta: { f32: 0 } },
    { tiles: tilesOf(inner, ELEMENTS), writes: ['y'], inplace: ['a', 'b'] })
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
