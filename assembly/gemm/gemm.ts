// f32_gemm: C = act(A·B + bias), in tiles of GEMM_ROWS × GEMM_COLUMNS.
//
// Order (law 3): block = chunk₀, block += chunk₁, …; total = block₀, total += block₁, …; then bias and activation, once. The loops below
// come to the chunks of an output in ascending order, wherever its sum rests meanwhile: the first block grows in C itself, a later one in
// scratch, from where its last chunk adds it to C. With `add` every block is a later one, so C gets the finished sum added, once: a sum of
// one block, k ≤ KB (the lowering sees to it), since (C + block₀) + block₁ is not C + (block₀ + block₁).
import { GEMM_COLUMNS, GEMM_ROWS, KB, KC, PANEL } from '../codes'
import { Form, sweepAny, sweepColumns, sweepRows, Then } from './micro'

// Scratch: blocks that grow there, GEMM_ROWS × 16 floats; then the edge of C, GEMM_ROWS × 8 floats; then the edge of the bias.
const SCRATCH_COLUMNS: i32 = 16
const EDGE: usize = 2048
const EDGE_BIAS: usize = 3072

export function f32_gemm(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), k = load<i32>(d, 24)
  const across = (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS
  const add = load<i32>(d, 56) != 0
  const width = k > KB || add ? SCRATCH_COLUMNS : GEMM_COLUMNS
  for (let tile = begin; tile < end; tile++) {
    const i = tile / across * GEMM_ROWS, rows = min(GEMM_ROWS, m - i)
    const j0 = tile % across * GEMM_COLUMNS, j1 = min(j0 + GEMM_COLUMNS, n)
    for (let j = j0; j < j1; j += width) strip(d, scratch, i, rows, j, min(width, j1 - j), k, add)
  }
}

/** All sums of a strip of a tile. */
function strip(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32, k: i32, add: bool): void {
  let p = 0
  do {
    const count = min(KC, k - p), next = p + count
    const first = !add && p < KB, opens = p % KB == 0, closes = next % KB == 0 || next == k
    let then = opens ? 0 : Then.addToBlock
    if (closes && !first) then |= Then.addToTotal
    if (next == k) then |= Then.finish
    chunk(d, scratch, i, rows, j, columns, p, count, then, first)
    p = next
  } while (p < k)
}

/** One chunk of every sum of a strip: the chunk of a panel, 16 KB, stays in the L1 cache while all rows pass by. */
function chunk(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32, p: i32, count: i32, then: i32, first: bool): void {
  const aRow = load<i32>(d, 28), aStep = load<i32>(d, 32), bStep = load<i32>(d, 36), bPanel = load<i32>(d, 40), cRow = load<i32>(d, 44)
  const a = <usize>load<u32>(d, 0) + i * aRow + p * aStep
  let b = <usize>load<u32>(d, 4) + j / PANEL * bPanel + p * bStep
  let c = <usize>load<u32>(d, 8) + i * cRow + j * 4
  let bias = <usize>load<u32>(d, 12)
  if (bias) bias += j * 4
  let s = scratch
  for (; columns >= PANEL; columns -= PANEL) {
    panel(d, a, b, count, rows, then, first ? c : s, first ? cRow : SCRATCH_COLUMNS * 4, c, cRow, bias)
    b += bPanel
    c += PANEL * 4
    s += PANEL * 4
    if (bias) bias += PANEL * 4
  }
  if (columns > 0) {
    // The microkernel reads and writes 8 columns: here in a copy.
    const edge = scratch + EDGE, edgeRow = PANEL * 4
    const adds = then & (first ? Then.addToBlock : Then.addToTotal), writes = first || then & Then.addToTotal
    if (adds) copyColumns(c, cRow, edge, edgeRow, rows, columns)
    if (bias) {
      copyColumns(bias, 0, scratch + EDGE_BIAS, 0, 1, columns)
      bias = scratch + EDGE_BIAS
    }
    panel(d, a, b, count, rows, then, first ? edge : s, first ? edgeRow : SCRATCH_COLUMNS * 4, edge, edgeRow, bias)
    if (writes) copyColumns(edge, edgeRow, c, cRow, rows, columns)
  }
}

/** One chunk of the sums of one panel, by the form of the microkernel that suits the strides. */
function panel(
  d: usize, a: usize, b: usize, count: i32, rows: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize,
): void {
  const aRow = load<i32>(d, 28), aStep = load<i32>(d, 32), bStep = load<i32>(d, 36)
  const activation = load<i32>(d, 48), alpha = load<f32>(d, 52)
  if (bStep == PANEL * 4) {
    if (aStep == 4) {
      sweepRows(a, aRow, b, count, rows, then, s, sRow, c, cRow, bias, activation, alpha)
      return
    }
    if (aRow == 4) {
      // That form reads four adjacent floats; the last rows, if less than four, go another way, or it would read beyond A.
      const whole = rows & ~3
      sweepColumns(a, aStep, b, count, whole, then, s, sRow, c, cRow, bias, activation, alpha)
      a += whole * aRow
      s += whole * sRow
      c += whole * cRow
      rows -= whole
    }
  }
  sweepAny(a, aRow, aStep, b, bStep, count, rows, then, s, sRow, c, cRow, bias, activation, alpha)
}

/** Copies `rows` rows of less than 8 floats. */
function copyColumns(from: usize, fromRow: i32, to: usize, toRow: i32, rows: i32, columns: i32): void {
  const two = <usize>(columns & 4) << 2, one = <usize>(columns & 6) << 2
  for (; rows > 0; rows--) {
    if (columns & 4) v128.store(to, v128.load(from))
    if (columns & 2) store<u64>(to + two, load<u64>(from + two))
    if (columns & 1) store<u32>(to + one, load<u32>(from + one))
    from += fromRow
    to += toRow
  }
}
