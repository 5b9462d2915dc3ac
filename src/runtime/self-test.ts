// Whether a module that a caller gave is this version's kernels: what it imports and exports, and a known-answer test of what it computes.
import { kernelTable, KC, PANEL, SCRATCH_BYTES, type KernelField, type KernelName } from '../compiler/kernels.js'
import { NO_ACTIVATION, randomCode } from '../core/codes.js'
import type { ExactMath } from '../core/scalar.js'

/** What the runtime calls beside the kernels. */
const OTHERS = ['memory', 'table', 'heap_base', 'f64_exp', 'f64_pow', 'f64_cos', 'run_alone', 'start_lanes', 'join_lanes']

/** Why a module cannot be the kernels, by its imports and exports, or null. */
export function misfit(module: WebAssembly.Module): string | null {
  const [first] = WebAssembly.Module.imports(module)
  if (first !== undefined) return `one that imports ${first.module}.${first.name}`
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name))
  const missing = [...Object.keys(kernelTable), ...OTHERS].filter((name) => !exported.has(name))
  return missing.length === 0 ? null : `one without ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ` and ${missing.length - 3} more` : ''}`
}

/** What the test needs of an instance. */
export interface Tested {
  readonly memory: WebAssembly.Memory
  readonly kernels: Readonly<Record<KernelName, (descriptor: number, scratch: number, tileBegin: number, tileEnd: number) => void>>
  readonly math: ExactMath
  readonly heapBase: number
}

/** Sizes of the product: rows that go four by four and one by one, whole panels and an edge, sums of two chunks. */
const [M, N, K] = [6, 27, KC + 5]
/** What {@link digest} is of this version's kernels; test/runtime/kernels.test.ts says the new one when their bits have changed. */
const ANSWER = 2211288603

/** Does an instance compute what this version's kernels do? It is written over. */
export const knowsTheAnswer = (instance: Tested): boolean => digest(instance) === ANSWER

/** A hash of random numbers, their product, and some functions in f64: FNV-1a over 32-bit words. */
export function digest({ memory, kernels, math, heapBase }: Tested): number {
  const panels = Math.ceil(N / PANEL)
  let top = Math.ceil(heapBase / 64) * 64
  const take = (bytes: number): number => { const at = top; top += Math.ceil(bytes / 64) * 64; return at }
  const [descriptor, key, scratch, a, b, c, doubles] = [take(256), take(64), take(SCRATCH_BYTES), take(M * K * 4), take(panels * PANEL * K * 4), take(M * N * 4), take(64)]
  if (top > memory.buffer.byteLength) memory.grow(Math.ceil((top - memory.buffer.byteLength) / 65536))
  const view = new DataView(memory.buffer)
  const run = <Name extends KernelName>(name: Name, words: Readonly<Record<KernelField<Name>, number>>, floats: readonly string[] = []): void => {
    const order: readonly KernelField<Name>[] = kernelTable[name].words
    order.forEach((field, i) => { if (floats.includes(field)) view.setFloat32(descriptor + 4 * i, words[field], true); else view.setInt32(descriptor + 4 * i, words[field], true) })
    kernels[name](descriptor, scratch, 0, 1)
  }
  const random = (y: number, length: number, low: number): void => {
    view.setUint32(key, 1, true)
    view.setUint32(key + 4, low, true)
    run('f32_random', { y, length, kind: randomCode.normal, key, a: 0, b: 1 }, ['a', 'b'])
  }
  random(a, M * K, 2)
  // a tile of its own for each panel's numbers: no more than ELEMENTS at once
  for (let p = 0; p < panels; p++) random(b + p * PANEL * K * 4, PANEL * K, 3 + p)
  run('f32_gemm', { a, b, c, bias: 0, m: M, n: N, k: K, aRow: 4 * K, aStep: 4, bStep: 4 * PANEL, bPanel: 4 * PANEL * K, cRow: 4 * N, activation: NO_ACTIVATION, alpha: 0, add: 0, cBlock: 0 })
  ;[math.exp(1.25), math.pow(2.5, 3.5), math.cos(1), math.cos(2)].forEach((x, i) => { view.setFloat64(doubles + 8 * i, x, true) })
  const words = [...new Uint32Array(memory.buffer, a, 64), ...new Uint32Array(memory.buffer, c, M * N), ...new Uint32Array(memory.buffer, doubles, 8)]
  return words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193) >>> 0, 0x811c9dc5)
}
