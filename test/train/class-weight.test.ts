// Factors of the loss by class: the same bits as the same factors by sample.
import { describe, expect, it } from 'vitest'
import { dense, mse, sequential, sgd, sparseCategoricalCrossentropy } from '../../src/index.js'

const n = 37
const x = Float32Array.from({ length: n * 4 }, (_, i) => Math.fround(Math.sin(i * 1.7)))
const y = Int32Array.from({ length: n }, (_, i) => (i * 7) % 3)
const model = () => sequential([dense(5, { activation: 'tanh' }), dense(3, { activation: 'softmax' })], { input: [4], seed: 2 }).compile({ optimizer: sgd({ learningRate: 0.1 }), loss: sparseCategoricalCrossentropy() })
const bits = (m: ReturnType<typeof model>): string => m.stateHash()
const options = { epochs: 2, batchSize: 8 }

describe('classWeight', () => {
  it('is the factor of each sample of a class, 1 where none is given', async () => {
    const [byClass, bySample, none] = [model(), model(), model()]
    const classWeight = { 0: 0.25, 2: 3 }, factor = [0.25, 1, 3]
    const a = await byClass.fit(x, y, { ...options, classWeight })
    const b = await bySample.fit(x, y, { ...options, sampleWeight: Float32Array.from(y, (c) => factor[c] ?? 0) })
    await none.fit(x, y, options)
    expect(a.loss).toEqual(b.loss)
    expect(bits(byClass)).toBe(bits(bySample))
    expect(bits(byClass)).not.toBe(bits(none))
  })
  it('multiplies the samples\' own factors, and leaves the validation as it is', async () => {
    const [both, product] = [model(), model()]
    const own = Float32Array.from({ length: n }, (_, i) => 0.5 + (i % 4)), classWeight = { 1: 2 }
    const cut = Math.floor(n * 0.7)
    const a = await both.fit(x, y, { ...options, sampleWeight: own, classWeight, validationSplit: 0.3 })
    const b = await product.fit(x.slice(0, cut * 4), y.slice(0, cut), {
      ...options, sampleWeight: own.slice(0, cut).map((w, i) => (y[i] === 1 ? 2 : 1) * w), validationData: { x: x.slice(cut * 4), y: y.slice(cut), sampleWeight: own.slice(cut) },
    })
    expect(a.validation).toEqual(b.validation)
    expect(bits(both)).toBe(bits(product))
  })
  it('is refused where labels are no class numbers', async () => {
    const line = sequential([dense(1)], { input: [4] }).compile({ optimizer: sgd(), loss: mse() })
    await expect(line.fit(x, Float32Array.from(y), { classWeight: { 0: 1 } })).rejects.toThrow(/^fit\.classWeight: expected one output whose labels are class numbers, got other labels\. Give sampleWeight\./)
  })
})
