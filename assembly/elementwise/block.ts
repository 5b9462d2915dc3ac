// Kernels that fill, add to, and move whole blocks.
import { ELEMENTS, ROWS } from '../codes'

/** The value's bits are stored as they are. */
export function f32_fill(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 4), tileEnd * ELEMENTS) - first
  const value = v128.load_splat<u32>(descriptor, 8)
  let y = load<usize>(descriptor, 0) + (<usize>first << 2)
  const vectorEnd = y + (<usize>(n & ~3) << 2)
  const end = y + (<usize>n << 2)
  for (; y < vectorEnd; y += 16) v128.store(y, value)
  for (; y < end; y += 4) v128.store_lane<u32>(y, value, 0)
}

export function f32_accumulate(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 8), tileEnd * ELEMENTS) - first
  let x = load<usize>(descriptor, 0) + (<usize>first << 2)
  let y = load<usize>(descriptor, 4) + (<usize>first << 2)
  const vectorEnd = y + (<usize>(n & ~3) << 2)
  const end = y + (<usize>n << 2)
  while (y < vectorEnd) {
    v128.store(y, f32x4.add(v128.load(y), v128.load(x)))
    x += 16
    y += 16
  }
  while (y < end) {
    store<f32>(y, load<f32>(y) + load<f32>(x))
    x += 4
    y += 4
  }
}

export function f64_accumulate(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 8), tileEnd * ELEMENTS) - first
  let x = load<usize>(descriptor, 0) + (<usize>first << 3)
  let y = load<usize>(descriptor, 4) + (<usize>first << 3)
  const vectorEnd = y + (<usize>(n & ~1) << 3)
  while (y < vectorEnd) {
    v128.store(y, f64x2.add(v128.load(y), v128.load(x)))
    x += 16
    y += 16
  }
  if (n & 1) store<f64>(y, load<f64>(y) + load<f64>(x))
}

export function copy(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = <usize>tileBegin * (4 * ELEMENTS)
  const end = min(<usize>load<i32>(descriptor, 8), <usize>tileEnd * (4 * ELEMENTS))
  const x = load<usize>(descriptor, 0), y = load<usize>(descriptor, 4)
  // the planner may have put y in the place of x
  if (x != y && first < end) memory.copy(y + first, x + first, end - first)
}

export function copy_rows(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const xRow = load<i32>(descriptor, 16), yRow = load<i32>(descriptor, 20), width = <usize>load<i32>(descriptor, 12)
  const end = min(load<i32>(descriptor, 8), tileEnd * ROWS)
  let r = tileBegin * ROWS
  let x = load<usize>(descriptor, 0) + r * xRow, y = load<usize>(descriptor, 4) + r * yRow
  for (; r < end; r++) {
    memory.copy(y, x, width)
    x += xRow
    y += yRow
  }
}
