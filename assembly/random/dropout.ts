// f32_dropout: y = keep ? x·scale : +0. Which elements stay depends on the key, the step, the sample's index and the element alone:
// never on the row of the batch in which the sample stands. The gradient is the same kernel on dy.
import { ROWS } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { loadKey, philoxPair } from './philox'

export function f32_dropout(d: usize, scratch: usize, begin: i32, end: i32): void {
  const index = load<usize>(d, 24), step = load<i32>(load<usize>(d, 28))
  const key = loadKey(load<usize>(d, 32))
  const width = load<i32>(d, 12), bytes = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 8), end * ROWS)
  let x = load<usize>(d, 0) + <usize>first * bytes, y = load<usize>(d, 4) + <usize>first * bytes
  for (let r = first; r < last; r++, x += bytes, y += bytes) {
    const sample = load<i32>(index + (<usize>r << 2))
    dropRow(x, y, width, sample, step, key, load<i32>(d, 16), load<f32>(d, 20), scratch)
  }
}

/** Elements 4i … 4i + 3 take the four words of counter (i, sample, step, 0); two counters at a time, their words in scratch. */
function dropRow(
  x: usize, y: usize, width: i32, sample: i32, step: i32, key: v128, threshold: i32, scale: f32, scratch: usize,
): void {
  const limit = i32x4.splat(threshold), times = f32x4.splat(scale)
  const odd = v128.and(i32x4.splat(sample), i32x4(-1, 0, -1, 0))
  let even = v128.bitselect(i32x4(0, 0, 1, 0), i32x4.splat(step), i32x4(-1, 0, -1, 0))
  for (; width >= 8; width -= 8, x += 32, y += 32) {
    philoxPair(even, odd, key, scratch)
    v128.store(y, kept(v128.load(x), times, limit, scratch))
    v128.store(y, kept(v128.load(x, 16), times, limit, scratch + 16), 16)
    even = i32x4.add(even, i32x4(2, 0, 2, 0))
  }
  if (width == 0) return
  philoxPair(even, odd, key, scratch)
  if (width >= 4) {
    v128.store(y, kept(v128.load(x), times, limit, scratch))
    width -= 4
    x += 16
    y += 16
    scratch += 16
  }
  if (width > 0) storeTail(y, kept(loadTail(x, width), times, limit, scratch), width)
}

/** x·scale where the word is not below the threshold, else +0. */
// @ts-ignore: decorator
@inline function kept(x: v128, times: v128, limit: v128, words: usize): v128 {
  return v128.and(f32x4.mul(x, times), i32x4.ge_u(v128.load(words), limit))
}
