// Max pooling, and its gradient. Vectors of four channels; the last 1 to 3 channels by the same code on padded lanes.
//
// Windows are small and many: what their loops need is kept in locals, and pixels are walked by pointers. Windows of 2×2 that lie side by side,
// the most frequent, have loops of their own, in which a window is four vectors.
import { POOL_ROWS } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { bottomOf, channelsOf, endRow, firstRow, heightOf, leftOf, outHeightOf, outWidthOf, rightOf, sideBySide, topOf, widthOf } from './window'

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
  let low = y, high = vectors, ox = 0
  if (rows == 2 && sideBySide(at)) {
    ox = widthOf(at) >> 1
    for (let i = 0, p = x; i < ox; i++, p += pixel << 1) {
      for (let q = p; low < high; low += 16, q += 16) v128.store(low, largestOfFour(q, row, pixel, 4))
      if (tail) {
        storeTail(low, largestOfFour(p + (pixel & ~15), row, pixel, tail), tail)
        low += tail << 2
      }
      high += pixel
    }
  }
  for (; ox < outWidth; ox++) {
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
// @ts-ignore: decorator
@inline function putLanes(p: usize, x: v128, lanes: i32): void {
  if (lanes < 4) storeTail(p, x, lanes)
  else v128.store(p, x)
}

// @ts-ignore: decorator
@inline function largestOfFour(x: usize, row: usize, pixel: usize, lanes: i32): v128 {
  const upper = f32x4.max(lanesAt(x, lanes), lanesAt(x + pixel, lanes))
  return f32x4.max(upper, f32x4.max(lanesAt(x + row, lanes), lanesAt(x + row + pixel, lanes)))
}

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
  const at = d + 16
  const x = load<usize>(d), dy = load<usize>(d, 4), dx = load<usize>(d, 8), relu = load<i32>(d, 12), height = heightOf(at)
  const row = <usize>widthOf(at) * channelsOf(at) << 2, out = <usize>outHeightOf(at) * outWidthOf(at) * channelsOf(at) << 2
  const bands = (height + POOL_ROWS - 1) / POOL_ROWS
  for (let tile = begin; tile < end; tile++) {
    const image = <usize>(tile / bands) * row * height, from = tile % bands * POOL_ROWS, to = min(height, from + POOL_ROWS)
    const gradient = dy + <usize>(tile / bands) * out
    if (sideBySide(at) && !(widthOf(at) & 1) && !(height & 1)) fourths(at, x + image, gradient, dx + image, from, to, relu)
    else {
      gatherRows(at, x + image, gradient, dx + image, from, to)
      if (relu) throughRelu(x + image + from * row, dx + image + from * row, row * (to - from))
    }
  }
}

/** Rows [from, to) of dx, both even, where each pixel belongs to one window. */
function fourths(at: usize, x: usize, dy: usize, dx: usize, from: i32, to: i32, relu: i32): void {
  const pixel = <usize>channelsOf(at) << 2, row = pixel * widthOf(at), tail = channelsOf(at) & 3, all = i32x4.splat(relu ? 0 : -1)
  const offset = <usize>from * row, vectors = pixel & ~15
  let p = x + offset, q = dx + offset, g = dy + (offset >> 2)
  for (; from < to; from += 2) {
    for (const end = p + row; p < end; p += pixel, q += pixel) {
      for (const high = g + vectors; g < high; g += 16, p += 16, q += 16) giveFourth(p, q, g, row, pixel, all, 4)
      if (tail) {
        giveFourth(p, q, g, row, pixel, all, tail)
        g += tail << 2
        p += tail << 2
        q += tail << 2
      }
    }
    p += row
    q += row
  }
}

/** dx of a window of four pixels: +0 + dy for the first largest, +0 for the others; where a lane of `all` is 0, +0 too if the largest is not positive. */
// @ts-ignore: decorator
@inline function giveFourth(x: usize, dx: usize, dy: usize, row: usize, pixel: usize, all: v128, lanes: i32): void {
  const a = lanesAt(x, lanes), b = lanesAt(x + pixel, lanes), c = lanesAt(x + row, lanes), d = lanesAt(x + row + pixel, lanes)
  const sum = f32x4.add(f32x4.add(a, b), f32x4.add(c, d))
  // NaN among them, or infinities of both signs
  if (v128.any_true(f32x4.ne(sum, sum))) {
    giveRarely(x, dx, dy, row, pixel, all, lanes)
    return
  }
  const best = f32x4.pmax(f32x4.pmax(a, b), f32x4.pmax(c, d))
  const share = v128.and(f32x4.add(f32x4.splat(0), lanesAt(dy, lanes)), v128.or(all, f32x4.gt(best, f32x4.splat(0))))
  const first = f32x4.eq(a, best), second = f32x4.eq(b, best), third = f32x4.eq(c, best)
  const upper = v128.or(first, second)
  putLanes(dx, v128.and(share, first), lanes)
  putLanes(dx + pixel, v128.and(share, v128.andnot(second, first)), lanes)
  putLanes(dx + row, v128.and(share, v128.andnot(third, upper)), lanes)
  putLanes(dx + row + pixel, v128.andnot(share, v128.or(upper, third)), lanes)
}

/** The same of any numbers. */
function giveRarely(x: usize, dx: usize, dy: usize, row: usize, pixel: usize, all: v128, lanes: i32): void {
  for (let r = 0; r < 2; r++) {
    for (let i: usize = 0; i < <usize>lanes << 2; i += 4) {
      store<f32>(dx + r * row + i, 0)
      store<f32>(dx + r * row + pixel + i, 0)
    }
  }
  for (let i: usize = 0; i < <usize>lanes << 2; i += 4) give(x + i, dx + i, dy + i, 0, 2, 0, 2, pixel << 1, row, pixel, 1)
  if (v128.any_true(all)) return
  for (let r = 0; r < 2; r++) {
    throughRelu(x + r * row, dx + r * row, <usize>lanes << 2)
    throughRelu(x + r * row + pixel, dx + r * row + pixel, <usize>lanes << 2)
  }
}

/** dx = x > 0 ? dx : +0, of a NaN, NaN: what reluGrad of f32_binary computes. */
function throughRelu(x: usize, dx: usize, bytes: usize): void {
  const zero = f32x4.splat(0), vectors = dx + (bytes & ~15), end = dx + bytes
  for (; dx < vectors; dx += 16, x += 16) {
    const y = v128.load(x)
    v128.store(dx, v128.or(v128.and(v128.load(dx), f32x4.gt(y, zero)), f32x4.ne(y, y)))
  }
  for (; dx < end; dx += 4, x += 4) {
    const y = v128.load32_splat(x)
    v128.store_lane<f32>(dx, v128.or(v128.and(v128.load32_splat(dx), f32x4.gt(y, zero)), f32x4.ne(y, y)), 0)
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
      putLanes(q, sum, lanes)
    }
    x += row
    dx += row
  }
}
