// Average pooling over the pixels of a window that lie within the image, and its gradient.
//
// Order (law 3): each row of a window ascending from +0, rows added ascending from +0, divided by their number. The gradient of a pixel is the
// sum of dy / number over the windows that hold it, ascending from +0.
import { loadTail, storeTail } from '../lanes'
import { bottomOf, channelsOf, endRow, firstRow, heightOf, leftOf, outHeightOf, outWidthOf, rightOf, topOf, widthOf } from './window'

/** A tile: one row of the output of one sample. */
export function f32_average_pool(d: usize, scratch: usize, begin: i32, end: i32): void {
  const at = d + 8
  const x = load<usize>(d), y = load<usize>(d, 4), outHeight = outHeightOf(at)
  const outRow = <usize>outWidthOf(at) * channelsOf(at) << 2, image = <usize>heightOf(at) * widthOf(at) * channelsOf(at) << 2
  for (let tile = begin; tile < end; tile++) {
    averageRow(at, x + <usize>(tile / outHeight) * image, tile % outHeight, y + <usize>tile * outRow)
  }
}

/** Pixels of a window that lie within the image. */
// @ts-ignore: decorator
@inline function pixels(at: usize, top: i32, left: i32): f32 {
  return <f32>((bottomOf(at, top) - max(top, 0)) * (rightOf(at, left) - max(left, 0)))
}

function averageRow(at: usize, x: usize, oy: i32, y: usize): void {
  const channels = channelsOf(at), top = topOf(at, oy), pixel = <usize>channels << 2
  for (let ox = 0, outWidth = outWidthOf(at); ox < outWidth; ox++, y += pixel) {
    const left = leftOf(at, ox), count = f32x4.splat(pixels(at, top, left))
    let c = 0
    for (; c + 4 <= channels; c += 4) v128.store(y + (<usize>c << 2), f32x4.div(sum(at, x + (<usize>c << 2), top, left, 4), count))
    if (c < channels) storeTail(y + (<usize>c << 2), f32x4.div(sum(at, x + (<usize>c << 2), top, left, channels - c), count), channels - c)
  }
}

// @ts-ignore: decorator
@inline function sum(at: usize, x: usize, top: i32, left: i32, lanes: i32): v128 {
  const pixel = <usize>channelsOf(at) << 2, row = pixel * widthOf(at)
  const bottom = bottomOf(at, top), right = rightOf(at, left)
  let total = f32x4.splat(0)
  for (let iy = max(top, 0); iy < bottom; iy++) {
    let p = x + <usize>iy * row + <usize>max(left, 0) * pixel
    let own = f32x4.splat(0)
    for (let ix = max(left, 0); ix < right; ix++, p += pixel) own = f32x4.add(own, lanes < 4 ? loadTail(p, lanes) : v128.load(p))
    total = f32x4.add(total, own)
  }
  return total
}

/** A tile: one row of the image of one sample, which gathers from every window that holds a pixel of it. */
export function f32_average_pool_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const at = d + 8
  const dy = load<usize>(d), dx = load<usize>(d, 4), height = heightOf(at)
  const row = <usize>widthOf(at) * channelsOf(at) << 2, out = <usize>outHeightOf(at) * outWidthOf(at) * channelsOf(at) << 2
  for (let tile = begin; tile < end; tile++) {
    gatherRow(at, dy + <usize>(tile / height) * out, dx + <usize>tile * row, tile % height)
  }
}

function gatherRow(at: usize, dy: usize, dx: usize, iy: i32): void {
  const channels = channelsOf(at), outWidth = outWidthOf(at), pixel = <usize>channels << 2
  memory.fill(dx, 0, pixel * widthOf(at))
  for (let oy = firstRow(at, iy), last = endRow(at, iy); oy < last; oy++) {
    const top = topOf(at, oy)
    for (let ox = 0; ox < outWidth; ox++) {
      const from = dy + (<usize>oy * outWidth + ox) * pixel, left = leftOf(at, ox), count = f32x4.splat(pixels(at, top, left))
      for (let ix = max(left, 0), right = rightOf(at, left); ix < right; ix++) addShare(from, dx + <usize>ix * pixel, channels, count)
    }
  }
}

/** dx += dy / count, for the channels of one pixel. */
// @ts-ignore: decorator
@inline function addShare(dy: usize, dx: usize, channels: i32, count: v128): void {
  for (; channels >= 4; channels -= 4, dy += 16, dx += 16) v128.store(dx, f32x4.add(v128.load(dx), f32x4.div(v128.load(dy), count)))
  if (channels > 0) storeTail(dx, f32x4.add(loadTail(dx, channels), f32x4.div(loadTail(dy, channels), count)), channels)
}
