// What training costs in memory: JavaScript's heap and the store stay flat, prediction alone has neither gradients nor states, data is given back.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { adam, conv2d, createStore, dense, flatten, gru, lstm, maxPool2d, sequential, sparseCategoricalCrossentropy, type Layer } from '../../src/index.js'
import { randomFloats } from '../support/numbers.js'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Bytes of heap after everything unreachable is gone. */
function heap(): number {
  if (typeof collect !== 'function') throw new Error('no gc')
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
}

const softmax = (): Layer => dense(10, { activation: 'softmax' })
const layers = (): readonly Layer[] => [dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), softmax()]
const samples = 1280
const x = randomFloats(samples * 784, 1)
const y = Int32Array.from({ length: samples }, (_, i) => i % 10)

it('takes less than 1 MB of heap for 10 000 further steps of an epoch', async () => {
  // What JavaScript does for a step does not depend on the size of the net.
  const model = sequential([dense(4, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: [8] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  const data = x.subarray(0, 20_000 * 8), labels = Int32Array.from({ length: 20_000 }, (_, i) => i % 10)
  await model.fit(data.subarray(0, 2_000 * 8), labels.subarray(0, 2_000), { epochs: 1, batchSize: 2 })
  const before = heap()
  await model.fit(data, labels, { epochs: 1, batchSize: 2 })
  expect(heap() - before).toBeLessThan(1e6)
})

describe.each([
  { name: 'an MLP', shape: [784], batchSize: 128, layers },
  { name: 'a CNN', shape: [14, 14, 1], batchSize: 16, layers: () => [conv2d(16, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(32, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), flatten(), softmax()] },
  { name: 'an LSTM on a GRU', shape: [12, 8], batchSize: 16, layers: () => [gru(16, { returnSequences: true }), lstm(16), softmax()] },
])('$name', ({ shape, batchSize, layers: made }) => {
  // Ten batches, of which the last has fewer samples.
  const rows = 10 * batchSize - 3
  const data = x.subarray(0, rows * shape.reduce((a, b) => a * b, 1)), labels = y.subarray(0, rows)

  it('takes less than 1 MB of heap for 1000 further steps, and nothing of the store', async () => {
    const store = createStore()
    const model = sequential(made(), { input: shape, store }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    const sizes: number[] = []
    await model.fit(data, labels, { epochs: 20, batchSize, callbacks: [{ onEpochEnd: () => { sizes.push(store.byteLength) } }] })
    const before = heap()
    await model.fit(data, labels, { epochs: 100, batchSize, callbacks: [{ onEpochEnd: () => { sizes.push(store.byteLength) } }] })
    expect(heap() - before).toBeLessThan(1e6)
    expect(sizes.length).toBe(120)
    expect(new Set(sizes).size).toBe(1)
  })

  it('of predictions and evaluations between trainings, the store keeps what the first rounds took', async () => {
    const store = createStore()
    const model = sequential(made(), { input: shape, store }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    const round = async (): Promise<void> => {
      await model.fit(data, labels, { epochs: 1, batchSize })
      await model.predict(data)
      await model.evaluate(data, labels, { batchSize })
    }
    // What the first prediction keeps may lie where the first data was: the second fit finds its place for good.
    await round()
    await round()
    const after = store.byteLength
    for (let i = 0; i < 5; i++) await round()
    expect(store.byteLength).toBe(after)
  })
})

it('gives the memory of a fit back to the store', async () => {
  const store = createStore()
  const model = sequential(layers(), { input: [784], store }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  await model.fit(x, y, { batchSize: 128 })
  const after = store.byteLength
  for (let i = 0; i < 5; i++) await model.fit(x, y, { batchSize: 128 })
  expect(store.byteLength).toBe(after)
})

it('allocates neither gradients nor states where it only predicts', async () => {
  const [only, trained] = [createStore(), createStore()]
  const a = sequential(layers(), { input: [784], store: only })
  const b = sequential(layers(), { input: [784], store: trained }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  a.predictSync(x.subarray(0, 784))
  b.predictSync(x.subarray(0, 784))
  expect(only.byteLength).toBe(trained.byteLength)
  await b.fit(x.subarray(0, 784 * 4), y.subarray(0, 4))
  // gradients and two moments, each as large as the 55 050 weights
  expect(trained.byteLength - only.byteLength).toBeGreaterThanOrEqual(3 * 55_050 * 4)
  // weights, packed weights, one row of activations: a few pages
  expect(only.byteLength).toBeLessThan(3 * 55_050 * 4)
})

it('lets go of its memory when it is disposed of', () => {
  const model = sequential(layers(), { input: [784] })
  model.predictSync(x.subarray(0, 784))
  model[Symbol.dispose]()
  expect(() => model.predictSync(x.subarray(0, 784))).toThrow('disposed')
})
