// The loss of changed weights has the bits of a full evaluation, whatever part of it was computed again; what is not taken leaves no trace.
import { describe, expect, it } from 'vitest'
import { IncrementalLoss, type Change } from '../../src/compress/incremental.js'
import {
  adam, batchNormalization, concatenate, conv2d, dense, dropout, flatten, functional, gru, input, l2, maxPool2d, mse, sequential, sgd, sparseCategoricalCrossentropy,
  type TrainableModel, type Value,
} from '../../src/index.js'
import { mask } from '../../src/compress/index.js'
import { random, randomFloats } from '../support/numbers.js'

type Any = TrainableModel<unknown, unknown>
interface Case {
  readonly name: string
  readonly model: () => { readonly model: unknown }
  readonly x: unknown
  readonly y: unknown
  readonly keys: readonly string[]
  /** of those, the ones whose changes share panels */
  readonly shared: readonly string[]
}

const classes = (n: number, count: number, seed: number): Int32Array => { const next = random(seed); return Int32Array.from({ length: n }, () => Math.floor(next() * count)) }
const bytes = (n: number, seed: number): Uint8Array => { const next = random(seed); return Uint8Array.from({ length: n }, () => Math.floor(next() * 256)) }
const kernels = (count: number): string[] => Array.from({ length: count }, (_, i) => `dense${i + 1}.kernel`)

/** A chain of dense layers on n samples. */
function chain(n: number, features: number, hidden: number, classCount: number): Case {
  return {
    name: `${n} samples, ${features}-${hidden}-${hidden}-${classCount}`,
    model: () => ({
      model: sequential([dense(hidden, { activation: 'relu' }), dropout(0.3), dense(hidden, { activation: 'tanh', useBias: false }), dense(classCount, { activation: 'softmax' })], { input: [features], seed: 1 })
        .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() }),
    }),
    x: randomFloats(n * features, 2), y: classes(n, classCount, 3), keys: [...kernels(3), 'dense1.bias'], shared: kernels(3),
  }
}

function sharedLayer(): { readonly model: unknown } {
  const [a, b] = [input([5]), input([5])]
  const eye = dense(6, { activation: 'elu' })
  const h = concatenate([eye(a), eye(b)])
  return { model: functional({ a, b }, { kind: dense(3)(h), size: dense(1)(h) }, { seed: 4 }).compile({ optimizer: sgd(), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, lossWeights: { size: 0.3 } }) }
}

function masked(): { readonly model: unknown } {
  const net = sequential([dense(9, { activation: 'relu' }), dense(9, { activation: 'relu' }), dense(2)], { input: [7], seed: 5 })
  const next = random(6)
  return { model: mask(net, { 'dense2.kernel': Array.from({ length: 81 }, () => Math.floor(next() * 2)) }).compile({ optimizer: sgd(), loss: mse() }) }
}

const cases: readonly Case[] = [
  chain(1, 3, 1, 2), chain(7, 1, 8, 3), chain(33, 17, 9, 5), chain(65, 513, 16, 4), chain(40, 4100, 3, 2),
  {
    name: 'bytes as inputs and labels, labels of numbers',
    model: () => ({ model: sequential([dense(12, { activation: 'sigmoid' }), dense(3)], { input: { shape: [20], dtype: 'u8', scale: 1 / 255 }, seed: 2 }).compile({ optimizer: adam(), loss: mse() }) }),
    x: bytes(30 * 20, 4), y: bytes(30 * 3, 5), keys: kernels(2), shared: kernels(2),
  },
  {
    name: 'rows of sequences, a penalty',
    model: () => ({ model: sequential([dense(10, { activation: 'relu' }), flatten(), dense(2)], { input: [6, 4], seed: 3 }).compile({ optimizer: adam(), loss: mse() }) }),
    x: randomFloats(20 * 24, 6), y: randomFloats(40, 7), keys: kernels(2), shared: kernels(2),
  },
  {
    name: 'a layer used twice, two outputs', model: sharedLayer, x: { a: randomFloats(60, 8), b: randomFloats(60, 9) }, y: { kind: classes(12, 3, 10), size: randomFloats(12, 11) },
    keys: kernels(3), shared: ['dense2.kernel', 'dense3.kernel'],
  },
  { name: 'a masked weight', model: masked, x: randomFloats(70, 12), y: randomFloats(20, 13), keys: kernels(3), shared: ['dense1.kernel', 'dense3.kernel'] },
  {
    name: 'images',
    model: () => ({
      model: sequential([conv2d(4, 3, { activation: 'relu' }), batchNormalization(), maxPool2d(), flatten(), dense(5, { activation: 'relu' }), dense(3, { activation: 'softmax' })], { input: [8, 8, 2], seed: 7 })
        .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() }),
    }),
    x: randomFloats(11 * 128, 14), y: classes(11, 3, 15), keys: ['conv2d1.kernel', 'batchNormalization1.gamma', ...kernels(2)], shared: kernels(2),
  },
  {
    name: 'a recurrent layer', model: () => ({ model: sequential([gru(5), dense(4, { activation: 'relu' }), dense(1)], { input: [6, 3], seed: 8 }).compile({ optimizer: adam(), loss: mse() }) }),
    x: randomFloats(9 * 18, 16), y: randomFloats(9, 17), keys: ['gru1.kernel', 'gru1.recurrentKernel', ...kernels(2)], shared: ['gru1.kernel', ...kernels(2)],
  },
]

const columnsOf = (shape: readonly number[]): number => (shape.length < 2 ? 1 : shape[shape.length - 1] ?? 1)

/** Some changes of different columns. */
function changesOf(shape: readonly number[], count: number, next: () => number): Change[] {
  const columns = columnsOf(shape), rows = shape.reduce((a, b) => a * b, 1) / columns
  const chosen = new Set(Array.from({ length: count }, () => Math.floor(next() * columns)))
  return [...chosen].map((column) => {
    const changed = [...new Set(Array.from({ length: 1 + Math.floor(next() * 5) }, () => Math.floor(next() * rows)))]
    return { column, rows: Int32Array.from(changed), values: Float32Array.from(changed, () => (next() < 0.5 ? 0 : next() - 0.5)) }
  })
}

describe.each(cases)('$name', ({ model: make, x, y, keys, shared }) => {
  const model = make().model as Any
  const evaluated = model as unknown as { evaluate(x: unknown, y: unknown, o: { batchSize: number }): Promise<{ loss: number }> }
  const samples = model.readSamples('test', x, y)
  const n = [...samples.data.values()][0]?.rows ?? 0
  const weights = model.getWeights()

  it.each([true, false])('panels %s: losses of changes are those of full evaluations, after any history', async (panels) => {
    const loss = new IncrementalLoss({ ...samples, weights, keys, seed: model.seed, panels })
    expect(keys.filter((key) => loss.sharesPanels(key))).toEqual(panels ? shared : [])
    const full = async (): Promise<number> => (await evaluated.evaluate(x, y, { batchSize: n })).loss
    model.setWeights(weights)
    expect(loss.loss).toBe(await full())
    const next = random(20)
    for (let pass = 0; pass < 12; pass++) {
      const key = keys[Math.floor(next() * keys.length)] ?? ''
      const { shape } = weights[key] ?? { shape: [] }
      const found: { readonly seen: number; readonly data: Float32Array }[] = []
      const changes = changesOf(shape, 11, next)
      const current = loss.weights(key).slice()
      loss.pass(key, changes, (seen, i) => {
        const data = current.slice()
        const change = changes[i] ?? { column: 0, rows: new Int32Array(0), values: new Float32Array(0) }
        change.rows.forEach((row, j) => { data[row * columnsOf(shape) + change.column] = change.values[j] ?? 0 })
        found.push({ seen, data })
        const taken = next() < 0.3
        if (taken) current.set(data)
        return taken
      })
      expect(found.length).toBe(changes.length)
      for (const { seen, data } of found) {
        model.setWeights({ [key]: { data, shape } })
        expect(seen).toBe(await full())
      }
      model.setWeights({ [key]: { data: current, shape } })
      expect(loss.weights(key)).toEqual(current)
      expect(loss.loss).toBe(await full())
    }
  })

  it('what is not taken leaves every weight and every later loss as it was', () => {
    const loss = new IncrementalLoss({ ...samples, weights, keys, seed: model.seed })
    const plain = loss.loss
    const next = random(21)
    const passes = keys.map((key) => ({ key, changes: changesOf(weights[key]?.shape ?? [], 9, next) }))
    const losses = (): number[] => passes.flatMap(({ key, changes }) => { const seen: number[] = []; loss.pass(key, changes, (l) => { seen.push(l); return false }); return seen })
    const first = losses()
    expect(losses()).toEqual(first)
    expect(loss.loss).toBe(plain)
    for (const key of keys) expect(new Uint8Array(loss.weights(key).slice().buffer)).toEqual(new Uint8Array((weights[key]?.data ?? new Float32Array(0)).slice().buffer))
  })
})

it('penalties of weights are not part of it', async () => {
  const build = (kernelRegularizer?: ReturnType<typeof l2>) => sequential([dense(4, kernelRegularizer === undefined ? {} : { kernelRegularizer })], { input: [3], seed: 1 }).compile({ optimizer: sgd(), loss: mse() })
  const [x, y] = [randomFloats(30, 1), randomFloats(40, 2)]
  const [plain, penalised] = [build(), build(l2(0.1))]
  const of = (model: unknown): number => { const m = model as Any; return new IncrementalLoss({ ...m.readSamples('test', x, y), weights: m.getWeights(), keys: kernels(1), seed: 0 }).loss }
  expect(of(penalised)).toBe(of(plain))
  expect((await penalised.evaluate(x, y)).loss).toBeGreaterThan(of(plain))
})

it('a weight that the loss does not depend on is refused by name', () => {
  const [a, b] = [input([2]), input([2])]
  const model: unknown = functional({ a, b }, { p: dense(1)(a), q: dense(1)(b) } as { p: Value; q: Value }).compile({ optimizer: sgd(), loss: { p: mse(), q: mse() } })
  const m = model as Any
  const read = m.readSamples('test', { a: [[1, 2]], b: [[3, 4]] }, { p: [1], q: [1] })
  expect(() => new IncrementalLoss({ ...read, weights: m.getWeights(), keys: ['dense9.kernel'], seed: 0 })).toThrow(/dense9\.kernel: expected a weight that the loss depends on/)
})
