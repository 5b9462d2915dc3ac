// f32_depthwise, f32_depthwise_kernel: the convolution of each channel for itself, and its gradient by the kernel, four channels a vector. The
// order of f32_conv: the terms of a chunk ascending from +0 in one accumulator, each product rounded, added, rounded; chunks added ascending.
import { DEPTHWISE_CHANNELS, DEPTHWISE_PIXELS, KB, KC } from '../codes'
import { activate } from '../math/activation'
import { writeTerms } from './terms'

export function f32_depthwise(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), y = <usize>load<u32>(d, 8), m = load<i32>(d, 16), channels = load<i32>(d, 20)
  const inner = load<i32>(d, 24), mid = load<i32>(d, 28), step = load<i32>(d, 32), midStep = load<i32>(d, 36), outerStep = load<i32>(d, 40)
  for (let i = begin * DEPTHWISE_PIXELS, last = min(m, end * DEPTHWISE_PIXELS); i < last; i++) {
    pixel(d, x + i % inner * step + i / inner % mid * midStep + i / inner / mid * outerStep, y + i * channels * 4, channels)
  }
}

function pixel(d: usize, x: usize, y: usize, channels: i32): void {
  const w = <usize>load<u32>(d, 4), bias = <usize>load<u32>(d, 12)
  const rows = load<i32>(d, 44), columns = load<i32>(d, 48), down = load<i32>(d, 52), across = load<i32>(d, 56), tapStep = load<i32>(d, 60)
  const activation = load<i32>(d, 64), alpha = load<f32>(d, 68)
  const bytes = channels * 4
  let c = 0
  for (; c + 32 <= bytes; c += 32) {
    let low = f32x4.splat(0), high = low
    let from = x + c, weight = w + c
    for (let a = 0; a < rows; a++) {
      let p = from
      for (let b = 0; b < columns; b++) {
        low = f32x4.add(low, f32x4.mul(v128.load(p, 0), v128.load(weight, 0)))
        high = f32x4.add(high, f32x4.mul(v128.load(p, 16), v128.load(weight, 16)))
        p += across
        weight += tapStep
      }
      from += down
    }
    if (bias) {
      low = f32x4.add(low, v128.load(bias + c, 0))
      high = f32x4.add(high, v128.load(bias + c, 16))
    }
    if (activation >= 0) {
      low = activate(low, activation, alpha)
      high = activate(high, activation, alpha)
    }
    v128.store(y + c, low, 0)
    v128.store(y + c, high, 16)
  }
  for (; c < bytes; c += 4) {
    let sum = f32x4.splat(0)
    let from = x + c, weight = w + c
    for (let a = 0; a < rows; a++) {
      let p = from
      for (let b = 0; b < columns; b++) {
        sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(p), v128.load32_splat(weight)))
        p += across
        weight += tapStep
      }
      from += down
    }
    if (bias) sum = f32x4.add(sum, v128.load32_splat(bias + c))
    if (activation >= 0) sum = activate(sum, activation, alpha)
    v128.store_lane<f32>(y + c, sum, 0)
  }
}

// Scratch of f32_depthwise_kernel: the block's sums, a row of 8 channels for each of up to DEPTHWISE_TAPS taps; then the terms of a chunk.
const TERMS: usize = 2048

/** A tile: one block of the sums of 8 channels; of the last channels, if they are less, with some before them that are not stored. */
export function f32_depthwise_kernel(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), dy = <usize>load<u32>(d, 4), dw = <usize>load<u32>(d, 8), k = load<i32>(d, 12), channels = load<i32>(d, 16)
  const taps = load<i32>(d, 40) * load<i32>(d, 44), cBlock = load<i32>(d, 56)
  const across = (channels + DEPTHWISE_CHANNELS - 1) / DEPTHWISE_CHANNELS
  for (let tile = begin; tile < end; tile++) {
    const block = tile / across, own = tile % across * DEPTHWISE_CHANNELS, channel = min(own, channels - DEPTHWISE_CHANNELS)
    const first = block * KB, last = min(k, first + KB)
    memory.fill(scratch, 0, taps << 5)
    for (let p = first; p < last; p += KC) {
      const count = min(KC, last - p)
      writeTerms(d + 20, scratch + TERMS, p, count)
      addChunk(d, x + (channel << 2), dy + (<usize>p * channels + channel << 2), scratch, count)
    }
    const skip = own - channel << 2
    let to = dw + block * cBlock + (own << 2)
    for (let tap = 0; tap < taps; tap++) {
      for (let from = scratch + (tap << 5) + skip, q = to, stop = scratch + (tap << 5) + 32; from < stop; from += 4, q += 4) store<u32>(q, load<u32>(from))
      to += channels << 2
    }
  }
}

/**
 * Adds the sums of a chunk to those of its block: +0 + the first is the first, since a sum from +0 is never −0. Three taps at a time, a row of
 * most kernels.
 */
function addChunk(d: usize, x: usize, dy: usize, sums: usize, terms: i32): void {
  const pixel = load<i32>(d, 16) << 2, rows = load<i32>(d, 40), columns = load<i32>(d, 44), down = load<i32>(d, 48), across = load<i32>(d, 52)
  for (let r = 0; r < rows; r++) {
    for (let q = 0; q < columns; q += 3) {
      const left = columns - q, at1 = left > 1 ? across : 0, at2 = left > 2 ? across << 1 : at1
      const to1 = left > 1 ? 32 : 0, to2 = left > 2 ? 64 : to1
      const tap = x + r * down + q * across
      let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0
      let term = sums + TERMS, g = dy
      for (const stop = term + (terms << 2); term < stop; term += 4) {
        const p = tap + load<u32>(term), g0 = v128.load(g, 0), g1 = v128.load(g, 16)
        a0 = f32x4.add(a0, f32x4.mul(v128.load(p, 0), g0)); a1 = f32x4.add(a1, f32x4.mul(v128.load(p, 16), g1))
        b0 = f32x4.add(b0, f32x4.mul(v128.load(p + at1, 0), g0)); b1 = f32x4.add(b1, f32x4.mul(v128.load(p + at1, 16), g1))
        c0 = f32x4.add(c0, f32x4.mul(v128.load(p + at2, 0), g0)); c1 = f32x4.add(c1, f32x4.mul(v128.load(p + at2, 16), g1))
        g += pixel
      }
      // A tap that stands in for a missing one is read before it is written.
      const s = sums + (r * columns + q << 5), s1 = s + to1, s2 = s + to2
      a0 = f32x4.add(v128.load(s, 0), a0); a1 = f32x4.add(v128.load(s, 16), a1)
      b0 = f32x4.add(v128.load(s1, 0), b0); b1 = f32x4.add(v128.load(s1, 16), b1)
      c0 = f32x4.add(v128.load(s2, 0), c0); c1 = f32x4.add(v128.load(s2, 16), c1)
      v128.store(s, a0, 0); v128.store(s, a1, 16)
      v128.store(s1, b0, 0); v128.store(s1, b1, 16)
      v128.store(s2, c0, 0); v128.store(s2, c1, 16)
    }
  }
}
