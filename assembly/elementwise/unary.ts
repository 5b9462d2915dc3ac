// f32_unary: y[i] = f(x[i]), a tile of ELEMENTS at a time. One loop per code; the choice is made once a call.
import { ELEMENTS, Unary } from '../codes'
import { elu, leakyRelu } from '../math/activation'
import { exp, log, relu, sigmoid, softplus, tanh } from '../math/f32x4'

/** 1 where x > 0, −1 where x < 0, +0 for ±0; NaN stays. */
// @ts-ignore: decorator
@inline function sign(x: v128): v128 {
  const zero = f32x4.splat(0)
  const positive = v128.and(f32x4.gt(x, zero), f32x4.splat(1))
  const negative = v128.and(f32x4.lt(x, zero), f32x4.splat(-1))
  return v128.or(v128.or(positive, negative), v128.and(f32x4.ne(x, x), x))
}

/** The formula of one code; the code is a literal, so that only its own branch is left. */
// @ts-ignore: decorator
@inline function apply(code: i32, x: v128, alpha: v128, beta: v128): v128 {
  if (code == Unary.neg) return f32x4.neg(x)
  if (code == Unary.exp) return exp(x)
  if (code == Unary.log) return log(x)
  if (code == Unary.sqrt) return f32x4.sqrt(x)
  if (code == Unary.square) return f32x4.mul(x, x)
  if (code == Unary.abs) return f32x4.abs(x)
  if (code == Unary.sign) return sign(x)
  if (code == Unary.reciprocal) return f32x4.div(f32x4.splat(1), x)
  if (code == Unary.relu) return relu(x)
  if (code == Unary.leakyRelu) return leakyRelu(x, alpha)
  if (code == Unary.elu) return elu(x, alpha)
  if (code == Unary.sigmoid) return sigmoid(x)
  if (code == Unary.tanh) return tanh(x)
  if (code == Unary.softplus) return softplus(x)
  if (code == Unary.clip) return f32x4.min(f32x4.max(x, alpha), beta)
  return f32x4.add(f32x4.mul(alpha, x), beta)
}

/** y[0 … n) = f(x[0 … n)). The last n % 4 elements take the same formula in lane 0. */
// @ts-ignore: decorator
@inline function loop(code: i32, x: usize, y: usize, n: i32, alpha: v128, beta: v128): void {
  const end = x + (<usize>n << 2)
  const vectorEnd = x + (<usize>(n & ~3) << 2)
  while (x < vectorEnd) {
    v128.store(y, apply(code, v128.load(x), alpha, beta))
    x += 16
    y += 16
  }
  while (x < end) {
    v128.store_lane<f32>(y, apply(code, v128.load_splat<f32>(x), alpha, beta), 0)
    x += 4
    y += 4
  }
}

export function f32_unary(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 8), tileEnd * ELEMENTS) - first
  const x = load<usize>(descriptor, 0) + (<usize>first << 2)
  const y = load<usize>(descriptor, 4) + (<usize>first << 2)
  const alpha = v128.load_splat<f32>(descriptor, 16)
  const beta = v128.load_splat<f32>(descriptor, 20)
  switch (load<i32>(descriptor, 12)) {
    case Unary.neg: loop(Unary.neg, x, y, n, alpha, beta); break
    case Unary.exp: loop(Unary.exp, x, y, n, alpha, beta); break
    case Unary.log: loop(Unary.log, x, y, n, alpha, beta); break
    case Unary.sqrt: loop(Unary.sqrt, x, y, n, alpha, beta); break
    case Unary.square: loop(Unary.square, x, y, n, alpha, beta); break
    case Unary.abs: loop(Unary.abs, x, y, n, alpha, beta); break
    case Unary.sign: loop(Unary.sign, x, y, n, alpha, beta); break
    case Unary.reciprocal: loop(Unary.reciprocal, x, y, n, alpha, beta); break
    case Unary.relu: loop(Unary.relu, x, y, n, alpha, beta); break
    case Unary.leakyRelu: loop(Unary.leakyRelu, x, y, n, alpha, beta); break
    case Unary.elu: loop(Unary.elu, x, y, n, alpha, beta); break
    case Unary.sigmoid: loop(Unary.sigmoid, x, y, n, alpha, beta); break
    case Unary.tanh: loop(Unary.tanh, x, y, n, alpha, beta); break
    case Unary.softplus: loop(Unary.softplus, x, y, n, alpha, beta); break
    case Unary.clip: loop(Unary.clip, x, y, n, alpha, beta); break
    case Unary.affine: loop(Unary.affine, x, y, n, alpha, beta); break
  }
}
