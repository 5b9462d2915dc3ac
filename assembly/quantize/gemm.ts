// qs8_gemm: C = requantised A·B, A unsigned bytes (activations), B signed bytes (weights), sums of i32. Integers: every order of the terms gives
// the same bits, so this file is compiled twice, and both forms must be equal. Four bytes of a row of A are a group, splat over a vector:
//
//   everywhere     i32x4.dot_i16x8_s and an addition. A group is 2 terms of 16 bits: weights are widened when they are packed, four rows of A in
//                  scratch before their products
//   relaxed SIMD   i32x4.relaxed_dot_i8x16_i7x16_add_s, one instruction for both. A group is 4 terms as they lie; exact where the second operand is in
//                  [0, 127]: a sum of two products is at most 127·127·2 = 32 258 in magnitude, or 128·127·2 = 32 512, which no i16 saturates at
//
//   a packed panel, 8 columns:
//   ┌ 8 offsets, i32 ┬ 8 multipliers, f32 ┬ group 0 of columns 0 … 3, then 4 … 7 ┬ group 1 ┬ …
//   └ 32 bytes       ┴ 32 bytes           ┴ 16 + 16 bytes                        ┴ 32 bytes ┴ …     zero padded
//
// An output: f32(Σ a·b + offset)·multiplier, one rounding each, then as f32 max(·, low), or as a byte nearest (half to even), clamped to
// [low, high], all minus the zero point. The offset holds the bias and what the zero point of A adds to every sum.
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../codes'

const HEAD: usize = 64
/** Bytes of a group of 8 columns. */
const GROUP: usize = 32

// Scratch: what a row ends with that is not a whole panel; sums of 4 rows × a tile's columns; 4 rows of as many terms, widened.
const SUMS: usize = 64
const WIDE: usize = SUMS + 4 * GEMM_COLUMNS * 4
/** Terms of a sum that are widened at once: SCRATCH_BYTES, less what lies before, hold four rows of them. */
const TERMS: i32 = 1400

/** Groups of so many terms. */
@inline
export function groups(terms: i32): i32 { return ASC_FEATURE_RELAXED_SIMD ? (terms + 3) >> 2 : (terms + 1) >> 1 }

/** c + the sums of a group's terms of four columns. */
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
  const m = load<i32>(d, 12), n = load<i32>(d, 16), k = load<i32>(d, 20)
  const across = (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS
  for (let tile = begin; tile < end;) {
    const row = tile / across, i = row * GEMM_ROWS, rows = min(GEMM_ROWS, m - i)
    const first = tile - row * across
    // Few rows are widened once for all the columns that follow.
    const count = rows <= 4 && k <= TERMS ? min(end - tile, across - first) : 1
    const j = first * GEMM_COLUMNS, columns = min(count * GEMM_COLUMNS, n - j)
    if (ASC_FEATURE_RELAXED_SIMD) bytes(d, scratch, i, rows, j, columns)
    else words(d, scratch, i, rows, j, columns)
    tile += count
  }
}

/** Rows [i, i + rows) and columns from j on: rows as they lie; a panel stays in the cache for all of them. */
@inline
function bytes(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32): void {
  const k = load<i32>(d, 20), aRow = load<i32>(d, 24), cRow = load<i32>(d, 28), size = load<i32>(d, 44) ? 4 : 1
  const count = k >> 2, left = k & 3, panel = HEAD + <usize>groups(k) * GROUP
  const a = <usize>load<u32>(d, 0) + i * aRow
  let b = <usize>load<u32>(d, 4) + <usize>(j / PANEL) * panel, c = <usize>load<u32>(d, 8) + i * cRow + j * size
  if (rows == 1) {
    for (; columns >= 4 * PANEL; columns -= 4 * PANEL, b += 4 * panel, c += 4 * PANEL * size) oneRow(d, a, b, panel, count, left, true, true, 0, HEAD, c)
  }
  for (; columns > 0; columns -= PANEL, b += panel, c += PANEL * size) {
    for (let r = 0; r < rows;) {
      const more = rows - r
      // Of up to 8 rows two groups of four, or one of six, are the fewest.
      const take = more > 8 || more == 5 || more == 6 ? 6 : 4
      const width = min(columns, PANEL)
      if (take == 6) sixRows(d, scratch, a + r * aRow, aRow, min(6, more), b, count, left, c + r * cRow, cRow, width)
      else fourRows(d, scratch, a + r * aRow, aRow, min(4, more), b, b + HEAD, count, left, true, true, 0, c + r * cRow, cRow, width)
      r += take
    }
  }
}

/** The same with rows of A widened, four at a time, in stretches of terms between which sums lie in scratch. */
@inline
function words(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32): void {
  const k = load<i32>(d, 20), aRow = load<i32>(d, 24), cRow = load<i32>(d, 28), size = load<i32>(d, 44) ? 4 : 1
  const panel = HEAD + <usize>groups(k) * GROUP
  const a = <usize>load<u32>(d, 0) + i * aRow, b = <usize>load<u32>(d, 4) + <usize>(j / PANEL) * panel, c = <usize>load<u32>(d, 8) + i * cRow + j * size
  for (let r = 0; r < rows; r += 4) {
    const count = min(4, rows - r)
    // Once for a sum of no terms, too.
    for (let from = 0; from == 0 || from < k; from += TERMS) {
      const terms = min(TERMS, k - from), turns = groups(terms), wide = turns << 2
      const first = from == 0, last = from + terms == k
      for (let q = 0; q < count; q++) widen(a + (r + q) * aRow + from, scratch + WIDE + q * wide, terms)
      const done = HEAD + <usize>groups(from) * GROUP
      let sums = scratch + SUMS, head = b, to = c + r * cRow
      let left = columns
      if (rows == 1) {
        for (; left >= 4 * PANEL; left -= 4 * PANEL) {
          oneRow(d, scratch + WIDE, head, panel, turns, 0, first, last, sums, done, to)
          head += 4 * panel; to += 4 * PANEL * size; sums += 128
        }
      }
      for (; left > 0; left -= PANEL) {
        fourRows(d, scratch, scratch + WIDE, wide, count, head, head + done, turns, 0, first, last, sums, to, cRow, min(PANEL, left))
        head += panel; to += PANEL * size; sums += 128
      }
    }
  }
}

/** u8 → i16, and 0 for the term that a last group lacks. */
function widen(a: usize, to: usize, terms: i32): void {
  const stop = a + (terms & ~15), end = a + terms
  for (; a != stop; a += 16, to += 32) {
    const x = v128.load(a)
    v128.store(to, i16x8.extend_low_i8x16_u(x), 0)
    v128.store(to, i16x8.extend_high_i8x16_u(x), 16)
  }
  for (; a != end; a++, to += 2) store<u16>(to, load<u8>(a))
  if (terms & 1) store<u16>(to, 0)
}

/**
 * 4 rows × 8 columns: `count` whole groups from p on, and `left` terms of one more. Of less than four rows the last stands in for those missing, and is
 * not written. The sums begin at `sums` unless these are the first terms, and are left there unless they are the last. See f32's micro.ts for the
 * form of the loop.
 */
function fourRows(
  d: usize, scratch: usize, a0: usize, aRow: i32, rows: i32, head: usize, p: usize, count: i32, left: i32, first: bool, last: bool, sums: usize, c: usize, cRow: i32, columns: i32,
): void {
  const r1 = rows > 1 ? 1 : 0, r2 = rows > 2 ? 2 : r1, r3 = rows > 3 ? 3 : r2
  let a1 = a0 + r1 * aRow, a2 = a0 + r2 * aRow, a3 = a0 + r3 * aRow
  const zero = i32x4.splat(0)
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
  let b0: v128, b1: v128, x: v128
  if (!ASC_FEATURE_RELAXED_SIMD && !first) {
    c00 = v128.load(sums, 0); c01 = v128.load(sums, 16)
    c10 = v128.load(sums, 32); c11 = v128.load(sums, 48)
    c20 = v128.load(sums, 64); c21 = v128.load(sums, 80)
    c30 = v128.load(sums, 96); c31 = v128.load(sums, 112)
  }
  const done = <usize>count << 2, end = p + (<usize>count << 5)
  const t0 = a0 + done, t1 = a1 + done, t2 = a2 + done, t3 = a3 + done
  if (count) {
    a0 -= 16; a1 -= 16; a2 -= 16; a3 -= 16; p -= 128
    do {
      a0 += 16; a1 += 16; a2 += 16; a3 += 16; p += 128
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
      if (count == 2) break
      b0 = v128.load(p, 64); b1 = v128.load(p, 80)
      x = v128.load32_splat(a0, 8); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 8); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 8); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 8); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      if (count == 3) break
      b0 = v128.load(p, 96); b1 = v128.load(p, 112)
      x = v128.load32_splat(a0, 12); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
      x = v128.load32_splat(a1, 12); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
      x = v128.load32_splat(a2, 12); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
      x = v128.load32_splat(a3, 12); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
      count -= 4
    } while (count)
  }
  if (ASC_FEATURE_RELAXED_SIMD && left) {
    b0 = v128.load(end, 0); b1 = v128.load(end, 16)
    x = rest(t0, left); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
    x = rest(t1, left); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
    x = rest(t2, left); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
    x = rest(t3, left); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
  }
  if (!ASC_FEATURE_RELAXED_SIMD && !last) {
    v128.store(sums, c00, 0); v128.store(sums, c01, 16)
    v128.store(sums, c10, 32); v128.store(sums, c11, 48)
    v128.store(sums, c20, 64); v128.store(sums, c21, 80)
    v128.store(sums, c30, 96); v128.store(sums, c31, 112)
    return
  }
  finish(d, scratch, head, c, columns, c00, c01)
  if (rows > 1) finish(d, scratch, head, c + cRow, columns, c10, c11)
  if (rows > 2) finish(d, scratch, head, c + 2 * cRow, columns, c20, c21)
  if (rows > 3) finish(d, scratch, head, c + 3 * cRow, columns, c30, c31)
}

/**
 * 6 rows × 8 columns where one instruction multiplies and adds: its sums are ready after some cycles, and so many keep it busy meanwhile. By the
 * i16 dot a register is needed for its products, and these would not fit.
 */
function sixRows(d: usize, scratch: usize, a0: usize, aRow: i32, rows: i32, head: usize, count: i32, left: i32, c: usize, cRow: i32, columns: i32): void {
  const r1 = rows > 1 ? 1 : 0, r2 = rows > 2 ? 2 : r1, r3 = rows > 3 ? 3 : r2, r4 = rows > 4 ? 4 : r3, r5 = rows > 5 ? 5 : r4
  let a1 = a0 + r1 * aRow, a2 = a0 + r2 * aRow, a3 = a0 + r3 * aRow, a4 = a0 + r4 * aRow, a5 = a0 + r5 * aRow
  const zero = i32x4.splat(0)
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero
  let b0: v128, b1: v128, x: v128
  let p = head + HEAD
  const done = <usize>count << 2, end = p + (<usize>count << 5)
  const t0 = a0 + done, t1 = a1 + done, t2 = a2 + done, t3 = a3 + done, t4 = a4 + done, t5 = a5 + done
  if (count) {
    a0 -= 8; a1 -= 8; a2 -= 8; a3 -= 8; a4 -= 8; a5 -= 8; p -= 64
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
  }
  if (ASC_FEATURE_RELAXED_SIMD && left) {
    b0 = v128.load(end, 0); b1 = v128.load(end, 16)
    x = rest(t0, left); c00 = dot(c00, b0, x); c01 = dot(c01, b1, x)
    x = rest(t1, left); c10 = dot(c10, b0, x); c11 = dot(c11, b1, x)
    x = rest(t2, left); c20 = dot(c20, b0, x); c21 = dot(c21, b1, x)
    x = rest(t3, left); c30 = dot(c30, b0, x); c31 = dot(c31, b1, x)
    x = rest(t4, left); c40 = dot(c40, b0, x); c41 = dot(c41, b1, x)
    x = rest(t5, left); c50 = dot(c50, b0, x); c51 = dot(c51, b1, x)
  }
  finish(d, scratch, head, c, columns, c00, c01)
  finish(d, scratch, head, c + cRow, columns, c10, c11)
  finish(d, scratch, head, c + 2 * cRow, columns, c20, c21)
  finish(d, scratch, head, c + 3 * cRow, columns, c30, c31)
  finish(d, scratch, head, c + 4 * cRow, columns, c40, c41)
  if (rows > 5) finish(d, scratch, head, c + 5 * cRow, columns, c50, c51)
}

/**
 * One row × 4 panels: a batch of one reads each weight once, so as many sums run side by side as the registers hold. One group a turn: V8 of Node 20
 * gathers the loads of two, and they spill (measured: half as fast).
 */
function oneRow(d: usize, a: usize, head: usize, panel: usize, count: i32, left: i32, first: bool, last: bool, sums: usize, from: usize, c: usize): void {
  const zero = i32x4.splat(0)
  let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
  let x: v128
  if (!ASC_FEATURE_RELAXED_SIMD && !first) {
    c00 = v128.load(sums, 0); c01 = v128.load(sums, 16)
    c10 = v128.load(sums, 32); c11 = v128.load(sums, 48)
    c20 = v128.load(sums, 64); c21 = v128.load(sums, 80)
    c30 = v128.load(sums, 96); c31 = v128.load(sums, 112)
  }
  let p0 = head + from, p1 = p0 + panel, p2 = p1 + panel, p3 = p2 + panel
  for (const stop = a + (<usize>count << 2); a != stop; a += 4, p0 += GROUP, p1 += GROUP, p2 += GROUP, p3 += GROUP) {
    x = v128.load32_splat(a)
    c00 = dot(c00, v128.load(p0, 0), x); c01 = dot(c01, v128.load(p0, 16), x)
    c10 = dot(c10, v128.load(p1, 0), x); c11 = dot(c11, v128.load(p1, 16), x)
    c20 = dot(c20, v128.load(p2, 0), x); c21 = dot(c21, v128.load(p2, 16), x)
    c30 = dot(c30, v128.load(p3, 0), x); c31 = dot(c31, v128.load(p3, 16), x)
  }
  if (ASC_FEATURE_RELAXED_SIMD && left) {
    x = rest(a, left)
    c00 = dot(c00, v128.load(p0, 0), x); c01 = dot(c01, v128.load(p0, 16), x)
    c10 = dot(c10, v128.load(p1, 0), x); c11 = dot(c11, v128.load(p1, 16), x)
    c20 = dot(c20, v128.load(p2, 0), x); c21 = dot(c21, v128.load(p2, 16), x)
    c30 = dot(c30, v128.load(p3, 0), x); c31 = dot(c31, v128.load(p3, 16), x)
  }
  if (!ASC_FEATURE_RELAXED_SIMD && !last) {
    v128.store(sums, c00, 0); v128.store(sums, c01, 16)
    v128.store(sums, c10, 32); v128.store(sums, c11, 48)
    v128.store(sums, c20, 64); v128.store(sums, c21, 80)
    v128.store(sums, c30, 96); v128.store(sums, c31, 112)
    return
  }
  const step = <usize>PANEL << (load<i32>(d, 44) ? 2 : 0)
  finish(d, 0, head, c, PANEL, c00, c01)
  finish(d, 0, head + panel, c + step, PANEL, c10, c11)
  finish(d, 0, head + 2 * panel, c + 2 * step, PANEL, c20, c21)
  finish(d, 0, head + 3 * panel, c + 3 * step, PANEL, c30, c31)
}

/** Requantises the finished sums of 8 columns of a row and stores `columns` of them. */
function finish(d: usize, scratch: usize, head: usize, c: usize, columns: i32, s0: v128, s1: v128): void {
  s0 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(s0, v128.load(head, 0))), v128.load(head, 32))
  s1 = f32x4.mul(f32x4.convert_i32x4_s(i32x4.add(s1, v128.load(head, 16))), v128.load(head, 48))
  const low = v128.load32_splat(d, 32)
  if (load<i32>(d, 44)) {
    storeFloats(scratch, c, columns, f32x4.max(s0, low), f32x4.max(s1, low))
    return
  }
  const high = v128.load32_splat(d, 36)
  // Added to 1.5·2²³, a number below 2²² is rounded to a whole one, half to even, which is then the low bits of the sum. The bounds are whole, so
  // they may come first; NaN, of a multiplier that is not finite, becomes `low`.
  const zero = i32x4.splat(load<i32>(d, 40) - MAGIC_BITS)
  const q = i16x8.narrow_i32x4_s(whole(s0, low, high, zero), whole(s1, low, high, zero)), bytes = i8x16.narrow_i16x8_u(q, q)
  if (columns == PANEL) v128.store64_lane(c, bytes, 0)
  else {
    v128.store64_lane(scratch, bytes, 0)
    for (let j = 0; j < columns; j++) store<u8>(c + j, load<u8>(scratch + j))
  }
}

const MAGIC: f32 = 12582912
const MAGIC_BITS: i32 = 0x4b400000

/** round(min(max(y, low), high)) + zero, as i32. */
@inline
function whole(y: v128, low: v128, high: v128, zero: v128): v128 {
  return i32x4.add(f32x4.add(f32x4.pmin(high, f32x4.pmax(low, y)), f32x4.splat(MAGIC)), zero)
}

function storeFloats(scratch: usize, c: usize, columns: i32, y0: v128, y1: v128): void {
  if (columns == PANEL) {
    v128.store(c, y0, 0)
    v128.store(c, y1, 16)
    return
  }
  v128.store(scratch, y0, 0)
  v128.store(scratch, y1, 16)
  for (let j = 0; j < columns; j++) store<u32>(c + (<usize>j << 2), load<u32>(scratch + (<usize>j << 2)))
}
