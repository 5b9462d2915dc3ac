// How much a call has to do, modelled from sizes alone: what is too little for lanes to meet for. It decides who computes, never what.
import { kernelTable } from './kernels.js'
import { sizeAt, type Call, type Program } from './program.js'

/** Operations of a multiplication and bytes that pass, each nanosecond. */
const OPERATIONS = 40
const BYTES = 8

/** The words of a call by name, those that say a size. */
function sizesOf({ kernel, words }: Call, n: number): ReadonlyMap<string, number> {
  return new Map(kernelTable[kernel].words.flatMap((name, i): [string, number][] => {
    const w = words[i]
    return typeof w === 'number' ? [[name, w]] : typeof w === 'object' && 'per' in w ? [[name, sizeAt(w, n)]] : []
  }))
}

/** Nanoseconds that a call takes about, on one lane, at n samples. */
export function workOf(call: Call, { buffers }: Program, n: number): number {
  const sizes = sizesOf(call, n)
  const size = (...names: readonly string[]): number => names.reduce((product, name) => product * (sizes.get(name) ?? 1), 1)
  // A stretch of a sequence is a small part of its buffer.
  if (call.kernel === 'copy_rows') return (size('rows', 'width') * 2) / BYTES
  const touched = [...new Set([...call.reads, ...call.writes])]
  const bytes = touched.reduce((sum, id) => sum + sizeAt(buffers[id]?.bytes ?? 0, n), 0)
  const products = sizes.has('m') && sizes.has('n') && sizes.has('k') ? size('m', 'n', 'k', 'groups')
    : sizes.has('channels') && sizes.has('columns') ? size('m', 'k', 'channels', 'rows', 'columns') : 0
  return (2 * products) / OPERATIONS + bytes / BYTES
}

/** Nanoseconds of work that are worth it. */
export interface Worth {
  /** of a call: below, one lane makes it alone */
  readonly call: number
  /** of the shared calls of a program: below, no lane is woken */
  readonly program: number
}
export const WORTH: Worth = { call: 8_000, program: 100_000 }

/** Which calls lanes share out, at n samples: null where the whole program is too little. */
export function sharedOut(program: Program, n: number, worth: Worth = WORTH): readonly boolean[] | null {
  const times = program.calls.map(() => 1)
  for (const { from, to, steps } of program.loops) for (let i = from; i < to; i++) times[i] = (times[i] ?? 1) * steps
  let total = 0
  const shared = program.calls.map((call, i) => {
    const work = workOf(call, program, n)
    const yes = sizeAt(call.tiles, n) > 1 && work >= worth.call
    if (yes) total += work * (times[i] ?? 1)
    return yes
  })
  return shared.includes(true) && total >= worth.program ? shared : null
}
