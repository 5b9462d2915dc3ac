// The kernel binary: made from its text at first need, once for all stores, or given by the caller. The one place that chooses, compiles and
// instantiates.
import { instantiateSync } from '@assemblyscript/loader'
import { describe, message, RuntimeError } from '../core/errors.js'
import type { ExactMath } from '../core/scalar.js'
import { kernelTable, type KernelName } from '../compiler/kernels.js'
import { wasm } from './kernels.generated.js'
import { knowsTheAnswer, misfit } from './self-test.js'
import { withSharedImport, withSharedMemory } from './shared.js'
import { wasmOf } from './text.js'

/** A kernel: computes tiles [begin, end) of the call that a descriptor describes. */
export type Kernel = (descriptor: number, scratch: number, tileBegin: number, tileEnd: number) => void

/** A module beside the binary: it imports a memory, has no data of its own, and computes some of the kernels: to the same bits, but for that of fast.ts. */
export interface KernelModule {
  readonly name: string
  /** the kernels that it exports */
  readonly kernels: readonly KernelName[]
  /** for memory that is not shared, and for memory that is */
  readonly module: WebAssembly.Module
  readonly shared: () => WebAssembly.Module
}

/** An instance of the binary with a memory of its own, or one of several on a shared memory. */
export interface Instance {
  readonly memory: WebAssembly.Memory
  readonly kernels: Readonly<Record<KernelName, Kernel>>
  /** puts others in kernels' places, in the function table too: exports of an instance on the same memory */
  readonly replace: (others: ReadonlyMap<KernelName, Kernel>) => void
  readonly math: ExactMath
  /** the first byte that no static data uses */
  readonly heapBase: number
  /** runs the entries of a program from an address to another, with a lane's scratch */
  readonly runAlone: (from: number, to: number, scratch: number) => void
  /** wakes the lanes of a control block for some entries */
  readonly startLanes: (control: number, from: number, to: number) => void
  /** takes part as a lane; 0, or 1 + the lane that was given up */
  readonly joinLanes: (control: number, lane: number) => number
}

/** The kernels' names, in the order of the function table that programs call them by; a kernel's number is its place here + 1. */
export const kernelNames = /* @__PURE__ */ Object.keys(kernelTable) as readonly KernelName[]
const kernelNumbers = /* @__PURE__ */ new Map(kernelNames.map((name, i) => [name, i + 1]))
export const kernelNumber = (name: KernelName): number => kernelNumbers.get(name) ?? 0

let compiled: WebAssembly.Module | undefined
let compiledShared: WebAssembly.Module | undefined

function checkHost(): void {
  if (typeof WebAssembly !== 'object') throw new RuntimeError('equigrad: expected a host with WebAssembly, got none. Use a current browser, Node, Deno, Bun or edge runtime.')
}

/** Compiles, or says what the host lacks. Not validated before: that takes as long as compiling. */
function moduleOf(bytes: Uint8Array<ArrayBuffer>): WebAssembly.Module {
  checkHost()
  try {
    return new WebAssembly.Module(bytes)
  } catch (error) {
    if (!WebAssembly.validate(bytes)) throw new RuntimeError('equigrad: expected a host with WebAssembly SIMD, got one without. It is there since Chrome 91, Firefox 89, Safari 16.4, Node 16.4.')
    throw new RuntimeError(message('equigrad', 'a host that compiles WebAssembly', `a refusal (${error instanceof Error ? error.message : String(error)})`,
      "A page's Content-Security-Policy must have 'wasm-unsafe-eval' in script-src; an edge worker imports equigrad under the condition workerd or edge-light, or calls useKernels(module)."), { cause: error })
  }
}

const compile = (): WebAssembly.Module => (compiled ??= moduleOf(wasmOf(wasm)))

/** The binary for lanes: it imports env.memory, shared. */
export const sharedModule = (): WebAssembly.Module => (compiledShared ??= moduleOf(withSharedMemory(wasmOf(wasm))))

/**
 * Gives the kernels to stores that are made from now on, instead of those inside the package: for hosts that do not compile from bytes, where a
 * bundler or the host has compiled `equigrad/kernels.wasm`. Under the conditions `workerd` and `edge-light` the package does so by itself.
 *
 * @param source - `equigrad/kernels.wasm` of this version, as a module or as bytes
 * @throws with nothing changed: TypeError for anything else; RuntimeError for another module, found by its exports and by what it computes, or
 * where the host does not compile
 * @example
 * useKernels(readFileSync('kernels.wasm')) // before the first model
 */
export function useKernels(source: WebAssembly.Module | ArrayBuffer | ArrayBufferView): void {
  checkHost()
  const module = source instanceof WebAssembly.Module ? source : compiledFrom(source)
  const remedy = 'Pass equigrad/kernels.wasm of the version that you import.'
  const why = misfit(module)
  if (why !== null) throw new RuntimeError(message('useKernels', 'the kernels of this version', `a module that is not: ${why}`, remedy))
  let right = false
  // What is not the kernels may as well trap.
  try { right = knowsTheAnswer(instanceOf(module)) } catch { /* wrong */ }
  if (!right) throw new RuntimeError(message('useKernels', 'the kernels of this version', 'a module with their names that computes something else', remedy))
  compiled = module
}

function compiledFrom(source: unknown): WebAssembly.Module {
  if (!(source instanceof ArrayBuffer) && !ArrayBuffer.isView(source)) throw new TypeError(message('useKernels', 'a WebAssembly.Module, or its bytes', describe(source)))
  const bytes = source instanceof ArrayBuffer ? new Uint8Array(source.slice(0)) : new Uint8Array(new Uint8Array(source.buffer, source.byteOffset, source.byteLength))
  const magic = bytes[0] === 0 && bytes[1] === 0x61 && bytes[2] === 0x73 && bytes[3] === 0x6d
  if (!magic) throw new TypeError(message('useKernels', 'the bytes of a WebAssembly module', `${bytes.length} bytes of something else`))
  return moduleOf(bytes)
}

/**
 * A new instance, with a memory of one page or as much as its static data needs.
 *
 * @param shared - a shared memory to run on instead
 */
export const instantiate = (shared?: WebAssembly.Memory): Instance => instanceOf(shared === undefined ? compile() : sharedModule(), shared)

function instanceOf(module: WebAssembly.Module, shared?: WebAssembly.Memory): Instance {
  const { exports } = instantiateSync(module, shared === undefined ? {} : { env: { memory: shared } }).instance
  const call = (name: string): ((...x: number[]) => number) => {
    const f = exports[name]
    if (typeof f !== 'function') throw new RuntimeError(`equigrad: the kernel binary lacks ${name}`)
    return f as (...x: number[]) => number
  }
  const kernels: Partial<Record<KernelName, Kernel>> = {}
  for (const name of kernelNames) kernels[name] = call(name) as Kernel
  const { memory = shared, table } = exports
  if (!(memory instanceof WebAssembly.Memory)) throw new RuntimeError('equigrad: the kernel binary has no memory')
  if (!(table instanceof WebAssembly.Table)) throw new RuntimeError('equigrad: the kernel binary has no table')
  table.grow(kernelNames.length)
  for (const name of kernelNames) table.set(kernelNumber(name), exports[name])
  const replace = (others: ReadonlyMap<KernelName, Kernel>): void => {
    for (const [name, kernel] of others) { kernels[name] = kernel; table.set(kernelNumber(name), kernel) }
  }
  return {
    memory, kernels: kernels as Readonly<Record<KernelName, Kernel>>, replace, heapBase: call('heap_base')(),
    math: { exp: call('f64_exp'), log: call('f64_log'), pow: call('f64_pow'), sin: call('f64_sin'), cos: call('f64_cos') },
    runAlone: call('run_alone'), startLanes: call('start_lanes'), joinLanes: call('join_lanes'),
  }
}

/** The module of some bytes, compiled. */
export async function kernelModule(name: string, kernels: readonly KernelName[], wasm: Uint8Array<ArrayBuffer>): Promise<KernelModule> {
  let shared: WebAssembly.Module | undefined
  return { name, kernels, module: await WebAssembly.compile(wasm), shared: () => (shared ??= new WebAssembly.Module(withSharedImport(wasm))) }
}

/** The kernels of a module on a memory. */
export function kernelsOf({ name, kernels, module, shared }: KernelModule, memory: WebAssembly.Memory): ReadonlyMap<KernelName, Kernel> {
  const isShared = typeof SharedArrayBuffer !== 'undefined' && memory.buffer instanceof SharedArrayBuffer
  const { exports } = new WebAssembly.Instance(isShared ? shared() : module, { env: { memory } })
  return new Map(kernels.map((kernel) => {
    const f = exports[kernel]
    if (typeof f !== 'function') throw new RuntimeError(`equigrad: the module ${name} lacks ${kernel}`)
    return [kernel, f as Kernel]
  }))
}
