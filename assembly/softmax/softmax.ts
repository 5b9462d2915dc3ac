// Softmax and its logarithm, row by row, with their gradients. NaN or +∞ anywhere in a row makes all of the row NaN, as does a row of −∞.
import { ROWS } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { exp } from '../math/f32x4'
import { divideRow, rowDot, rowMax, rowSum } from '../reduce/rows'
import { expRow, logSumExp } from './exp'

/** y = exp(x − max) / Σ exp(x − max). y may be x. */
export function f32_softmax(d: usize, scratch: usize, begin: i32, end: i32): void {
  const width = load<i32>(d, 12), bytes = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 8), end * ROWS)
  let x = load<usize>(d, 0) + <usize>first * bytes, y = load<usize>(d, 4) + <usize>first * bytes
  for (let r = first; r < last; r++, x += bytes, y += bytes) {
    expRow(x, y, width, rowMax(x, width))
    divideRow(y, width, rowSum(y, width))
  }
}

/** y = (x − max) − log Σ exp(x − max). y may be x. */
export function f32_log_softmax(d: usize, scratch: usize, begin: i32, end: i32): void {
  const width = load<i32>(d, 12), bytes = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 8), end * ROWS)
  let x = load<usize>(d, 0) + <usize>first * bytes, y = load<usize>(d, 4) + <usize>first * bytes
  for (let r = first; r < last; r++, x += bytes, y += bytes) {
    const largest = rowMax(x, width)
    subtract(x, y, width, largest, logSumExp(x, width, largest, scratch))
  }
}

/** y = (x − a) − b */
function subtract(x: usize, y: usize, width: i32, a: f32, b: f32): void {
  const first = f32x4.splat(a), second = f32x4.splat(b)
  for (; width >= 4; width -= 4, x += 16, y += 16) v128.store(y, f32x4.sub(f32x4.sub(v128.load(x), first), second))
  if (width > 0) storeTail(y, f32x4.sub(f32x4.sub(loadTail(x, width), first), second), width)
}

/** dx = y·(dy − Σ dy·y). dx may be dy. */
export function f32_softmax_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const width = load<i32>(d, 16), bytes = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 12), end * ROWS)
  const skip = <usize>first * bytes
  let y = load<usize>(d, 0) + skip, dy = load<usize>(d, 4) + skip, dx = load<usize>(d, 8) + skip
  for (let r = first; r < last; r++, y += bytes, dy += bytes, dx += bytes) softmaxGrad(y, dy, dx, width, rowDot(dy, y, width, scratch))
}

function softmaxGrad(y: usize, dy: usize, dx: usize, width: i32, dot: f32): void {
  const mean = f32x4.splat(dot)
  for (; width >= 4; width -= 4, y += 16, dy += 16, dx += 16) {
    v128.store(dx, f32x4.mul(v128.load(y), f32x4.sub(v128.load(dy), mean)))
  }
  if (width > 0) storeTail(dx, f32x4.mul(loadTail(y, width), f32x4.sub(loadTail(dy, width), mean)), width)
}

/** dx = dy − exp(y)·Σ dy. dx may be dy. */
export function f32_log_softmax_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const width = load<i32>(d, 16), bytes = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 12), end * ROWS)
  const skip = <usize>first * bytes
  let y = load<usize>(d, 0) + skip, dy = load<usize>(d, 4) + skip, dx = load<usize>(d, 8) + skip
  for (let r = first; r < last; r++, y += bytes, dy += bytes, dx += bytes) logSoftmaxGrad(y, dy, dx, width, rowSum(dy, width))
}

function logSoftmaxGrad(y: usize, dy: usize, dx: usize, width: i32, total: f32): void {
  const sum = f32x4.splat(total)
  for (; width >= 4; width -= 4, y += 16, dy += 16, dx += 16) {
    v128.store(dx, f32x4.sub(v128.load(dy), f32x4.mul(exp(v128.load(y)), sum)))
  }
  if (width > 0) storeTail(dx, f32x4.sub(loadTail(dy, width), f32x4.mul(exp(loadTail(y, width)), sum)), width)
}
