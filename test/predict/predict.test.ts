// equigrad/predict: the bits of the whole package's predictions for every kind of model that can be saved, and a FormatError for what is no plan.
import { describe, expect, it } from 'vitest'
import {
  activation, add, averagePool2d, batchNormalization, concatenate, constant, conv2d, dense, depthwiseConv2d, dropout, elu, exp, flatten, FormatError, functional, globalAveragePool2d,
  gru, input, leakyRelu, logSoftmax, lstm, max, maxPool2d, mean, mse, mul, reshape, save, scan, sequential, sgd, simpleRNN, slice, softplus, sum, type AnyModel, type Layer, type Value,
} from '../../src/index.js'
import { adapter, fakeQuantize, magnitudeMask, mask, quantize } from '../../src/compress/index.js'
import { load as loadWhole } from '../../src/index.js'
import { FORWARD, PLAN } from '../../src/compiler/packed.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import { load } from '../../src/predict.js'
import { expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

type Data = Float32Array | Float64Array | Int32Array | Uint8Array
const bytes = (length: number, seed: number): Uint8Array => Uint8Array.from({ length }, (_, i) => ((i + seed) * 2654435761) >>> 13)
/** Numbers of samples: one, some, a whole piece, a piece and one more, several. */
const COUNTS = [1, 5, 32, 33, 70]

/** A few steps, so that moving averages, weights and biases are what no initialiser says. */
async function trained(layers: readonly Layer[], shape: readonly number[], width: number): Promise<AnyModel> {
  const model = sequential(layers, { input: shape, seed: 3 }).compile({ optimizer: sgd({ learningRate: 0.05 }), loss: mse() })
  const one = shape.reduce((a, b) => a * b, 1)
  await model.fit(randomFloats(24 * one, 1), randomFloats(24 * width, 2), { batchSize: 8, epochs: 2 })
  return model
}

const kinds: readonly { readonly name: string; readonly shape: readonly number[]; readonly make: () => AnyModel | Promise<AnyModel> }[] = [
  { name: 'dense, activations of every kind', shape: [20], make: () => trained([dense(19, { activation: 'relu' }), dense(11, { activation: 'tanh' }), dense(9, { activation: 'sigmoid' }), dense(8, { activation: elu(0.5) }), dense(7, { activation: leakyRelu(0.1) }), dense(6, { activation: softplus }), dropout(0.5), dense(5, { activation: 'softmax' })], [20], 5) },
  { name: 'a sum of several blocks', shape: [9000], make: () => sequential([dense(3)], { input: [9000] }) },
  { name: 'an activation by itself', shape: [7], make: () => sequential([activation('tanh'), dense(4), activation('softmax')], { input: [7] }) },
  { name: 'conv, pooling, batch normalisation', shape: [9, 8, 2], make: () => trained([conv2d(6, 3, { padding: 'same', useBias: false }), batchNormalization(), activation('relu'), maxPool2d(), conv2d(5, 2, { strides: 2, activation: 'relu' }), averagePool2d({ poolSize: 1 }), flatten(), dense(3)], [9, 8, 2], 3) },
  { name: 'depthwise conv, global pooling', shape: [8, 8, 9], make: () => trained([depthwiseConv2d(3, { padding: 'same', activation: 'relu' }), batchNormalization(), globalAveragePool2d(), dense(4)], [8, 8, 9], 4) },
  { name: 'a convolution of a large image', shape: [40, 40, 3], make: () => sequential([conv2d(17, 5, { padding: 'same', dilation: 2 }), globalAveragePool2d()], { input: [40, 40, 3] }) },
  { name: 'lstm on gru on rnn', shape: [6, 5], make: () => trained([simpleRNN(5, { returnSequences: true }), gru(6, { returnSequences: true }), lstm(7), dense(3)], [6, 5], 3) },
  { name: 'int8', shape: [20], make: async () => quantize(sequential([dense(16, { activation: 'relu' }), dense(12, { activation: 'relu' }), dense(5, { activation: 'softmax' })], { input: [20] }), { calibration: randomFloats(64 * 20, 5) }) },
  { name: 'int8 of eight bits', shape: [20], make: async () => quantize(sequential([dense(16, { activation: 'relu' }), dense(5)], { input: [20] }), { calibration: randomFloats(64 * 20, 5), activations: 8 }) },
  { name: 'fake-quantised', shape: [20], make: () => fakeQuantize(sequential([dense(6), dense(3)], { input: [20] }), { bits: 4 }) },
  { name: 'masked', shape: [20], make: () => { const model = sequential([dense(16), dense(3)], { input: [20] }); return mask(model, magnitudeMask(model, { sparsity: 0.6 })) } },
  { name: 'adapted', shape: [20], make: () => adapter(sequential([dense(16), dense(3)], { input: [20] }), { rank: 2 }) },
  {
    name: 'ops of one\'s own', shape: [4, 6], make: () => {
      const x = input([4, 6])
      const h = mul(sum(exp(mul(x, constant([0.25]))), 2), max(x, 2))
      return functional(x, logSoftmax(add(h, slice(mean(x, 1), 0, 4))))
    },
  },
]

describe.each(kinds)('$name', ({ shape, make }) => {
  it('predicts the same bits, of any number of samples', async () => {
    const model = await make()
    const file = save(model), whole = loadWhole(file), lean = load(file)
    const one = shape.reduce((a, b) => a * b, 1)
    for (const n of COUNTS) {
      const x = randomFloats(n * one, n)
      const expected = await whole.predict(x)
      for (const found of [lean.predictSync(x), await lean.predict(x)]) {
        expect(found.shape).toEqual(expected.shape)
        expectBits(found.data, expected.data)
      }
    }
    // the plan is made of the graph alone
    expect(save(whole)).toEqual(file)
  })
})

describe('data', () => {
  const model = sequential([dense(5, { activation: 'tanh' })], { input: { shape: [17], dtype: 'u8', scale: 1 / 255, offset: -0.5 } })
  const [whole, lean] = [model, load(save(model))]
  const values = bytes(40 * 17, 3)
  it.each<[string, Data]>([['u8', values], ['f32', Float32Array.from(values, (v) => v / 3)], ['f64', Float64Array.from(values, (v) => v / 3)], ['i32', Int32Array.from(values, (v) => v - 99)]])('of %s', (_, x) => {
    expectBits(lean.predictSync(x).data, whole.predictSync(x).data)
    // and of bytes again, after another type
    expectBits(lean.predictSync(values).data, whole.predictSync(values).data)
  })
  it('of nested arrays and shapes', () => {
    const nested = [Array.from(values.subarray(0, 17)), Array.from(values.subarray(17, 34))]
    expectBits(lean.predictSync(nested).data, whole.predictSync(nested).data)
    expectBits(lean.predictSync({ data: values, shape: [40, 17] }).data, whole.predictSync(values).data)
  })
  it('that is −0 or denormal and not scaled stays so', () => {
    const x = input([3]), plain = functional(x, add(x, constant([-0, -0, -0])))
    const given = Float32Array.of(-0, -0, 2 ** -149)
    expectBits(load(save(plain)).predictSync(given).data, plain.predictSync(given).data)
  })
  it('that does not fit is refused as by the whole package', () => {
    const refused: readonly unknown[] = [new Float32Array(16), new Float32Array(0), 'text', Float32Array.of(...new Array<number>(16).fill(0), NaN), [[1, 2]], null]
    for (const x of refused) {
      const [a, b] = [whole, lean].map((m) => { try { Reflect.apply(m.predictSync, m, [x]); return 'none' } catch (error) { return error instanceof Error ? `${error.name}: ${error.message}`.replace('predictSync', 'predict') : '' } })
      expect(b).toBe(a)
      expect(b).not.toBe('none')
    }
  })
})

describe('several inputs and outputs', () => {
  const frames = input([7, 3]), lengths = input([], { below: 8 }), more = input([2])
  const h = lstm(6)(frames, { lengths })
  const model = functional({ frames, lengths, more }, { kind: dense(4, { activation: 'softmax' })(concatenate([h, more])), size: reshape([1])(dense(1)(h)) })
  const lean = load<Parameters<typeof model.predictSync>[0], ReturnType<typeof model.predictSync>>(save(model))
  it.each(COUNTS)('%i samples', (n) => {
    const x = { frames: randomFloats(n * 21, 1), lengths: Int32Array.from({ length: n }, (_, i) => i % 8), more: Float64Array.from(randomFloats(n * 2, 2)) }
    const [expected, found] = [model.predictSync(x), lean.predictSync(x)]
    expectBits(found.kind.data, expected.kind.data)
    expectBits(found.size.data, expected.size.data)
    expectBits(lean.predictSync({ ...x, lengths: Uint8Array.from(x.lengths) }).kind.data, expected.kind.data)
  })
  it('of another number, or name, are refused', () => {
    const x = { frames: randomFloats(42, 1), lengths: [1, 2], more: randomFloats(2, 2) }
    expect(() => lean.predictSync(x)).toThrow(/as many samples everywhere/)
    expect(() => lean.predictSync({ ...x, other: [1] } as typeof x)).toThrow(/'other'/)
    expect(() => lean.predictSync({ ...x, lengths: [1, 9] })).toThrow(RangeError)
  })
})

it('a scan with nested loops, and what lengths leave out', () => {
  const x = input([5, 4, 3]), lengths = input([], { below: 6 })
  const sum = ([total]: readonly Value[], [row]: readonly Value[]) => ({ carries: [add(mul(total as Value, constant(0.5)), row as Value)], ys: [] })
  const start = mul(max(reshape([20, 3])(x), 1), constant(0))
  const { ys: [y] } = scan((carries, [rows]) => { const inner = scan(sum, carries, [rows as Value]); return { carries: inner.carries, ys: inner.carries } }, [start], [x], { lengths })
  const model = functional({ x, lengths }, { y: y as Value })
  const given = { x: randomFloats(35 * 60, 1), lengths: Int32Array.from({ length: 35 }, (_, i) => i % 6) }
  expectBits(load<typeof given, { y: { data: Float32Array } }>(save(model)).predictSync(given).y.data, model.predictSync(given).y.data)
})

describe('a file', () => {
  const model = sequential([lstm(3), dense(2)], { input: [4, 2] })
  const { tensors, metadata } = decodeSafetensors(save(model))
  const plan = metadata[PLAN] ?? ''
  const withPlan = (text: string): Uint8Array => encodeSafetensors(tensors, { ...metadata, [PLAN]: text })

  it('without a plan is refused', () => {
    expect(() => load(encodeSafetensors(tensors, { equigrad: metadata['equigrad'] ?? '' }))).toThrow(/save it again/)
    expect(() => load(new Uint8Array(3))).toThrow(FormatError)
    expect(() => Reflect.apply(load, null, ['file'])).toThrow(TypeError)
  })
  it('with a plan of another version is refused', () => {
    expect(() => load(withPlan(plan.replace('"version":1', '"version":2')))).toThrow(/plan of version/)
  })
  it('whose plan is damaged anywhere gives a FormatError, or no more than other numbers', () => {
    const x = randomFloats(8, 1)
    let refused = 0
    // every number of the plan, made larger, negative, broken, and left out
    const numbers = [...plan.matchAll(/-?\d+/g)]
    for (const [i, match] of numbers.entries()) {
      for (const other of ['99999999', '-7', '0.5', 'null', '{}']) {
        if (i % 3 !== 0 && other !== '0.5') continue
        try { load(withPlan(plan.slice(0, match.index) + other + plan.slice(match.index + match[0].length))) } catch (error) {
          expect(error).toBeInstanceOf(FormatError)
          refused++
        }
      }
    }
    expect(refused).toBeGreaterThan(numbers.length)
    expect(load(withPlan(plan)).predictSync(x).data).toHaveLength(2)
    for (let cut = 0; cut < plan.length; cut += 7) expect(() => load(withPlan(plan.slice(0, cut)))).toThrow(FormatError)
  })
  it('names only kernels of the binary', () => {
    for (const name of plan.match(/[a-z0-9]+_[a-z0-9_]+/g) ?? []) expect(FORWARD).toContain(name)
    expect(() => load(withPlan(plan.replaceAll('f32_gemm', 'run_alone')))).toThrow(FormatError)
  })
})
