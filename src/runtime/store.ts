// A store owns one linear memory: the parameters by key, the arena that all programs share, and what else asks for a block. Kernels have no
// heap; every address comes from here.
import { BusyError, EquigradError, message, RuntimeError } from '../core/errors.js'
import { checkCount, checkFlag, checkOptions } from '../core/options.js'
import { randomCode, reduceCode } from '../core/codes.js'
import { orthonormalRows } from '../core/orthogonal.js'
import { randomKey } from '../core/random.js'
import { elements, type Shape } from '../core/shape.js'
import { ELEMENTS, kernelTable, SCRATCH_BYTES, type KernelField, type KernelName } from '../compiler/kernels.js'
import type { Init } from '../compiler/graph/value.js'
import { WORTH, type Worth } from '../compiler/work.js'
import { instantiate, kernelNames, kernelsOf, sharedModule, type Instance, type KernelModule } from './binary.js'
import { fastModule, loadFast, type FastRuntime } from './fast.js'
import type { Lanes } from './lanes.js'
import { cores, lacking, mayWait, threads } from './platform/host.js'
import { MOST_PAGES } from './shared.js'

const PAGE = 65536
const ALIGN = 64
/** Addresses below 1024 are assumed unused by AssemblyScript. */
const LOWEST = 1024
/** Most lanes. */
const MOST_LANES = 256
/** Milliseconds until a lane that does nothing is given up. */
export const PATIENCE_MS = 10_000
const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** Bytes of linear memory. */
export interface Block { readonly address: number; readonly bytes: number }

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

const AUTO_MOST = 8
const baseline = (reason: string): FastRuntime => ({ path: 'baseline', reason })

/** The number of lanes that an option says. */
export function checkLanes(where: string, lanes: unknown): number | 'auto' {
  return lanes === 'auto' ? lanes : checkCount(where, lanes, MOST_LANES)
}

/** Ends the lanes of stores that nothing reaches. */
const collected = /* @__PURE__ */ new FinalizationRegistry<Lanes>((lanes) => { lanes.end() })

/** A shared memory that may grow as far as the host lets it. */
function sharedMemory(pages: number): WebAssembly.Memory | null {
  for (let most = MOST_PAGES; most >= pages; most = Math.floor(most / 2)) {
    try { return new WebAssembly.Memory({ initial: pages, maximum: most, shared: true }) } catch { /* fewer, then */ }
  }
  return null
}

/** Where weights live and programs run: a WebAssembly memory with its kernels. `createStore` makes one. Its members are for the package itself. */
export class Store {
  #instance: Instance = instantiate()
  readonly #modules: KernelModule[] = []
  /** those of them that its instances run */
  #applied: readonly KernelModule[] = []
  /** free stretches, by address, never touching */
  #free: { address: number; bytes: number }[] = []
  #top: number
  #arena: Block = { address: 0, bytes: 0 }
  #arenaGeneration = 0
  #version = 0
  #params = new Map<string, StoredParam>()
  #queue: Promise<unknown> = Promise.resolve()
  #bytes: Uint8Array<ArrayBufferLike> | undefined
  #view: DataView | undefined
  #training = 0
  /** scratch of the one lane */
  readonly scratch: number
  /** lanes that were asked for, or 1 when they cannot be had */
  #wanted: number
  #lanes: Lanes | undefined
  #reason = 'one lane: no more were asked for'
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
  #fast: FastRuntime = baseline('fast: not asked for')

  constructor({ lanes = 1, fast = false }: StoreOptions = {}) {
    this.#fastWanted = fast
    this.#wanted = lanes === 'auto' ? Math.min(AUTO_MOST, cores()) : lanes
    const why = this.#wanted > 1 ? lacking() : null
    if (why !== null) this.#oneLane(why)
    else if (this.#wanted > 1) this.#reason = 'one lane until the first call that may wait'
    this.#top = round(Math.max(LOWEST, this.#instance.heapBase))
    this.scratch = this.alloc(SCRATCH_BYTES).address
    if (fast) this.#fast = baseline('fast: not before the first call that may wait')
  }

  /** Fast kernels from now on, or never: what a store computes does not change on the way. */
  #settleFast(module: KernelModule | string): void {
    this.#fastWanted = false
    if (typeof module === 'string') { this.#fast = baseline(module); return }
    this.replace(module)
    this.#fast = { path: 'relaxed', reason: '' }
  }

  /** Puts the kernels of a module in kernels' places. Lanes that have started do without: all of a store's instances run the same. */
  replace(module: KernelModule): void {
    this.#modules.push(module)
    if (this.#lanes === undefined) this.#applyModules([...this.#modules])
  }

  /** Modules that have their kernels' places, by name. */
  get modules(): readonly string[] { return this.#applied.map(({ name }) => name) }

  /** Prologues run again: what a kernel packs is for the others of its module. */
  #applyModules(modules: readonly KernelModule[]): void {
    this.#applied = modules
    for (const module of modules) this.#instance.replace(kernelsOf(module, this.#instance.memory))
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
    if (this.#fastWanted) this.#settleFast(fastModule() ?? 'fast: the first call was a synchronous one (predict and fit wait for the kernels)')
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
      const module = await loadFast()
      // Another call may have settled it meanwhile.
      if (this.#fastWanted) this.#settleFast(module)
    }
    if (this.#wanted === 1) return this.atOnce(where, work)
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

  /** Starts lanes when they are wanted and not there; moves the store to memory that they share. */
  async #begin(): Promise<void> {
    if (this.#lanes !== undefined && this.#lanes.gone !== null) this.#giveUp(this.#lanes.gone)
    if (this.#lanes !== undefined || this.#wanted === 1) return
    const count = this.#wanted
    // Most stores have one lane, and no need of this code.
    const loaded = await import('./lanes.js').catch((error: unknown) => `the code of lanes could not be loaded (${error instanceof Error ? error.message : String(error)})`)
    if (typeof loaded === 'string') { this.#oneLane(loaded); return }
    const modules = [...this.#modules]
    const control = this.alloc(loaded.lanesBytes(count, SCRATCH_BYTES))
    const memory = sharedMemory(this.byteLength / PAGE)
    const lanes = memory === null ? 'no shared memory of that size' : await loaded.Lanes.start({
      count, memory, module: sharedModule(), names: kernelNames, cores: cores(), threads: threads(), control: control.address, modules, wait: mayWait(), patience: this.patience,
    })
    // Disposed of while they started.
    if (typeof lanes !== 'string' && !this.wantsLanes) {
      lanes.end()
      this.free(control)
      return
    }
    if (memory === null || typeof lanes === 'string') {
      this.free(control)
      this.#oneLane(String(lanes))
      return
    }
    this.#moveTo(instantiate(memory), control)
    this.#applyModules(modules)
    this.#lanes = lanes
    this.#reason = `${count} lanes: as asked for`
    collected.register(this, lanes, lanes)
  }

  /** Goes on in the memory of another instance: all bytes at their addresses, but those of a block. */
  #moveTo(instance: Instance, except: Block): void {
    const from = this.bytes
    const missing = from.length - instance.memory.buffer.byteLength
    if (missing > 0) instance.memory.grow(missing / PAGE)
    const to = new Uint8Array(instance.memory.buffer)
    const { heapBase } = instance
    to.set(from.subarray(heapBase, except.address), heapBase)
    to.set(from.subarray(except.address + except.bytes), except.address + except.bytes)
    this.#instance = instance
  }

  /** Goes on with one lane, in memory that no lane which wakes up late can reach. */
  #giveUp(why: string): void {
    const lanes = this.#lanes
    if (lanes === undefined) return
    const alone = instantiate()
    this.#moveTo(alone, { address: this.#top, bytes: 0 })
    this.#applyModules([...this.#modules])
    lanes.end()
    collected.unregister(lanes)
    this.#lanes = undefined
    this.#oneLane(why)
  }

  /**
   * Runs entries of a program on the store's lanes.
   *
   * @param updates - does it change weights or what an optimizer keeps? When a lane is lost in it, the store cannot go on.
   * @returns null where there are no lanes; a promise where this thread may not wait
   * @throws RuntimeError, or rejects with it, when a lane has stopped working
   */
  runOnLanes(from: number, to: number, updates: boolean): Promise<void> | undefined | null {
    const lanes = this.#lanes
    if (lanes === undefined) return null
    const end = (failed: number): void => {
      if (failed === 0) return
      const lost = message('lanes', `${lanes.count} lanes that work`, `lane ${failed - 1} that did nothing for ${this.patience / 1000} s`)
      this.#giveUp(lanes.gone ?? `lane ${failed - 1} stopped working`)
      if (updates) this.#broken = `${lost} Weights may be half updated: load the last save.`
      throw new RuntimeError(updates ? this.#broken ?? lost : `${lost} Nothing has changed: call again, the store goes on with one lane.`)
    }
    const ended = lanes.run(this.#instance, from, to)
    if (typeof ended === 'number') { end(ended); return undefined }
    return ended.then(end)
  }

  /** Runs entries of a program on one lane. */
  runAlone(from: number, to: number): void { this.#instance.runAlone(from, to, this.scratch) }

  /** Ends the lanes before the garbage collector would (`using store = createStore({ lanes: 2 })`); the store goes on with one. */
  [Symbol.dispose](): void {
    this.#checkIdle('dispose')
    if (this.#lanes === undefined) this.#oneLane('the others were disposed of')
    else this.#giveUp('the others were disposed of')
  }

  /** The kernels of its instance, by name. */
  get kernels(): Instance['kernels'] { return this.#instance.kernels }
  /** f64 functions with the same bits on every host. */
  get math(): Instance['math'] { return this.#instance.math }
  /** the arena's address; it moves when it grows, then `arenaGeneration` changes */
  get arena(): Block { return this.#arena }
  /** Changes whenever the arena moves. */
  get arenaGeneration(): number { return this.#arenaGeneration }
  /** changes whenever weights do */
  get version(): number { return this.#version }
  /** bytes of linear memory that the store has */
  get byteLength(): number { return this.#instance.memory.buffer.byteLength }

  /** All bytes; taken again after growth. */
  get bytes(): Uint8Array<ArrayBufferLike> {
    const { buffer } = this.#instance.memory
    if (this.#bytes === undefined || this.#bytes.buffer !== buffer) this.#bytes = new Uint8Array(buffer)
    return this.#bytes
  }

  /** All bytes, for single words; taken again after growth. */
  get view(): DataView {
    const { buffer } = this.#instance.memory
    if (this.#view === undefined || this.#view.buffer !== buffer) this.#view = new DataView(buffer)
    return this.#view
  }

  /** A view of `length` f32 elements at a byte address, a multiple of 4; taken again after growth. */
  f32(address: number, length: number): Float32Array { return new Float32Array(this.#instance.memory.buffer, address, length) }
  /** A view of `length` f64 elements at a byte address, a multiple of 8; taken again after growth. */
  f64(address: number, length: number): Float64Array { return new Float64Array(this.#instance.memory.buffer, address, length) }
  /** A view of `length` i32 elements at a byte address, a multiple of 4; taken again after growth. */
  i32(address: number, length: number): Int32Array { return new Int32Array(this.#instance.memory.buffer, address, length) }
  /** A view of `length` u32 elements at a byte address, a multiple of 4; taken again after growth. */
  u32(address: number, length: number): Uint32Array { return new Uint32Array(this.#instance.memory.buffer, address, length) }

  /** Reserves bytes at an address that is a multiple of 64. Their contents are undefined. */
  alloc(bytes: number): Block {
    const size = round(Math.max(bytes, 1))
    const at = this.#free.findIndex((f) => f.bytes >= size)
    const hole = this.#free[at]
    if (hole !== undefined) {
      const { address } = hole
      if (hole.bytes === size) this.#free.splice(at, 1)
      else { hole.address += size; hole.bytes -= size }
      return { address, bytes: size }
    }
    const address = this.#top
    this.#grow(address + size)
    this.#top = address + size
    return { address, bytes: size }
  }

  /** Gives back what `alloc` reserved; nothing for a block of 0 bytes. */
  free(block: Block): void {
    if (block.bytes === 0) return
    let { address, bytes } = block
    const rest = this.#free.filter((f) => {
      if (f.address + f.bytes === address) { address = f.address; bytes += f.bytes; return false }
      if (address + bytes === f.address) { bytes += f.bytes; return false }
      return true
    })
    if (address + bytes === this.#top) this.#top = address
    else rest.push({ address, bytes })
    this.#free = rest.sort((a, b) => a.address - b.address)
  }

  #grow(end: number): void {
    const missing = end - this.byteLength
    if (missing <= 0) return
    try {
      this.#instance.memory.grow(Math.ceil(missing / PAGE))
    } catch {
      throw new RuntimeError(`store: expected ${end} bytes of WebAssembly memory, got a limit below that (${this.byteLength} in use). Use a smaller model or batch, or pass data as an async iterable.`)
    }
  }

  /** Makes the arena at least this large. */
  reserveArena(bytes: number): void {
    if (bytes <= this.#arena.bytes) return
    this.free(this.#arena)
    this.#arena = { address: 0, bytes: 0 }
    this.#arena = this.alloc(bytes)
    this.#arenaGeneration++
  }

  /** Runs one kernel outside any program: all its tiles. Words are integers, or `{ f32 }`. */
  run<K extends KernelName>(kernel: K, words: Readonly<Record<KernelField<K>, number | { readonly f32: number }>>, tiles: number): void {
    const order: readonly KernelField<K>[] = kernelTable[kernel].words
    const block = this.alloc(order.length * 4)
    const { view } = this
    order.forEach((field, i) => {
      const word = words[field]
      if (typeof word === 'number') view.setUint32(block.address + i * 4, word, true)
      else view.setFloat32(block.address + i * 4, word.f32, true)
    })
    this.#instance.kernels[kernel](block.address, this.scratch, 0, tiles)
    this.free(block)
  }

  /** Is the sum of `length` f32 at an address finite? Then all of them are: several times as fast as asking each of them on the host. */
  sumIsFinite(address: number, length: number): boolean {
    const y = this.alloc(4)
    this.run('f32_reduce', { x: address, y: y.address, outer: 1, k: length, inner: 1, code: reduceCode.sum }, 1)
    const sum = this.view.getFloat32(y.address, true)
    this.free(y)
    return sum - sum === 0
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
    const block = this.alloc(sizes.reduce((a, b) => a + b, 0))
    let address = block.address
    fresh.forEach(({ key, shape, init, seed, filled, identity, values }, i) => {
      this.#params.set(key, { key, shape, address, length: elements(shape), identity })
      if (values !== undefined) this.f32(address, values.length).set(values)
      else if (filled !== true) this.initialize(address, shape, init, randomKey(seed, 'initialize', key))
      address += sizes[i] ?? 0
    })
    this.changed()
  }

  /** Fills the f32 values of a shape as an initialiser says. */
  initialize(address: number, shape: Shape, init: Init, key: readonly [number, number]): void {
    const length = elements(shape)
    switch (init.kind) {
      case 'constant': this.#fill(address, length, init.value); return
      case 'blocks': {
        const part = length / init.values.length
        init.values.forEach((value, i) => { this.#fill(address + i * part * 4, part, value) })
        return
      }
      case 'orthogonal': this.#orthogonal(address, shape, init.gain, key); return
      case 'uniform': this.#random(address, length, 'uniform', [init.low, init.high], key); return
      case 'normal': case 'truncatedNormal': this.#random(address, length, init.kind, [init.mean, init.deviation], key)
    }
  }

  #fill(address: number, length: number, value: number): void {
    this.run('f32_fill', { y: address, length, value: { f32: value } }, Math.ceil(length / ELEMENTS))
  }

  #random(address: number, length: number, kind: keyof typeof randomCode, [a, b]: readonly [number, number], key: readonly [number, number]): void {
    const words = this.alloc(8)
    this.u32(words.address, 2).set(key)
    this.run('f32_random', { y: address, length, kind: randomCode[kind], key: words.address, a: { f32: a }, b: { f32: b } }, Math.ceil(length / ELEMENTS))
    this.free(words)
  }

  /** Normal numbers, orthonormalised along the shorter side in f64. */
  #orthogonal(address: number, shape: Shape, gain: number, key: readonly [number, number]): void {
    const length = elements(shape)
    const columns = Number(shape[shape.length - 1] ?? 1), rows = length / columns
    const wide = rows <= columns
    const [lines, width] = wide ? [rows, columns] : [columns, rows]
    this.#random(address, length, 'normal', [0, 1], key)
    const values = this.f32(address, length)
    const matrix = Float64Array.from(values)
    orthonormalRows(matrix, lines, width)
    for (let i = 0; i < length; i++) {
      const at = wide ? i : (i % columns) * rows + Math.floor(i / columns)
      values[i] = gain * (matrix[at] ?? 0)
    }
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
