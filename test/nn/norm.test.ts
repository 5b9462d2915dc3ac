// batchNormalization against its formula in f64: values, gradients, moving averages over steps and shards; and that files, prediction, frozen
// layers and failed steps treat the averages as they should.
import { describe, expect, test } from 'vitest'
import {
  activation, batchNormalization, dense, flatten, FormatError, load, mse, NonFiniteError, save, sequential, sgd, ShapeError, type BatchNormalizationOptions, type Layer,
} from '../../src/index.js'
import { mask } from '../../src/compress/index.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import { shardRange } from '../../src/train/trainer.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { batchOf, entry, Training } from '../support/training.js'

const fround = Math.fround
const EPSILON = 1e-3

/** Positions and channels of samples, in f64: statistics of each channel, and the normalised values. */
function normalised(x: readonly number[], channels: number, gamma: readonly number[], beta: readonly number[]): { readonly y: readonly number[]; readonly mean: readonly number[]; readonly variance: readonly number[] } {
  const rows = x.length / channels
  const mean = Array.from({ length: channels }, (_, c) => x.reduce((sum, v, i) => sum + (i % channels === c ? v : 0), 0) / rows)
  const variance = Array.from({ length: channels }, (_, c) => x.reduce((sum, v, i) => sum + (i % channels === c ? (v - at(mean, c)) ** 2 : 0), 0) / rows)
  return { mean, variance, y: x.map((v, i) => { const c = i % channels; return at(gamma, c) * (v - at(mean, c)) / Math.sqrt(at(variance, c) + EPSILON) + at(beta, c) }) }
}

const near = (got: ArrayLike<number>, want: readonly number[], tolerance = 1e-5): void => {
  const largest = Math.max(1, ...want.map(Math.abs))
  expect(got.length).toBe(want.length)
  want.forEach((v, i) => { if (!(Math.abs(at(got, i) - v) <= tolerance * largest)) expect.fail(`[${i}]: ${at(got, i)} instead of ${v}`) })
}

const N = 12
const options = (shape: readonly number[], norm: BatchNormalizationOptions = {}, shards = 1, learningRate = 0.1) => ({
  layers: [batchNormalization(norm), flatten()] as readonly Layer[], input: shape, loss: mse(), optimizer: sgd({ learningRate }), shards, seed: 3,
})

describe.each([[[5]], [[3, 2, 3]], [[1, 1, 1]]])('of [n, %j]', (shape) => {
  const width = shape.reduce((a, b) => a * b, 1), channels = at(shape, shape.length - 1)
  const x = randomFloats(N * width, 1, -2, 3), y = randomFloats(N * width, 2)

  test('loss and gradients are those of the formula', () => {
    const t = new Training(options(shape))
    const result = t.shard(t.sources({ x, y }), batchOf(Array.from({ length: N }, (_, i) => i)), 0)
    const [gamma, beta] = [t.weights()['batchNormalization1.gamma'] ?? [], t.weights()['batchNormalization1.beta'] ?? []]
    const loss = (gamma: readonly number[], beta: readonly number[]): number =>
      normalised(Array.from(x), channels, gamma, beta).y.reduce((sum, v, i) => sum + (v - at(y, i)) ** 2, 0) / width / N
    expect(at(result.sums, 0) / N).toBeCloseTo(loss(gamma, beta), 5)
    const slope = (f: (by: number) => number): number => (f(1e-5) - f(-1e-5)) / 2e-5
    const moved = (w: readonly number[], c: number, by: number): readonly number[] => w.map((v, i) => (i === c ? v + by : v))
    near(t.gradients(result)['batchNormalization1.gamma'] ?? [], gamma.map((_, c) => slope((by) => loss(moved(gamma, c, by), beta))))
    near(t.gradients(result)['batchNormalization1.beta'] ?? [], beta.map((_, c) => slope((by) => loss(gamma, moved(beta, c, by)))))
  })
})

test.each([1, 2])('the gradient goes through the statistics to the layers before, axis %i', (axis) => {
  // With the kernel of the layer before as the only thing that is moved: differences of the loss in f64.
  const t = new Training({ layers: [dense(4), batchNormalization({ axis, scale: axis === 2 }), activation('tanh'), flatten()], input: [3, 2], loss: mse(), optimizer: sgd() })
  const x = randomFloats(N * 6, 4, -1, 1), y = randomFloats(N * 12, 5)
  const result = t.shard(t.sources({ x, y }), batchOf(Array.from({ length: N }, (_, i) => i)), 0)
  const weights = t.weights()
  const w = (name: string): readonly number[] => weights[name] ?? []
  const channels = axis === 1 ? 3 : 4
  const channelOf = (i: number): number => (axis === 2 ? i % 4 : Math.floor(i / 4) % 3)
  const loss = (kernel: readonly number[]): number => {
    const z = Array.from({ length: N * 12 }, (_, i) => { const row = Math.floor(i / 4), j = i % 4; return at(x, row * 2) * at(kernel, j) + at(x, row * 2 + 1) * at(kernel, 4 + j) + at(w('dense1.bias'), j) })
    const of = (c: number): number[] => z.filter((_, i) => channelOf(i) === c)
    const stats = Array.from({ length: channels }, (_, c) => normalised(of(c), 1, [1], [0]))
    return z.reduce((sum, v, i) => {
      const c = channelOf(i), s = stats[c]
      const gamma = axis === 2 ? at(w('batchNormalization1.gamma'), c) : 1
      const normal = gamma * (v - at(s?.mean ?? [], 0)) / Math.sqrt(at(s?.variance ?? [], 0) + EPSILON) + at(w('batchNormalization1.beta'), c)
      return sum + (Math.tanh(normal) - at(y, i)) ** 2
    }, 0) / 12 / N
  }
  const kernel = w('dense1.kernel')
  const slopes = kernel.map((_, k) => (loss(kernel.map((v, i) => (i === k ? v + 1e-5 : v))) - loss(kernel.map((v, i) => (i === k ? v - 1e-5 : v)))) / 2e-5)
  near(t.gradients(result)['dense1.kernel'] ?? [], slopes, 3e-5)
})

describe.each([1, 2, 4])('moving averages, %i shards', (shards) => {
  const x = randomFloats(40 * 3, 7, -1, 4), y = randomFloats(40 * 3, 8)
  const momentum = 0.8
  const batches = [[0, 1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14], [15], [16, 17, 18, 19, 20], [30, 31, 39, 2, 5, 8]]

  const run = (): Training => {
    const t = new Training(options([3], { momentum }, shards))
    t.weight('batchNormalization1.movingMean').fill(0)
    t.weight('batchNormalization1.movingVariance').fill(1)
    const sources = t.sources({ x, y })
    for (const batch of batches) {
      t.gradient(sources, batchOf(batch), 8)
      expect(t.trainer.apply().ok).toBe(true)
    }
    return t
  }

  test('follow the formula over several steps', () => {
    const moving = { mean: [0, 0, 0], variance: [1, 1, 1] }
    for (const batch of batches) {
      const sums = { mean: [0, 0, 0], variance: [0, 0, 0] }
      for (let s = 0; s < shards; s++) {
        const rows = batch.slice(...shardRange(batch.length, s, shards))
        if (rows.length === 0) continue
        const stats = normalised(rows.flatMap((r) => Array.from(x.subarray(r * 3, r * 3 + 3))), 3, [1, 1, 1], [0, 0, 0])
        for (const name of ['mean', 'variance'] as const) stats[name].forEach((v, c) => { sums[name][c] = at(sums[name], c) + v * rows.length })
      }
      for (const name of ['mean', 'variance'] as const) moving[name] = moving[name].map((m, c) => m * momentum + (at(sums[name], c) / batch.length) * (1 - momentum))
    }
    const got = run().weights()
    near(got['batchNormalization1.movingMean'] ?? [], moving.mean, 1e-6)
    near(got['batchNormalization1.movingVariance'] ?? [], moving.variance, 1e-6)
  })

  test('have the same bits again, and combined from shards computed elsewhere in any order', () => {
    const want = run().weights()
    expect(run().weights()).toEqual(want)
    const t = new Training(options([3], { momentum }, shards))
    t.weight('batchNormalization1.movingMean').fill(0)
    t.weight('batchNormalization1.movingVariance').fill(1)
    const sources = t.sources({ x, y })
    for (const batch of batches) {
      t.trainer.combine(Array.from({ length: shards }, (_, s) => t.shard(sources, batchOf(batch), shards - 1 - s)))
      expect(t.trainer.apply().ok).toBe(true)
    }
    expect(t.weights()).toEqual(want)
  })
})

test('one step, to the bit', () => {
  const t = new Training(options([2], { momentum: 0.75 }))
  t.weight('batchNormalization1.movingMean').set([0.5, -3])
  const x = Float32Array.of(1, 2, 4, 7, 0.1, -1)
  t.gradient(t.sources({ x, y: new Float32Array(6) }), batchOf([0, 1, 2]), 3)
  t.trainer.apply()
  const mean = [fround(fround(fround(1 + 4) + fround(0.1)) / 3), fround(8 / 3)]
  expectBits(t.weight('batchNormalization1.movingMean'), mean.map((m, c) => fround(fround(at([0.5, -3], c) * 0.75) + fround(fround(fround(m * 3) / 3) * 0.25))))
})

const N_X = 30
const DATA = { x: randomFloats(N_X * 4, 9, -2, 5), y: randomFloats(N_X, 10) }
const net = (norm: BatchNormalizationOptions = {}, extra: { readonly frozen?: readonly string[]; readonly globalClipNorm?: number; readonly shards?: number } = {}) => {
  const { globalClipNorm, ...compiled } = extra
  return sequential([batchNormalization({ momentum: 0.5, ...norm }), dense(3, { activation: 'tanh' }), batchNormalization({ momentum: 0.5 }), dense(1)], { input: [4], seed: 2 })
    .compile({ optimizer: sgd({ learningRate: 0.05, momentum: 0.9, ...(globalClipNorm === undefined ? {} : { globalClipNorm }) }), loss: mse(), ...compiled })
}
const weightsOf = (model: ReturnType<typeof net>): Record<string, number[]> => Object.fromEntries(Object.entries(model.getWeights()).map(([key, { data }]) => [key, Array.from(data)]))
const FIRST = 'batchNormalization1'

test('prediction uses the moving statistics, so a row does not depend on others', () => {
  const model = net()
  model.setWeights({ [`${FIRST}.movingMean`]: { data: Float32Array.of(1, 2, 3, 4), shape: [4] }, [`${FIRST}.movingVariance`]: { data: Float32Array.of(4, 1, 9, 0.25), shape: [4] } })
  const alone = sequential([batchNormalization()], { input: [2] })
  alone.setWeights({ [`${FIRST}.movingMean`]: { data: Float32Array.of(1, -1), shape: [2] }, [`${FIRST}.movingVariance`]: { data: Float32Array.of(4, 0), shape: [2] } })
  near(alone.predictSync(Float32Array.of(3, 1, 0, -1)).data, [2 / Math.sqrt(4.001), 2 / Math.sqrt(0.001), -1 / Math.sqrt(4.001), 0], 1e-6)
  const all = model.predictSync(DATA.x).data
  for (const r of [0, 17]) expectBits(model.predictSync(DATA.x.slice(r * 4, r * 4 + 4)).data, [at(all, r)])
})

test('training moves the averages; evaluation and prediction do not', async () => {
  const model = net()
  const before = weightsOf(model)
  await model.fit(DATA.x, DATA.y, { epochs: 2, batchSize: 8 })
  const after = weightsOf(model)
  for (const key of Object.keys(before)) expect(after[key], key).not.toEqual(before[key])
  await model.evaluate(DATA.x, DATA.y)
  await model.predict(DATA.x)
  expect(weightsOf(model)).toEqual(after)
})

test.each([1, 2])('a file keeps the averages, and training goes on as if never saved, %i shards', async (shards) => {
  const fit = { epochs: 2, batchSize: 8 }
  const model = net({}, { shards })
  await model.fit(DATA.x, DATA.y, fit)
  const again = load(save(model))
  expectBits(again.predictSync(DATA.x).data, model.predictSync(DATA.x).data)
  expect(again.hash).toBe(model.hash)
  await model.fit(DATA.x, DATA.y, fit)
  await again.fit(DATA.x, DATA.y, fit)
  expect(again.getWeights()).toEqual(model.getWeights())
})

test.each([['trainable: false', net({ trainable: false })], ['frozen', net({}, { frozen: [FIRST] })]])('a layer that is %s keeps its averages and trains by them', async (_, model) => {
  const stats = { [`${FIRST}.movingMean`]: { data: Float32Array.of(1, 2, 3, 4), shape: [4] }, [`${FIRST}.movingVariance`]: { data: Float32Array.of(4, 1, 9, 0.25), shape: [4] } }
  model.setWeights(stats)
  const before = weightsOf(model)
  await model.fit(DATA.x, DATA.y, { epochs: 1, batchSize: 8 })
  const after = weightsOf(model)
  for (const key of Object.keys(before)) {
    if (key.startsWith(FIRST)) expect(after[key], key).toEqual(before[key])
    else expect(after[key], key).not.toEqual(before[key])
  }
})

test('a layer that is not trained computes in training what it predicts', async () => {
  const model = sequential([batchNormalization({ trainable: false }), dense(1)], { input: [4] }).compile({ optimizer: sgd(), loss: mse() })
  const { loss } = await model.evaluate(DATA.x, DATA.y)
  expect((await model.trainOnBatch(DATA.x, DATA.y)).loss).toBe(loss)
  const frozen = sequential([batchNormalization(), dense(1)], { input: [4] }).compile({ optimizer: sgd(), loss: mse(), frozen: [FIRST] })
  expect((await frozen.trainOnBatch(DATA.x, DATA.y)).loss).toBe(loss)
  const trained = sequential([batchNormalization(), dense(1)], { input: [4] }).compile({ optimizer: sgd(), loss: mse() })
  expect((await trained.trainOnBatch(DATA.x, DATA.y)).loss).not.toBe(loss)
})

test('a file whose average moves something else than an untrained weight is damaged', () => {
  const { tensors, metadata } = decodeSafetensors(save(net()))
  const json = metadata['equigrad'] ?? ''
  const reload = (text: string) => load(encodeSafetensors(tensors, { equigrad: text }))
  expect(() => reload(json)).not.toThrow()
  for (const [from, to] of [['"name":"movingMean","init":{"kind":"constant","value":0},"trainable":false', '"name":"movingMean","init":{"kind":"constant","value":0},"trainable":true'], ['"momentum":0.5', '"momentum":2']] as const) {
    expect(json).toContain(from)
    expect(() => reload(json.replace(from, to))).toThrow(FormatError)
  }
})

test('a step that fails leaves the averages as they were', async () => {
  const model = net()
  await model.fit(DATA.x, DATA.y, { epochs: 1, batchSize: 8 })
  const before = weightsOf(model)
  // Finite data whose square is not.
  const huge = DATA.x.map((v, i) => (i === 5 ? 3e38 : v))
  await expect(model.fit(huge, DATA.y, { epochs: 1, batchSize: 'full' })).rejects.toThrow(NonFiniteError)
  expect(weightsOf(model)).toEqual(before)
  const t = new Training(options([2]))
  const weights = t.weights()
  t.gradient(t.sources({ x: Float32Array.of(1, NaN, 2, 3), y: new Float32Array(4) }), batchOf([0, 1]), 2)
  expect(t.trainer.apply().ok).toBe(false)
  expect(t.weights()).toEqual(weights)
})

test('the averages are no part of the gradient\'s norm, nor clipped', () => {
  const x = randomFloats(N * 3, 1, 50, 90), y = randomFloats(N * 3, 2)
  const run = (optimizer: ReturnType<typeof sgd>) => {
    const t = new Training({ ...options([3]), optimizer })
    t.gradient(t.sources({ x, y }), batchOf(Array.from({ length: N }, (_, i) => i)), N)
    const { norm } = t.trainer.apply()
    return { norm, mean: t.weights()['batchNormalization1.movingMean'] ?? [] }
  }
  const plain = run(sgd({ learningRate: 0.1, globalClipNorm: 1e9 })), clipped = run(sgd({ learningRate: 0.1, globalClipNorm: 1e-3 }))
  expect(plain.norm).toBeLessThan(10)
  expect(clipped).toEqual(plain)
})

test('a layer used twice takes the mean of both statistics', () => {
  const norm = batchNormalization({ momentum: 0, scale: false, center: false })
  const t = new Training({ layers: [norm, activation((v) => v), norm, dense(1)], input: [2], loss: mse(), optimizer: sgd() })
  const x = randomFloats(10 * 2, 1, 0, 3)
  t.gradient(t.sources({ x, y: new Float32Array(10) }), batchOf(Array.from({ length: 10 }, (_, i) => i)), 10)
  t.trainer.apply()
  const { mean } = normalised(Array.from(x), 2, [1, 1], [0, 0])
  // what is normalised once has mean 0
  near(t.weight('batchNormalization1.movingMean'), mean.map((m) => m / 2), 1e-5)
})

test('misuse is refused', () => {
  for (const axis of [0, 3, -4, -3]) expect(() => sequential([batchNormalization({ axis })], { input: [2, 3] })).toThrow(ShapeError)
  expect(() => batchNormalization({ momentum: 1.5 })).toThrow(RangeError)
  expect(() => batchNormalization({ epsilon: 0 })).toThrow(RangeError)
  expect(() => mask(net(), { [`${FIRST}.movingMean`]: [1, 1, 0, 1] })).toThrow('average')
  expect(entry(weightsOf(net()), `${FIRST}.movingVariance`, 0)).toBe(1)
})
