// f32_depthwise: the convolution of each channel for itself, four channels a vector. The order of f32_conv: the taps of an output, of which there
// are at most KC, ascending from +0 in one accumulator, each product rounded, added, rounded; then bias and activation, once.
import { DEPTHWISE_PIXELS } from '../codes'
import { activate } from '../math/activation'

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
