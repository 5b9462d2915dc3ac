// The binary that only predicts: the forward kernels of the whole one, from the same sources, and the walk through a program's list of calls.
import { RuntimeError } from '../core/errors.js'
import { wasm } from './predict.generated.js'
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

let compiled: WebAssembly.Module | undefined

function compile(): WebAssembly.Module {
  if (compiled !== undefined) return compiled
  if (typeof WebAssembly === 'object') {
    // Not validated before: that takes as long as compiling.
    try { return (compiled = new WebAssembly.Module(wasmOf(wasm))) } catch (error) { if (!(error instanceof WebAssembly.CompileError)) throw error }
  }
  throw new RuntimeError('equigrad: expected a host with WebAssembly SIMD, got one without. It is there since Chrome 91, Firefox 89, Safari 16.4, Node 16.4.')
}

export function instantiateForward(): Forward {
  const { exports } = new WebAssembly.Instance(compile())
  const { memory, table, heap_base: heapBase, run_alone: run } = exports
  if (!(memory instanceof WebAssembly.Memory) || !(table instanceof WebAssembly.Table) || typeof heapBase !== 'function' || typeof run !== 'function') throw new RuntimeError('equigrad: the binary lacks an export')
  const numbers = new Map<string, number>()
  return {
    memory, heapBase: Number(heapBase()), run: run as Forward['run'],
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
