// Modules beside the kernel binary (binary.ts), of instructions that not every engine has: each is loaded with its test when it is asked for, and taken
// if it passes.
import type { KernelName } from '../compiler/kernels.js'
import { instantiate, kernelModule, kernelsOf, type Instance, type Kernel, type KernelModule } from './binary.js'
import { reasonOf } from './compile.js'
import { wasmOf, type WasmText } from './text.js'

export class Beside<Name extends KernelName, Part extends { readonly wasm: WasmText }> {
  /** what has come of loading: the module, or why there is none; undefined before */
  found: KernelModule<Name> | string | undefined
  #loading: Promise<KernelModule<Name> | string> | undefined

  /**
   * @param name - of its file, without `.wasm`
   * @param kernels - those that it has
   * @param load - an import of its part of the package
   * @param passes - are these kernels right? The instance, on whose memory they are, is the test's own.
   */
  constructor(readonly name: string, readonly kernels: readonly Name[], readonly load: () => Promise<Part>, readonly passes: (part: Part, kernels: Readonly<Record<Name, Kernel>>, instance: Instance) => boolean) {}

  /** Loads the module and tests it; never rejects. */
  loaded(): Promise<KernelModule<Name> | string> { return (this.#loading ??= this.#load()) }

  async #load(): Promise<KernelModule<Name> | string> {
    const { name } = this
    try {
      this.found = await this.#accepted(await this.load()) ?? `${name}: this engine computes relaxed SIMD wrong`
    } catch (error) {
      // What could not be fetched may be there next time.
      this.#loading = undefined
      this.found = `${name}: the faster kernels could not be loaded (${reasonOf(error)}); useKernels(…, { ${name} }) takes equigrad/${name}.wasm`
    }
    return this.found
  }

  /** The module, or why there is none, or null if it failed its test. */
  async #accepted(part: Part): Promise<KernelModule<Name> | string | null> {
    const module = await kernelModule(this.name, this.kernels, () => wasmOf(part.wasm))
    if (module === null) return `${this.name}: this engine has no relaxed SIMD`
    const instance = instantiate()
    return this.passes(part, kernelsOf(module, instance.memory), instance) ? module : null
  }
}
