// The module with the integer product by relaxed SIMD, and its test. It is loaded when it is asked for, and imports nothing that is loaded at once.
import type { Kernel } from '../binary.js'

export { wasm } from '../int8.generated.js'

/** The kernels of a module that multiplies integers. */
export interface IntegerKernels { readonly pack: Kernel; readonly product: Kernel }

// Where the test puts its operands in a page of memory: the descriptors of both calls, A [m, k], W [k, n], offsets, multipliers, panels, C.
const [PACKING, DESCRIPTOR, A, W, OFFSET, MULTIPLIER, B, C] = [1024, 1088, 2048, 4096, 8192, 8448, 8704, 24576]
/** Four panels of 8 at once and one more: every loop of the module takes part, since an engine may have compiled one function well and another badly. */
const PANELS = 5, COLUMNS = 8 * PANELS
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
  pack(PACKING, 0, 0, PANELS)
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
