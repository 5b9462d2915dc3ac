// The limit of relaxed multiply-and-add, which may be one instruction: what `precision: 'fast'` could reach at most. Loops as in roofline.ts.

@inline
function mac(c: v128, x: v128, y: v128): v128 { return f32x4.relaxed_madd(x, y, c) }

/** 12 chains of c = x·c + x, x being 1; a round has 4 steps of 8 operations a chain. */
export function chains(rounds: i32, x: f32): f32 {
  const one = f32x4.splat(x)
  let c0 = f32x4.splat(x), c1 = f32x4.splat(x + 1), c2 = f32x4.splat(x + 2), c3 = f32x4.splat(x + 3), c4 = f32x4.splat(x + 4), c5 = f32x4.splat(x + 5)
  let c6 = f32x4.splat(x + 6), c7 = f32x4.splat(x + 7), c8 = f32x4.splat(x + 8), c9 = f32x4.splat(x + 9), c10 = f32x4.splat(x + 10), c11 = f32x4.splat(x + 11)
  for (; rounds > 0; rounds--) {
    for (let i = 0; i < 4; i++) {
      c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one); c5 = mac(one, c5, one)
      c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one); c10 = mac(one, c10, one); c11 = mac(one, c11, one)
    }
  }
  const s0 = f32x4.add(f32x4.add(f32x4.add(c0, c1), f32x4.add(c2, c3)), f32x4.add(c4, c5))
  return f32x4.extract_lane(f32x4.add(s0, f32x4.add(f32x4.add(f32x4.add(c6, c7), f32x4.add(c8, c9)), f32x4.add(c10, c11))), 0)
}

/** The 4×8 microkernel on packed operands in the L1 cache: 64·k operations a round. */
export function micro(rounds: i32, a: usize, b: usize, k: i32, out: usize): void {
  for (; rounds > 0; rounds--) {
    const zero = f32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    let p = a, q = b
    const stop = a + <usize>(16 * k)
    do {
      const b0 = v128.load(q, 0), b1 = v128.load(q, 16)
      let x = v128.load32_splat(p, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
      x = v128.load32_splat(p, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
      x = v128.load32_splat(p, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
      x = v128.load32_splat(p, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
      p += 16
      q += 32
    } while (p != stop)
    v128.store(out, c00, 0); v128.store(out, c01, 16); v128.store(out, c10, 32); v128.store(out, c11, 48)
    v128.store(out, c20, 64); v128.store(out, c21, 80); v128.store(out, c30, 96); v128.store(out, c31, 112)
  }
}
