// How much memory a program needs, by an account of its own beside the planner's: what a run will still read, call by call, each loop for a
// few steps.
import { kernelTable } from '../../src/compiler/kernels.js'
import { sizeAt, type Call, type Program } from '../../src/compiler/program.js'

/** Steps of each loop that are walked: a first, one between, a last. */
const STEPS = 3

/** Calls in the order of a run. */
function run(p: Program, from: number, to: number, first: number): number[] {
  const order: number[] = []
  for (let at = from; at < to;) {
    const index = p.loops.findIndex((l, i) => i >= first && l.from === at)
    const loop = p.loops[index]
    if (loop === undefined) { order.push(at++); continue }
    for (let step = 0; step < Math.min(STEPS, loop.steps); step++) order.push(...run(p, loop.from, loop.to, index + 1))
    at = loop.to
  }
  return order
}

/** Does a call leave bytes of what it writes as they were? Parts of rows are written one after the other, a step of a sequence at each step. */
function writesParts({ kernel, words }: Call): boolean {
  if (kernel !== 'copy_rows') return false
  const word = (name: string) => words[kernelTable.copy_rows.words.findIndex((field) => field === name)]
  const y = word('y')
  return (typeof y === 'object' && 'perStep' in y) || word('yRow') !== word('width')
}

/** The most bytes of the arena that hold, at one time, what will be read or is being written, at capacity; each buffer in whole lines of 64. */
export function neededAtOnce(p: Program): number {
  const bytes = p.buffers.map((b) => (b.region === 'arena' ? Math.ceil(sizeAt(b.bytes, p.capacity) / 64) * 64 : 0))
  const live = new Set(Object.values(p.outputs).map((v) => v.buffer))
  const order = run(p, 0, p.calls.length, 0).flatMap((at) => p.calls[at] ?? [])
  /** for each call, the buffers that it begins anew: parts of one follow each other without a read between them */
  const filling = new Set<number>()
  const begun = order.map((call) => {
    const fresh = call.writes.filter((b) => !writesParts(call) || !filling.has(b))
    for (const b of call.reads) filling.delete(b)
    for (const b of call.writes) filling.add(b)
    return fresh
  })
  let most = 0
  for (const [i, call] of [...order.entries()].reverse()) {
    const during = new Set([...live, ...call.reads, ...call.writes])
    // An output on the bytes of an operand that is not needed again is no memory of its own.
    for (const y of call.writes) {
      const over = call.reads.find((x) => x !== y && !live.has(x) && p.buffers[x]?.region === 'arena' && p.buffers[x].offset === p.buffers[y]?.offset && bytes[x] === bytes[y])
      if (over !== undefined) during.delete(over)
    }
    most = Math.max(most, [...during].reduce((sum, b) => sum + (bytes[b] ?? 0), 0))
    for (const b of begun[i] ?? []) live.delete(b)
    for (const b of call.reads) live.add(b)
  }
  return most
}
