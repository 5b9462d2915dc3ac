// Sums, maxima and quotients of contiguous rows: the one place that knows the order in which a row is summed.
//
// Order (law 3): a row is cut into chunks of KC. Within a chunk, element j goes to accumulator j mod 8, ascending from +0; the accumulators
// are added as ((0+4)+(2+6))+((1+5)+(3+7)); the chunks are added ascending. An accumulator is never −0 (it starts at +0, and only
// −0 + −0 gives −0), so the +0 in the unused lanes of a tail changes nothing.
// A sum over terms that are nowhere in memory writes them, a chunk at a time, into its lane's scratch, and adds them up there.
import { KC } from '../codes'
import { loadTail, storeTail } from '../lanes'

/** Sum of one chunk: 0 ≤ count ≤ KC floats at p. */
export function chunkSum(p: usize, count: i32): f32 {
  let low = f32x4.splat(0), high = f32x4.splat(0)
  for (; count >= 8; count -= 8, p += 32) {
    low = f32x4.add(low, v128.load(p))
    high = f32x4.add(high, v128.load(p, 16))
  }
  if (count >= 4) {
    low = f32x4.add(low, v128.load(p))
    if (count > 4) high = f32x4.add(high, loadTail(p + 16, count - 4))
  } else if (count > 0) low = f32x4.add(low, loadTail(p, count))
  const four = f32x4.add(low, high)
  const two = f32x4.add(four, v128.shuffle<f32>(four, four, 2, 3, 0, 1))
  return f32x4.extract_lane(two, 0) + f32x4.extract_lane(two, 1)
}

/** Sum of the `width` floats at p; +0 of none. */
// @ts-ignore: decorator
@inline export function rowSum(p: usize, width: i32): f32 {
  let sum: f32 = 0
  for (; width > 0; width -= KC, p += KC * 4) sum += chunkSum(p, min(KC, width))
  return sum
}

/** Σ a[j]·b[j], each product rounded. */
export function rowDot(a: usize, b: usize, width: i32, scratch: usize): f32 {
  let sum: f32 = 0
  for (; width > 0; width -= KC) {
    const count = min(KC, width)
    products(a, b, scratch, count)
    sum += chunkSum(scratch, count)
    a += KC * 4
    b += KC * 4
  }
  return sum
}

/** y[j] = a[j]·b[j] */
function products(a: usize, b: usize, y: usize, count: i32): void {
  for (; count >= 4; count -= 4, a += 16, b += 16, y += 16) v128.store(y, f32x4.mul(v128.load(a), v128.load(b)))
  if (count > 0) storeTail(y, f32x4.mul(loadTail(a, count), loadTail(b, count)), count)
}

/** y[j] /= by */
// @ts-ignore: decorator
@inline export function divideRow(y: usize, width: i32, by: f32): void {
  const divisor = f32x4.splat(by)
  for (; width >= 4; width -= 4, y += 16) v128.store(y, f32x4.div(v128.load(y), divisor))
  if (width > 0) storeTail(y, f32x4.div(loadTail(y, width), divisor), width)
}

/**
 * Largest of the `width` floats at p; NaN if there is one; −∞ of none. The order does not matter, nor that a short last vector overlaps the
 * one before it. The maximum with IEEE's NaN is many instructions, hence the chains of long rows.
 */
export function rowMax(p: usize, width: i32): f32 {
  if (width < 4) return shortMax(p, width)
  const last = v128.load(p + (<usize>(width - 4) << 2))
  let four = last
  if (width >= 32) {
    let a = last, b = last, c = last
    for (; width >= 16; width -= 16, p += 64) {
      a = f32x4.max(a, v128.load(p))
      b = f32x4.max(b, v128.load(p, 16))
      c = f32x4.max(c, v128.load(p, 32))
      four = f32x4.max(four, v128.load(p, 48))
    }
    four = f32x4.max(f32x4.max(a, b), f32x4.max(c, four))
  }
  for (; width > 4; width -= 4, p += 16) four = f32x4.max(four, v128.load(p))
  const two = f32x4.max(four, v128.shuffle<f32>(four, four, 2, 3, 0, 1))
  return f32x4.extract_lane(f32x4.max(two, v128.shuffle<f32>(two, two, 1, 0, 3, 2)), 0)
}

function shortMax(p: usize, width: i32): f32 {
  let largest: f32 = -Infinity
  for (; width > 0; width--, p += 4) largest = max<f32>(largest, load<f32>(p))
  return largest
}
