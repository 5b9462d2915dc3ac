// Processors and threads of a host. What differs between hosts ends here, and in workers.ts.

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
