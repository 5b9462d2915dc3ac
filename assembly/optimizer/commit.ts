// f32_commit: what was computed of a weight after its update, a constraint, takes its place, or nothing happens where the step is not ok.
import { ELEMENTS } from '../codes'

/** The bits are copied as they are. y may be x: a constraint may be the weight itself in another shape. */
export function f32_commit(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 8))) return
  const first = <usize>begin * (4 * ELEMENTS)
  const last = min(<usize>load<i32>(d, 12) << 2, <usize>end * (4 * ELEMENTS))
  const x = load<usize>(d, 0), y = load<usize>(d, 4)
  if (x != y && first < last) memory.copy(y + first, x + first, last - first)
}
