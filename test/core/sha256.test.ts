// SHA-256 against Node's own: every length around a block's end, in pieces cut anywhere.
import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { sha256Hex } from '../../src/core/hash.js'
import { Sha256 } from '../../src/core/sha256.js'

const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)
const expected = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

it('of every length', () => {
  for (const length of [...Array.from({ length: 200 }, (_, i) => i), 1000, 4096, 100_000]) expect(sha256Hex(bytes(length))).toBe(expected(bytes(length)))
})
it('in pieces', () => {
  const data = bytes(777)
  for (let step = 1; step < 200; step += 3) {
    const hash = new Sha256()
    for (let at = 0; at < data.length; at += step) hash.update(data.subarray(at, at + step))
    expect(Buffer.from(hash.digest()).toString('hex')).toBe(expected(data))
  }
})
it('of texts, as UTF-8', () => {
  expect(sha256Hex('größer ', '🙂')).toBe(expected(new TextEncoder().encode('größer 🙂')))
})
