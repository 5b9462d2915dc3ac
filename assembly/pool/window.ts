// What the pooling kernels share: the windows of an image in row-major order [height, width, channels].
//
// The words of every descriptor end in `samples height width channels outHeight outWidth poolHeight poolWidth strideY strideX padTop padLeft`;
// `at` is the byte where they begin. A window of output (oy, ox) holds the pixels from (oy·strideY − padTop, ox·strideX − padLeft) that lie
// within the image; there is at least one.

// @ts-ignore: decorator
@inline export function heightOf(at: usize): i32 { return load<i32>(at, 4) }
// @ts-ignore: decorator
@inline export function widthOf(at: usize): i32 { return load<i32>(at, 8) }
// @ts-ignore: decorator
@inline export function channelsOf(at: usize): i32 { return load<i32>(at, 12) }
// @ts-ignore: decorator
@inline export function outHeightOf(at: usize): i32 { return load<i32>(at, 16) }
// @ts-ignore: decorator
@inline export function outWidthOf(at: usize): i32 { return load<i32>(at, 20) }

/** First row of the windows of output row oy; may be above the image. */
// @ts-ignore: decorator
@inline export function topOf(at: usize, oy: i32): i32 { return oy * load<i32>(at, 32) - load<i32>(at, 40) }
/** First column of the windows of output column ox; may be left of the image. */
// @ts-ignore: decorator
@inline export function leftOf(at: usize, ox: i32): i32 { return ox * load<i32>(at, 36) - load<i32>(at, 44) }
/** One after the last row of windows that begin at `top`, within the image. */
// @ts-ignore: decorator
@inline export function bottomOf(at: usize, top: i32): i32 { return min(heightOf(at), top + load<i32>(at, 24)) }
/** One after the last column of windows that begin at `left`, within the image. */
// @ts-ignore: decorator
@inline export function rightOf(at: usize, left: i32): i32 { return min(widthOf(at), left + load<i32>(at, 28)) }

/** Are windows of 2×2 pixels laid side by side from the first pixel on? */
// @ts-ignore: decorator
@inline export function sideBySide(at: usize): bool {
  return load<i32>(at, 24) == 2 && load<i32>(at, 28) == 2 && load<i32>(at, 32) == 2 && load<i32>(at, 36) == 2 && (load<i32>(at, 40) | load<i32>(at, 44)) == 0
}

/** The first output row whose windows hold image row y, or one beyond y's. */
export function firstRow(at: usize, y: i32): i32 {
  const stride = load<i32>(at, 32), before = y + load<i32>(at, 40) - load<i32>(at, 24)
  return before < 0 ? 0 : before / stride + 1
}

/** One after the last output row whose windows hold image row y. */
export function endRow(at: usize, y: i32): i32 {
  return min(outHeightOf(at), (y + load<i32>(at, 40)) / load<i32>(at, 32) + 1)
}
