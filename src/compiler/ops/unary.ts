// Elementwise functions of one value.
import { unaryCode, type UnaryName } from '../../core/codes.js'
import { ELEMENTS } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { sizeOf, tilesOf } from '../program.js'
import { operand } from './types.js'

function unaryOp(name: UnaryName): Op {
  return {
    name,
    infer: (ins) => [{ shape: operand(name, ins, 0).shape, dtype: 'f32' }],
    lower(ctx) {
      const length = sizeOf(ctx.in(0).shape)
      ctx.call('f32_unary', {
        x: ctx.in(0), y: ctx.out(0), length, code: unaryCode[name], alpha: { f32: Number(ctx.attrs['alpha'] ?? 0) }, beta: { f32: Number(ctx.attrs['beta'] ?? 0) },
      }, { tiles: tilesOf(length, ELEMENTS), writes: ['y'], inplace: ['x'] })
    },
  }
}

export const unaryNames = Object.keys(unaryCode) as readonly UnaryName[]
/** Every unary op, by name. */
export const unaryOps: ReadonlyMap<string, Op> = /* @__PURE__ */ new Map(unaryNames.map((name) => [name, unaryOp(name)]))

function unary<V extends Value>(name: UnaryName, x: V, attrs: Attrs = {}): V {
  const op = unaryOps.get(name)
  if (op === undefined) throw new RangeError(`unknown op ${name}`)
  return apply1(op, [x], attrs) as V
}

/** −x */
export const neg = <V extends Value>(x: V): V => unary('neg', x)
/** eˣ */
export const exp = <V extends Value>(x: V): V => unary('exp', x)
/** The natural logarithm. */
export const log = <V extends Value>(x: V): V => unary('log', x)
/** √x */
export const sqrt = <V extends Value>(x: V): V => unary('sqrt', x)
/** x² */
export const square = <V extends Value>(x: V): V => unary('square', x)
/** |x|; its gradient at 0 is 0. */
export const abs = <V extends Value>(x: V): V => unary('abs', x)
/** −1, +0 or 1. */
export const sign = <V extends Value>(x: V): V => unary('sign', x)
/** 1 / x */
export const reciprocal = <V extends Value>(x: V): V => unary('reciprocal', x)
/** max(x, 0); its gradient at 0 is 0. */
export const relu = <V extends Value>(x: V): V => unary('relu', x)
/** x where positive, else alpha·x. */
export const leakyRelu = <V extends Value>(x: V, alpha: number): V => unary('leakyRelu', x, { alpha })
/** x where positive, else alpha·(eˣ − 1). */
export const elu = <V extends Value>(x: V, alpha: number): V => unary('elu', x, { alpha })
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = <V extends Value>(x: V): V => unary('sigmoid', x)
/** The hyperbolic tangent. */
export const tanh = <V extends Value>(x: V): V => unary('tanh', x)
/** log(1 + eˣ) */
export const softplus = <V extends Value>(x: V): V => unary('softplus', x)
/** x within [low, high]; its gradient is 1 there and 0 outside. */
export const clip = <V extends Value>(x: V, low: number, high: number): V => unary('clip', x, { alpha: low, beta: high })
/** scale·x + offset, each rounded to f32. */
export const affine = <V extends Value>(x: V, scale: number, offset: number): V => unary('affine', x, { alpha: scale, beta: offset })
