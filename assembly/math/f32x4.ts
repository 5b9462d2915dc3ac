// Elementary functions on four f32 lanes: polynomials of multiplications and additions, no branches, no fused operations, no tables.
//
// Ranges are reduced exactly (ln 2 in two parts whose first has trailing zeros), exponents are made by integer operations, and an exponent
// that may leave the normal range is applied in two halves, so that denormal results are rounded and large ones overflow to ∞.
// NaN in gives NaN out. "n ulp" at a function is its largest error in units in the last place of the exact result, measured against f64 over
// every f32 with 2⁻²⁸ ≤ |x| < 110 (log: 2⁻⁵ ≤ x < 32); test/kernels/math.test.ts holds it over 4.2 million patterns of all exponents.
// Polynomials: Cephes single precision (S. L. Moshier, expf.c and logf.c).

/**
 * ln 2 = LN2_HIGH + LN2_LOW; the first has 12 bits, so that its product with an exponent is exact. Both are positive: the remainder of
 * x = −0, where k = +0, is then −0.
 */
// @ts-ignore: decorator
@inline const LN2_HIGH: f32 = 0.693115234375
// @ts-ignore: decorator
@inline const LN2_LOW: f32 = 0.000031946184945309
// @ts-ignore: decorator
@inline const LOG2_E: f32 = 1.4426950408889634
/** 1.5·2²³: adding it rounds to an integer (ties to even) and leaves that integer in the last bits. */
// @ts-ignore: decorator
@inline const ROUNDER: f32 = 12582912
// @ts-ignore: decorator
@inline const SQRT2: f32 = 1.4142135623730951

// @ts-ignore: decorator
@inline function constant(x: f32): v128 { return f32x4.splat(x) }

/** p·x + c */
// @ts-ignore: decorator
@inline function step(p: v128, x: v128, c: f32): v128 { return f32x4.add(f32x4.mul(p, x), constant(c)) }

/** 2ᵏ for integers −126 ≤ k ≤ 127. */
// @ts-ignore: decorator
@inline function powerOf2(k: v128): v128 { return i32x4.shl(i32x4.add(k, i32x4.splat(127)), 23) }

/** The sign bit of every lane. */
// @ts-ignore: decorator
@inline function signOf(x: v128): v128 { return v128.and(x, i32x4.splat(0x80000000)) }

/** ROUNDER + k, k the integer nearest to x / ln 2. */
// @ts-ignore: decorator
@inline function roundedExponent(x: v128): v128 { return f32x4.add(f32x4.mul(x, constant(LOG2_E)), constant(ROUNDER)) }

/** That k as an integer. */
// @ts-ignore: decorator
@inline function exponentOf(rounded: v128): v128 { return i32x4.sub(rounded, constant(ROUNDER)) }

/** x − k·ln 2, in ±ln 2 / 2. */
// @ts-ignore: decorator
@inline function remainderOf(x: v128, rounded: v128): v128 {
  const k = f32x4.sub(rounded, constant(ROUNDER))
  return f32x4.sub(f32x4.sub(x, f32x4.mul(k, constant(LN2_HIGH))), f32x4.mul(k, constant(LN2_LOW)))
}

/** exp(r) − 1 for |r| ≤ ln 2 / 2: r + r²·P(r). */
// @ts-ignore: decorator
@inline function expm1Reduced(r: v128): v128 {
  let p = constant(1.9875691500e-4)
  p = step(p, r, 1.3981999507e-3)
  p = step(p, r, 8.3334519073e-3)
  p = step(p, r, 4.1665795894e-2)
  p = step(p, r, 1.6666665459e-1)
  p = step(p, r, 5.0000001201e-1)
  return f32x4.add(f32x4.mul(p, f32x4.mul(r, r)), r)
}

/** max(x, low) and min(x, high) that keep NaN in x: the operand order of pmax and pmin gives x where the comparison fails. */
// @ts-ignore: decorator
@inline function notBelow(x: v128, low: f32): v128 { return f32x4.pmax(x, constant(low)) }
// @ts-ignore: decorator
@inline function notAbove(x: v128, high: f32): v128 { return f32x4.pmin(x, constant(high)) }

/** eˣ = 2ᵏ·exp(r), −104 ≤ x ≤ 89. */
// @ts-ignore: decorator
@inline function expWithin(x: v128): v128 {
  const rounded = roundedExponent(x)
  const k = exponentOf(rounded)
  const half = i32x4.shr_s(k, 1)
  const y = f32x4.add(expm1Reduced(remainderOf(x, rounded)), constant(1))
  return f32x4.mul(f32x4.mul(y, powerOf2(half)), powerOf2(i32x4.sub(k, half)))
}

/** eˣ. Beyond the range of the method it is 0 or ∞, as at its ends. 0.99 ulp. */
// @ts-ignore: decorator
@inline export function exp(x: v128): v128 { return expWithin(notAbove(notBelow(x, -104), 89)) }

/** exp(−|x|) */
// @ts-ignore: decorator
@inline function expNegAbs(x: v128): v128 { return expWithin(notBelow(f32x4.neg(f32x4.abs(x)), -104)) }

/** eˣ − 1 for x ≤ 0: 2ᵏ·expm1(r) + (2ᵏ − 1). −0 stays; below the clamped range the result is −1. 0.95 ulp. */
// @ts-ignore: decorator
@inline export function expm1OfNegative(x: v128): v128 {
  const within = notBelow(x, -18)
  const rounded = roundedExponent(within)
  const scale = powerOf2(exponentOf(rounded))
  const y = f32x4.add(f32x4.mul(scale, expm1Reduced(remainderOf(within, rounded))), f32x4.sub(scale, constant(1)))
  return v128.or(y, signOf(x))
}

/** log(1 + f) + k·ln 2 for √½ − 1 ≤ f < √2 − 1: f − f²/2 + f³·P(f), small terms first. */
// @ts-ignore: decorator
@inline function logReduced(f: v128, k: v128): v128 {
  const square = f32x4.mul(f, f)
  let p = constant(7.0376836292e-2)
  p = step(p, f, -1.1514610310e-1)
  p = step(p, f, 1.1676998740e-1)
  p = step(p, f, -1.2420140846e-1)
  p = step(p, f, 1.4249322787e-1)
  p = step(p, f, -1.6668057665e-1)
  p = step(p, f, 2.0000714765e-1)
  p = step(p, f, -2.4999993993e-1)
  p = step(p, f, 3.3333331174e-1)
  let y = f32x4.mul(f32x4.mul(p, f), square)
  y = f32x4.add(y, f32x4.mul(k, constant(LN2_LOW)))
  y = f32x4.sub(y, f32x4.mul(square, constant(0.5)))
  return f32x4.add(f32x4.add(f, y), f32x4.mul(k, constant(LN2_HIGH)))
}

/** log x = k·ln 2 + log(1 + f), x = 2ᵏ·(1 + f). ±0 → −∞, x < 0 → NaN. 0.83 ulp. */
// @ts-ignore: decorator
@inline export function log(x: v128): v128 {
  const tiny = f32x4.lt(x, constant(1.1754943508222875e-38))
  // A denormal is scaled by 2²³. Adding 1 − √½ to the exponent field's place puts the cut between two exponents at √½ (musl logf.c).
  const scaled = v128.bitselect(f32x4.mul(x, constant(8388608)), x, tiny)
  const bits = i32x4.add(scaled, i32x4.splat(0x3f800000 - 0x3f3504f3))
  const exponent = i32x4.sub(i32x4.shr_s(bits, 23), v128.bitselect(i32x4.splat(127 + 23), i32x4.splat(127), tiny))
  const mantissa = i32x4.add(v128.and(bits, i32x4.splat(0x007fffff)), i32x4.splat(0x3f3504f3))
  const y = logReduced(f32x4.sub(mantissa, constant(1)), f32x4.convert_i32x4_s(exponent))
  const regular = v128.and(f32x4.gt(x, constant(0)), f32x4.lt(x, constant(Infinity)))
  const zeroOrNaN = v128.bitselect(constant(-Infinity), constant(NaN), f32x4.eq(x, constant(0)))
  return v128.bitselect(y, v128.bitselect(zeroOrNaN, x, f32x4.le(x, constant(0))), regular)
}

/** log(1 + exp(−|x|)), in (0, ln 2]. With e = exp(−|x|) ≤ 1, 1 + e = 1 + f or 2·(1 + f), where f is exact in the first case. */
// @ts-ignore: decorator
@inline export function log1pExpNegAbs(x: v128): v128 {
  const e = expNegAbs(x)
  const large = f32x4.gt(e, constant(SQRT2 - 1))
  const f = v128.bitselect(f32x4.sub(f32x4.mul(e, constant(0.5)), constant(0.5)), e, large)
  return logReduced(f, v128.and(constant(1), large))
}

/** x > 0 ? x : +0. The lanes that are not ≤ 0 stay, NaN among them. */
// @ts-ignore: decorator
@inline export function relu(x: v128): v128 { return v128.andnot(x, f32x4.le(x, constant(0))) }

/** log(1 + eˣ) = relu(x) + log(1 + exp(−|x|)): nothing cancels or overflows. 1.66 ulp. */
// @ts-ignore: decorator
@inline export function softplus(x: v128): v128 {
  return f32x4.add(relu(x), log1pExpNegAbs(x))
}

/** 1 / (1 + e⁻ˣ), as e / (1 + e) with e = eˣ where x < 0. 2.41 ulp. */
// @ts-ignore: decorator
@inline export function sigmoid(x: v128): v128 {
  const e = expNegAbs(x)
  const numerator = v128.bitselect(e, constant(1), f32x4.lt(x, constant(0)))
  return f32x4.div(numerator, f32x4.add(e, constant(1)))
}

/** tanh |x| = −t / (t + 2), t = expm1(−2·|x|): relative precision near 0, 1 in the tails. 2.50 ulp. */
// @ts-ignore: decorator
@inline export function tanh(x: v128): v128 {
  const t = expm1OfNegative(f32x4.mul(f32x4.abs(x), constant(-2)))
  return v128.or(f32x4.div(f32x4.abs(t), f32x4.add(t, constant(2))), signOf(x))
}
