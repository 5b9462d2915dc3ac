// i32_arg_max: the index of the first largest element of each row, or of its first NaN.
import { ROWS } from '../codes'

export function i32_arg_max(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = load<usize>(d, 0), y = load<usize>(d, 4), width = load<i32>(d, 12)
  const last = min(load<i32>(d, 8), end * ROWS)
  for (let r = begin * ROWS; r < last; r++) {
    store<i32>(y + (<usize>r << 2), argMax(x + ((<usize>r * <usize>width) << 2), width))
  }
}

/** 0 for an empty row and for a row of −∞. */
function argMax(x: usize, width: i32): i32 {
  let best = 0
  let largest: f32 = -Infinity
  for (let j = 0; j < width; j++, x += 4) {
    const value = load<f32>(x)
    if (isNaN<f32>(value)) return j
    if (value > largest) {
      largest = value
      best = j
    }
  }
  return best
}
