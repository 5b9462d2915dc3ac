// f32_gemm: C = act(A·B + bias), in tiles of GEMM_ROWS × GEMM_COLUMNS.
//
// Order (law 3): block = chunk₀, block += chunk₁, …; total = block₀, total += block₁, …; then bias and activation, once. The loops below
// come to the chunks of an output in ascending order, wherever its sum rests meanwhile: the first block grows in C itself, a later one in
// scratch, from where its last chunk adds it to C. With `add` every block is a later one, so C gets the finished sum added, once: a sum of
// one block, k ≤ KB (the lowering sees to it), since (C + block₀) + block₁ is not C + (block₀ + block₁).
import { GEMM_COLUMNS, GEMM_ROWS, KB, KC, PANEL } from '../codes'
import { BEHIND, copyColumns, EDGE, EDGE_BIAS, fate, lastTerm, SCRATCH_COLUMNS } from './blocks'
import { sweepAny, sweepColumns, sweepRow, sweepRows, Then } from './micro'

/** Rows that go one by one: the microkernel of four rows would compute half of what it does, or more, in vain. */
const FEW_ROWS: i32 = 2

// A transposed A, read in place, takes a line or two of each of its rows, as many rows as a chunk has terms: where these lie a multiple of a
// kilobyte apart they fall on few sets of the L1 cache, each panel of B finds them gone, and each row is in a page of its own. So the tile's part
// of it is copied to scratch, once for all columns where a sum has one chunk. Measured on Zen 5: 512×512×128 4 to 7 % faster, 1024³ twice as fast.
// In scratch, behind what blocks.ts puts there: the terms of a chunk, COPY_STEP bytes apart.
const COPY: usize = BEHIND
const COPY_STEP: i32 = GEMM_ROWS * 4
/** Rows of A that are a multiple of so many bytes long collide. */
const COLLIDE: i32 = 1024

/** What a strip does about the copy of A. */
namespace Copied {
  /** A is read in place */
  export const not = 0
  /** each chunk is copied first */
  export const now = 1
  /** the one chunk is there, from the strip before */
  export const before = 2
}

/** Bytes of B from which on, in a product wider than high, its columns are gone through once, all rows for each strip of them: else all of B passes by for every 32 rows. */
const LARGE_B: i32 = 512 * 1024

export function f32_gemm(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), k = load<i32>(d, 24), cBlock = load<i32>(d, 60)
  const across = (n + GEMM_COLUMNS - 1) / GEMM_COLUMNS, down = (m + GEMM_ROWS - 1) / GEMM_ROWS, tiles = down * across
  const add = load<i32>(d, 56) != 0, copies = copiesA(d, n, k), downFirst = !copies && n > m && <i64>n * k * 4 >= LARGE_B
  const width = (k > KB && cBlock == 0) || add ? SCRATCH_COLUMNS : GEMM_COLUMNS
  let known = -1
  for (let tile = begin; tile < end; tile++) {
    const block = cBlock ? tile / tiles : 0, inBlock = tile - block * tiles
    const i = (downFirst ? inBlock % down : inBlock / across) * GEMM_ROWS, rows = min(GEMM_ROWS, m - i)
    const j0 = (downFirst ? inBlock / down : inBlock % across) * GEMM_COLUMNS, j1 = min(j0 + GEMM_COLUMNS, n)
    for (let j = j0; j < j1; j += width) {
      const copied = !copies ? Copied.not : i == known && k <= KC ? Copied.before : Copied.now
      strip(d, scratch, i, rows, j, min(width, j1 - j), block * KB, lastTerm(k, cBlock, block), block * cBlock, add, copied)
      known = i
    }
  }
}

/** Is a copy of A's rows worth while: for more columns than a tile's, or against collisions? */
function copiesA(d: usize, n: i32, k: i32): bool {
  const aRow = load<i32>(d, 28), aStep = load<i32>(d, 32)
  return aRow == 4 && aStep != 4 && n > GEMM_COLUMNS && (k <= KC || aStep % COLLIDE == 0)
}

/** Terms [p, end) of all sums of a strip of a tile; to C, or `to` bytes behind. */
function strip(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32, p: i32, end: i32, to: i32, add: bool, copied: i32): void {
  const begin = p
  do {
    const count = min(KC, end - p), first = !add && p < begin + KB
    chunk(d, scratch, i, rows, j, columns, p, count, fate(p, p + count, end, first), first, to, copied)
    p += count
  } while (p < end)
}

/** Copies `terms` rows of a transposed A, of each the floats of `rows` rows of the tile, a multiple of four. */
function copyA(from: usize, aStep: i32, to: usize, rows: i32, terms: i32): void {
  const bytes = <usize>rows << 2
  for (const stop = to + <usize>terms * COPY_STEP; to < stop; to += COPY_STEP) {
    for (let at: usize = 0; at < bytes; at += 16) v128.store(to + at, v128.load(from + at))
    from += aStep
  }
}

/** One chunk of every sum of a strip: the chunk of a panel, 16 KB, stays in the L1 cache while all rows pass by. */
function chunk(d: usize, scratch: usize, i: i32, rows: i32, j: i32, columns: i32, p: i32, count: i32, then: i32, first: bool, to: i32, copied: i32): void {
  const aRow = load<i32>(d, 28), aStep = load<i32>(d, 32), bStep = load<i32>(d, 36), bPanel = load<i32>(d, 40), cRow = load<i32>(d, 44)
  const a = <usize>load<u32>(d, 0) + i * aRow + p * aStep
  const b = <usize>load<u32>(d, 4) + j / PANEL * bPanel + p * bStep
  const c = <usize>load<u32>(d, 8) + to + i * cRow + j * 4
  let bias = <usize>load<u32>(d, 12)
  if (bias) bias += j * 4
  const whole = columns / PANEL, left = columns % PANEL, done = <usize>whole * PANEL * 4
  if (copied == Copied.now) copyA(a, aStep, scratch + COPY, rows & ~3, count)
  const copy = copied ? scratch + COPY : 0
  panels(d, copy, a, b, count, rows, whole, then, first ? c : scratch, first ? cRow : SCRATCH_COLUMNS * 4, c, cRow, bias)
  if (left == 0) return
  // The microkernel reads and writes 8 columns: here in a copy.
  const edge = scratch + EDGE, edgeRow = PANEL * 4
  if (then & (first ? Then.addToBlock : Then.addToTotal)) copyColumns(c + done, cRow, edge, edgeRow, rows, left)
  if (bias) {
    copyColumns(bias + done, 0, scratch + EDGE_BIAS, 0, 1, left)
    bias = scratch + EDGE_BIAS
  }
  panels(d, copy, a, b + whole * bPanel, count, rows, 1, then, first ? edge : scratch + done, first ? edgeRow : SCRATCH_COLUMNS * 4, edge, edgeRow, bias)
  if (first || then & Then.addToTotal) copyColumns(edge, edgeRow, c + done, cRow, rows, left)
}

/** One chunk of the sums of some panels, by the form of the microkernel that suits the strides. `copy`: where A's rows are in scratch, or 0. */
function panels(
  d: usize, copy: usize, a: usize, b: usize, terms: i32, rows: i32, count: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize,
): void {
  const aRow = load<i32>(d, 28), aStep = load<i32>(d, 32), bStep = load<i32>(d, 36), bPanel = load<i32>(d, 40)
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
    if (aRow == 4) {
      // That form reads four adjacent floats; the last rows, if less than four, go another way, or it would read beyond A.
      const whole = rows & ~3
      sweepColumns(copy ? copy : a, copy ? COPY_STEP : aStep, b, bPanel, terms, whole, count, then, s, sRow, c, cRow, bias, activation, alpha)
      a += whole * aRow
      s += whole * sRow
      c += whole * cRow
      rows -= whole
    }
  }
  sweepAny(a, aRow, aStep, b, bStep, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha)
}
