// qs8_pack: weights, offsets and multipliers → the panels that gemm.ts draws. Compiled twice, like the product that reads them.
import { PANEL } from '../codes'
import { groups } from './gemm'

/** Panels [begin, end). */
export function pack(d: usize, begin: i32, end: i32): void {
  const w = <usize>load<u32>(d, 0), offset = <usize>load<u32>(d, 4), multiplier = <usize>load<u32>(d, 8)
  const k = load<i32>(d, 16), n = load<i32>(d, 20), turns = groups(k)
  for (let panel = begin; panel < end; panel++) {
    const j = panel * PANEL, columns = min(PANEL, n - j)
    let to = <usize>load<u32>(d, 12) + <usize>panel * <usize>(64 + turns * 32)
    for (let i = 0; i < PANEL; i++, to += 4) {
      const at = <usize>(j + i) << 2
      store<u32>(to, i < columns ? load<u32>(offset + at) : 0, 0)
      store<u32>(to, i < columns ? load<u32>(multiplier + at) : 0, 32)
    }
    to += 32
    for (let turn = 0; turn < turns; turn++) {
      for (let i = 0; i < PANEL; i++, to += 4) store<u32>(to, i < columns ? group(w + j + i, turn, k, n) : 0)
    }
  }
}

/** The terms of one group of a column, widened or not, in four bytes; 0 for those beyond the last. */
@inline
function group(column: usize, turn: i32, k: i32, n: i32): u32 {
  if (ASC_FEATURE_RELAXED_SIMD) {
    const at = turn * 4
    return byte(column, at, k, n) | byte(column, at + 1, k, n) << 8 | byte(column, at + 2, k, n) << 16 | byte(column, at + 3, k, n) << 24
  }
  return (term(column, turn * 2, k, n) & 0xffff) | term(column, turn * 2 + 1, k, n) << 16
}

@inline
function byte(column: usize, at: i32, k: i32, n: i32): u32 { return at < k ? <u32>load<u8>(column + <usize>at * n) : 0 }

@inline
function term(column: usize, at: i32, k: i32, n: i32): u32 { return at < k ? <u32>(<i32>load<i8>(column + <usize>at * n)) : 0 }
