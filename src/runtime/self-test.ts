// Whether a module that a caller gave is this version's kernels: by what it imports, exports and computes. One test for both binaries: that which only
// predicts has some of the kernels of the whole one.
import { message, RuntimeError } from '../core/errors.js'
import { NO_ACTIVATION, randomCode, SCRATCH_BYTES } from '../core/codes.js'
import { given, isBytes, moduleOf, type Binary } from './compile.js'

/** What {@link digest} is of this version's kernels.wasm and predict.wasm; test/runtime/kernels.test.ts says the new ones when their bits have changed. */
export const ANSWERS: readonly number[] = [417842622, 609199028]

/**
 * The module that a caller gave to useKernels, once it has passed.
 *
 * @param file - which it should be
 * @param names - what it must export
 * @throws TypeError for what is no module; RuntimeError for another one
 */
export function tested(file: string, source: Binary, names: readonly string[]): WebAssembly.Module {
  const own = given(source), module = isBytes(own) ? moduleOf(own) : own
  const why = misfit(module, names)
  if (why !== null) throw new RuntimeError(message('useKernels', 'the kernels of this version', why, `Pass equigrad/${file}.wasm of the version that you import.`))
  return module
}

/** What a module is if it is not the kernels, or null. */
function misfit(module: WebAssembly.Module, names: readonly string[]): string | null {
  const [first] = WebAssembly.Module.imports(module)
  if (first !== undefined) return `a module that imports ${first.module}.${first.name}`
  const exported = new Set(WebAssembly.Module.exports(module).map(({ name }) => name))
  const [missing, ...more] = names.filter((name) => !exported.has(name))
  if (missing !== undefined) return `a module without ${missing}${more.length > 0 ? ` and ${more.length} more` : ''}`
  // What is not the kernels may as well trap.
  try { if (ANSWERS.includes(digest(new WebAssembly.Instance(module).exports))) return null } catch { /* it is another */ }
  return 'a module with their names that computes something else'
}

/** Sizes of the product: rows that go four by four and one by one, whole panels of 8 columns and an edge, sums of more than one chunk. */
const [M, N, K] = [6, 27, 517]
/** Where B's panels, A and results begin, and where results end: words. */
const [B, A, RESULTS, END] = [0, 32 * K, 20_000, 21_000]

type Run = (...numbers: readonly number[]) => number

/** A hash of what an instance computes of some numbers: FNV-1a over 32-bit words. What it lacks is left out. */
export function digest(exports: WebAssembly.Exports): number {
  const { memory, heap_base: heapBase } = exports as { memory: WebAssembly.Memory; heap_base: Run }
  const descriptor = Math.ceil(heapBase() / 64) * 64, scratch = descriptor + 64, base = scratch + SCRATCH_BYTES
  memory.grow(3)
  const at = (word: number): number => base + 4 * word
  const words = new Uint32Array(memory.buffer, base, END)
  new Float32Array(memory.buffer, base, RESULTS).forEach((_, i, all) => { all[i] = Math.imul(i + 1, 0x9e3779b1) / 0x80000000 })
  const calls: Readonly<Record<string, readonly number[]>> = {
    f32_gemm: [at(A), at(B), at(RESULTS), 0, M, N, K, 4 * K, 4, 32, 32 * K, 4 * N, NO_ACTIVATION, 0, 0, 0],
    f32_softmax: [at(RESULTS), at(RESULTS + 256), M, N],
    f32_random: [at(RESULTS + 512), 64, randomCode.normal, at(A), 0, 0x3f800000],
  }
  for (const [kernel, call] of Object.entries(calls)) {
    new Int32Array(memory.buffer, descriptor, call.length).set(call)
    ;(exports[kernel] as Run | undefined)?.(descriptor, scratch, 0, 1)
  }
  ;['f64_exp', 'f64_pow', 'f64_cos'].forEach((name, i) => {
    new Float64Array(memory.buffer, at(RESULTS + 640 + 2 * i), 1)[0] = (exports[name] as Run | undefined)?.(2.5, 3.5) ?? 0
  })
  return words.reduce((hash, word) => Math.imul(hash ^ word, 0x01000193) >>> 0, 0x811c9dc5)
}
