// The executor: a program linked to a store. Linking writes its descriptors with addresses, binding patches the words that depend on n,
// a run walks its list of calls in WebAssembly (assembly/run).
import { EquigradError } from '../core/errors.js'
import { randomKey } from '../core/random.js'
import { elements, isBatched } from '../core/shape.js'
import { sizeAt, type Affine, type Buffer, type Program, type View, type Word } from '../compiler/program.js'
import { sharedOut } from '../compiler/work.js'
import { kernelNumber } from './binary.js'
import { round, type Block } from './heap.js'
import type { Runnable, Store } from './store.js'

/** Bytes of an entry of the list that a run walks, and of a patch of a loop; flags of an entry (assembly/run/run.ts). */
const ENTRY = 32, PATCH = 12
const BARRIER = 1, ALONE = 2, LOOP = 4

export interface LinkOptions {
  /** the model's seed: random streams of the program get their keys from it */
  readonly seed: number
  /** addresses of the gradient block, the sums and the optimizer's states */
  readonly grad?: number
  readonly sum?: number
  readonly state?: (name: string) => number
}

/** An output as results of it are made: elements of a sample, and their shape. */
export interface Output { readonly name: string; readonly width: number; readonly sample: readonly number[] }

/** A word that holds an address. */
type Address = Extract<Word, { readonly buffer: number }>
/** Does it advance in the loop around it? */
const advances = (w: Word): w is Address & { readonly perStep: number } => typeof w === 'object' && 'buffer' in w && w.perStep !== undefined

export class Executor implements Runnable {
  readonly program: Program
  readonly outputs: readonly Output[]
  readonly #store: Store
  readonly #options: LinkOptions
  /** descriptors, constants, tables, slots and kept results */
  readonly #block: Block
  /** addresses of buffers in #block, by id */
  readonly #own = new Map<number, number>()
  readonly #external = new Map<string, number>()
  readonly #slots = new Map<string, number>()
  /** the list of calls and loops that a run walks: its address, its end, and the address of each call's entry */
  readonly list: number
  readonly listEnd: number
  readonly #entries: number[] = []
  /** words that hold addresses, in descriptors, tables and patches; those that depend on n */
  readonly #addressWords: { readonly at: number; readonly buffer: Buffer; readonly offset: number }[] = []
  readonly #affineWords: { readonly at: number; readonly size: Affine }[] = []
  /** does it change weights, or what an optimizer keeps? */
  readonly #updates: boolean
  /** is there enough to do for several lanes? */
  #wide = false
  #generation = -1
  #version = -1
  #n = -1
  #linked = false
  #users = 1

  constructor(program: Program, store: Store, options: LinkOptions) {
    const { buffers, calls, loops, capacity, sizes } = program
    this.program = program
    this.outputs = Object.entries(program.outputs).map(([name, { shape }]) => ({ name, width: elements(shape), sample: shape.slice(1).map(Number) }))
    this.#store = store
    this.#options = options
    this.#updates = calls.some(({ writes }) => writes.some((id) => { const region = buffers[id]?.region; return region === 'param' || region === 'state' }))
    let bytes = 0
    const take = (size: number): number => { const at = bytes; bytes += round(size); return at }
    const keep = take(sizes.keep)
    for (const { id, region, offset, words = [], ...b } of buffers) {
      if (region === 'constant' || region === 'slot') this.#own.set(id, take(sizeAt(b.bytes, capacity)))
      if (region === 'table') this.#own.set(id, take(words.length * 4))
      if (region === 'keep') this.#own.set(id, keep + offset)
    }
    const descriptors = calls.map(({ words }) => take(words.length * 4))
    const list = take((calls.length + loops.length) * ENTRY)
    const patches = take(calls.flatMap(({ words }) => words.filter(advances)).length * PATCH)
    this.#block = store.alloc(bytes)
    const { address } = this.#block
    store.bytes.fill(0, address, address + bytes)
    for (const [id, at] of this.#own) this.#own.set(id, address + at)
    for (const b of buffers) this.#fill(b)
    this.list = address + list
    this.listEnd = this.#writeList(descriptors.map((at) => address + at), address + patches)
  }

  /** Writes what a buffer of its own begins with. */
  #fill({ id, region, dtype, data = [], words = [], key }: Buffer): void {
    const store = this.#store, { view } = store, at = this.#own.get(id)
    if (at === undefined) return
    words.forEach((w, i) => { this.#word(view, at + i * 4, w) })
    if (region === 'constant') {
      if (dtype === 'f32') store.f32(at, data.length).set(data)
      else if (dtype === 'f64') store.f64(at, data.length).set(data)
      else if (dtype === 'i32') store.i32(at, data.length).set(data)
      else store.bytes.set(data, at)
    }
    if (region !== 'slot' || key === undefined) return
    this.#slots.set(key, at)
    if (!key.startsWith('key:')) return
    const [purpose = '', ...name] = key.slice(4).split('/')
    store.i32(at, 2).set(randomKey(this.#options.seed, purpose, name.join('/')))
  }

  /** Writes a word, or keeps in mind where it is to be written. */
  #word(view: DataView, at: number, w: Word): void {
    if (typeof w === 'number') view.setUint32(at, w, true)
    else if ('f32' in w) view.setFloat32(at, w.f32, true)
    else if ('buffer' in w) this.#point(at, w)
    else this.#affineWords.push({ at, size: w })
  }

  #point(at: number, { buffer: id, offset }: Address): void {
    const buffer = this.program.buffers[id]
    if (buffer !== undefined) this.#addressWords.push({ at, buffer, offset })
  }

  /** The list that a run walks: an entry for each call, and for each loop one before those of its body. */
  #writeList(descriptors: readonly number[], patches: number): number {
    const { view } = this.#store
    const { calls, loops } = this.program
    const put = (at: number, words: readonly number[]): void => { words.forEach((w, i) => { view.setUint32(at + i * 4, w, true) }) }
    let [at, next] = [this.list, 0]
    calls.forEach(({ kernel, tiles, words }, c) => {
      for (let loop = loops[next]; loop?.from === c; loop = loops[++next]) {
        const { from, to, steps } = loop, index = next, first = patches
        const inner = loops.filter((l, i) => i > index && l.from < to).length
        // Words of its calls that are in no inner loop.
        for (let i = from; i < to; i++) {
          if (loops.findLastIndex((l) => l.from <= i && i < l.to) !== index) continue
          calls[i]?.words.forEach((w, k) => {
            if (!advances(w)) return
            put(patches, [(descriptors[i] ?? 0) + 4 * k, 0, w.perStep])
            this.#point(patches + 4, w)
            patches += PATCH
          })
        }
        put(at, [LOOP, steps, (to - c + inner) * ENTRY, first, (patches - first) / PATCH])
        at += ENTRY
      }
      const descriptor = descriptors[c] ?? 0
      put(at, [0, kernelNumber(kernel), descriptor])
      this.#word(view, at + 12, tiles)
      words.forEach((w, i) => { this.#word(view, descriptor + i * 4, w) })
      this.#entries.push(at)
      at += ENTRY
    })
    return at
  }

  /** The address of a buffer now. */
  #address(b: Buffer): number {
    const own = this.#own.get(b.id)
    if (own !== undefined) return own
    const key = b.key ?? ''
    switch (b.region) {
      case 'arena': return this.#store.arena.address + b.offset
      case 'param': return this.#store.param(key).address
      case 'external': return this.#given(this.#external.get(key), `data for '${key}'`)
      case 'grad': return this.#given(this.#options.grad, 'a gradient block') + b.offset
      case 'sum': return this.#given(this.#options.sum, 'sums') + b.offset
      case 'state': return this.#given(this.#options.state?.(key), `a state '${key}'`)
      case 'constant': case 'table': case 'slot': case 'keep': throw new EquigradError(`executor: buffer ${b.id} has no place`)
    }
  }

  #given(address: number | undefined, what: string): number {
    if (address === undefined) throw new EquigradError(`executor: the program needs ${what}, none was given`)
    return address
  }

  /** Reserves what the program needs and, if addresses have changed, writes them anew. */
  prepare(): void {
    this.#store.reserveArena(this.program.sizes.arena)
    if (this.#linked && this.#generation === this.#store.arenaGeneration) return
    const view = this.#store.view
    for (const { at, buffer, offset } of this.#addressWords) view.setUint32(at, this.#address(buffer) + offset, true)
    this.#generation = this.#store.arenaGeneration
    this.#linked = true
  }

  /** Binds an external input to where its rows are. */
  bindExternal(name: string, address: number): void {
    if (this.#external.get(name) === address) return
    this.#external.set(name, address)
    this.#linked = false
  }

  /** Sets the number of samples of the next runs. */
  bind(n: number): void {
    if (n === this.#n) return
    if (!(Number.isInteger(n) && n >= 0 && n <= this.program.capacity)) throw new RangeError(`executor: expected 0 to ${this.program.capacity} samples, got ${n}`)
    const view = this.#store.view
    for (const { at, size } of this.#affineWords) view.setUint32(at, sizeAt(size, n), true)
    this.#n = n
    if (this.#store.wantsLanes) this.#share(n)
  }

  /** Says which calls lanes share out, and where they meet. */
  #share(n: number): void {
    const shared = sharedOut(this.program, n, this.#store.worth)
    const { view } = this.#store
    this.#wide = shared !== null
    this.program.calls.forEach(({ barrier }, c) => {
      view.setUint32(this.#entries[c] ?? 0, (barrier ? BARRIER : 0) | (shared?.[c] === true ? 0 : ALONE), true)
    })
  }

  /** Has the program a slot of this name? */
  hasSlot(name: string): boolean { return this.#slots.has(name) }

  #slot(name: string): number { return this.#given(this.#slots.get(name), `a slot '${name}'`) }
  setF32(name: string, value: number): void { this.#store.view.setFloat32(this.#slot(name), value, true) }
  setU32(name: string, value: number): void { this.#store.view.setUint32(this.#slot(name), value, true) }

  /** Runs all calls for the bound number of samples; those of the prologue only if the weights have changed since. */
  run(): void {
    this.prepare()
    this.#store.runAlone(this.#first(), this.listEnd)
    this.#version = this.#store.version
  }

  /**
   * {@link run} on the store's lanes, where there is enough to do.
   *
   * @returns a promise where this thread may not wait for lanes
   * @throws RuntimeError when a lane has stopped working
   */
  runOnLanes(): Promise<void> | undefined {
    if (!this.#wide) { this.run(); return undefined }
    this.prepare()
    const { version } = this.#store
    const ended = this.#store.runOnLanes(this.#first(), this.listEnd, this.#updates)
    if (ended !== undefined) return ended.then(() => { this.#version = version })
    this.#version = version
    return undefined
  }

  /** The entry that a run begins with: prologues have no loops, so each of their calls is one entry. */
  #first(): number { return this.list + (this.#version === this.#store.version ? this.program.prologue * ENTRY : 0) }

  /** Where an input or output lies now. Call `prepare` first. */
  addressOf(v: View): number {
    const b = this.program.buffers[v.buffer]
    if (b === undefined) throw new EquigradError('executor: no such buffer')
    return this.#address(b) + v.offset
  }

  input(name: string): number { return this.addressOf(this.#view(this.program.inputs[name], name)) }
  output(name: string): number { return this.addressOf(this.#view(this.program.outputs[name], name)) }

  #view(v: View | undefined, name: string): View {
    if (v === undefined) throw new EquigradError(`executor: the program has no '${name}'`)
    return v
  }

  /** A copy of an f32 output, `n` samples of it where it has samples. */
  copyF32(name: string): Float32Array<ArrayBuffer> {
    const v = this.#view(this.program.outputs[name], name)
    return this.#store.f32(this.addressOf(v), elements(v.shape) * (isBatched(v.shape) ? this.#n : 1)).slice()
  }

  /** Keeps the program's memory over one `release` more: for work that pauses, while others may drop the executor. */
  retain(): void { this.#users++ }

  /** Gives the program's own memory back, once no one uses it. */
  release(): void {
    this.#users--
    if (this.#users === 0) this.#store.free(this.#block)
  }
}
