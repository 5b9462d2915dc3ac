// Losses, metrics, penalties and their means against Keras' formulas in plain f64.
import { describe, expect, it } from 'vitest'
import {
  accuracy, binaryAccuracy, binaryCrossentropy, categoricalCrossentropy, dense, l1, l1l2, l2, mae, mse, sequential, sgd, sparseCategoricalCrossentropy,
  type Activation, type Loss, type Metric, type NumericData,
} from '../../src/index.js'
import { at } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

const U = 2 ** -24
/**
 * Of a loss by exp and log (2 ulps each) over up to CLASSES terms, all f32: at most 40 roundings, each at most U of the largest term, which is
 * a logit or a log of 1e-7, below 17 in magnitude.
 */
const LOG_TOLERANCE = 40 * U * 17
const SAMPLES = 50
const CLASSES = 5
const EPSILON = 1e-7

/** A model that gives its input back, through an activation: outputs are then chosen freely. */
function identity<const L extends Loss<never>, const M extends readonly Metric<string>[]>(width: number, activation: Activation, loss: L, metrics: M) {
  const model = sequential([dense(width, { activation, useBias: false })], { input: [width] })
  const kernel = new Float32Array(width * width)
  for (let i = 0; i < width; i++) kernel[i * width + i] = 1
  model.setWeights({ 'dense1.kernel': { data: kernel, shape: [width, width] } })
  return model.compile({ optimizer: sgd(), loss, metrics })
}

const rows = (data: ArrayLike<number>, width: number): number[][] => Array.from({ length: data.length / width }, (_, i) => Array.from({ length: width }, (_, j) => at(data, i * width + j)))
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length
const sigmoid = (v: number): number => 1 / (1 + Math.exp(-v))
const softmax = (row: readonly number[]): number[] => { const m = Math.max(...row); const e = row.map((v) => Math.exp(v - m)); const s = e.reduce((a, b) => a + b, 0); return e.map((v) => v / s) }
/** log of a softmax, which keeps its digits where the probability does not */
const logSoftmax = (row: readonly number[]): number[] => { const m = Math.max(...row); const s = Math.log(row.reduce((a, v) => a + Math.exp(v - m), 0)); return row.map((v) => v - m - s) }
const clipped = (p: number): number => Math.min(Math.max(p, EPSILON), 1 - EPSILON)
const argMax = (row: readonly number[]): number => row.indexOf(Math.max(...row))

const logits = randomFloats(SAMPLES * CLASSES, 1, -6, 6)
const labels = Int32Array.from(randomFloats(SAMPLES, 2, 0, CLASSES), Math.floor)
const oneHot = Float32Array.from({ length: SAMPLES * CLASSES }, (_, k) => (at(labels, Math.floor(k / CLASSES)) === k % CLASSES ? 1 : 0))
const soft = Float32Array.from(rows(randomFloats(SAMPLES * CLASSES, 3), CLASSES).flatMap(softmax))
const yes = Float32Array.from(randomFloats(SAMPLES, 4, 0, 1), Math.round)
const numbers = randomFloats(SAMPLES * CLASSES, 5, -3, 3)
const hard = Float32Array.from(randomFloats(SAMPLES * CLASSES, 6, 0, 1), Math.round)

describe('losses', () => {
  it.each([
    ['mse', mse(), (y: number, t: number) => (y - t) ** 2], ['mae', mae(), (y: number, t: number) => Math.abs(y - t)],
  ] as const)('%s', async (_, loss, term) => {
    const model = identity(CLASSES, 'linear', loss, [])
    const want = mean(Array.from(numbers, (t, i) => term(at(logits, i), t)))
    // subtraction, square and a mean of CLASSES terms
    expect(Math.abs((await model.evaluate(logits, numbers)).loss - want)).toBeLessThan((3 + CLASSES) * U * 81)
  })

  const perSample = {
    sparse: (output: readonly number[][]) => mean(output.map((row, i) => -at(row, at(labels, i)))),
    dense: (output: readonly number[][], t: Float32Array) => mean(output.map((row, i) => -row.reduce((a, v, j) => a + at(t, i * CLASSES + j) * v, 0))),
  }

  it('sparse and categorical cross-entropy of logits', async () => {
    const output = rows(logits, CLASSES).map(logSoftmax)
    for (const [activation, options] of [['linear', { fromLogits: true }], ['softmax', {}]] as const) {
      const sparse = await identity(CLASSES, activation, sparseCategoricalCrossentropy(options), []).evaluate(logits, labels)
      expect(Math.abs(sparse.loss - perSample.sparse(output))).toBeLessThan(LOG_TOLERANCE)
      for (const t of [oneHot, soft]) {
        const categorical = await identity(CLASSES, activation, categoricalCrossentropy(options), []).evaluate(logits, t)
        expect(Math.abs(categorical.loss - perSample.dense(output, t))).toBeLessThan(LOG_TOLERANCE)
      }
    }
  })

  it('of logits so far apart that their softmax is 0 and 1, without clipping', async () => {
    const apart = Float32Array.of(200, -200, 0, -200, 200, 0)
    const wrong = Int32Array.of(1, 2)
    expect((await identity(3, 'softmax', sparseCategoricalCrossentropy(), []).evaluate(apart, wrong)).loss).toBe(300)
    expect((await identity(3, 'softmax', categoricalCrossentropy(), []).evaluate(apart, Float32Array.of(0, 1, 0, 0, 0, 1))).loss).toBe(300)
    expect((await identity(1, 'sigmoid', binaryCrossentropy(), []).evaluate(Float32Array.of(200, -200), Float32Array.of(0, 1))).loss).toBe(200)
  })

  it('of probabilities that no softmax made: normalised, then clipped at 1e-7', async () => {
    const given = randomFloats(SAMPLES * CLASSES, 7, 0, 1)
    for (let i = 0; i < given.length; i += 3) given[i] = 0
    const output = rows(given, CLASSES).map((row) => { const s = row.reduce((a, b) => a + b, 0); return row.map((p) => Math.log(clipped(p / s))) })
    const sparse = await identity(CLASSES, 'relu', sparseCategoricalCrossentropy(), []).evaluate(given, labels)
    // The sparse loss takes log p as logits: after clipping Σ p differs from 1 by up to CLASSES·1e-7.
    expect(Math.abs(sparse.loss - perSample.sparse(output))).toBeLessThan(LOG_TOLERANCE + CLASSES * EPSILON)
    const categorical = await identity(CLASSES, 'relu', categoricalCrossentropy(), []).evaluate(given, oneHot)
    expect(Math.abs(categorical.loss - perSample.dense(output, oneHot))).toBeLessThan(LOG_TOLERANCE)
    const impossible = await identity(2, 'linear', categoricalCrossentropy(), []).evaluate(Float32Array.of(1, 0), Float32Array.of(0, 1))
    // log of f32(1e-7): its relative error U is an absolute one of the log
    expect(Math.abs(impossible.loss + Math.log(EPSILON))).toBeLessThan(LOG_TOLERANCE)
    const certain = await identity(2, 'linear', categoricalCrossentropy(), []).evaluate(Float32Array.of(1, 0), Float32Array.of(1, 0))
    expect(Math.abs(certain.loss - EPSILON)).toBeLessThan(2 * U)
  })

  it('binary cross-entropy of logits and of probabilities', async () => {
    const wide = logits
    const logit = mean(Array.from(wide, (v, i) => -(at(hard, i) * Math.log(sigmoid(v)) + (1 - at(hard, i)) * Math.log(sigmoid(-v)))))
    for (const [activation, options] of [['linear', { fromLogits: true }], ['sigmoid', {}], ['sigmoid', { fromLogits: false }]] as const) {
      expect(Math.abs((await identity(CLASSES, activation, binaryCrossentropy(options), []).evaluate(wide, hard)).loss - logit)).toBeLessThan(LOG_TOLERANCE)
    }
    const given = randomFloats(SAMPLES * CLASSES, 8, 0, 1)
    given.set([0, 1, 0, 1])
    const labelled = hard.slice()
    labelled.set([0, 1, 1, 0])
    const want = mean(Array.from(given, (p, i) => { const t = at(labelled, i), q = clipped(p); return -(t * Math.log(q) + (1 - t) * Math.log(1 - q)) }))
    // 1 − f32(1 − 1e-7) is 2⁻²³, not 1e-7: log(1 − p) of the two clipped elements is off by up to log(1.2)
    const off = (2 * Math.abs(Math.log(2 ** -23 / EPSILON))) / given.length
    expect(Math.abs((await identity(CLASSES, 'linear', binaryCrossentropy(), []).evaluate(given, labelled)).loss - want)).toBeLessThan(LOG_TOLERANCE + off)
  })

  it('a sigmoid told to be logits is taken at its word', async () => {
    const want = mean(Array.from(logits, (v, i) => { const z = sigmoid(v), t = at(hard, i); return Math.max(z, 0) - z * t + Math.log1p(Math.exp(-Math.abs(z))) }))
    expect(Math.abs((await identity(CLASSES, 'sigmoid', binaryCrossentropy({ fromLogits: true }), []).evaluate(logits, hard)).loss - want)).toBeLessThan(LOG_TOLERANCE)
  })

  it('labels of bytes, doubles, lists and { data, shape } are the same', async () => {
    const model = identity(CLASSES, 'softmax', categoricalCrossentropy(), [accuracy()])
    const want = await model.evaluate(logits, oneHot)
    for (const t of [Uint8Array.from(oneHot), Float64Array.from(oneHot), Int32Array.from(oneHot), rows(oneHot, CLASSES), { data: oneHot, shape: [SAMPLES, CLASSES] }]) expect(await model.evaluate(logits, t)).toEqual(want)
    const sparse = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()])
    const scores = await sparse.evaluate(logits, labels)
    for (const t of [Uint8Array.from(labels), [...labels]]) expect(await sparse.evaluate(logits, t)).toEqual(scores)
    expect(scores.accuracy).toBe(want.accuracy)
  })
})

describe('accuracy', () => {
  const share = (right: readonly boolean[]): number => right.filter((r) => r).length / right.length

  it('of class numbers and of distributions', async () => {
    const sparse = await identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()]).evaluate(logits, labels)
    const want = share(rows(logits, CLASSES).map((row, i) => argMax(row) === at(labels, i)))
    expect(want).toBeGreaterThan(0)
    expect(sparse.accuracy).toBe(want)
    const categorical = await identity(CLASSES, 'softmax', categoricalCrossentropy(), [accuracy()]).evaluate(logits, soft)
    expect(categorical.accuracy).toBe(share(rows(logits, CLASSES).map((row, i) => argMax(row) === argMax(at2(soft, i)))))
  })
  const at2 = (data: Float32Array, i: number): number[] => [...data.subarray(i * CLASSES, (i + 1) * CLASSES)]

  it('of equal scores takes the first', async () => {
    const model = identity(3, 'linear', sparseCategoricalCrossentropy({ fromLogits: true }), [accuracy()])
    expect((await model.evaluate(Float32Array.of(1, 1, 0), Int32Array.of(0))).accuracy).toBe(1)
    expect((await model.evaluate(Float32Array.of(1, 1, 0), Int32Array.of(1))).accuracy).toBe(0)
  })

  it('of one yes/no output, above a threshold', async () => {
    const given = randomFloats(SAMPLES, 9, 0, 1)
    given[0] = 0.5
    for (const threshold of [0.5, 0.25, 0.9]) {
      const model = identity(1, 'linear', binaryCrossentropy(), [accuracy({ threshold, name: 'a' }), binaryAccuracy({ threshold, name: 'b' })])
      const { a, b } = await model.evaluate(given, yes)
      const want = share(Array.from(given, (p, i) => (p > Math.fround(threshold) ? 1 : 0) === at(yes, i)))
      expect([a, b]).toEqual([want, want])
    }
  })

  it('binary, of several outputs, each on its own', async () => {
    const given = randomFloats(SAMPLES * CLASSES, 10, 0, 1)
    const model = identity(CLASSES, 'linear', mse(), [binaryAccuracy()])
    const want = mean(rows(given, CLASSES).map((row, i) => mean(row.map((p, j) => ((p > 0.5 ? 1 : 0) === at(hard, i * CLASSES + j) ? 1 : 0)))))
    // a mean of CLASSES terms for each sample is rounded to f32
    expect(Math.abs((await model.evaluate(given, hard)).binaryAccuracy - want)).toBeLessThan(2 * U)
  })

  it('losses are metrics too', async () => {
    const model = identity(CLASSES, 'linear', mse(), [mae(), mse()])
    const scores = await model.evaluate(logits, numbers)
    expect(scores.mse).toBe(scores.loss)
    const other = await identity(CLASSES, 'linear', mae(), []).evaluate(logits, numbers)
    expect(scores.mae).toBe(other.loss)
  })
})

describe('means over an epoch', () => {
  it('weigh each batch by its samples, the last one shorter', async () => {
    const model = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()])
    // 50 samples in batches of 16: 16, 16, 16, 2
    const history = await model.fit(logits, labels, { batchSize: 16, shuffle: false })
    const stepwise = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()])
    let [loss, right] = [0, 0]
    for (let from = 0; from < SAMPLES; from += 16) {
      const n = Math.min(16, SAMPLES - from)
      const scores = stepwise.trainOnBatchSync(logits.slice(from * CLASSES, (from + n) * CLASSES), labels.slice(from, from + n))
      loss += scores.loss * n
      right += scores.accuracy * n
    }
    const got = history.epochs[0]
    // sums of f64 in another order
    expect(Math.abs((got?.loss ?? NaN) - loss / SAMPLES)).toBeLessThan(SAMPLES * 2 ** -53 * 10)
    expect(got?.accuracy).toBeCloseTo(right / SAMPLES, 14)
  })

  it('are the same in evaluate for batches of all sizes', async () => {
    const model = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()])
    const want = await model.evaluate(logits, labels)
    for (const batchSize of [1, 7, 49, 50, 51, 10 ** 6]) {
      const got = await model.evaluate(logits, labels, { batchSize })
      expect(got.accuracy).toBe(want.accuracy)
      expect(Math.abs(got.loss - want.loss)).toBeLessThan(SAMPLES * 2 ** -53 * 10)
    }
  })
})

describe('sample weights', () => {
  const weights = randomFloats(SAMPLES, 11, 0, 3)

  it('weigh the loss, Σ w·l / n, and no metric', async () => {
    const model = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [accuracy()])
    const single = await Promise.all(Array.from(labels, (label, i) => model.evaluate(logits.slice(i * CLASSES, (i + 1) * CLASSES), Int32Array.of(label))))
    const want = single.reduce((sum, { loss }, i) => sum + at(weights, i) * loss, 0) / SAMPLES
    const got = await model.evaluate(logits, labels, { sampleWeight: weights })
    expect(Math.abs(got.loss - want)).toBeLessThan(SAMPLES * 2 ** -53 * 50)
    const plain = await model.evaluate(logits, labels)
    expect(got.accuracy).toBe(plain.accuracy)
    expect(got.loss).not.toBe(plain.loss)
    expect((await model.trainOnBatch(logits, labels, { sampleWeight: weights })).loss).toBe(got.loss)
  })

  it('weigh the gradient: twice a sample is a weight of 2', () => {
    // Exact numbers, so that the order of sums does not matter.
    const make = () => sequential([dense(1, { kernelInitializer: 'ones' })], { input: [2] }).compile({ optimizer: sgd({ learningRate: 0.25 }), loss: mse() })
    const weighted = make()
    weighted.trainOnBatchSync(Float32Array.of(1, 2, 3, -1), Float32Array.of(1, 0), { sampleWeight: [2, 0] })
    const single = make()
    single.trainOnBatchSync(Float32Array.of(1, 2), Float32Array.of(1))
    expect(weighted.getWeights()).toEqual(single.getWeights())
    const none = make()
    const before = none.getWeights()
    expect(none.trainOnBatchSync(Float32Array.of(1, 2), Float32Array.of(1), { sampleWeight: [0] }).loss).toBe(0)
    expect(none.getWeights()).toEqual(before)
  })

  it('of 1 change no bit', async () => {
    const a = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [])
    const b = identity(CLASSES, 'softmax', sparseCategoricalCrossentropy(), [])
    const [plain, weighted] = [await a.fit(logits, labels, { epochs: 2 }), await b.fit(logits, labels, { epochs: 2, sampleWeight: new Float32Array(SAMPLES).fill(1) })]
    expect(weighted).toEqual(plain)
    expect(b.getWeights()).toEqual(a.getWeights())
  })
})

describe('penalties', () => {
  const build = (kernelRegularizer: ReturnType<typeof l1> | undefined, biasRegularizer?: ReturnType<typeof l1>) =>
    sequential([dense(4, { biasInitializer: 'ones', ...(kernelRegularizer === undefined ? {} : { kernelRegularizer }), ...(biasRegularizer === undefined ? {} : { biasRegularizer }) }), dense(CLASSES)], { input: [CLASSES], seed: 2 })
      .compile({ optimizer: sgd({ learningRate: 0.01 }), loss: mse(), metrics: [mse()] })
  const sums = (model: ReturnType<typeof build>) => {
    const kernel = [...model.getWeights()['dense1.kernel']?.data ?? []]
    return { abs: kernel.reduce((a, w) => a + Math.abs(w), 0), squares: kernel.reduce((a, w) => a + w * w, 0) }
  }

  it.each([
    ['l1()', l1(), 0.01, 0], ['l1(0.3)', l1(0.3), 0.3, 0], ['l2()', l2(), 0, 0.01], ['l2(0.5)', l2(0.5), 0, 0.5], ['l1l2', l1l2({ l1: 0.1, l2: 0.2 }), 0.1, 0.2], ['l1l2()', l1l2(), 0, 0],
  ] as const)('%s is part of the reported loss, before the update', async (_, regularizer, a, b) => {
    const model = build(regularizer)
    const plain = build(undefined)
    const { abs, squares } = sums(model)
    const penalty = a * abs + b * squares
    // the factors are rounded to f32
    const tolerance = 4 * U * penalty + 2 ** -50
    const evaluated = await model.evaluate(logits, numbers)
    const bare = await plain.evaluate(logits, numbers)
    expect(Math.abs(evaluated.loss - bare.loss - penalty)).toBeLessThanOrEqual(tolerance + (penalty === 0 ? 0 : 20 * U * bare.loss))
    expect(evaluated.mse).toBe(bare.mse)
    const step = model.trainOnBatchSync(logits, numbers)
    expect(Math.abs(step.loss - step.mse - penalty)).toBeLessThanOrEqual(tolerance + 2 ** -50)
    if (penalty > 0) expect(sums(model).squares).not.toBe(sums(plain).squares)
  })

  it('also of biases, and as means over an epoch', async () => {
    const model = build(undefined, l2(0.5))
    const seen: number[] = []
    const penalty = (): number => 0.5 * [...model.getWeights()['dense1.bias']?.data ?? []].reduce((a, w) => a + w * w, 0)
    const history = await model.fit(logits, numbers, { batchSize: 20, callbacks: [{
      onEpochBegin() { seen.push(penalty()) },
      onBatchEnd() { seen.push(penalty()) },
    }] })
    const score = history.epochs[0]
    // batches of 20, 20 and 10, each with the penalty of its weights before the update
    const want = (at(seen, 0) * 20 + at(seen, 1) * 20 + at(seen, 2) * 10) / SAMPLES
    expect(at(seen, 0)).toBe(2)
    expect(at(seen, 1)).not.toBe(2)
    expect(Math.abs((score?.loss ?? NaN) - (score?.mse ?? NaN) - want)).toBeLessThan(1e-12)
  })

  it('of a frozen weight do not count in training, nor in evaluation', async () => {
    const make = (frozen: readonly string[]) => sequential([dense(4, { kernelRegularizer: l2(1), name: 'a' }), dense(CLASSES)], { input: [CLASSES] }).compile({ optimizer: sgd(), loss: mse(), metrics: [mse()], frozen })
    const frozen = make(['a'])
    const step = frozen.trainOnBatchSync(logits, numbers)
    expect(step.loss).toBe(step.mse)
    const scores = await frozen.evaluate(logits, numbers)
    expect(scores.loss).toBe(scores.mse)
    const free = make([]).trainOnBatchSync(logits, numbers)
    expect(free.loss).toBeGreaterThan(free.mse)
  })

  it('are refused where they are none', () => {
    expect(() => l1(-1)).toThrow(/^l1: expected a finite number ≥ 0, got -1\.$/)
    expect(() => l2(NaN)).toThrow(RangeError)
    expect(() => l1l2({ l1: -1 })).toThrow(RangeError)
    // @ts-expect-error a misspelt option
    expect(() => l1l2({ L1: 1 })).toThrow(/Did you mean 'l1'\?$/)
    // @ts-expect-error a word is no regularizer
    expect(() => dense(3, { kernelRegularizer: 'l2' })).toThrow(/^dense\.kernelRegularizer: expected a regularizer such as l2\(0\.01\), got "l2"\.$/)
    // @ts-expect-error nor is the function itself
    expect(() => dense(3, { biasRegularizer: l2 })).toThrow(TypeError)
  })
})

describe('labels for types', () => {
  it('a loss takes what it says', () => {
    const numeric: Loss<NumericData> = mse()
    expect(numeric.labelKind).toBe('values')
    expect(sparseCategoricalCrossentropy().labelKind).toBe('classes')
  })

  it('wrong options are refused', () => {
    // @ts-expect-error a misspelt option
    expect(() => binaryCrossentropy({ from_logits: true })).toThrow(/Did you mean 'fromLogits'\?$/)
    // @ts-expect-error a number is no flag
    expect(() => sparseCategoricalCrossentropy({ fromLogits: 1 })).toThrow('sparseCategoricalCrossentropy.fromLogits: expected true or false, got 1.')
    expect(() => accuracy({ threshold: NaN })).toThrow(RangeError)
    // @ts-expect-error a name is a string
    expect(() => accuracy({ name: 5 })).toThrow(TypeError)
  })
})
