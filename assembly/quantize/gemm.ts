// qs8_gemm: C = requantised A·B, A unsigned bytes (activations), B signed bytes (weights), sums of i32. Integers: every order of the terms gives
// the same bits, so this file is compiled twice, and both forms must be equal.
//
//   everywhere     i32x4.dot_i16x8_s on bytes that are widened: all even bytes of a group first, then, loaded again, all odd ones, so that the two
//                  halves' operands are not in registers together
//   relaxed SIMD   i32x4.relaxed_dot_i8x16_i7x16_add_s, one instruction for the same; exact where the second operand is in [0, 127]: a sum of two
//                  products is at most 127·127·2 = 32 258 in magnitude, or 128·127·2 = 32 512, which no i16 saturates at
//
//   a packed panel, 8 columns:
//   ┌ 8 offsets, i32 ┬ 8 multipliers, f32 ┬ terms 0 … 3 of columns 0 … 3, then 4 … 7 ┬ terms 4 … 7 ┬ …
//   └ 32 bytes       ┴ 32 bytes           ┴ 16 + 16 bytes                             ┴ 32 bytes    ┴ …     ⌈k / 4⌉ groups, zero padded
//
// An output: f32(Σ a·b + offset)·multiplier, one rounding each, then as f32 max(·, low), or as a byte nearest (half to even), clamped to
// [low, high], all minus the zero point. The offset holds the bias and what the zero point of A adds to every sum.
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../codes'

const HEAD: usize = 64
const GROUP: usize = 32

/** The even bytes of unsigned ones, as i16; the relaxed form takes bytes as they are. */
@inline function evenA(x: v128): v128 { return ASC_FEATURE_RELAXED_SIMD ? x : v128.and(x, i16x8.splat(0xff)) }
@inline function oddA(x: v128): v128 { return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_u(x, 8) }
@inline function evenB(x: v128): v128 { return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_s(i16x8.shl(x, 8), 8) }
@inline function oddB(x: v128): v128 { return ASC_FEATURE_RELAXED_SIMD ? x : i16x8.shr_s(x, 8) }

/** c + the sums of terms of four columns: of all four terms, or, of widened bytes, of two. */
@inline
function dot(c: v128, b: v128, x: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.relaxed_dot_i8x16_i7x16_add_s(b, x, c) : i32x4.add(c, i32x4.dot_i16x8_s(b, x))
}

/** The last one to three bytes of a row, four times. */
@inline
function rest(a: usize, count: i32): v128 {
  let x = <u32>load<u8>(a)
  if (count > 1) x |= <u32>load<u8>(a, 1) << 8
  if (count > 2) x |= <u32>load<u8>(a, 2) << 16
  return i32x4.splat(x)
}

/** All tiles [begin, end) of a descriptor's product. */
export function product(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 12), n = load<i32>(d, 16), k = load<i32>(d, 20), aRow = load<i32>(d, 24), cRow = load<i32>(d, 28)
  const across = (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS
  const panel = HEAD + <usize>((k + 3) >> 2) * GROUP, size = load<i32>(d, 44) ? 4 : 1
  for (let tile = begin; tile < end; tile++) {
    const i = tile / across * GEMM_ROWS, rows = min(GEMM_ROWS, m - i)
    const j0 = tile % across * GEMM_COLUMNS, j1 = min(j0 + GEMM_COLUMNS, n)
    const a = <usize>load<u32>(d, 0) + i * aRow, c = <usize>load<u32>(d, 8) + i * cRow
    let b = <usize>load<u32>(d, 4) + <usize>(j0 / PANEL) * panel, j = j0
    if (rows == 1) {
      for (; j + 4 * PANEL <= j1; j += 4 * PANEL, b += 4 * panel) oneRow(d, a, b, panel, k, c + j * size)
    }
    for (; j < j1; j += PANEL, b += panel) {
      for (let r = 0; r < rows; r += 4) fourRows(d, scratch, a + r * aRow, aRow, b, k, rows - r, c + r * cRow + j * size, cRow, min(PANEL, j1 - j))
    }
  }
}

/** 4 rows × 8 columns. Of less than four rows the last stands in for those missing, and is written more than once. See f32's micro.ts for the form of the loop. */
function fourRows(d: usize, scratch: usize, a0: usize, aRow: i32, b: usize, k: i32, rows: i32, c: usize, cRow: i32, columns: i32): void {
  const r1 = rows > 1 ? 1 : 0, r2 = rows > 2 ? 2 : r1, r3 = rows > 3 ? 3 : r2
  let a1 = a0 + r1 * aRow, a2 = a0 + r2 * aRow, a3 = a0 + r3 * aRow
  const zero = i32x4.splat(0)
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
  let b0: v128, b1: v128, x: v128
  let p = b + HEAD, count = k >> 2
  const done = <usize>(k & ~3), left = k & 3, last = p + done * PANEL
  const t0 = a0 + done, t1 = a1 + done, t2 = a2 + done, t3 = a3 + done
  if (count) {
    a0 -= 16; a1 -= 16; a2 -= 16; a3 -= 16; p -= 128
    do {
      a0 += 16; a1 += 16; a2 += 16; a3 += 16; p += 128
      b0 = evenB(v128.load(p, 0)); b1 = evenB(v128.load(p, 16))
      x = evenA(v128.load32_splat(a0, 0)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = evenA(v128.load32_splat(a1, 0)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = evenA(v128.load32_splat(a2, 0)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = evenA(v128.load32_splat(a3, 0)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (!ASC_FEATURE_RELAXED_SIMD) {
        b0 = oddB(v128.load(p, 0)); b1 = oddB(v128.load(p, 16))
        x = oddA(v128.load32_splat(a0, 0)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
        x = oddA(v128.load32_splat(a1, 0)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
        x = oddA(v128.load32_splat(a2, 0)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
        x = oddA(v128.load32_splat(a3, 0)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      }
      if (count == 1) break
      b0 = evenB(v128.load(p, 32)); b1 = evenB(v128.load(p, 48))
      x = evenA(v128.load32_splat(a0, 4)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = evenA(v128.load32_splat(a1, 4)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = evenA(v128.load32_splat(a2, 4)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = evenA(v128.load32_splat(a3, 4)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (!ASC_FEATURE_RELAXED_SIMD) {
        b0 = oddB(v128.load(p, 32)); b1 = oddB(v128.load(p, 48))
        x = oddA(v128.load32_splat(a0, 4)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
        x = oddA(v128.load32_splat(a1, 4)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
        x = oddA(v128.load32_splat(a2, 4)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
        x = oddA(v128.load32_splat(a3, 4)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      }
      if (count == 2) break
      b0 = evenB(v128.load(p, 64)); b1 = evenB(v128.load(p, 80))
      x = evenA(v128.load32_splat(a0, 8)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = evenA(v128.load32_splat(a1, 8)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = evenA(v128.load32_splat(a2, 8)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = evenA(v128.load32_splat(a3, 8)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (!ASC_FEATURE_RELAXED_SIMD) {
        b0 = oddB(v128.load(p, 64)); b1 = oddB(v128.load(p, 80))
        x = oddA(v128.load32_splat(a0, 8)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
        x = oddA(v128.load32_splat(a1, 8)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
        x = oddA(v128.load32_splat(a2, 8)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
        x = oddA(v128.load32_splat(a3, 8)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      }
      if (count == 3) break
      b0 = evenB(v128.load(p, 96)); b1 = evenB(v128.load(p, 112))
      x = evenA(v128.load32_splat(a0, 12)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = evenA(v128.load32_splat(a1, 12)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = evenA(v128.load32_splat(a2, 12)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = evenA(v128.load32_splat(a3, 12)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (!ASC_FEATURE_RELAXED_SIMD) {
        b0 = oddB(v128.load(p, 96)); b1 = oddB(v128.load(p, 112))
        x = oddA(v128.load32_splat(a0, 12)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
        x = oddA(v128.load32_splat(a1, 12)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
        x = oddA(v128.load32_splat(a2, 12)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
        x = oddA(v128.load32_splat(a3, 12)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      }
      count -= 4
    } while (count)
  }
  if (left) {
    b0 = evenB(v128.load(last, 0)); b1 = evenB(v128.load(last, 16))
    x = evenA(rest(t0, left)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
    x = evenA(rest(t1, left)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
    x = evenA(rest(t2, left)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
    x = evenA(rest(t3, left)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
    if (!ASC_FEATURE_RELAXED_SIMD) {
      b0 = oddB(v128.load(last, 0)); b1 = oddB(v128.load(last, 16))
      x = oddA(rest(t0, left)); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = oddA(rest(t1, left)); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = oddA(rest(t2, left)); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = oddA(rest(t3, left)); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
    }
  }
  finish(d, scratch, b, c, columns, c00, c01)
  if (rows > 1) finish(d, scratch, b, c + cRow, columns, c10, c11)
  if (rows > 2) finish(d, scratch, b, c + 2 * cRow, columns, c20, c21)
  if (rows > 3) finish(d, scratch, b, c + 3 * cRow, columns, c30, c31)
}

/** One row × 4 panels: a batch of one reads each weight once, so as many sums run side by side as the registers hold. */
function oneRow(d: usize, a: usize, b: usize, panel: usize, k: i32, c: usize): void {
  const zero = i32x4.splat(0)
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
  let w: v128, x = zero, y: v128
  let p0 = b + HEAD, p1 = p0 + panel, p2 = p1 + panel, p3 = p2 + panel
  for (const stop = a + (k & ~3); ; a += 4, p0 += GROUP, p1 += GROUP, p2 += GROUP, p3 += GROUP) {
    if (a != stop) x = v128.load32_splat(a)
    else if (k & 3) x = rest(a, k & 3)
    else break
    y = evenA(x)
    w = evenB(v128.load(p0, 0)); c00 = dot(c00, w, y)
    w = evenB(v128.load(p0, 16)); c01 = dot(c01, w, y)
    w = evenB(v128.load(p1, 0)); c10 = dot(c10, w, y)
    w = evenB(v128.load(p1, 16)); c11 = dot(c11, w, y)
    w = evenB(v128.load(p2, 0)); c20 = dot(c20, w, y)
    w = evenB(v128.load(p2, 16)); c21 = dot(c21, w, y)
    w = evenB(v128.load(p3, 0)); c30 = dot(c30, w, y)
    w = evenB(v128.load(p3, 16)); c31 = dot(c31, w, y)
    if (!ASC_FEATURE_RELAXED_SIMD) {
      y = oddA(x)
      w = oddB(v128.load(p0, 0)); c00 = dot(c00, w, y)
      w = oddB(v128.load(p0, 16)); c01 = dot(c01, w, y)
      w = oddB(v128.load(p1, 0)); c10 = dot(c10, w, y)
      w = oddB(v128.load(p1, 16)); c11 = dot(c11, w, y)
      w = oddB(v128.load(p2, 0)); c20 = dot(c20, w, y)
      w = oddB(v128.load(p2, 16)); c21 = dot(c21, w, y)
      w = oddB(v128.load(p3, 0)); c30 = dot(c30, w, y)
      w = oddB(v128.load(p3, 16)); c31 = dot(c31, w, y)
    }
    if (a == stop) break
  }
  const step = <usize>PANEL << (load<i32>(d, 44) ? 2 : 0)
  finish(d, 0, b, c, PANEL, c00, c01)
  finish(d, 0, b + panel, c + step, PANEL, c10, c11)
  finish(d, 0, b + 2 * panel, c + 2 * step, PANEL, c20, c21)
  finish(d, 0, b + 3 * panel, c + 3 * step, PANEL, c30, c31)
}

/** Requantises the finished sums of 8 columns of a row and stores `columns` of them. */
function finish(d: usize, scratch: usize, b: usize, c: usize, columns: i32, s0: v128, s1: v128): void {
  const low = f32x4.splat(load<f32>(d, 32))
  let y0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(s0, v128.load(b, 0))), v128.load(b, 32))
  let y1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(s1, v128.load(b, 16))), v128.load(b, 48))
  if (load<i32>(d, 44)) {
    y0 = f32x4.max(y0, low)
    y1 = f32x4.max(y1, low)
    if (columns == PANEL) {
      v128.store(c, y0, 0)
      v128.store(c, y1, 16)
    } else {
      v128.store(scratch, y0, 0)
      v128.store(scratch, y1, 16)
      for (let j = 0; j < columns; j++) store<u32>(c + (<usize>j << 2), load<u32>(scratch + (<usize>j << 2)))
    }
    return
  }
  const high = f32x4.splat(load<f32>(d, 36)), zero = i32x4.splat(load<i32>(d, 40))
  const q0 = i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(f32x4.nearest(y0), low), high)), zero)
  const q1 = i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(f32x4.nearest(y1), low), high)), zero)
  const q = i16x8.narrow_i32x4_s(q0, q1), bytes = i8x16.narrow_i16x8_u(q, q)
  if (columns == PANEL) v128.store64_lane(c, bytes, 0)
  else {
    v128.store64_lane(scratch, bytes, 0)
    for (let j = 0; j < columns; j++) store<u8>(c + j, load<u8>(scratch + j))
  }
}
