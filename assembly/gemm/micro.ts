// The 4×8 microkernel: one chunk of the sums of 4 rows × 8 columns, and what becomes of them.
//
//            b: 8 floats of one k, then + bStep
//            ┌──────────┬──────────┐
//   a0 ────▶ │   c00    │   c01    │
//   a1 ────▶ │   c10    │   c11    │     8 accumulators of 4 lanes, 2 vectors of b and the a's splat over 4 lanes
//   a2 ────▶ │   c20    │   c21    │     fill the 16 registers of x64; a larger tile spills
//   a3 ────▶ │   c30    │   c31    │
//            └──────────┴──────────┘
//
// Order (law 3): an output has one accumulator, which starts from +0 and takes its terms in ascending k, each multiplied, rounded, added,
// rounded. The forms differ in how they walk through memory, never in that.
//
// A turn of the loops over k has four steps, for fewer additions to pointers. In a straight run of code V8 gathers the loads at the beginning,
// and four steps of them would not fit in the registers (measured: a third slower). The way out after each step, for a count that ends
// there, keeps the steps apart, and makes a loop for the remainder unnecessary. Pointers are advanced before they are used, not after:
// V8 knows the result of an addition to be a clean 64-bit index, and would copy a loop variable to make it one.
import { Unary } from '../codes'
import { activate } from '../math/activation'
import { relu } from '../math/f32x4'

/** How the operands lie. */
export namespace Form {
  /** a row of A is contiguous; B is packed */
  export const rows = 0
  /** four rows of A lie side by side, in a transposed matrix */
  export const columns = 1
  /** any strides */
  export const any = 2
  /** a row of A is contiguous in runs; B is packed: a convolution */
  export const runs = 3
  /** a table says where a row's terms lie: a convolution */
  export const table = 4
}

/** What becomes of the sums of a chunk, in this order. */
export namespace Then {
  /** the block has earlier chunks: block so far, at s, + sum */
  export const addToBlock = 1
  /** a later block ends: total so far, at c, + sum. The result goes to c, and otherwise to s. */
  export const addToTotal = 2
  /** the whole sum ends: act(sum + bias) */
  export const finish = 4
}

/** Of a chunk that is swept in parts, a form of tables alone: the accumulators of a part stay at `kept` for the next, 128 bytes for each 4×8. */
export namespace Part {
  /** they go on from what is kept */
  export const resume = 1
  /** they are kept, and nothing becomes of them yet */
  export const keep = 2
}

/** c + x·b: two roundings, or, in the module of assembly/fast.ts, what the engine does fastest. */
@inline
function mac(c: v128, x: v128, b: v128): v128 { return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, b, c) : f32x4.add(c, f32x4.mul(x, b)) }

/**
 * One chunk, of `terms` terms, of the sums of `rows` rows and `panels` panels of 8 columns. In a group of less than four rows the last one
 * stands in for the missing: a group is read before it is written, so that row is written more than once, with the same bits.
 *
 * `rowOffsets`: 0, and rows lie aRow bytes apart; or where there are the bytes from `a` to each row.
 * `walk`: of a table, its address, bytes from `a` to each term. Of runs, that of { terms of a run, runs of an image row's group, bytes from one
 * run to the next, bytes from the last run of a group to the next group's first, number of the chunk's first run in its group, terms of
 * that run before the chunk }; `a` is where that run begins.
 */
@inline
export function sweep(
  form: i32, a: usize, aRow: i32, rowOffsets: usize, aStep: i32, walk: usize, b: usize, bStep: i32, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32, kept: usize = 0, part: i32 = 0,
): void {
  for (; panels > 0; panels--) {
    let first = a, offset = rowOffsets, t = s, total = c
    for (let left = rows; left > 0; left -= 4) {
      const r1 = left > 1 ? 1 : 0, r2 = left > 2 ? 2 : r1, r3 = left > 3 ? 3 : r2
      let a0: usize, a1: usize, a2: usize, a3: usize
      if (form == Form.runs || form == Form.table) {
        a0 = a + load<u32>(offset); a1 = a + load<u32>(offset + (r1 << 2)); a2 = a + load<u32>(offset + (r2 << 2)); a3 = a + load<u32>(offset + (r3 << 2))
      } else {
        a0 = first; a1 = first + r1 * aRow; a2 = first + r2 * aRow; a3 = first + r3 * aRow
      }
      const zero = f32x4.splat(0)
      let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
      let b0: v128, b1: v128, x: v128
      let p = b, count = terms
      if (form == Form.table && part & Part.resume) {
        c00 = v128.load(kept, 0); c01 = v128.load(kept, 16); c10 = v128.load(kept, 32); c11 = v128.load(kept, 48)
        c20 = v128.load(kept, 64); c21 = v128.load(kept, 80); c30 = v128.load(kept, 96); c31 = v128.load(kept, 112)
      }
      if (count == 0) {
        // the sum of nothing is +0
      } else if (form == Form.rows || form == Form.runs) {
        let todo = 0, run = 0, at = 0, jump = 0
        if (form == Form.runs) {
          const within = load<i32>(walk, 20)
          at = load<i32>(walk, 16)
          run = min(load<i32>(walk, 0) - within, count)
          todo = count
          count = run
          a0 += within << 2; a1 += within << 2; a2 += within << 2; a3 += within << 2
          jump = -within << 2
        }
        a0 -= 16; a1 -= 16; a2 -= 16; a3 -= 16; p -= 128
        do {
          do {
            a0 += 16; a1 += 16; a2 += 16; a3 += 16; p += 128
            b0 = v128.load(p, 0); b1 = v128.load(p, 16)
            x = v128.load32_splat(a0, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
            x = v128.load32_splat(a1, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
            x = v128.load32_splat(a2, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
            x = v128.load32_splat(a3, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
            if (count == 1) break
            b0 = v128.load(p, 32); b1 = v128.load(p, 48)
            x = v128.load32_splat(a0, 4); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
            x = v128.load32_splat(a1, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
            x = v128.load32_splat(a2, 4); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
            x = v128.load32_splat(a3, 4); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
            if (count == 2) break
            b0 = v128.load(p, 64); b1 = v128.load(p, 80)
            x = v128.load32_splat(a0, 8); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
            x = v128.load32_splat(a1, 8); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
            x = v128.load32_splat(a2, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
            x = v128.load32_splat(a3, 8); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
            if (count == 3) break
            b0 = v128.load(p, 96); b1 = v128.load(p, 112)
            x = v128.load32_splat(a0, 12); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
            x = v128.load32_splat(a1, 12); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
            x = v128.load32_splat(a2, 12); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
            x = v128.load32_splat(a3, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
            count -= 4
          } while (count)
          if (form == Form.rows) break
          todo -= run
          if (todo == 0) break
          // Pointers stand on the last turn's four terms, whether the run has so many or not.
          const turns = (run - 1) >> 2
          p += (run << 5) - (turns << 7) - 128
          jump -= (turns << 4) + 16
          if (++at == load<i32>(walk, 4)) {
            at = 0
            jump += load<i32>(walk, 12)
          } else jump += load<i32>(walk, 8)
          a0 += jump; a1 += jump; a2 += jump; a3 += jump
          jump = 0
          run = min(load<i32>(walk, 0), todo)
          count = run
        } while (true)
      } else if (form == Form.columns || (form == Form.table && a1 == a0 + 4 && a2 == a0 + 8 && a3 == a0 + 12)) {
        // Rows of a convolution are channels of one tap, most often: four of them need one pointer.
        let q = a0 - aStep, from = walk - 16
        p -= bStep
        do {
          if (form == Form.table) { from += 16; q = a0 + load<u32>(from, 0) } else q += aStep
          p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 1) break
          if (form == Form.table) q = a0 + load<u32>(from, 4); else q += aStep
          p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 2) break
          if (form == Form.table) q = a0 + load<u32>(from, 8); else q += aStep
          p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 3) break
          if (form == Form.table) q = a0 + load<u32>(from, 12); else q += aStep
          p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          count -= 4
        } while (count)
      } else if (form == Form.table) {
        let from = walk - 16
        p -= bStep
        do {
          from += 16
          p += bStep
          let term = <usize>load<u32>(from, 0)
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0 + term, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1 + term, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2 + term, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3 + term, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 1) break
          p += bStep
          term = load<u32>(from, 4)
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0 + term, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1 + term, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2 + term, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3 + term, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 2) break
          p += bStep
          term = load<u32>(from, 8)
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0 + term, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1 + term, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2 + term, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3 + term, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 3) break
          p += bStep
          term = load<u32>(from, 12)
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0 + term, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1 + term, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2 + term, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3 + term, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          count -= 4
        } while (count)
      } else {
        do {
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          a0 += aStep; a1 += aStep; a2 += aStep; a3 += aStep
          p += bStep
        } while (--count)
      }
      if (form == Form.table && part & Part.keep) {
        v128.store(kept, c00, 0); v128.store(kept, c01, 16); v128.store(kept, c10, 32); v128.store(kept, c11, 48)
        v128.store(kept, c20, 64); v128.store(kept, c21, 80); v128.store(kept, c30, 96); v128.store(kept, c31, 112)
      } else settle(c00, c01, c10, c11, c20, c21, c30, c31, r1, r2, r3, then, t, sRow, total, cRow, bias, activation, alpha)
      kept += 128
      first += 4 * aRow
      offset += 16
      t += 4 * sRow
      total += 4 * cRow
    }
    b += bPanel
    s += 32
    c += 32
    if (bias) bias += 32
  }
}

/** What becomes of the sums of a group of rows. */
@inline
function settle(
  c00: v128, c01: v128, c10: v128, c11: v128, c20: v128, c21: v128, c30: v128, c31: v128, r1: i32, r2: i32, r3: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  let t = s, t1 = s + r1 * sRow, t2 = s + r2 * sRow, t3 = s + r3 * sRow
  if (then & Then.addToBlock) {
    c00 = f32x4.add(v128.load(t, 0), c00); c01 = f32x4.add(v128.load(t, 16), c01)
    c10 = f32x4.add(v128.load(t1, 0), c10); c11 = f32x4.add(v128.load(t1, 16), c11)
    c20 = f32x4.add(v128.load(t2, 0), c20); c21 = f32x4.add(v128.load(t2, 16), c21)
    c30 = f32x4.add(v128.load(t3, 0), c30); c31 = f32x4.add(v128.load(t3, 16), c31)
  }
  if (then & Then.addToTotal) {
    t = c; t1 = c + r1 * cRow; t2 = c + r2 * cRow; t3 = c + r3 * cRow
    c00 = f32x4.add(v128.load(t, 0), c00); c01 = f32x4.add(v128.load(t, 16), c01)
    c10 = f32x4.add(v128.load(t1, 0), c10); c11 = f32x4.add(v128.load(t1, 16), c11)
    c20 = f32x4.add(v128.load(t2, 0), c20); c21 = f32x4.add(v128.load(t2, 16), c21)
    c30 = f32x4.add(v128.load(t3, 0), c30); c31 = f32x4.add(v128.load(t3, 16), c31)
  }
  if (then & Then.finish) {
    if (bias) {
      const b0 = v128.load(bias, 0), b1 = v128.load(bias, 16)
      c00 = f32x4.add(c00, b0); c10 = f32x4.add(c10, b0); c20 = f32x4.add(c20, b0); c30 = f32x4.add(c30, b0)
      c01 = f32x4.add(c01, b1); c11 = f32x4.add(c11, b1); c21 = f32x4.add(c21, b1); c31 = f32x4.add(c31, b1)
    }
    if (activation == Unary.relu) {
      c00 = relu(c00); c01 = relu(c01); c10 = relu(c10); c11 = relu(c11)
      c20 = relu(c20); c21 = relu(c21); c30 = relu(c30); c31 = relu(c31)
    }
  }
  v128.store(t, c00, 0); v128.store(t, c01, 16)
  v128.store(t1, c10, 0); v128.store(t1, c11, 16)
  v128.store(t2, c20, 0); v128.store(t2, c21, 16)
  v128.store(t3, c30, 0); v128.store(t3, c31, 16)
  if (then & Then.finish && activation >= 0 && activation != Unary.relu) {
    // A row that stands in for a missing one is read before it is written, but not here: once for each.
    activateAt(t, activation, alpha)
    if (r1 > 0) activateAt(t1, activation, alpha)
    if (r2 > r1) activateAt(t2, activation, alpha)
    if (r3 > r2) activateAt(t3, activation, alpha)
  }
}

/** The activation of 8 finished sums where they were stored. With results of calls in registers side by side V8's widening of pairs would fail. */
function activateAt(p: usize, activation: i32, alpha: f32): void {
  for (const stop = p + 32; p < stop; p += 16) v128.store(p, activate(v128.load(p), activation, alpha))
}

/**
 * One chunk of the sums of one row: so few rows that B, read once, is what takes the time. Three panels at once, six vectors of sums that do not
 * wait for each other; for four, older engines, which gather the loads, lack registers (Node 20: twice the time; Node 26: 6 % less).
 */
export function sweepRow(
  a: usize, b: usize, bPanel: i32, terms: i32, panels: i32, then: i32, s: usize, c: usize, bias: usize, activation: i32, alpha: f32,
): void {
  for (; panels >= 3; panels -= 3) {
    sumsOfRow(3, a, b, bPanel, terms, then, s, c, bias, activation, alpha)
    b += 3 * bPanel
    s += 96
    c += 96
    if (bias) bias += 96
  }
  if (panels == 2) sumsOfRow(2, a, b, bPanel, terms, then, s, c, bias, activation, alpha)
  else if (panels == 1) sumsOfRow(1, a, b, bPanel, terms, then, s, c, bias, activation, alpha)
}

@inline
function sumsOfRow(
  panels: i32, a: usize, b: usize, bPanel: i32, terms: i32, then: i32, s: usize, c: usize, bias: usize, activation: i32, alpha: f32,
): void {
  const zero = f32x4.splat(0)
  let c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero
  let x: v128
  let q = a - 16, p0 = b - 128, count = terms
  if (count) do {
    q += 16; p0 += 128
    const p1 = p0 + bPanel, p2 = p1 + bPanel
    x = v128.load32_splat(q, 0)
    c0 = mac(c0, x, v128.load(p0, 0)); c1 = mac(c1, x, v128.load(p0, 16))
    if (panels > 1) { c2 = mac(c2, x, v128.load(p1, 0)); c3 = mac(c3, x, v128.load(p1, 16)) }
    if (panels > 2) { c4 = mac(c4, x, v128.load(p2, 0)); c5 = mac(c5, x, v128.load(p2, 16)) }
    if (count == 1) break
    x = v128.load32_splat(q, 4)
    c0 = mac(c0, x, v128.load(p0, 32)); c1 = mac(c1, x, v128.load(p0, 48))
    if (panels > 1) { c2 = mac(c2, x, v128.load(p1, 32)); c3 = mac(c3, x, v128.load(p1, 48)) }
    if (panels > 2) { c4 = mac(c4, x, v128.load(p2, 32)); c5 = mac(c5, x, v128.load(p2, 48)) }
    if (count == 2) break
    x = v128.load32_splat(q, 8)
    c0 = mac(c0, x, v128.load(p0, 64)); c1 = mac(c1, x, v128.load(p0, 80))
    if (panels > 1) { c2 = mac(c2, x, v128.load(p1, 64)); c3 = mac(c3, x, v128.load(p1, 80)) }
    if (panels > 2) { c4 = mac(c4, x, v128.load(p2, 64)); c5 = mac(c5, x, v128.load(p2, 80)) }
    if (count == 3) break
    x = v128.load32_splat(q, 12)
    c0 = mac(c0, x, v128.load(p0, 96)); c1 = mac(c1, x, v128.load(p0, 112))
    if (panels > 1) { c2 = mac(c2, x, v128.load(p1, 96)); c3 = mac(c3, x, v128.load(p1, 112)) }
    if (panels > 2) { c4 = mac(c4, x, v128.load(p2, 96)); c5 = mac(c5, x, v128.load(p2, 112)) }
    count -= 4
  } while (count)
  settlePair(c0, c1, then, s, c, bias, activation, alpha)
  if (panels > 1) settlePair(c2, c3, then, s + 32, c + 32, bias ? bias + 32 : 0, activation, alpha)
  if (panels > 2) settlePair(c4, c5, then, s + 64, c + 64, bias ? bias + 64 : 0, activation, alpha)
}

/** `settle` of one row. */
@inline
function settlePair(c0: v128, c1: v128, then: i32, s: usize, c: usize, bias: usize, activation: i32, alpha: f32): void {
  let t = s
  if (then & Then.addToBlock) { c0 = f32x4.add(v128.load(t, 0), c0); c1 = f32x4.add(v128.load(t, 16), c1) }
  if (then & Then.addToTotal) {
    t = c
    c0 = f32x4.add(v128.load(t, 0), c0); c1 = f32x4.add(v128.load(t, 16), c1)
  }
  if (then & Then.finish) {
    if (bias) { c0 = f32x4.add(c0, v128.load(bias, 0)); c1 = f32x4.add(c1, v128.load(bias, 16)) }
    if (activation == Unary.relu) { c0 = relu(c0); c1 = relu(c1) }
  }
  v128.store(t, c0, 0); v128.store(t, c1, 16)
  if (then & Then.finish && activation >= 0 && activation != Unary.relu) activateAt(t, activation, alpha)
}

export function sweepRows(
  a: usize, aRow: i32, b: usize, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.rows, a, aRow, 0, 4, 0, b, 32, bPanel, terms, rows, panels, then, s, sRow, c, cRow, bias, activation, alpha)
}

/** The floats of four rows are read, whether they exist or not; four rows lie 4·aRow bytes behind the four before. */
export function sweepColumns(
  a: usize, aRow: i32, aStep: i32, b: usize, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.columns, a, aRow, 0, aStep, 0, b, 32, bPanel, terms, rows, panels, then, s, sRow, c, cRow, bias, activation, alpha)
}

export function sweepAny(
  a: usize, aRow: i32, aStep: i32, b: usize, bStep: i32, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.any, a, aRow, 0, aStep, 0, b, bStep, bPanel, terms, rows, panels, then, s, sRow, c, cRow, bias, activation, alpha)
}
