// Graphs that branch and share: several inputs and outputs, layers used twice, models within models, one store.
import { describe, expect, it } from 'vitest'
import {
  accuracy, activation, adam, add, batchNormalization, BusyError, concatenate, createStore, dense, dropout, EquigradError, flatten, functional, gradients, input, load, mean, mse, mul, save, sequential, sgd, ShapeError,
  sparseCategoricalCrossentropy, square, step, sub,
} from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
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

  it('a layer used twice shares its weights: its gradient is that of both uses, each finished and then added, to the bit', async () => {
    const make = (shared: boolean) => {
      const [a, b] = [input([5]), input([5])]
      const first = dense(3, { activation: 'tanh' })
      const second = shared ? first : dense(3, { activation: 'tanh' })
      return functional({ a, b }, sub(first(a), mul(second(b), second(b))), { seed: 3 })
    }
    const [one, apart] = [make(true), make(false)]
    expect(Object.keys(one.getWeights())).toEqual(['dense1.kernel', 'dense1.bias'])
    for (const key of ['kernel', 'bias']) for (const i of [1, 2]) apart.setWeights({ [`dense${i}.${key}`]: one.getWeights()[`dense1.${key}`] ?? { data: new Float32Array(0), shape: [] } })
    const probe = (model: typeof one) => step(model, { a: [5], b: [5] }, (v) => {
      const loss = mean(square(model.call({ a: v.a, b: v.b })))
      const [d1, b1, d2 = d1, b2 = b1] = gradients(loss, model.weights.values)
      return { loss, d1: d1 ?? loss, b1: b1 ?? loss, d2: d2 ?? loss, b2: b2 ?? loss }
    })
    const x = { a: randomFloats(35, 4), b: randomFloats(35, 5) }
    const [shared, copies] = [await probe(one)(x), await probe(apart)(x)]
    const numbers = (v: number | { readonly data: Float32Array }): Float32Array => (typeof v === 'number' ? Float32Array.of(v) : v.data)
    expect(shared.loss).toBe(copies.loss)
    for (const [both, first, second] of [[shared.d1, copies.d1, copies.d2], [shared.b1, copies.b1, copies.b2]] as const) {
      expectBits(numbers(both), Array.from(numbers(first), (d, i) => Math.fround(d + at(numbers(second), i))))
      expect(numbers(both)).not.toEqual(numbers(first))
    }
    // and what differences of the loss show
    const kernel = weight(one, 'dense1.kernel'), h = 1e-2
    for (let i = 0; i < kernel.length; i++) {
      const moved = async (by: number): Promise<number> => {
        one.setWeights({ 'dense1.kernel': { data: kernel.map((w, j) => (j === i ? w + by : w)), shape: [5, 3] } })
        return (await probe(one)(x)).loss
      }
      expect(at(numbers(shared.d1), i)).toBeCloseTo(((await moved(h)) - (await moved(-h))) / (2 * h), 3)
    }
  })

  it('an encoder is part of its autoencoder: one store, the same weights', async () => {
    const x = input([12])
    const code = dense(3, { activation: 'tanh', name: 'code' })(x)
    const encoder = functional(x, code, { seed: 2 })
    const auto = functional(x, dense(12, { name: 'decode' })(code), { seed: 2 }).compile({ optimizer: adam({ learningRate: 0.02 }), loss: mse() })
    const before = encoder.predictSync(images).data
    await auto.fit(images, images, { epochs: 10, batchSize: 8 })
    expect(weight(encoder, 'code.kernel')).toEqual(weight(auto, 'code.kernel'))
    const after = encoder.predictSync(images).data
    expect(after).not.toEqual(before)
    // what the encoder gives is what the autoencoder decodes, and what a model of its own with these weights gives
    const decoder = sequential([dense(12)], { input: [3] })
    decoder.setWeights({ 'dense1.kernel': { data: weight(auto, 'decode.kernel'), shape: [3, 12] }, 'dense1.bias': { data: weight(auto, 'decode.bias'), shape: [12] } })
    expectBits(decoder.predictSync(after).data, auto.predictSync(images).data)
    const alone = sequential([dense(3, { activation: 'tanh' })], { input: [12] })
    alone.setWeights({ 'dense1.kernel': { data: weight(auto, 'code.kernel'), shape: [12, 3] }, 'dense1.bias': { data: weight(auto, 'code.bias'), shape: [3] } })
    expectBits(alone.predictSync(images).data, after)
    // one store: what is set in one is so in the other, and the other waits while one trains
    encoder.setWeights({ 'code.bias': { data: Float32Array.of(1, 2, 3), shape: [3] } })
    expectBits(weight(auto, 'code.bias'), [1, 2, 3])
    const training = auto.fit(images, images)
    expect(() => { encoder.setWeights({ 'code.bias': { data: new Float32Array(3), shape: [3] } }) }).toThrow(BusyError)
    await training
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

  it('a frozen base with batch statistics stays as well, and computes by its moving ones; unfrozen, it is fine-tuned', async () => {
    const base = sequential([dense(6), batchNormalization({ momentum: 0.5 }), activation('relu')], { input: [12], name: 'base', seed: 3 }).compile({ optimizer: adam(), loss: mse() })
    await base.fit(images, randomFloats(n * 6, 6), { epochs: 2, batchSize: 8 })
    const [before, bytes] = [hashOf(base), save(base)]
    const x = input([12])
    const tuned = functional(x, dense(3, { name: 'head' })(base.call(x)), { seed: 4 })
    const loss = sparseCategoricalCrossentropy({ fromLogits: true })
    const head = weight(tuned, 'head.kernel')
    await tuned.compile({ optimizer: adam(), loss, frozen: ['dense1', 'batchNormalization1'] }).fit(images, kind, { epochs: 3, batchSize: 8 })
    expect(hashOf(base)).toBe(before)
    expect(save(base)).toEqual(bytes)
    expect(weight(tuned, 'head.kernel')).not.toEqual(head)
    // a head of its own, on what the base predicts, learns the same bits: the batches are those of the same seed
    const alone = sequential([dense(3)], { input: [6], seed: 4 }).compile({ optimizer: adam(), loss })
    alone.setWeights({ 'dense1.kernel': { data: head, shape: [6, 3] } })
    await alone.fit(base.predictSync(images).data, kind, { epochs: 3, batchSize: 8 })
    expectBits(weight(alone, 'dense1.kernel'), weight(tuned, 'head.kernel'))
    const fine = tuned.compile({ optimizer: adam({ learningRate: 1e-3 }), loss })
    await fine.fit(images, kind, { epochs: 1, batchSize: 8 })
    expect(hashOf(base)).not.toBe(before)
    expect(weight(base, 'base/batchNormalization1.movingMean')).toEqual(weight(tuned, 'base/batchNormalization1.movingMean'))
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
