// f32_random: random numbers for initialisers. Element i has the words w0 … w3 of Philox at counter (i, attempt, 0, 0).
//
//   uniform          a + u·(b − a), u = ⌊w0 / 2⁸⌋·2⁻²⁴ in [0, 1), each operation rounded to f32; the last rounding may give b itself.
//   normal           f32(a + b·z) with, in f64, z = √(−2·log u₁)·cos(2π·u₂) (Box and Muller 1958),
//                    u₁ = (⌊w0 / 2⁵⌋·2²⁶ + ⌊w1 / 2⁶⌋ + 1)·2⁻⁵³ in (0, 1], u₂ = (⌊w2 / 2⁵⌋·2²⁶ + ⌊w3 / 2⁶⌋)·2⁻⁵³ in [0, 1).
//                    |z| ≤ √(106·log 2) < 8.6. The sine of the pair is not used: element i stands alone.
//   truncatedNormal  the same, of the first attempt 0, 1, … whose |z| < 2.
import { ELEMENTS, Random } from '../codes'
import { f64_cos, log } from '../math/f64'
import { loadKey, philoxPair } from './philox'

export function f32_random(d: usize, scratch: usize, begin: i32, end: i32): void {
  const y = load<usize>(d, 0), kind = load<i32>(d, 8), key = loadKey(load<usize>(d, 12))
  const a = load<f32>(d, 16), b = load<f32>(d, 20)
  const first = begin * ELEMENTS, last = min(load<i32>(d, 4), end * ELEMENTS)
  if (kind == Random.uniform) uniforms(y, first, last, key, a, b, scratch)
  else normals(y, first, last, key, a, b, kind == Random.truncatedNormal, scratch)
}

/** Two elements at a time: the words of counters (i, 0, 0, 0) and (i + 1, 0, 0, 0). */
function uniforms(y: usize, first: i32, last: i32, key: v128, a: f32, b: f32, scratch: usize): void {
  for (let i = first; i < last; i += 2) {
    philoxPair(i32x4.add(v128.and(i32x4.splat(i), i32x4(-1, 0, -1, 0)), i32x4(0, 0, 1, 0)), i32x4.splat(0), key, scratch)
    store<f32>(y + (<usize>i << 2), uniform(scratch, a, b))
    if (i + 1 < last) store<f32>(y + (<usize>i << 2), uniform(scratch + 16, a, b), 4)
  }
}

function uniform(words: usize, a: f32, b: f32): f32 { return a + <f32>(load<u32>(words) >> 8) / <f32>16777216 * (b - a) }

function normals(y: usize, first: i32, last: i32, key: v128, a: f32, b: f32, truncated: bool, scratch: usize): void {
  for (let i = first; i < last; i++) store<f32>(y + (<usize>i << 2), <f32>(<f64>a + <f64>b * normal(i, key, truncated, scratch)))
}

/** Two attempts at a time: the words of counters (i, attempt, 0, 0) and (i, attempt + 1, 0, 0). */
function normal(i: i32, key: v128, truncated: bool, scratch: usize): f64 {
  const even = v128.and(i32x4.splat(i), i32x4(-1, 0, -1, 0))
  let odd = i32x4(0, 0, 1, 0)
  while (true) {
    philoxPair(even, odd, key, scratch)
    const z = boxMuller(scratch)
    if (!truncated || abs<f64>(z) < 2) return z
    const next = boxMuller(scratch + 16)
    if (abs<f64>(next) < 2) return next
    odd = i32x4.add(odd, i32x4(2, 0, 2, 0))
  }
}

function boxMuller(words: usize): f64 {
  const u1 = (bits53(words) + 1) / 9007199254740992, u2 = bits53(words + 8) / 9007199254740992
  return sqrt<f64>(-2 * log(u1)) * f64_cos(2 * NativeMath.PI * u2)
}

/** The upper 27 bits of one word and the upper 26 of the next: an integer below 2⁵³. */
function bits53(words: usize): f64 { return <f64>(load<u32>(words) >> 5) * 67108864 + <f64>(load<u32>(words, 4) >> 6) }
