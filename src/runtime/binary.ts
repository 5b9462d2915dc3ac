// The kernel binary: made from its text at first need, once for all stores, or given by the caller. The one place that chooses, compiles and
// instantiates.
import { instantiateSync } from '@assemblyscript/loader'
import { message, RuntimeError } from '../core/errors.js'
import { checkOptions } from '../core/options.js'
import type { ExactMath } from '../core/scalar.js'
import { kernelTable, type KernelName } from '../compiler/kernels.js'
import { given, moduleOf, type Binary } from './compile.js'
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

const compile = (): WebAssembly.Module => (compiled ??= moduleOf(wasmOf(wasm)))

/** The binary for lanes: it imports env.memory, shared. */
export const sharedModule = (): WebAssembly.Module => (compiledShared ??= moduleOf(withSharedMemory(wasmOf(wasm))))

/** Modules beside the binary that a caller gave, by name. */
const others = new Map<string, WebAssembly.Module | Uint8Array<ArrayBuffer>>()
/** The module of a name that a caller gave. */
export const givenModule = (name: string): WebAssembly.Module | Uint8Array<ArrayBuffer> | undefined => others.get(name)

/** What {@link useKernels} takes beside the kernels; each is tested before it is used, and where it is absent or fails the kernels do its work. */
export interface OtherKernels {
  /** `equigrad/int8.wasm`, the relaxed integer product of `loadInt8`: the same bits, faster */
  readonly int8?: WebAssembly.Module | ArrayBuffer | ArrayBufferView
  /** `equigrad/fast.wasm`, the relaxed multiply-add of `createStore({ fast: true })` */
  readonly fast?: WebAssembly.Module | ArrayBuffer | ArrayBufferView
}

/**
 * Gives the kernels to stores that are made from now on, instead of those inside the package: for hosts that do not compile from bytes, where a
 * bundler or the host has compiled `equigrad/kernels.wasm`. Under the conditions `workerd` and `edge-light` the package does so by itself.
 *
 * @param source - `equigrad/kernels.wasm` of this version, as a module or as bytes
 * @param options - modules that are loaded only when they are asked for, as modules or as bytes; what is loaded already stays. Lanes can start only
 * with those that are bytes.
 * @throws with nothing changed: TypeError for anything else; RuntimeError for other kernels, found by their exports and by what they compute, or
 * where the host does not compile
 * @example
 * useKernels(readFileSync('kernels.wasm')) // before the first model
 */
export function useKernels(source: WebAssembly.Module | ArrayBuffer | ArrayBufferView, options: OtherKernels = {}): void {
  checkOptions('useKernels', options, ['int8', 'fast'])
  const wasm = given(source), beside = Object.entries(options).map(([name, other]: [string, Binary]) => [name, given(other)] as const)
  const module = wasm instanceof WebAssembly.Module ? wasm : moduleOf(wasm)
  const remedy = 'Pass equigrad/kernels.wasm of the version that you import.'
  const why = misfit(module)
  if (why !== null) throw new RuntimeError(message('useKernels', 'the kernels of this version', `a module that is not: ${why}`, remedy))
  let right = false
  // What is not the kernels may as well trap.
  try { right = knowsTheAnswer(instanceOf(module)) } catch { /* wrong */ }
  if (!right) throw new RuntimeError(message('useKernels', 'the kernels of this version', 'a module with their names that computes something else', remedy))
  compiled = module
  for (const [name, other] of beside) others.set(name, other)
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
    math: { exp: call('f64_exp'), pow: call('f64_pow'), cos: call('f64_cos') },
    runAlone: call('run_alone'), startLanes: call('start_lanes'), joinLanes: call('join_lanes'),
  }
}

/** A module beside the binary, compiled if it is bytes. */
export async function kernelModule(name: string, kernels: readonly KernelName[], source: WebAssembly.Module | Uint8Array<ArrayBuffer>): Promise<KernelModule> {
  let shared: WebAssembly.Module | undefined
  const ofBytes = (): WebAssembly.Module => {
    if (source instanceof WebAssembly.Module) throw new RuntimeError(message('useKernels', `the bytes of equigrad/${name}.wasm for lanes`, 'a compiled module'))
    return new WebAssembly.Module(withSharedImport(source))
  }
  return { name, kernels, module: source instanceof WebAssembly.Module ? source : await WebAssembly.compile(source), shared: () => (shared ??= ofBytes()) }
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
