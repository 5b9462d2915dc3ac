// The kernel binary: made from its deflated text at first need, once for all stores. The one place that compiles and instantiates.
import { instantiateSync } from '@assemblyscript/loader'
import { inflateSync } from 'fflate'
import { RuntimeError } from '../core/errors.js'
import type { ExactMath } from '../core/scalar.js'
import { kernelTable, type KernelName } from '../compiler/kernels.js'
import { byteLength, deflated } from './kernels.generated.js'

/** A kernel: computes tiles [begin, end) of the call that a descriptor describes. */
export type Kernel = (descriptor: number, scratch: number, tileBegin: number, tileEnd: number) => void

/** An instance of the binary with a memory of its own. */
export interface Instance {
  readonly memory: WebAssembly.Memory
  readonly kernels: Readonly<Record<KernelName, Kernel>>
  readonly math: ExactMath
  /** the first byte that no static data uses */
  readonly heapBase: number
}

let compiled: WebAssembly.Module | undefined

function compile(): WebAssembly.Module {
  if (compiled !== undefined) return compiled
  if (typeof WebAssembly !== 'object') throw new RuntimeError('equigrad: expected a host with WebAssembly, got none. Use a current browser, Node, Deno, Bun or edge runtime.')
  const text = atob(deflated)
  const bytes = inflateSync(Uint8Array.from(text, (c) => c.charCodeAt(0)), { out: new Uint8Array(byteLength) })
  const wasm = new Uint8Array(bytes)
  if (!WebAssembly.validate(wasm)) throw new RuntimeError('equigrad: expected a host with WebAssembly SIMD, got one without. It is there since Chrome 91, Firefox 89, Safari 16.4, Node 16.4.')
  compiled = new WebAssembly.Module(wasm)
  return compiled
}

/** A new instance, with a memory of one page or as much as its static data needs. */
export function instantiate(): Instance {
  const { exports } = instantiateSync(compile(), {}).instance
  const call = (name: string): ((...x: number[]) => number) => {
    const f = exports[name]
    if (typeof f !== 'function') throw new RuntimeError(`equigrad: the kernel binary lacks ${name}`)
    return f as (...x: number[]) => number
  }
  const kernels: Partial<Record<KernelName, Kernel>> = {}
  const names = Object.keys(kernelTable) as KernelName[]
  for (const name of names) kernels[name] = call(name) as Kernel
  const { memory } = exports
  if (!(memory instanceof WebAssembly.Memory)) throw new RuntimeError('equigrad: the kernel binary has no memory')
  return {
    memory, kernels: kernels as Readonly<Record<KernelName, Kernel>>, heapBase: call('heap_base')(),
    math: { exp: call('f64_exp'), log: call('f64_log'), pow: call('f64_pow'), sin: call('f64_sin'), cos: call('f64_cos') },
  }
}
