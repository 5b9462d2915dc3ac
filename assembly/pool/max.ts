// Max pooling, and its gradient. Vectors of four channels; the last 1 to 3 channels by the same code on padded lanes.
//
// Windows are small and many: what their loops need is kept in locals, and pixels are walked by pointers.
import { POOL_ROWS } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { bottomOf, channelsOf, endRow, firstRow, heightOf, leftOf, outHeightOf, outWidthOf, rightOf, topOf, widthOf } from './window'

/** A tile: one row of the output of one sample. */
export function f32_max_pool(d: usize, scratch: usize, begin: i32, end: i32): void {
  const at = d + 8
  const x = load<usize>(d), y = load<usize>(d, 4), outHeight = outHeightOf(at)
  const outRow = <usize>outWidthOf(at) * channelsOf(at) << 2, image = <usize>heightOf(at) * widthOf(at) * channelsOf(at) << 2
  for (let tile = begin; tile < end; tile++) {
    maxRow(at, x + <usize>(tile / outHeight) * image, tile % outHeight, y + <usize>tile * outRow)
  }
}

function maxRow(at: usize, x: usize, oy: i32, y: usize): void {
  const channels = channelsOf(at), pixel = <usize>channels << 2, row = pixel * widthOf(at), vectors = y + (pixel & ~15), tail = channels & 3
  const top = topOf(at, oy), first = max(top, 0), rows = bottomOf(at, top) - first, outWidth = outWidthOf(at)
  x += first * row
  let low = y, high = vectors
  for (let ox = 0; ox < outWidth; ox++) {
    const left = leftOf(at, ox), begin = max(left, 0), across = <usize>(rightOf(at, left) - begin) * pixel
    let p = x + begin * pixel
    for (; low < high; low += 16, p += 16) v128.store(low, largest(p, rows, across, row, pixel, 4))
    if (tail) {
      storeTail(low, largest(p, rows, across, row, pixel, tail), tail)
      low += tail << 2
    }
    high += pixel
  }
}

// @ts-ignore: decorator
@inline function lanesAt(p: usize, lanes: i32): v128 { return lanes < 4 ? loadTail(p, lanes) : v128.load(p) }

/** The maxima of a window of `rows` rows of `across` bytes each: `lanes` channels at x. NaN where there is one. */
// @ts-ignore: decorator
@inline function largest(x: usize, rows: i32, across: usize, row: usize, pixel: usize, lanes: i32): v128 {
  let best = lanesAt(x, lanes)
  for (; rows > 0; rows--) {
    for (let p = x, end = x + across; p < end; p += pixel) best = f32x4.max(best, lanesAt(p, lanes))
    x += row
  }
  return best
}

/**
 * A tile: POOL_ROWS rows of the image of one sample, or those that are left, which gather from every window that holds a pixel of them. Windows
 * come in ascending order, so that each pixel takes its terms in that order, whichever tile they come by.
 */
export function f32_max_pool_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const at = d + 12
  const x = load<usize>(d), dy = load<usize>(d, 4), dx = load<usize>(d, 8), height = heightOf(at)
  const row = <usize>widthOf(at) * channelsOf(at) << 2, out = <usize>outHeightOf(at) * outWidthOf(at) * channelsOf(at) << 2
  const bands = (height + POOL_ROWS - 1) / POOL_ROWS
  for (let tile = begin; tile < end; tile++) {
    const sample = <usize>(tile / bands), from = tile % bands * POOL_ROWS
    gatherRows(at, x + sample * row * height, dy + sample * out, dx + sample * row * height, from, min(height, from + POOL_ROWS))
  }
}

/** Rows [from, to) of dx. */
function gatherRows(at: usize, x: usize, dy: usize, dx: usize, from: i32, to: i32): void {
  const channels = channelsOf(at), outWidth = outWidthOf(at), pixel = <usize>channels << 2, row = pixel * widthOf(at), tail = channels & 3
  memory.fill(dx + from * row, 0, row * (to - from))
  for (let oy = firstRow(at, from), last = endRow(at, to - 1); oy < last; oy++) {
    const top = topOf(at, oy), first = max(top, 0), bottom = bottomOf(at, top)
    let g = dy + <usize>oy * outWidth * pixel, high = g + (pixel & ~15)
    for (let ox = 0; ox < outWidth; ox++) {
      const left = leftOf(at, ox), begin = max(left, 0), across = <usize>(rightOf(at, left) - begin) * pixel
      let offset = first * row + begin * pixel
      for (; g < high; g += 16, offset += 16) give(x + offset, dx + offset, g, first, bottom, from, to, across, row, pixel, 4)
      if (tail) {
        give(x + offset, dx + offset, g, first, bottom, from, to, across, row, pixel, tail)
        g += tail << 2
      }
      high += pixel
    }
  }
}

/** Adds a window's dy to its pixel that is the first largest, if that lies in rows [from, to) of dx; of a NaN, the first, NaN. */
// @ts-ignore: decorator
@inline function give(
  x: usize, dx: usize, dy: usize, first: i32, bottom: i32, from: i32, to: i32, across: usize, row: usize, pixel: usize, lanes: i32,
): void {
  // pmax passes over NaN, so that is noted apart; of equals it keeps the first, and −0 equals +0.
  let best = f32x4.splat(-Infinity), nan = f32x4.splat(0)
  let line = x
  for (let r = first; r < bottom; r++) {
    for (let p = line, end = line + across; p < end; p += pixel) {
      const value = lanesAt(p, lanes)
      best = f32x4.pmax(best, value)
      nan = v128.or(nan, f32x4.ne(value, value))
    }
    line += row
  }
  best = v128.or(best, nan)
  const share = v128.or(lanesAt(dy, lanes), nan)
  let open = i32x4.splat(-1)
  for (let r = first; r < bottom && r < to; r++) {
    for (let p = x, end = x + across, q = dx; p < end; p += pixel, q += pixel) {
      const value = lanesAt(p, lanes)
      const own = v128.and(open, v128.or(f32x4.eq(value, best), f32x4.ne(value, value)))
      open = v128.andnot(open, own)
      if (r < from) continue
      const sum = f32x4.add(lanesAt(q, lanes), v128.and(share, own))
      if (lanes < 4) storeTail(q, sum, lanes)
      else v128.store(q, sum)
    }
    x += row
    dx += row
  }
}
