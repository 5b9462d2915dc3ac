// The limit of integer dot products on one core: registers only, so many chains that none waits. `rounds` rounds of 4 steps; a step of a chain is 8 products
// and their sums by the i16 dot (16 operations with the additions), 16 by the relaxed one (32).

@inline
function step(c: v128, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(x, x, c)
  return i32x4.add(c, i32x4.dot_i16x8_s(x, x))
}

export function dots(rounds: i32, seed: i32): i32 {
  const x = v128.and(i8x16.splat(<i8>seed), i8x16.splat(127))
  let c0 = i32x4.splat(seed), c1 = i32x4.splat(seed + 1), c2 = i32x4.splat(seed + 2), c3 = i32x4.splat(seed + 3)
  let c4 = i32x4.splat(seed + 4), c5 = i32x4.splat(seed + 5), c6 = i32x4.splat(seed + 6), c7 = i32x4.splat(seed + 7)
  // Factors that change, or a compiler may take equal products out of the loop.
  let y0 = x, y1 = i8x16.splat(3)
  for (; rounds > 0; rounds--) {
    c0 = step(c0, y0); c1 = step(c1, y1); c2 = step(c2, y0); c3 = step(c3, y1); c4 = step(c4, y0); c5 = step(c5, y1); c6 = step(c6, y0); c7 = step(c7, y1)
    y0 = v128.xor(y0, y1)
    c0 = step(c0, y0); c1 = step(c1, y1); c2 = step(c2, y0); c3 = step(c3, y1); c4 = step(c4, y0); c5 = step(c5, y1); c6 = step(c6, y0); c7 = step(c7, y1)
    y1 = v128.xor(y1, y0)
    c0 = step(c0, y0); c1 = step(c1, y1); c2 = step(c2, y0); c3 = step(c3, y1); c4 = step(c4, y0); c5 = step(c5, y1); c6 = step(c6, y0); c7 = step(c7, y1)
    y0 = v128.xor(y0, y1)
    c0 = step(c0, y0); c1 = step(c1, y1); c2 = step(c2, y0); c3 = step(c3, y1); c4 = step(c4, y0); c5 = step(c5, y1); c6 = step(c6, y0); c7 = step(c7, y1)
    y1 = v128.xor(y1, y0)
  }
  const s = i32x4.add(i32x4.add(i32x4.add(c0, c1), i32x4.add(c2, c3)), i32x4.add(i32x4.add(c4, c5), i32x4.add(c6, c7)))
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)
}
