// The limits of one core's loads and stores: what the speed of a kernel that streams is divided by. Every function repeats its work `rounds` times.

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

/** Writes `bytes` (a multiple of 128) from `to` on. */
export function write(rounds: i32, to: usize, bytes: i32): void {
  for (; rounds > 0; rounds--) {
    const x = i32x4.splat(rounds)
    for (let p = to, stop = to + <usize>bytes; p < stop; p += 128) {
      v128.store(p, x, 0); v128.store(p, x, 16); v128.store(p, x, 32); v128.store(p, x, 48)
      v128.store(p, x, 64); v128.store(p, x, 80); v128.store(p, x, 96); v128.store(p, x, 112)
    }
  }
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
