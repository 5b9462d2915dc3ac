// f32_average: moving averages of statistics that a batch's shards summed. Roundings, in order:
//
//   w = flushed(w·momentum + (g / *rows)·rest)
//
// A segment here is { momentum, rest = 1 − momentum: f32, unused, unused, first piece, end piece }.
import { flushed, pieceAt, segmentAt, stage, unstage } from './piece'

export function f32_average(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 12))) return
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), segment = segmentAt(d, load<i32>(piece, 12))
    move(segment, load<usize>(piece), load<usize>(d, 8) + load<usize>(piece, 4), load<i32>(piece, 8), v128.load32_splat(load<usize>(d, 16)), scratch)
  }
}

function move(segment: usize, w: usize, g: usize, length: i32, rows: v128, scratch: usize): void {
  const momentum = v128.load32_splat(segment), rest = v128.load32_splat(segment, 4)
  for (; length >= 4; length -= 4, w += 16, g += 16) {
    const old = f32x4.mul(v128.load(w), momentum), fresh = f32x4.mul(f32x4.div(v128.load(g), rows), rest)
    v128.store(w, flushed(f32x4.add(old, fresh)))
  }
  if (length == 0) return
  stage(w, scratch, length)
  stage(g, scratch + 16, length)
  move(segment, scratch, scratch + 16, 4, rows, scratch)
  unstage(w, scratch, length)
}
