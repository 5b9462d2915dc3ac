// verify: what must hold of a program whatever made it: every word within its buffer, no two buffers of the arena on the same bytes while
// both live, nothing read before it is written.
import { EquigradError } from '../../core/errors.js'
import { kernelTable } from '../kernels.js'
import { sizeAt, type Program } from '../program.js'

class ProgramError extends EquigradError { override name = 'ProgramError' }

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
  inputs.forEach(write)
  p.calls.forEach((call, at) => {
    if (call.words.length !== kernelTable[call.kernel].words.length) fail(at, 'a descriptor of another length')
    if (!Number.isInteger(sizeAt(call.tiles, n)) || sizeAt(call.tiles, n) < 0) fail(at, 'a number of tiles that is none')
    for (const word of call.words) {
      if (typeof word === 'object' && 'buffer' in word) {
        const b = p.buffers[word.buffer]
        if (b === undefined) return fail(at, `a buffer ${word.buffer} that is not there`)
        if (word.offset < 0 || word.offset > size(word.buffer)) fail(at, `an address outside buffer ${word.buffer}`)
        if (b.region === 'arena' && b.offset + size(word.buffer) > p.sizes.arena) fail(at, `buffer ${word.buffer} outside the arena`)
        if (b.region === 'keep' && b.offset + size(word.buffer) > p.sizes.keep) fail(at, `buffer ${word.buffer} outside what is kept`)
      }
    }
    for (const id of call.reads) {
      const region = p.buffers[id]?.region
      if ((region === 'arena' || region === 'keep') && !ready.has(id) && size(id) > 0) fail(at, `buffer ${id} is read before it is written, or after it was overwritten`)
    }
    call.writes.forEach(write)
  })
  for (const [name, view] of Object.entries(p.outputs)) {
    if (p.buffers[view.buffer]?.region === 'arena' && !ready.has(view.buffer) && size(view.buffer) > 0) fail(p.calls.length - 1, `output '${name}' is gone at the end`)
  }
}

/** Checks a program for no sample, one, half its capacity and all. */
export function verify(p: Program): Program {
  for (const n of [0, 1, Math.ceil(p.capacity / 2), p.capacity]) verifyAt(p, n)
  return p
}
