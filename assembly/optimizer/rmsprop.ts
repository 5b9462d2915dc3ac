// f32_rmsprop: root mean square propagation (Tieleman and Hinton 2012; Keras' RMSprop). Roundings, in order:
//
//   r = *rate·rateScale   g' = clipped(g)
//   v = flushed(rho·v + oneMinusRho·(g'·g'))
//   centred (a ≠ 0): a = flushed(rho·a + oneMinusRho·g');  D = (v − a·a) + ε;   else D = v + ε
//   i = (r·g') / √D
//   momentum = 0: w = w − i;   else m = flushed(momentum·m + i);  w = w − m
import { clipped, flushed, pieceAt, rateOf, segmentAt, stage, unstage } from './piece'

export function f32_rmsprop(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 28))) return
  const centred = load<usize>(d, 16) != 0, heavy = load<f32>(d, 48) != 0
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), offset = load<usize>(piece, 4)
    const a = centred ? load<usize>(d, 16) + offset : 0, m = heavy ? load<usize>(d, 20) + offset : 0
    const g = load<usize>(d, 8) + offset, v = load<usize>(d, 12) + offset
    update(d, load<i32>(piece, 12), load<usize>(piece), g, v, a, m, load<i32>(piece, 8), scratch)
  }
}

/** a = 0: not centred. m = 0: no momentum. */
function update(d: usize, segment: i32, w: usize, g: usize, v: usize, a: usize, m: usize, length: i32, scratch: usize): void {
  const factor = v128.load32_splat(load<usize>(d, 24) + (<usize>segment << 2)), high = v128.load32_splat(d, 32), low = f32x4.neg(high)
  const rate = f32x4.splat(rateOf(load<usize>(d, 36), segmentAt(d, segment)))
  const rho = v128.load32_splat(d, 40), rest = v128.load32_splat(d, 44), momentum = v128.load32_splat(d, 48), epsilon = v128.load32_splat(d, 52)
  const vectors = <usize>(length & ~3) << 2
  for (let p: usize = 0; p < vectors; p += 16) {
    const x = clipped(v128.load(g + p), factor, low, high)
    let under = average(v + p, f32x4.mul(x, x), rho, rest)
    if (a) {
      const mean = average(a + p, x, rho, rest)
      // the variance is not negative; rounding may say so
      under = f32x4.max(f32x4.sub(under, f32x4.mul(mean, mean)), f32x4.splat(0))
    }
    let step = f32x4.div(f32x4.mul(rate, x), f32x4.sqrt(f32x4.add(under, epsilon)))
    if (m) {
      step = flushed(f32x4.add(f32x4.mul(momentum, v128.load(m + p)), step))
      v128.store(m + p, step)
    }
    v128.store(w + p, f32x4.sub(v128.load(w + p), step))
  }
  if (length & 3) tail(d, segment, w + vectors, g + vectors, v + vectors, a ? a + vectors : 0, m ? m + vectors : 0, length & 3, scratch)
}

/** The state at p becomes flushed(rho·state + rest·x). */
// @ts-ignore: decorator
@inline function average(p: usize, x: v128, rho: v128, rest: v128): v128 {
  const state = flushed(f32x4.add(f32x4.mul(rho, v128.load(p)), f32x4.mul(rest, x)))
  v128.store(p, state)
  return state
}

function tail(d: usize, segment: i32, w: usize, g: usize, v: usize, a: usize, m: usize, count: i32, scratch: usize): void {
  stage(w, scratch, count)
  stage(g, scratch + 16, count)
  stage(v, scratch + 32, count)
  if (a) stage(a, scratch + 48, count)
  if (m) stage(m, scratch + 64, count)
  update(d, segment, scratch, scratch + 16, scratch + 32, a ? scratch + 48 : 0, m ? scratch + 64 : 0, 4, scratch)
  unstage(w, scratch, count)
  unstage(v, scratch + 32, count)
  if (a) unstage(a, scratch + 48, count)
  if (m) unstage(m, scratch + 64, count)
}
