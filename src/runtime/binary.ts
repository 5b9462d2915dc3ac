// The kernel binary: made from its text at first need, once for all stores, or given by the caller. The one place that chooses it and makes
// instances of it.
import { message, RuntimeError } from '../core/errors.js'
import { checkOptions } from '../core/options.js'
import type { ExactMath } from '../core/scalar.js'
import { kernelTable, type KernelName } from '../compiler/kernels.js'
import { given, isBytes, moduleOf, type Binary } from './compile.js'
import { wasm } from './kernels.generated.js'
import { tested } from './self-test.js'
import { wasmOf } from './text.js'

/** A kernel: computes tiles [begin, end) of the call that a descriptor describes. */
export type Kernel = (descriptor: number, scratch: number, tileBegin: number, tileEnd: number) => void

/** A module beside the binary: it imports a memory, has no data of its own, and computes some of the kernels: to the same bits, but for that of fast.ts. */
export interface KernelModule<Name extends KernelName = KernelName> {
  readonly name: string
  /** the kernels that it exports */
  readonly kernels: readonly Name[]
  /** what was compiled, for lanes: their memory is shared, and so is another module of the same bytes */
  readonly source: WebAssembly.Module | Uint8Array<ArrayBuffer>
  readonly module: WebAssembly.Module
}

/** An instance of the binary with a memory of its own, or one of several on a shared memory. */
export interface Instance {
  readonly memory: WebAssembly.Memory
  readonly kernels: Readonly<Record<KernelName, Kernel>>
  /** puts others in kernels' places, in the function table too: exports of an instance on the same memory */
  readonly replace: (others: Readonly<Partial<Record<KernelName, Kernel>>>) => void
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

/** What the binary exports beside the kernels. */
interface Exports {
  readonly memory: WebAssembly.Memory
  readonly table: WebAssembly.Table
  readonly heap_base: () => number
  readonly f64_exp: ExactMath['exp']
  readonly f64_pow: ExactMath['pow']
  readonly f64_cos: ExactMath['cos']
  readonly run_alone: Instance['runAlone']
  readonly start_lanes: Instance['startLanes']
  readonly join_lanes: Instance['joinLanes']
}
const OTHERS: readonly (keyof Exports)[] = ['memory', 'table', 'heap_base', 'f64_exp', 'f64_pow', 'f64_cos', 'run_alone', 'start_lanes', 'join_lanes']

/** The kernels' names, in the order of the function table that programs call them by; a kernel's number is its place here + 1. */
export const kernelNames = /* @__PURE__ */ Object.keys(kernelTable) as readonly KernelName[]
const kernelNumbers = /* @__PURE__ */ new Map(kernelNames.map((name, i) => [name, i + 1]))
export const kernelNumber = (name: KernelName): number => kernelNumbers.get(name) ?? 0

let compiled: WebAssembly.Module | undefined

/** The bytes of the binary inside the package. */
export const kernelBytes = (): Uint8Array<ArrayBuffer> => wasmOf(wasm)

/** Modules beside the binary that a caller gave, by name. */
const others = new Map<string, WebAssembly.Module | Uint8Array<ArrayBuffer>>()

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
  const beside = Object.entries(options).map(([name, other]: [string, Binary]) => [name, given(other)] as const)
  compiled = tested('kernels', source, [...kernelNames, ...OTHERS])
  for (const [name, other] of beside) others.set(name, other)
}

/**
 * A new instance, with a memory of one page or as much as its static data needs.
 *
 * @param shared - a shared memory to run on instead, and the binary for it, which exports it too
 */
export function instantiate(shared?: { readonly module: WebAssembly.Module; readonly memory: WebAssembly.Memory }): Instance {
  const module = shared?.module ?? (compiled ??= moduleOf(kernelBytes()))
  const exports = new WebAssembly.Instance(module, shared && { env: { memory: shared.memory } }).exports as WebAssembly.Exports & Exports
  const { memory, table, f64_exp: exp, f64_pow: pow, f64_cos: cos, run_alone: runAlone, start_lanes: startLanes, join_lanes: joinLanes } = exports
  const kernels = Object.fromEntries(kernelNames.map((name) => [name, exports[name] as Kernel])) as Record<KernelName, Kernel>
  const replace: Instance['replace'] = (others) => {
    Object.assign(kernels, others)
    for (const name of Object.keys(others) as KernelName[]) table.set(kernelNumber(name), kernels[name])
  }
  table.grow(kernelNames.length)
  replace(kernels)
  return { memory, kernels, replace, math: { exp, pow, cos }, heapBase: exports.heap_base(), runAlone, startLanes, joinLanes }
}

/**
 * A module beside the binary: that which a caller gave, or one of some bytes.
 *
 * @returns null where the engine does not know its instructions
 */
export async function kernelModule<Name extends KernelName>(name: string, kernels: readonly Name[], bytes: () => Uint8Array<ArrayBuffer>): Promise<KernelModule<Name> | null> {
  const source = others.get(name) ?? bytes()
  if (!isBytes(source)) return { name, kernels, source, module: source }
  return WebAssembly.validate(source) ? { name, kernels, source, module: await WebAssembly.compile(source) } : null
}

/** The kernels of a module on a memory. */
export function kernelsOf<Name extends KernelName>({ name, kernels, module }: KernelModule<Name>, memory: WebAssembly.Memory): Readonly<Record<Name, Kernel>> {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  const missing = kernels.find((kernel) => typeof exports[kernel] !== 'function')
  if (missing !== undefined) throw new RuntimeError(message('useKernels', `equigrad/${name}.wasm of this version`, `a module without ${missing}`))
  return Object.fromEntries(kernels.map((kernel) => [kernel, exports[kernel]])) as Record<Name, Kernel>
}
