// Our inflate against zlib's deflate: every level and strategy, stored, fixed and dynamic blocks, texts of every kind.
import { constants, deflateRawSync } from 'node:zlib'
import { expect, it } from 'vitest'
import { inflate, inflated } from '../../src/runtime/inflate.js'
import { builtinInflate } from '../../src/runtime/platform/builtin.js'

const noise = (length: number, symbols: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 16) % symbols)
const texts: readonly Uint8Array[] = [
  new Uint8Array(0), Uint8Array.of(7), new Uint8Array(70_000), noise(1000, 256), noise(100_000, 256), noise(50_000, 3), noise(300, 2),
  Uint8Array.from({ length: 90_000 }, (_, i) => (i % 777) ^ (i >> 11)),
]
it('gives back what was deflated', () => {
  for (const text of texts) {
    for (const level of [0, 1, 6, 9]) {
      for (const strategy of [constants.Z_DEFAULT_STRATEGY, constants.Z_FIXED, constants.Z_HUFFMAN_ONLY, constants.Z_RLE]) {
        const data = deflateRawSync(text, { level, strategy })
        expect(Buffer.from(inflate(data, text.length)).equals(text)).toBe(true)
        expect(Buffer.from(inflated(data.toString('base64'), text.length)).equals(text)).toBe(true)
      }
    }
  }
})
it('the host\'s own is used where there is one', () => {
  expect(builtinInflate(deflateRawSync(Uint8Array.of(1, 2, 3)))).toEqual(Uint8Array.of(1, 2, 3))
})
