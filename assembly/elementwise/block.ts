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

/** Bytes of 1 at the steps below a sample's length, of 0 from there on. */
export function length_mask(d: usize, scratch: usize, begin: i32, end: i32): void {
  const steps = load<i32>(d, 12), width = load<i32>(d, 16)
  const last = min(load<i32>(d, 8), end * ROWS)
  for (let r = begin * ROWS; r < last; r++) {
    const row = load<usize>(d, 4) + <usize>r * steps * width
    const ones = <usize>max(0, min(steps, load<i32>(load<usize>(d, 0) + (<usize>r << 2)))) * width
    memory.fill(row, 1, ones)
    memory.fill(row + ones, 0, <usize>steps * width - ones)
  }
}

/** Rows that lie apart in x, in y, or in both: how a step of a sequence [n, T, …] comes out of it, and goes into one. */
export function copy_rows(d: usize, scratch: usize, begin: i32, end: i32): void {
  const width = <usize>load<i32>(d, 12), xRow = <usize>load<i32>(d, 16), yRow = <usize>load<i32>(d, 20)
  const first = begin * ROWS, last = min(load<i32>(d, 8), end * ROWS)
  let x = load<usize>(d, 0) + <usize>first * xRow, y = load<usize>(d, 4) + <usize>first * yRow
  for (let r = first; r < last; r++, x += xRow, y += yRow) memory.copy(y, x, width)
}
