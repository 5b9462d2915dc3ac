// Masked weights are zero and stay so, whatever trains them; they survive a file; prediction selects once, not each run.
import { describe, expect, it } from 'vitest'
import { adam, adamW, dense, l2, load, mse, rmsprop, save, sequential, sgd, ShapeError, type Optimizer } from '../../src/index.js'
import { mask } from '../../src/compress/index.js'
import { random, randomFloats } from '../support/numbers.js'

const [inputs, hidden, samples] = [7, 9, 40]
const x = randomFloats(samples * inputs, 1)
const y = randomFloats(samples * 2, 2)
const KEY = 'dense1.kernel'
const net = (): ReturnType<typeof sequential> => sequential([dense(hidden, { activation: 'tanh', kernelRegularizer: l2(0.01) }), dense(2)], { input: [inputs], seed: 3 })

/** About half of the weights go. */
function pattern(): Uint8Array {
  const next = random(4)
  return Uint8Array.from({ length: inputs * hidden }, () => (next() < 0.5 ? 0 : 1))
}

const kernel = (model: { getWeights(): Record<string, { data: Float32Array }> }): Float32Array => model.getWeights()[KEY]?.data ?? new Float32Array(0)
const zeroWhereMasked = (weights: Float32Array, m: Uint8Array): boolean => weights.every((w, i) => m[i] !== 0 || Object.is(w, 0))

const optimizers: Readonly<Record<string, () => Optimizer>> = {
  'sgd, momentum': () => sgd({ learningRate: 0.1, momentum: 0.9 }),
  'sgd, Nesterov': () => sgd({ learningRate: 0.1, momentum: 0.9, nesterov: true }),
  'rmsprop, momentum, centred': () => rmsprop({ momentum: 0.9, centered: true }),
  adam: () => adam({ learningRate: 0.01 }),
  adamW: () => adamW({ learningRate: 0.01 }),
}

describe('mask', () => {
  it.each(Object.keys(optimizers))('weights stay zero under %s', async (name) => {
    const m = pattern()
    const masked = mask(net(), { [KEY]: m }).compile({ optimizer: optimizers[name]?.() ?? sgd(), loss: mse() })
    const before = kernel(masked)
    expect(zeroWhereMasked(before, m)).toBe(true)
    await masked.fit(x, y, { epochs: 10, batchSize: 8 })
    const after = kernel(masked)
    expect(zeroWhereMasked(after, m)).toBe(true)
    expect(after.every((w, i) => m[i] === 0 || w !== before[i])).toBe(true)
  })

  it('a model that was trained before keeps its other weights, and predicts as with zeros', async () => {
    const model = net().compile({ optimizer: adam(), loss: mse() })
    await model.fit(x, y, { epochs: 2, batchSize: 8 })
    const m = pattern()
    const masked = mask(model, { [KEY]: m })
    const zeros = kernel(model).map((w, i) => (m[i] === 0 ? 0 : w))
    expect(kernel(masked)).toEqual(zeros)
    const plain = net()
    plain.setWeights({ ...model.getWeights(), [KEY]: { data: zeros, shape: [inputs, hidden] } })
    expect(masked.predictSync(x).data).toEqual(plain.predictSync(x).data)
  })

  it('what a masked weight holds does not matter, not even NaN: it is selected, not multiplied', () => {
    const m = pattern()
    const masked = mask(net(), { [KEY]: m })
    const wanted = masked.predictSync(x).data
    // setWeights refuses what is not finite; huge numbers overflow all the same if they are multiplied
    masked.setWeights({ [KEY]: { data: kernel(masked).map((w, i) => (m[i] === 0 ? -3e38 : w)), shape: [inputs, hidden] } })
    expect(masked.predictSync(x).data).toEqual(wanted)
  })

  it('survives a file, and trains on from there to the same bits', async () => {
    const m = pattern()
    const masked = mask(net(), { [KEY]: m }).compile({ optimizer: sgd({ momentum: 0.9 }), loss: mse() })
    await masked.fit(x, y, { epochs: 2, batchSize: 8 })
    const again = load(save(masked))
    expect(again.hash).toBe(masked.hash)
    await masked.fit(x, y, { epochs: 2, batchSize: 8 })
    await again.fit(x, y, { epochs: 2, batchSize: 8 })
    expect(kernel(again)).toEqual(kernel(masked))
    expect(zeroWhereMasked(kernel(again), m)).toBe(true)
  })

  it('in prediction the selection stands in the prologue, and runs again when weights change', () => {
    const masked = mask(net(), { [KEY]: pattern() })
    const { program } = masked.program('predict')
    expect(program.calls.findIndex((c) => c.kernel === 'f32_select')).toBeGreaterThanOrEqual(0)
    expect(program.calls.findIndex((c) => c.kernel === 'f32_select')).toBeLessThan(program.prologue)
    const before = masked.predictSync(x).data
    masked.setWeights({ [KEY]: { data: new Float32Array(inputs * hidden), shape: [inputs, hidden] } })
    expect(masked.predictSync(x).data).not.toEqual(before)
  })

  it('refuses masks that do not fit, with nothing changed', () => {
    const model = net()
    const before = model.getWeights()
    expect(() => mask(model, { 'dense9.kernel': [1] })).toThrow(TypeError)
    expect(() => mask(model, { [KEY]: [1, 0] })).toThrow(ShapeError)
    expect(model.getWeights()).toEqual(before)
  })
})
