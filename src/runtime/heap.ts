// The heap: an instance of the kernels with its linear memory, which is given out in blocks. Kernels have no heap of their own; every address comes from
// here.
import { RuntimeError } from '../core/errors.js'
import { reduceCode } from '../core/codes.js'
import { kernelTable, SCRATCH_BYTES, type KernelField, type KernelName } from '../compiler/kernels.js'
import { instantiate, type Instance } from './binary.js'

const PAGE = 65536
const ALIGN = 64
/** Addresses below 1024 are assumed unused by AssemblyScript. */
const LOWEST = 1024
/** Bytes that a block of so many takes. */
export const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** Bytes of linear memory. */
export interface Block { readonly address: number; readonly bytes: number }

export class Heap {
  protected instance: Instance = instantiate()
  /** free stretches, by address, never touching */
  #free: { address: number; bytes: number }[] = []
  #top = round(Math.max(LOWEST, this.instance.heapBase))
  #arena: Block = { address: 0, bytes: 0 }
  #arenaGeneration = 0
  #views: { readonly bytes: Uint8Array; readonly view: DataView } | undefined
  /** scratch of the one lane */
  readonly scratch: number = this.alloc(SCRATCH_BYTES).address

  /** The kernels of its instance, by name. */
  get kernels(): Instance['kernels'] { return this.instance.kernels }
  /** f64 functions with the same bits on every host. */
  get math(): Instance['math'] { return this.instance.math }
  /** the arena's address; it moves when it grows, then `arenaGeneration` changes */
  get arena(): Block { return this.#arena }
  /** Changes whenever the arena moves. */
  get arenaGeneration(): number { return this.#arenaGeneration }
  /** bytes of linear memory that the store has */
  get byteLength(): number { return this.#buffer.byteLength }
  get #buffer(): ArrayBufferLike { return this.instance.memory.buffer }

  // Views of the memory: they end when it grows, and are taken again. Those of all of it are kept: a step asks for them many times.
  /** All bytes. */
  get bytes(): Uint8Array { return this.#whole().bytes }
  /** All bytes, for single words. */
  get view(): DataView { return this.#whole().view }
  #whole(): { readonly bytes: Uint8Array; readonly view: DataView } {
    const buffer = this.#buffer
    if (this.#views?.view.buffer !== buffer) this.#views = { bytes: new Uint8Array(buffer), view: new DataView(buffer) }
    return this.#views
  }
  /** `length` f32 elements at a byte address, a multiple of 4. */
  f32(address: number, length: number): Float32Array { return new Float32Array(this.#buffer, address, length) }
  /** `length` f64 elements at a byte address, a multiple of 8. */
  f64(address: number, length: number): Float64Array { return new Float64Array(this.#buffer, address, length) }
  /** `length` i32 elements at a byte address, a multiple of 4. */
  i32(address: number, length: number): Int32Array { return new Int32Array(this.#buffer, address, length) }

  /** Reserves bytes at an address that is a multiple of 64. Their contents are undefined. */
  alloc(bytes: number): Block {
    const size = round(Math.max(bytes, 1))
    const at = this.#free.findIndex((f) => f.bytes >= size)
    const hole = this.#free[at], address = hole?.address ?? this.#top
    if (hole === undefined) {
      this.#grow(address + size)
      this.#top = address + size
    } else if (hole.bytes === size) this.#free.splice(at, 1)
    else {
      hole.address += size
      hole.bytes -= size
    }
    return { address, bytes: size }
  }

  /** Gives back what `alloc` reserved; nothing for a block of 0 bytes. */
  free(block: Block): void {
    if (block.bytes === 0) return
    let { address, bytes } = block
    const apart = this.#free.filter((f) => {
      if (f.address + f.bytes !== address && address + bytes !== f.address) return true
      address = Math.min(address, f.address)
      bytes += f.bytes
      return false
    })
    if (address + bytes === this.#top) this.#top = address
    else apart.push({ address, bytes })
    this.#free = apart.sort((a, b) => a.address - b.address)
  }

  #grow(end: number): void {
    const missing = end - this.byteLength
    if (missing <= 0) return
    try {
      this.instance.memory.grow(Math.ceil(missing / PAGE))
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

  /** Runs entries of a program on one lane. */
  runAlone(from: number, to: number): void { this.instance.runAlone(from, to, this.scratch) }

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
    this.kernels[kernel](block.address, this.scratch, 0, tiles)
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
}
