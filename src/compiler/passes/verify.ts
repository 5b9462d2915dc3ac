// verify: what must hold of a program whatever made it: every address within its buffer, no two buffers of the arena on the same bytes while
// both live, an output over an operand only where the kernel allows it, nothing read before it is written, a barrier at every hazard, loops that
// nest, and a prologue that need not run again.
import { EquigradError } from '../../core/errors.js'
import { kernelTable, type KernelName } from '../kernels.js'
import { dependsOnSamples, sizeAt, type Buffer, type Call, type Program, type Region } from '../program.js'

class ProgramError extends EquigradError { override name = 'ProgramError' }

/** Operands that a kernel may write its output over, element by element or row by row. */
const overwritable: Readonly<Partial<Record<KernelName, readonly string[]>>> = {
  f32_unary: ['x'], f32_fake_quant: ['x'], f32_binary: ['a', 'b'], f32_softmax: ['x'], f32_log_softmax: ['x'], f32_softmax_grad: ['dy'], f32_log_softmax_grad: ['dy'],
  f32_sparse_xent_grad: ['x'], f32_dropout: ['x'], copy: ['x'],
}

/** The order of calls in which each loop has two steps: what one step leaves behind is there for the next. */
function* twice(p: Program, from: number, to: number, first: number): Generator<number> {
  for (let at = from; at < to;) {
    const found = p.loops.findIndex((l, i) => i >= first && l.from === at)
    const loop = p.loops[found]
    if (loop === undefined) yield at++
    else {
      for (let step = 0; step < Math.min(2, loop.steps); step++) yield* twice(p, loop.from, loop.to, found + 1)
      at = loop.to
    }
  }
}

/** Steps of the innermost loop of each call; 1 outside. */
export function stepsOf(p: Program): readonly number[] {
  const steps = p.calls.map(() => 1)
  for (const loop of p.loops) steps.fill(loop.steps, loop.from, loop.to)
  return steps
}

function fail(p: Program, at: number, n: number, what: string): never {
  throw new ProgramError(`program, call ${at} (${p.calls[at]?.kernel ?? 'none'}) at n = ${n}: ${what}`)
}

/** Loops lie within the program, nest or lie apart, the outer ones first. */
function verifyLoops(p: Program): void {
  p.loops.forEach(({ from, to, steps }, i) => {
    const whole = [from, to, steps].every(Number.isInteger)
    if (!whole || from < 0 || to <= from || to > p.calls.length || steps < 1) fail(p, from, p.capacity, `a loop of calls ${from} to ${to}, ${steps} steps`)
    for (const outer of p.loops.slice(0, i)) {
      if (from < outer.from || (from < outer.to && to > outer.to)) fail(p, from, p.capacity, `a loop of calls ${from} to ${to} across one of ${outer.from} to ${outer.to}, or before it`)
    }
  })
}

/** What a prologue leaves is there for runs of any number of samples, until the weights change: nothing else writes to it, or decides what it is. */
function verifyPrologue(p: Program): void {
  const early = p.calls.slice(0, p.prologue)
  if (early.length !== p.prologue || p.loops.some(({ from, to }) => from < p.prologue && p.prologue < to)) fail(p, p.prologue, p.capacity, 'a prologue that ends within a loop, or nowhere')
  const later = new Set(p.calls.slice(p.prologue).flatMap((call) => call.writes))
  early.forEach((call, at) => {
    if (dependsOnSamples(call)) fail(p, at, p.capacity, 'a call of the prologue that depends on the number of samples')
    for (const id of call.writes) {
      if (p.buffers[id]?.region !== 'keep') fail(p, at, p.capacity, `buffer ${id} is not kept for the runs that leave the prologue out`)
      if (later.has(id)) fail(p, at, p.capacity, `buffer ${id} of the prologue is written to after it`)
    }
    for (const id of call.reads) {
      const region = p.buffers[id]?.region
      if (region !== 'keep' && region !== 'param' && region !== 'constant' && region !== 'table') fail(p, at, p.capacity, `buffer ${id}, which a call of the prologue reads, may change`)
    }
  })
}

/** A run of a program at `n` samples, call by call. */
class Walk {
  readonly #inputs: ReadonlySet<number>
  readonly #steps: readonly number[]
  /** who owns each stretch of the arena, and of what is kept: the buffer written last */
  #owners: { readonly region: Region; readonly from: number; readonly to: number; readonly id: number }[] = []
  readonly #ready = new Set<number>()
  /** what was read and written since the last barrier */
  #read: Buffer[] = []
  #written: Buffer[] = []

  constructor(readonly p: Program, readonly n: number) {
    this.#inputs = new Set(Object.values(p.inputs).map((v) => v.buffer))
    this.#steps = stepsOf(p)
  }

  run(): void {
    const { p } = this
    for (const id of this.#inputs) this.#write(id)
    for (const at of twice(p, 0, p.calls.length, 0)) {
      const call = p.calls[at]
      if (call === undefined) return this.#fail(at, 'a loop over calls that are not there')
      this.#hazards(at, call)
      this.#overwrites(at, call)
      this.#descriptor(at, call)
      for (const id of call.reads) if (!this.#there(id)) this.#fail(at, `buffer ${id} is read before it is written, or after it was overwritten`)
      for (const id of call.writes) this.#write(id)
    }
    for (const [name, view] of Object.entries(p.outputs)) if (!this.#there(view.buffer)) this.#fail(p.calls.length - 1, `output '${name}' is gone at the end`)
  }

  #fail(at: number, what: string): never { return fail(this.p, at, this.n, what) }

  #size(id: number): number { return sizeAt(this.p.buffers[id]?.bytes ?? 0, this.n) }

  #buffers(ids: readonly number[]): Buffer[] { return ids.flatMap((id) => this.p.buffers[id] ?? []) }

  /** Is what a buffer should hold in it? */
  #there(id: number): boolean {
    const region = this.p.buffers[id]?.region
    return (region !== 'arena' && region !== 'keep') || this.#ready.has(id) || this.#size(id) === 0
  }

  #write(id: number): void {
    const b = this.p.buffers[id]
    if (b === undefined) return
    this.#ready.add(id)
    const { region } = b
    if (region !== 'arena' && region !== 'keep') return
    const [from, to] = [b.offset, b.offset + this.#size(id)]
    this.#owners = this.#owners.filter((o) => {
      if (o.id === id) return false
      const gone = o.region === region && o.from < to && from < o.to
      if (gone) this.#ready.delete(o.id)
      return !gone
    })
    this.#owners.push({ region, from, to, id })
  }

  /** Do two buffers have bytes in common? */
  #meet(x: Buffer, y: Buffer): boolean {
    if (x.id === y.id) return this.#size(x.id) > 0
    if (x.region !== y.region) return false
    if (x.region !== 'arena' && x.region !== 'keep' && x.region !== 'grad' && x.region !== 'sum') return x.key !== undefined && x.key === y.key
    return x.offset < y.offset + this.#size(y.id) && y.offset < x.offset + this.#size(x.id)
  }

  #hazards(at: number, call: Call): void {
    const [reads, writes] = [this.#buffers(call.reads), this.#buffers(call.writes)]
    const touched = [...this.#read, ...this.#written]
    if (call.barrier) { this.#read = []; this.#written = [] }
    else if (writes.some((w) => touched.some((o) => this.#meet(w, o))) || reads.some((r) => this.#written.some((w) => this.#meet(r, w)))) {
      this.#fail(at, 'no barrier, though it touches what calls before it may still be using')
    }
    this.#read.push(...reads)
    this.#written.push(...writes)
  }

  #overwrites(at: number, call: Call): void {
    const names: readonly string[] = kernelTable[call.kernel].words
    const isOperand = (field: string, id: number): boolean => { const word = call.words[names.indexOf(field)]; return typeof word === 'object' && 'buffer' in word && word.buffer === id }
    for (const w of this.#buffers(call.writes)) {
      for (const r of this.#buffers(call.reads)) {
        if (r.id === w.id || !this.#meet(r, w)) continue
        const allowed = overwritable[call.kernel]?.some((field) => isOperand(field, r.id)) === true
        if (!allowed || r.offset !== w.offset || this.#size(r.id) !== this.#size(w.id)) this.#fail(at, `buffer ${w.id} is written over buffer ${r.id}, which the call reads`)
      }
    }
  }

  #descriptor(at: number, call: Call): void {
    if (call.words.length !== kernelTable[call.kernel].words.length) this.#fail(at, 'a descriptor of another length')
    const tiles = sizeAt(call.tiles, this.n)
    if (!Number.isInteger(tiles) || tiles < 0) this.#fail(at, 'a number of tiles that is none')
    for (const word of call.words) {
      if (typeof word !== 'object' || !('buffer' in word)) continue
      const b = this.p.buffers[word.buffer]
      if (b === undefined) return this.#fail(at, `a buffer ${word.buffer} that is not there`)
      if (b.offset < 0) this.#fail(at, `buffer ${b.id} at ${b.offset}`)
      const last = word.offset + (word.perStep ?? 0) * ((this.#steps[at] ?? 1) - 1)
      // A call without a tile touches nothing.
      if (Math.min(word.offset, last) < 0 || (Math.max(word.offset, last) > this.#size(b.id) && tiles > 0)) this.#fail(at, `an address outside buffer ${b.id}`)
      if (b.region === 'arena' && b.offset + this.#size(b.id) > this.p.sizes.arena) this.#fail(at, `buffer ${b.id} outside the arena`)
      if (b.region === 'keep' && b.offset + this.#size(b.id) > this.p.sizes.keep) this.#fail(at, `buffer ${b.id} outside what is kept`)
    }
  }
}

/** Checks a run of a program at `n` samples; throws a ProgramError that names the call. */
export function verifyAt(p: Program, n: number): void { new Walk(p, n).run() }

/** Checks a program, and its runs at no sample, one, half its capacity and all; throws a ProgramError that names the call. */
export function verify(p: Program): Program {
  verifyLoops(p)
  verifyPrologue(p)
  for (const n of new Set([0, 1, Math.ceil(p.capacity / 2), p.capacity])) verifyAt(p, n)
  return p
}
