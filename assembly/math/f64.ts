// Scalar f64 functions, for random numbers, schedules and bias corrections: those must not use Math (law 2). Each is below 1 ulp, and to the bit what the
// C library musl computes without tables: its exp.c, log.c, cos.c and pow.c come from FreeBSD's msun.
//
//   Copyright (C) 1993, 2004 by Sun Microsystems, Inc. All rights reserved.
//   Permission to use, copy, modify, and distribute this software is freely granted, provided that this notice is preserved.
//
// Bounds of unexpected digits are where the originals, which compare upper halves of numbers, change from one formula to another.

// @ts-ignore: decorator
@inline const LN2_HIGH: f64 = 6.93147180369123816490e-01
// @ts-ignore: decorator
@inline const LN2_LOW: f64 = 1.90821492927058770002e-10
// @ts-ignore: decorator
@inline const LOG2_E: f64 = 1.44269504088896338700

/** x without the lower half of its bits: products of two such numbers are exact. */
// @ts-ignore: decorator
@inline function short(x: f64): f64 { return reinterpret<f64>(reinterpret<i64>(x) & 0xFFFFFFFF00000000) }

/** x + ½, or x − ½ of a negative x: cut off, the nearest whole number. */
// @ts-ignore: decorator
@inline function halfBeyond(x: f64): f64 { return x + copysign<f64>(0.5, x) }

/** y·2ⁿ, −1991 ≤ n ≤ 2046: in two steps, of which only the last may round. */
function scaled(y: f64, n: i32): f64 {
  if (n > 1023) {
    y *= 8.98846567431158e307
    n -= 1023
  } else if (n < -1022) {
    y *= 2.004168360008973e-292
    n += 969
  }
  return y * reinterpret<f64>(<i64>(1023 + n) << 52)
}

/** eˣ = 2ⁿ·eʳ, |r| ≤ ½·ln 2. */
export function f64_exp(x: f64): f64 {
  if (x > 709.782712893383973096) return Infinity
  if (x < -745.13321910194110842) return 0
  if (!(abs<f64>(x) >= 3.725293851175593e-9)) return 1 + x
  const n = abs<f64>(x) >= 0.3465735912322998 ? <i32>halfBeyond(LOG2_E * x) : 0
  const high = x - n * LN2_HIGH, low = n * LN2_LOW, r = high - low
  const s = r * r, q = s * s
  const c = r - (s * 1.66666666666666019037e-01 + q * ((-2.77777777770155933842e-03 + s * 6.61375632143793436117e-05) + q * (-1.65339022054652515390e-06 + s * 4.13813679705723846039e-08)))
  return scaled(1 + (r * c / (2 - c) - low + high), n)
}

/** log x = n·ln 2 + log(1 + f), √½ ≤ 1 + f < √2, of a normal x > 0. */
export function log(x: f64): f64 {
  const bits = reinterpret<i64>(x) + (<i64>(0x3FF00000 - 0x3FE6A09E) << 32)
  const n = <f64>(<i32>(bits >> 52) - 1023)
  const f = reinterpret<f64>((bits & 0x000FFFFFFFFFFFFF) + (<i64>0x3FE6A09E << 32)) - 1
  const half = 0.5 * f * f, s = f / (2 + f), z = s * s, w = z * z
  const even = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01))
  const odd = z * (6.666666666666735130e-01 + w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)))
  return s * (half + (odd + even)) + n * LN2_LOW - half + f + n * LN2_HIGH
}

/** cos x for |x| < 1 647 099, which is about 2²⁰·π/2; NaN beyond, where a quadrant would take hundreds of digits of π to find. */
export function f64_cos(x: f64): f64 {
  if (!(abs<f64>(x) < 1647099)) return NaN
  // x = n·π/2 + y + tail, by as many parts of π/2 as leave enough digits of y.
  const n = abs<f64>(x) < 0.7853984832763672 ? 0 : nearest<f64>(x * 6.36619772367581382433e-01)
  let from = x - n * 1.57079632673412561417e+00, less = n * 6.07710050650619224932e-11
  let y = from - less
  if (lost(x, y) > 16) {
    const before = from
    less = n * 6.07710050630396597660e-11
    from = before - less
    less = n * 2.02226624879595063154e-21 - ((before - from) - less)
    y = from - less
    if (lost(x, y) > 49) {
      const before = from
      less = n * 2.02226624871116645580e-21
      from = before - less
      less = n * 8.47842766036889956997e-32 - ((before - from) - less)
      y = from - less
    }
  }
  const tail = (from - y) - less, quadrant = <i32>n
  const z = y * y, w = z * z
  let cosine: f64
  if (quadrant & 1) {
    const r = 8.33333333332248946124e-03 + z * (-1.98412698298579493134e-04 + z * 2.75573137070700676789e-06) + z * w * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)
    const v = z * y
    cosine = y - ((z * (0.5 * tail - v * r) - tail) - v * -1.66666666666666324348e-01)
  } else {
    const r = z * (4.16666666666666019037e-02 + z * (-1.38888888888741095749e-03 + z * 2.48015872894767294178e-05)) + w * w * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))
    const half = 0.5 * z, one = 1 - half
    cosine = one + (((1 - one) - half) + (z * r - y * tail))
  }
  return (quadrant + 1) & 2 ? -cosine : cosine
}

/** Binary digits that y is smaller than x by. */
// @ts-ignore: decorator
@inline function lost(x: f64, y: f64): i32 { return (<i32>(reinterpret<u64>(x) >> 52) & 0x7ff) - (<i32>(reinterpret<u64>(y) >> 52) & 0x7ff) }

/** xʸ as ECMAScript defines it: NaN for 1 to the power of ±∞. The logarithm has 21 digits more than a f64, in two parts. */
export function f64_pow(x: f64, y: f64): f64 {
  if (y == 2) return x * x
  if (y == 1) return x
  if (y == 0) return 1
  if (y == -1) return 1 / x
  if (y == 0.5) return x == -Infinity ? Infinity : abs<f64>(sqrt<f64>(x))
  let a = abs<f64>(x)
  if (x != x || !(abs<f64>(y) < Infinity)) return max<f64>(0, (a - 1) * y)
  const half = 0.5 * y, sign = trunc<f64>(y) == y && trunc<f64>(half) != half ? copysign<f64>(1, x) : 1
  if (a == 0 || a == Infinity) return sign * (y < 0 ? 1 / a : a)
  if (x < 0 && trunc<f64>(y) != y) return NaN

  // log₂ a = high + low
  let high: f64, low: f64
  if (abs<f64>(y) >= 2147485696 && a >= 0.9999995231628418 && a < 1.0000009536743164) {
    const t = a - 1, w = (t * t) * (0.5 - t * (0.3333333333333333333333 - t * 0.25))
    const u = 1.44269502162933349609e+00 * t, v = t * 1.92596299112661746887e-08 - w * LOG2_E
    high = short(u + v)
    low = v - (high - u)
  } else {
    let n = -1023
    if (a < 2.2250738585072014e-308) {
      a *= 9007199254740992
      n -= 53
    }
    const bits = reinterpret<i64>(a), j = <i32>(bits >> 32) & 0xFFFFF
    n += <i32>(bits >> 52)
    // a = 2ⁿ·m, m near 1 or 1½
    let k = 0, top = j | 0x3FF00000
    if (j >= 0xBB67A) {
      n++
      top -= 0x00100000
    } else if (j > 0x3988E) k = 1
    const m = reinterpret<f64>((bits & 0xFFFFFFFF) | <i64>top << 32), base: f64 = k ? 1.5 : 1
    const u = m - base, v = 1 / (m + base), s = u * v, sHigh = short(s)
    const tHigh = reinterpret<f64>(<i64>(((top >> 1) | 0x20000000) + 0x00080000 + (k << 18)) << 32), tLow = m - (tHigh - base)
    const sLow = v * ((u - sHigh * tHigh) - sHigh * tLow)
    const s2 = s * s, h2 = sHigh * sHigh
    const r = s2 * s2 * (5.99999999999994648725e-01 + s2 * (4.28571428578550184252e-01 + s2 * (3.33333329818377432918e-01
      + s2 * (2.72728123808534006489e-01 + s2 * (2.30660745775561754067e-01 + s2 * 2.06975017800338417784e-01))))) + sLow * (sHigh + s)
    const cHigh = short(3 + h2 + r), cLow = r - ((cHigh - 3) - h2)
    const p = sHigh * cHigh, q = sLow * cHigh + cLow * s, pHigh = short(p + q), pLow = q - (pHigh - p)
    const zHigh = 9.61796700954437255859e-01 * pHigh
    const zLow = -7.02846165095275826516e-09 * pHigh + pLow * 9.61796693925975554329e-01 + (k ? 1.35003920212974897128e-08 : <f64>0)
    const baseHigh: f64 = k ? 5.84962487220764160156e-01 : 0, t = <f64>n
    high = short(((zHigh + zLow) + baseHigh) + t)
    low = zLow - (((high - t) - baseHigh) - zHigh)
  }

  // 2 to the power of y·log₂ a = pHigh + pLow
  const yHigh = short(y), pLow = (y - yHigh) * high + y * low
  let pHigh = yHigh * high
  const sum = pLow + pHigh
  if (sum > 1024 || (sum == 1024 && pLow + 8.0085662595372944372e-17 > sum - pHigh)) return sign * Infinity
  if (sum < -1075 || (sum == -1075 && pLow <= sum - pHigh)) return sign * 0
  const n = abs<f64>(sum) >= 0.5000004768371582 ? <i32>halfBeyond(sum) : 0
  pHigh -= n
  const t = short(pLow + pHigh), u = t * 6.93147182464599609375e-01
  const v = (pLow - (t - pHigh)) * 6.93147180559945286227e-01 + t * -1.90465429995776804525e-09
  const z = u + v, w = v - (z - u), z2 = z * z
  const c = z - z2 * (1.66666666666666019037e-01 + z2 * (-2.77777777770155933842e-03 + z2 * (6.61375632143793436117e-05 + z2 * (-1.65339022054652515390e-06 + z2 * 4.13813679705723846039e-08))))
  return sign * scaled(1 - (((z * c) / (c - 2) - (w + z * w)) - z), n)
}
