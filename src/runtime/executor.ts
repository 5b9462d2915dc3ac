// The executor: a program linked to a store. Linking writes its descriptors with addresses, binding patches the words that depend on n,
// a run walks its list of calls in WebAssembly (assembly/run).
import { EquigradError } from '../core/errors.js'
import { randomKey } from '../core/random.js'
import { elements, isBatched } from '../core/shape.js'
import { sizeAt, type Affine, type Buffer, type Program, type View, type Word } from '../compiler/program.js'
import { sharedOut } from '../compiler/work.js'
import { kernelNumber } from './binary.js'
import type { Block, Runnable, Store } from './store.js'

const round = (bytes: number): number => Math.ceil(bytes / 64) * 64

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
  /** the list of calls and loops that a run walks: its address, its end, and each call's entry */
  readonly #list: number
  readonly #listEnd: number
  readonly #entries: Int32Array
  /** words of the patches that hold addresses */
  readonly #patches: { readonly at: number; readonly buffer: Buffer; readonly offset: number }[] = []
  /** does it change weights, or what an optimizer keeps? */
  readonly #updates: boolean
  /** is there enough to do for several lanes? */
  #wide = false
  readonly #descriptors: Int32Array
  readonly #tiles: Int32Array
  /** words that hold addresses, and words and tile counts that depend on n */
  readonly #addressWords: { readonly at: number; readonly buffer: Buffer; readonly offset: number }[] = []
  /** addresses that advance, by the loop around them */
  readonly #stepWords: { readonly at: number; readonly buffer: Buffer; readonly offset: number; readonly perStep: number }[][]
  readonly #affineWords: { readonly at: number; readonly size: Affine }[] = []
  readonly #affineTiles: { readonly call: number; readonly size: Affine }[] = []
  readonly #slots = new Map<string, number>()
  #generation = -1
  #version = -1
  #n = -1
  #linked = false
  #users = 1

  constructor(program: Program, store: Store, options: LinkOptions) {
    this.program = program
    this.outputs = Object.entries(program.outputs).map(([name, { shape }]) => ({ name, width: elements(shape), sample: shape.slice(1).map(Number) }))
    this.#store = store
    this.#options = options
    let bytes = 0
    const take = (size: number): number => { const at = bytes; bytes += round(size); return at }
    const places = new Map<number, number>()
    for (const b of program.buffers) {
      if (b.region === 'constant' || b.region === 'slot') places.set(b.id, take(sizeAt(b.bytes, program.capacity)))
      if (b.region === 'table') places.set(b.id, take((b.words?.length ?? 0) * 4))
    }
    const keep = take(program.sizes.keep)
    const descriptors = program.calls.map((call) => take(call.words.length * 4))
    const list = take((program.calls.length + program.loops.length) * ENTRY)
    const patches = take(stepWordsOf(program) * PATCH)
    this.#block = store.alloc(bytes)
    store.bytes.fill(0, this.#block.address, this.#block.address + this.#block.bytes)
    for (const b of program.buffers) {
      const place = places.get(b.id)
      if (place !== undefined) this.#own.set(b.id, this.#block.address + place)
      if (b.region === 'keep') this.#own.set(b.id, this.#block.address + keep + b.offset)
    }
    this.#descriptors = Int32Array.from(descriptors, (at) => this.#block.address + at)
    this.#tiles = Int32Array.from(program.calls, (call) => sizeAt(call.tiles, program.capacity))
    this.#stepWords = program.loops.map(() => [])
    this.#updates = program.calls.some(({ writes }) => writes.some((id) => { const region = program.buffers[id]?.region; return region === 'param' || region === 'state' }))
    this.#writeWords()
    this.#list = this.#block.address + list
    this.#entries = new Int32Array(program.calls.length)
    this.#listEnd = this.#writeList(this.#block.address + patches)
  }

  /** The list that a run walks: an entry for each call, and for each loop one before those of its body. */
  #writeList(patches: number): number {
    const { view } = this.#store
    const { calls, loops } = this.program
    let [at, patch, next] = [this.#list, patches, 0]
    calls.forEach(({ kernel }, c) => {
      for (let loop = loops[next]; loop?.from === c; loop = loops[++next]) {
        const { to, steps } = loop
        const inner = loops.filter((l, i) => i > next && l.from < to).length
        const words = this.#stepWords[next] ?? []
        ;[LOOP, steps, (to - c + inner) * ENTRY, patch, words.length].forEach((w, i) => { view.setUint32(at + i * 4, w, true) })
        for (const { at: word, buffer, offset, perStep } of words) {
          view.setUint32(patch, word, true)
          view.setUint32(patch + 8, perStep, true)
          this.#patches.push({ at: patch + 4, buffer, offset })
          patch += PATCH
        }
        at += ENTRY
      }
      this.#entries[c] = at
      view.setUint32(at + 4, kernelNumber(kernel), true)
      view.setUint32(at + 8, this.#descriptors[c] ?? 0, true)
      view.setUint32(at + 12, this.#tiles[c] ?? 0, true)
      at += ENTRY
    })
    return at
  }

  /** Constants, tables and descriptors: all words that never change, and lists of those that do. */
  #writeWords(): void {
    const view = this.#store.view
    const word = (at: number, w: Word, loop = -1): void => {
      if (typeof w === 'number') view.setUint32(at, w, true)
      else if ('f32' in w) view.setFloat32(at, w.f32, true)
      else if ('buffer' in w) {
        const buffer = this.program.buffers[w.buffer]
        if (buffer !== undefined) this.#addressWords.push({ at, buffer, offset: w.offset })
        if (buffer !== undefined && w.perStep !== undefined) this.#stepWords[loop]?.push({ at, buffer, offset: w.offset, perStep: w.perStep })
      } else this.#affineWords.push({ at, size: w })
    }
    for (const b of this.program.buffers) {
      const at = this.#own.get(b.id)
      if (at === undefined) continue
      if (b.region === 'table') b.words?.forEach((w, i) => word(at + i * 4, w))
      if (b.region === 'constant') b.data?.forEach((x, i) => {
        if (b.dtype === 'f32') view.setFloat32(at + i * 4, x, true)
        else if (b.dtype === 'f64') view.setFloat64(at + i * 8, x, true)
        else if (b.dtype === 'i32') view.setInt32(at + i * 4, x, true)
        else view.setUint8(at + i, x)
      })
      if (b.region === 'slot' && b.key !== undefined) {
        this.#slots.set(b.key, at)
        if (b.key.startsWith('key:')) {
          const [purpose = '', ...name] = b.key.slice(4).split('/')
          this.#store.u32(at, 2).set(randomKey(this.#options.seed, purpose, name.join('/')))
        }
      }
    }
    this.program.calls.forEach((call, c) => {
      const loop = this.program.loops.findLastIndex(({ from, to }) => from <= c && c < to)
      call.words.forEach((w, i) => word((this.#descriptors[c] ?? 0) + i * 4, w, loop))
      if (typeof call.tiles !== 'number') this.#affineTiles.push({ call: c, size: call.tiles })
    })
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
    for (const { at, buffer, offset } of this.#patches) view.setUint32(at, this.#address(buffer) + offset, true)
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
    for (const { call, size } of this.#affineTiles) {
      const tiles = sizeAt(size, n)
      this.#tiles[call] = tiles
      view.setUint32((this.#entries[call] ?? 0) + 12, tiles, true)
    }
    this.#n = n
    if (this.#store.wantsLanes) this.#share(n)
  }

  /** Says which calls lanes share out, and where they meet. */
  #share(n: number): void {
    const shared = sharedOut(this.program, n, this.#store.worth)
    this.#wide = shared !== null
    this.program.calls.forEach(({ barrier }, c) => {
      this.#store.view.setUint32(this.#entries[c] ?? 0, (barrier ? BARRIER : 0) | (shared?.[c] === true ? 0 : ALONE), true)
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
    this.#store.runAlone(this.#first(), this.#listEnd)
    this.#version = this.#store.version
  }

  /**
   * {@link run} on the store's lanes, where there are some and enough to do.
   *
   * @returns a promise where this thread may not wait for lanes
   * @throws RuntimeError when a lane has stopped working
   */
  runOnLanes(): Promise<void> | undefined {
    this.prepare()
    const { version } = this.#store
    const ended = this.#wide ? this.#store.runOnLanes(this.#first(), this.#listEnd, this.#updates) : null
    if (ended === null) this.#store.runAlone(this.#first(), this.#listEnd)
    if (ended) return ended.then(() => { this.#version = version })
    this.#version = version
    return undefined
  }

  /** The entry that a run begins with: prologues have no loops, so each of their calls is one entry. */
  #first(): number { return this.#list + (this.#version === this.#store.version ? this.program.prologue * ENTRY : 0) }

  /** Goes through the calls from `first` on in the order of a run, as `run` does: those of a loop once for each step, their addresses at that step. */
  inOrder(first: number, visit: (call: number) => void): void { this.#range(first, this.program.calls.length, 0, visit) }

  #range(from: number, to: number, first: number, visit: (call: number) => void): void {
    const { loops } = this.program
    let next = first
    for (let i = from; i < to;) {
      while ((loops[next]?.from ?? to) < i) next++
      const loop = loops[next]
      if (loop?.from !== i) visit(i++)
      else {
        const index = next
        for (let step = 0; step < loop.steps; step++) {
          const view = this.#store.view
          for (const { at, buffer, offset, perStep } of this.#stepWords[index] ?? []) view.setUint32(at, this.#address(buffer) + offset + step * perStep, true)
          this.#range(loop.from, loop.to, index + 1, visit)
        }
        i = loop.to
        next++
      }
    }
  }

  /** Runs tiles [begin, end) of one call: how lanes, and the tests of tiles, divide a run. Call `prepare` and `bind` first. */
  runTiles(call: number, begin: number, end: number, scratch = this.#store.scratch): void {
    const kernel = this.program.calls[call]?.kernel
    if (kernel !== undefined) this.#store.kernels[kernel](this.#descriptors[call] ?? 0, scratch, begin, end)
  }

  /** Tiles of a call for the bound number of samples. */
  tiles(call: number): number { return this.#tiles[call] ?? 0 }

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

/** Words of calls within loops that advance. */
const stepWordsOf = ({ calls, loops }: Program): number => calls.reduce((sum, { words }, c) =>
  sum + (loops.some(({ from, to }) => from <= c && c < to) ? words.filter((w) => typeof w === 'object' && 'buffer' in w && w.perStep !== undefined).length : 0), 0)
