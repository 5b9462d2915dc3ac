// Modules beside the kernel binary (binary.ts). A module comes in only when its test has passed (int8.ts), and then takes its kernels' places in
// every store, on all lanes.
import type { KernelModule } from './binary.js'
import type { Store } from './store.js'

const accepted: KernelModule[] = []
/** how many of them a store has */
const applied = /* @__PURE__ */ new WeakMap<Store, number>()

/** Accepts a module, for all stores. */
export function accept(module: KernelModule): void { accepted.push(module) }

/** Gives a store the modules that have been accepted since it was last asked. */
export function extend(store: Store): Store {
  const from = applied.get(store) ?? 0
  for (const module of accepted.slice(from)) store.replace(module)
  if (from < accepted.length) applied.set(store, accepted.length)
  return store
}
