// SHA-256 (FIPS 180-4), synchronously: the host's own is asynchronous.

/** First 32 bits of the fractions of the square roots of the first 8 primes, and of the cube roots of the first 64 (4.2.2, 5.3.3). */
const START = /* @__PURE__ */ Int32Array.of(0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19)
const ROUNDS = /* @__PURE__ */ Int32Array.of(
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
  0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
  0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
  0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
)

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
    let at = 0
    if (this.#held > 0) {
      at = Math.min(64 - this.#held, bytes.length)
      this.#block.set(bytes.subarray(0, at), this.#held)
      this.#held += at
      if (this.#held < 64) return
      this.#mix(this.#block, 0)
      this.#held = 0
    }
    for (; at + 64 <= bytes.length; at += 64) this.#mix(bytes, at)
    this.#block.set(bytes.subarray(at))
    this.#held = bytes.length - at
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

  #mix(bytes: Uint8Array, at: number): void {
    const w = this.#schedule, state = this.#state
    for (let i = 0; i < 16; i++, at += 4) w[i] = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
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
