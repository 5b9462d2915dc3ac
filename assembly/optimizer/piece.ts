// What the optimizer kernels share: the tables that an update walks, the gradient as an update sees it, and law 9.
//
// The first words of every descriptor are `pieces segments g`. A piece is { w: address, offset: bytes into g and the states, length, segment }.
// A segment is { rate scale, decay, l1, l2: f32, first piece, end piece }.
// Updates take whole vectors; the last 1 to 3 elements of a piece pass through scratch, as one vector, by the same code.
import { loadTail, storeTail } from '../lanes'

// @ts-ignore: decorator
@inline export function pieceAt(d: usize, tile: i32): usize { return load<usize>(d, 0) + (<usize>tile << 4) }

// @ts-ignore: decorator
@inline export function segmentAt(d: usize, segment: i32): usize { return load<usize>(d, 4) + <usize>segment * 24 }

/** r = *rate·rate scale: the rate of one segment. */
// @ts-ignore: decorator
@inline export function rateOf(rate: usize, segment: usize): f32 { return load<f32>(rate) * load<f32>(segment) }

/**
 * g' = clamp(g·factor, low, high), low = −high; high = ∞ clamps nothing. The pseudo-minimum is one instruction and returns its first operand when
 * that is NaN.
 */
// @ts-ignore: decorator
@inline export function clipped(g: v128, factor: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(f32x4.mul(g, factor), low), high)
}

/** Law 9: below 2⁻¹²⁶ in magnitude, +0. NaN stays. */
// @ts-ignore: decorator
@inline export function flushed(state: v128): v128 {
  return v128.andnot(state, f32x4.lt(f32x4.abs(state), f32x4.splat(1.1754943508222875e-38)))
}

/** Copies the last `count` elements at p, 1 to 3, into a vector at `to`. */
export function stage(p: usize, to: usize, count: i32): void { v128.store(to, loadTail(p, count)) }

/** And back. */
export function unstage(p: usize, from: usize, count: i32): void { storeTail(p, v128.load(from), count) }
