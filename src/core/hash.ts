// SHA-256 in hexadecimal, and a canonical JSON to hash.
import { Sha256 } from './sha256.js'

/** Bytes in hexadecimal. */
export const hex = (bytes: Uint8Array): string => Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('')

/** SHA-256 of some bytes, or of several pieces one after the other. */
export function sha256(...pieces: readonly (Uint8Array | string)[]): Uint8Array<ArrayBuffer> {
  const hash = new Sha256()
  for (const piece of pieces) hash.update(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece)
  return hash.digest()
}

/** The same in hexadecimal. */
export const sha256Hex = (...pieces: readonly (Uint8Array | string)[]): string => hex(sha256(...pieces))

/** JSON that keeps −0, ±∞ and NaN: as strings that begin with #; a string that begins so itself gets one more. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) => {
    if (typeof v === 'string') return v.startsWith('#') ? `#${v}` : v
    if (typeof v !== 'number' || (Number.isFinite(v) && !Object.is(v, -0))) return v
    return `#${Object.is(v, -0) ? '-0' : String(v)}`
  })
}

/** The inverse of {@link toJson}. */
export function fromJson(text: string): unknown {
  const special: Readonly<Record<string, number>> = { '#-0': -0, '#Infinity': Infinity, '#-Infinity': -Infinity, '#NaN': NaN }
  return JSON.parse(text, (_, v: unknown) => {
    if (typeof v !== 'string' || !v.startsWith('#')) return v
    return v.startsWith('##') ? v.slice(1) : special[v] ?? v
  })
}
