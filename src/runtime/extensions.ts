// Modules beside the kernel binary. Each imports a store's memory, has no data of its own, and computes some of the kernels faster, to the same
// bits. A module comes in only when its test has passed (int8.ts), and then takes its kernels' places in every store.
import { RuntimeError } from '../core/errors.js'
import type { KernelName } from '../compiler/kernels.js'
import type { Kernel } from './binary.js'
import type { Store } from './store.js'

export interface Extension {
  readonly name: string
  /** the kernels that it exports */
  readonly kernels: readonly KernelName[]
  readonly module: WebAssembly.Module
  /** what `module` was compiled from */
  readonly bytes: Uint8Array<ArrayBuffer>
}

const accepted: Extension[] = []
/** how many of them a store has */
const applied = /* @__PURE__ */ new WeakMap<Store, number>()

/** The modules that have been accepted, in order: what everyone who instantiates the kernels for a store's memory needs besides the binary. */
export const extensions = (): readonly Extension[] => accepted

/** Accepts a module, for all stores. */
export function accept(extension: Extension): void { accepted.push(extension) }

/** The kernels of a module on a memory. */
export function instantiateExtension({ name, kernels, module }: Pick<Extension, 'name' | 'kernels' | 'module'>, memory: WebAssembly.Memory): ReadonlyMap<KernelName, Kernel> {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return new Map(kernels.map((kernel) => {
    const f = exports[kernel]
    if (typeof f !== 'function') throw new RuntimeError(`equigrad: the module ${name} lacks ${kernel}`)
    return [kernel, f as Kernel]
  }))
}

/** Gives a store the modules that have been accepted since it was last asked. */
export function extend(store: Store): Store {
  const from = applied.get(store) ?? 0
  for (const extension of accepted.slice(from)) store.replace((memory) => instantiateExtension(extension, memory))
  if (from < accepted.length) applied.set(store, accepted.length)
  return store
}
