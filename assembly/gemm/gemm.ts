// f32_gemm: C = act(A·B + bias), in tiles of GEMM_ROWS × GEMM_COLUMNS.
//
// Order (law 3): block = chunk₀, block += chunk₁, …; total = block₀, total += block₁, …; then bias and activation, once. The loops below
// come to the chunks of an output in ascending order, wherever its sum rests meanwhile: the first block grows in C itself, a later one in
// scratch, from where its last chunk adds it to C. With `add` every block is a later one, so C gets the finished sum added, once: a sum of
// one block, k ≤ KB (the lowering sees to it), since (C + block₀) + block₁ is not C + (block₀ + block₁).
import { GEMM_COLUMNS, GEMM_ROWS, KB, KC, PANEL } from '../codes'
import { BEHIND, copyColumns, EDGE, EDGE_BIAS, fate, lastTerm, SCRATCH_COLUMNS } from './blocks'
import { gatherRows, GATHERED_ROWS } from './pack'
import { sweepAny, sweepColumns, sweepRow, sweepRows, Then } from './micro'

/** Rows that go one by one: the microkernel of four rows would compute half of what it does, or more, in vain. */
const FEW_ROWS: i32 = 2
/** Terms of all rows of tiles that pass by the same columns before the next columns come: 512 KB of A, which stay in the L2 cache. */
const GROUP_TERMS: i32 = 4096
/** Of a transposed A, bytes between terms that few sets of a cache share, and panels that make a copy of it pay. */
const COLLIDES: i32 = 2048
const GATHER_PANELS: i32 = 4

export function f32_gemm(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), k = load<i32>(d, 24), cBlock = load<i32>(d, 60)
  const across = (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS, down = (m + GEMM_ROWS - 1) / GEMM_ROWS, tiles = down * across
  const add = load<i32>(d, 56) != 0
  const width = (k > KB && cBlock == 0) || add ? SCRATCH_COLUMNS : GEMM_COLUMNS
  // Columns by columns of tiles, in groups of rows of tiles: which tile is which changes no bit.
  const group = max(1, GROUP_TERMS / max(1, min(k, KB)))
  for (let tile = begin; tile < end; tile++) {
    const block = cBlock ? tile / tiles : 0, inBlock = tile - block * tiles
    const top = inBlock / (group * across) * group, height = min(group, down - top), inGroup = inBlock - top * across
    const i = (top + inGroup % height) * GEMM_ROWS, rows = min(GEMM_ROWS, m - i)
    const j0 = inGroup / height * GEMM_COLUMNS, j1 = min(j0 + GEMM_COLUMNS, n)
    for (let j = j0; j < j1; j += width) strip(d, scratch, i, rows, j, min(width, j1 - j), block * KB, lastTerm(k, cBlock, block), block * cBlock, add)
  }
}

/** Terms [p, end) of all sums of a strip of a tile; to C, or `to` bytes behind. */
function strip(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32, p: i32, end: i32, to: i32, add: bool): void {
  const begin = p, aRow = load<i32>(d, 28), aStep = load<i32>(d, 32)
  const gathered = aRow == 4 && aStep % COLLIDES == 0 && columns >= GATHER_PANELS * PANEL
  do {
    const count = min(KC, end - p), first = !add && p < begin + KB, then = fate(p, p + count, end, first)
    const a = <usize>load<u32>(d, 0) + i * aRow + p * aStep
    if (gathered) {
      const copy = scratch + BEHIND
      for (let r = 0; r < rows; r += GATHERED_ROWS) {
        const some = min(GATHERED_ROWS, rows - r)
        gatherRows(a + (<usize>r << 2), aStep, copy, count, some)
        chunk(d, scratch, copy, count * 4, 16, true, i, r, some, j, columns, p, count, then, first, to)
      }
    } else chunk(d, scratch, a, aRow, aStep, false, i, 0, rows, j, columns, p, count, then, first, to)
    p += count
  } while (p < end)
}

/**
 * One chunk of every sum of rows [r, r + rows) of a strip: the chunk of a panel, 16 KB, stays in the L1 cache while all rows pass by.
 * `a`: the chunk of those rows, aRow bytes apart, its terms aStep bytes apart; or `copied`, by gatherRows.
 */
function chunk(
  d: usize, scratch: usize, a: usize, aRow: i32, aStep: i32, copied: bool, i: i32, r: i32, rows: i32, j: i32, columns: i32, p: i32, count: i32, then: i32, first: bool, to: i32,
): void {
  const bStep = load<i32>(d, 36), bPanel = load<i32>(d, 40), cRow = load<i32>(d, 44)
  const b = <usize>load<u32>(d, 4) + j / PANEL * bPanel + p * bStep
  const c = <usize>load<u32>(d, 8) + to + (i + r) * cRow + j * 4, block = scratch + r * SCRATCH_COLUMNS * 4
  let bias = <usize>load<u32>(d, 12)
  if (bias) bias += j * 4
  const whole = columns / PANEL, left = columns % PANEL, done = <usize>whole * PANEL * 4
  panels(d, a, aRow, aStep, copied, b, count, rows, whole, then, first ? c : block, first ? cRow : SCRATCH_COLUMNS * 4, c, cRow, bias)
  if (left == 0) return
  // The microkernel reads and writes 8 columns: here in a copy.
  const edge = scratch + EDGE, edgeRow = PANEL * 4
  if (then & (first ? Then.addToBlock : Then.addToTotal)) copyColumns(c + done, cRow, edge, edgeRow, rows, left)
  if (bias) {
    copyColumns(bias + done, 0, scratch + EDGE_BIAS, 0, 1, left)
    bias = scratch + EDGE_BIAS
  }
  panels(d, a, aRow, aStep, copied, b + whole * bPanel, count, rows, 1, then, first ? edge : block + done, first ? edgeRow : SCRATCH_COLUMNS * 4, edge, edgeRow, bias)
  if (first || then & Then.addToTotal) copyColumns(edge, edgeRow, c + done, cRow, rows, left)
}

/** One chunk of the sums of some panels, by the form of the microkernel that suits the strides. */
function panels(
  d: usize, a: usize, aRow: i32, aStep: i32, copied: bool, b: usize, terms: i32, rows: i32, count: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize,
): void {
  const bStep = load<i32>(d, 36), bPanel = load<i32>(d, 40)
  const activation = load<i32>(d, 48), alpha = load<f32>(d, 52)
  if (bStep == PANEL * 4) {
    if (aStep == 4) {
      if (rows <= FEW_ROWS) {
        for (; rows > 0; rows--, a += aRow, s += sRow, c += cRow) sweepRow(a, b, bPanel, terms, count, then, s, c, bias, activation, alpha)
        return
      }
      sweepRows(a, aRow, b, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha)
      return
    }
    if (copied) {
      sweepColumns(a, aRow, aStep, b, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha)
      return
    }
    if (aRow == 4) {
      // That form reads four adjacent floats; the last rows, if less than four, go another way, or it would read beyond A.
      const whole = rows & ~3
      sweepColumns(a, aRow, aStep, b, bPanel, terms, whole, count, then, s, sRow, c, cRow, bias, activation, alpha)
      a += whole * aRow
      s += whole * sRow
      c += whole * cRow
      rows -= whole
    }
  }
  sweepAny(a, aRow, aStep, b, bStep, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha)
}
