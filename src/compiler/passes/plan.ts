// planMemory: gives every buffer of the arena its place. First an output takes the place of an operand that dies with the call that makes it,
// then buffers are placed one after the other, the largest first, each at the lowest offset that is free while it lives; where that takes more
// than what is live at once, other orders are tried. Then barriers are set by address, since reuse makes hazards. What a loop brings in or out
// lives while it runs. Pure: the same calls give the same plan.
import { sizeAt, type Buffer, type Call, type Program, type Unplanned } from '../program.js'

const ALIGN = 64
const round = (bytes: number): number => Math.ceil(bytes / ALIGN) * ALIGN

/** Bytes that a buffer takes up at capacity. */
const bytesOf = (p: Unplanned, id: number): number => round(sizeAt(p.buffers[id]?.bytes ?? 0, p.capacity))

/** One piece of arena memory: the buffers that share it one after the other, and the calls from and to which it is needed. */
interface Piece { readonly bytes: number; first: number; last: number; readonly members: number[] }

export function planMemory(p: Unplanned): Program {
  const pieces = livePieces(p)
  mergeInPlace(p, pieces)
  const distinct = [...new Set(pieces.values())]
  const lower = liveAtOnce(distinct)
  const { offsets, peak } = place(distinct, lower)
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
    report: { peak, naive: [...pieces.keys()].reduce((sum, id) => sum + bytesOf(p, id), 0), lower },
  }
}

/** Lifetimes of the arena's buffers: inputs live from before the first call, outputs until after the last. */
function livePieces(p: Unplanned): Map<number, Piece> {
  const pieces = new Map<number, Piece>()
  const touch = (id: number, at: number): void => {
    const buffer = p.buffers[id]
    if (buffer === undefined || buffer.region !== 'arena') return
    const known = pieces.get(id)
    if (known === undefined) pieces.set(id, { bytes: bytesOf(p, id), first: at, last: at, members: [id] })
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

interface Placement { readonly offsets: ReadonlyMap<Piece, number>; readonly peak: number; readonly highest: Piece | undefined }

/** Orders in which pieces are placed: by size, by size and time, by time. Each is then mended so many times. */
const KEYS: readonly ((p: Piece) => number)[] = [({ bytes }) => bytes, ({ bytes, first, last }) => bytes * (last - first + 1), ({ first, last }) => last - first]
const MENDINGS = 16

/** The smallest of several placements, the first of equal ones; none is smaller than `lower`, so one of that size ends the search. */
function place(pieces: readonly Piece[], lower: number): Placement {
  let best: Placement = { offsets: new Map(), peak: Infinity, highest: undefined }
  for (const key of KEYS) {
    let order = [...pieces].sort((a, b) => key(b) - key(a) || (a.members[0] ?? 0) - (b.members[0] ?? 0))
    for (let i = 0; i <= MENDINGS; i++) {
      const found = firstFit(order)
      if (found.peak < best.peak) best = found
      if (best.peak === lower) return best
      // The piece that ends highest came too late: it is the first of the next order.
      const { highest } = found
      if (highest === undefined || highest === order[0]) break
      order = [highest, ...order.filter((piece) => piece !== highest)]
    }
  }
  return best
}

/** Places pieces in an order, each at the lowest offset that is free while it lives. */
function firstFit(order: readonly Piece[]): Placement {
  /** ascending by offset */
  const placed: { readonly piece: Piece; readonly from: number; readonly to: number }[] = []
  let peak = 0
  let highest: Piece | undefined
  for (const piece of order) {
    let from = 0
    for (const other of placed) {
      if (other.piece.last < piece.first || piece.last < other.piece.first) continue
      if (other.from - from >= piece.bytes) break
      from = Math.max(from, other.to)
    }
    const to = from + piece.bytes
    const next = placed.findIndex((other) => other.from > from)
    placed.splice(next < 0 ? placed.length : next, 0, { piece, from, to })
    if (to > peak) { peak = to; highest = piece }
  }
  return { offsets: new Map(placed.map(({ piece, from }) => [piece, from])), peak, highest }
}

/** The most bytes that live at one time. It is reached where some piece begins. */
function liveAtOnce(pieces: readonly Piece[]): number {
  const ends = [...pieces].sort((a, b) => a.last - b.last)
  let [most, live, gone] = [0, 0, 0]
  for (const { first, bytes } of [...pieces].sort((a, b) => a.first - b.first)) {
    for (let end = ends[gone]; end !== undefined && end.last < first; end = ends[++gone]) live -= end.bytes
    live += bytes
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
  const rangesById = buffers.map((b) => rangeOf(b, capacity))
  const ranges = (ids: readonly number[]): Range[] => ids.flatMap((id) => rangesById[id] ?? [])
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
