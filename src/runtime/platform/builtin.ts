// What Node, Deno and Bun have built in and a page has not, got without an import that a bundler would follow.

interface Zlib { inflateRawSync?(data: Uint8Array): Uint8Array }
interface Process { getBuiltinModule?(name: string): Zlib | undefined }

/** Inflates a raw deflate stream by the host's own code, which is there at once; null where it has none. */
export function builtinInflate(data: Uint8Array): Uint8Array<ArrayBuffer> | null {
  try {
    const { process } = globalThis as { readonly process?: Process }
    const made = process?.getBuiltinModule?.('zlib')?.inflateRawSync?.(data)
    return made === undefined ? null : new Uint8Array(made)
  } catch {
    return null
  }
}
