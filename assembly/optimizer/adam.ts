// f32_adam: Adam (Kingma and Ba 2015, with the bias corrections moved into the rate as their section 2 says) and AdamW (Loshchilov and
// Hutter 2019), as Keras writes them. Roundings, in order:
//
//   r = *rate·rateScale, *rate = lr·√(1−β₂ᵗ)/(1−β₁ᵗ)   g' = clipped(g)
//   decay ≠ 0:  w = w − (w·decay)·(*decayRate·rateScale)
//   m = flushed(m + (g' − m)·oneMinusBeta1)
//   v = flushed(v + (g'·g' − v)·oneMinusBeta2)
//   w = w − (m·r) / (√v + ε)
//
// Two vectors a turn: eight square roots and divisions, which no formula of less rounding has fewer of, are what it waits for.
import { clipped, flushed, pieceAt, rateOf, segmentAt } from './piece'

export function f32_adam(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (!load<u32>(load<usize>(d, 24))) return
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), offset = load<usize>(piece, 4), segment = load<i32>(piece, 12)
    const g = load<usize>(d, 8) + offset, m = load<usize>(d, 12) + offset, v = load<usize>(d, 16) + offset
    const w = load<usize>(piece), length = load<i32>(piece, 8), whole = length & ~7
    update(d, segment, w, g, m, v, whole)
    if (length != whole) tail(d, segment, w + (whole << 2), g + (whole << 2), m + (whole << 2), v + (whole << 2), <usize>(length - whole) << 2, scratch)
  }
}

/** `length` is a multiple of 8. */
function update(d: usize, segment: i32, w: usize, g: usize, m: usize, v: usize, length: i32): void {
  if (load<f32>(segmentAt(d, segment), 4) != 0) decay(d, segmentAt(d, segment), w, length)
  const factor = load<f32>(load<usize>(d, 20) + (<usize>segment << 2)), limit = load<f32>(d, 28)
  if (factor == 1 && limit == Infinity) move(false, d, segment, 1, limit, w, g, m, v, length)
  else move(true, d, segment, factor, limit, w, g, m, v, length)
}

/** clips: does `clipped` do anything? */
// @ts-ignore: decorator
@inline function move(clips: bool, d: usize, segment: i32, factor: f32, limit: f32, w: usize, g: usize, m: usize, v: usize, length: i32): void {
  const alpha = v128.load32_splat(d, 40), beta = v128.load32_splat(d, 44), epsilon = v128.load32_splat(d, 48)
  const rate = f32x4.splat(rateOf(load<usize>(d, 32), segmentAt(d, segment)))
  const f = f32x4.splat(factor), low = f32x4.splat(-limit), high = f32x4.splat(limit)
  // One pointer and three distances: fewer additions, and as fast on older engines as on new ones.
  const toM = m - g, toV = v - g, toW = w - g
  for (const stop = g + (<usize>length << 2); g < stop; g += 32) {
    const mAt = g + toM, vAt = g + toV, wAt = g + toW
    let x0 = v128.load(g), x1 = v128.load(g, 16)
    if (clips) { x0 = clipped(x0, f, low, high); x1 = clipped(x1, f, low, high) }
    const m0 = flushed(toward(v128.load(mAt), x0, alpha)), m1 = flushed(toward(v128.load(mAt, 16), x1, alpha))
    const v0 = small(toward(v128.load(vAt), f32x4.mul(x0, x0), beta)), v1 = small(toward(v128.load(vAt, 16), f32x4.mul(x1, x1), beta))
    v128.store(mAt, m0)
    v128.store(mAt, m1, 16)
    v128.store(vAt, v0)
    v128.store(vAt, v1, 16)
    const s0 = f32x4.div(f32x4.mul(m0, rate), f32x4.add(f32x4.sqrt(v0), epsilon)), s1 = f32x4.div(f32x4.mul(m1, rate), f32x4.add(f32x4.sqrt(v1), epsilon))
    v128.store(wAt, f32x4.sub(v128.load(wAt), s0))
    v128.store(wAt, f32x4.sub(v128.load(wAt, 16), s1), 16)
  }
}

/** state + (x − state)·part */
// @ts-ignore: decorator
@inline function toward(state: v128, x: v128, part: v128): v128 { return f32x4.add(state, f32x4.mul(f32x4.sub(x, state), part)) }

/** `flushed` of a mean of squares, which is never negative: each rounding of v + (x² − v)·part is monotonic. An instruction less counts. */
// @ts-ignore: decorator
@inline function small(v: v128): v128 { return v128.andnot(v, f32x4.lt(v, f32x4.splat(1.1754943508222875e-38))) }

function decay(d: usize, segment: usize, w: usize, length: i32): void {
  const part = v128.load32_splat(segment, 4), rate = f32x4.splat(rateOf(load<usize>(d, 36), segment))
  for (; length > 0; length -= 4, w += 16) {
    const x = v128.load(w)
    v128.store(w, f32x4.sub(x, f32x4.mul(f32x4.mul(x, part), rate)))
  }
}

/** The last 1 to 7 elements of a piece, in scratch, beside zeros. */
function tail(d: usize, segment: i32, w: usize, g: usize, m: usize, v: usize, bytes: usize, scratch: usize): void {
  memory.fill(scratch, 0, 128)
  memory.copy(scratch, w, bytes)
  memory.copy(scratch + 32, g, bytes)
  memory.copy(scratch + 64, m, bytes)
  memory.copy(scratch + 96, v, bytes)
  update(d, segment, scratch, scratch + 32, scratch + 64, scratch + 96, 8)
  memory.copy(w, scratch, bytes)
  memory.copy(m, scratch + 64, bytes)
  memory.copy(v, scratch + 96, bytes)
}
