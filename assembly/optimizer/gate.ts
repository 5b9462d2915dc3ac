// What happens between the gradients and the update: regularisation, the check that all is finite, the norms, the clip factors.
import { Clip } from '../codes'
import { pieceAt, segmentAt, stage, unstage } from './piece'

/**
 * For one piece, g += (2·l2)·w + l1·sign(w), the sum of both terms rounded before it is added; nothing where l1 = l2 = 0.
 * partial = { Σ g², l2·Σ w² + l1·Σ |w| } in f64; the second is +0 where l1 = l2 = 0. Where no norm is asked for, the first is +0, or NaN when an
 * element is not finite: a third of the time.
 */
export function f32_regularize(d: usize, scratch: usize, begin: i32, end: i32): void {
  const partials = load<usize>(d, 12), norms = load<u32>(d, 16) != 0
  for (let tile = begin; tile < end; tile++) {
    const piece = pieceAt(d, tile), segment = segmentAt(d, load<i32>(piece, 12))
    const w = load<usize>(piece, 0), g = load<usize>(d, 8) + load<usize>(piece, 4), length = load<i32>(piece, 8)
    const l1 = load<f32>(segment, 8), l2 = load<f32>(segment, 12)
    let penalty: f64 = 0
    if (l1 != 0 || l2 != 0) {
      penalize(g, w, length, l1, l2, scratch)
      penalty = <f64>l2 * squares(w, length, scratch) + <f64>l1 * magnitudes(w, length, scratch)
    }
    const partial = partials + (<usize>tile << 4)
    store<f64>(partial, norms ? squares(g, length, scratch) : check(g, length, scratch))
    store<f64>(partial, penalty, 8)
  }
}

/** g += (2·l2)·w + l1·sign(w), sign(±0) = ±0. NaN in w stays through the first term, also where l2 = 0. */
function penalize(g: usize, w: usize, length: i32, l1: f32, l2: f32, scratch: usize): void {
  const a = f32x4.splat(2 * l2), b = f32x4.splat(l1)
  for (; length >= 4; length -= 4, g += 16, w += 16) {
    const x = v128.load(w)
    v128.store(g, f32x4.add(v128.load(g), f32x4.add(f32x4.mul(a, x), f32x4.mul(b, sign(x)))))
  }
  if (length == 0) return
  stage(g, scratch, length)
  stage(w, scratch + 16, length)
  penalize(scratch, scratch + 16, 4, l1, l2, scratch)
  unstage(g, scratch, length)
}

// @ts-ignore: decorator
@inline function sign(x: v128): v128 {
  const one = v128.and(f32x4.splat(1), f32x4.ne(x, f32x4.splat(0)))
  return v128.or(one, v128.and(x, f32x4.splat(-0.0)))
}

/** Σ x²; a square is exact in f64. */
function squares(x: usize, length: i32, scratch: usize): f64 { return sum(x, length, true, scratch) }

/** Σ |x| */
function magnitudes(x: usize, length: i32, scratch: usize): f64 { return sum(x, length, false, scratch) }

/** Eight interleaved accumulators, ascending from +0, added as ((0+4)+(2+6))+((1+5)+(3+7)). The end of a piece is padded with +0 in scratch. */
// @ts-ignore: decorator
@inline function sum(x: usize, length: i32, square: bool, scratch: usize): f64 {
  let a = f64x2.splat(0), b = a, c = a, d = a
  for (; length > 0; length -= 8, x += 32) {
    if (length < 8) x = padded(x, length, scratch)
    const low = v128.load(x), high = v128.load(x, 16)
    a = f64x2.add(a, term(low, square))
    b = f64x2.add(b, term(v128.shuffle<f32>(low, low, 2, 3, 0, 1), square))
    c = f64x2.add(c, term(high, square))
    d = f64x2.add(d, term(v128.shuffle<f32>(high, high, 2, 3, 0, 1), square))
  }
  const two = f64x2.add(f64x2.add(a, c), f64x2.add(b, d))
  return f64x2.extract_lane(two, 0) + f64x2.extract_lane(two, 1)
}

/** +0, or NaN when one of the elements is not finite: x − x is +0 of those that are, NaN of the others. */
function check(x: usize, length: i32, scratch: usize): f64 {
  let a = i32x4.splat(0), b = a
  for (; length >= 16; length -= 16, x += 64) {
    a = v128.or(a, v128.or(itself(x), itself(x + 16)))
    b = v128.or(b, v128.or(itself(x + 32), itself(x + 48)))
  }
  for (; length > 0; length -= 8, x += 32) {
    if (length < 8) x = padded(x, length, scratch)
    a = v128.or(a, v128.or(itself(x), itself(x + 16)))
  }
  return v128.any_true(v128.or(a, b)) ? f64.NaN : 0
}

// @ts-ignore: decorator
@inline function itself(p: usize): v128 {
  const x = v128.load(p)
  return f32x4.sub(x, x)
}

/** Two lanes. */
// @ts-ignore: decorator
@inline function term(x: v128, square: bool): v128 {
  const wide = f64x2.promote_low_f32x4(x)
  return square ? f64x2.mul(wide, wide) : f64x2.abs(wide)
}

/** The 1 to 7 floats at x, and +0, as 8 floats in scratch. */
function padded(x: usize, count: i32, scratch: usize): usize {
  memory.fill(scratch, 0, 32)
  memory.copy(scratch, x, <usize>count << 2)
  return scratch
}

/** The sums over all pieces, the ok word, the clip factors. One tile. */
export function f32_gate(d: usize, scratch: usize, begin: i32, end: i32): void {
  if (begin >= end) return
  const segments = load<usize>(d, 0), count = load<i32>(d, 4), partial = load<usize>(d, 8), totals = load<usize>(d, 36)
  const clip = load<i32>(d, 28)
  let total: f64 = 0, penalty: f64 = 0
  for (let s = 0; s < count; s++) {
    const segment = segments + <usize>s * 24
    const own = pieces(segment, partial, 0)
    total += own
    penalty += pieces(segment, partial, 8)
    setFactor(d, s, clip == Clip.norm ? sqrt<f64>(own) : 0)
  }
  const norm = sqrt<f64>(total)
  if (clip == Clip.globalNorm) for (let s = 0; s < count; s++) setFactor(d, s, norm)
  const ok = finite(total) && sumsFinite(load<usize>(d, 20), load<i32>(d, 24), 8) && sumsFinite(load<usize>(d, 40), load<i32>(d, 44), 16)
  store<u32>(load<usize>(d, 16), ok ? 1 : 0)
  store<f64>(totals, norm)
  store<f64>(totals, penalty, 8)
}

/** Σ of one word of the partials of a segment's pieces, ascending. */
function pieces(segment: usize, partial: usize, word: usize): f64 {
  let total: f64 = 0
  for (let p = load<i32>(segment, 16), last = load<i32>(segment, 20); p < last; p++) total += load<f64>(partial + (<usize>p << 4) + word)
  return total
}

/** factor[s] = limit / norm, in f64, rounded once, where the norm exceeds the limit, else 1. */
function setFactor(d: usize, s: i32, norm: f64): void {
  const limit = <f64>load<f32>(d, 32)
  store<f32>(load<usize>(d, 12) + (<usize>s << 2), norm > limit ? <f32>(limit / norm) : 1)
}

function finite(x: f64): bool { return abs<f64>(x) <= f64.MAX_VALUE }

/** Are f64 that lie `step` bytes apart finite? */
function sumsFinite(sums: usize, count: i32, step: usize): bool {
  for (; count > 0; count--, sums += step) if (!finite(load<f64>(sums))) return false
  return true
}
