// Weights as expressions: they train, survive files, compose, and fold away again with the same bits. Masks have their own file.
import { describe, expect, it } from 'vitest'
import {
  activation, adam, adamW, batchNormalization, conv2d, dense, EquigradError, flatten, FormatError, functional, gru, input, load, lstm, maxNorm, mse, rmsprop, save, sequential, sgd,
  ShapeError, step, mean, square, sub, TrainableModel, type Optimizer, type Value,
} from '../../src/index.js'
import { adapter, fakeQuantize, lowRank, magnitudeMask, mask, strip } from '../../src/compress/index.js'
import { ownParams } from '../../src/model/model.js'
import { at } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { hashFloats, hashOf, weight } from '../train/support.js'

const [inputs, hidden, outputs, samples] = [12, 9, 2, 40]
const x = randomFloats(samples * inputs, 1)
const y = Float32Array.from({ length: samples * outputs }, (_, i) => at(x, (i >> 1) * inputs + (i & 1)) - 0.5 * at(x, (i >> 1) * inputs + 5))
const KEY = 'dense1.kernel'
type Net = TrainableModel<Value, Value>
const net = (): Net => sequential([dense(hidden, { activation: 'tanh' }), dense(outputs)], { input: [inputs], seed: 3 })
const trained = async (model: Net, optimizer: Optimizer, epochs = 6) => {
  const compiled = model.compile({ optimizer, loss: mse() })
  const { loss } = await compiled.fit(x, y, { epochs, batchSize: 8 })
  return { model, compiled, loss }
}
const bits = (model: Net): string => hashFloats(model.predictSync(x).data)
const effective = (model: Net, key: string): Float32Array => {
  const w = model.getEffectiveWeights()[key]
  if (w === undefined) throw new Error(`no ${key}`)
  return w.data
}
const pattern = (n: number, seed = 4): Uint8Array => Uint8Array.from(randomFloats(n, seed), (v) => (v < 0 ? 0 : 1))

const optimizers: Readonly<Record<string, () => Optimizer>> = {
  sgd: () => sgd({ learningRate: 0.1 }),
  'sgd, momentum': () => sgd({ learningRate: 0.05, momentum: 0.9 }),
  'sgd, Nesterov': () => sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true }),
  'rmsprop, momentum, centred': () => rmsprop({ momentum: 0.9, centered: true }),
  adam: () => adam({ learningRate: 0.01 }),
  'adamW with decay': () => adamW({ learningRate: 0.01, weightDecay: 0.05 }),
}

/** Every kind of expression, alone and together, of a model whose first weights it is given. */
const kinds: Readonly<Record<string, (model: Net) => Net>> = {
  'mask': (m) => mask(m, { [KEY]: pattern(inputs * hidden) }),
  'fakeQuantize, 8 bits': (m) => fakeQuantize(m),
  'fakeQuantize, 3 bits per tensor': (m) => fakeQuantize(m, { bits: 3, granularity: 'perTensor' }),
  'fakeQuantize, clipped': (m) => fakeQuantize(m, { bits: 4, clip: 0.3 }),
  'lowRank': (m) => lowRank(m, { [KEY]: 3 }).model,
  'adapter': (m) => adapter(m, { rank: 2, alpha: 3 }),
  'adapter with biases': (m) => adapter(m, { rank: 1, trainBiases: true }),
  'mask of fakeQuantize': (m) => mask(fakeQuantize(m, { bits: 4 }), { [KEY]: pattern(inputs * hidden) }),
  'fakeQuantize of mask': (m) => fakeQuantize(mask(m, { [KEY]: pattern(inputs * hidden) }), { bits: 4 }),
  'adapter on mask': (m) => adapter(mask(m, { [KEY]: pattern(inputs * hidden) }), { rank: 2 }),
  'adapter on fakeQuantize': (m) => adapter(fakeQuantize(m, { bits: 5 }), { rank: 2 }),
  'mask of lowRank': (m) => mask(lowRank(mask(m, { [KEY]: new Uint8Array(inputs * hidden).fill(1) }), { [KEY]: 4 }).model, { [KEY]: pattern(inputs * hidden) }),
  'fakeQuantize of lowRank': (m) => fakeQuantize(lowRank(m, { [KEY]: 4 }).model),
  'adapter on lowRank': (m) => adapter(lowRank(m, { [KEY]: 4 }).model, { rank: 1 }),
}

describe.each(Object.keys(kinds))('%s', (name) => {
  const make = kinds[name] ?? ((m: Net) => m)

  it('trains, is saved and loaded to the bit, and trains on as if it never was', async () => {
    const { model, compiled, loss } = await trained(make(net()), adam({ learningRate: 0.01 }))
    expect(at(loss, loss.length - 1)).toBeLessThan(at(loss, 0))
    const again = load(save(compiled))
    expect([again.hash, hashOf(again), bits(again)]).toEqual([model.hash, hashOf(model), bits(model)])
    await compiled.fit(x, y, { epochs: 2, batchSize: 8 })
    await again.fit(x, y, { epochs: 2, batchSize: 8 })
    expect([hashOf(again), bits(again)]).toEqual([hashOf(model), bits(model)])
  })

  it('strip gives a plain model with the bits of its predictions, and a smaller file', async () => {
    const { model } = await trained(make(net()), adam({ learningRate: 0.01 }), 2)
    const plain = strip(model)
    expect(bits(plain)).toBe(bits(model))
    expect(plain.definition.graph.nodes.some(({ op }) => op === 'weight' || op === 'fakeQuant' || op === 'select')).toBe(false)
    expect(save(plain).length).toBeLessThanOrEqual(save(model, { training: false }).length)
    if (!name.includes('lowRank') || name.includes('mask')) {
      expect(Object.keys(plain.getWeights())).toEqual(Object.keys(net().getWeights()))
      if (!name.includes('lowRank')) expect(plain.hash).toBe(net().hash)
    }
    const again = load(save(plain))
    expect([hashOf(again), bits(again)]).toEqual([hashOf(plain), bits(plain)])
    // The plain model trains, all of it.
    const before = plain.getWeights()
    await plain.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: mse() }).fit(x, y)
    for (const [key, { data }] of Object.entries(plain.getWeights())) expect(data, key).not.toEqual(before[key]?.data)
    // To strip what is plain changes nothing.
    expect(hashOf(strip(plain))).toBe(hashOf(plain))
  })

  it('in prediction what depends on weights alone is computed once, until they change', () => {
    const model = make(net()), { program } = model.program('predict')
    const late = program.calls.slice(program.prologue).map(({ kernel }) => kernel)
    expect(late.filter((kernel) => ['f32_fake_quant', 'f32_select', 'f32_reduce', 'f32_pack_b', 'copy'].includes(kernel))).toEqual([])
    const before = bits(model)
    model.setWeights(Object.fromEntries(Object.entries(model.getWeights()).map(([key, { data, shape }]) => [key, { data: data.map((v) => v + 0.5), shape }])))
    expect(bits(model)).not.toBe(before)
  })

  it('is a new model: the first one keeps its weights, and its own training', async () => {
    const first = await trained(net(), adam())
    const before = hashOf(first.model)
    const { model } = await trained(make(first.model), adam())
    expect(hashOf(first.model)).toBe(before)
    expect(hashOf(model)).not.toBe(before)
    expect(first.compiled.step).toBe(30)
  })
})

describe('pruned weights stay zero', () => {
  const pruned = ['mask', 'mask of fakeQuantize', 'fakeQuantize of mask', 'adapter on mask', 'mask of lowRank']
  it.each(Object.keys(optimizers).flatMap((optimizer) => pruned.map((kind) => [optimizer, kind] as const)))('under %s: %s', async (optimizer, kind) => {
    const m = pattern(inputs * hidden)
    const { model } = await trained((kinds[kind] ?? mask)(net(), {}), optimizers[optimizer]?.() ?? sgd(), 4)
    const w = effective(model, KEY)
    expect(w.every((v, i) => m[i] !== 0 || Object.is(v, 0))).toBe(true)
    expect(w.filter((v) => v !== 0).length).toBeGreaterThan(0)
    // and so in the plain model
    expect(weight(strip(model), KEY)).toEqual(w)
  })
})

/** The largest magnitude of each channel; of one level 1.224·rms of what is not 0. */
function rangesOf(w: Float32Array, channels: number, levels: number): Float32Array {
  const f = Math.fround
  const most = new Float32Array(channels), squares = new Float32Array(channels), count = new Float32Array(channels)
  w.forEach((v, i) => {
    const c = i % channels
    most[c] = Math.max(at(most, c), Math.abs(v))
    squares[c] = at(squares, c) + f(v * v)
    count[c] = at(count, c) + (v === 0 ? 0 : 1)
  })
  return levels > 1 ? most : squares.map((sum, c) => f(f(Math.sqrt(f(sum / Math.max(1, at(count, c))))) * f(1.224)))
}

/** q·s of f32 arithmetic: s = range / levels, q half to even, within ±levels. */
function onGrid(w: Float32Array, channels: number, levels: number): Float32Array {
  const range = rangesOf(w, channels, levels)
  return w.map((v, i) => {
    const s = Math.fround(at(range, i % channels) / levels), t = Math.fround(v / s)
    const q = Math.abs(t % 1) === 0.5 ? 2 * Math.round(t / 2) : Math.round(t)
    return s === 0 ? 0 : Math.fround(Math.max(-levels, Math.min(levels, q)) * s) + 0
  })
}

describe('fakeQuantize', () => {
  it.each([2, 3, 4, 5, 6, 7, 8])('%i bits: the numbers of the rule, per channel and per tensor', (count) => {
    const levels = 2 ** (count - 1) - 1, w = weight(net(), KEY)
    expect(effective(fakeQuantize(net(), { bits: count }), KEY)).toEqual(onGrid(w, hidden, levels))
    // A sum over all of a weight has another order than the reference's: fewer than 2⁶ terms, half an ulp each.
    const tensor = effective(fakeQuantize(net(), { bits: count, granularity: 'perTensor' }), KEY), expected = onGrid(w, 1, levels)
    expect(tensor.every((v, i) => Math.abs(v - at(expected, i)) <= (count > 2 ? 0 : 2 ** -18 * Math.abs(v)))).toBe(true)
    const model = fakeQuantize(net(), { bits: count })
    // The weights themselves keep all digits, biases are not rounded.
    expect(weight(model, KEY)).toEqual(w)
    expect(Object.keys(model.getEffectiveWeights())).toEqual(Object.keys(net().getWeights()))
  })

  it('what strip leaves is what 8-bit quantisation gives again, scales included', async () => {
    const { model } = await trained(fakeQuantize(net()), adam({ learningRate: 0.01 }))
    const w = weight(strip(model), KEY)
    expect(onGrid(w, hidden, 127)).toEqual(w)
    const scales = (v: Float32Array): number[] => Array.from({ length: hidden }, (_, c) => Math.fround(v.reduce((most, a, i) => (i % hidden === c ? Math.max(most, Math.abs(a)) : most), 0) / 127))
    expect(scales(w)).toEqual(scales(weight(model, KEY)))
  })

  it('the scale of a maximum is found again from its multiple: for a sweep of all exponents and many digits', () => {
    const f = Math.fround
    for (let exponent = -110; exponent < 120; exponent += 5) for (let digits = 0; digits < 2 ** 23; digits += 9973) {
      const s = f(f((1 + digits * 2 ** -23) * 2 ** exponent) / 127)
      if (f(f(127 * s) / 127) !== s) expect.fail(`${exponent} ${digits}`)
    }
  })

  it('a channel of zeros, and numbers too small for a step, give +0', () => {
    const model = net()
    const data = weight(model, KEY).map((v, i) => (i % hidden === 2 ? (i % 2 ? 0 : -0) : i % hidden === 3 ? 1e-45 : v))
    model.setWeights({ [KEY]: { data, shape: [inputs, hidden] } })
    const w = effective(fakeQuantize(model), KEY)
    expect(w.every((v, i) => (i % hidden !== 2 && i % hidden !== 3) || Object.is(v, 0))).toBe(true)
    expect(w.every((v) => v - v === 0)).toBe(true)
  })

  it('clipped weights have no gradient: they stand still, others move', async () => {
    const limit = 0.3, before = weight(net(), KEY)
    const { model } = await trained(fakeQuantize(net(), { bits: 8, clip: limit }), sgd({ learningRate: 0.01 }), 1)
    const after = weight(model, KEY)
    expect(before.some((v) => Math.abs(v) > limit)).toBe(true)
    expect(after.every((v, i) => (Math.abs(at(before, i)) > Math.fround(limit) ? v === before[i] : v !== before[i]))).toBe(true)
    expect(effective(model, KEY).every((v) => Math.abs(v) <= Math.fround(limit) * (1 + 2 ** -22))).toBe(true)
  })

  it('2 bits: zeros of a mask do not count for the step, and weights beyond it stand still', async () => {
    const held = mask(net(), { [KEY]: pattern(inputs * hidden) }), w = effective(held, KEY)
    expect(effective(fakeQuantize(held, { bits: 2 }), KEY)).toEqual(onGrid(w, hidden, 1))
    const before = weight(net(), KEY), ranges = rangesOf(before, hidden, 1)
    const { model } = await trained(fakeQuantize(net(), { bits: 2 }), sgd({ learningRate: 0.01 }), 1)
    const after = weight(model, KEY), beyond = (i: number): boolean => Math.abs(at(before, i)) > at(ranges, i % hidden)
    expect(before.some((_, i) => beyond(i))).toBe(true)
    expect(after.every((v, i) => !beyond(i) || v === before[i])).toBe(true)
    expect(after.some((v, i) => !beyond(i) && v !== before[i])).toBe(true)
  })

  it('kernels of every layer that has them', async () => {
    const all = sequential([conv2d(3, 2), batchNormalization(), flatten(), dense(4)], { input: [4, 3, 2] })
    const model = fakeQuantize(all, { bits: 2 })
    for (const key of ['conv2d1.kernel', 'dense1.kernel']) {
      const w = model.getEffectiveWeights()[key], channels = at(w?.shape ?? [], (w?.shape.length ?? 0) - 1)
      for (let c = 0; c < channels; c++) expect(new Set(w?.data.filter((_, i) => i % channels === c)).size).toBeLessThanOrEqual(3)
    }
    expect(model.getEffectiveWeights()['batchNormalization1.gamma']).toEqual(all.getWeights()['batchNormalization1.gamma'])
    // biases only where they are asked for
    expect(effective(fakeQuantize(net(), { weights: ['dense1.bias'], bits: 2 }), KEY)).toEqual(weight(net(), KEY))
    const recurrent = sequential([gru(5, { returnSequences: true }), lstm(3)], { input: [4, 2] })
    const quantised = fakeQuantize(recurrent, { bits: 4 }).compile({ optimizer: adam(), loss: mse() })
    await quantised.fit(randomFloats(80, 5), randomFloats(30, 6), { epochs: 2, batchSize: 4 })
    expect(strip(quantised).predictSync(randomFloats(80, 5)).data).toEqual(quantised.predictSync(randomFloats(80, 5)).data)
  })
})

const product = (u: Float32Array, v: Float32Array, rank: number): number[] =>
  Array.from({ length: (u.length / rank) * (v.length / rank) }, (_, i) => { const columns = v.length / rank; let s = 0; for (let k = 0; k < rank; k++) s += at(u, Math.floor(i / columns) * rank + k) * at(v, k * columns + i % columns); return s })
const norm = (a: readonly number[]): number => Math.sqrt(a.reduce((s, v) => s + v * v, 0))

describe('lowRank', () => {
  it.each([1, 2, 5, 9])('rank %i: the error it says, and no other of this rank is nearer on the way', (rank) => {
    const { model, report } = lowRank(net(), { [KEY]: rank })
    const w = weight(net(), KEY)
    const [u, v] = [weight(model, `${KEY}.u`), weight(model, `${KEY}.v`)]
    expect([u.length, v.length]).toEqual([inputs * rank, rank * hidden])
    const error = norm(product(u, v, rank).map((p, i) => p - at(w, i))) / norm(Array.from(w))
    // u and v are rounded to f32: 2⁻²⁴ of each, of products that are as large as W
    expect(Math.abs(error - (report[KEY]?.relativeError ?? NaN))).toBeLessThan(4 * 2 ** -24)
    expect(report[KEY]).toMatchObject({ rank, before: inputs * hidden, after: rank * (inputs + hidden) })
    if (rank === hidden) expect(report[KEY]?.relativeError).toBe(0)
    else expect(report[KEY]?.relativeError).toBeGreaterThan(lowRank(net(), { [KEY]: rank + 1 }).report[KEY]?.relativeError ?? NaN)
  })

  it('an energy is the smallest rank that keeps it', () => {
    const errors = Array.from({ length: hidden }, (_, i) => lowRank(net(), { [KEY]: { rank: i + 1 } }).report[KEY]?.relativeError ?? NaN)
    for (const energy of [0.01, 0.5, 0.9, 0.99, 1]) {
      const { rank = 0 } = lowRank(net(), { [KEY]: { energy } }).report[KEY] ?? {}
      expect(1 - at(errors, rank - 1) ** 2).toBeGreaterThanOrEqual(energy - 2 ** -40)
      if (rank > 1) expect(1 - at(errors, rank - 2) ** 2).toBeLessThan(energy)
    }
    const zero = net()
    zero.setWeights({ [KEY]: { data: new Float32Array(inputs * hidden), shape: [inputs, hidden] } })
    expect(lowRank(zero, { [KEY]: { energy: 0.5 } }).report[KEY]).toMatchObject({ rank: 1, relativeError: 0 })
  })

  it('x·W of a dense layer becomes (x·U)·V; a weight that is used in another way is a product of factors, which strip multiplies', () => {
    const products = (m: Net): number => m.definition.graph.nodes.filter(({ op }) => op === 'matmul').length
    const { model } = lowRank(net(), { [KEY]: 3 })
    expect([products(model), model.definition.graph.nodes.some(({ op }) => op === 'weight')]).toEqual([3, false])
    expect(Object.keys(strip(model).getWeights())).toEqual(['dense1.kernel.u', 'dense1.kernel.v', 'dense1.bias', 'dense2.kernel', 'dense2.bias'])
    // the product with the input stands outside of the steps, that with the state within
    const recurrent = sequential([gru(5)], { input: [4, 7], seed: 1 })
    const small = lowRank(recurrent, { 'gru1.kernel': 3, 'gru1.recurrentKernel': 2 }).model
    expect(Object.keys(small.getWeights())).toEqual(expect.arrayContaining(['gru1.kernel.u', 'gru1.recurrentKernel.v']))
    const data = randomFloats(3 * 28, 7)
    expect(strip(small).predictSync(data).data).toEqual(small.predictSync(data).data)
    expect(Object.keys(strip(small).getWeights())).toEqual(['gru1.kernel.u', 'gru1.kernel.v', 'gru1.bias', 'gru1.recurrentKernel', 'gru1.recurrentBias'])
  })

  it('full rank predicts nearly the same; a layer that is used twice has one pair of factors', async () => {
    const full = lowRank(net(), { [KEY]: hidden, 'dense2.kernel': outputs }).model
    const want = net().predictSync(x).data
    // some dozen terms and roundings of f32, of outputs below 4
    full.predictSync(x).data.forEach((v, i) => { expect(Math.abs(v - at(want, i))).toBeLessThan(4 * 40 * 2 ** -24) })
    const [a, b] = [input([6]), input([6])], eye = dense(6, { name: 'eye' })
    const twice = functional({ a, b }, sub(eye(a), eye(b)), { seed: 2 })
    const { model } = lowRank(twice, { 'eye.kernel': 2 })
    expect(Object.keys(model.getWeights())).toEqual(['eye.kernel.u', 'eye.kernel.v', 'eye.bias'])
    const h = await model.compile({ optimizer: adam({ learningRate: 0.01 }), loss: mse() }).fit({ a: randomFloats(60, 1), b: randomFloats(60, 2) }, randomFloats(60, 3), { epochs: 5 })
    expect(at(h.loss, 4)).toBeLessThan(at(h.loss, 0))
  })
})

describe('adapter', () => {
  it('the first predictions have the bits of the model, −0 among its weights or not; its own weights stand still', async () => {
    const base = (await trained(net(), adam({ learningRate: 0.01 }))).model
    base.setWeights({ [KEY]: { data: weight(base, KEY).map((v, i) => (i % 5 === 0 ? -0 : v)), shape: [inputs, hidden] } })
    for (const options of [{ rank: 1 }, { rank: 2, alpha: 16 }, { rank: 2, weights: [KEY] }, { rank: 2, trainBiases: true }]) {
      const tuned = adapter(base, options)
      expect(bits(tuned)).toBe(bits(base))
      await trained(tuned, adam({ learningRate: 0.01 }), 2)
      expect(bits(tuned)).not.toBe(bits(base))
      for (const [key, { data }] of Object.entries(base.getWeights())) {
        if (options.trainBiases === true && key.endsWith('.bias')) expect(weight(tuned, key), key).not.toEqual(data)
        else expect(weight(tuned, key), key).toEqual(data)
      }
      expect(`${KEY}.a` in tuned.getWeights()).toBe(true)
      expect('dense2.kernel.a' in tuned.getWeights()).toBe(options.weights === undefined)
    }
  })

  it('what is added is (alpha / rank)·A·B', async () => {
    const { model } = await trained(adapter(net(), { rank: 2, alpha: 3, weights: [KEY] }), adam({ learningRate: 0.01 }), 3)
    const [a, b, w, sum] = [weight(model, `${KEY}.a`), weight(model, `${KEY}.b`), weight(model, KEY), effective(model, KEY)]
    // four roundings of numbers below 1
    product(a, b, 2).forEach((p, i) => { expect(Math.abs(at(w, i) + 1.5 * p - at(sum, i))).toBeLessThan(8 * 2 ** -24) })
  })

  it('A is normal with deviation 1 / √in, by the seed', () => {
    const wide = (seed: number): Float32Array => weight(adapter(sequential([dense(50)], { input: [400], seed }), { rank: 50 }), `${KEY}.a`)
    const a = wide(1), n = a.length
    const deviation = Math.sqrt(a.reduce((s, v) => s + v * v, 0) / n)
    // the deviation of n normal numbers errs by 1 / √(2n) of it: five times that
    expect(Math.abs(deviation * 20 - 1)).toBeLessThan(5 / Math.sqrt(2 * n))
    expect(wide(1)).toEqual(a)
    expect(wide(2)).not.toEqual(a)
  })

  it('strip gives back a model that is trained as the first one, layers that were frozen by their definition excepted', async () => {
    const partly = sequential([dense(hidden, { activation: 'tanh', trainable: false }), dense(outputs)], { input: [inputs], seed: 3 })
    const { model } = await trained(adapter(partly, { rank: 1 }), adam())
    expect(Object.keys(model.getWeights())).not.toContain(`${KEY}.a`)
    expect(strip(model).hash).toBe(partly.hash)
    const forced = strip(adapter(partly, { rank: 1, weights: [KEY] }))
    expect(forced.hash).toBe(partly.hash)
  })
})

describe('magnitudeMask', () => {
  const zeros = (m: Uint8Array | undefined): number => m?.filter((v) => v === 0).length ?? NaN
  it.each([0, 0.1, 0.5, 0.8, 1])('a part of %f goes, the smallest of each, or of all', (sparsity) => {
    const model = net(), each = magnitudeMask(model, { sparsity })
    expect(Object.keys(each)).toEqual([KEY, 'dense2.kernel'])
    for (const [key, m] of Object.entries(each)) {
      const w = weight(model, key)
      expect(zeros(m)).toBe(Math.round(sparsity * w.length))
      expect(Math.max(0, ...w.filter((_, i) => m[i] === 0).map(Math.abs))).toBeLessThanOrEqual(Math.min(...w.filter((_, i) => m[i] !== 0).map(Math.abs)))
    }
    const all = magnitudeMask(model, { sparsity, scope: 'global' })
    expect(zeros(all[KEY]) + zeros(all['dense2.kernel'])).toBe(Math.round(sparsity * (inputs * hidden + hidden * outputs)))
    const parts = [true, false].map((gone) => Object.entries(all).flatMap(([key, m]) => Array.from(weight(model, key).filter((_, i) => (m[i] === 0) === gone), Math.abs)))
    expect(Math.max(0, ...parts[0] ?? [])).toBeLessThanOrEqual(Math.min(...parts[1] ?? []))
  })

  it('of equal ones the first go; what is masked already goes first', () => {
    const model = net()
    model.setWeights({ [KEY]: { data: new Float32Array(inputs * hidden).fill(0.5), shape: [inputs, hidden] } })
    const m = magnitudeMask(model, { sparsity: 0.25, weights: [KEY] })[KEY] ?? new Uint8Array(0)
    expect(m).toEqual(Uint8Array.from(m, (_, i) => (i < inputs * hidden / 4 ? 0 : 1)))
    const once = mask(net(), magnitudeMask(net(), { sparsity: 0.3 }))
    const twice = magnitudeMask(once, { sparsity: 0.6 })[KEY] ?? new Uint8Array(0)
    expect(effective(once, KEY).every((w, i) => w !== 0 || twice[i] === 0)).toBe(true)
    expect(twice).toEqual(magnitudeMask(net(), { sparsity: 0.6 })[KEY])
  })
})

describe('marks', () => {
  it('a name of a layer is no part of the hash', () => {
    const named = (name: string): Net => sequential([dense(4, { name })], { input: [3] })
    expect(fakeQuantize(named('a')).hash).toBe(fakeQuantize(named('b')).hash)
    expect(fakeQuantize(named('a')).hash).not.toBe(named('a').hash)
  })

  it('the summary counts factors and adapters with their layers', () => {
    expect(lowRank(net(), { [KEY]: 2 }).model.summary()).toMatch(/dense1 +\[n, 9\] +51\n/)
    expect(adapter(net(), { rank: 1 }).summary()).toMatch(/dense1 +\[n, 9\] +138\n/)
  })

  it('go along into models that use this one, and into steps of one\'s own', async () => {
    const inner = mask(fakeQuantize(net(), { bits: 4 }), { [KEY]: pattern(inputs * hidden) })
    const v = input([inputs])
    const outer = functional(v, activation('tanh')(inner.call(v)))
    expect(strip(outer).predictSync(x).data).toEqual(outer.predictSync(x).data)
    expect(Object.keys(strip(outer).getWeights())).toEqual(Object.keys(net().getWeights()))
    const train = step(inner, { x: [inputs], y: [outputs] }, (d) => {
      const loss = mean(square(sub(inner.call(d.x), d.y)))
      return { loss, update: sgd({ learningRate: 0.1, momentum: 0.9 }).minimize(loss, inner.weights) }
    })
    const first = await train({ x, y })
    for (let i = 0; i < 10; i++) await train({ x, y })
    expect((await train({ x, y })).loss).toBeLessThan(first.loss)
    const m = pattern(inputs * hidden)
    expect(effective(inner, KEY).every((w, i) => m[i] !== 0 || Object.is(w, 0))).toBe(true)
  })

  it('that do not fit are refused', () => {
    const marked = (key: string): Net => {
      const { graph, ...rest } = fakeQuantize(net()).definition
      const definition = { ...rest, graph: { ...graph, nodes: graph.nodes.map((node) => (node.op === 'weight' ? { ...node, attrs: { ...node.attrs, key } } : node)) } }
      return new TrainableModel<Value, Value>(definition, ownParams(definition))
    }
    // Both marks have one key: of two shapes.
    expect(() => strip(marked('other'))).toThrow(ShapeError)
    const { graph, ...rest } = fakeQuantize(net(), { weights: [KEY] }).definition
    const definition = { ...rest, graph: { ...graph, nodes: graph.nodes.map((node) => (node.op === 'weight' ? { ...node, attrs: { ...node.attrs, key: 'dense2.bias' } } : node)) } }
    expect(() => strip(new TrainableModel<Value, Value>(definition, ownParams(definition)))).toThrow(FormatError)
    const damaged = (attrs: Readonly<Record<string, string | boolean>>): Uint8Array => {
      const file = { ...fakeQuantize(net()).definition }
      return save(new TrainableModel<Value, Value>({ ...file, graph: { ...file.graph, nodes: file.graph.nodes.map((node) => (node.op === 'weight' ? { ...node, attrs } : node)) } }, ownParams(fakeQuantize(net()).definition)))
    }
    expect(() => load(damaged({ key: KEY }))).toThrow(FormatError)
    expect(() => load(damaged({ trainable: true }))).toThrow(FormatError)
  })

  it('keys of factors and adapters freeze with their layer, or with the weight that they stand for', async () => {
    const { model } = lowRank(net(), { [KEY]: 2 })
    for (const frozen of ['dense1', KEY]) {
      const before = weight(model, `${KEY}.u`)
      await model.compile({ optimizer: adam(), loss: mse(), frozen: [frozen] }).fit(x, y)
      expect(weight(model, `${KEY}.u`)).toEqual(before)
    }
  })
})

/** A function as JavaScript may call it: with anything. */
const loose = (f: unknown) => (...args: readonly unknown[]): unknown => {
  if (typeof f !== 'function') throw new Error('not a function')
  return Reflect.apply(f, undefined, args)
}
const images = sequential([conv2d(3, 2), flatten(), dense(2, { kernelConstraint: maxNorm(1) })], { input: [4, 4, 1] })

describe('bad input is refused, with nothing changed', () => {
  const model = net()
  const before = hashOf(model)
  it.each([
    ['fakeQuantize: an unknown key', () => fakeQuantize(model, { weights: ['dense9.kernel'] }), TypeError, /fakeQuantize: expected keys among dense1\.kernel, .*, got "dense9\.kernel"\./],
    ['fakeQuantize: 1 bit', () => fakeQuantize(model, { bits: 1 }), RangeError, /fakeQuantize\.bits: expected an integer ≥ 2 ≤ 8, got 1\./],
    ['fakeQuantize: 9 bits', () => fakeQuantize(model, { bits: 9 }), RangeError, /bits/],
    ['fakeQuantize: half a bit', () => fakeQuantize(model, { bits: 2.5 }), RangeError, /bits/],
    ['fakeQuantize: a misspelt granularity', () => loose(fakeQuantize)(model, { granularity: 'perchannel' }), RangeError, /Did you mean 'perChannel'/],
    ['fakeQuantize: a misspelt option', () => loose(fakeQuantize)(model, { bit: 4 }), TypeError, /Did you mean 'bits'/],
    ['fakeQuantize: no list', () => loose(fakeQuantize)(model, { weights: KEY }), TypeError, /a list of keys/],
    ['fakeQuantize: no key', () => fakeQuantize(model, { weights: [] }), RangeError, /at least one key/],
    ['fakeQuantize: a clip of 0', () => fakeQuantize(model, { clip: 0 }), RangeError, /clip/],
    ['fakeQuantize: a clip that is 0 in f32', () => fakeQuantize(model, { clip: 1e-60 }), RangeError, /clip/],
    ['fakeQuantize: a clip beyond f32', () => fakeQuantize(model, { clip: 1e39 }), RangeError, /clip/],
    ['fakeQuantize: a moving average', () => fakeQuantize(sequential([batchNormalization(), dense(1)], { input: [3] }), { weights: ['batchNormalization1.movingMean'] }), EquigradError, /average/],
    ['fakeQuantize: nothing to quantise', () => fakeQuantize(sequential([batchNormalization()], { input: [3] })), RangeError, /at least one such weight/],
    ['lowRank: an unknown key', () => lowRank(model, { 'dense9.kernel': 1 }), TypeError, /lowRank: expected keys among/],
    ['lowRank: no key', () => lowRank(model, {}), RangeError, /at least one key/],
    ['lowRank: rank 0', () => lowRank(model, { [KEY]: 0 }), RangeError, /lowRank: dense1\.kernel: expected an integer ≥ 1 ≤ 9, got 0\./],
    ['lowRank: rank 10 of 12 × 9', () => lowRank(model, { [KEY]: { rank: 10 } }), RangeError, /≤ 9, got 10/],
    ['lowRank: an energy of 0', () => lowRank(model, { [KEY]: { energy: 0 } }), RangeError, /energy/],
    ['lowRank: an energy above 1', () => lowRank(model, { [KEY]: { energy: 1.01 } }), RangeError, /energy/],
    ['lowRank: both', () => loose(lowRank)(model, { [KEY]: { energy: 1, rank: 2 } }), TypeError, /a rank or an energy, got both/],
    ['lowRank: neither', () => loose(lowRank)(model, { [KEY]: {} }), TypeError, /got neither/],
    ['lowRank: a word', () => loose(lowRank)(model, { [KEY]: '3' }), TypeError, /dense1\.kernel/],
    ['lowRank: a bias', () => lowRank(model, { 'dense1.bias': 1 }), ShapeError, /lowRank: dense1\.bias: expected a matrix, got \[9\]\./],
    ['lowRank: a convolution', () => lowRank(images, { 'conv2d1.kernel': 1 }), ShapeError, /a matrix/],
    ['lowRank: a constraint', () => lowRank(images, { 'dense1.kernel': 1 }), EquigradError, /without a constraint/],
    ['lowRank: factors of factors by their first key', () => lowRank(lowRank(model, { [KEY]: 2 }).model, { [KEY]: 1 }), TypeError, /keys among dense1\.kernel\.u/],
    ['adapter: no options', () => loose(adapter)(model), TypeError, /an object of options/],
    ['adapter: rank 0', () => adapter(model, { rank: 0 }), RangeError, /rank/],
    ['adapter: a rank that one of the weights does not have', () => adapter(model, { rank: 3 }), RangeError, /dense2\.kernel \[9, 2\]: expected a finite number ≥ 1 ≤ 2, got 3/],
    ['adapter: an unknown key', () => adapter(model, { rank: 1, weights: ['dense9.kernel'] }), TypeError, /keys among/],
    ['adapter: a bias', () => adapter(model, { rank: 1, weights: ['dense1.bias'] }), ShapeError, /a matrix/],
    ['adapter: a constraint', () => adapter(images, { rank: 1 }), EquigradError, /without a constraint/],
    ['adapter: twice', () => adapter(adapter(model, { rank: 1 }), { rank: 1, weights: [KEY] }), EquigradError, /Use strip first/],
    ['adapter: alpha of no number', () => adapter(model, { rank: 1, alpha: NaN }), RangeError, /alpha/],
    ['magnitudeMask: a sparsity above 1', () => magnitudeMask(model, { sparsity: 1.5 }), RangeError, /sparsity/],
    ['magnitudeMask: none', () => loose(magnitudeMask)(model, {}), TypeError, /sparsity/],
    ['magnitudeMask: a misspelt scope', () => loose(magnitudeMask)(model, { sparsity: 0.5, scope: 'layers' }), RangeError, /Did you mean 'layer'/],
    ['mask: a key of another model', () => mask(model, { 'dense9.kernel': [1] }), TypeError, /mask: expected keys among/],
    ['mask: too few', () => mask(model, { [KEY]: [1] }), ShapeError, /108 numbers, got 1/],
  ] as const)('%s', (_, call, kind, text) => {
    expect(call).toThrow(kind)
    expect(call).toThrow(text)
    expect(call).toThrow(/^.+: expected .+, got .+\.( .+[.?])?$/s)
    expect(hashOf(model)).toBe(before)
  })
})
