// Programs of small graphs, run in every way that may not change a bit: tiles in any order, as lanes share them out, over memory full of NaN.
import { isBatched, type DType, type Shape } from '../../src/core/shape.js'
import { topological, Value } from '../../src/compiler/graph/value.js'
import { SCRATCH_BYTES } from '../../src/compiler/kernels.js'
import { fuse } from '../../src/compiler/passes/fuse.js'
import { lower } from '../../src/compiler/passes/lower.js'
import { planMemory } from '../../src/compiler/passes/plan.js'
import { verify } from '../../src/compiler/passes/verify.js'
import type { Call, Program } from '../../src/compiler/program.js'
import { Executor } from '../../src/runtime/executor.js'
import { Store } from '../../src/runtime/store.js'
import { at } from './bits.js'
import { Calls } from './calls.js'
import { bitsOf, random, shuffled } from './numbers.js'

export type Fetches = Readonly<Record<string, Value>>
export type Typed = Float32Array | Float64Array | Int32Array | Uint8Array | Int8Array
export interface Feeds {
  readonly arrays: Readonly<Record<string, Typed>>
  readonly floats?: Readonly<Record<string, number>>
  readonly step?: number
}
export type Results = Readonly<Record<string, Typed>>

/** An input of a program under test. */
export const feed = (name: string, shape: Shape, dtype: DType = 'f32'): Value =>
  new Value(shape, dtype, { kind: 'input', spec: { name, data: dtype, scale: 1, offset: 0, classes: null } })

/** What begins the name of a value that is fetched only to see whether that changes another. */
const PIN = 'pin:'

export interface ProgramOptions { readonly capacity: number; readonly fusion?: boolean; readonly pinned?: boolean; readonly prologue?: boolean }

/** A program of `fetches`. `pinned`: every value on the way is fetched as well. */
export function programOf(fetches: Fetches, { capacity, fusion = true, pinned = false, prologue = false }: ProgramOptions): Program {
  const wanted = new Map(Object.entries(fetches))
  if (pinned) topological(wanted.values()).forEach((node, i) => node.outs.forEach((v, output) => wanted.set(`${PIN}${i}.${output}`, v)))
  const values = fusion ? fuse([...wanted.values()]) : [...wanted.values()]
  const ready: Record<string, Value> = {}
  ;[...wanted.keys()].forEach((name, i) => { const v = values[i]; if (v !== undefined) ready[name] = v })
  return verify(planMemory(lower({ capacity, fetches: ready, prologue })))
}

/** Calls between two barriers: lanes may run their tiles in any order. */
export function phases(calls: readonly Call[]): number[][] {
  const groups: number[][] = []
  calls.forEach(({ barrier }, i) => {
    const last = groups[groups.length - 1]
    if (last === undefined || barrier) groups.push([i])
    else last.push(i)
  })
  return groups
}

/** Runs a prepared program as lanes could: between two barriers, pieces of all calls in a random order. */
export function runAsLanes(executor: Executor, store: Store, seed: number, scratch: readonly number[]): void {
  const next = random(seed)
  const linked = new Calls(executor, store)
  let waiting: number[] = []
  const finish = (): void => {
    const calls = waiting
    waiting = []
    const pieces: (readonly [call: number, begin: number, end: number])[] = []
    for (const call of calls) {
      const { tiles } = linked.at(call)
      for (let begin = 0; begin < tiles;) {
        const end = Math.min(tiles, begin + Math.floor(next() * Math.max(3, tiles / 2)))
        pieces.push([call, begin, end])
        begin = end
      }
    }
    shuffled(pieces.length, Math.floor(next() * 2 ** 31)).forEach((i, turn) => {
      const [call, begin, end] = pieces[i] ?? [0, 0, 0]
      linked.at(call).run(begin, end, at(scratch, turn % scratch.length))
    })
  }
  // The first call of a step has a barrier, and addresses advance before it is visited: what waits belongs to a loop's step before, so it runs
  // when the last call of that step has been seen.
  const ends = new Set(executor.program.loops.flatMap(({ from, to }) => [from - 1, to - 1]))
  linked.inOrder((call) => {
    if (executor.program.calls[call]?.barrier === true) finish()
    waiting.push(call)
    if (ends.has(call)) finish()
  })
  finish()
}

/** A store whose memory is full of NaN wherever nothing was put. */
export class Machine {
  readonly store: Store
  readonly #scratch: readonly number[]

  /** @param lanes - real ones, which make everything that has two tiles: call `ready` first */
  constructor(readonly lanes = 1) {
    this.store = new Store({ lanes })
    this.store.worth = { call: 0, program: 0 }
    const { store } = this
    this.#scratch = [store.scratch, store.alloc(SCRATCH_BYTES).address]
    const free = store.alloc(1 << 20)
    store.bytes.fill(0xff, free.address, free.address + free.bytes)
    store.free(free)
  }

  /** Resolves when the lanes are there. */
   
  ready(): Promise<void> { return this.store.onLanes('test', function* () { return undefined }) }

  link(program: Program, seed = 0): Executor { return new Executor(program, this.store, { seed }) }

  /**
   * One run over poisoned memory.
   *
   * @param lanes - a seed: tiles are run as lanes could; or null: in order
   */
  run(executor: Executor, n: number, { arrays, floats = {}, step }: Feeds, lanes: number | null = null): Results {
    const { store } = this
    executor.bind(n)
    executor.prepare()
    const { arena } = store
    store.bytes.fill(0xff, arena.address, arena.address + arena.bytes)
    for (const scratch of this.#scratch) store.bytes.fill(0xff, scratch, scratch + SCRATCH_BYTES)
    for (const [name, view] of Object.entries(executor.program.inputs)) {
      const data = arrays[name]
      if (data === undefined) throw new RangeError(`no data for '${name}'`)
      store.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), executor.addressOf(view))
    }
    for (const [name, value] of Object.entries(floats)) executor.setF32(name, value)
    if (step !== undefined && executor.hasSlot('step')) executor.setU32('step', step)
    if (this.lanes > 1) void executor.runOnLanes()
    else if (lanes === null) executor.run()
    else runAsLanes(executor, store, lanes, this.#scratch)
    return this.read(executor, n)
  }

  /** Copies of what was fetched, but for what was only pinned. */
  read(executor: Executor, n: number): Results {
    const { store } = this
    const results: Record<string, Typed> = {}
    for (const [name, view] of Object.entries(executor.program.outputs)) {
      if (name.startsWith(PIN)) continue
      const address = executor.addressOf(view)
      const length = view.shape.reduce<number>((product, d) => product * (d === 'n' ? n : d), 1)
      if (!isBatched(view.shape) && view.shape.includes('n')) throw new RangeError('n stands in front')
      results[name] = view.dtype === 'f32' ? store.f32(address, length).slice() : view.dtype === 'f64' ? store.f64(address, length).slice()
        : view.dtype === 'i32' ? store.i32(address, length).slice() : store.bytes.slice(address, address + length)
    }
    return results
  }
}

/** The first place at which two results differ in their bits, or ''. NaN payloads are no part of them (law 1). */
export function resultDifference(got: Results, want: Results): string {
  const names = Object.keys(want)
  if (Object.keys(got).join() !== names.join()) return `${Object.keys(got).join()} instead of ${names.join()}`
  for (const name of names) {
    const [a, b] = [got[name], want[name]]
    if (a === undefined || b === undefined || a.length !== b.length) return `${name}: ${a?.length} elements instead of ${b?.length}`
    const [x, y] = a instanceof Float32Array && b instanceof Float32Array ? [bitsOf(a), bitsOf(b)] : [a, b]
    for (let i = 0; i < x.length; i++) if (!Object.is(x[i], y[i])) return `${name}[${i}]: ${a[i]} instead of ${b[i]}`
  }
  return ''
}
