// f32_fake_quant: what a value is after it went through a few bits and back. Jacob et al., Quantization and Training of Neural Networks for
// Efficient Integer-Arithmetic-Only Inference, 2018, symmetric: q = round(x / s), half to even, within ±levels; y = q·s.
import { ELEMENTS } from '../codes'

/** +0 is added so that −0 does not come out; a step of 0 (all of them 0, or too small for a step) gives +0, and NaN stays NaN. */
// @ts-ignore: decorator
@inline function quantise(x: v128, range: v128, levels: v128): v128 {
  const step = f32x4.div(range, levels)
  const q = f32x4.min(f32x4.max(f32x4.nearest(f32x4.div(x, step)), f32x4.neg(levels)), levels)
  const y = f32x4.add(f32x4.mul(q, step), f32x4.splat(0))
  const none = v128.and(f32x4.eq(step, f32x4.splat(0)), f32x4.eq(x, x))
  return v128.andnot(y, none)
}

/** A range of stride 0 is splatted into scratch, so that both kinds take one loop. */
export function f32_fake_quant(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const inner = load<i32>(descriptor, 16)
  const stride = load<i32>(descriptor, 20)
  const levels = v128.load_splat<f32>(descriptor, 24)
  const chunks = (inner + ELEMENTS - 1) / ELEMENTS
  for (let tile = tileBegin; tile < tileEnd; tile++) {
    const row = tile / chunks
    const from = (tile - row * chunks) * ELEMENTS
    const n = min(inner - from, ELEMENTS)
    const first = <usize>(row * inner + from) << 2
    let x = load<usize>(descriptor, 0) + first
    let y = load<usize>(descriptor, 8) + first
    let range = load<usize>(descriptor, 4) + (<usize>(from * stride) << 2)
    if (!stride) {
      v128.store(scratch, v128.load_splat<f32>(range))
      range = scratch
    }
    const vectorEnd = x + (<usize>(n & ~3) << 2)
    const end = x + (<usize>n << 2)
    while (x < vectorEnd) {
      v128.store(y, quantise(v128.load(x), v128.load(range), levels))
      x += 16
      y += 16
      range += <usize>(stride << 4)
    }
    while (x < end) {
      v128.store_lane<f32>(y, quantise(v128.load_splat<f32>(x), v128.load_splat<f32>(range), levels), 0)
      x += 4
      y += 4
      range += <usize>(stride << 2)
    }
  }
}
