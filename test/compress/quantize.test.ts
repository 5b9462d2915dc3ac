// quantize: the model it makes is the integer arithmetic that its constants say, close to the f32 model, the same for every batch and after a file.
import { describe, expect, it } from 'vitest'
import { adam, conv2d, dense, dropout, flatten, functional, input, load, loadInt8, lstm, metric, mse, reshape, reshapeTo, save, sequential, slice, FormatError, ShapeError } from '../../src/index.js'
import { mask, quantize, type Observer } from '../../src/compress/index.js'
import { integerWeights, nearestEven, quantizationOf } from '../../src/compress/integers.js'
import { FeatureSums, Observed } from '../../src/compress/observers.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import type { GraphValue } from '../../src/compiler/graph/graph.js'
import { quantizedProduct, quantized, nearestEven as plainNearest } from '../reference/quantized.js'
import { at, expectBits } from '../support/bits.js'
import { random, randomFloats } from '../support/numbers.js'

const [inputs, samples] = [13, 80]
const x = randomFloats(samples * inputs, 1)
const net = (): ReturnType<typeof sequential> => sequential([dense(33, { activation: 'relu', biasInitializer: 'glorotUniform' }), dense(17, { activation: 'tanh' }), dense(9, { activation: 'relu' }), dense(4)], { input: [inputs], seed: 3 })
const kernels = (model: { program(kind: 'predict'): { program: { calls: readonly { kernel: string }[] } } }): readonly string[] => model.program('predict').program.calls.map(({ kernel }) => kernel)
const largest = (v: ArrayLike<number>): number => Array.from(v).reduce((most, y) => Math.max(most, Math.abs(y)), 0)
const distance = (a: Float32Array, b: Float32Array): number => largest(a.map((v, i) => v - at(b, i)))

describe('quantize', () => {
  it.each([7, 8] as const)('predicts nearly what the f32 model does, with activations of %i bits', async (activations) => {
    const model = net()
    const small = await quantize(model, { calibration: x, activations })
    const [got, want] = [small.predictSync(x), model.predictSync(x)]
    expect(got.shape).toEqual(want.shape)
    // A layer's rounding changes activations by 1/2 of 1/127 of their range; four layers, of weights that neither shrink nor enlarge much.
    expect(distance(got.data, want.data)).toBeLessThan(largest(want.data) * (activations === 7 ? 0.06 : 0.03))
    expect(distance(got.data, want.data)).toBeGreaterThan(0)
  })

  it('keeps values as integers from layer to layer where nothing else uses them', async () => {
    expect(kernels(await quantize(net(), { calibration: x }))).toEqual([
      'qs8_pack_u7', 'qs8_pack_u7', 'qs8_pack_u7', 'qs8_pack_u7', 'qu8_quantize', 'qs8_gemm_u7', 'qs8_gemm_u7', 'f32_unary', 'qu8_quantize', 'qs8_gemm_u7', 'qs8_gemm_u7',
    ])
  })

  it.each([['dense to dense', [inputs]], ['positions that are laid side by side', [2, 3]]] as const)('channels of unlike magnitudes have enough numbers each: %s', async (_, shape) => {
    const width = 8, data = randomFloats(120 * 6, 4).slice(0, shape.length === 1 ? 55 * inputs : 120 * 6)
    const build = (): ReturnType<typeof sequential> => sequential([dense(width, { activation: 'relu' }), ...(shape.length === 1 ? [] : [reshape([2 * width])]), dense(3)], { input: [...shape], seed: 6 })
    const model = build(), far = build()
    // Powers of two: both give the same numbers in f32.
    const factor = (channel: number): number => 4 ** (channel % 4)
    const [first = '', second = ''] = Object.keys(model.getWeights()).filter((key) => key.endsWith('kernel'))
    const weights = model.getWeights(), [a, b] = [weights[first], weights[second]]
    if (a === undefined || b === undefined) throw new Error('two kernels')
    far.setWeights({ [first]: { ...a, data: a.data.map((w, i) => w * factor(i % width)) }, [second]: { ...b, data: b.data.map((w, i) => w / factor(Math.floor(i / 3) % width)) } })
    const want = model.predictSync(data).data
    expectBits(far.predictSync(data).data, want)
    const errors = await Promise.all([model, far].map(async (m) => distance((await quantize(m, { calibration: data })).predictSync(data).data, want)))
    // With one range for all, a channel at 1/64 of it would be 0, 1 or 2; with a scale of its own it has 16 numbers.
    expect(at(errors, 0)).toBeLessThan(largest(want) * 0.03)
    expect(at(errors, 1)).toBeLessThan(largest(want) * 0.1)
  })

  it('is the arithmetic that its constants say, to the bit', async () => {
    const small = await quantize(sequential([dense(10, { activation: 'relu' }), dense(3)], { input: [inputs], seed: 5 }), { calibration: x })
    const { values, nodes } = small.definition.graph
    const numbers = (id: number | undefined): readonly number[] => { const v: GraphValue | undefined = values[id ?? -1]; return v?.role === 'constant' ? v.data : [] }
    let a: readonly number[] = []
    for (const { op, ins, attrs } of nodes) {
      if (op === 'quantizeLinear') a = Array.from(x, (v) => quantized(v, 1 / Number(attrs['scale']), Number(attrs['zeroPoint']), 127))
      if (op !== 'qmatmul') continue
      const offset = Int32Array.from(numbers(ins[2]))
      const n = offset.length
      a = quantizedProduct({
        m: samples, n, k: numbers(ins[1]).length / n, a: Uint8Array.from(a), w: Int8Array.from(numbers(ins[1])), offset, multiplier: Float32Array.from(numbers(ins[3])), relu: attrs['relu'] === true,
        to: attrs['to'] === 32 ? null : { high: 127, zeroPoint: Number(attrs['zeroPoint']) },
      })
    }
    expectBits(small.predictSync(x).data, a)
  })

  it('a row has the same bits alone and among others', async () => {
    const small = await quantize(net(), { calibration: x })
    const all = small.predictSync(x).data
    for (let r = 0; r < samples; r++) expectBits(small.predictSync(x.slice(r * inputs, (r + 1) * inputs)).data, all.subarray(r * 4, (r + 1) * 4), `row ${r}`)
    expectBits((await small.predict(x.slice(inputs))).data, all.subarray(4), 'a batch less')
  })

  it('survives a file, which is smaller and holds weights as bytes', async () => {
    const model = sequential([dense(64, { activation: 'relu' }), dense(64), dense(10, { activation: 'softmax' })], { input: { shape: [196], dtype: 'u8', scale: 1 / 255 }, seed: 1 })
    const images = Uint8Array.from(randomFloats(50 * 196, 2, 0, 256), Math.floor)
    const small = await quantize(model, { calibration: images })
    const bytes = save(small)
    expect(bytes.length).toBeLessThan(save(model).length / 3)
    expect(Object.values(decodeSafetensors(bytes).tensors).filter(({ dtype }) => dtype === 'i8').map(({ shape }) => shape)).toEqual(expect.arrayContaining([[196, 64], [64, 64], [64, 10]]))
    const again = load(bytes)
    expect(again.hash).toBe(small.hash)
    expectBits(again.predictSync(images).data, small.predictSync(images).data)
    expect(Buffer.from(save(again)).equals(Buffer.from(bytes))).toBe(true)
  })

  it('is the same from the same data, however it is cut, and leaves the model as it was', async () => {
    const model = net()
    const before = model.getWeights()
    const first = await quantize(model, { calibration: x, batchSize: 80 })
    const second = await quantize(model, { calibration: x, batchSize: 7 })
    expect(second.hash).toBe(first.hash)
    expect(model.getWeights()).toEqual(before)
  })

  it('quantises what a weight is an expression of, products of several positions, shared layers and several inputs', async () => {
    const masked = mask(net(), { 'dense1.kernel': Array.from({ length: inputs * 33 }, (_, i) => i % 2) })
    const small = await quantize(masked, { calibration: x })
    expect(distance(small.predictSync(x).data, masked.predictSync(x).data)).toBeLessThan(0.1)
    expect(kernels(small)).not.toContain('f32_select')

    const positions = sequential([reshape([4, 3]), dense(5, { activation: 'relu' }), reshape([2, 10]), dense(2, { activation: 'relu' }), flatten(), dense(3)], { input: [12], seed: 5 })
    const data = randomFloats(samples * 12, 3)
    const integers = await quantize(positions, { calibration: data })
    expect(distance(integers.predictSync(data).data, positions.predictSync(data).data)).toBeLessThan(0.1)
    expect(kernels(integers).filter((k) => k === 'qu8_quantize').length).toBe(1)

    const [a, b] = [input([6]), input([6])]
    const eye = dense(7, { activation: 'relu' })
    const two = functional({ a, b }, { p: dense(2)(eye(a)), q: eye(b) }, { seed: 1 })
    const given = { a: randomFloats(60, 4), b: randomFloats(60, 5) }
    const both = (await quantize(two, { calibration: given })).predictSync(given), plain = two.predictSync(given)
    expect(distance(both.p.data, plain.p.data)).toBeLessThan(0.1)
    expect(distance(both.q.data, plain.q.data)).toBeLessThan(0.1)
  })

  it('leaves convolutions in f32, and refuses a model with nothing else, by name', async () => {
    const images = randomFloats(20 * 36, 6)
    const small = await quantize(sequential([conv2d(3, 3, { activation: 'relu' }), flatten(), dense(4)], { input: [6, 6, 1], seed: 2 }), { calibration: images })
    expect(kernels(small)).toEqual(expect.arrayContaining(['f32_conv', 'qs8_gemm_u7']))
    expect(Object.keys(small.getWeights())).toEqual(['conv2d1.kernel', 'conv2d1.bias'])
    await expect(quantize(sequential([conv2d(3, 3), flatten()], { input: [6, 6, 1] }), { calibration: images })).rejects.toThrow(/quantize: expected a model with a dense layer.*Convolutions/)
    const sequences = sequential([lstm(3), dense(2)], { input: [4, 3] }), data = randomFloats(120, 1)
    const quick = await quantize(sequences, { calibration: data })
    expect(Object.keys(quick.getWeights())).toEqual(['lstm1.recurrentKernel'])
    expect(distance(quick.predictSync(data).data, sequences.predictSync(data).data)).toBeLessThan(0.05)
  })

  it('dropout is gone, biases of a trained model stay', async () => {
    const model = sequential([dense(16, { activation: 'relu' }), dropout(0.5), dense(2)], { input: [inputs], seed: 1 }).compile({ optimizer: adam({ learningRate: 0.01 }), loss: mse() })
    await model.fit(x, Float32Array.from({ length: samples * 2 }, (_, i) => 5 + at(x, (i >> 1) * inputs)), { epochs: 40 })
    const small = await quantize(model, { calibration: x })
    expect(distance(small.predictSync(x).data, model.predictSync(x).data)).toBeLessThan(0.3)
  })

  it('is measured like any model, before and after a file, and not trained', async () => {
    const small = await quantize(net(), { calibration: x }), y = randomFloats(samples * 4, 8)
    const predicted = small.predictSync(x).data, before = save(small)
    const error = (i: number): number => [0, 1, 2, 3].reduce((sum, j) => sum + (at(predicted, i * 4 + j) - at(y, i * 4 + j)) ** 2, 0) / 4
    const want = Array.from({ length: samples }, (_, i) => error(i)).reduce((a, b) => a + b, 0) / samples
    for (const model of [small, load(before)]) {
      const compiled = model.compile({ optimizer: adam(), loss: mse(), metrics: [metric('first', (out) => reshapeTo(slice(out, 0, 1), ['n']))] })
      const { loss, first } = await compiled.evaluate(x, y)
      // f32 squares and means of four
      expect(Math.abs(loss - want)).toBeLessThan(want * 8 * 2 ** -24)
      expect(first).toBe(Array.from({ length: samples }, (_, i) => at(predicted, i * 4)).reduce((a, b) => a + b, 0) / samples)
      await expect(compiled.fit(x, y)).rejects.toThrow('fit: expected a model with weights that are trained, got one without. It can be evaluated: train what it was made of.')
      expect(() => compiled.trainOnBatchSync(x, y)).toThrow(/^trainOnBatch: expected a model with weights that are trained/)
      expect(save(compiled)).toEqual(before)
    }
  })

  it.each([['constant data', new Float32Array(20 * inputs).fill(0.25)], ['zeros', new Float32Array(20 * inputs)], ['tiny', new Float32Array(20 * inputs).fill(1e-44)], ['huge', randomFloats(20 * inputs, 1, -1e30, 1e30)]])('takes %s', async (name, data) => {
    const model = net()
    const y = (await quantize(model, { calibration: data })).predictSync(data).data
    expect(y.every(Number.isFinite)).toBe(true)
    // What is huge is one sign or the other to tanh: there is no nearly.
    if (name !== 'huge') expect(distance(y, model.predictSync(data).data)).toBeLessThanOrEqual(0.1 * Math.max(1, largest(model.predictSync(data).data)))
  })

  it('a weight column of zeros and a large bias', async () => {
    const model = sequential([dense(2)], { input: [3], seed: 1 })
    model.setWeights({ 'dense1.kernel': { data: Float32Array.of(0, 1, 0, -1, 0, 0.5), shape: [3, 2] }, 'dense1.bias': { data: Float32Array.of(1000, -3e20), shape: [2] } })
    const y = (await quantize(model, { calibration: randomFloats(30, 1) })).predictSync([[0.5, 0.5, 0.5]]).data
    expect(y[0]).toBeCloseTo(1000, 3)
    expect(at(y, 1) / -3e20).toBeCloseTo(1, 4)
  })

  it('says where it runs', async () => {
    const found = await loadInt8()
    expect(net().runtime.int8).toEqual(found)
    expect(found.path === 'relaxed' ? found.reason : 'i16').toBe(found.path === 'relaxed' ? '' : found.path)
  })
})

describe('bad input is refused, with nothing changed', () => {
  const model = net()
  const refused: readonly (readonly [string, unknown, unknown])[] = [
    ['no options', undefined, TypeError], ['no calibration', {}, TypeError], ['no samples', { calibration: new Float32Array(0) }, RangeError], ['another shape', { calibration: new Float32Array(inputs + 1) }, ShapeError],
    ['NaN', { calibration: new Float32Array(inputs).fill(NaN) }, RangeError], ['6 bits', { calibration: x, activations: 6 }, RangeError], ['bits as text', { calibration: x, activations: '7' }, TypeError],
    ['another observer', { calibration: x, observer: 'median' }, RangeError], ['no batch', { calibration: x, batchSize: 0 }, RangeError], ['a misspelt option', { calibrations: x }, TypeError],
  ]
  it.each(refused)('%s', async (_, options, error) => {
    await expect(quantize(model, options as { calibration: Float32Array })).rejects.toThrow(error as typeof TypeError)
  })
  it('what is no model', async () => { await expect(quantize({} as typeof model, { calibration: x })).rejects.toThrow(TypeError) })
  it('values that overflow', async () => {
    const wide = sequential([dense(8), dense(2)], { input: [inputs], seed: 1 })
    const huge = wide.getWeights()
    wide.setWeights(Object.fromEntries(Object.entries(huge).map(([key, { data, shape }]) => [key, { data: data.map(() => 3e38), shape }])))
    await expect(quantize(wide, { calibration: x })).rejects.toThrow(/finite values/)
  })
  it('a file whose activations are not of the bits that its product says', async () => {
    const bytes = save(await quantize(sequential([dense(3)], { input: [inputs], seed: 1 }), { calibration: x, activations: 8 }))
    const { tensors, metadata } = decodeSafetensors(bytes)
    const equigrad = metadata['equigrad']?.replace('"bits":8,"relu"', '"bits":7,"relu"') ?? ''
    expect(equigrad).not.toBe(metadata['equigrad'])
    expect(() => load(encodeSafetensors(tensors, { equigrad }))).toThrow(FormatError)
  })
})

describe('from numbers to integers', () => {
  it('rounds a half to the even one', () => {
    for (const [v, q] of [[0.5, 0], [1.5, 2], [2.5, 2], [-0.5, 0], [-1.5, -2], [-2.5, -2], [2.4999, 2], [2.5001, 3]] as const) expect(nearestEven(v) + 0).toBe(q)
    const next = random(1)
    for (let i = 0; i < 1000; i++) { const v = Math.round(next() * 4000 - 2000) / 4; expect(nearestEven(v)).toBe(plainNearest(v)) }
  })

  it('a range holds zero, which is a byte exactly', () => {
    for (const [min, max] of [[-1, 1], [0, 5], [0.5, 3], [-4, -1], [0, 0], [-1e-44, 1e-45], [-3e38, 3e38]] as const) {
      for (const bits of [7, 8] as const) {
        const { scale, zeroPoint } = quantizationOf({ min, max }, bits)
        expect(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint < 2 ** bits).toBe(true)
        expect(Math.fround(scale) > 0 && Number.isFinite(Math.fround(1 / scale))).toBe(true)
        // Both ends are within half a step of a byte, and half another for the zero point's own rounding.
        for (const end of [Math.min(min, 0), Math.max(max, 0)]) expect(Math.abs(end - scale * (Math.min(2 ** bits - 1, Math.max(0, nearestEven(end / scale) + zeroPoint)) - zeroPoint))).toBeLessThanOrEqual(scale * 1.0001)
      }
    }
  })

  it('observers: ends, percentiles and least squares, against the values sorted', () => {
    const values = randomFloats(20000, 7, -1, 1).map((v) => v * v * v)
    values[17] = 40
    const seen = new Observed(1)
    for (const pass of ['see', 'count'] as const) for (let i = 0; i < values.length; i += 3000) seen[pass](values.subarray(i, i + 3000))
    const sorted = Array.from(values).sort((a, b) => a - b)
    const range = (observer: Observer) => seen.range(observer, 7)
    expect(range('minMax')).toEqual({ min: sorted[0], max: 40 })
    const bin = (40 - at(sorted, 0)) / 2048
    expect(Math.abs(range('percentile').max - at(sorted, 20000 - 3))).toBeLessThanOrEqual(bin)
    expect(Math.abs(range('percentile').min - at(sorted, 2))).toBeLessThanOrEqual(bin)
    const error = (share: number): number => {
      const { scale, zeroPoint } = quantizationOf({ min: at(sorted, 0) * share, max: 40 * share }, 7)
      return sorted.reduce((sum, v) => sum + (v - scale * (Math.min(127, Math.max(0, nearestEven(v / scale) + zeroPoint)) - zeroPoint)) ** 2, 0)
    }
    const best = Array.from({ length: 71 }, (_, i) => 1 - i / 100).reduce((a, b) => (error(b) < error(a) ? b : a))
    // Values count as the middle of their bin: the choice is as good, if not the same.
    expect(error(range('mse').max / 40)).toBeLessThanOrEqual(error(best) * 1.02)
  })

  it('observers: each channel has half of the way to the widest one, and the ends of all are those of values spread out', () => {
    const factors = [1, 16, 0, 1 / 4, 1e-9], channels = factors.length
    const values = randomFloats(1000 * channels, 5, -1, 0.5).map((v, i) => v * at(factors, i % channels))
    const seen = new Observed(channels)
    for (let i = 0; i < values.length; i += 150) seen.see(values.subarray(i, i + 150))
    const ranges = factors.map((_, c) => largest(values.filter((__, i) => i % channels === c)))
    expect(Array.from(seen.spread)).toEqual(ranges.map((range) => (range > 0 ? Math.sqrt(Math.max(range / largest(ranges), 2 ** -16)) : 1)))
    const spread = seen.spreadOut(values)
    expect(Array.from(spread)).toEqual(Array.from(values, (v, i) => Math.fround(v / at(seen.spread, i % channels))))
    expect([seen.min, seen.max]).toEqual([spread.reduce((a, b) => Math.min(a, b)), spread.reduce((a, b) => Math.max(a, b))])
    // One channel is as it is.
    const one = new Observed(1)
    one.see(values)
    expect(one.spreadOut(values)).toBe(values)
  })

  it('weights are within a step of what they stand for, and a bias makes up for the mean', () => {
    const [k, n, rows] = [20, 6, 400]
    const w = randomFloats(k * n, 1), bias = randomFloats(n, 2), data = randomFloats(rows * k, 3, -0.2, 1)
    const how = quantizationOf({ min: -0.2, max: 1 }, 7)
    const sums = new FeatureSums(k, how)
    sums.add(data.subarray(0, 100 * k))
    sums.add(data.subarray(100 * k))
    const { weights, offset, multiplier } = integerWeights(Float64Array.from(w), k, n, Float64Array.from(bias), how, null, sums.features)
    expect(weights.every((q) => q >= -127 && q <= 127)).toBe(true)
    const bytes = Uint8Array.from(data, (v) => quantized(v, 1 / how.scale, how.zeroPoint, 127))
    const y = quantizedProduct({ m: rows, n, k, a: bytes, w: weights, offset, multiplier, relu: false, to: null })
    for (let j = 0; j < n; j++) {
      let off = 0
      for (let i = 0; i < rows; i++) {
        let exact = at(bias, j)
        for (let p = 0; p < k; p++) exact += at(data, i * k + p) * at(w, p * n + j)
        off += (at(y, i * n + j) - exact) / rows
      }
      // The bias itself is rounded to one unit of the sum.
      expect(Math.abs(off)).toBeLessThan(2 * at(multiplier, j))
    }
  })
})
