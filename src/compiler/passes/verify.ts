// verify: what must hold of a program whatever made it: every address within its buffer, no two buffers of the arena on the same bytes while
// both live, an output over an operand only where the kernel allows it, nothing read before it is written, a barrier at every hazard.
import { EquigradError } from '../../core/errors.js'
import { kernelTable, type KernelName } from '../kernels.js'
import { sizeAt, type Buffer, type Program } from '../program.js'

class ProgramError extends EquigradError { override name = 'ProgramError' }

/** Operands that a kernel may write its output over, element by element or row by row. */
const overwritable: Readonly<Partial<Record<KernelName, readonly string[]>>> = {
  f32_unary: ['x'], f32_binary: ['a', 'b'], f32_softmax: ['x'], f32_log_softmax: ['x'], f32_softmax_grad: ['dy'], f32_log_softmax_grad: ['dy'],
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

/** Checks a program at `n` samples; throws a ProgramError that names the call. */
export function verifyAt(p: Program, n: number): void {
  const fail = (at: number, what: string): never => { throw new ProgramError(`program, call ${at} (${p.calls[at]?.kernel ?? 'none'}) at n = ${n}: ${what}`) }
  const size = (id: number): number => sizeAt(p.buffers[id]?.bytes ?? 0, n)
  const inputs = new Set(Object.values(p.inputs).map((v) => v.buffer))
  /** who owns each stretch of the arena: the buffer written last */
  let owners: { readonly from: number; readonly to: number; readonly id: number }[] = []
  const ready = new Set<number>()
  const write = (id: number): void => {
    const b = p.buffers[id]
    if (b === undefined) return
    ready.add(id)
    if (b.region !== 'arena') return
    const [from, to] = [b.offset, b.offset + size(id)]
    owners = [...owners.filter((o) => {
      const gone = o.from < to && from < o.to && o.id !== id
      if (gone) ready.delete(o.id)
      return !gone && o.id !== id
    }), { from, to, id }]
  }
  /** do two buffers have bytes in common? */
  const meet = (x: Buffer, y: Buffer): boolean => {
    if (x.id === y.id) return size(x.id) > 0
    if (x.region !== y.region) return false
    if (x.region !== 'arena' && x.region !== 'keep' && x.region !== 'grad' && x.region !== 'sum') return x.key !== undefined && x.key === y.key
    return x.offset < y.offset + size(y.id) && y.offset < x.offset + size(x.id)
  }
  const buffers = (ids: readonly number[]): Buffer[] => ids.flatMap((id) => p.buffers[id] ?? [])
  /** what was read and written since the last barrier */
  let read: Buffer[] = []
  let written: Buffer[] = []
  inputs.forEach(write)
  const longest = stepsOf(p)
  for (const at of twice(p, 0, p.calls.length, 0)) {
    const call = p.calls[at]
    if (call === undefined) return fail(at, 'a loop over calls that are not there')
    // The prologue does not run each time, and the arena keeps nothing.
    if (at === p.prologue) for (const { id } of owners) if (!inputs.has(id)) ready.delete(id)
    const [reads, writes] = [buffers(call.reads), buffers(call.writes)]
    if (call.barrier) { read = []; written = [] }
    else if (writes.some((w) => [...read, ...written].some((o) => meet(w, o))) || reads.some((r) => written.some((w) => meet(r, w)))) fail(at, 'no barrier, though it touches what calls before it may still be using')
    read.push(...reads)
    written.push(...writes)
    for (const w of writes) {
      for (const r of reads) {
        if (r.id === w.id || !meet(r, w)) continue
        const names: readonly string[] = kernelTable[call.kernel].words
        const allowed = overwritable[call.kernel]?.some((field) => { const word = call.words[names.indexOf(field)]; return typeof word === 'object' && 'buffer' in word && word.buffer === r.id })
        if (allowed !== true || r.offset !== w.offset || size(r.id) !== size(w.id)) fail(at, `buffer ${w.id} is written over buffer ${r.id}, which the call reads`)
      }
    }
    if (call.words.length !== kernelTable[call.kernel].words.length) fail(at, 'a descriptor of another length')
    if (!Number.isInteger(sizeAt(call.tiles, n)) || sizeAt(call.tiles, n) < 0) fail(at, 'a number of tiles that is none')
    for (const word of call.words) {
      if (typeof word === 'object' && 'buffer' in word) {
        const b = p.buffers[word.buffer]
        if (b === undefined) return fail(at, `a buffer ${word.buffer} that is not there`)
        if (b.offset < 0) fail(at, `buffer ${word.buffer} at ${b.offset}`)
        // a call without a tile touches nothing
        const last = word.offset + (word.perStep ?? 0) * ((longest[at] ?? 1) - 1)
        if (Math.min(word.offset, last) < 0 || (Math.max(word.offset, last) > size(word.buffer) && sizeAt(call.tiles, n) > 0)) fail(at, `an address outside buffer ${word.buffer}`)
        if (b.region === 'arena' && b.offset + size(word.buffer) > p.sizes.arena) fail(at, `buffer ${word.buffer} outside the arena`)
        if (b.region === 'keep' && b.offset + size(word.buffer) > p.sizes.keep) fail(at, `buffer ${word.buffer} outside what is kept`)
      }
    }
    for (const id of call.reads) {
      const region = p.buffers[id]?.region
      if ((region === 'arena' || region === 'keep') && !ready.has(id) && size(id) > 0) fail(at, `buffer ${id} is read before it is written, or after it was overwritten`)
    }
    call.writes.forEach(write)
  }
  for (const [name, view] of Object.entries(p.outputs)) {
    if (p.buffers[view.buffer]?.region === 'arena' && !ready.has(view.buffer) && size(view.buffer) > 0) fail(p.calls.length - 1, `output '${name}' is gone at the end`)
  }
}

/** Checks a program for no sample, one, half its capacity and all. */
export function verify(p: Program): Program {
  for (const n of [0, 1, Math.ceil(p.capacity / 2), p.capacity]) verifyAt(p, n)
  return p
}
