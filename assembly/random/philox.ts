// Philox4x32-10: J. K. Salmon et al., Parallel random numbers: as easy as 1, 2, 3 (SC 2011), section 4.3 and the Random123 library.
// A keyed bijection of 128-bit counters: four words of random bits for any counter, in any order. src/core/random.ts is the same for the host.

/** Two words of key at p, as the rounds use them: [k0, k1, k0, k1]. */
// @ts-ignore: decorator
@inline export function loadKey(p: usize): v128 { return v128.load64_splat(p) }

/**
 * The words of two counters a and b, given as even = [a0, a2, b0, b2] and odd = [a1, a3, b1, b3]; stores a0 … a3, b0 … b3 at out.
 *
 * A round: with hi0·2³² + lo0 = M0·c0 and hi1·2³² + lo1 = M1·c2, a counter becomes [hi1 ^ c1 ^ k0, lo1, hi0 ^ c3 ^ k1, lo0];
 * then k0 += W0 and k1 += W1.
 */
export function philoxPair(even: v128, odd: v128, key: v128, out: usize): void {
  const multipliers = i32x4(0xd2511f53, 0xcd9e8d57, 0xd2511f53, 0xcd9e8d57)
  for (let round = 0; round < 10; round++) {
    const a = i64x2.extmul_low_i32x4_u(even, multipliers), b = i64x2.extmul_high_i32x4_u(even, multipliers)
    // Both are [lo0, hi0, lo1, hi1].
    even = v128.xor(v128.xor(v128.shuffle<i32>(a, b, 3, 1, 7, 5), odd), key)
    odd = v128.shuffle<i32>(a, b, 2, 0, 6, 4)
    key = i32x4.add(key, i32x4(0x9e3779b9, 0xbb67ae85, 0x9e3779b9, 0xbb67ae85))
  }
  v128.store(out, v128.shuffle<i32>(even, odd, 0, 4, 1, 5))
  v128.store(out, v128.shuffle<i32>(even, odd, 2, 6, 3, 7), 16)
}
