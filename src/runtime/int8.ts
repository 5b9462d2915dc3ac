// Which integer product quantised models run on: the faster one (relaxed/int8.ts) is loaded when a quantised model is made or waited for.
import { accept } from './extensions.js'

/** Which integer product quantised models run on. The bits are the same; only speed differs. */
export interface Int8Runtime {
  /** 'relaxed': one instruction for sums of four products; 'i16': baseline SIMD, which runs everywhere */
  readonly path: 'relaxed' | 'i16'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

/** the module's name */
export const INT8 = 'int8'
const i16 = (reason: string): Int8Runtime => ({ path: 'i16', reason })

let state: Int8Runtime = i16('int8: the faster kernels were not asked for (loadInt8)')
let loading: Promise<Int8Runtime> | undefined

/** What quantised models run on now. */
export const int8Runtime = (): Int8Runtime => state

/**
 * Loads the faster integer kernels where the engine has relaxed SIMD and computes it right; `quantize` does so by itself. Worth waiting for once
 * before quantised models are loaded: models predict the same bits without it.
 *
 * @returns which kernels models that have not predicted yet will run on, and why; never rejects
 * @example
 * const { path, reason } = await loadInt8()
 */
export function loadInt8(): Promise<Int8Runtime> { return (loading ??= load()) }

async function load(): Promise<Int8Runtime> {
  try {
    const { acceptable } = await import('./relaxed/int8.js')
    const module = await acceptable(INT8)
    if (typeof module !== 'string') accept(module)
    state = typeof module === 'string' ? i16(module) : { path: 'relaxed', reason: '' }
  } catch (error) {
    // What could not be fetched may be there next time.
    loading = undefined
    state = i16(`int8: the faster kernels could not be loaded (${error instanceof Error ? error.message : String(error)}); useKernels(…, { int8 }) takes equigrad/int8.wasm`)
  }
  return state
}
