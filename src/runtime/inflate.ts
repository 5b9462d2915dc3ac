// Modules as tools/wasm.mjs writes them, back as bytes.
import { inflateSync } from 'fflate'

/** @param text - the module, deflated, in base64 @param length - bytes that it inflates to */
export function inflated(text: string, length: number): Uint8Array<ArrayBuffer> {
  // By a loop: through Uint8Array.from this was the longest part of a first prediction.
  const binary = atob(text), bytes = new Uint8Array(binary.length), out = new Uint8Array(length)
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i)
  inflateSync(bytes, { out })
  return out
}
