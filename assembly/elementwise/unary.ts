// f32_unary: y[i] = f(x[i]), a tile of ELEMENTS at a time. One loop per code; the choice is made once a call.
import { ELEMENTS, Unary } from '../codes'
import { loadTail, storeTail } from '../lanes'
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

/** y = f(x), of whole vectors up to x = end. */
// @ts-ignore: decorator
@inline function loop(code: i32, x: usize, y: usize, end: usize, alpha: v128, beta: v128): void {
  for (; x < end; x += 16, y += 16) v128.store(y, apply(code, v128.load(x), alpha, beta))
}

function vectors(d: usize, x: usize, y: usize, bytes: usize): void {
  const end = x + bytes, alpha = v128.load_splat<f32>(d, 16), beta = v128.load_splat<f32>(d, 20)
  switch (load<i32>(d, 12)) {
    case Unary.neg: loop(Unary.neg, x, y, end, alpha, beta); break
    case Unary.exp: loop(Unary.exp, x, y, end, alpha, beta); break
    case Unary.log: loop(Unary.log, x, y, end, alpha, beta); break
    case Unary.sqrt: loop(Unary.sqrt, x, y, end, alpha, beta); break
    case Unary.square: loop(Unary.square, x, y, end, alpha, beta); break
    case Unary.abs: loop(Unary.abs, x, y, end, alpha, beta); break
    case Unary.sign: loop(Unary.sign, x, y, end, alpha, beta); break
    case Unary.reciprocal: loop(Unary.reciprocal, x, y, end, alpha, beta); break
    case Unary.relu: loop(Unary.relu, x, y, end, alpha, beta); break
    case Unary.leakyRelu: loop(Unary.leakyRelu, x, y, end, alpha, beta); break
    case Unary.elu: loop(Unary.elu, x, y, end, alpha, beta); break
    case Unary.sigmoid: loop(Unary.sigmoid, x, y, end, alpha, beta); break
    case Unary.tanh: loop(Unary.tanh, x, y, end, alpha, beta); break
    case Unary.softplus: loop(Unary.softplus, x, y, end, alpha, beta); break
    case Unary.clip: loop(Unary.clip, x, y, end, alpha, beta); break
    case Unary.affine: loop(Unary.affine, x, y, end, alpha, beta); break
  }
}

/** The last 1 to 3 elements of all go through scratch, so that each formula is there once. */
export function f32_unary(d: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(d, 8), tileEnd * ELEMENTS) - first
  const whole = <usize>(n & ~3) << 2
  const x = load<usize>(d, 0) + (<usize>first << 2), y = load<usize>(d, 4) + (<usize>first << 2)
  vectors(d, x, y, whole)
  if (n < 1 || !(n & 3)) return
  v128.store(scratch, loadTail(x + whole, n & 3))
  vectors(d, scratch, scratch, 16)
  storeTail(y + whole, v128.load(scratch), n & 3)
}
