// f32_sgd: gradient descent, plain, with momentum, or with Nesterov's (Keras' SGD). Roundings, in order:
//
//   r = *rate·rateScale   g' = clipped(g)   t = r·g'
//   momentum = 0:  w = w − t
//   else           m = flushed(momentum·m − t);  w = w + m, or, nesterov, w = w + (momentum·m − t)
import { clipped, flushed, pieceAt, rateOf, segmentAt, stage, unstage } from './piece'

export function f32_sgd(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 20))) return
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), offset = load<usize>(piece, 4)
    const length = load<i32>(piece, 8), segment = load<i32>(piece, 12)
    if (load<f32>(d, 32) == 0) descend(d, segment, load<usize>(piece), load<usize>(d, 8) + offset, length, scratch)
    else roll(d, segment, load<usize>(piece), load<usize>(d, 8) + offset, load<usize>(d, 12) + offset, length, scratch)
  }
}

/** w = w − t */
function descend(d: usize, segment: i32, w: usize, g: usize, length: i32, scratch: usize): void {
  const factor = v128.load32_splat(load<usize>(d, 16) + (<usize>segment << 2)), high = v128.load32_splat(d, 24), low = f32x4.neg(high)
  const rate = f32x4.splat(rateOf(load<usize>(d, 28), segmentAt(d, segment)))
  for (; length >= 4; length -= 4, w += 16, g += 16) {
    v128.store(w, f32x4.sub(v128.load(w), f32x4.mul(rate, clipped(v128.load(g), factor, low, high))))
  }
  if (length == 0) return
  stage(w, scratch, length)
  stage(g, scratch + 16, length)
  descend(d, segment, scratch, scratch + 16, 4, scratch)
  unstage(w, scratch, length)
}

/** The forms with momentum. */
function roll(d: usize, segment: i32, w: usize, g: usize, m: usize, length: i32, scratch: usize): void {
  const factor = v128.load32_splat(load<usize>(d, 16) + (<usize>segment << 2)), high = v128.load32_splat(d, 24), low = f32x4.neg(high)
  const rate = f32x4.splat(rateOf(load<usize>(d, 28), segmentAt(d, segment)))
  const momentum = v128.load32_splat(d, 32), nesterov = load<i32>(d, 36)
  for (; length >= 4; length -= 4, w += 16, g += 16, m += 16) {
    const t = f32x4.mul(rate, clipped(v128.load(g), factor, low, high))
    const velocity = flushed(f32x4.sub(f32x4.mul(momentum, v128.load(m)), t))
    v128.store(m, velocity)
    v128.store(w, f32x4.add(v128.load(w), nesterov ? f32x4.sub(f32x4.mul(momentum, velocity), t) : velocity))
  }
  if (length == 0) return
  stage(w, scratch, length)
  stage(g, scratch + 16, length)
  stage(m, scratch + 32, length)
  roll(d, segment, scratch, scratch + 16, scratch + 32, 4, scratch)
  unstage(w, scratch, length)
  unstage(m, scratch + 32, length)
}
