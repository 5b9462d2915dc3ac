// Modules as tools/wasm.mjs writes them, back as bytes: base64, and deflate (RFC 1951) of streams that are ours, without the checks that others' need.
import { RuntimeError } from '../core/errors.js'
import { builtinInflate } from './platform/builtin.js'

/** @param text - the module, deflated, in base64 @param length - bytes that it inflates to */
export function inflated(text: string, length: number): Uint8Array<ArrayBuffer> {
  // By a loop: through Uint8Array.from this was the longest part of a first prediction.
  const binary = atob(text), bytes = new Uint8Array(binary.length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  return builtinInflate(bytes) ?? inflate(bytes, length)
}

/** Codes of at most so many bits are looked up. */
const QUICK = 10

/** A canonical Huffman code: how many codes have each length, and their symbols in the order of codes; symbol · 16 + length by the next bits of the stream, or 0. */
interface Code { readonly counts: Uint16Array; readonly symbols: Uint16Array; readonly quick: Uint16Array }

function codeOf(lengths: Uint8Array): Code {
  const counts = new Uint16Array(16), next = new Uint16Array(16), codes = new Uint16Array(16), symbols = new Uint16Array(lengths.length), quick = new Uint16Array(1 << QUICK)
  for (let s = 0; s < lengths.length; s++) counts[lengths[s] ?? 0] = (counts[lengths[s] ?? 0] ?? 0) + 1
  counts[0] = 0
  for (let n = 1; n < 15; n++) {
    next[n + 1] = (next[n] ?? 0) + (counts[n] ?? 0)
    codes[n + 1] = ((codes[n] ?? 0) + (counts[n] ?? 0)) << 1
  }
  for (let s = 0; s < lengths.length; s++) {
    const n = lengths[s] ?? 0, at = next[n] ?? 0, code = codes[n] ?? 0
    if (n === 0) continue
    symbols[at] = s
    next[n] = at + 1
    codes[n] = code + 1
    if (n > QUICK) continue
    // A stream has a code's first bit first.
    let reversed = 0
    for (let i = 0; i < n; i++) reversed |= ((code >> i) & 1) << (n - 1 - i)
    for (; reversed < 1 << QUICK; reversed += 1 << n) quick[reversed] = (s << 4) | n
  }
  return { counts, symbols, quick }
}

/** Lengths of 3 to 258 and distances from 1 on: the first of each code's, by the bits that follow it (3.2.5). */
function basesOf(codes: number, first: number, bitsOf: (code: number) => number): Uint16Array {
  const bases = new Uint16Array(codes)
  for (let code = 0, base = first; code < codes; base += 1 << bitsOf(code++)) bases[code] = base
  return bases
}
const lengthBits = (code: number): number => (code < 8 || code === 28 ? 0 : (code >> 2) - 1)
const distanceBits = (code: number): number => (code < 4 ? 0 : (code >> 1) - 1)
/** In which order the lengths of the code for lengths come. */
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

/**
 * Inflates a raw deflate stream.
 *
 * @param length - of what it inflates to
 */
export function inflate(data: Uint8Array, length: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(length), lengths = basesOf(29, 3, lengthBits), distances = basesOf(30, 1, distanceBits)
  lengths[28] = 258
  let at = 0, held = 0, count = 0, end = 0
  /** Holds 25 bits or more, zeros behind the end. */
  const fill = (): void => {
    for (; count <= 24; count += 8) held |= (data[at++] ?? 0) << count
  }
  const bits = (n: number): number => {
    fill()
    const value = held & ((1 << n) - 1)
    held >>>= n
    count -= n
    return value
  }
  const symbol = ({ counts, symbols, quick }: Code): number => {
    fill()
    const known = quick[held & ((1 << QUICK) - 1)] ?? 0
    if (known !== 0) {
      held >>>= known & 15
      count -= known & 15
      return known >> 4
    }
    for (let n = 1, code = 0, first = 0, index = 0; n < 16; n++) {
      code |= (held >>> (n - 1)) & 1
      const codes = counts[n] ?? 0
      if (code - codes < first) {
        held >>>= n
        count -= n
        return symbols[index + code - first] ?? 0
      }
      index += codes
      first = (first + codes) << 1
      code <<= 1
    }
    throw new RuntimeError('equigrad: a module is damaged')
  }
  const readCodes = (): readonly [Code, Code] => {
    const literals = bits(5) + 257, total = literals + bits(5) + 1, some = bits(4) + 4
    const own = new Uint8Array(19), all = new Uint8Array(total)
    for (let i = 0; i < some; i++) own[ORDER[i] ?? 0] = bits(3)
    const code = codeOf(own)
    for (let i = 0; i < total;) {
      const s = symbol(code)
      if (s < 16) { all[i++] = s; continue }
      const value = s === 16 ? all[i - 1] ?? 0 : 0
      const last = i + (s === 16 ? 3 + bits(2) : s === 17 ? 3 + bits(3) : 11 + bits(7))
      all.fill(value, i, last)
      i = last
    }
    return [codeOf(all.subarray(0, literals)), codeOf(all.subarray(literals))]
  }
  const fixedCodes = (): readonly [Code, Code] => {
    const all = new Uint8Array(288).fill(8)
    all.fill(9, 144, 256).fill(7, 256, 280)
    return [codeOf(all), codeOf(new Uint8Array(30).fill(5))]
  }
  for (let last = 0; last === 0;) {
    last = bits(1)
    const kind = bits(2)
    if (kind === 0) {
      // Whole bytes that are held are given back.
      at -= count >> 3
      count = held = 0
      const stored = (data[at] ?? 0) | ((data[at + 1] ?? 0) << 8)
      out.set(data.subarray(at + 4, at + 4 + stored), end)
      at += 4 + stored
      end += stored
      continue
    }
    const [literals, far] = kind === 1 ? fixedCodes() : readCodes()
    for (let s = symbol(literals); s !== 256; s = symbol(literals)) {
      if (s < 256) { out[end++] = s; continue }
      const stop = end + (lengths[s - 257] ?? 0) + bits(lengthBits(s - 257))
      const code = symbol(far), back = (distances[code] ?? 0) + bits(distanceBits(code))
      for (; end < stop; end++) out[end] = out[end - back] ?? 0
    }
  }
  return out
}
