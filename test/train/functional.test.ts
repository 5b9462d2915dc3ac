// Graphs that branch and share: several inputs and outputs, layers used twice, models within models, one store.
import { describe, expect, it } from 'vitest'
import {
  accuracy, adam, add, concatenate, createStore, dense, dropout, EquigradError, flatten, functional, input, load, mse, mul, save, sequential, sgd, ShapeError, sparseCategoricalCrossentropy,
} from '../../src/index.js'
import { randomFloats } from '../support/numbers.js'
import { hashOf, weight } from './support.js'

const n = 24
const images = randomFloats(n * 12, 1)
const ages = randomFloats(n, 2)
const kind = Int32Array.from({ length: n }, (_, i) => i % 3)
const size = randomFloats(n, 3)

const two = () => {
  const image = input([3, 4])
  const age = input([1])
  const h = concatenate([dense(5, { activation: 'relu' })(flatten()(image)), age])
  return functional({ image, age }, { kind: dense(3)(h), size: dense(1)(h) }, { seed: 1 })
    .compile({ optimizer: adam({ learningRate: 0.01 }), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, metrics: { kind: [accuracy()] }, lossWeights: { size: 0.5 } })
}

describe('functional', () => {
  it('trains several inputs and outputs, with a loss, metrics and a weight for each', async () => {
    const [a, b] = [two(), two()]
    const history = await a.fit({ image: images, age: ages }, { kind, size }, { epochs: 5, batchSize: 8 })
    await b.fit({ image: images, age: ages }, { kind, size }, { epochs: 5, batchSize: 8 })
    expect(hashOf(a)).toBe(hashOf(b))
    expect(history.loss[4] ?? NaN).toBeLessThan(history.loss[0] ?? NaN)
    const s = await a.evaluate({ image: images, age: ages }, { kind, size })
    expect(s.loss).toBeCloseTo(s.kind.loss + 0.5 * s.size.loss, 5)
    expect(s.kind.accuracy).toBeGreaterThanOrEqual(0)
    const p = await a.predict({ image: images, age: ages })
    expect([p.kind.shape, p.size.shape]).toEqual([[n, 3], [n, 1]])
    const again = load(save(a))
    expect(Object.keys(again.getWeights())).toEqual(Object.keys(a.getWeights()))
  })

  it('is what sequential is sugar over: the same bits', async () => {
    const layers = () => [dense(4, { activation: 'tanh' }), dropout(0.3), dense(1)]
    const a = sequential(layers(), { input: [12], seed: 5 }).compile({ optimizer: sgd(), loss: mse() })
    const x = input([12])
    const b = functional(x, layers().reduce((v, l) => l(v), x), { seed: 5 }).compile({ optimizer: sgd(), loss: mse() })
    await a.fit(images, size, { epochs: 2, batchSize: 7 })
    await b.fit(images, size, { epochs: 2, batchSize: 7 })
    expect(hashOf(b)).toBe(hashOf(a))
  })

  it('a layer used twice shares its weights, and its gradient is the sum of both uses', async () => {
    const make = (shared: boolean) => {
      const [a, b] = [input([3]), input([3])]
      const first = dense(1, { useBias: false, kernelInitializer: 'ones' })
      const second = shared ? first : dense(1, { useBias: false, kernelInitializer: 'ones' })
      return functional({ a, b }, add(first(a), second(b))).compile({ optimizer: sgd({ learningRate: 1 }), loss: mse() })
    }
    const x = { a: randomFloats(12, 4), b: randomFloats(12, 5) }
    const [one, apart] = [make(true), make(false)]
    expect(Object.keys(one.getWeights())).toEqual(['dense1.kernel'])
    await one.trainOnBatch(x, new Float32Array(4))
    await apart.trainOnBatch(x, new Float32Array(4))
    const step = (model: typeof one, key: string): number[] => Array.from(weight(model, key), (w) => 1 - w)
    const [d1, d2] = [step(apart, 'dense1.kernel'), step(apart, 'dense2.kernel')]
    step(one, 'dense1.kernel').forEach((d, i) => { expect(d).toBeCloseTo((d1[i] ?? NaN) + (d2[i] ?? NaN), 5) })
  })

  it('an encoder is part of its autoencoder: one store, the same weights', async () => {
    const x = input([12])
    const code = dense(3, { activation: 'tanh', name: 'code' })(x)
    const encoder = functional(x, code, { seed: 2 })
    const auto = functional(x, dense(12, { name: 'decode' })(code), { seed: 2 }).compile({ optimizer: adam({ learningRate: 0.02 }), loss: mse() })
    const before = encoder.predictSync(images).data
    await auto.fit(images, images, { epochs: 10, batchSize: 8 })
    expect(weight(encoder, 'code.kernel')).toEqual(weight(auto, 'code.kernel'))
    expect(encoder.predictSync(images).data).not.toEqual(before)
  })

  it('a model called within another shares weights; the frozen base stays, bit for bit', async () => {
    const base = sequential([dense(6, { activation: 'relu', name: 'base' })], { input: [12], seed: 3 }).compile({ optimizer: adam(), loss: mse() })
    await base.fit(images, randomFloats(n * 6, 6), { epochs: 2, batchSize: 8 })
    const before = hashOf(base)
    const x = input([12])
    const tuned = functional(x, dense(3, { name: 'head' })(base.call(x)), { seed: 4 })
      .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy({ fromLogits: true }), frozen: ['base'] })
    await tuned.fit(images, kind, { epochs: 3, batchSize: 8 })
    expect(hashOf(base)).toBe(before)
    expect(Object.keys(tuned.getWeights())).toEqual(['base.kernel', 'base.bias', 'head.kernel', 'head.bias'])
    expect(String(tuned.program('grad'))).not.toContain('grad:base')
  })

  it('refuses, when it is defined, what does not fit', async () => {
    const [a, b] = [input([3]), input([4])]
    expect(() => functional({ a, b }, dense(1)(a))).toThrow(/depends on the input 'b'/)
    expect(() => functional({ a }, concatenate([a, b]))).toThrow(/every input among its inputs/)
    expect(() => add(dense(2)(a), dense(3)(a))).toThrow(ShapeError)
    expect(() => mul(a, b)).toThrow(ShapeError)
    expect(() => concatenate([a, b], { axis: 0 })).toThrow(ShapeError)
    expect(() => concatenate([])).toThrow(ShapeError)
    expect(() => functional(a, dense(2, { name: 'one' })(dense(2, { name: 'one' })(a)))).toThrow(/'one'/)
    const store = createStore()
    const [p, q] = [sequential([dense(2)], { input: [3], store }), sequential([dense(2)], { input: [3], store })]
    p.prepare()
    expect(() => { q.prepare() }).toThrow(EquigradError)
    expect(() => functional(a, add(sequential([dense(2)], { input: [3] }).call(a), sequential([dense(2, { name: 'other' })], { input: [3] }).call(a)))).toThrow(/share a store/)
    expect(() => p.call(b)).toThrow(ShapeError)
    const net = two()
    const labels: unknown = { kind }
    await expect(Reflect.apply(net.fit, net, [{ image: images, age: ages }, labels])).rejects.toThrow(/size/)
  })

  it('types', () => {
    const net = two()
    // @ts-expect-error a missing output
    void (() => net.fit({ image: images, age: ages }, { kind }))
    // @ts-expect-error no metrics on size
    void (async () => (await net.evaluate({ image: images, age: ages }, { kind, size })).size.accuracy)
    // @ts-expect-error unknown output
    void (() => two().compile({ optimizer: adam(), loss: { b: mse() } }))
    expect(net.step).toBe(0)
  })
})
