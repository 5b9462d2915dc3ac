// Networks of convolutions: shapes and first weights as Keras', a small one trained, saved and loaded, and what is refused.
import { describe, expect, it } from 'vitest'
import { digits } from '../../src/data/index.js'
import { accuracy, adam, conv2d, createStore, dense, depthwiseConv2d, flatten, input, load, save, sequential, sparseCategoricalCrossentropy, type Layer } from '../../src/index.js'
import { hashFloats, hashOf, last } from './support.js'

const shapeOf = (layer: Layer, image: readonly number[]): readonly unknown[] => layer(input(image)).shape

describe('shapes', () => {
  // What tf.keras gives: ⌈size / stride⌉ for same, ⌊(size − reach) / stride⌋ + 1 for valid.
  it.each([
    [conv2d(4, 3), [28, 28, 1], [26, 26, 4]], [conv2d(4, 3, { padding: 'same' }), [28, 28, 1], [28, 28, 4]], [conv2d(4, [3, 5], { strides: [2, 3] }), [28, 28, 1], [13, 8, 4]],
    [conv2d(4, 3, { strides: 2, padding: 'same' }), [28, 27, 3], [14, 14, 4]], [conv2d(4, 2, { strides: 3, padding: 'same' }), [7, 1, 3], [3, 1, 4]],
    [conv2d(4, 3, { dilation: 2 }), [9, 8, 2], [5, 4, 4]], [conv2d(6, 3, { dilation: [3, 2], padding: 'same', groups: 2 }), [4, 5, 4], [4, 5, 6]],
    [depthwiseConv2d(3), [8, 8, 5], [6, 6, 5]], [depthwiseConv2d(3, { depthMultiplier: 2, padding: 'same', strides: 2 }), [8, 9, 5], [4, 5, 10]],
  ] as const)('%#', (layer, image, out) => { expect(shapeOf(layer, image)).toEqual(['n', ...out]) })
})

describe('padding', () => {
  it('puts the odd zero at the end, as Keras does', () => {
    // Kernels of ones count the pixels that they see.
    const model = sequential([conv2d(1, 2, { padding: 'same', kernelInitializer: 'ones', useBias: false })], { input: [2, 3, 1] })
    expect(Array.from(model.predictSync(new Float32Array(6).fill(1)).data)).toEqual([4, 4, 2, 2, 2, 1])
    const strided = sequential([conv2d(1, 3, { padding: 'same', strides: 2, kernelInitializer: 'ones', useBias: false })], { input: [4, 5, 1] })
    expect(Array.from(strided.predictSync(new Float32Array(20).fill(1)).data)).toEqual([6, 9, 6, 4, 6, 4])
  })
})

describe('weights', () => {
  it('have the fans of their receptive field', () => {
    const model = sequential([conv2d(40, 3, { groups: 2 }), depthwiseConv2d([2, 3], { depthMultiplier: 3 })], { input: [8, 8, 20], seed: 3 })
    const weights = model.getWeights()
    const largest = (key: string): number => (weights[key]?.data ?? new Float32Array()).reduce((m, v) => Math.max(m, Math.abs(v)), 0)
    expect(Object.entries(weights).map(([key, { shape }]) => [key, shape])).toEqual([
      ['conv2d1.kernel', [3, 3, 10, 40]], ['conv2d1.bias', [40]], ['depthwiseConv2d1.kernel', [2, 3, 40, 3]], ['depthwiseConv2d1.bias', [120]],
    ])
    for (const [key, limit] of [['conv2d1.kernel', Math.sqrt(6 / (90 + 360))], ['depthwiseConv2d1.kernel', Math.sqrt(6 / (240 + 18))]] as const) {
      expect(largest(key)).toBeLessThanOrEqual(Math.fround(limit))
      expect(largest(key)).toBeGreaterThan(0.97 * limit)
    }
  })

  it('of a depthwise convolution belong to its channels', () => {
    const model = sequential([depthwiseConv2d(1, { depthMultiplier: 2, useBias: false })], { input: [1, 1, 3] })
    model.setWeights({ 'depthwiseConv2d1.kernel': { data: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [1, 1, 3, 2] } })
    expect(Array.from(model.predictSync(Float32Array.of(1, 10, 100)).data)).toEqual([1, 2, 30, 40, 500, 600])
  })
})

describe('a small network', () => {
  const data = digits({ samples: 256, seed: 1 }), unseen = digits({ samples: 64, offset: 256, seed: 1 }).images
  const make = (store = createStore()) => sequential([
    conv2d(6, 3, { strides: 2, padding: 'same', activation: 'relu' }), depthwiseConv2d(3, { padding: 'same', activation: 'tanh' }),
    conv2d(8, 3, { strides: 2, groups: 2, activation: 'relu' }), flatten(), dense(10, { activation: 'softmax' }),
  ], { input: { shape: [28, 28, 1], dtype: 'u8', scale: 1 / 255 }, seed: 2, store }).compile({ optimizer: adam({ learningRate: 0.01 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })

  it('learns, with the same bits twice, and is what was saved', async () => {
    const model = make()
    const history = await model.fit(data.images, data.labels, { epochs: 6, batchSize: 48 })
    const losses = history.epochs.map(({ loss }) => loss)
    expect(last(losses)).toBeLessThan(0.5 * (losses[0] ?? 0))
    const again = make()
    await again.fit(data.images, data.labels, { epochs: 6, batchSize: 48 })
    expect(hashOf(again)).toBe(hashOf(model))

    const all = await model.predict(unseen)
    const loaded = load(save(model))
    const same = await loaded.predict(unseen)
    if (!('data' in same) || !(same.data instanceof Float32Array)) throw new Error('one output')
    expect(hashFloats(same.data)).toBe(hashFloats(all.data))
    const alone = await model.predict(unseen.slice(784 * 5, 784 * 6))
    expect(Array.from(alone.data)).toEqual(Array.from(all.data.slice(50, 60)))
  }, 30_000)
})
