// A store owns one linear memory: the parameters by key, the arena that all programs share, and what else asks for a block. Kernels have no
// heap; every address comes from here.
import { BusyError, EquigradError, RuntimeError } from '../core/errors.js'
import { randomCode } from '../core/codes.js'
import { orthonormalRows } from '../core/orthogonal.js'
import { randomKey } from '../core/random.js'
import { elements, type Shape } from '../core/shape.js'
import { ELEMENTS, kernelTable, SCRATCH_BYTES, type KernelField, type KernelName } from '../compiler/kernels.js'
import type { Init } from '../compiler/graph/value.js'
import { instantiate, type Instance, type Kernel } from './binary.js'

const PAGE = 65536
const ALIGN = 64
/** Addresses below 1024 are assumed unused by AssemblyScript. */
const LOWEST = 1024
const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** Bytes of linear memory. */
export interface Block { readonly address: number; readonly bytes: number }

/** A parameter as a model declares it. */
export interface ParamDeclaration {
  readonly key: string
  readonly shape: Shape
  readonly init: Init
  readonly seed: number
  /** who it is: declared again, it is the same parameter; with another identity a key is refused */
  readonly identity: object
}

export interface StoredParam { readonly key: string; readonly shape: Shape; readonly address: number; readonly length: number; readonly identity: object }

export class Store {
  readonly #instance: Instance = instantiate()
  readonly #kernels: Record<KernelName, Kernel> = { ...this.#instance.kernels }
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

  constructor() {
    this.#top = round(Math.max(LOWEST, this.#instance.heapBase))
    this.scratch = this.alloc(SCRATCH_BYTES).address
  }

  get kernels(): Instance['kernels'] { return this.#kernels }

  /** Puts another kernel of the same bits, made for this store's memory, in a kernel's place, for programs that are linked from now on. */
  replace(kernel: KernelName, make: (memory: WebAssembly.Memory) => Kernel): void { this.#kernels[kernel] = make(this.#instance.memory) }

  get math(): Instance['math'] { return this.#instance.math }
  /** the arena's address; it moves when it grows, then `arenaGeneration` changes */
  get arena(): Block { return this.#arena }
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

  f32(address: number, length: number): Float32Array { return new Float32Array(this.#instance.memory.buffer, address, length) }
  f64(address: number, length: number): Float64Array { return new Float64Array(this.#instance.memory.buffer, address, length) }
  i32(address: number, length: number): Int32Array { return new Int32Array(this.#instance.memory.buffer, address, length) }
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
    fresh.forEach(({ key, shape, init, seed, identity }, i) => {
      this.#params.set(key, { key, shape, address, length: elements(shape), identity })
      this.initialize(address, shape, init, randomKey(seed, 'initialize', key))
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
 * @example
 * const store = createStore()
 * const a = sequential([dense(2)], { input: [3], name: 'a', store })
 * const b = sequential([dense(2)], { input: [3], name: 'b', store })
 */
export const createStore = (): Store => new Store()
