// Gradients of the ops that gradients are made of: arithmetic, broadcasts and sums. Each needs others of them, so theirs stand here together, apart
// from the ops; any other op carries its own.
import type { UnaryName } from '../core/codes.js'
import { elements } from '../core/shape.js'
import { constant, type Value, type Vjp } from './graph/value.js'
import type { Attrs } from './type.js'
import { binaryGrad, div, equal, greater, mul, sub } from './ops/binary.js'
import { axesOf, sum } from './ops/reduce.js'
import { expand, filled, reshape, sumTo } from './ops/shapes.js'
import { affine, neg, sigmoid, sign, square } from './ops/unary.js'
import { noGradient, rule1, rule2 } from './rule.js'

type Unary = (dy: Value, x: Value, y: Value, attrs: Attrs) => Value | null
/** dx of each unary op. */
const unary: Readonly<Record<UnaryName, Unary>> = {
  neg: (dy) => neg(dy),
  exp: (dy, _, y) => mul(dy, y),
  log: (dy, x) => div(dy, x),
  sqrt: (dy, _, y) => div(dy, affine(y, 2, 0)),
  square: (dy, x) => mul(dy, affine(x, 2, 0)),
  abs: (dy, x) => mul(dy, sign(x)),
  sign: () => null,
  reciprocal: (dy, _, y) => neg(mul(dy, square(y))),
  relu: (dy, _, y) => binaryGrad('reluGrad', y, dy),
  leakyRelu: (dy, _, y, { alpha }) => binaryGrad('leakyReluGrad', y, dy, { alpha: Number(alpha) }),
  elu: (dy, _, y, { alpha }) => binaryGrad('eluGrad', y, dy, { alpha: Number(alpha) }),
  sigmoid: (dy, _, y) => binaryGrad('sigmoidGrad', y, dy),
  tanh: (dy, _, y) => binaryGrad('tanhGrad', y, dy),
  softplus: (dy, x) => mul(dy, sigmoid(x)),
  clip: (dy, x, _, { alpha, beta }) => binaryGrad('clipGrad', x, dy, { alpha: Number(alpha), beta: Number(beta) }),
  affine: (dy, _, __, { alpha }) => affine(dy, Number(alpha), 0),
}

type Binary = (dy: Value, a: Value, b: Value, y: Value) => Value | null
/** da and db of each binary op, before what a broadcast repeated is added up. */
const binary: Readonly<Record<string, readonly [Binary, Binary]>> = {
  add: [(dy) => dy, (dy) => dy],
  sub: [(dy) => dy, (dy) => neg(dy)],
  mul: [(dy, _, b) => mul(dy, b), (dy, a) => mul(dy, a)],
  div: [(dy, _, b) => div(dy, b), (dy, _, b, y) => neg(div(mul(dy, y), b))],
  maximum: [(dy, a, b) => mul(dy, affine(greater(b, a), -1, 1)), (dy, a, b) => mul(dy, greater(b, a))],
  minimum: [(dy, a, b) => mul(dy, affine(greater(a, b), -1, 1)), (dy, a, b) => mul(dy, greater(a, b))],
  logitXent: [(dy, a, b) => mul(dy, sub(sigmoid(a), b)), (dy, a) => neg(mul(dy, a))],
}

/** The gradients of gradients, which are functions of (y, dy): each is linear in dy; by y where it depends on that. */
const again: Readonly<Record<string, Binary>> = {
  reluGrad: () => null,
  leakyReluGrad: () => null,
  clipGrad: () => null,
  // dy·(y + alpha) where y ≤ 0
  eluGrad: (g, y, dy) => mul(mul(g, dy), affine(greater(y, constant([], 'f32', [0])), -1, 1)),
  // d/dy dy·y·(1 − y) = dy·(1 − 2y)
  sigmoidGrad: (g, y, dy) => mul(mul(g, dy), affine(y, -2, 1)),
  // d/dy dy·(1 − y²) = −2·y·dy
  tanhGrad: (g, y, dy) => mul(mul(g, dy), affine(y, -2, 0)),
}

const summed = (v: Value | null, { shape }: Value): Value | null => (v === null ? null : sumTo(v, shape))

/** dy, repeated along the axes that were reduced. */
const spread = (x: Value, dy: Value, axes: readonly number[]): Value => expand(reshape(dy, x.shape.map((d, i) => (axes.includes(i) ? 1 : d))), x.shape)

function meanRule(dy: Value, x: Value, axes: readonly number[]): Value {
  const reduced = axes.map((i) => x.shape[i] ?? 1)
  // The count is a sum of ones where it is bound at run.
  const count = reduced.includes('n') ? sum(filled(1, reduced)) : constant([], 'f32', [elements(reduced)])
  return spread(x, div(dy, count), axes)
}

/** Shared equally among those that are as large as the largest; NaN where that is NaN, for 0 · (dy / 0). */
function maxRule(dy: Value, x: Value, y: Value, axes: readonly number[]): Value {
  const largest = equal(x, spread(x, y, axes))
  return mul(largest, spread(x, div(dy, sum(largest, axes)), axes))
}

/** By the ops' names. */
export const algebra: ReadonlyMap<string, Vjp> = /* @__PURE__ */ new Map<string, Vjp>([
  ...Object.entries(unary).map(([name, by]): [string, Vjp] => [name, rule1(by)]),
  ...Object.entries(binary).map(([name, [byA, byB]]): [string, Vjp] => [name, rule2((dy, a, b, y) => summed(byA(dy, a, b, y), a), (dy, a, b, y) => summed(byB(dy, a, b, y), b))]),
  ...Object.entries(again).map(([name, byY]): [string, Vjp] => [name, rule2((g, y, dy, z) => summed(byY(g, y, dy, z), y), (g, y, dy, _, attrs) => sumTo(binaryGrad(name, y, g, attrs), dy.shape))]),
  ['greater', noGradient], ['equal', noGradient],
  ['expand', rule1((dy, x) => sumTo(dy, x.shape))],
  ['reshape', rule1((dy, x) => reshape(dy, x.shape))],
  ['sum', rule1((dy, x, _, attrs) => spread(x, dy, axesOf(attrs)))],
  ['mean', rule1((dy, x, _, attrs) => meanRule(dy, x, axesOf(attrs)))],
  ['max', rule1((dy, x, y, attrs) => maxRule(dy, x, y, axesOf(attrs)))],
])
