// Elementwise functions of two values with broadcasting: shapes are aligned at the right, a dimension of 1 (or absent) repeats.
import { binaryCode, type BinaryName } from '../../core/codes.js'
import { sameShape } from '../../core/shape.js'
import { apply1, type Op, type Scalar, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { broadcastLoops, broadcastShapes } from './loops.js'
import { requireF32 } from './types.js'

function binaryOp(name: BinaryName): Op {
  return {
    name,
    infer(ins) {
      requireF32(name, ...ins)
      return [{ shape: broadcastShapes(name, ins[0]?.shape ?? [], ins[1]?.shape ?? []), dtype: 'f32' }]
    },
    lower(ctx) {
      const a = ctx.in(0)
      const b = ctx.in(1)
      const y = ctx.out(0)
      const loops = broadcastLoops(name, a.shape, b.shape)
      ctx.call('f32_binary', {
        a, b, y, outer: loops.sizes[0], mid: loops.sizes[1], inner: loops.sizes[2],
        aOuter: loops.a[0], aMid: loops.a[1], aInner: loops.a[2], bOuter: loops.b[0], bMid: loops.b[1], bInner: loops.b[2],
        code: binaryCode[name], alpha: { f32: Number(ctx.attrs['alpha'] ?? 0) }, beta: { f32: Number(ctx.attrs['beta'] ?? 0) },
      }, { tiles: loops.tiles, writes: ['y'], inplace: [...(sameShape(a.shape, y.shape) ? ['a' as const] : []), ...(sameShape(b.shape, y.shape) ? ['b' as const] : [])] })
    },
  }
}

const names = Object.keys(binaryCode).filter((name): name is BinaryName => name !== 'first')
/** Every binary op, by name. */
export const binaryOps: ReadonlyMap<string, Op> = /* @__PURE__ */ new Map(names.map((name) => [name, binaryOp(name)]))

function binary(name: string, a: Value, b: Value, attrs: Attrs = {}): Value {
  const op = binaryOps.get(name)
  if (op === undefined) throw new RangeError(`unknown op ${name}`)
  return apply1(op, [a, b], attrs)
}

/** Of two scalars a scalar. */
interface Arithmetic { (a: Scalar, b: Scalar): Scalar; (a: Value, b: Value): Value }

/** a + b */
export const add: Arithmetic = (a: Value, b: Value) => binary('add', a, b) as Scalar
/** a − b */
export const sub: Arithmetic = (a: Value, b: Value) => binary('sub', a, b) as Scalar
/** a · b, element by element */
export const mul: Arithmetic = (a: Value, b: Value) => binary('mul', a, b) as Scalar
/** a / b */
export const div: Arithmetic = (a: Value, b: Value) => binary('div', a, b) as Scalar
/** The larger of a and b; where they are equal the gradient goes to a. */
export const maximum: Arithmetic = (a: Value, b: Value) => binary('maximum', a, b) as Scalar
/** The smaller of a and b; where they are equal the gradient goes to a. */
export const minimum: Arithmetic = (a: Value, b: Value) => binary('minimum', a, b) as Scalar
/** 1 where a > b, else 0; no gradient. */
export const greater = (a: Value, b: Value): Value => binary('greater', a, b)
/** 1 where a = b, else 0; no gradient. */
export const equal = (a: Value, b: Value): Value => binary('equal', a, b)
/** Binary cross-entropy of logits against targets in [0, 1], element by element: relu(x) − x·t + log(1 + e^−|x|). */
export const logitXent = (logits: Value, targets: Value): Value => binary('logitXent', logits, targets)
/** The gradient of an activation by its output (or, for clip, its input). */
export const binaryGrad = (name: string, y: Value, dy: Value, attrs: Attrs = {}): Value => binary(name, y, dy, attrs)
