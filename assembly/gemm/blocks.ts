// What the loops around the microkernel share: chunks and blocks of a sum, and the edge of C.
import { ELEMENTS, KB } from '../codes'
import { Then } from './micro'

// Scratch of a tile of up to 96 rows: blocks that grow there, 16 columns; then the edge of C, 8 columns; then the edge of the bias.
export const SCRATCH_COLUMNS: i32 = 16
export const EDGE: usize = 6144
export const EDGE_BIAS: usize = 9216
/** Where scratch is free again. */
export const BEHIND: usize = 9280

/** What becomes of a chunk's sums: terms [p, next) of k. `first`: the block is the first, and grows in C itself. */
export function fate(p: i32, next: i32, k: i32, first: bool): i32 {
  const opens = p % KB == 0, closes = next % KB == 0 || next == k
  let then = opens ? 0 : Then.addToBlock
  if (closes && !first) then |= Then.addToTotal
  if (next == k) then |= Then.finish
  return then
}

/** One after the last term of a tile's sums: all k terms, or, where each block has a tile (cBlock ≠ 0), those of its block. */
export function lastTerm(k: i32, cBlock: i32, block: i32): i32 { return cBlock ? min(k, (block + 1) * KB) : k }

/** Copies `rows` rows of less than 8 floats. */
export function copyColumns(from: usize, fromRow: i32, to: usize, toRow: i32, rows: i32, columns: i32): void {
  const two = <usize>(columns & 4) << 2, one = <usize>(columns & 6) << 2
  for (; rows > 0; rows--) {
    if (columns & 4) v128.store(to, v128.load(from))
    if (columns & 2) store<u64>(to + two, load<u64>(from + two))
    if (columns & 1) store<u32>(to + one, load<u32>(from + one))
    from += fromRow
    to += toRow
  }
}

/** y[i] = x[0][i] + x[1][i] + …, the sums of `blocks` blocks, ascending from the first; +0 of none. */
export function f32_add_blocks(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), y = <usize>load<u32>(d, 4), length = load<i32>(d, 8), blocks = load<i32>(d, 12)
  const row = <usize>length << 2
  const first = begin * ELEMENTS, last = min(length, end * ELEMENTS)
  let i = first
  for (; i + 4 <= last; i += 4) {
    let p = x + (<usize>i << 2), sum = blocks ? v128.load(p) : f32x4.splat(0)
    for (let block = 1; block < blocks; block++) {
      p += row
      sum = f32x4.add(sum, v128.load(p))
    }
    v128.store(y + (<usize>i << 2), sum)
  }
  for (; i < last; i++) {
    let p = x + (<usize>i << 2), sum = blocks ? load<f32>(p) : <f32>0
    for (let block = 1; block < blocks; block++) {
      p += row
      sum += load<f32>(p)
    }
    store<f32>(y + (<usize>i << 2), sum)
  }
}
