// Runs single kernels of a compiled binary on typed arrays: for tests and benches of kernels, below the compiler.
import { readFileSync } from 'node:fs'
import { kernelTable, SCRATCH_BYTES, type KernelField, type KernelName } from '../../src/compiler/kernels.js'

type KernelFunction = (descriptor: number, scratch: number, tileBegin: number, tileEnd: number) => void
export type Word = number | { readonly f32: number }
type Typed = Float32Array | Float64Array | Int32Array | Uint32Array | Uint8Array | Int8Array

/** A block of linear memory that a test filled. */
export interface Block { readonly address: number; readonly bytes: number }

export class KernelBox {
  readonly exports: Record<string, unknown>
  readonly memory: WebAssembly.Memory
  #top = 1024 + SCRATCH_BYTES

  /** @param extension - a module on the binary's memory, whose kernels take the place of the binary's */
  constructor(wasm: BufferSource = readFileSync('build/kernels.wasm'), extension?: BufferSource) {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {})
    const { memory } = exports
    if (!(memory instanceof WebAssembly.Memory)) throw new Error('the binary exports no memory')
    this.exports = { ...exports, ...(extension === undefined ? {} : new WebAssembly.Instance(new WebAssembly.Module(extension), { env: { memory } }).exports) }
    this.memory = memory
    const base = this.exports['heap_base']
    if (typeof base === 'function') this.#top = Math.max(this.#top, Number(base()) + SCRATCH_BYTES)
    this.#top = (this.#top + 63) & ~63
  }

  /** Reserves bytes, aligned to 64, filled with NaN (0xff). */
  alloc(bytes: number): Block {
    const address = this.#top
    this.#top = (address + bytes + 63) & ~63
    const missing = this.#top + 64 - this.memory.buffer.byteLength
    if (missing > 0) this.memory.grow(Math.ceil(missing / 65536))
    new Uint8Array(this.memory.buffer, address, bytes).fill(0xff)
    return { address, bytes }
  }

  put(data: Typed): Block {
    const block = this.alloc(data.byteLength)
    new Uint8Array(this.memory.buffer, block.address, block.bytes).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    return block
  }

  f32(block: Block): Float32Array { return new Float32Array(this.memory.buffer.slice(block.address, block.address + block.bytes)) }
  f64(block: Block): Float64Array { return new Float64Array(this.memory.buffer.slice(block.address, block.address + block.bytes)) }
  i32(block: Block): Int32Array { return new Int32Array(this.memory.buffer.slice(block.address, block.address + block.bytes)) }

  /** Writes the descriptor and returns a function that runs a range of tiles. */
  kernel<K extends KernelName>(name: K, words: Readonly<Record<KernelField<K>, Word>>): (tileBegin: number, tileEnd: number) => void {
    const f = this.exports[name]
    if (typeof f !== 'function') throw new Error(`no kernel ${name}`)
    const order: readonly KernelField<K>[] = kernelTable[name].words
    const block = this.alloc(order.length * 4)
    const view = new DataView(this.memory.buffer, block.address, block.bytes)
    order.forEach((field, i) => {
      const word = words[field]
      if (typeof word === 'number') view.setUint32(i * 4, word, true)
      else view.setFloat32(i * 4, word.f32, true)
    })
    const own = this.alloc(SCRATCH_BYTES).address
    return (tileBegin, tileEnd) => (f as KernelFunction)(block.address, own, tileBegin, tileEnd)
  }
}
