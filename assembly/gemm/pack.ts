// f32_pack_b: copies B into the panels that the GEMM microkernel reads.
//
//   B(k, j), n = 19                     out: panel 0          panel 1           panel 2
//        j →  0 … 7 | 8 … 15 | 16 17 18
//   k = 0     ─────── ──────── ────────      k=0 [0 … 7]      k=0 [8 … 15]      k=0 [16 17 18 0 0 0 0 0]
//   k = 1     ─────── ──────── ────────      k=1 [0 … 7]      k=1 [8 … 15]      k=1 [16 17 18 0 0 0 0 0]
//    ⋮                                        ⋮                ⋮                 ⋮
//
// One panel is k·32 contiguous bytes, panels follow one another. The zeros take part in sums that are never stored.
import { PANEL } from '../codes'

export function f32_pack_b(d: usize, scratch: usize, begin: i32, end: i32): void {
  const b = <usize>load<u32>(d, 0), out = <usize>load<u32>(d, 4)
  const k = load<i32>(d, 8), n = load<i32>(d, 12)
  const bStep = load<i32>(d, 16), bColumn = load<i32>(d, 20)
  const bytes = <usize>(k * PANEL * 4)
  for (let panel = begin; panel < end; panel++) {
    const columns = n - panel * PANEL
    const from = b + <usize>(panel * PANEL * bColumn), to = out + <usize>panel * bytes
    if (columns < PANEL) packEdge(from, to, k, columns, bStep, bColumn)
    else if (bColumn == 4) {
      if (columns >= 2 * PANEL && panel + 1 < end) {
        packTwo(from, to, bytes, bStep)
        panel++
      } else packRows(from, to, bytes, bStep)
    } else if (bStep == 4) packTransposed(from, to, k, bColumn)
    else packEdge(from, to, k, PANEL, bStep, bColumn)
  }
}

/** The 8 columns of a row lie side by side. */
function packRows(from: usize, to: usize, bytes: usize, bStep: i32): void {
  for (const stop = to + bytes; to < stop; to += 32) {
    v128.store(to, v128.load(from, 0), 0)
    v128.store(to, v128.load(from, 16), 16)
    from += bStep
  }
}

/** Two panels at once: a row's part is then a whole cache line, which need not outlive the pass (rows 2 KB apart fall on few cache sets). */
function packTwo(from: usize, to: usize, bytes: usize, bStep: i32): void {
  let right = to + bytes
  for (const stop = right; to < stop; to += 32) {
    v128.store(to, v128.load(from, 0), 0)
    v128.store(to, v128.load(from, 16), 16)
    v128.store(right, v128.load(from, 32), 0)
    v128.store(right, v128.load(from, 48), 16)
    right += 32
    from += bStep
  }
}

/** A column is contiguous: squares of 4×4 are transposed in registers, the last k % 4 rows are copied one float at a time. */
function packTransposed(from: usize, to: usize, k: i32, bColumn: i32): void {
  const right = <usize>(4 * bColumn)
  let i = 0
  for (; i + 4 <= k; i += 4) {
    transpose(from, to, bColumn)
    transpose(from + right, to + 16, bColumn)
    from += 16
    to += 128
  }
  packEdge(from, to, k - i, PANEL, 4, bColumn)
}

/** Four columns × four k: rows of `from` become columns of the panel. */
@inline
function transpose(from: usize, to: usize, bColumn: i32): void {
  const x0 = v128.load(from)
  const x1 = v128.load(from + bColumn)
  const x2 = v128.load(from + 2 * bColumn)
  const x3 = v128.load(from + 3 * bColumn)
  const low01 = v128.shuffle<f32>(x0, x1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(x0, x1, 2, 6, 3, 7)
  const low23 = v128.shuffle<f32>(x2, x3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(x2, x3, 2, 6, 3, 7)
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), 0)
  v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 32)
  v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 64)
  v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 96)
}

/** Any strides, float by float; the columns that B does not have are +0. */
function packEdge(from: usize, to: usize, k: i32, columns: i32, bStep: i32, bColumn: i32): void {
  for (let i = 0; i < k; i++) {
    let source = from
    for (let j = 0; j < PANEL; j++) {
      store<f32>(to, j < columns ? load<f32>(source) : <f32>0)
      source += bColumn
      to += 4
    }
    from += bStep
  }
}

/** Rows of a transposed A that are copied at a time: a cache line. */
export const GATHERED_ROWS: i32 = 16

/**
 * Copies so many terms of up to 16 rows of a transposed A: four rows after four rows, each [terms][4]. Where terms lie a multiple of 2 KB apart they
 * share few sets of a cache, and would come from memory anew for each panel of B. Of the last four rows the last one stands in for the missing.
 */
export function gatherRows(from: usize, aStep: i32, to: usize, terms: i32, rows: i32): void {
  const next = <usize>terms << 4, stop = to + next
  if (rows == GATHERED_ROWS) {
    for (; to < stop; to += 16, from += aStep) {
      const to2 = to + 2 * next
      v128.store(to, v128.load(from, 0)); v128.store(to + next, v128.load(from, 16))
      v128.store(to2, v128.load(from, 32)); v128.store(to2 + next, v128.load(from, 48))
    }
    return
  }
  for (; rows > 0; rows -= 4, from += 16, to += next) {
    const r1: usize = rows > 1 ? 4 : 0, r2: usize = rows > 2 ? 8 : r1, r3: usize = rows > 3 ? 12 : r2
    let q = from
    for (let p = to, end = to + next; p < end; p += 16, q += aStep) {
      store<f32>(p, load<f32>(q), 0); store<f32>(p, load<f32>(q + r1), 4); store<f32>(p, load<f32>(q + r2), 8); store<f32>(p, load<f32>(q + r3), 12)
    }
  }
}
