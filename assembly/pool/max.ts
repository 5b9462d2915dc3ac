// Max pooling, and its gradient. Vectors of four channels; the last 1 to 3 channels by the same code on padded lanes.
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
  const channels = channelsOf(at), top = topOf(at, oy), pixel = <usize>channels << 2
  for (let ox = 0, outWidth = outWidthOf(at); ox < outWidth; ox++, y += pixel) {
    const left = leftOf(at, ox)
    let c = 0
    for (; c + 4 <= channels; c += 4) v128.store(y + (<usize>c << 2), largest(at, x + (<usize>c << 2), top, left, 4))
    if (c < channels) storeTail(y + (<usize>c << 2), largest(at, x + (<usize>c << 2), top, left, channels - c), channels - c)
  }
}

/** The maxima of a window: `lanes` channels at x. NaN where there is one. */
// @ts-ignore: decorator
@inline function largest(at: usize, x: usize, top: i32, left: i32, lanes: i32): v128 {
  const pixel = <usize>channelsOf(at) << 2, row = pixel * widthOf(at)
  const bottom = bottomOf(at, top), right = rightOf(at, left)
  let best = f32x4.splat(-Infinity)
  for (let iy = max(top, 0); iy < bottom; iy++) {
    let p = x + <usize>iy * row + <usize>max(left, 0) * pixel
    for (let ix = max(left, 0); ix < right; ix++, p += pixel) best = f32x4.max(best, lanes < 4 ? loadTail(p, lanes) : v128.load(p))
  }
  return best
}

/** A tile: one row of the image of one sample, which gathers from every window that holds a pixel of it. */
export function f32_max_pool_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const at = d + 12
  const x = load<usize>(d), dy = load<usize>(d, 4), dx = load<usize>(d, 8), height = heightOf(at)
  const row = <usize>widthOf(at) * channelsOf(at) << 2, out = <usize>outHeightOf(at) * outWidthOf(at) * channelsOf(at) << 2
  for (let tile = begin; tile < end; tile++) {
    const sample = <usize>(tile / height)
    gatherRow(at, x + sample * row * height, dy + sample * out, dx + <usize>tile * row, tile % height)
  }
}

function gatherRow(at: usize, x: usize, dy: usize, dx: usize, iy: i32): void {
  const channels = channelsOf(at), outWidth = outWidthOf(at), pixel = <usize>channels << 2
  memory.fill(dx, 0, pixel * widthOf(at))
  for (let oy = firstRow(at, iy), last = endRow(at, iy); oy < last; oy++) {
    const top = topOf(at, oy)
    for (let ox = 0; ox < outWidth; ox++) {
      const from = dy + (<usize>oy * outWidth + ox) * pixel, left = leftOf(at, ox)
      let c = 0
      for (; c + 4 <= channels; c += 4) give(at, x + (<usize>c << 2), from + (<usize>c << 2), dx + (<usize>c << 2), iy, top, left, 4)
      if (c < channels) give(at, x + (<usize>c << 2), from + (<usize>c << 2), dx + (<usize>c << 2), iy, top, left, channels - c)
    }
  }
}

/** Adds a window's dy to the row's pixel that is its first largest, if it lies in this row; NaN where that is NaN. */
// @ts-ignore: decorator
@inline function give(at: usize, x: usize, dy: usize, dx: usize, row: i32, top: i32, left: i32, lanes: i32): void {
  const pixel = <usize>channelsOf(at) << 2, width = widthOf(at), bottom = bottomOf(at, top), right = rightOf(at, left), begin = max(left, 0)
  let best = f32x4.splat(-Infinity), where = i32x4.splat(max(top, 0) * width + begin)
  for (let iy = max(top, 0); iy < bottom; iy++) {
    for (let ix = begin; ix < right; ix++) {
      const i = iy * width + ix
      const p = x + <usize>i * pixel
      const value = lanes < 4 ? loadTail(p, lanes) : v128.load(p)
      // Larger, or the first NaN: once the best is NaN, nothing is better.
      const better = v128.andnot(v128.not(f32x4.le(value, best)), f32x4.ne(best, best))
      best = v128.bitselect(value, best, better)
      where = v128.bitselect(i32x4.splat(i), where, better)
    }
  }
  const share = v128.bitselect(best, lanes < 4 ? loadTail(dy, lanes) : v128.load(dy), f32x4.ne(best, best))
  for (let ix = begin; ix < right; ix++) {
    const to = dx + <usize>ix * pixel, own = v128.and(share, i32x4.eq(where, i32x4.splat(row * width + ix)))
    if (lanes < 4) storeTail(to, f32x4.add(loadTail(to, lanes), own), lanes)
    else v128.store(to, f32x4.add(v128.load(to), own))
  }
}
