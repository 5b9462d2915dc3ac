// A store: a heap with parameters by key, whose programs run one after the other, on one lane or on several.
import { BusyError, EquigradError, message, RuntimeError } from '../core/errors.js'
import { checkCount, checkFlag, checkOptions } from '../core/options.js'
import { randomKey } from '../core/random.js'
import { elements, type Shape } from '../core/shape.js'
import type { Init } from '../compiler/graph/value.js'
import { SCRATCH_BYTES } from '../compiler/kernels.js'
import { WORTH, type Worth } from '../compiler/work.js'
import { instantiate, kernelBytes, kernelNames, kernelsOf, type Instance, type KernelModule } from './binary.js'
import { reasonOf } from './compile.js'
import { fast, type FastRuntime } from './fast.js'
import { Heap, round } from './heap.js'
import { initialize } from './initialize.js'
import type { Lanes } from './lanes.js'
import { cores, threads } from './platform/host.js'

/** Most lanes, and most that 'auto' is. */
const MOST_LANES = 256, AUTO_MOST = 8
/** Milliseconds until a lane that does nothing is given up. */
export const PATIENCE_MS = 10_000

export type { Block } from './heap.js'

/** A parameter as a model declares it. */
export interface ParamDeclaration {
  readonly key: string
  readonly shape: Shape
  readonly init: Init
  readonly seed: number
  /** is its memory filled by who declares it? Then no first values are drawn */
  readonly filled?: boolean
  /** who it is: declared again, it is the same parameter; with another identity a key is refused */
  readonly identity: object
  /** first values in place of those that `init` says */
  readonly values?: Float32Array
}

export interface StoredParam { readonly key: string; readonly shape: Shape; readonly address: number; readonly length: number; readonly identity: object }

/** What a store runs on. */
export interface StoreOptions {
  /**
   * threads that share out the work, 1 to 256, or 'auto': as many as there are processors, at most 8 (default 1). They change no bit. Where they
   * cannot be had one runs, and `runtime` says why.
   */
  readonly lanes?: number | 'auto'
  /**
   * f32 products by the relaxed multiply-add (default false): faster where one instruction does both. An engine may round it once or twice, so
   * weights and predictions DIFFER BETWEEN HOSTS. Ready from the first asynchronous call on; a store whose first call is synchronous does
   * without, and `runtime.fast` says why.
   */
  readonly fast?: boolean
}

/** Where a store's programs run. */
export interface Runtime {
  /** the WebAssembly module: 'baseline', or 'shared', the same code on memory that lanes share */
  readonly binary: string
  /** threads that share out the work, 1 or more */
  readonly lanes: number
  /** why there are so many */
  readonly reason: string
  /** how f32 products are computed */
  readonly fast: FastRuntime
}

/** A program that work comes to. */
export interface Runnable {
  /** on one lane */
  run(): void
  /** on all lanes; a promise where this thread may not wait for them */
  runOnLanes(): Promise<void> | undefined
}
/** Work that gives the programs it needs to whoever drives it, who runs them. */
export type Work<T> = Generator<Runnable, T, undefined>

/** The number of lanes that an option says. */
export function checkLanes(where: string, lanes: unknown): number | 'auto' {
  return lanes === 'auto' ? lanes : checkCount(where, lanes, MOST_LANES)
}

/** Where weights live and programs run: a WebAssembly memory with its kernels. `createStore` makes one. Its members are for the package itself. */
export class Store extends Heap {
  readonly #modules: KernelModule[] = []
  /** those of them that its instances run */
  #applied: readonly KernelModule[] = []
  #version = 0
  readonly #params = new Map<string, StoredParam>()
  /** training calls that hold the store or wait for it, and the last of them */
  #training = 0
  #queue: Promise<unknown> = Promise.resolve()
  /** lanes that were asked for, or 1 when they cannot be had */
  #wanted: number
  #lanes: Lanes | undefined
  /** why there are so many */
  #reason: string
  /** milliseconds until a lane that does nothing is given up */
  patience = PATIENCE_MS
  /** what is worth waking lanes for: tests make them do everything */
  worth: Worth = WORTH
  /** why the store cannot go on, or null */
  #broken: string | null = null
  /** work on lanes: one after the other */
  #turns: Promise<unknown> = Promise.resolve()
  /** does work on lanes wait for them now? Then nothing else may touch the arena. */
  #waiting = false
  /** are the fast kernels wanted, and not yet there? */
  #fastWanted: boolean
  #fast: FastRuntime

  constructor({ lanes = 1, fast = false }: StoreOptions = {}) {
    super()
    this.#wanted = lanes === 'auto' ? Math.min(AUTO_MOST, cores()) : lanes
    this.#reason = this.wantsLanes ? 'one lane until the first call that may wait' : 'one lane: no more were asked for'
    this.#fastWanted = fast
    this.#fast = { path: 'baseline', reason: fast ? 'fast: not before the first call that may wait' : 'fast: not asked for' }
  }

  /** Fast kernels from now on, or never: what a store computes does not change on the way. */
  #settleFast(module: KernelModule | string): void {
    this.#fastWanted = false
    if (typeof module === 'object') this.replace(module)
    this.#fast = typeof module === 'object' ? { path: 'relaxed', reason: '' } : { path: 'baseline', reason: module }
  }

  /** Puts the kernels of a module in kernels' places, once. Lanes that have started do without: all of a store's instances run the same. */
  replace(module: KernelModule): void {
    if (this.#modules.includes(module)) return
    this.#modules.push(module)
    if (this.#lanes === undefined) this.#apply(this.#modules)
  }

  /** Modules that have their kernels' places, by name. */
  get modules(): readonly string[] { return this.#applied.map(({ name }) => name) }

  /** Prologues run again: what a kernel packs is for the others of its module. */
  #apply(modules: readonly KernelModule[]): void {
    this.#applied = [...modules]
    for (const module of modules) this.instance.replace(kernelsOf(module, this.instance.memory))
    this.changed()
  }

  /** Where programs run. */
  get runtime(): Runtime {
    const lanes = this.#lanes?.count ?? 1
    return { binary: this.#lanes === undefined ? 'baseline' : 'shared', lanes, reason: this.#reason, fast: this.#fast }
  }

  /** Are there lanes, or may there be? */
  get wantsLanes(): boolean { return this.#wanted > 1 }

  #oneLane(why: string): void {
    this.#wanted = 1
    this.#reason = `one lane: ${why}`
  }

  /**
   * Drives work on one lane, at once.
   *
   * @throws BusyError while other work waits for lanes
   */
  atOnce<T>(where: string, work: () => Work<T>): T {
    this.checkFree(where)
    if (this.#fastWanted) this.#settleFast(fast.found ?? 'fast: the first call was a synchronous one (predict and fit wait for the kernels)')
    const running = work()
    for (let next = running.next(); ;) {
      if (next.done === true) return next.value
      try { next.value.run() } catch (error) { next = running.throw(error); continue }
      next = running.next()
    }
  }

  /** Drives work on the store's lanes, when all such work before it is done. */
  async onLanes<T>(where: string, work: () => Work<T>): Promise<T> {
    if (this.#fastWanted) {
      const module = await fast.loaded()
      // Another call may have settled it meanwhile.
      if (this.#fastWanted) this.#settleFast(module)
    }
    if (!this.wantsLanes) return this.atOnce(where, work)
    const turn = this.#turns.then(() => this.#drive(where, work))
    this.#turns = turn.catch(() => undefined)
    return await turn
  }

  async #drive<T>(where: string, work: () => Work<T>): Promise<T> {
    await this.#begin()
    this.checkFree(where)
    const running = work()
    for (let next = running.next(); ;) {
      if (next.done === true) return next.value
      try {
        const pause = next.value.runOnLanes()
        if (pause !== undefined) await this.#wait(pause)
      } catch (error) { next = running.throw(error); continue }
      next = running.next()
    }
  }

  async #wait(pause: Promise<void>): Promise<void> {
    this.#waiting = true
    try { await pause } finally { this.#waiting = false }
  }

  /** Throws while work waits for lanes, or when the store cannot go on. */
  checkFree(where: string): void {
    if (this.#broken !== null) throw new RuntimeError(this.#broken)
    this.#checkIdle(where)
  }

  #checkIdle(where: string): void {
    if (this.#waiting) throw new BusyError(message(where, 'a store whose lanes are idle', 'one where a program is running on them', 'Wait for that call, or use the asynchronous one.'))
  }

  /** Starts lanes when they are wanted and not there; the store goes on in memory that they share. */
  async #begin(): Promise<void> {
    const gone = this.#lanes?.gone ?? null
    if (gone !== null) this.#giveUp(gone)
    if (this.#lanes !== undefined || !this.wantsLanes) return
    // Most stores have one lane, and no need of this code.
    const lanes = await import('./lanes.js').then(
      ({ startLanes }) => startLanes(this, { count: this.#wanted, wasm: kernelBytes, names: kernelNames, modules: [...this.#modules], scratch: SCRATCH_BYTES, cores: cores(), threads: threads(), patience: this.patience }),
      (error: unknown) => `the code of lanes could not be loaded (${reasonOf(error)})`)
    if (typeof lanes === 'string') this.#oneLane(lanes)
    else if (this.wantsLanes) {
      this.#goOn(lanes, instantiate(lanes), lanes.modules)
      this.#lanes = lanes
      this.#reason = `${lanes.count} lanes: as asked for`
    } else {
      // Disposed of while they started.
      lanes.end()
      this.free(lanes.control)
    }
  }

  /** Goes on in another instance. */
  #goOn(lanes: Lanes, instance: Instance, modules: readonly KernelModule[]): void {
    lanes.carry(this.bytes, instance)
    this.instance = instance
    this.#apply(modules)
  }

  /** Goes on with one lane, in memory that no lane which wakes up late can reach. */
  #giveUp(why: string): void {
    const lanes = this.#lanes
    if (lanes !== undefined) {
      this.#goOn(lanes, instantiate(), this.#modules)
      this.#lanes = undefined
      lanes.end()
      this.free(lanes.control)
    }
    this.#oneLane(why)
  }

  /**
   * Runs entries of a program on the store's lanes; on one where there are no more.
   *
   * @param updates - does it change weights or what an optimizer keeps? When a lane is lost in it, the store cannot go on.
   * @returns a promise where this thread may not wait
   * @throws RuntimeError, or rejects with it, when a lane has stopped working
   */
  runOnLanes(from: number, to: number, updates: boolean): Promise<void> | undefined {
    const lanes = this.#lanes
    if (lanes === undefined) { this.runAlone(from, to); return undefined }
    const end = (failed: number): undefined => {
      if (failed === 0) return undefined
      const { why, lost } = lanes.lost(failed - 1, updates)
      this.#giveUp(why)
      if (updates) this.#broken = lost
      throw new RuntimeError(lost)
    }
    const ended = lanes.run(this.instance, from, to)
    return typeof ended === 'number' ? end(ended) : ended.then(end)
  }

  /** Ends the lanes before the garbage collector would (`using store = createStore({ lanes: 2 })`); the store goes on with one. */
  [Symbol.dispose](): void {
    this.#checkIdle('dispose')
    this.#giveUp('the others were disposed of')
  }

  /** Declares parameters: those that are new get memory, one after the other, and their first values from their own random streams. */
  declare(params: readonly ParamDeclaration[]): void {
    const fresh = params.filter(({ key, identity }) => {
      const known = this.#params.get(key)
      if (known !== undefined && known.identity !== identity) throw new EquigradError(`store: expected weights with keys of their own, got a second '${key}'. Give the model a \`name\`.`)
      return known === undefined
    })
    if (fresh.length === 0) return
    const sizes = fresh.map(({ shape }) => round(elements(shape) * 4))
    let { address } = this.alloc(sizes.reduce((a, b) => a + b, 0))
    fresh.forEach(({ key, shape, init, seed, filled, identity, values }, i) => {
      this.#params.set(key, { key, shape, address, length: elements(shape), identity })
      if (values !== undefined) this.f32(address, values.length).set(values)
      else if (filled !== true) initialize(this, address, shape, init, randomKey(seed, 'initialize', key))
      address += sizes[i] ?? 0
    })
    this.changed()
  }

  /**
   * The weight under a key, where it lies in memory.
   *
   * @throws EquigradError for a key that is not declared
   */
  param(key: string): StoredParam {
    const p = this.#params.get(key)
    if (p === undefined) throw new EquigradError(`store: expected one of ${[...this.#params.keys()].map((k) => `'${k}'`).join(', ')}, got '${key}'`)
    return p
  }

  /** changes whenever weights do */
  get version(): number { return this.#version }
  /** Says that weights have other values: prologues run again. */
  changed(): void { this.#version++ }

  /** Is a training call holding the store, or waiting for it? */
  get training(): boolean { return this.#training > 0 }

  /** Runs a training call when those before it have ended. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    // Counted from the call on: a sync call or new weights between it and its turn would change what it was called on.
    this.#training++
    const run = async (): Promise<T> => {
      try { return await work() } finally { this.#training-- }
    }
    const result = this.#queue.then(run)
    this.#queue = result.catch(() => undefined)
    return result
  }

  /** Runs a training call at once, or throws when another holds the store. */
  exclusiveSync<T>(where: string, work: () => T): T {
    if (this.training) throw new BusyError(`${where}: expected a store that no training call holds, got one where fit or trainOnBatch is running. Wait for it.`)
    return work()
  }
}

/**
 * A store that several models share by hand: teacher and student, generator and discriminator.
 *
 * @param options - `lanes`: threads, 1 to 256 or 'auto' (default 1); `fast`: products that may differ between hosts (default false)
 * @throws TypeError, RangeError for another number of lanes
 * @example
 * const store = createStore()
 * const a = sequential([dense(2)], { input: [3], name: 'a', store })
 * const b = sequential([dense(2)], { input: [3], name: 'b', store })
 */
export function createStore(options: StoreOptions = {}): Store {
  checkOptions('createStore', options, ['lanes', 'fast'])
  return new Store({ lanes: checkLanes('createStore.lanes', options.lanes ?? 1), fast: checkFlag('createStore.fast', options.fast ?? false) })
}
