// planMemory: gives every buffer of the arena its place. First an output takes the place of an operand that dies with the call that makes it,
// then buffers are placed by size, each at the lowest offset that is free while it lives; then barriers are set by address, since reuse makes
// hazards. What a loop brings in or out lives while it runs. Pure: the same calls give the same plan.
import { sizeAt, type Buffer, type Call, type Program, type Unplanned } from '../program.js'

const ALIGN = 64
const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** One piece of arena memory: the buffers that share it one after the other, and the calls from and to which it is needed. */
interface Piece { readonly bytes: number; first: number; last: number; readonly members: number[] }

export function planMemory(p: Unplanned): Program {
  const pieces = livePieces(p)
  mergeInPlace(p, pieces)
  const distinct = [...new Set(pieces.values())]
  const { offsets, peak } = place(distinct)
  let keep = 0
  const buffers = p.buffers.map((b): Buffer => {
    const piece = pieces.get(b.id)
    if (piece !== undefined) return { ...b, offset: offsets.get(piece) ?? 0 }
    if (b.region !== 'keep') return b
    const at = keep
    keep += round(sizeAt(b.bytes, p.capacity))
    return { ...b, offset: at }
  })
  const { inplace: _, ...rest } = p
  return {
    ...rest, buffers, calls: barriers(p, buffers), sizes: { arena: peak, keep },
    report: { peak, naive: distinct.reduce((sum, { members }) => sum + members.reduce((s, id) => s + round(sizeAt(p.buffers[id]?.bytes ?? 0, p.capacity)), 0), 0), lower: lowerBound(distinct, p.calls.length) },
  }
}

/** Lifetimes of the arena's buffers: inputs live from before the first call, outputs until after the last. */
function livePieces(p: Unplanned): Map<number, Piece> {
  const pieces = new Map<number, Piece>()
  const touch = (id: number, at: number): void => {
    const buffer = p.buffers[id]
    if (buffer === undefined || buffer.region !== 'arena') return
    const known = pieces.get(id)
    if (known === undefined) pieces.set(id, { bytes: round(sizeAt(buffer.bytes, p.capacity)), first: at, last: at, members: [id] })
    else { known.first = Math.min(known.first, at); known.last = Math.max(known.last, at) }
  }
  for (const v of Object.values(p.inputs)) touch(v.buffer, -1)
  p.calls.forEach((call, at) => [...call.reads, ...call.writes].forEach((id) => touch(id, at)))
  for (const v of Object.values(p.outputs)) touch(v.buffer, p.calls.length)
  // What is touched both outside a loop and inside is needed at each of its steps: from just before it until just after. The half keeps a call
  // of the loop from taking its place as that of an operand that dies there. What is only touched inside is written anew at each step.
  const touched = new Map<number, number[]>()
  p.calls.forEach((call, at) => [...call.reads, ...call.writes].forEach((id) => { const list = touched.get(id); if (list === undefined) touched.set(id, [at]); else list.push(at) }))
  for (const { from, to } of p.loops) {
    for (const [id, piece] of pieces) {
      const inside = touched.get(id)?.some((at) => from <= at && at < to) === true
      if (!inside || (from <= piece.first && piece.last < to)) continue
      piece.first = Math.min(piece.first, from - 0.5)
      piece.last = Math.max(piece.last, to - 0.5)
    }
  }
  return pieces
}

function mergeInPlace(p: Unplanned, pieces: Map<number, Piece>): void {
  p.calls.forEach((call, at) => {
    const target = call.writes[0]
    const y = target === undefined ? undefined : pieces.get(target)
    if (y === undefined || y.first !== at) return
    for (const candidate of p.inplace.get(call) ?? []) {
      const x = pieces.get(candidate)
      if (x === undefined || x === y || x.last !== at || x.bytes !== y.bytes) continue
      x.last = y.last
      x.members.push(...y.members)
      for (const id of y.members) pieces.set(id, x)
      return
    }
  })
}

function place(pieces: readonly Piece[]): { readonly offsets: ReadonlyMap<Piece, number>; readonly peak: number } {
  const offsets = new Map<Piece, number>()
  const order = [...pieces].sort((a, b) => b.bytes - a.bytes || (a.members[0] ?? 0) - (b.members[0] ?? 0))
  let peak = 0
  for (const piece of order) {
    const busy = [...offsets].filter(([other]) => other.first <= piece.last && piece.first <= other.last)
      .map(([other, offset]) => ({ from: offset, to: offset + other.bytes })).sort((a, b) => a.from - b.from)
    let at = 0
    for (const { from, to } of busy) {
      if (from - at >= piece.bytes) break
      at = Math.max(at, to)
    }
    offsets.set(piece, at)
    peak = Math.max(peak, at + piece.bytes)
  }
  return { offsets, peak }
}

function lowerBound(pieces: readonly Piece[], calls: number): number {
  let most = 0
  for (let at = -1; at <= calls; at += 0.5) {
    let live = 0
    for (const { first, last, bytes } of pieces) if (first <= at && at <= last) live += bytes
    most = Math.max(most, live)
  }
  return most
}

/** A byte range of a region. */
interface Range { readonly place: string; readonly from: number; readonly to: number }

function rangeOf(b: Buffer, capacity: number): Range {
  const own = b.region === 'arena' || b.region === 'keep' || b.region === 'grad' || b.region === 'sum'
  return { place: own ? b.region : `${b.region}/${b.key ?? b.id}`, from: b.offset, to: b.offset + sizeAt(b.bytes, capacity) }
}

const overlap = (a: Range, b: Range): boolean => a.place === b.place && a.from < b.to && b.from < a.to

/** Each step of a loop waits for the one before. */
function barriers({ calls, loops, capacity }: Unplanned, buffers: readonly Buffer[]): readonly Call[] {
  const steps = new Set(loops.map(({ from }) => from))
  let read: Range[] = []
  let written: Range[] = []
  const ranges = (ids: readonly number[]): Range[] => ids.flatMap((id) => { const b = buffers[id]; return b === undefined ? [] : [rangeOf(b, capacity)] })
  return calls.map((call, at) => {
    const reads = ranges(call.reads)
    const writes = ranges(call.writes)
    const barrier = steps.has(at) || [...reads, ...writes].some((r) => written.some((w) => overlap(r, w))) || writes.some((w) => read.some((r) => overlap(r, w)))
    if (barrier) { read = []; written = [] }
    read.push(...reads)
    written.push(...writes)
    return { ...call, barrier }
  })
}
