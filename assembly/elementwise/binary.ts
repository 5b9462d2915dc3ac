// f32_binary: y[o, m, i] = f(a, b) with broadcasting over three levels, a tile of at most ELEMENTS of one row at a time.
//
// One loop per code serves all four combinations of inner strides: an operand of stride 0 is splatted into 16 bytes of the lane's scratch,
// and its pointer then stays there while the others walk.
import { Binary, ELEMENTS } from '../codes'
import { log1pExpNegAbs, relu } from '../math/f32x4'

// @ts-ignore: decorator
@inline function one(): v128 { return f32x4.splat(1) }
// @ts-ignore: decorator
@inline function positive(x: v128): v128 { return f32x4.gt(x, f32x4.splat(0)) }

/** y, with NaN where a is NaN: what went wrong forwards may not look healed backwards. */
// @ts-ignore: decorator
@inline function orNaN(a: v128, y: v128): v128 { return v128.or(y, f32x4.ne(a, a)) }

/** The formula of one code; the code is a literal, so that only its own branch is left. */
// @ts-ignore: decorator
@inline function apply(code: i32, a: v128, b: v128, alpha: v128, beta: v128): v128 {
  if (code == Binary.add) return f32x4.add(a, b)
  if (code == Binary.sub) return f32x4.sub(a, b)
  if (code == Binary.mul) return f32x4.mul(a, b)
  if (code == Binary.div) return f32x4.div(a, b)
  if (code == Binary.maximum) return f32x4.max(a, b)
  if (code == Binary.minimum) return f32x4.min(a, b)
  if (code == Binary.first) return a
  if (code == Binary.greater) return v128.and(f32x4.gt(a, b), one())
  if (code == Binary.equal) return v128.and(f32x4.eq(a, b), one())
  if (code == Binary.reluGrad) return orNaN(a, v128.and(b, positive(a)))
  if (code == Binary.leakyReluGrad) return orNaN(a, v128.bitselect(b, f32x4.mul(alpha, b), positive(a)))
  if (code == Binary.eluGrad) return v128.bitselect(b, f32x4.mul(b, f32x4.add(a, alpha)), positive(a))
  if (code == Binary.sigmoidGrad) return f32x4.mul(b, f32x4.mul(a, f32x4.sub(one(), a)))
  if (code == Binary.tanhGrad) return f32x4.mul(b, f32x4.sub(one(), f32x4.mul(a, a)))
  if (code == Binary.logitXent) return f32x4.add(f32x4.sub(relu(a), f32x4.mul(a, b)), log1pExpNegAbs(a))
  return orNaN(a, v128.and(b, v128.and(f32x4.ge(a, alpha), f32x4.le(a, beta))))
}

/** n elements of one row. aStep, bStep: bytes from one vector of the operand to the next, 16 or 0. The tail takes lane 0 of the formula. */
// @ts-ignore: decorator
@inline function row(code: i32, a: usize, b: usize, y: usize, n: i32, aStep: usize, bStep: usize, alpha: v128, beta: v128): void {
  const end = y + (<usize>n << 2)
  const vectorEnd = y + (<usize>(n & ~3) << 2)
  while (y < vectorEnd) {
    v128.store(y, apply(code, v128.load(a), v128.load(b), alpha, beta))
    a += aStep
    b += bStep
    y += 16
  }
  while (y < end) {
    v128.store_lane<f32>(y, apply(code, v128.load_splat<f32>(a), v128.load_splat<f32>(b), alpha, beta), 0)
    a += aStep >> 2
    b += bStep >> 2
    y += 4
  }
}

/** Where a row's operand is read: in place, or, of stride 0, from its splat in scratch. */
// @ts-ignore: decorator
@inline function operand(address: usize, stride: i32, splat: usize): usize {
  if (stride) return address
  v128.store(splat, v128.load_splat<f32>(address))
  return splat
}

/** The tiles of one code: (o, m, chunk) advance like an odometer, chunk fastest. */
// @ts-ignore: decorator
@inline function tiles(code: i32, descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const a = load<usize>(descriptor, 0)
  const b = load<usize>(descriptor, 4)
  let y = load<usize>(descriptor, 8)
  const mid = load<i32>(descriptor, 16)
  const inner = load<i32>(descriptor, 20)
  const aOuter = load<i32>(descriptor, 24)
  const aMid = load<i32>(descriptor, 28)
  const aInner = load<i32>(descriptor, 32)
  const bOuter = load<i32>(descriptor, 36)
  const bMid = load<i32>(descriptor, 40)
  const bInner = load<i32>(descriptor, 44)
  const alpha = v128.load_splat<f32>(descriptor, 52)
  const beta = v128.load_splat<f32>(descriptor, 56)

  const chunks = (inner + ELEMENTS - 1) / ELEMENTS
  let chunk = tileBegin % chunks
  let m = tileBegin / chunks
  y += <usize>(m * inner + chunk * ELEMENTS) << 2
  let o = m / mid
  m %= mid
  for (let tile = tileBegin; tile < tileEnd; tile++) {
    const i = chunk * ELEMENTS
    const n = min(inner - i, ELEMENTS)
    const aRow = operand(a + (<usize>(o * aOuter + m * aMid + i * aInner) << 2), aInner, scratch)
    const bRow = operand(b + (<usize>(o * bOuter + m * bMid + i * bInner) << 2), bInner, scratch + 16)
    row(code, aRow, bRow, y, n, aInner << 4, bInner << 4, alpha, beta)
    y += <usize>n << 2
    if (++chunk == chunks) {
      chunk = 0
      if (++m == mid) {
        m = 0
        o++
      }
    }
  }
}

export function f32_binary(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  if (tileBegin >= tileEnd) return
  switch (load<i32>(descriptor, 48)) {
    case Binary.add: tiles(Binary.add, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.sub: tiles(Binary.sub, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.mul: tiles(Binary.mul, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.div: tiles(Binary.div, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.maximum: tiles(Binary.maximum, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.minimum: tiles(Binary.minimum, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.first: tiles(Binary.first, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.greater: tiles(Binary.greater, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.equal: tiles(Binary.equal, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.reluGrad: tiles(Binary.reluGrad, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.leakyReluGrad: tiles(Binary.leakyReluGrad, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.eluGrad: tiles(Binary.eluGrad, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.sigmoidGrad: tiles(Binary.sigmoidGrad, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.tanhGrad: tiles(Binary.tanhGrad, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.logitXent: tiles(Binary.logitXent, descriptor, scratch, tileBegin, tileEnd); break
    case Binary.clipGrad: tiles(Binary.clipGrad, descriptor, scratch, tileBegin, tileEnd); break
  }
}
