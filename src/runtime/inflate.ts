// Modules as tools/wasm.mjs writes them, back as bytes.
import { inflateSync } from 'fflate'

/** @param text - the module, deflated, in base64 @param length - bytes that it inflates to */
export const inflated = (text: string, length: number): Uint8Array<ArrayBuffer> =>
  new Uint8Array(inflateSync(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)), { out: new Uint8Array(length) }))
