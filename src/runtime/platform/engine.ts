// What the engine's WebAssembly can do.

/** The smallest module with an instruction of 128 bits: i8x16.splat, whose result is dropped. */
const SPLAT = [0, 97, 115, 109, 1, 0, 0, 0, 1, 4, 1, 96, 0, 0, 3, 2, 1, 0, 10, 9, 1, 7, 0, 65, 0, 253, 15, 26, 11]

/** Does the engine run 128-bit SIMD? */
export const hasSimd = (): boolean => typeof WebAssembly !== 'undefined' && WebAssembly.validate(Uint8Array.from(SPLAT))

/** Most pages of a WebAssembly memory. */
const MOST_PAGES = 65536

/** Bytes of the largest memory that the host gives, of 4 GiB and its halves; it is let go at once, untouched. */
export function largestMemory(): number {
  for (let pages = MOST_PAGES; pages >= 16; pages /= 2) {
    try { return new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer.byteLength } catch { /* a smaller one may be had */ }
  }
  return 0
}
