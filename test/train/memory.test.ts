// What training costs in memory: JavaScript's heap stays flat, prediction alone has neither gradients nor states, data is given back.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, it } from 'vitest'
import { adam, createStore, dense, sequential, sparseCategoricalCrossentropy } from '../../src/index.js'
import { randomFloats } from '../support/numbers.js'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')

/** Bytes of heap after everything unreachable is gone. */
function heap(): number {
  if (typeof collect !== 'function') throw new Error('no gc')
  for (let i = 0; i < 4; i++) collect()
  return process.memoryUsage().heapUsed
}

const layers = (): Parameters<typeof sequential>[0] => [dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })]
const samples = 1280
const x = randomFloats(samples * 784, 1)
const y = Int32Array.from({ length: samples }, (_, i) => i % 10)

it('grows by less than 1 MB over 1000 further steps', async () => {
  const model = sequential(layers(), { input: [784] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  await model.fit(x, y, { epochs: 20, batchSize: 128 })
  const before = heap()
  await model.fit(x, y, { epochs: 100, batchSize: 128 })
  expect(heap() - before).toBeLessThan(1e6)
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
