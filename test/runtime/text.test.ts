// Texts of modules give back their bytes: any byte, frequent or not, first or last; and hold no character that quotes, a template or a page would take.
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, it } from 'vitest'
import { wasmOf } from '../../src/runtime/text.js'

const { textOf } = (await import(pathToFileURL(resolve('tools/wasm-text.mjs')).href)) as { readonly textOf: (bytes: Uint8Array) => string }

const mixed = (length: number, symbols: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 16) % symbols)
const modules: readonly Uint8Array[] = [
  new Uint8Array(0), Uint8Array.of(0), Uint8Array.of(255), new Uint8Array(70_000), mixed(1000, 256), mixed(100_000, 256), mixed(50_000, 3), mixed(300, 2),
  Uint8Array.from({ length: 256 }, (_, i) => i), Uint8Array.from({ length: 256 }, (_, i) => 255 - i), Uint8Array.from({ length: 90_000 }, (_, i) => (i % 777) ^ (i >> 11)),
]
it('gives back what was written', () => {
  for (const bytes of modules) expect(Buffer.from(wasmOf({ length: bytes.length, text: textOf(bytes) })).equals(bytes)).toBe(true)
})
it('a text is of characters that no quotes, template or page takes for its own', () => {
  for (const bytes of modules) expect(textOf(bytes)).toMatch(/^[!#%&(-;=-[\]-_a-~]{172,}$/)
})
