// The last 1 to 3 floats of a run, as a vector. Loops take whole vectors and leave the rest to these: a choice inside a loop costs more
// than what the loop does.

/** The `count` floats at p, 1 to 3, the other lanes +0; reads no byte beyond them. */
export function loadTail(p: usize, count: i32): v128 {
  if (count == 2) return v128.load64_zero(p)
  return count == 1 ? v128.load32_zero(p) : v128.load_lane<f32>(p, v128.load64_zero(p), 2, 8)
}

/** Stores the first `count` lanes, 1 to 3, at p. */
export function storeTail(p: usize, x: v128, count: i32): void {
  if (count == 1) {
    v128.store_lane<f32>(p, x, 0)
    return
  }
  v128.store_lane<i64>(p, x, 0)
  if (count > 2) v128.store_lane<f32>(p, x, 2, 8)
}
