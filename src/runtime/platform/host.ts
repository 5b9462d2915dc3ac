// What a host has for lanes. What differs between hosts ends here.

interface System { availableParallelism?(): number }
interface Process { readonly getBuiltinModule?: (name: string) => unknown }

/** A module of the host, where it is like Node: without an import that a bundle for a page would trip over. In Next's edge runtime Node's functions are there, and throw. */
function builtin(name: string): unknown {
  const { process } = globalThis as { readonly process?: Process }
  try { return process?.getBuiltinModule?.(name) } catch { return undefined }
}

/** Processors that this process may use. */
export function cores(): number {
  const { navigator } = globalThis as { readonly navigator?: { readonly hardwareConcurrency?: number } }
  return (builtin('node:os') as System | undefined)?.availableParallelism?.() ?? navigator?.hardwareConcurrency ?? 1
}

/** Its module of threads, or undefined where there is none. */
export const threads = (): unknown => builtin('node:worker_threads')

/** Why this host has no lanes, or null. */
export function lacking(): string | null {
  if (typeof SharedArrayBuffer === 'undefined') return 'no SharedArrayBuffer: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  if (threads() === undefined && (typeof Worker === 'undefined' || typeof Blob === 'undefined')) return 'no workers'
  return null
}

/** May this thread wait for others? The main thread of a page may not. */
export function mayWait(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0)
    return true
  } catch {
    return false
  }
}
