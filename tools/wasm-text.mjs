// The bytes of a module as a text that gzip and brotli press as well as the bytes themselves: equal bytes are equal characters, so what repeats in the
// module repeats in the text. src/runtime/text.ts reads it.
//
// A digit is one of the 88 characters from ! to ~ that no quotes, template or page takes for its own. 86 digits are the module's most frequent bytes, by
// frequency; } and ~ take another digit along and are the other bytes, ascending. In front stand the frequent ones, two hexadecimal digits each.

const DIGITS = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i)).filter((c) => !'"$\'<\\`'.includes(c))
const ALONE = DIGITS.length - 2

/**
 * @param {Uint8Array} bytes
 * @returns {string}
 */
export function textOf(bytes) {
  const counts = new Uint32Array(256)
  for (const byte of bytes) counts[byte]++
  const all = [...counts.keys()], frequent = all.toSorted((a, b) => counts[b] - counts[a]).slice(0, ALONE)
  const digits = new Map([...frequent, ...all.filter((byte) => !frequent.includes(byte))]
    .map((byte, i) => [byte, i < ALONE ? DIGITS[i] : `${i < 2 * ALONE ? '}' : '~'}${DIGITS[i % ALONE]}`]))
  return frequent.map((byte) => byte.toString(16).padStart(2, '0')).join('') + Array.from(bytes, (byte) => digits.get(byte)).join('')
}
