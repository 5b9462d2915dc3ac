// SHA-256 (FIPS 180-4), synchronously: the host's own is asynchronous.

/** The first 64 primes. */
function primes(): readonly number[] {
  const found: number[] = []
  for (let n = 2; found.length < 64; n++) if (found.every((p) => n % p !== 0)) found.push(n)
  return found
}

/** First 32 bits of the fraction of a root, by Newton's steps from above: 2⁻⁴⁵ is near enough to each of those below, which FIPS 180-4 lists. */
function fraction(prime: number, step: (root: number) => number): number {
  let root = prime
  for (let i = 0; i < 32; i++) root -= step(root)
  return (root % 1) * 0x1_0000_0000
}

/** Of the square roots of the first 8 primes, and of the cube roots of the first 64 (4.2.2, 5.3.3). */
const START = /* @__PURE__ */ Int32Array.from(/* @__PURE__ */ primes().slice(0, 8), (p) => fraction(p, (r) => (r - p / r) / 2))
const ROUNDS = /* @__PURE__ */ Int32Array.from(/* @__PURE__ */ primes(), (p) => fraction(p, (r) => (r - p / (r * r)) / 3))

/** A hash of bytes that come piece by piece. */
export class Sha256 {
  readonly #state = START.slice()
  readonly #schedule = new Int32Array(64)
  /** bytes of a block that is not full */
  readonly #block = new Uint8Array(64)
  #held = 0
  #length = 0

  update(bytes: Uint8Array): void {
    this.#length += bytes.length
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + 64 - this.#held)
      this.#block.set(part, this.#held)
      at += part.length
      this.#held = (this.#held + part.length) % 64
      if (this.#held === 0) this.#mix()
    }
  }

  /** The 32 bytes of the hash; nothing may come after. */
  digest(): Uint8Array<ArrayBuffer> {
    const length = this.#length, out = new Uint8Array(32), view = new DataView(out.buffer)
    const end = new Uint8Array((this.#held < 56 ? 64 : 128) - this.#held), last = new DataView(end.buffer)
    end[0] = 0x80
    last.setUint32(end.length - 8, Math.floor(length / 0x2000_0000))
    last.setUint32(end.length - 4, length * 8)
    this.update(end)
    this.#state.forEach((word, i) => { view.setInt32(4 * i, word) })
    return out
  }

  #mix(): void {
    const w = this.#schedule, state = this.#state, bytes = this.#block
    for (let i = 0, at = 0; i < 16; i++, at += 4) w[i] = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15] ?? 0, y = w[i - 2] ?? 0
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3), s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10)
      w[i] = (w[i - 16] ?? 0) + s0 + (w[i - 7] ?? 0) + s1
    }
    let [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = state
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7)), s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10))
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + (ROUNDS[i] ?? 0) + (w[i] ?? 0)) | 0, t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0
      h = g
      g = f
      f = e
      e = (d + t1) | 0
      d = c
      c = b
      b = a
      a = (t1 + t2) | 0
    }
    ;[a, b, c, d, e, f, g, h].forEach((word, i) => { state[i] = (state[i] ?? 0) + word })
  }
}
