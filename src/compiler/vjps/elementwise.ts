// Gradients of the elementwise ops, by the output where that is possible.
import type { UnaryName } from '../../core/codes.js'
import { constant, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import type { Vjp } from './vjp.js'
import { binaryGrad, div, greater, mul, sub } from '../ops/binary.js'
import { sumTo } from '../ops/shapes.js'
import { affine, neg, sigmoid, sign, square, unaryNames } from '../ops/unary.js'
import { select } from '../ops/select.js'
import { sum } from '../ops/reduce.js'

/** dx of each unary op, by output y where that is possible. */
const gradients: Readonly<Record<UnaryName, (x: Value, y: Value, dy: Value, attrs: Attrs) => Value | null>> = {
  neg: (_, __, dy) => neg(dy),
  exp: (_, y, dy) => mul(dy, y),
  log: (x, _, dy) => div(dy, x),
  sqrt: (_, y, dy) => div(dy, affine(y, 2, 0)),
  square: (x, _, dy) => mul(dy, affine(x, 2, 0)),
  abs: (x, _, dy) => mul(dy, sign(x)),
  sign: () => null,
  reciprocal: (_, y, dy) => neg(mul(dy, square(y))),
  relu: (_, y, dy) => binaryGrad('reluGrad', y, dy),
  leakyRelu: (_, y, dy, { alpha }) => binaryGrad('leakyReluGrad', y, dy, { alpha: Number(alpha) }),
  elu: (_, y, dy, { alpha }) => binaryGrad('eluGrad', y, dy, { alpha: Number(alpha) }),
  sigmoid: (_, y, dy) => binaryGrad('sigmoidGrad', y, dy),
  tanh: (_, y, dy) => binaryGrad('tanhGrad', y, dy),
  softplus: (x, _, dy) => mul(dy, sigmoid(x)),
  clip: (x, _, dy, { alpha, beta }) => binaryGrad('clipGrad', x, dy, { alpha: Number(alpha), beta: Number(beta) }),
  affine: (_, __, dy, { alpha }) => affine(dy, Number(alpha), 0),
}

const unaryVjp = (name: UnaryName): Vjp => (node, [dy], need) => {
  const x = node.ins[0]
  const y = node.outs[0]
  if (x === undefined || y === undefined || dy === null || dy === undefined || need[0] !== true) return [null]
  return [gradients[name](x, y, dy, node.attrs)]
}

/** The gradients of gradients: each is linear in dy; where it depends on y (a), that part too. */
const gradVjp = (name: string, byY: (y: Value, dy: Value, g: Value) => Value | null): Vjp => (node, [g], need) => {
  const [y, dy] = node.ins
  if (y === undefined || dy === undefined || g === null || g === undefined) return [null, null]
  const a = need[0] === true ? byY(y, dy, g) : null
  return [a === null ? null : sumTo(a, y.shape), need[1] === true ? sumTo(binaryGrad(name, y, g, node.attrs), dy.shape) : null]
}

export const unaryVjps: ReadonlyMap<string, Vjp> = /* @__PURE__ */ new Map<string, Vjp>([
  ...unaryNames.map((name): [string, Vjp] => [name, unaryVjp(name)]),
  ['reluGrad', gradVjp('reluGrad', () => null)],
  ['leakyReluGrad', gradVjp('leakyReluGrad', () => null)],
  ['clipGrad', gradVjp('clipGrad', () => null)],
  // dy·(y + alpha) where y ≤ 0
  ['eluGrad', gradVjp('eluGrad', (y, dy, g) => mul(mul(g, dy), affine(greater(y, constant([], 'f32', [0])), -1, 1)))],
  // d/dy dy·y·(1 − y) = dy·(1 − 2y)
  ['sigmoidGrad', gradVjp('sigmoidGrad', (y, dy, g) => mul(mul(g, dy), affine(y, -2, 1)))],
  // d/dy dy·(1 − y²) = −2·y·dy
  ['tanhGrad', gradVjp('tanhGrad', (y, dy, g) => mul(mul(g, dy), affine(y, -2, 0)))],
])

type Rule = (a: Value, b: Value, y: Value, dy: Value) => Value
const rules: Readonly<Record<string, readonly [Rule, Rule]>> = {
  add: [(_, __, ___, dy) => dy, (_, __, ___, dy) => dy],
  sub: [(_, __, ___, dy) => dy, (_, __, ___, dy) => neg(dy)],
  mul: [(_, b, __, dy) => mul(dy, b), (a, _, __, dy) => mul(dy, a)],
  div: [(_, b, __, dy) => div(dy, b), (_, b, y, dy) => neg(div(mul(dy, y), b))],
  maximum: [(a, b, _, dy) => mul(dy, affine(greater(b, a), -1, 1)), (a, b, _, dy) => mul(dy, greater(b, a))],
  minimum: [(a, b, _, dy) => mul(dy, affine(greater(a, b), -1, 1)), (a, b, _, dy) => mul(dy, greater(a, b))],
  logitXent: [(a, b, _, dy) => mul(dy, sub(sigmoid(a), b)), (a, _, __, dy) => neg(mul(dy, a))],
}

const binaryVjp = ([da, db]: readonly [Rule, Rule]): Vjp => (node, [dy], need) => {
  const [a, b] = node.ins
  const y = node.outs[0]
  if (a === undefined || b === undefined || y === undefined || dy === null || dy === undefined) return [null, null]
  return [need[0] === true ? sumTo(da(a, b, y, dy), a.shape) : null, need[1] === true ? sumTo(db(a, b, y, dy), b.shape) : null]
}

export const binaryVjps: ReadonlyMap<string, Vjp> = /* @__PURE__ */ new Map<string, Vjp>([
  ...Object.entries(rules).map(([name, rule]): [string, Vjp] => [name, binaryVjp(rule)]),
  ['greater', () => [null, null]],
  ['equal', () => [null, null]],
])

export const selectVjp: Vjp = (node, [dy], need) => {
  const [mask, a, b] = node.ins
  if (mask === undefined || a === undefined || b === undefined || dy === null || dy === undefined) return [null, null, null]
  const zero = constant([], 'f32', [0])
  const fit = (g: Value, like: Value): Value => (like.shape.length === 0 ? sum(g) : g)
  return [null, need[1] === true ? fit(select(mask, dy, zero), a) : null, need[2] === true ? fit(select(mask, zero, dy), b) : null]
}
