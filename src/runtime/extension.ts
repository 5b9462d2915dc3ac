// A module beside the kernel binary: it imports a store's memory, has no data of its own, and exports some of the kernels.
import { RuntimeError } from '../core/errors.js'
import type { KernelName } from '../compiler/kernels.js'
import type { Kernel } from './binary.js'

export interface Extension {
  readonly name: string
  /** the kernels that it exports */
  readonly kernels: readonly KernelName[]
  readonly module: WebAssembly.Module
  /** what `module` was compiled from */
  readonly bytes: Uint8Array<ArrayBuffer>
}

/** The kernels of a module on a memory. */
export function instantiateExtension({ name, kernels, module }: Pick<Extension, 'name' | 'kernels' | 'module'>, memory: WebAssembly.Memory): ReadonlyMap<KernelName, Kernel> {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  return new Map(kernels.map((kernel) => {
    const f = exports[kernel]
    if (typeof f !== 'function') throw new RuntimeError(`equigrad: the module ${name} lacks ${kernel}`)
    return [kernel, f as Kernel]
  }))
}
