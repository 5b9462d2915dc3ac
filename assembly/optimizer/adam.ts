// f32_adam: Adam (Kingma and Ba 2015, with the bias corrections moved into the rate as their section 2 says) and AdamW (Loshchilov and
// Hutter 2019), as Keras writes them. Roundings, in order:
//
//   r = *rate·rateScale, *rate = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)   g' = clipped(g)
//   decay ≠ 0:  w = w − (w·decay)·(*decayRate·rateScale)
//   m = flushed(m + (g' − m)·oneMinusBeta1)
//   v = flushed(v + (g'·g' − v)·oneMinusBeta2)
//   w = w − (m·r) / (√v + ε)
import { clipped, flushed, pieceAt, rateOf, segmentAt, stage, unstage } from './piece'

export function f32_adam(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 24))) return
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), offset = load<usize>(piece, 4)
    const g = load<usize>(d, 8) + offset, m = load<usize>(d, 12) + offset, v = load<usize>(d, 16) + offset
    update(d, load<i32>(piece, 12), load<usize>(piece), g, m, v, load<i32>(piece, 8), scratch)
  }
}

function update(d: usize, segment: i32, w: usize, g: usize, m: usize, v: usize, length: i32, scratch: usize): void {
  if (load<f32>(segmentAt(d, segment), 4) != 0) decay(d, segmentAt(d, segment), w, length & ~3)
  const factor = v128.load32_splat(load<usize>(d, 20) + (<usize>segment << 2)), limit = v128.load32_splat(d, 28)
  const rate = f32x4.splat(rateOf(load<usize>(d, 32), segmentAt(d, segment)))
  const alpha = v128.load32_splat(d, 40), beta = v128.load32_splat(d, 44), epsilon = v128.load32_splat(d, 48)
  for (; length >= 4; length -= 4, w += 16, g += 16, m += 16, v += 16) {
    const x = clipped(v128.load(g), factor, limit)
    const m0 = v128.load(m), v0 = v128.load(v)
    const m1 = flushed(f32x4.add(m0, f32x4.mul(f32x4.sub(x, m0), alpha)))
    const v1 = flushed(f32x4.add(v0, f32x4.mul(f32x4.sub(f32x4.mul(x, x), v0), beta)))
    v128.store(m, m1)
    v128.store(v, v1)
    const step = f32x4.div(f32x4.mul(m1, rate), f32x4.add(f32x4.sqrt(v1), epsilon))
    v128.store(w, f32x4.sub(v128.load(w), step))
  }
  if (length > 0) tail(d, segment, w, g, m, v, length, scratch)
}

function decay(d: usize, segment: usize, w: usize, length: i32): void {
  const part = v128.load32_splat(segment, 4), rate = f32x4.splat(rateOf(load<usize>(d, 36), segment))
  for (; length > 0; length -= 4, w += 16) {
    const x = v128.load(w)
    v128.store(w, f32x4.sub(x, f32x4.mul(f32x4.mul(x, part), rate)))
  }
}

function tail(d: usize, segment: i32, w: usize, g: usize, m: usize, v: usize, count: i32, scratch: usize): void {
  stage(w, scratch, count)
  stage(g, scratch + 16, count)
  stage(m, scratch + 32, count)
  stage(v, scratch + 48, count)
  update(d, segment, scratch, scratch + 16, scratch + 32, scratch + 48, 4, scratch)
  unstage(w, scratch, count)
  unstage(m, scratch + 32, count)
  unstage(v, scratch + 48, count)
}
