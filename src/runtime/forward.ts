// The binary that only predicts: the forward kernels of the whole one, from the same sources, and the walk through a program's list of calls.
import { FORWARD } from '../compiler/packed.js'
import { moduleOf } from './compile.js'
import { wasm } from './predict.generated.js'
import { tested } from './self-test.js'
import { wasmOf } from './text.js'

/** An instance with a memory of its own. */
export interface Forward {
  readonly memory: WebAssembly.Memory
  /** the first byte that no static data uses */
  readonly heapBase: number
  /** the number that programs call a kernel by, or 0 for one that is not there */
  kernel(name: string): number
  /** runs the entries of a program from an address to another, with scratch for the kernels */
  run(from: number, to: number, scratch: number): void
}

/** What the binary exports beside the kernels. */
interface Exports { readonly memory: WebAssembly.Memory; readonly table: WebAssembly.Table; readonly heap_base: () => number; readonly run_alone: Forward['run'] }
const OTHERS: readonly (keyof Exports)[] = ['memory', 'table', 'heap_base', 'run_alone']

let compiled: WebAssembly.Module | undefined

/**
 * Gives the kernels to models that are loaded from now on, instead of those inside the package: for hosts that do not compile from bytes. Under the
 * conditions `workerd` and `edge-light` the package does so by itself.
 *
 * @param source - `equigrad/predict.wasm` of this version, as a module or as bytes; `equigrad/kernels.wasm`, which has its kernels too, serves as well
 * @throws with nothing changed: TypeError for anything else; RuntimeError for other kernels, found by their exports and by what they compute, or
 * where the host does not compile
 * @example
 * import { useKernels } from 'equigrad/predict'
 * useKernels(readFileSync('predict.wasm')) // before the first model
 */
export function useKernels(source: WebAssembly.Module | ArrayBuffer | ArrayBufferView): void {
  compiled = tested('predict', source, [...FORWARD, ...OTHERS])
}

export function instantiateForward(): Forward {
  const { exports } = new WebAssembly.Instance(compiled ??= moduleOf(wasmOf(wasm)))
  const { memory, table, heap_base: heapBase, run_alone: run } = exports as WebAssembly.Exports & Exports
  const numbers = new Map<string, number>()
  return {
    memory, heapBase: heapBase(), run,
    kernel(name) {
      const known = numbers.get(name)
      if (known !== undefined) return known
      const f = exports[name]
      const number = typeof f === 'function' && f.length === 4 ? table.grow(1) : 0
      if (number > 0) table.set(number, f)
      numbers.set(name, number)
      return number
    },
  }
}
