// Modules beside the kernel binary. Each imports a store's memory, has no data of its own, and computes some of the kernels faster, to the same
// bits. A module comes in only when its test has passed (int8.ts), and then takes its kernels' places in every store.
import { instantiateExtension, type Extension } from './extension.js'
import type { Store } from './store.js'

const accepted: Extension[] = []
/** how many of them a store has */
const applied = /* @__PURE__ */ new WeakMap<Store, number>()

/** The modules that have been accepted, in order: what everyone who instantiates the kernels for a store's memory needs besides the binary. */
export const extensions = (): readonly Extension[] => accepted

/** Accepts a module, for all stores. */
export function accept(extension: Extension): void { accepted.push(extension) }

/** Gives a store the modules that have been accepted since it was last asked. */
export function extend(store: Store): Store {
  const from = applied.get(store) ?? 0
  for (const extension of accepted.slice(from)) store.replace((memory) => instantiateExtension(extension, memory))
  if (from < accepted.length) applied.set(store, accepted.length)
  return store
}
