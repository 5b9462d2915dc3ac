// Which integer product quantised models run on: the faster one (relaxed/int8.ts) is loaded when a quantised model is made or waited for.
import { givenModule, kernelModule, kernelsOf } from './binary.js'
import { isBytes } from './compile.js'
import { accept } from './extensions.js'
import { wasmOf } from './text.js'

/** Which integer product quantised models run on. The bits are the same; only speed differs. */
export interface Int8Runtime {
  /** 'relaxed': one instruction for sums of four products; 'i16': baseline SIMD, which runs everywhere */
  readonly path: 'relaxed' | 'i16'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

const PACK = 'qs8_pack_u7', PRODUCT = 'qs8_gemm_u7'
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
    state = await acceptRelaxed(await import('./relaxed/int8.js'))
  } catch (error) {
    // What could not be fetched may be there next time.
    loading = undefined
    state = i16(`int8: the faster kernels could not be loaded (${error instanceof Error ? error.message : String(error)}); useKernels(…, { int8 }) takes equigrad/int8.wasm`)
  }
  return state
}

async function acceptRelaxed({ wasm, computesIntegers }: typeof import('./relaxed/int8.js')): Promise<Int8Runtime> {
  const source = givenModule(INT8) ?? wasmOf(wasm)
  if (isBytes(source) && !WebAssembly.validate(source)) return i16('int8: this engine has no relaxed SIMD')
  const module = await kernelModule(INT8, [PACK, PRODUCT], source)
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const kernels = kernelsOf(module, memory), pack = kernels.get(PACK), product = kernels.get(PRODUCT)
  if (pack === undefined || product === undefined || !computesIntegers({ pack, product }, memory)) return i16('int8: this engine computes relaxed dot products wrong')
  accept(module)
  return { path: 'relaxed', reason: '' }
}
