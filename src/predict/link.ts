// A plan linked to an instance of its own: weights, constants and descriptors at addresses that never change, so that a run only says how many samples.
import { FormatError, message, RuntimeError } from '../core/errors.js'
import { dtypeCode, SCRATCH_BYTES } from '../core/codes.js'
import type { DType } from '../core/shape.js'
import type { PackedAffine, PackedPlan } from '../compiler/packed.js'
import { sizeAt } from '../compiler/program.js'
import type { FileTensor } from '../formats/safetensors.js'
import { instantiateForward, type Forward } from '../runtime/forward.js'

/** Bytes of an entry of the list that a run walks, of a patch of a loop, and the flag of one (assembly/run/run.ts); a page of memory. */
const ENTRY = 32, PATCH = 12, LOOP = 4, PAGE = 65536
/** Addresses below are assumed unused by AssemblyScript. */
const LOWEST = 1024
/** The word of `gather` that says what type data has. */
const SOURCE_TYPE = 5

const round = (bytes: number): number => Math.ceil(bytes / 64) * 64
const at = ([per, plus, div, mul]: PackedAffine, n: number): number => sizeAt({ per, plus, div, mul }, n)

export class Linked {
  readonly #forward: Forward
  readonly #scratch: number
  readonly #addresses: readonly number[]
  readonly #descriptors: readonly number[]
  /** words that depend on the number of samples */
  readonly #affine: { readonly address: number; readonly size: PackedAffine }[] = []
  /** where a run begins: at the prologue, once */
  #first: number
  readonly #each: number
  readonly #end: number
  #n = -1

  constructor(readonly plan: PackedPlan, tensors: Readonly<Record<string, FileTensor>>) {
    this.#forward = instantiateForward()
    const { calls, loops, buffers, sizes, prologue } = plan
    let top = round(Math.max(LOWEST, this.#forward.heapBase))
    const take = (bytes: number): number => { const from = top; top += round(bytes); return from }
    this.#scratch = take(SCRATCH_BYTES)
    const regions = { arena: take(sizes[0]), keep: take(sizes[1]) }
    this.#addresses = buffers.map(([region, bytes, where]) => (region === 'arena' || region === 'keep' ? regions[region] + where : take(bytes)))
    this.#descriptors = calls.map(({ length }) => take((length - 2) * 4))
    const steps = calls.flatMap((call) => call.slice(2).filter((w) => typeof w === 'object' && w.length === 3)).length
    const list = take((calls.length + loops.length) * ENTRY), patches = take(steps * PATCH)
    this.#grow(top)
    this.#write(tensors)
    this.#first = list
    this.#each = list + prologue * ENTRY
    this.#end = this.#writeList(list, patches)
  }

  #grow(end: number): void {
    const { memory } = this.#forward
    const missing = end - memory.buffer.byteLength
    if (missing <= 0) return
    try { memory.grow(Math.ceil(missing / PAGE)) } catch { throw new RuntimeError(message('load', `${end} bytes of WebAssembly memory`, 'a limit below that', 'Use a smaller model.')) }
  }

  get #view(): DataView { return new DataView(this.#forward.memory.buffer) }

  /** Weights and constants. */
  #write(tensors: Readonly<Record<string, FileTensor>>): void {
    const { buffer } = this.#forward.memory
    this.plan.buffers.forEach(([region, , where], i) => {
      const data = region === 'tensor' ? tensors[where]?.data : region === 'words' ? Uint32Array.from(where) : undefined
      if (data !== undefined) new Uint8Array(buffer, this.#addresses[i], data.byteLength).set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    })
  }

  /** Descriptors, and the list that a run walks: an entry for each call, and for each loop one before those of its body. */
  #writeList(list: number, patches: number): number {
    const { calls, loops } = this.plan, view = this.#view
    const words = (address: number, values: readonly number[]): void => { values.forEach((w, i) => { view.setUint32(address + 4 * i, w, true) }) }
    let next = 0
    calls.forEach(([kernel, tiles, ...rest], c) => {
      for (let loop = loops[next]; loop?.[0] === c; loop = loops[++next]) {
        const [from, to, steps] = loop, index = next, first = patches
        const inner = loops.filter(([begin], i) => i > index && begin < to).length
        // The calls of this loop that are in no inner one.
        for (let i = from; i < to; i++) {
          if (loops.findLastIndex(([begin, end]) => begin <= i && i < end) !== index) continue
          calls[i]?.slice(2).forEach((w, k) => {
            if (typeof w !== 'object' || w.length !== 3) return
            words(patches, [(this.#descriptors[i] ?? 0) + 4 * k, (this.#addresses[w[0]] ?? 0) + w[1], w[2]])
            patches += PATCH
          })
        }
        words(list, [LOOP, steps, (to - c + inner) * ENTRY, first, (patches - first) / PATCH])
        list += ENTRY
      }
      const number = this.#forward.kernel(kernel)
      if (number === 0) throw new FormatError(message('load: plan', 'kernels of this package', kernel, 'The file is damaged.'))
      const descriptor = this.#descriptors[c] ?? 0
      words(list, [0, number, descriptor])
      const put = (address: number, w: (typeof rest)[number]): void => {
        if (typeof w === 'number') view.setUint32(address, w, true)
        else if (w.length === 4) this.#affine.push({ address, size: w })
        else view.setUint32(address, (this.#addresses[w[0]] ?? 0) + w[1], true)
      }
      put(list + 12, tiles)
      rest.forEach((w, i) => { put(descriptor + 4 * i, w) })
      list += ENTRY
    })
    return list
  }

  /** Puts the rows of an input where it is read. */
  setInput(index: number, rows: Uint8Array, dtype: DType): void {
    const { buffer = -1, read = -1 } = this.plan.inputs[index] ?? {}
    const address = this.#addresses[buffer]
    if (address === undefined) return
    const reader = this.#descriptors[read]
    if (reader !== undefined && dtype !== 'i8') this.#view.setUint32(reader + 4 * SOURCE_TYPE, dtypeCode[dtype], true)
    new Uint8Array(this.#forward.memory.buffer, address, rows.length).set(rows)
  }

  /** Runs the plan for `n` samples, at most its capacity. */
  run(n: number): void {
    if (n !== this.#n) {
      const view = this.#view
      for (const { address, size } of this.#affine) view.setUint32(address, at(size, n), true)
      this.#n = n
    }
    this.#forward.run(this.#first, this.#end, this.#scratch)
    this.#first = this.#each
  }

  /** What the last run gave, `length` numbers of an output: a view, until the next run. */
  output(index: number, length: number): Float32Array {
    const { buffer = 0, offset = 0 } = this.plan.outputs[index] ?? {}
    return new Float32Array(this.#forward.memory.buffer, (this.#addresses[buffer] ?? 0) + offset, length)
  }
}
