// The apply program: updates, constraints and averages have the same bits however tiles are shared out, several updates those that each has alone,
// and what reaches weights through a table waits for what writes them.
import { describe, expect, test } from 'vitest'
import { adam, clip, maxNorm, rmsprop, sgd, unitNorm, type ConstraintFunction, type OptimizerData } from '../../src/index.js'
import type { Shape } from '../../src/core/shape.js'
import { verifyAt } from '../../src/compiler/passes/verify.js'
import type { Program } from '../../src/compiler/program.js'
import { constraintGraph } from '../../src/nn/constraints.js'
import { Executor } from '../../src/runtime/executor.js'
import { Store } from '../../src/runtime/store.js'
import { applyProgram, layoutOfAll, type Layout, type Trained } from '../../src/train/apply.js'
import { feed, runAsLanes } from '../support/programs.js'
import { expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

interface Weight { readonly key: string; readonly shape: Shape; readonly l2?: number; readonly constraint?: ConstraintFunction }
/** Lengths around a piece and a tile of the commit. */
const FIRST: readonly Weight[] = [
  { key: 'a', shape: [5, 7], constraint: maxNorm(0.5) }, { key: 'b', shape: [7], l2: 0.1 }, { key: 'c', shape: [41, 103], constraint: unitNorm({ axis: 1 }) }, { key: 'd', shape: [1], constraint: (w) => clip(w, 0, 0.25) },
]
const SECOND: readonly Weight[] = [{ key: 'e', shape: [2049], constraint: (w) => w }, { key: 'f', shape: [3, 3, 2, 4], l2: 0.5, constraint: maxNorm(0.3, { axis: [0, 2] }) }]
const MOVED = [{ key: 'm', length: 9, momentum: 0.75 }, { key: 'v', length: 2050, momentum: 0.5 }]

const trained = (weights: readonly Weight[], optimizer: OptimizerData): Trained => ({
  optimizer, params: weights.map(({ key, shape, l2 = 0, constraint }) => ({
    key, shape, spec: { name: key, init: { kind: 'constant', value: 0 }, trainable: true, l1: 0, l2, ...(constraint === undefined ? {} : { constraint: constraintGraph(key, constraint, shape) }) },
  })),
})
const averages = MOVED.map(({ key, length, momentum }) => ({ key, momentum, stat: feed(key, [length]) }))
const OPTIMIZERS: readonly [OptimizerData, OptimizerData] = [sgd({ momentum: 0.9, globalClipNorm: 3 }), adam({ clipValue: 0.5 })]

/** A store with numbers everywhere that a layout names. */
class Bench {
  readonly store = new Store()
  readonly executor: Executor
  readonly program: Program
  readonly #blocks: { readonly address: number; readonly bytes: number }[] = []

  constructor(readonly layout: Layout, sums: readonly number[], change: (grad: Float32Array) => void = () => undefined) {
    const { store } = this
    const keys = [...layout.segments, ...layout.averages]
    store.declare(keys.map(({ key, shape }) => ({ key, shape, init: { kind: 'constant', value: 0 }, seed: 0, identity: {} })))
    for (const { key, length } of keys) store.f32(store.param(key).address, length).set(randomFloats(length, key.charCodeAt(0), -1, 1))
    this.program = applyProgram(layout, sums.length)
    const block = (bytes: number): number => { const b = store.alloc(bytes); store.bytes.fill(0, b.address, b.address + b.bytes); this.#blocks.push(b); return b.address }
    const grad = block(layout.bytes), sum = block(sums.length * 8)
    for (const { key, offset, length } of keys) store.f32(grad + offset, length).set(randomFloats(length, 100 + key.charCodeAt(0), -0.5, 0.5))
    change(store.f32(grad, layout.bytes / 4))
    store.f64(sum, sums.length).set(sums)
    const states = new Map(layout.groups.flatMap(({ optimizer, prefix, bytes, segments, start }) => optimizer.states.map((name): [string, number] => {
      const at = block(bytes)
      for (const { key, offset, length } of segments) store.f32(at + offset - start, length).set(randomFloats(length, 200 + key.charCodeAt(0), 0, 0.1))
      return [`${prefix}${name}`, at]
    })))
    this.executor = new Executor(this.program, store, { seed: 0, grad, sum, state: (name) => states.get(name) ?? 0 })
    for (const { optimizer, prefix } of layout.groups) for (const name of Object.keys(optimizer.scalars)) this.executor.setF32(`${prefix}${name}`, 0.125)
    if (this.executor.hasSlot('rows')) this.executor.setF32('rows', 7)
  }

  /** One run over an arena of NaN; all weights and states after it. */
  run(lanes: number | null): { readonly ok: number; readonly weights: ReadonlyMap<string, readonly number[]>; readonly blocks: readonly number[] } {
    const { store, executor } = this
    executor.bind(1)
    executor.prepare()
    store.bytes.fill(0xff, store.arena.address, store.arena.address + store.arena.bytes)
    if (lanes === null) executor.run()
    else runAsLanes(executor, store, lanes, [store.scratch, store.alloc(4096).address])
    return {
      ok: store.view.getUint32(executor.output('ok'), true),
      weights: new Map([...this.layout.segments, ...this.layout.averages].map(({ key, length }) => [key, [...store.f32(store.param(key).address, length)]])),
      blocks: this.#blocks.flatMap(({ address, bytes }) => [...store.f32(address, bytes / 4)]),
    }
  }
}

const together = (): Layout => layoutOfAll([trained(FIRST, OPTIMIZERS[0]), trained(SECOND, OPTIMIZERS[1])], averages)

describe('tiles', () => {
  test.each([1, 2, 3, 4, 5, 6])('shared out in any way give the same bits, %i', (seed) => {
    expect(new Bench(together(), [1, 2]).run(seed)).toEqual(new Bench(together(), [1, 2]).run(null))
    const one = layoutOfAll([trained([...FIRST, ...SECOND], rmsprop({ momentum: 0.5, centered: true, clipNorm: 1 }))], [])
    expect(new Bench(one, [1]).run(seed)).toEqual(new Bench(one, [1]).run(null))
  })
})

describe('several updates', () => {
  test('are what each would be alone, and all move together', () => {
    const both = new Bench(together(), [1, 2]).run(null)
    expect(both.ok).toBe(1)
    for (const [weights, optimizer] of [[FIRST, OPTIMIZERS[0]], [SECOND, OPTIMIZERS[1]]] as const) {
      const alone = new Bench(layoutOfAll([trained(weights, optimizer)], averages), [1]).run(null)
      for (const [key, numbers] of alone.weights) expectBits(both.weights.get(key) ?? [], numbers, key)
    }
  })

  test.each([...FIRST, ...SECOND, ...MOVED].map(({ key }) => key))('one gradient or statistic that is not finite, of %s, and nothing is written', (key) => {
    const layout = together()
    const place = [...layout.segments, ...layout.averages].find((s) => s.key === key)
    if (place === undefined) throw new RangeError(key)
    for (const [bad, at] of [[NaN, 0], [Infinity, place.length - 1]] as const) {
      const untouched = new Bench(layout, [1, 2])
      const before = layout.segments.map((s) => [...untouched.store.f32(untouched.store.param(s.key).address, s.length)])
      const { ok, weights } = new Bench(layout, [1, 2], (grad) => { grad[place.offset / 4 + at] = bad }).run(null)
      expect(ok).toBe(0)
      layout.segments.forEach((s, i) => { expectBits(weights.get(s.key) ?? [], before[i] ?? [], s.key) })
      for (const { key: moved, length } of layout.averages) expectBits(weights.get(moved) ?? [], randomFloats(length, moved.charCodeAt(0), -1, 1), moved)
    }
  })

  test.each([[NaN, 1], [1, Infinity]])('a loss that is not finite, %d and %d, and nothing is written', (...sums) => {
    const { ok, weights } = new Bench(together(), sums).run(null)
    expect(ok).toBe(0)
    for (const [key, numbers] of weights) expectBits(numbers, randomFloats(numbers.length, key.charCodeAt(0), -1, 1), key)
  })
})

describe('verify', () => {
  test('sees what is written through a table: without its barrier a constraint is refused', () => {
    const { program } = new Bench(layoutOfAll([trained(FIRST, OPTIMIZERS[0])], []), [1])
    const update = program.calls.findIndex(({ kernel }) => kernel === 'f32_sgd')
    const next = program.calls[update + 1]
    expect(next?.barrier).toBe(true)
    expect(next?.reads.some((b) => program.buffers[b]?.region === 'param')).toBe(true)
    const without = { ...program, calls: program.calls.map((call, i) => (i > update ? { ...call, barrier: false } : call)) }
    expect(() => { verifyAt(without, 1) }).toThrow('no barrier')
  })

  test('a program without constraints is as before: three calls, two barriers', () => {
    const { program } = new Bench(layoutOfAll([trained(FIRST.map(({ key, shape }) => ({ key, shape })), OPTIMIZERS[1])], []), [1])
    expect(program.calls.map(({ kernel, barrier }) => `${barrier ? '|' : ''}${kernel}`)).toEqual(['f32_regularize', '|f32_gate', '|f32_adam'])
  })
})
