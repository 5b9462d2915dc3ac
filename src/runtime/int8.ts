// The integer product by relaxed SIMD: loaded when a quantised model is made or waited for, accepted only if it computes what integers are.
import { PANEL } from '../compiler/kernels.js'
import { kernelModule, kernelsOf, type Kernel } from './binary.js'
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
    const { wasm } = await import('./int8.generated.js')
    state = await acceptRelaxed(wasmOf(wasm))
  } catch (error) {
    // What could not be fetched may be there next time.
    loading = undefined
    state = i16(`int8: the faster kernels could not be loaded (${error instanceof Error ? error.message : String(error)})`)
  }
  return state
}

async function acceptRelaxed(bytes: Uint8Array<ArrayBuffer>): Promise<Int8Runtime> {
  if (!WebAssembly.validate(bytes)) return i16('int8: this engine has no relaxed SIMD')
  const module = await kernelModule(INT8, [PACK, PRODUCT], bytes)
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 })
  const kernels = kernelsOf(module, memory), pack = kernels.get(PACK), product = kernels.get(PRODUCT)
  if (pack === undefined || product === undefined || !computesIntegers({ pack, product }, memory)) return i16('int8: this engine computes relaxed dot products wrong')
  accept(module)
  return { path: 'relaxed', reason: '' }
}

/** The kernels of a module that multiplies integers. */
export interface IntegerKernels { readonly pack: Kernel; readonly product: Kernel }

// Where the test puts its operands in a page of memory: the descriptors of both calls, A [m, k], W [k, n], offsets, multipliers, panels, C.
const [PACKING, DESCRIPTOR, A, W, OFFSET, MULTIPLIER, B, C] = [1024, 1088, 2048, 4096, 8192, 8448, 8704, 24576]
/** Four panels at once and one more: every loop of the module takes part, since an engine may have compiled one function well and another badly. */
const COLUMNS = 40
/** Of one row, of groups of four and of six. */
const ROW_COUNTS = [1, 4, 6]

/**
 * The known-answer test: products of which the terms are extreme, of all signs, and any, compared with plain integers.
 *
 * @param memory - of one page or more, which it writes over
 */
export function computesIntegers(kernels: IntegerKernels, memory: WebAssembly.Memory): boolean {
  const extremes = (i: number): number => [127, -127, 127, 127, -127, -127][i % 6] ?? 0
  const mixed = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) >>> 24) - 128
  return [4, 7, 16, 61].every((k) => ROW_COUNTS.every((m) => [
    isProduct(kernels, memory, m, k, () => 127, () => 127), isProduct(kernels, memory, m, k, () => 127, () => -127), isProduct(kernels, memory, m, k, (i) => (i % 3 === 0 ? 0 : 127), extremes),
    isProduct(kernels, memory, m, k, (i) => mixed(i) & 127, (i) => mixed(i + 1000)),
  ].every((right) => right)))
}

/** One product of m rows of activations and COLUMNS columns of weights, by the elements' index, as f32: below 2²⁴ these are the integers. */
function isProduct({ pack, product }: IntegerKernels, memory: WebAssembly.Memory, m: number, k: number, a: (i: number) => number, w: (i: number) => number): boolean {
  const view = new DataView(memory.buffer)
  new Uint8Array(memory.buffer, PACKING, C - PACKING).fill(0)
  for (let i = 0; i < m * k; i++) view.setUint8(A + i, a(i))
  for (let i = 0; i < k * COLUMNS; i++) view.setInt8(W + i, w(i))
  for (let j = 0; j < COLUMNS; j++) view.setFloat32(MULTIPLIER + 4 * j, 1, true)
  const words = (at: number, list: readonly number[]): void => { list.forEach((word, i) => { view.setUint32(at + 4 * i, word, true) }) }
  // w offset multiplier out k n
  words(PACKING, [W, OFFSET, MULTIPLIER, B, k, COLUMNS])
  // a b c m n k aRow cRow low high zeroPoint asFloat
  words(DESCRIPTOR, [A, B, C, m, COLUMNS, k, k, 4 * COLUMNS, 0, 0, 0, 1])
  view.setFloat32(DESCRIPTOR + 32, -Infinity, true)
  pack(PACKING, 0, 0, COLUMNS / PANEL)
  product(DESCRIPTOR, 0, 0, 1)
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < COLUMNS; j++) {
      let sum = 0
      for (let term = 0; term < k; term++) sum += a(i * k + term) * w(term * COLUMNS + j)
      if (view.getFloat32(C + 4 * (i * COLUMNS + j), true) !== sum) return false
    }
  }
  return true
}
