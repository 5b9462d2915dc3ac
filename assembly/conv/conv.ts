// f32_conv: C = act(A·B + bias), where A is the matrix of an image's patches and is never made: its rows and its terms are walked in place.
// The same kernel is the convolution (rows are pixels, terms are taps and channels), its gradient by the input (the same, of the padded
// gradient and the flipped kernel) and by the kernel (rows are taps and channels, terms are pixels).
//
// Order (law 3): as in gemm/gemm.ts.
import { KB, KC, PANEL } from '../codes'
import { BEHIND, copyColumns, EDGE, EDGE_BIAS, fate, lastTerm, SCRATCH_COLUMNS } from '../gemm/blocks'
import { Part, Then } from '../gemm/micro'
import { sweepRuns, sweepTable } from './micro'
import { writeTerms } from './terms'

// Scratch, behind what gemm/blocks.ts puts there: the rows' offsets, up to 96, and the terms of a chunk (see terms.ts for the room behind both);
// the walk of runs; the chunk that the terms are of.
const OFFSETS: usize = BEHIND
const TABLE: usize = OFFSETS + 448
const WALK: usize = TABLE + KC * 4 + 64
const TABLE_CHUNK: usize = WALK + 24
/** Accumulators of a part of a chunk: 96 rows, 2 panels; then B of a part, 2 panels. */
const KEPT: usize = 11904
const PART_B: usize = KEPT + 6144
/** Terms of a run from which on it is walked in place: measured, a table of the terms is 2 to 5 % slower for runs of 9 to 24, faster for 3. */
const LONG_RUN: i32 = 8
/** Terms of a part of a chunk, and rows of a tile from which on a copy of B pays: 2 to 4 % with them, for images of 16 to 64 channels. */
const PART: i32 = 256
const PART_ROWS: i32 = 24

export function f32_conv(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), k = load<i32>(d, 24)
  const groups = load<i32>(d, 84), tileRows = load<i32>(d, 100), tileColumns = load<i32>(d, 104), cBlock = load<i32>(d, 116)
  const across = (n + tileColumns - 1) / tileColumns, wide = across * groups, tiles = (m + tileRows - 1) / tileRows * wide
  const width = k > KB && cBlock == 0 ? SCRATCH_COLUMNS : tileColumns
  store<i32>(scratch + TABLE_CHUNK, -1)
  let known = -1
  for (let tile = begin; tile < end; tile++) {
    const block = cBlock ? tile / tiles : 0, inBlock = tile - block * tiles
    const column = inBlock % wide, i = inBlock / wide * tileRows
    const group = column / across, rows = min(tileRows, m - i)
    const j0 = column % across * tileColumns, j1 = min(j0 + tileColumns, n)
    if (i != known) {
      writeTerms(d + 28, scratch + OFFSETS, i, rows)
      known = i
    }
    for (let j = j0; j < j1; j += width) strip(d, scratch, group, i, rows, j, min(width, j1 - j), block * KB, lastTerm(k, cBlock, block), block * cBlock)
  }
}

/** Terms [p, end) of all sums of a strip; to C, or `to` bytes behind. */
function strip(d: usize, scratch: usize, group: i32, i: i32, rows: i32, j: i32, columns: i32, p: i32, end: i32, to: i32): void {
  const begin = p
  do {
    const count = min(KC, end - p), first = p < begin + KB
    chunk(d, scratch, group, i, rows, j, columns, p, count, fate(p, p + count, end, first), first, to)
    p += count
  } while (p < end)
}

/** One chunk of every sum of a strip. */
function chunk(
  d: usize, scratch: usize, group: i32, i: i32, rows: i32, j: i32, columns: i32, p: i32, count: i32, then: i32, first: bool, to: i32,
): void {
  const bStep = load<i32>(d, 68), bPanel = load<i32>(d, 72), bWidth = load<i32>(d, 76), cRow = load<i32>(d, 80)
  const a = <usize>load<u32>(d, 0) + group * load<i32>(d, 88) + walk(d, scratch, p, count)
  const b = <usize>load<u32>(d, 4) + group * load<i32>(d, 92) + j / PANEL * bPanel + p * bStep
  const c = <usize>load<u32>(d, 8) + to + i * cRow + group * load<i32>(d, 96) + j * 4
  let bias = <usize>load<u32>(d, 12)
  if (bias) bias += group * load<i32>(d, 96) + j * 4
  const whole = columns / PANEL, left = columns % PANEL, done = <usize>whole * PANEL * 4
  panels(d, scratch, a, b, count, rows, whole, then, first ? c : scratch, first ? cRow : SCRATCH_COLUMNS * 4, c, cRow, bias)
  if (left == 0) return
  // The microkernel reads and writes 8 columns: here in a copy. Where B is not packed, its last 8 columns are read, and the first `shift` of
  // them belong to others.
  const shift = bWidth ? <usize>max(0, group * load<i32>(d, 20) + j + whole * PANEL + PANEL - bWidth) * 4 : 0
  const edge = scratch + EDGE, edgeRow = PANEL * 4
  if (then & (first ? Then.addToBlock : Then.addToTotal)) copyColumns(c + done, cRow, edge + shift, edgeRow, rows, left)
  if (bias) {
    copyColumns(bias + done, 0, scratch + EDGE_BIAS + shift, 0, 1, left)
    bias = scratch + EDGE_BIAS
  }
  panels(d, scratch, a, b + whole * bPanel - shift, count, rows, 1, then, first ? edge : scratch + done, first ? edgeRow : SCRATCH_COLUMNS * 4, edge, edgeRow, bias)
  if (first || then & Then.addToTotal) copyColumns(edge + shift, edgeRow, c + done, cRow, rows, left)
}

/** Are the terms walked in runs? Else in a table. */
// @ts-ignore: decorator
@inline function inRuns(d: usize): bool { return load<i32>(d, 56) == 4 && load<i32>(d, 68) == PANEL * 4 && load<i32>(d, 48) >= LONG_RUN }

/** Writes down where the terms of a chunk lie; bytes from A to where that begins. */
function walk(d: usize, scratch: usize, p: i32, count: i32): i32 {
  const inner = load<i32>(d, 48), mid = load<i32>(d, 52), midStep = load<i32>(d, 60), outerStep = load<i32>(d, 64)
  if (!inRuns(d)) {
    if (load<i32>(scratch, TABLE_CHUNK) != p) writeTerms(d + 48, scratch + TABLE, p, count)
    store<i32>(scratch, p, TABLE_CHUNK)
    return 0
  }
  const at = scratch + WALK, piece = p / inner % mid
  store<i32>(at, inner)
  store<i32>(at, mid, 4)
  store<i32>(at, midStep, 8)
  store<i32>(at, outerStep - (mid - 1) * midStep, 12)
  store<i32>(at, piece, 16)
  store<i32>(at, p % inner, 20)
  return piece * midStep + p / inner / mid * outerStep
}

/** One chunk of the sums of some panels. */
function panels(
  d: usize, scratch: usize, a: usize, b: usize, terms: i32, rows: i32, count: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize,
): void {
  const bStep = load<i32>(d, 68), bPanel = load<i32>(d, 72), activation = load<i32>(d, 108), alpha = load<f32>(d, 112), offsets = scratch + OFFSETS
  if (inRuns(d)) sweepRuns(a, offsets, scratch + WALK, b, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha)
  else if (load<i32>(d, 76) && rows >= PART_ROWS) inParts(scratch, a, b, bStep, terms, rows, count, then, s, sRow, c, cRow)
  else sweepTable(a, offsets, scratch + TABLE, b, bStep, bPanel, terms, rows, count, then, s, sRow, c, cRow, bias, activation, alpha, 0, 0)
}

/**
 * The same where B is read in place, without bias and activation: in parts of a chunk, whose rows of A and B stay in the L1 cache while all rows of
 * the tile use them. B's, a panel's part of which is half a cache line, are copied. An accumulator that waits between parts is the same accumulator.
 */
function inParts(
  scratch: usize, a: usize, b: usize, bStep: i32, terms: i32, rows: i32, count: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32,
): void {
  for (; count > 0; count -= 2) {
    const two = min(count, 2)
    for (let p = 0; p < terms; p += PART) {
      const left = min(PART, terms - p), last = p + left == terms
      copyPart(b + p * bStep, bStep, scratch + PART_B, left, two)
      const part = (p ? Part.resume : 0) | (last ? 0 : Part.keep)
      sweepTable(
        a, scratch + OFFSETS, scratch + TABLE + (<usize>p << 2), scratch + PART_B, 32, PART * 32, left, rows, two, then, s, sRow, c, cRow, 0, -1, 0, scratch + KEPT, part,
      )
    }
    b += 64
    s += 64
    c += 64
  }
}

function copyPart(from: usize, bStep: i32, to: usize, terms: i32, panels: i32): void {
  for (const end = to + (<usize>terms << 5); to < end; to += 32) {
    v128.store(to, v128.load(from, 0), 0)
    v128.store(to, v128.load(from, 16), 16)
    if (panels > 1) {
      v128.store(to, v128.load(from, 32), PART * 32)
      v128.store(to, v128.load(from, 48), PART * 32 + 16)
    }
    from += bStep
  }
}
