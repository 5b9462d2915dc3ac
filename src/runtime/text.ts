// Modules as tools/wasm-text.mjs writes them, back as bytes.

/** The characters that no digit is. */
const NO_DIGITS = '"$\'<\\`'
/** Digits that are a byte alone; the two after them take another along. */
const ALONE = 86

/** A module: its bytes, and its digits behind its ALONE most frequent bytes in hexadecimal. */
export interface WasmText { readonly length: number; readonly text: string }

export function wasmOf({ length, text }: WasmText): Uint8Array<ArrayBuffer> {
  const values = new Uint8Array(256), places = new Uint8Array(128), frequent = new Set<number>(), bytes = new Uint8Array(length)
  for (let i = 0; i < ALONE; i++) frequent.add(parseInt(text.slice(2 * i, 2 * i + 2), 16))
  values.set([...frequent])
  for (let byte = 0, i = ALONE; byte < 256; byte++) if (!frequent.has(byte)) values[i++] = byte
  for (let code = 33, i = 0; code < 127; code++) if (!NO_DIGITS.includes(String.fromCharCode(code))) places[code] = i++
  for (let i = 2 * ALONE, at = 0, more = 0; i < text.length; i++) {
    const place = places[text.charCodeAt(i)] ?? 0
    if (place >= ALONE) { more = (place - ALONE + 1) * ALONE; continue }
    bytes[at++] = values[more + place] ?? 0
    more = 0
  }
  return bytes
}
