// lower: values become buffers, ops become kernel calls.
import { EquigradError } from '../../core/errors.js'
import { dtypeBytes, type DType, type Shape } from '../../core/shape.js'
import { topological, type Node, type Value } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { kernelTable, ELEMENTS, type KernelField, type KernelName } from '../kernels.js'
import { dependsOnSamples, isView, sizeOf, tilesOf, type Buffer, type Call, type CallOptions, type Loop, type LowerContext, type Operand, type Region, type Unplanned, type View, type Word } from '../program.js'

export interface LowerOptions {
  /** most samples of one run */
  readonly capacity: number
  readonly fetches: Readonly<Record<string, Value>>
  /** where fetched values go that do not stay in the arena, by the fetch's name: bytes into the gradient block or the sums */
  readonly place?: Readonly<Record<string, { readonly region: 'grad' | 'sum'; readonly offset: number }>>
  /** is this input bound by its address rather than copied into the arena? */
  readonly external?: (name: string) => boolean
  /** put calls that depend on weights and constants alone in front, to run only when the weights have changed */
  readonly prologue?: boolean
}

/** Collects buffers and calls. */
export class Assembler {
  readonly buffers: Buffer[] = []
  readonly calls: Call[] = []
  readonly inplace = new Map<Call, readonly number[]>()
  readonly #named = new Map<string, View>()
  readonly #loops: { readonly calls: readonly Call[]; readonly steps: number }[] = []

  constructor(readonly capacity: number) {}

  buffer(shape: Shape, dtype: DType, region: Region, more: { readonly offset?: number; readonly key?: string; readonly data?: readonly number[]; readonly words?: readonly Word[] } = {}): View {
    const id = this.buffers.length
    this.buffers.push({ id, bytes: sizeOf(shape, dtypeBytes[dtype]), dtype, region, offset: 0, ...more })
    return { buffer: id, offset: 0, shape, dtype }
  }

  /** The one buffer of a name in a region: a parameter, a state, an input, a slot. */
  named(shape: Shape, dtype: DType, region: Region, key: string): View {
    const known = this.#named.get(`${region}/${key}`)
    if (known !== undefined) return known
    const view = this.buffer(shape, dtype, region, { key })
    this.#named.set(`${region}/${key}`, view)
    return view
  }

  call<K extends KernelName>(path: string, kernel: K, words: Readonly<Record<KernelField<K>, Operand>>, options: CallOptions<K>): void {
    const order: readonly KernelField<K>[] = kernelTable[kernel].words
    const written: readonly KernelField<K>[] = [...options.writes, ...(options.updates ?? [])]
    const reads = new Set<number>()
    const writes = new Set<number>()
    for (const field of order) {
      const operand: Operand = words[field]
      if (typeof operand !== 'object' || !('buffer' in operand)) continue
      if (written.includes(field)) writes.add(operand.buffer)
      if (!options.writes.includes(field)) reads.add(operand.buffer)
    }
    for (const { buffer } of [...options.reads ?? [], ...options.touches ?? []]) reads.add(buffer)
    for (const { buffer } of options.touches ?? []) writes.add(buffer)
    const call: Call = { kernel, words: order.map((field) => wordOf(words[field])), tiles: options.tiles, reads: [...reads], writes: [...writes], barrier: false, path }
    this.calls.push(call)
    const candidates = (options.inplace ?? []).flatMap((field) => { const o: Operand = words[field]; return typeof o === 'object' && 'buffer' in o ? [o.buffer] : [] })
    if (candidates.length > 0) this.inplace.set(call, candidates)
  }

  /** Do weights and constants alone reach this buffer, by the calls so far? */
  fixed(buffer: number, seen = new Set<number>()): boolean {
    if (seen.has(buffer)) return true
    seen.add(buffer)
    const region = this.buffers[buffer]?.region
    if (region === 'param' || region === 'constant' || region === 'table') return true
    const writers = this.calls.filter((call) => call.writes.includes(buffer))
    return writers.length > 0 && writers.every((call) => !dependsOnSamples(call) && call.reads.every((b) => this.fixed(b, seen)))
  }

  /** Makes what `emit` emits a loop; calls that no step changes go in front of it. */
  loop(steps: number, carried: readonly number[], emit: () => void): void {
    const start = this.calls.length
    emit()
    const calls = this.calls.splice(start)
    const writers = new Map<number, number>()
    for (const call of calls) for (const b of call.writes) writers.set(b, (writers.get(b) ?? 0) + 1)
    const changing = new Set<number>(carried)
    const [once, each]: [Call[], Call[]] = [[], []]
    for (const call of calls) {
      // What two calls write, or a call that writes to a place that advances, is never the same for all steps.
      const varies = call.words.some((w) => typeof w === 'object' && 'buffer' in w && w.perStep !== undefined) || call.reads.some((b) => changing.has(b)) ||
        call.writes.some((b) => changing.has(b) || writers.get(b) !== 1)
      if (varies) for (const b of call.writes) changing.add(b)
      ;(varies ? each : once).push(call)
    }
    this.calls.push(...once, ...each)
    if (each.length > 0) this.#loops.unshift({ calls: each, steps })
  }

  get loops(): readonly Loop[] {
    return this.#loops.flatMap(({ calls, steps }) => {
      const first = calls[0]
      const from = first === undefined ? -1 : this.calls.indexOf(first)
      return from < 0 ? [] : [{ from, to: from + calls.length, steps }]
    }).sort((a, b) => a.from - b.from || b.to - a.to)
  }

  /**
   * Moves the calls that only weights and constants reach to the front, and what they write to what is kept; gives their number. They compute
   * the same in every run, so nothing of them may depend on n, and no other call may write to what they leave.
   */
  prologue(): number {
    const written = new Set(this.calls.flatMap((call) => call.writes))
    const given = this.buffers.filter(({ id, region }) => region !== 'param' && region !== 'constant' && region !== 'table' && (region !== 'arena' || !written.has(id)))
    const changing = new Set(given.map(({ id }) => id))
    const late = new Set<Call>(this.#loops.flatMap(({ calls }) => calls))
    for (const call of this.calls) if (dependsOnSamples(call)) late.add(call)
    for (const call of late) for (const b of call.writes) changing.add(b)
    // A product that is added to what is there makes late what was written before it: again, until nothing more is.
    for (let before = -1; before !== late.size;) {
      before = late.size
      for (const call of this.calls) {
        if (late.has(call) || ![...call.reads, ...call.writes].some((b) => changing.has(b))) continue
        late.add(call)
        for (const b of call.writes) changing.add(b)
      }
    }
    const early = this.calls.filter((call) => !late.has(call))
    for (const b of new Set(early.flatMap((call) => call.writes))) {
      const buffer = this.buffers[b]
      if (buffer !== undefined) this.buffers[b] = { ...buffer, region: 'keep' }
    }
    this.calls.splice(0, this.calls.length, ...early, ...this.calls.filter((call) => late.has(call)))
    return early.length
  }
}

const wordOf = (operand: Operand): Word => (isView(operand) ? { buffer: operand.buffer, offset: operand.offset } : operand)

/** Kernel calls for what `fetches` need. */
export function lower(options: LowerOptions): Unplanned {
  const { capacity, fetches, place = {}, external = () => false, prologue = false } = options
  const asm = new Assembler(capacity)
  const views = new Map<Value, View>()
  const inputs: Record<string, View> = {}
  const placed = new Map<Value, View>()
  for (const [name, value] of Object.entries(fetches)) {
    const where = place[name]
    if (where !== undefined && !placed.has(value)) placed.set(value, asm.buffer(value.shape, value.dtype, where.region, { offset: where.offset, key: label(name, where.region) }))
  }

  const leaf = (v: Value): View => {
    switch (v.source.kind) {
      case 'param': return weight(asm, v, v.source)
      case 'constant': case 'scalar': return fixed(asm, v)
      case 'input': {
        const { name } = v.source.spec
        const view = asm.named(v.shape, v.dtype, external(name) ? 'external' : 'arena', name)
        inputs[name] = view
        return view
      }
      case 'node': throw new EquigradError('lower: a node was used before it was lowered')
    }
  }
  const view = viewOf(views, leaf)

  lowerNodes(asm, Object.values(fetches), views, view, placed)

  const outputs: Record<string, View> = {}
  for (const [name, value] of Object.entries(fetches)) {
    const made = view(value)
    const where = place[name]
    const prescribed = where === undefined ? undefined : placed.get(value)
    // A leaf, an alias or a value that was asked for twice is copied to where it is asked for.
    if (where === undefined || (prescribed !== undefined && made === prescribed && sameOffset(asm, prescribed, where.offset))) outputs[name] = made
    else {
      const target = prescribed !== undefined && sameOffset(asm, prescribed, where.offset) ? prescribed : asm.buffer(value.shape, value.dtype, where.region, { offset: where.offset, key: label(name, where.region) })
      const bytes = sizeOf(value.shape, dtypeBytes[value.dtype])
      asm.call(name, 'copy', { x: made, y: target, length: bytes }, { tiles: tilesOf(bytes, ELEMENTS * 4), writes: ['y'] })
      outputs[name] = target
    }
  }
  const early = prologue ? asm.prologue() : 0
  return { capacity, buffers: asm.buffers, calls: asm.calls, loops: asm.loops, prologue: early, inputs, outputs, inplace: asm.inplace }
}

/** Where a value is: known, or, of a leaf that is met for the first time, by `leaf`. */
function viewOf(views: Map<Value, View>, leaf: (v: Value) => View): (v: Value) => View {
  return (v) => {
    const known = views.get(v)
    if (known !== undefined) return known
    const fresh = leaf(v)
    views.set(v, fresh)
    return fresh
  }
}

const weight = (asm: Assembler, { shape, dtype }: Value, { key, spec }: { readonly key: string | null; readonly spec: { readonly name: string } }): View => asm.named(shape, dtype, 'param', key ?? spec.name)

/** Emits the calls of values that are made of weights and constants alone, among calls that are there already; gives where they are. */
export function lowerInto(asm: Assembler, values: readonly Value[]): readonly View[] {
  const views = new Map<Value, View>()
  const view = viewOf(views, (v) => (v.source.kind === 'param' ? weight(asm, v, v.source) : fixed(asm, v)))
  lowerNodes(asm, values, views, view, new Map())
  return values.map(view)
}

/** A leaf that reads the same inside a scan and outside: a constant or a scalar. */
function fixed(asm: Assembler, v: Value): View {
  if (v.source.kind === 'constant') return asm.buffer(v.shape, v.dtype, 'constant', { data: v.source.data })
  if (v.source.kind === 'scalar') return asm.named(v.shape, v.dtype, 'slot', v.source.name)
  throw new EquigradError(`lower: a body uses a ${v.source.kind} of its surroundings`)
}

function lowerNodes(asm: Assembler, values: readonly Value[], views: Map<Value, View>, view: (v: Value) => View, placed: ReadonlyMap<Value, View>): void {
  for (const node of topological(values)) node.op.lower(new Context(asm, node, node.ins.map(view), views, placed))
}

/** How a prescribed place is called: the fetch's name, without the region in front. */
const label = (name: string, region: string): string => (name.startsWith(`${region}:`) ? name.slice(region.length + 1) : name)

const sameOffset = (asm: Assembler, v: View, offset: number): boolean => asm.buffers[v.buffer]?.offset === offset

/** What one node sees while it is lowered. */
class Context implements LowerContext {
  readonly attrs: Attrs
  readonly capacity: number
  readonly #path: string

  constructor(readonly asm: Assembler, readonly node: Node, readonly ins: readonly View[], readonly views: Map<Value, View>, readonly placed: ReadonlyMap<Value, View>) {
    this.attrs = node.attrs
    this.capacity = asm.capacity
    this.#path = node.path
  }

  in(i: number): View {
    const v = this.ins[i]
    if (v === undefined) throw new EquigradError(`${this.node.op.name}: operand ${i} is missing`)
    return v
  }

  out(i: number): View {
    const value = this.#output(i)
    const known = this.views.get(value)
    if (known !== undefined) return known
    const view = this.placed.get(value) ?? this.asm.buffer(value.shape, value.dtype, 'arena')
    this.views.set(value, view)
    return view
  }

  alias(i: number, view: View): void {
    const { shape, dtype } = this.#output(i)
    this.views.set(this.#output(i), { buffer: view.buffer, offset: view.offset, shape, dtype })
  }

  temp(shape: Shape, dtype: DType): View { return this.asm.buffer(shape, dtype, 'arena') }

  slot(name: string, words: number): View { return this.asm.named([words], 'i32', 'slot', name) }

  fixed({ buffer }: View): boolean { return this.asm.fixed(buffer) }

  call<K extends KernelName>(kernel: K, words: Readonly<Record<KernelField<K>, Operand>>, options: CallOptions<K>): void {
    this.asm.call(this.#path, kernel, words, options)
  }

  loop(steps: number, carried: readonly View[], emit: () => void): void { this.asm.loop(steps, carried.map(({ buffer }) => buffer), emit) }

  body(ins: readonly View[]): readonly View[] {
    const { body } = this.node
    if (body === null) throw new EquigradError(`${this.node.op.name}: a body is missing`)
    const views = new Map<Value, View>()
    body.ins.forEach((v, i) => { const given = ins[i]; if (given !== undefined) views.set(v, given) })
    const view = viewOf(views, (v) => fixed(this.asm, v))
    lowerNodes(this.asm, body.outs, views, view, new Map())
    return body.outs.map(view)
  }

  #output(i: number): Value {
    const value = this.node.outs[i]
    if (value === undefined) throw new EquigradError(`${this.node.op.name}: output ${i} is missing`)
    return value
  }
}
