// What integer dot products can do at most on one core: from registers, with as many chains as fit, and the bare microkernels of the product on operands
// in the L1 cache. A step of a chain is 8 products and their sums by the i16 dot (16 operations with the additions), 16 by the relaxed one (32).
//
// The i16 dot does not take the sum that it is added to, so a compiler may compute equal products once: each product of a turn has factors of its own.

@inline
function dot(c: v128, b: v128, x: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return i32x4.relaxed_dot_i8x16_i7x16_add_s(b, x, c)
  return i32x4.add(c, i32x4.dot_i16x8_s(b, x))
}

/** `rounds` turns of 8 chains. */
export function dots(rounds: i32, seed: i32): i32 {
  let x0 = i8x16.splat(<i8>seed), x1 = i8x16.splat(<i8>(seed + 7)), x2 = i8x16.splat(<i8>(seed + 11)), x3 = i8x16.splat(<i8>(seed + 13))
  let y0 = i8x16.splat(3), y1 = i8x16.splat(<i8>(seed ^ 5))
  let c0 = i32x4.splat(seed), c1 = c0, c2 = c0, c3 = c0, c4 = c0, c5 = c0, c6 = c0, c7 = c0
  for (; rounds > 0; rounds--) {
    c0 = dot(c0, x0, y0); c1 = dot(c1, x1, y0); c2 = dot(c2, x2, y0); c3 = dot(c3, x3, y0)
    c4 = dot(c4, x0, y1); c5 = dot(c5, x1, y1); c6 = dot(c6, x2, y1); c7 = dot(c7, x3, y1)
    y0 = v128.xor(y0, y1); y1 = v128.xor(y1, x0)
  }
  const s = i32x4.add(i32x4.add(i32x4.add(c0, c1), i32x4.add(c2, c3)), i32x4.add(i32x4.add(c4, c5), i32x4.add(c6, c7)))
  return i32x4.extract_lane(s, 0) + i32x4.extract_lane(s, 1)
}

/** `rounds` times 4 rows × 8 columns of `groups` groups, two a turn; a row of a is 4·groups bytes, b 32·groups, out 128. */
export function micro4(rounds: i32, a: usize, b: usize, groups: i32, out: usize): void {
  for (; rounds > 0; rounds--) {
    const zero = i32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    let b0: v128, b1: v128, x: v128
    let a0 = a - 8, a1 = a0 + (groups << 2), a2 = a1 + (groups << 2), a3 = a2 + (groups << 2), p = b - 64, count = groups
    do {
      a0 += 8; a1 += 8; a2 += 8; a3 += 8; p += 64
      b0 = v128.load(p, 0); b1 = v128.load(p, 16)
      x = v128.load32_splat(a0, 0); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 0); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 0); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 0); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (count == 1) break
      b0 = v128.load(p, 32); b1 = v128.load(p, 48)
      x = v128.load32_splat(a0, 4); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 4); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 4); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 4); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      count -= 2
    } while (count)
    v128.store(out, c00, 0); v128.store(out, c01, 16); v128.store(out, c10, 32); v128.store(out, c11, 48)
    v128.store(out, c20, 64); v128.store(out, c21, 80); v128.store(out, c30, 96); v128.store(out, c31, 112)
  }
}

/** The same of 6 rows; out has 192 bytes. */
export function micro6(rounds: i32, a: usize, b: usize, groups: i32, out: usize): void {
  for (; rounds > 0; rounds--) {
    const zero = i32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero
    let b0: v128, b1: v128, x: v128
    let a0 = a - 8, a1 = a0 + (groups << 2), a2 = a1 + (groups << 2), a3 = a2 + (groups << 2), a4 = a3 + (groups << 2), a5 = a4 + (groups << 2), p = b - 64, count = groups
    do {
      a0 += 8; a1 += 8; a2 += 8; a3 += 8; a4 += 8; a5 += 8; p += 64
      b0 = v128.load(p, 0); b1 = v128.load(p, 16)
      x = v128.load32_splat(a0, 0); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 0); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 0); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 0); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      x = v128.load32_splat(a4, 0); c40 = dot(c40, b0, x); c41 = dot(c41, b1, x)
      x = v128.load32_splat(a5, 0); c50 = dot(c50, b0, x); c51 = dot(c51, b1, x)
      if (count == 1) break
      b0 = v128.load(p, 32); b1 = v128.load(p, 48)
      x = v128.load32_splat(a0, 4); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 4); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 4); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 4); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      x = v128.load32_splat(a4, 4); c40 = dot(c40, b0, x); c41 = dot(c41, b1, x)
      x = v128.load32_splat(a5, 4); c50 = dot(c50, b0, x); c51 = dot(c51, b1, x)
      count -= 2
    } while (count)
    v128.store(out, c00, 0); v128.store(out, c01, 16); v128.store(out, c10, 32); v128.store(out, c11, 48); v128.store(out, c20, 64); v128.store(out, c21, 80)
    v128.store(out, c30, 96); v128.store(out, c31, 112); v128.store(out, c40, 128); v128.store(out, c41, 144); v128.store(out, c50, 160); v128.store(out, c51, 176)
  }
}
