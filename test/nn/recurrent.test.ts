// Recurrent layers: outputs and gradients against a reference in f64, programs that do not grow with the number of steps, files, shards,
// and what is refused.
import { describe, expect, test } from 'vitest'
import {
  adam, dense, dropout, flatten, functional, gradients, gru, input, layer, load, lstm, maxNorm, mse, mul, rnn, save, sequential, sgd, ShapeError, simpleRNN, step, sum, type RecurrentLayer,
} from '../../src/index.js'
import { fromGraph, graphHash, toGraph } from '../../src/compiler/graph/graph.js'
import { add } from '../../src/compiler/ops/binary.js'
import { ops } from '../../src/compiler/ops/index.js'
import { scan } from '../../src/compiler/ops/scan.js'
import { affine, tanh } from '../../src/compiler/ops/unary.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { feed } from '../support/programs.js'
import { batchOf, entry, Training } from '../support/training.js'

const D = 2, UNITS = 3
type Weights = Readonly<Record<string, readonly number[]>>
type Kind = 'simpleRNN' | 'lstm' | 'gru' | 'gru, reset before'

const sigmoid = (x: number): number => 1 / (1 + Math.exp(-x))
/** Row vector times matrix [rows, columns], plus what is there. */
const times = (v: readonly number[], m: readonly number[], columns: number): number[] =>
  Array.from({ length: columns }, (_, j) => v.reduce((sum, x, i) => sum + x * at(m, i * columns + j), 0))

/** The outputs of all steps for one sample [steps][D], in the order in which they are computed, and its last states. */
const reference = (kind: Kind, w: Weights, xs: readonly (readonly number[])[]): number[][] => referenceFrom(kind, w, xs, [new Array<number>(UNITS).fill(0), new Array<number>(UNITS).fill(0)]).outputs

function referenceFrom(kind: Kind, w: Weights, xs: readonly (readonly number[])[], [h0, c0]: readonly [number[], number[]]): { readonly outputs: number[][]; readonly states: readonly number[][] } {
  const named = (suffix: string): readonly number[] => Object.entries(w).find(([key]) => key.endsWith(suffix))?.[1] ?? []
  const [kernel, recurrent, bias, recurrentBias] = ['.kernel', '.recurrentKernel', '.bias', '.recurrentBias'].map(named)
  if (kernel === undefined || recurrent === undefined || bias === undefined || recurrentBias === undefined) throw new RangeError('weights')
  const gates = bias.length / UNITS
  let h = h0, c = c0
  const outputs = xs.map((x) => {
    const a = times(x, kernel, gates * UNITS).map((v, i) => v + at(bias, i))
    const b = times(h, recurrent, gates * UNITS).map((v, i) => v + (recurrentBias[i] ?? 0))
    const part = (v: readonly number[], g: number): number[] => v.slice(g * UNITS, (g + 1) * UNITS)
    const both = (g: number): number[] => part(a, g).map((v, i) => v + at(part(b, g), i))
    if (kind === 'simpleRNN') h = both(0).map(Math.tanh)
    else if (kind === 'lstm') {
      const [i, f, g, o] = [both(0).map(sigmoid), both(1).map(sigmoid), both(2).map(Math.tanh), both(3).map(sigmoid)]
      c = c.map((v, k) => at(f ?? [], k) * v + at(i ?? [], k) * at(g ?? [], k))
      h = c.map((v, k) => at(o ?? [], k) * Math.tanh(v))
    } else {
      const [z, r] = [both(0).map(sigmoid), both(1).map(sigmoid)]
      const reset = h.map((v, k) => v * at(r, k))
      const inner = kind === 'gru' ? part(b, 2).map((v, k) => v * at(r, k)) : part(times(reset, recurrent, 3 * UNITS), 2)
      h = h.map((v, k) => at(z, k) * v + (1 - at(z, k)) * Math.tanh(at(a, 2 * UNITS + k) + at(inner, k)))
    }
    return h
  })
  return { outputs, states: kind === 'lstm' ? [h, c] : [h] }
}

const KINDS: readonly Kind[] = ['simpleRNN', 'lstm', 'gru', 'gru, reset before']
const layerOf = (kind: Kind, options: { readonly returnSequences?: boolean; readonly reverse?: boolean } = {}): RecurrentLayer =>
  kind === 'simpleRNN' ? simpleRNN(UNITS, options) : kind === 'lstm' ? lstm(UNITS, options) : gru(UNITS, { ...options, resetAfter: kind === 'gru' })

/** A dozen roundings a step, of numbers below 1, over at most 7 steps. */
const TOLERANCE = 1e-5
const STEP = 2 ** -17

describe.each(KINDS)('%s', (kind) => {
  describe.each([1, 2, 7])('%i steps', (steps) => {
    test.each([1, 5])('a batch of %i: the loss and the gradient of each weight', (n) => {
      for (const [returnSequences, reverse] of [[false, false], [true, false], [true, true], [false, true]] as const) {
        const training = new Training({ layers: [layerOf(kind, { returnSequences, reverse })], input: [steps, D], loss: mse(), optimizer: sgd({ learningRate: 1 }), seed: 3 })
        const size = (returnSequences ? steps : 1) * UNITS
        const x = randomFloats(n * steps * D, 1, -1, 1), y = randomFloats(n * size, 2, -1, 1)
        const result = training.shard(training.sources({ x, y }), batchOf(Array.from({ length: n }, (_, i) => i)), 0)
        const objective = (w: Weights): number => {
          let sum = 0
          for (let r = 0; r < n; r++) {
            const xs = Array.from({ length: steps }, (_, t) => Array.from(x.subarray((r * steps + t) * D, (r * steps + t + 1) * D)))
            const hs = reference(kind, w, reverse ? xs.reverse() : xs)
            const out = returnSequences ? (reverse ? hs.reverse() : hs).flat() : hs[hs.length - 1] ?? []
            out.forEach((v, i) => { sum += (v - at(y, r * size + i)) ** 2 / size })
          }
          return sum
        }
        const weights = training.weights()
        expect(Math.abs(at(result.sums, 0) - objective(weights))).toBeLessThan(TOLERANCE * objective(weights))
        const got = training.gradients(result)
        expect(Object.keys(got).length).toBe(kind === 'gru' ? 4 : 3)
        for (const [key, w] of Object.entries(weights)) {
          w.forEach((_, i) => {
            const shifted = (by: number): number => objective({ ...weights, [key]: w.map((v, j) => (j === i ? v + by : v)) })
            expect(Math.abs(entry(got, key, i) - (shifted(STEP) - shifted(-STEP)) / (2 * STEP) / n), `${key}[${i}]`).toBeLessThan(TOLERANCE)
          })
        }
      }
    })
  })

  const STATES = kind === 'lstm' ? 2 : 1
  /** A model of one layer with lengths and first states, all its weights of one size. */
  const unrolled = (steps: number, options: { readonly returnSequences?: boolean; readonly reverse?: boolean }) => {
    const x = input([steps, D]), lengths = input([], { below: steps + 1 }), h = input([UNITS]), c = input([UNITS])
    const { output, states } = layerOf(kind, options).withStates(x, { lengths, initialStates: [h, c].slice(0, STATES) })
    const [lastH, lastC = h] = states
    const m = functional({ x, lengths, h, c }, { output, lastH, lastC: STATES === 2 ? lastC : affine(c, 1, 0) }, { seed: 1 })
    m.setWeights(Object.fromEntries(Object.entries(m.getWeights()).map(([key, { data, shape }], i) => [key, { data: randomFloats(data.length, 200 + i, -0.8, 0.8), shape }])))
    return m
  }
  const T = 5, LENGTHS = [5, 1, 3, 0, 2, 4], N = LENGTHS.length
  const data = { x: randomFloats(N * T * D, 31, -1, 1), lengths: Int32Array.from(LENGTHS), h: randomFloats(N * UNITS, 32, -1, 1), c: randomFloats(N * UNITS, 33, -1, 1) }
  /** The steps of a sample that count, in the order in which they run. */
  const stepsOf = (x: ArrayLike<number>, r: number, reverse: boolean): number[][] => {
    const xs = Array.from({ length: LENGTHS[r] ?? 0 }, (_, t) => Array.from({ length: D }, (_, d) => at(x, (r * T + t) * D + d)))
    return reverse ? xs.reverse() : xs
  }

  test.each([[false, false], [true, false], [true, true], [false, true]] as const)('lengths and first states (returnSequences %s, reverse %s): outputs, last states, and every gradient', async (returnSequences, reverse) => {
    const m = unrolled(T, { returnSequences, reverse })
    const size = (returnSequences ? T : 1) * UNITS
    const by = { output: randomFloats(N * size, 34, -1, 1), lastH: randomFloats(N * UNITS, 35, -1, 1), lastC: randomFloats(N * UNITS, 36, -1, 1) }
    type Given = { readonly w: Weights; readonly x: ArrayLike<number>; readonly h: ArrayLike<number>; readonly c: ArrayLike<number> }
    const expected = ({ w, x, h, c }: Given): Readonly<Record<keyof typeof by, number[]>> => {
      const found = { output: [] as number[], lastH: [] as number[], lastC: [] as number[] }
      LENGTHS.forEach((length, r) => {
        const row = (v: ArrayLike<number>): number[] => Array.from({ length: UNITS }, (_, i) => at(v, r * UNITS + i))
        const { outputs, states: [last = [], cell] } = referenceFrom(kind, w, stepsOf(x, r, reverse), [row(h), row(c)])
        const ordered = reverse ? [...outputs].reverse() : outputs
        found.output.push(...(returnSequences ? [...ordered.flat(), ...new Array<number>((T - length) * UNITS).fill(0)] : last))
        found.lastH.push(...last)
        found.lastC.push(...(cell ?? row(c)))
      })
      return found
    }
    const objective = (given: Given): number => Object.entries(expected(given)).reduce((sum, [name, v]) => sum + v.reduce((s, o, i) => s + o * at(by[name as keyof typeof by], i), 0), 0)
    const now: Given = { w: Object.fromEntries(Object.entries(m.getWeights()).map(([key, { data: d }]) => [key, Array.from(d)])), ...data }
    const got = m.predictSync(data)
    for (const [name, v] of Object.entries(expected(now))) v.forEach((o, i) => { expect(Math.abs(at(got[name as keyof typeof by].data, i) - o), `${name}[${i}]`).toBeLessThan(TOLERANCE) })

    const shape = { x: [T, D], lengths: { shape: [], below: T + 1 }, h: [UNITS], c: [UNITS], output: returnSequences ? [T, UNITS] : [UNITS], lastH: [UNITS], lastC: [UNITS] } as const
    const back = step(m, shape, (v) => {
      const out = m.call({ x: v.x, lengths: v.lengths, h: v.h, c: v.c })
      const y = add(add(sum(mul(out.output, v.output)), sum(mul(out.lastH, v.lastH))), sum(mul(out.lastC, v.lastC)))
      const wrt = [v.x, v.h, v.c, ...m.weights.values]
      return Object.fromEntries(gradients(y, wrt).map((g, i) => [`g${i}`, g]))
    })
    const found = await back({ ...data, ...by })
    const check = (name: string, numbers: ArrayLike<number>, change: (v: number[]) => Given, i: number): void => {
      const dense = found[`g${i}`]
      for (let j = 0; j < numbers.length; j++) {
        const shifted = (d: number): number => objective(change(Array.from(numbers, (v, k) => (k === j ? v + d : v))))
        const wanted = (shifted(STEP) - shifted(-STEP)) / (2 * STEP)
        expect(Math.abs(at(typeof dense === 'object' ? dense.data : [], j) - wanted), `${name}[${j}]`).toBeLessThan(5 * TOLERANCE)
      }
    }
    check('x', data.x, (x) => ({ ...now, x }), 0)
    check('h', data.h, (h) => ({ ...now, h }), 1)
    check('c', data.c, (c) => ({ ...now, c }), 2)
    Object.entries(now.w).forEach(([key, w], i) => { check(key, w, (v) => ({ ...now, w: { ...now.w, [key]: v } }), 3 + i) })
  })

  test('sequences of all lengths in one program have the bits that each has in a program of its own', () => {
    for (const reverse of [false, true]) {
      const m = unrolled(T, { returnSequences: true, reverse })
      const together = m.predictSync(data)
      LENGTHS.forEach((length, r) => {
        if (length === 0) return
        const own = unrolled(length, { returnSequences: true, reverse })
        const cut = (v: Float32Array, width: number, count = width): Float32Array => v.slice(r * width, r * width + count)
        const alone = own.predictSync({ x: cut(data.x, T * D, length * D), lengths: [length], h: cut(data.h, UNITS), c: cut(data.c, UNITS) })
        expectBits(alone.output.data, cut(together.output.data, T * UNITS, length * UNITS))
        expectBits(alone.lastH.data, cut(together.lastH.data, UNITS))
        expectBits(alone.lastC.data, cut(together.lastC.data, UNITS))
      })
    }
  })

  test('states carried from one batch to the next give the bits of the whole sequence', () => {
    const whole = unrolled(6, { returnSequences: true }), half = unrolled(3, { returnSequences: true })
    const x = randomFloats(2 * 6 * D, 40, -1, 1), zero = new Float32Array(2 * UNITS)
    const part = (from: number): Float32Array => Float32Array.from([0, 1].flatMap((r) => Array.from(x.subarray((r * 6 + from) * D, (r * 6 + from + 3) * D))))
    const once = whole.predictSync({ x, lengths: [6, 6], h: zero, c: zero })
    const first = half.predictSync({ x: part(0), lengths: [3, 3], h: zero, c: zero })
    const second = half.predictSync({ x: part(3), lengths: [3, 3], h: first.lastH.data, c: first.lastC.data })
    for (const r of [0, 1]) {
      const row = (v: Float32Array, width: number): Float32Array => v.subarray(r * width, (r + 1) * width)
      expectBits(Float32Array.of(...row(first.output.data, 3 * UNITS), ...row(second.output.data, 3 * UNITS)), row(once.output.data, 6 * UNITS))
    }
    expectBits(second.lastH.data, once.lastH.data)
    expectBits(second.lastC.data, once.lastC.data)
  })

  const model = (steps: number, shards = 1) => sequential([layerOf(kind, { returnSequences: true }), dropout(0.2), layerOf(kind), dense(1)], { input: [steps, D], seed: 5 })
    .compile({ optimizer: adam(), loss: mse(), shards })

  test('programs do not grow with the number of steps; memory grows in proportion', () => {
    for (const which of ['grad', 'predict'] as const) {
      // All sums over samples and steps are longer than a block: shorter ones of few rows need no packing, and no call that adds blocks.
      const [a, b, c] = [1000, 2000, 12000].map((steps) => model(steps).program(which, { capacity: 8 }).program)
      if (a === undefined || b === undefined || c === undefined) throw new RangeError('three programs')
      const sizes = ({ calls, buffers }: typeof a): readonly number[] => [calls.length, buffers.length]
      expect([...sizes(b), ...sizes(c)]).toEqual([...sizes(a), ...sizes(a)])
      // Where each step adds k bytes, the differences of the three are as those of their steps.
      expect((c.report.peak - b.report.peak) / (b.report.peak - a.report.peak)).toBeCloseTo(10, 0)
    }
  })

  test('a step of the forward pass runs once in training', () => {
    const { text } = model(10).program('grad', { capacity: 8 })
    expect(text.match(/^loop /gm)?.length).toBe(4)
  })

  test('training gives the same twice and continues from a file, which says the same', async () => {
    const x = randomFloats(11 * 6 * D, 8), y = randomFloats(11, 9)
    const fitted = async (shards: number) => {
      const m = model(6, shards)
      await m.fit(x, y, { epochs: 2, batchSize: 4, validationSplit: 0 })
      return m
    }
    const [a, b] = [await fitted(1), await fitted(1)]
    expect(a.getWeights()).toEqual(b.getWeights())
    expect(a.hash).toBe(b.hash)
    const again = load(save(a))
    expect(again.hash).toBe(a.hash)
    expect(again.predictSync(x).data).toEqual(a.predictSync(x).data)
    // A row alone, and among others.
    expect(a.predictSync(x.subarray(0, 6 * D)).data).toEqual(a.predictSync(x).data.subarray(0, 1))
    const sharded = await fitted(3)
    for (const [key, { data }] of Object.entries(a.getWeights())) sharded.getWeights()[key]?.data.forEach((v, i) => { expect(Math.abs(v - at(data, i))).toBeLessThan(1e-3) })
  })
})

test('the forget gate begins at 1', () => {
  const w = sequential([lstm(2)], { input: [3, 1] }).getWeights()
  expect(Array.from(w['lstm1.bias']?.data ?? [])).toEqual([0, 0, 1, 1, 0, 0, 0, 0])
})

test('a cell of one\'s own, with a layer inside, is named and learns', async () => {
  const inner = dense(4, { activation: 'tanh', name: 'inner' })
  const cell = rnn({ states: [4], step: (x, states) => { const next = states.map((h) => add(affine(h, 0.5, 0), inner(x))); return { output: affine(next[0] ?? x, 2, 0), states: next } } }, { name: 'mine' })
  const m = sequential([cell, dense(1)], { input: [5, 2], seed: 1 }).compile({ optimizer: adam({ learningRate: 0.05 }), loss: mse() })
  expect(Object.keys(m.getWeights())).toEqual(['mine/inner.kernel', 'mine/inner.bias', 'dense1.kernel', 'dense1.bias'])
  const x = randomFloats(40 * 10, 3, -1, 1), y = Float32Array.from({ length: 40 }, (_, i) => at(x, i * 10 + 8))
  const { epochs } = await m.fit(x, y, { epochs: 30 })
  expect(epochs[29]?.loss).toBeLessThan(0.3 * (epochs[0]?.loss ?? 0))
})

test('a graph with a scan comes back as it was', () => {
  const { graph } = sequential([lstm(3), dense(2)], { input: [4, 2] }).definition
  const again = toGraph(fromGraph(graph, (name) => ops.get(name)), { path: () => '', key: () => '' })
  expect(again).toEqual(graph)
  expect(graphHash(again)).toBe(graphHash(graph))
  expect(graphHash(sequential([lstm(3, { name: 'a' }), dense(2)], { input: [4, 2] }).definition.graph)).toBe(graphHash(graph))
  expect(graphHash(sequential([lstm(3, { activation: 'sigmoid' }), dense(2)], { input: [4, 2] }).definition.graph)).not.toBe(graphHash(graph))
  const damaged = (change: (g: typeof graph) => unknown) => () => fromGraph({ ...graph, nodes: graph.nodes.map((node) => (node.body === undefined ? node : { ...node, body: change(node.body) as typeof graph })) }, (name) => ops.get(name))
  expect(damaged((g) => ({ ...g, outputs: { ...g.outputs, out7: 0 } }))).toThrow('does not fit together')
  expect(damaged((g) => ({ ...g, outputs: { in0: 0 } }))).toThrow()
  expect(damaged((g) => ({ ...g, outputs: Object.fromEntries(Object.entries(g.outputs).filter(([name]) => name !== 'in1')) }))).toThrow()
})

test('constraints hold the weights of recurrent layers', async () => {
  const options = { kernelConstraint: maxNorm(0.5), recurrentConstraint: maxNorm(0.4), biasConstraint: 'nonNeg', returnSequences: true } as const
  const m = sequential([simpleRNN(3, options), lstm(3, options), gru(3, options), dense(1)], { input: [4, 2], seed: 7 }).compile({ optimizer: sgd({ learningRate: 0.3, momentum: 0.9 }), loss: mse() })
  await m.fit(randomFloats(80, 1, -1, 1), randomFloats(40, 2, -1, 1), { epochs: 4, batchSize: 3 })
  for (const [key, { data, shape: [, columns = data.length] }] of Object.entries(m.getWeights())) {
    if (key.startsWith('dense')) continue
    if (key.endsWith('.bias')) expect(Math.min(...data)).toBeGreaterThanOrEqual(0)
    else if (!key.endsWith('recurrentBias')) {
      const norms = Array.from({ length: columns }, (_, j) => Math.hypot(...data.filter((_, i) => i % columns === j)))
      const limit = key.endsWith('recurrentKernel') ? 0.4 : 0.5
      expect(Math.max(...norms), key).toBeLessThan(limit * (1 + 1e-6))
    }
  }
  expect(() => lstm(3, { recurrentConstraint: 'nonneg' as never })).toThrow('lstm.recurrentConstraint')
})

describe('what is refused', () => {
  const x = feed('x', ['n', 4, 2])
  test('a cell that changes the shape of its state, by the layer\'s name', () => {
    const wide = rnn({ states: [3], step: (xt) => ({ output: xt, states: [xt] }) }, { name: 'wide' })
    expect(() => sequential([wide], { input: [4, 2] })).toThrow(/wide: scan: expected a step that gives its carry 0 as it takes it, f32\[n, 3\], got f32\[n, 2\]/)
  })
  test('sequences without steps, of different lengths, or none', () => {
    const sum = (h: readonly typeof x[], xs: readonly typeof x[]) => ({ carries: h, ys: xs })
    expect(() => scan(sum, [], [feed('x', ['n', 0, 2])])).toThrow(ShapeError)
    expect(() => scan(sum, [], [x, feed('y', ['n', 5, 2])])).toThrow('sequences of 4 steps')
    expect(() => scan(sum, [], [feed('y', ['n'])])).toThrow(ShapeError)
    expect(() => scan(sum, [], [])).toThrow(ShapeError)
    expect(() => scan(() => ({ carries: [], ys: [] }), [feed('h', ['n', 2])], [x])).toThrow('1 carries')
  })
  test('inputs that are no sequences, and wrong options', () => {
    expect(() => sequential([lstm(3)], { input: [4] })).toThrow('sequences [n, steps, …]')
    expect(() => sequential([flatten(), gru(3)], { input: [4, 2] })).toThrow(ShapeError)
    expect(() => lstm(0)).toThrow(RangeError)
    expect(() => gru(2, { resetafter: true } as object)).toThrow('resetafter')
    expect(() => simpleRNN(2, { returnSequences: 1 as unknown as boolean })).toThrow(TypeError)
    expect(() => rnn({ states: [0], step: (v) => ({ output: v, states: [v] }) })(x)).toThrow(RangeError)
    expect(() => rnn(3 as never)).toThrow(TypeError)
    expect(() => rnn({ states: [2], step: () => null as never })(x)).toThrow(TypeError)
  })
  test('lengths that are none, or may lie beyond the sequence', () => {
    const xs = input([4, 2])
    expect(() => lstm(3)(xs, { lengths: input([]) })).toThrow('scan: lengths: expected i32[n], one length a sample, got f32[n]. Use input([], { below: 5 }).')
    expect(() => lstm(3)(xs, { lengths: input([2], { below: 5 }) })).toThrow('i32[n], one length a sample')
    expect(() => lstm(3, { name: 'cell' })(xs, { lengths: input([], { below: 6 }) })).toThrow('cell: scan: lengths: expected lengths of at most 4 steps, input([], { below: 5 }), got below: 6')
    expect(() => lstm(3)(xs, { lengths: 4 } as never)).toThrow('expected')
    const lengths = input([], { below: 5 })
    const m = functional({ xs, lengths }, dense(1)(lstm(3)(xs, { lengths }))).compile({ optimizer: adam(), loss: mse() })
    const before = m.getWeights()
    expect(() => m.predictSync({ xs: new Float32Array(16), lengths: [4, 5] })).toThrow('predict: lengths[1]: expected a whole number from 0 to 4, got 5')
    expect(() => m.trainOnBatchSync({ xs: new Float32Array(16), lengths: [-1, 2] }, [1, 2])).toThrow('lengths[0]: expected a whole number from 0 to 4, got -1')
    expect(() => m.predictSync({ xs: new Float32Array(16), lengths: new Float32Array(2) })).toThrow('whole numbers (Int32Array, Uint8Array, or plain ones)')
    expect(m.getWeights()).toEqual(before)
    expect(() => input([], { below: 5, scale: 2 })).toThrow('Whole numbers are not scaled')
    expect(() => input([], { below: 0 })).toThrow(RangeError)
    expect(() => input([], { below: 5, dtype: 'f32' })).toThrow('\'i32\'')
  })
  test('first states that do not fit', () => {
    const xs = input([4, 2]), h = input([3])
    expect(() => lstm(3)(xs, { initialStates: [h] })).toThrow('lstm: initialStates: expected 2 states, got 1')
    expect(() => gru(3, { name: 'g' })(xs, { initialStates: [input([4])] })).toThrow('g: initialStates[0]: expected f32[n, 3], got f32[n, 4]')
    expect(() => gru(3)(xs, { initialState: [h] } as object)).toThrow('initialState')
    expect(() => gru(3)(5 as never)).toThrow('a value, such as input([20, 3])')
    expect(() => rnn({ states: [], step: (v) => ({ output: v, states: [] }) })).toThrow('at least one state')
  })
  test('a layer of one\'s own may scan', () => {
    const running = layer('running', {}, (v) => scan(([h], [xt]) => { const next = h === undefined || xt === undefined ? [] : [tanh(add(h, xt))]; return { carries: next, ys: next } }, [feed('$h', ['n', 2])], [v]).ys[0] ?? v)
    expect(running(x).shape).toEqual(['n', 4, 2])
  })
})
