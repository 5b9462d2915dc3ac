// Dropout in training: which elements it drops is a function of seed, place, step and the sample's index in the data, and of nothing else.
import { describe, expect, it } from 'vitest'
import { constantInitializer, dense, dropout, mse, sequential, sgd } from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { weight } from '../train/support.js'

const SAMPLES = 64
/** elements of a sample that are looked at */
const LOOK = 48
const WIDTH = SAMPLES * LOOK
/** Sample s has ones in elements s·LOOK … only, so that the gradient of weight i tells what became of element i of its sample. */
const x = Float32Array.from({ length: SAMPLES * WIDTH }, (_, k) => (Math.floor((k % WIDTH) / LOOK) === Math.floor(k / WIDTH) ? 1 : 0))
/** The output is 0 at first; d loss / d output = 2·(0 − y) / n = 1 for each sample of a batch of n. */
const labels = (n: number): Float32Array => new Float32Array(SAMPLES).fill(-n / 2)

interface Options { readonly rate: number; readonly seed?: number; readonly shards?: number; readonly layers?: number; readonly name?: string }
const make = ({ rate, seed = 1, shards = 1, layers = 1, name }: Options) => sequential(
  [...Array.from({ length: layers }, (_, i) => dropout(rate, name === undefined || i > 0 ? {} : { name })), dense(1, { useBias: false, kernelInitializer: 'zeros' })], { input: [WIDTH], seed },
).compile({ optimizer: sgd({ learningRate: 1 }), loss: mse(), shards })

/** What became of each looked-at element in the first step: 0, or 1 / (1 − rate). All sums have one term that is not 0. */
async function kept(options: Options, fit: { readonly batchSize?: number | 'full'; readonly shuffle?: boolean } = {}): Promise<Float32Array> {
  const model = make(options)
  const n = fit.batchSize === undefined || fit.batchSize === 'full' ? SAMPLES : fit.batchSize
  await model.fit(x, labels(n), { batchSize: 'full', ...fit, callbacks: [{ onBatchEnd({ stop }) { stop() } }] })
  return weight(model, 'dense1.kernel').map((w) => -w)
}

describe('an element', () => {
  it.each([0.1, 0.25, 0.5, 0.9])('is dropped at the rate %s, else grows to keep the mean', async (rate) => {
    const got = await kept({ rate })
    const scale = Math.fround(1 / (1 - rate))
    expect(got.every((v) => v === 0 || v === scale)).toBe(true)
    const dropped = got.filter((v) => v === 0).length / got.length
    // five standard deviations: 1 in 2 million fails
    expect(Math.abs(dropped - rate)).toBeLessThan(5 * Math.sqrt(rate * (1 - rate) / got.length))
    // samples and elements differ among themselves
    const rows = new Set(Array.from({ length: SAMPLES }, (_, s) => got.subarray(s * LOOK, (s + 1) * LOOK).join()))
    expect(rows.size).toBeGreaterThan(SAMPLES - 3)
  })

  it('does not depend on the place of its sample in the batch, nor on the batch', async () => {
    const whole = await kept({ rate: 0.5 }, { shuffle: false })
    expectBits(await kept({ rate: 0.5 }, { shuffle: true }), whole)
    for (const batchSize of [1, 2, 16, 32]) {
      const part = await kept({ rate: 0.5 }, { shuffle: false, batchSize })
      expectBits(part.subarray(0, batchSize * LOOK), whole.subarray(0, batchSize * LOOK))
      expect(part.subarray(batchSize * LOOK).every((v) => v === 0)).toBe(true)
    }
  })

  it('nor on shards, nor on whether the samples came from arrays or a stream', async () => {
    const whole = await kept({ rate: 0.5 })
    for (const shards of [2, 4, 7, 64]) expectBits(await kept({ rate: 0.5, shards }), whole)
    const streamed = make({ rate: 0.5 })
    await streamed.fit({ async *[Symbol.asyncIterator]() { await Promise.resolve(); yield { x, y: labels(SAMPLES) } } })
    expectBits(weight(streamed, 'dense1.kernel').map((w) => -w), whole)
  })

  it('depends on seed, name, layer and step', async () => {
    const whole = await kept({ rate: 0.5 })
    expectBits(await kept({ rate: 0.5 }), whole)
    expect(await kept({ rate: 0.5, seed: 2 })).not.toEqual(whole)
    expect(await kept({ rate: 0.5, name: 'other' })).not.toEqual(whole)
    const twice = await kept({ rate: 0.5, layers: 2 })
    const dropped = twice.filter((v) => v === 0).length / twice.length
    // two layers drop independently: 1 − 0.5²
    expect(Math.abs(dropped - 0.75)).toBeLessThan(5 * Math.sqrt(0.75 * 0.25 / twice.length))
    // The second step: from weights of 0 again, with a fresh mask.
    const model = make({ rate: 0.5 })
    const zero = model.getWeights()
    const masks: string[] = []
    for (let step = 0; step < 3; step++) {
      model.setWeights(zero)
      model.trainOnBatchSync(x, labels(SAMPLES))
      masks.push(weight(model, 'dense1.kernel').join())
    }
    expect(new Set(masks).size).toBe(3)
    expect(masks[0]).toBe(whole.map((v) => -v).join())
  })
})

describe('off', () => {
  const data = randomFloats(40 * 6, 2)
  const targets = randomFloats(40, 3)
  const net = (rates: readonly number[]) => sequential([dense(8, { activation: 'tanh' }), ...rates.map((rate) => dropout(rate)), dense(1, { biasInitializer: constantInitializer(0.5) })], { input: [6] })
    .compile({ optimizer: sgd({ learningRate: 0.1 }), loss: mse() })

  it('in predict and evaluate, before and after training', async () => {
    const [plain, dropping] = [net([]), net([0.5])]
    for (const round of [0, 1]) {
      expectBits((await dropping.predict(data)).data, (await plain.predict(data)).data, `round ${round}`)
      expectBits(dropping.predictSync(data).data, plain.predictSync(data).data)
      expect(await dropping.evaluate(data, targets)).toEqual(await plain.evaluate(data, targets))
      await dropping.fit(data, targets)
      plain.setWeights(dropping.getWeights())
    }
  })

  it('at a rate of 0, in training too', async () => {
    const [plain, idle] = [net([]), net([0, 0])]
    expect(await idle.fit(data, targets, { epochs: 3 })).toEqual(await plain.fit(data, targets, { epochs: 3 }))
    expectBits(weight(idle, 'dense1.kernel'), weight(plain, 'dense1.kernel'))
  })

  it('is not in training: losses of a step are those of the dropped forward pass', () => {
    const [plain, dropping] = [net([]), net([0.5])]
    expect(dropping.trainOnBatchSync(data, targets).loss).not.toBe(plain.trainOnBatchSync(data, targets).loss)
    expect(at(weight(dropping, 'dense1.kernel'), 0)).not.toBe(at(weight(plain, 'dense1.kernel'), 0))
  })
})
