// f32_conv: C = act(A·B + bias), where A is the matrix of an image's patches and is never made: its rows and its terms are walked in place.
// The same kernel is the convolution (rows are pixels, terms are taps and channels), its gradient by the input (the same, of the padded
// gradient and the flipped kernel) and by the kernel (rows are taps and channels, terms are pixels).
//
// Order (law 3): as in gemm/gemm.ts.
import { KB, KC, PANEL } from '../codes'
import { Then } from '../gemm/micro'
import { sweepAny, sweepPieces } from './micro'

// Scratch: blocks that grow there, 32 rows × 16 floats; the edge of C, 32 rows × 8 floats; the edge of the bias; the rows' offsets.
const SCRATCH_COLUMNS: i32 = 16
const EDGE: usize = 2048
const EDGE_BIAS: usize = 3072
const OFFSETS: usize = 3136

export function f32_conv(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), k = load<i32>(d, 24)
  const groups = load<i32>(d, 84), tileRows = load<i32>(d, 100), tileColumns = load<i32>(d, 104)
  const across = (n + tileColumns - 1) / tileColumns
  const width = k > KB ? SCRATCH_COLUMNS : tileColumns
  let known = -1
  for (let tile = begin; tile < end; tile++) {
    const column = tile % (across * groups), i = tile / (across * groups) * tileRows
    const group = column / across, rows = min(tileRows, m - i)
    const j0 = column % across * tileColumns, j1 = min(j0 + tileColumns, n)
    if (i != known) {
      rowOffsets(d, scratch + OFFSETS, i, rows)
      known = i
    }
    for (let j = j0; j < j1; j += width) strip(d, scratch, group, i, rows, j, min(width, j1 - j), k)
  }
}

/** Bytes from A to each row of a tile. */
function rowOffsets(d: usize, to: usize, i: i32, rows: i32): void {
  const inner = load<i32>(d, 28), mid = load<i32>(d, 32)
  const step = load<i32>(d, 36), midStep = load<i32>(d, 40), outerStep = load<i32>(d, 44)
  let x = i % inner, y = i / inner % mid, z = i / inner / mid
  for (; rows > 0; rows--) {
    store<i32>(to, x * step + y * midStep + z * outerStep)
    to += 4
    if (++x == inner) {
      x = 0
      if (++y == mid) { y = 0; z++ }
    }
  }
}

/** All sums of a strip of a tile. */
function strip(d: usize, scratch: usize, group: i32, i: i32, rows: i32, j: i32, columns: i32, k: i32): void {
  let p = 0
  do {
    const count = min(KC, k - p), next = p + count
    const first = p < KB, opens = p % KB == 0, closes = next % KB == 0 || next == k
    let then = opens ? 0 : Then.addToBlock
    if (closes && !first) then |= Then.addToTotal
    if (next == k) then |= Then.finish
    chunk(d, scratch, group, i, rows, j, columns, p, count, then, first)
    p = next
  } while (p < k)
}

/** One chunk of every sum of a strip. */
function chunk(d: usize, scratch: usize, group: i32, i: i32, rows: i32, j: i32, columns: i32, p: i32, count: i32, then: i32, first: bool): void {
  const inner = load<i32>(d, 48), mid = load<i32>(d, 52), midStep = load<i32>(d, 60), outerStep = load<i32>(d, 64)
  const bStep = load<i32>(d, 68), bPanel = load<i32>(d, 72), bWidth = load<i32>(d, 76), cRow = load<i32>(d, 80)
  const within = p % inner, piece = p / inner % mid
  const a = <usize>load<u32>(d, 0) + group * load<i32>(d, 88) + piece * midStep + p / inner / mid * outerStep
  let b = <usize>load<u32>(d, 4) + group * load<i32>(d, 92) + j / PANEL * bPanel + p * bStep
  let c = <usize>load<u32>(d, 8) + i * cRow + group * load<i32>(d, 96) + j * 4
  let bias = <usize>load<u32>(d, 12)
  if (bias) bias += group * load<i32>(d, 96) + j * 4
  let s = scratch
  for (let left = columns; left > 0; left -= PANEL) {
    if (left >= PANEL) panel(d, a, scratch + OFFSETS, piece, within, b, count, rows, then, first ? c : s, first ? cRow : SCRATCH_COLUMNS * 4, c, cRow, bias)
    else {
      // The microkernel reads and writes 8 columns: here in a copy. Where B is not packed, its last 8 columns are read, and the first `shift` of
      // them belong to others.
      const shift = bWidth ? <usize>max(0, group * load<i32>(d, 20) + j + columns - left + PANEL - bWidth) * 4 : 0
      const edge = scratch + EDGE, edgeRow = PANEL * 4
      const adds = then & (first ? Then.addToBlock : Then.addToTotal), writes = first || then & Then.addToTotal
      if (adds) copyColumns(c, cRow, edge + shift, edgeRow, rows, left)
      if (bias) {
        copyColumns(bias, 0, scratch + EDGE_BIAS + shift, 0, 1, left)
        bias = scratch + EDGE_BIAS
      }
      panel(d, a, scratch + OFFSETS, piece, within, b - shift, count, rows, then, first ? edge : s, first ? edgeRow : SCRATCH_COLUMNS * 4, edge, edgeRow, bias)
      if (writes) copyColumns(edge + shift, edgeRow, c, cRow, rows, left)
    }
    b += bPanel
    c += PANEL * 4
    s += PANEL * 4
    if (bias) bias += PANEL * 4
  }
}

/** One chunk of the sums of one panel, by the form of the microkernel that suits the strides. */
function panel(
  d: usize, a: usize, offsets: usize, piece: i32, within: i32, b: usize, count: i32, rows: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize,
): void {
  const inner = load<i32>(d, 48), mid = load<i32>(d, 52), step = load<i32>(d, 56), midStep = load<i32>(d, 60), outerStep = load<i32>(d, 64)
  const bStep = load<i32>(d, 68), activation = load<i32>(d, 108), alpha = load<f32>(d, 112)
  if (step == 4 && bStep == PANEL * 4) sweepPieces(a, offsets, inner, mid, midStep, outerStep, piece, within, b, count, rows, then, s, sRow, c, cRow, bias, activation, alpha)
  else sweepAny(a, offsets, step, inner, mid, midStep, outerStep, piece, within, b, bStep, count, rows, then, s, sRow, c, cRow, bias, activation, alpha)
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
