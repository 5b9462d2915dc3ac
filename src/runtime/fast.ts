// Whether the f32 products by the relaxed multiply-add (relaxed/fast.ts) are there, for stores that asked for them.
import { KC, PANEL, SCRATCH_BYTES } from '../compiler/kernels.js'
import { NO_ACTIVATION } from '../core/codes.js'
import { givenModule, instantiate, kernelModule, kernelsOf, type KernelModule } from './binary.js'
import { isBytes } from './compile.js'
import { wasmOf } from './text.js'

/** Whether a store's f32 products run by the relaxed multiply-add. */
export interface FastRuntime {
  /** 'relaxed': the bits may differ between hosts; 'baseline': they do not */
  readonly path: 'relaxed' | 'baseline'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

const KERNELS = ['f32_gemm', 'f32_conv'] as const

/** What has come of loading: the module, or why there is none; undefined before. */
let found: KernelModule | string | undefined
let loading: Promise<KernelModule | string> | undefined

/** The module if it has been loaded and accepted, why it was not, or undefined when nobody has asked. */
export const fastModule = (): KernelModule | string | undefined => found

/** Loads the module and tests it; never rejects. */
export function loadFast(): Promise<KernelModule | string> { return (loading ??= load()) }

async function load(): Promise<KernelModule | string> {
  try {
    found = await accepted(await import('./relaxed/fast.js'))
  } catch (error) {
    // What could not be fetched may be there next time.
    loading = undefined
    return `fast: the kernels could not be loaded (${error instanceof Error ? error.message : String(error)}); useKernels(…, { fast }) takes equigrad/fast.wasm`
  }
  return found
}

async function accepted({ wasm, agrees }: typeof import('./relaxed/fast.js')): Promise<KernelModule | string> {
  const source = givenModule('fast') ?? wasmOf(wasm)
  if (isBytes(source) && !WebAssembly.validate(source)) return 'fast: this engine has no relaxed SIMD'
  const module = await kernelModule('fast', KERNELS, source)
  const instance = instantiate()
  const kernels = kernelsOf(module, instance.memory)
  const right = KERNELS.every((name) => { const kernel = kernels.get(name); return kernel !== undefined && agrees(instance, name, kernel, { KC, PANEL, SCRATCH_BYTES, NO_ACTIVATION }) })
  return right ? module : 'fast: this engine computes relaxed multiply-adds wrong'
}
