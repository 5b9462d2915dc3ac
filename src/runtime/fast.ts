// Whether the f32 products by the relaxed multiply-add (relaxed/fast.ts) are there, for stores that asked for them.
import type { KernelModule } from './binary.js'

/** Whether a store's f32 products run by the relaxed multiply-add. */
export interface FastRuntime {
  /** 'relaxed': the bits may differ between hosts; 'baseline': they do not */
  readonly path: 'relaxed' | 'baseline'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

/** What has come of loading: the module, or why there is none; undefined before. */
let found: KernelModule | string | undefined
let loading: Promise<KernelModule | string> | undefined

/** The module if it has been loaded and accepted, why it was not, or undefined when nobody has asked. */
export const fastModule = (): KernelModule | string | undefined => found

/** Loads the module and tests it; never rejects. */
export function loadFast(): Promise<KernelModule | string> { return (loading ??= load()) }

async function load(): Promise<KernelModule | string> {
  try {
    const { acceptable } = await import('./relaxed/fast.js')
    found = await acceptable()
  } catch (error) {
    // What could not be fetched may be there next time.
    loading = undefined
    return `fast: the kernels could not be loaded (${error instanceof Error ? error.message : String(error)}); useKernels(…, { fast }) takes equigrad/fast.wasm`
  }
  return found
}
