// Which integer product quantised models run on: the faster one (relaxed/int8.ts) is loaded when a quantised model is made or waited for, and then
// takes its kernels' places in every store, on all lanes.
import { Beside } from './beside.js'
import type { Store } from './store.js'

/** Which integer product quantised models run on. The bits are the same; only speed differs. */
export interface Int8Runtime {
  /** 'relaxed': one instruction for sums of four products; 'i16': baseline SIMD, which runs everywhere */
  readonly path: 'relaxed' | 'i16'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

/** the module's name */
export const INT8 = 'int8'

const int8 = /* @__PURE__ */ new Beside(INT8, ['qs8_pack_u7', 'qs8_gemm_u7'], () => import('./relaxed/int8.js'),
  ({ computesIntegers }, { qs8_pack_u7: pack, qs8_gemm_u7: product }, { memory }) => computesIntegers({ pack, product }, memory))

/** What quantised models run on now. */
export function int8Runtime(): Int8Runtime {
  const { found = 'int8: the faster kernels were not asked for (loadInt8)' } = int8
  return typeof found === 'string' ? { path: 'i16', reason: found } : { path: 'relaxed', reason: '' }
}

/** Gives a store the faster kernels, if they have come. */
export function extend(store: Store): Store {
  if (typeof int8.found === 'object') store.replace(int8.found)
  return store
}

/**
 * Loads the faster integer kernels where the engine has relaxed SIMD and computes it right; `quantize` does so by itself. Worth waiting for once
 * before quantised models are loaded: models predict the same bits without it.
 *
 * @returns which kernels models that have not predicted yet will run on, and why; never rejects
 * @example
 * const { path, reason } = await loadInt8()
 */
export async function loadInt8(): Promise<Int8Runtime> {
  await int8.loaded()
  return int8Runtime()
}
