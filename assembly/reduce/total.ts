// f32_total: a weighted sum in f64, for losses and metrics. The product of two f32 is exact in f64; every addition rounds once.
//
// Order (law 3): chunks of KC, each ascending from +0; chunks ascending from +0.
import { KC } from '../codes'

export function f32_total(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (begin >= end) return
  const x = load<usize>(d, 0), w = load<usize>(d, 4), length = load<i32>(d, 12)
  let total: f64 = 0
  for (let first = 0; first < length; first += KC) {
    const p = <usize>first << 2
    const count = min(KC, length - first)
    total += w ? weighted(x + p, w + p, count) : plain(x + p, count)
  }
  store<f64>(load<usize>(d, 8), total)
}

function plain(x: usize, count: i32): f64 {
  let sum: f64 = 0
  for (; count > 0; count--, x += 4) sum += <f64>load<f32>(x)
  return sum
}

function weighted(x: usize, w: usize, count: i32): f64 {
  let sum: f64 = 0
  for (; count > 0; count--, x += 4, w += 4) sum += <f64>load<f32>(x) * <f64>load<f32>(w)
  return sum
}
