// f32_depthwise, f32_depthwise_kernel: the convolution of each channel for itself, and its gradient by the kernel, four channels a vector. The
// order of f32_conv: the terms of a chunk ascending from +0 in one accumulator, each product rounded, added, rounded; chunks added ascending.
import { DEPTHWISE_CHANNELS, DEPTHWISE_PIXELS, KB, KC } from '../codes'
import { activate } from '../math/activation'
import { writeTerms } from './terms'

/** A tile: sums and bias of its pixels, four at a time, so that a weight that is loaded serves four; then the activation over all of them. */
export function f32_depthwise(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), y = <usize>load<u32>(d, 8), m = load<i32>(d, 16), bytes = load<i32>(d, 20) << 2
  const activation = load<i32>(d, 64), alpha = load<f32>(d, 68)
  for (let tile = begin; tile < end; tile++) {
    const first = tile * DEPTHWISE_PIXELS, count = min(DEPTHWISE_PIXELS, m - first), to = y + first * bytes
    writeTerms(d + 24, scratch, first, count)
    for (let i = 0; i < count; i += 4) fourPixels(d, x, scratch + (i << 2), min(4, count - i), to + i * bytes, bytes)
    for (let i = 0; i < count; i++) lastChannels(d, x + load<u32>(scratch + (i << 2)), to + i * bytes, bytes)
    if (activation >= 0) activateAll(to, count * bytes, activation, alpha)
  }
}

/** Whole groups of 8 channels of up to four pixels; the last one stands in for the missing, and is written with the same bits again. */
function fourPixels(d: usize, x: usize, offsets: usize, pixels: i32, y: usize, bytes: i32): void {
  const w = <usize>load<u32>(d, 4), bias = <usize>load<u32>(d, 12)
  const rows = load<i32>(d, 44), columns = load<i32>(d, 48), across = load<i32>(d, 56), tapStep = load<i32>(d, 60), nextRow = load<i32>(d, 52) - columns * across
  const r1 = pixels > 1 ? 1 : 0, r2 = pixels > 2 ? 2 : r1, r3 = pixels > 3 ? 3 : r2
  const x0 = x + load<u32>(offsets), x1 = x + load<u32>(offsets + (r1 << 2)), x2 = x + load<u32>(offsets + (r2 << 2)), x3 = x + load<u32>(offsets + (r3 << 2))
  const y1 = y + r1 * bytes, y2 = y + r2 * bytes, y3 = y + r3 * bytes
  for (let c = 0; c + 32 <= bytes; c += 32) {
    let a0 = f32x4.splat(0), a1 = a0, b0 = a0, b1 = a0, c0 = a0, c1 = a0, d0 = a0, d1 = a0
    let p0 = x0 + c, p1 = x1 + c, p2 = x2 + c, p3 = x3 + c, weight = w + c
    for (let r = rows; r > 0; r--) {
      for (let q = columns; q > 0; q--) {
        const low = v128.load(weight, 0), high = v128.load(weight, 16)
        a0 = f32x4.add(a0, f32x4.mul(v128.load(p0, 0), low)); a1 = f32x4.add(a1, f32x4.mul(v128.load(p0, 16), high))
        b0 = f32x4.add(b0, f32x4.mul(v128.load(p1, 0), low)); b1 = f32x4.add(b1, f32x4.mul(v128.load(p1, 16), high))
        c0 = f32x4.add(c0, f32x4.mul(v128.load(p2, 0), low)); c1 = f32x4.add(c1, f32x4.mul(v128.load(p2, 16), high))
        d0 = f32x4.add(d0, f32x4.mul(v128.load(p3, 0), low)); d1 = f32x4.add(d1, f32x4.mul(v128.load(p3, 16), high))
        p0 += across; p1 += across; p2 += across; p3 += across
        weight += tapStep
      }
      p0 += nextRow; p1 += nextRow; p2 += nextRow; p3 += nextRow
    }
    if (bias) {
      const low = v128.load(bias + c, 0), high = v128.load(bias + c, 16)
      a0 = f32x4.add(a0, low); b0 = f32x4.add(b0, low); c0 = f32x4.add(c0, low); d0 = f32x4.add(d0, low)
      a1 = f32x4.add(a1, high); b1 = f32x4.add(b1, high); c1 = f32x4.add(c1, high); d1 = f32x4.add(d1, high)
    }
    v128.store(y + c, a0, 0); v128.store(y + c, a1, 16)
    v128.store(y1 + c, b0, 0); v128.store(y1 + c, b1, 16)
    v128.store(y2 + c, c0, 0); v128.store(y2 + c, c1, 16)
    v128.store(y3 + c, d0, 0); v128.store(y3 + c, d1, 16)
  }
}

/** The channels of one pixel that make no group of 8. */
function lastChannels(d: usize, x: usize, y: usize, bytes: i32): void {
  const w = <usize>load<u32>(d, 4), bias = <usize>load<u32>(d, 12)
  const rows = load<i32>(d, 44), columns = load<i32>(d, 48), down = load<i32>(d, 52), across = load<i32>(d, 56), tapStep = load<i32>(d, 60)
  for (let c = bytes & ~31; c < bytes; c += 4) {
    let sum: f32 = 0
    let from = x + c, weight = w + c
    for (let a = 0; a < rows; a++) {
      let p = from
      for (let b = 0; b < columns; b++) {
        sum += load<f32>(p) * load<f32>(weight)
        p += across
        weight += tapStep
      }
      from += down
    }
    store<f32>(y + c, bias ? sum + load<f32>(bias + c) : sum)
  }
}

function activateAll(y: usize, bytes: i32, activation: i32, alpha: f32): void {
  const end = y + bytes, vectors = y + (bytes & ~15)
  for (; y < vectors; y += 16) v128.store(y, activate(v128.load(y), activation, alpha))
  for (; y < end; y += 4) v128.store_lane<f32>(y, activate(v128.load32_splat(y), activation, alpha), 0)
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
