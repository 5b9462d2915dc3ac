// The memory of lanes, and the modules for it: the same bytes, but for the memory, which is imported and shared.

const HEADER = 8
const TYPES = 1, IMPORTS = 2, MEMORY = 5
/** limits of a memory that is shared and so has a maximum */
const SHARED = 3

/** Bytes of a page of memory, and most pages. */
export const PAGE = 65536
const MOST_PAGES = 65536

/** A shared memory of at least so many bytes, that may grow as far as the host lets it; or null. */
export function sharedMemory(bytes: number): WebAssembly.Memory | null {
  const pages = Math.ceil(bytes / PAGE)
  for (let most = MOST_PAGES; most >= pages; most = Math.floor(most / 2)) {
    try { return new WebAssembly.Memory({ initial: pages, maximum: most, shared: true }) } catch { /* fewer, then */ }
  }
  return null
}

/** An unsigned number as LEB128. */
const leb = (value: number): readonly number[] => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >>> 7)])

/** The number that LEB128 says at a place, and where it ends. */
function readLeb(bytes: Uint8Array, at: number): readonly [value: number, end: number] {
  const byte = bytes[at] ?? 0
  if (byte < 0x80) return [byte, at + 1]
  const [rest, end] = readLeb(bytes, at + 1)
  return [(byte & 0x7f) + rest * 0x80, end]
}

/**
 * A module whose one import is a memory with a maximum, for a memory that is shared.
 *
 * @param wasm - such a module
 */
export function withSharedImport(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(wasm)
  for (let at = HEADER; at < wasm.length;) {
    const [size, body] = readLeb(wasm, at + 1)
    if (wasm[at] === IMPORTS) {
      // Their number, two names, the kind, and then the limits' flags.
      const [module, first] = readLeb(wasm, body + 1)
      const [name, second] = readLeb(wasm, first + module)
      out[second + name + 1] = SHARED
    }
    at = body + size
  }
  return out
}

const text = (name: string): readonly number[] => [name.length, ...Array.from(name, (c) => c.charCodeAt(0))]

/**
 * A module that imports its memory, env.memory, shared.
 *
 * @param wasm - a module that makes its memory and imports nothing
 */
export function withSharedMemory(wasm: Uint8Array): Uint8Array<ArrayBuffer> {
  const parts: ArrayLike<number>[] = [wasm.subarray(0, HEADER)]
  let pages = 0
  for (let at = HEADER; at < wasm.length;) {
    const [size, body] = readLeb(wasm, at + 1)
    const id = wasm[at]
    // One memory: its number is 1, then come its flags and its first size.
    if (id === MEMORY) pages = readLeb(wasm, body + 2)[0]
    else parts.push(wasm.subarray(at, body + size))
    at = body + size
    if (id === TYPES) parts.push([])
  }
  const memory = [1, ...text('env'), ...text('memory'), 2, SHARED, ...leb(pages), ...leb(MOST_PAGES)]
  const place = parts.findIndex(({ length }) => length === 0)
  parts[place] = [IMPORTS, ...leb(memory.length), ...memory]
  const out = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  parts.reduce((at, part) => { out.set(part, at); return at + part.length }, 0)
  return out
}
