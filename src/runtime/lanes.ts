// Lanes: workers on a store's memory, created once, that share out the tiles of a program with the caller, or among them where the caller
// may not wait. The walk and the meetings are in WebAssembly (assembly/run); this starts, watches and ends the workers. It is loaded when a store starts
// lanes, and so is given what the store has.
import type { Instance, KernelModule } from './binary.js'
import type { Block, Heap } from './heap.js'
import { lacking, mayWait, READY, startWorker, textOf, type LaneWorker } from './platform/workers.js'
import { PAGE, sharedMemory, withSharedImport, withSharedMemory } from './shared.js'

/** Words of the control block (assembly/run/run.ts). */
const STOP = 1, SCRATCH = 4, LANES = 5, PATIENCE = 6, SPINS = 9, LINES = 32, LINE = 16
/** Bytes of the control block of so many lanes. */
const controlBytes = (count: number): number => (LINES + LINE * count) * 4

/** Milliseconds of one slice of a wait, and until a worker that does not start is given up. */
const SLICE = 100, START = 10_000

/**
 * Looks at a word before a lane sleeps in a meeting: some hundred microseconds, for a lane that sleeps is woken late, and often on the core
 * of the one that wakes it; some ten where lanes share cores, since the one that looks keeps another from its work.
 */
const spinsOf = (count: number, cores: number): number => (count <= cores ? 300_000 : 10_000)

export interface LanesOptions {
  readonly count: number
  /** the bytes of the binary, and its kernels in the order of the function table */
  readonly wasm: () => Uint8Array<ArrayBuffer>
  readonly names: readonly string[]
  /** what takes kernels' places, on every lane */
  readonly modules: readonly KernelModule[]
  /** bytes of scratch that a lane has */
  readonly scratch: number
  /** processors, and the host's module of threads where it is like Node */
  readonly cores: number
  readonly threads: unknown
  /** milliseconds until a lane that does nothing is given up */
  readonly patience: number
}

/** Ends the lanes of stores that nothing reaches: lanes know nothing of their store. */
const collected = /* @__PURE__ */ new FinalizationRegistry<Lanes>((lanes) => { lanes.end() })

/** The binary for lanes, of all stores. */
let compiled: WebAssembly.Module | undefined

/** A module beside the binary, for their memory. */
function ofShared({ name, kernels, source }: KernelModule): KernelModule {
  if (!(source instanceof Uint8Array)) throw new TypeError(`useKernels: expected the bytes of equigrad/${name}.wasm for lanes, got a compiled module.`)
  return { name, kernels, source, module: new WebAssembly.Module(withSharedImport(source)) }
}

/** Starts lanes for a store, on memory that it can go on in; or says why they cannot be had. */
export async function startLanes(store: Heap, options: LanesOptions): Promise<Lanes | string> {
  const lacks = lacking(options.threads)
  if (lacks !== null) return lacks
  const control = store.alloc(controlBytes(options.count) + options.scratch * options.count)
  const lanes = await started(control, store.byteLength, options)
  if (typeof lanes === 'string') store.free(control)
  else collected.register(store, lanes, lanes)
  return lanes
}

async function started(control: Block, bytes: number, options: LanesOptions): Promise<Lanes | string> {
  const memory = sharedMemory(bytes)
  if (memory === null) return 'no shared memory of that size'
  try {
    const lanes = new Lanes(memory, control, options)
    const gone = await lanes.start()
    if (gone === null) return lanes
    lanes.end()
    return gone
  } catch (error) {
    return `a worker did not start: ${textOf(error)}`
  }
}

export class Lanes {
  readonly count: number
  /** the binary for their memory, and what takes kernels' places there */
  readonly module: WebAssembly.Module
  readonly modules: readonly KernelModule[]
  readonly #options: LanesOptions
  /** may the caller wait, and so be the first lane? */
  readonly #wait = mayWait()
  readonly #workers: LaneWorker[] = []
  #ready = 0
  #gone: string | null = null
  #changed: () => void = () => undefined
  #ended: ((failed: number) => void) | undefined

  /** @param control - the block where lanes meet, and their scratch */
  constructor(readonly memory: WebAssembly.Memory, readonly control: Block, options: LanesOptions) {
    const { count, wasm, modules, cores, patience } = options
    this.count = count
    this.#options = options
    this.module = compiled ??= new WebAssembly.Module(withSharedMemory(wasm()))
    this.modules = modules.map(ofShared)
    const words = this.#words
    words.fill(0)
    words[SCRATCH] = control.address + controlBytes(count)
    words[LANES] = count
    words[SPINS] = spinsOf(count, cores)
    words[PATIENCE] = Math.max(1, Math.round(patience / SLICE))
  }

  get #words(): Uint32Array { return new Uint32Array(this.memory.buffer, this.control.address, controlBytes(this.count) / 4) }

  /** Why no lane can be had any more, or null. */
  get gone(): string | null { return this.#gone }

  /** Starts the workers: resolves when all are ready (null), or says why when one has died or is late. */
  start(): Promise<string | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => { resolve(`a worker did not start within ${START / 1000} s`) }, START)
      this.#changed = () => {
        if (this.#gone === null && this.#ready < this.#workers.length) return
        clearTimeout(timer)
        resolve(this.#gone)
      }
      try {
        for (let lane = this.#wait ? 1 : 0; lane < this.count; lane++) this.#workers.push(this.#worker(lane))
      } catch (error) {
        this.#gone = `a worker did not start: ${textOf(error)}`
      }
      this.#changed()
    })
  }

  #worker(lane: number): LaneWorker {
    const { module, modules, memory } = this, { names, threads } = this.#options
    const others = modules.map((other) => ({ kernels: other.kernels, module: other.module }))
    const start = { module, others, memory, names, control: this.control.address, lane, report: !this.#wait && lane === 0 }
    return startWorker(threads, start, {
      said: (code) => {
        if (code === READY) { this.#ready++; this.#changed() } else if (start.report) this.#ended?.(code)
      },
      died: (why) => {
        this.#gone ??= `lane ${lane} has died: ${why}`
        this.#changed()
      },
    })
  }

  /** Copies all bytes of the store's memory to another instance's, but those that belong to lanes. */
  carry(from: Uint8Array, { memory, heapBase }: Instance): void {
    const missing = from.length - memory.buffer.byteLength
    if (missing > 0) memory.grow(missing / PAGE)
    const to = new Uint8Array(memory.buffer), { address, bytes } = this.control
    to.set(from.subarray(heapBase, address), heapBase)
    to.set(from.subarray(address + bytes), address + bytes)
  }

  /** Why the store goes on without, and what is said of a run in which a lane was lost. */
  lost(lane: number, updates: boolean): { readonly why: string; readonly lost: string } {
    return {
      why: this.#gone ?? `lane ${lane} stopped working`,
      lost: `lanes: expected ${this.count} lanes that work, got lane ${lane} that did nothing for ${this.#options.patience / 1000} s. ${updates ? 'Weights may be half updated: load the last save.' : 'Nothing has changed: call again, the store goes on with one lane.'}`,
    }
  }

  /**
   * Runs entries of a program on all lanes.
   *
   * @returns 0, or 1 + the lane that was given up; a promise where the caller may not wait
   */
  run({ startLanes, joinLanes }: Instance, from: number, to: number): number | Promise<number> {
    const ended = this.#wait ? undefined : this.#watched()
    startLanes(this.control.address, from, to)
    return ended ?? joinLanes(this.control.address, 0)
  }

  /** How the run ends that starts now, as the first lane says, or this thread when no lane has done anything for too long. */
  #watched(): Promise<number> {
    return new Promise((resolve) => {
      let still = 0, last = -1
      const watch = setInterval(() => {
        const words = this.#words
        let now = 0
        for (let lane = 0; lane < this.count; lane++) now += words[LINES + lane * LINE] ?? 0
        still = now === last ? still + SLICE : 0
        last = now
        // The lanes watch each other; this is for when the first of them is gone.
        if (still > 2 * this.#options.patience) this.#ended?.(1)
      }, SLICE)
      this.#ended = (failed) => {
        clearInterval(watch)
        this.#ended = undefined
        resolve(failed)
      }
    })
  }

  /** Ends the workers. */
  end(): void {
    this.#gone ??= 'ended'
    collected.unregister(this)
    const bytes = new Int32Array(this.memory.buffer, this.control.address, 2)
    Atomics.store(bytes, STOP, 1)
    Atomics.add(bytes, 0, 1)
    Atomics.notify(bytes, 0)
    for (const worker of this.#workers) worker.end()
  }
}
