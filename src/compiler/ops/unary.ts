// Elementwise functions of one value.
import { unaryCode, type UnaryName } from '../../core/codes.js'
import { ELEMENTS } from '../kernels.js'
import { apply1, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import type { Op } from '../op.js'
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

function unary(name: UnaryName, x: Value, attrs: Attrs = {}): Value {
  const op = unaryOps.get(name)
  if (op === undefined) throw new RangeError(`unknown op ${name}`)
  return apply1(op, [x], attrs)
}

/** −x */
export const neg = (x: Value): Value => unary('neg', x)
/** eˣ */
export const exp = (x: Value): Value => unary('exp', x)
/** The natural logarithm. */
export const log = (x: Value): Value => unary('log', x)
/** √x */
export const sqrt = (x: Value): Value => unary('sqrt', x)
/** x² */
export const square = (x: Value): Value => unary('square', x)
/** |x|; its gradient at 0 is 0. */
export const abs = (x: Value): Value => unary('abs', x)
/** −1, +0 or 1. */
export const sign = (x: Value): Value => unary('sign', x)
/** 1 / x */
export const reciprocal = (x: Value): Value => unary('reciprocal', x)
/** max(x, 0); its gradient at 0 is 0. */
export const relu = (x: Value): Value => unary('relu', x)
/** x where positive, else alpha·x. */
export const leakyRelu = (x: Value, alpha: number): Value => unary('leakyRelu', x, { alpha })
/** x where positive, else alpha·(eˣ − 1). */
export const elu = (x: Value, alpha: number): Value => unary('elu', x, { alpha })
/** 1 / (1 + e⁻ˣ) */
export const sigmoid = (x: Value): Value => unary('sigmoid', x)
/** The hyperbolic tangent. */
export const tanh = (x: Value): Value => unary('tanh', x)
/** log(1 + eˣ) */
export const softplus = (x: Value): Value => unary('softplus', x)
/** x within [low, high]; its gradient is 1 there and 0 outside. */
export const clip = (x: Value, low: number, high: number): Value => unary('clip', x, { alpha: low, beta: high })
/** scale·x + offset, each rounded to f32. */
export const affine = (x: Value, scale: number, offset: number): Value => unary('affine', x, { alpha: scale, beta: offset })
