// The limits of one core as WebAssembly reaches them: what the speed of a kernel is divided by. Every function repeats its work `rounds` times.

@inline
function mac(c: v128, x: v128, y: v128): v128 { return f32x4.add(c, f32x4.mul(x, y)) }

@inline
function add(x: v128, y: v128): v128 { return f32x4.add(x, y) }

/** Different beginnings, or equal chains might become one. */
@inline
function seed(i: i32, x: f32): v128 { return f32x4.splat(x + <f32>i) }

// Registers only: chains of c = c·x + x, x being 1 (which the compiler does not know: c stays finite). A round has 4 steps of 8 operations
// a chain. Few chains wait for their own results, many have no register left for the engine's use.

export function chains10(rounds: i32, x: f32): f32 {
  const one = f32x4.splat(x)
  let c0 = seed(0, x), c1 = seed(1, x), c2 = seed(2, x), c3 = seed(3, x), c4 = seed(4, x)
  let c5 = seed(5, x), c6 = seed(6, x), c7 = seed(7, x), c8 = seed(8, x), c9 = seed(9, x)
  for (; rounds > 0; rounds--) {
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
  }
  const s0 = add(add(add(add(c0, c1), c2), c3), c4)
  const s1 = add(add(add(add(c5, c6), c7), c8), c9)
  return f32x4.extract_lane(add(s0, s1), 0)
}

export function chains12(rounds: i32, x: f32): f32 {
  const one = f32x4.splat(x)
  let c0 = seed(0, x), c1 = seed(1, x), c2 = seed(2, x), c3 = seed(3, x)
  let c4 = seed(4, x), c5 = seed(5, x), c6 = seed(6, x), c7 = seed(7, x)
  let c8 = seed(8, x), c9 = seed(9, x), c10 = seed(10, x), c11 = seed(11, x)
  for (; rounds > 0; rounds--) {
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one)
    c4 = mac(one, c4, one); c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one)
    c8 = mac(one, c8, one); c9 = mac(one, c9, one); c10 = mac(one, c10, one); c11 = mac(one, c11, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one)
    c4 = mac(one, c4, one); c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one)
    c8 = mac(one, c8, one); c9 = mac(one, c9, one); c10 = mac(one, c10, one); c11 = mac(one, c11, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one)
    c4 = mac(one, c4, one); c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one)
    c8 = mac(one, c8, one); c9 = mac(one, c9, one); c10 = mac(one, c10, one); c11 = mac(one, c11, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one)
    c4 = mac(one, c4, one); c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one)
    c8 = mac(one, c8, one); c9 = mac(one, c9, one); c10 = mac(one, c10, one); c11 = mac(one, c11, one)
  }
  const s0 = add(add(add(c0, c1), c2), c3)
  const s1 = add(add(add(c4, c5), c6), c7)
  const s2 = add(add(add(c8, c9), c10), c11)
  return f32x4.extract_lane(add(add(s0, s1), s2), 0)
}

export function chains14(rounds: i32, x: f32): f32 {
  const one = f32x4.splat(x)
  let c0 = seed(0, x), c1 = seed(1, x), c2 = seed(2, x), c3 = seed(3, x), c4 = seed(4, x)
  let c5 = seed(5, x), c6 = seed(6, x), c7 = seed(7, x), c8 = seed(8, x), c9 = seed(9, x)
  let c10 = seed(10, x), c11 = seed(11, x), c12 = seed(12, x), c13 = seed(13, x)
  for (; rounds > 0; rounds--) {
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c10 = mac(one, c10, one); c11 = mac(one, c11, one); c12 = mac(one, c12, one); c13 = mac(one, c13, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c10 = mac(one, c10, one); c11 = mac(one, c11, one); c12 = mac(one, c12, one); c13 = mac(one, c13, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c10 = mac(one, c10, one); c11 = mac(one, c11, one); c12 = mac(one, c12, one); c13 = mac(one, c13, one)
    c0 = mac(one, c0, one); c1 = mac(one, c1, one); c2 = mac(one, c2, one); c3 = mac(one, c3, one); c4 = mac(one, c4, one)
    c5 = mac(one, c5, one); c6 = mac(one, c6, one); c7 = mac(one, c7, one); c8 = mac(one, c8, one); c9 = mac(one, c9, one)
    c10 = mac(one, c10, one); c11 = mac(one, c11, one); c12 = mac(one, c12, one); c13 = mac(one, c13, one)
  }
  const s0 = add(add(add(add(c0, c1), c2), c3), c4)
  const s1 = add(add(add(add(c5, c6), c7), c8), c9)
  const s2 = add(add(add(c10, c11), c12), c13)
  return f32x4.extract_lane(add(add(s0, s1), s2), 0)
}

// The 4×8 microkernel alone: a (k·4 floats) and b (k·8 floats) are packed and stay in the L1 cache. A round has 64·k operations. One step of k
// a turn is the faster loop where a core is ours, four steps (see assembly/gemm/micro.ts) where we share it with another thread.

export function micro1(rounds: i32, a: usize, b: usize, k: i32, out: usize): void {
  for (; rounds > 0; rounds--) {
    const zero = f32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    let b0: v128, b1: v128, x: v128
    let p = a, q = b
    const stop = a + <usize>(16 * k)
    do {
      b0 = v128.load(q, 0); b1 = v128.load(q, 16)
      x = v128.load32_splat(p, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
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

export function micro4(rounds: i32, a: usize, b: usize, k: i32, out: usize): void {
  for (; rounds > 0; rounds--) {
    const zero = f32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    let b0: v128, b1: v128, x: v128
    let p = a - 64, q = b - 128, count = k
    do {
      p += 64
      q += 128
      b0 = v128.load(q, 0); b1 = v128.load(q, 16)
      x = v128.load32_splat(p, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
      x = v128.load32_splat(p, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
      x = v128.load32_splat(p, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
      x = v128.load32_splat(p, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
      if (count == 1) break
      b0 = v128.load(q, 32); b1 = v128.load(q, 48)
      x = v128.load32_splat(p, 16); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
      x = v128.load32_splat(p, 20); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
      x = v128.load32_splat(p, 24); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
      x = v128.load32_splat(p, 28); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
      if (count == 2) break
      b0 = v128.load(q, 64); b1 = v128.load(q, 80)
      x = v128.load32_splat(p, 32); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
      x = v128.load32_splat(p, 36); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
      x = v128.load32_splat(p, 40); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
      x = v128.load32_splat(p, 44); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
      if (count == 3) break
      b0 = v128.load(q, 96); b1 = v128.load(q, 112)
      x = v128.load32_splat(p, 48); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
      x = v128.load32_splat(p, 52); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
      x = v128.load32_splat(p, 56); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
      x = v128.load32_splat(p, 60); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
      count -= 4
    } while (count)
    v128.store(out, c00, 0); v128.store(out, c01, 16); v128.store(out, c10, 32); v128.store(out, c11, 48)
    v128.store(out, c20, 64); v128.store(out, c21, 80); v128.store(out, c30, 96); v128.store(out, c31, 112)
  }
}

/** Reads `bytes` (a multiple of 128) from `from`. */
export function read(rounds: i32, from: usize, bytes: i32): i32 {
  let x0 = i32x4.splat(0), x1 = x0, x2 = x0, x3 = x0
  for (; rounds > 0; rounds--) {
    for (let p = from, stop = from + <usize>bytes; p < stop; p += 128) {
      x0 = v128.xor(x0, v128.xor(v128.load(p, 0), v128.load(p, 16)))
      x1 = v128.xor(x1, v128.xor(v128.load(p, 32), v128.load(p, 48)))
      x2 = v128.xor(x2, v128.xor(v128.load(p, 64), v128.load(p, 80)))
      x3 = v128.xor(x3, v128.xor(v128.load(p, 96), v128.load(p, 112)))
    }
  }
  return i32x4.extract_lane(v128.xor(v128.xor(x0, x1), v128.xor(x2, x3)), 0)
}

/** Copies `bytes` (a multiple of 64) from `from` to `to`: reads and writes that many. */
export function copy(rounds: i32, from: usize, to: usize, bytes: i32): void {
  const distance = to - from
  for (; rounds > 0; rounds--) {
    for (let p = from, stop = from + <usize>bytes; p < stop; p += 64) {
      const q = p + distance
      v128.store(q, v128.load(p, 0), 0)
      v128.store(q, v128.load(p, 16), 16)
      v128.store(q, v128.load(p, 32), 32)
      v128.store(q, v128.load(p, 48), 48)
    }
  }
}

/** Square roots and divisions of four numbers, one of each a step of a chain, eight chains that do not wait for each other: 8 pairs a round. */
export function roots(rounds: i32, x: f32): f32 {
  const one = f32x4.splat(x)
  let c0 = seed(1, x), c1 = seed(2, x), c2 = seed(3, x), c3 = seed(4, x), c4 = seed(5, x), c5 = seed(6, x), c6 = seed(7, x), c7 = seed(8, x)
  for (; rounds > 0; rounds--) {
    c0 = f32x4.div(one, f32x4.sqrt(c0)); c1 = f32x4.div(one, f32x4.sqrt(c1)); c2 = f32x4.div(one, f32x4.sqrt(c2)); c3 = f32x4.div(one, f32x4.sqrt(c3))
    c4 = f32x4.div(one, f32x4.sqrt(c4)); c5 = f32x4.div(one, f32x4.sqrt(c5)); c6 = f32x4.div(one, f32x4.sqrt(c6)); c7 = f32x4.div(one, f32x4.sqrt(c7))
  }
  return f32x4.extract_lane(add(add(add(c0, c1), add(c2, c3)), add(add(c4, c5), add(c6, c7))), 0)
}

/** What an update of Adam moves and no more: of four streams of `bytes` (a multiple of 16), `distance` apart, three are written. */
export function update(rounds: i32, from: usize, distance: usize, bytes: i32): void {
  for (; rounds > 0; rounds--) {
    for (let p = from, stop = from + <usize>bytes; p < stop; p += 16) {
      const q = p + distance, r = q + distance
      const x = v128.load(p)
      v128.store(q, v128.xor(x, v128.load(q)))
      v128.store(r, v128.xor(x, v128.load(r)))
      v128.store(r + distance, v128.xor(x, v128.load(r + distance)))
    }
  }
}
