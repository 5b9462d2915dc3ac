// What fit, evaluate, predict and trainOnBatch do: the same bits for the same call, whatever the form of the data, the pauses and the company.
import { describe, expect, it } from 'vitest'
import {
  accuracy, adam, adamW, BusyError, constantInitializer, createStore, dense, earlyStopping, EquigradError, mse, NonFiniteError, progress, sequential,
  sgd, sparseCategoricalCrossentropy, Tensor, type Callback, type FitEvent,
} from '../../src/index.js'
import { arrayFeed, epochOrder } from '../../src/train/feed.js'
import { runFit } from '../../src/train/fit.js'
import { Trainer } from '../../src/train/trainer.js'
import { Store } from '../../src/runtime/store.js'
import { params } from '../../src/model/model.js'
import { toRows, type Rows } from '../../src/model/data.js'
import { gradientOf, shardOf } from '../support/training.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { blobs, classifier, CLASSES, errorOf, FEATURES, first, hashFloats, hashOf, hashWeights, last, net, stream, weight } from './support.js'

const { x, y } = blobs(150)
const momentum = () => sgd({ learningRate: 0.05, momentum: 0.9 })

const dataRows = (): Map<string, Rows> => new Map([
  ['x', toRows('x', x, ['n', FEATURES], { name: 'x', data: 'f32', scale: 1, offset: 0, classes: null })],
  ['labels:y', toRows('y', y, ['n'], { name: 'labels:y', data: 'i32', scale: 1, offset: 0, classes: CLASSES })],
])

/** A trainer without a model around it, as replicas have one: of the net of classifier(). */
function bareTrainer(shards: number) {
  const model = net()
  model.compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards })
  const recipe = model.trainingState()?.recipe
  if (recipe === undefined) throw new Error('expected a compiled model')
  const store = new Store()
  store.declare(params(recipe.graph).map(({ key, shape, spec }) => ({ key, shape, init: spec.init, seed: 1, identity: spec })))
  const weights = (): string => hashWeights(Object.fromEntries(params(recipe.graph).map(({ key, shape }) => {
    const p = store.param(key)
    return [key, { data: store.f32(p.address, p.length).slice(), shape: shape.map(Number) }]
  })))
  return { trainer: new Trainer(recipe, store, 1), store, weights }
}

describe('the same bits', () => {
  it('for the same seed, and others for another', async () => {
    const run = async (seed: number): Promise<string> => {
      const model = classifier({ seed })
      await model.fit(x, y, { epochs: 3 })
      return hashOf(model)
    }
    const hash = await run(1)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
    expect(await run(1)).toBe(hash)
    expect(await run(2)).not.toBe(hash)
    expect(hash).not.toBe(hashOf(classifier()))
  })

  it('and for what history says', async () => {
    const run = async () => classifier().fit(x, y, { epochs: 3, validationSplit: 0.2 })
    expect(await run()).toEqual(await run())
  })

  it.each([['sgd with momentum', momentum], ['adam', () => adam()]] as const)('in two parts as in one, %s', async (_, optimizer) => {
    const one = classifier({ optimizer: optimizer() })
    const history = await one.fit(x, y, { epochs: 5 })
    const two = classifier({ optimizer: optimizer() })
    const parts = [await two.fit(x, y, { epochs: 3 }), await two.fit(x, y, { epochs: 2 })]
    expect(hashOf(two)).toBe(hashOf(one))
    expect(parts.flatMap(({ epochs }) => epochs)).toEqual(history.epochs)
    expect([two.epoch, two.step]).toEqual([5, 25])
    const again = classifier({ optimizer: optimizer() })
    await again.fit(x, y, { epochs: 3 })
    expect(hashOf(again)).not.toBe(hashOf(one))
  })

  it('shuffles each epoch anew, or not at all', async () => {
    const options = { shuffle: true, seed: 1 }
    expect([...epochOrder(50, 0, options)]).not.toEqual([...epochOrder(50, 1, options)])
    expect([...epochOrder(50, 0, options)].sort((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, i) => i))
    expect([...epochOrder(5, 3, { shuffle: false, seed: 1 })]).toEqual([0, 1, 2, 3, 4])
    const shuffled = classifier({ rate: 0 })
    const ordered = classifier({ rate: 0 })
    await shuffled.fit(x, y)
    await ordered.fit(x, y, { shuffle: false })
    expect(hashOf(shuffled)).not.toBe(hashOf(ordered))
  })

  it('from arrays and from a stream of the same batches', async () => {
    const arrays = classifier()
    const fromArrays = await arrays.fit(x, y, { epochs: 3, batchSize: 40, shuffle: false })
    const streamed = classifier()
    const fromStream = await streamed.fit(stream(x, y, 40), { epochs: 3 })
    expect(hashOf(streamed)).toBe(hashOf(arrays))
    expect(fromStream).toEqual(fromArrays)
  })

  it('from a stream whose batches grow, beyond what memory the store had', async () => {
    const width = 3000
    const wide = randomFloats(300 * width, 3)
    const labels = blobs(300).y
    const make = () => sequential([dense(CLASSES, { activation: 'softmax' })], { input: [width] }).compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() })
    const sizes = [1, 299]
    const growing = make()
    await growing.fit({
      async *[Symbol.asyncIterator]() {
        let from = 0
        for (const size of sizes) {
          yield { x: wide.slice(from * width, (from + size) * width), y: labels.slice(from, from + size) }
          from += size
          await Promise.resolve()
        }
      },
    })
    const stepwise = make()
    await stepwise.trainOnBatch(wide.slice(0, width), labels.slice(0, 1))
    await stepwise.trainOnBatch(wide.slice(width), labels.slice(1))
    expect(hashOf(growing)).toBe(hashOf(stepwise))
  })

  it('from data in the store and from data staged batch by batch', async () => {
    const run = async (budget: number): Promise<{ readonly hash: string; readonly epochs: unknown }> => {
      const { trainer, store, weights } = bareTrainer(1)
      const feed = arrayFeed(store, dataRows(), y.length, { batchSize: 32, shuffle: true, seed: 1, budget })
      const { epochs } = await runFit({ store, trainer, feed, epochs: 3, maxSteps: Infinity, callbacks: [], signal: undefined, oneOutput: true, validate: null, keep: () => undefined, restore: () => undefined })
      return { hash: weights(), epochs }
    }
    const resident = await run(2 ** 30)
    expect(await run(0)).toEqual(resident)
    const through = classifier({ optimizer: adam() })
    await through.fit(x, y, { epochs: 3 })
    expect(hashOf(through)).toBe(resident.hash)
  })

  it('from bytes with a scale and from the floats that they stand for', async () => {
    const bytes = Uint8Array.from({ length: 90 * FEATURES }, (_, i) => (i * 89) % 256)
    const scale = 1 / 255
    // f32(byte)·f32(scale), rounded once: what the kernel that reads does
    const floats = Float32Array.from(bytes, (b) => b * Math.fround(scale))
    const labels = y.slice(0, 90)
    const make = (input: Parameters<typeof sequential>[1]['input']) =>
      sequential([dense(8, { activation: 'tanh' }), dense(CLASSES, { activation: 'softmax' })], { input, seed: 4 }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    const scaled = make({ shape: [FEATURES], dtype: 'u8', scale })
    const plain = make([FEATURES])
    await scaled.fit(bytes, labels, { epochs: 2 })
    await plain.fit(floats, labels, { epochs: 2 })
    expect(hashOf(scaled)).toBe(hashOf(plain))
    expectBits((await scaled.predict(bytes)).data, (await plain.predict(floats)).data)
    expect(await scaled.evaluate(bytes, labels)).toEqual(await plain.evaluate(floats, labels))
  })

  it('from all four kinds of arrays and nested ones', async () => {
    const whole = Uint8Array.from({ length: 40 * FEATURES }, (_, i) => (i * 7) % 11)
    const labels = [...y.slice(0, 40)]
    const nested = Array.from({ length: 40 }, (_, i) => [...whole.slice(i * FEATURES, (i + 1) * FEATURES)])
    const forms = [whole, Float32Array.from(whole), Float64Array.from(whole), Int32Array.from(whole), nested, { data: whole, shape: [40, FEATURES] }]
    const results: string[] = []
    for (const data of forms) {
      const model = classifier()
      await model.fit(data, labels, { epochs: 2 })
      results.push(hashOf(model) + hashFloats((await model.predict(data)).data) + hashFloats(model.predictSync(data).data))
    }
    expect(new Set(results).size).toBe(1)
  })
})

describe('batches', () => {
  it.each([1, 7, 32, 150, 1000, 'full'] as const)('of %s samples', async (batchSize) => {
    const model = classifier()
    const steps: number[] = []
    const size = batchSize === 'full' ? 150 : Math.min(batchSize, 150)
    const onBatchEnd = ({ samples, batches, batch }: FitEvent): void => {
      steps.push(samples)
      expect([batches, batch]).toEqual([Math.ceil(150 / size), Math.ceil(samples / size)])
    }
    const history = await model.fit(x, y, { epochs: 2, batchSize, callbacks: [{ onBatchEnd }] })
    const perEpoch = Math.ceil(150 / size)
    expect(model.step).toBe(2 * perEpoch)
    expect(steps.slice(0, perEpoch)).toEqual(Array.from({ length: perEpoch }, (_, i) => Math.min(150, (i + 1) * size)))
    expect(history.epochs.every(({ loss, accuracy: a }) => Number.isFinite(loss) && a >= 0 && a <= 1)).toBe(true)
  })

  it('larger than the data, all of it, and \'full\' are one and the same', async () => {
    const hashes: string[] = []
    for (const batchSize of [150, 151, 10_000, 'full'] as const) {
      const model = classifier()
      await model.fit(x, y, { epochs: 2, batchSize })
      hashes.push(hashOf(model))
    }
    expect(new Set(hashes).size).toBe(1)
  })

  it('trainOnBatch is a step of fit', async () => {
    const fitted = classifier({ rate: 0 })
    await fitted.fit(x, y, { batchSize: 'full', shuffle: false, epochs: 3 })
    const stepped = classifier({ rate: 0 })
    const scores = [await stepped.trainOnBatch(x, y), stepped.trainOnBatchSync(x, y), await stepped.trainOnBatch(x, y)]
    expect(hashOf(stepped)).toBe(hashOf(fitted))
    expect(at(scores.map(({ loss }) => loss), 2)).toBeLessThan(at(scores.map(({ loss }) => loss), 0))
  })

  it('learns', async () => {
    const model = classifier({ rate: 0 })
    const history = await model.fit(x, y, { epochs: 30 })
    expect(last(history.loss)).toBeLessThan(at(history.loss, 0) / 2)
    const test = blobs(100, 99)
    expect((await model.evaluate(test.x, test.y)).accuracy).toBeGreaterThan(0.9)
  })
})

describe('validation', () => {
  it('keeps the last samples apart', async () => {
    const split = classifier()
    const history = await split.fit(x, y, { epochs: 2, validationSplit: 0.2 })
    const byHand = classifier()
    const [tx, ty, vx, vy] = [x.slice(0, 120 * FEATURES), y.slice(0, 120), x.slice(120 * FEATURES), y.slice(120)]
    const again = await byHand.fit(tx, ty, { epochs: 2, validationData: [vx, vy] })
    expect(hashOf(byHand)).toBe(hashOf(split))
    expect(again).toEqual(history)
    expect(history.validation.at(-1)).toEqual(await byHand.evaluate(vx, vy))
    const record = classifier()
    expect(await record.fit(tx, ty, { epochs: 2, validationData: { x: vx, y: vy } })).toEqual(history)
  })

  it('changes nothing', async () => {
    const without = classifier()
    await without.fit(x, y, { epochs: 2 })
    const with_ = classifier()
    await with_.fit(x, y, { epochs: 2, validationData: [x, y] })
    expect(hashOf(with_)).toBe(hashOf(without))
  })

  it('takes weights of its samples', async () => {
    const sampleWeight = Float32Array.from(y, (label) => label)
    const model = classifier()
    const { validation } = await model.fit(x, y, { validationData: { x, y, sampleWeight } })
    expect(first(validation)).toEqual(await model.evaluate(x, y, { sampleWeight }))
    expect(first(validation).loss).not.toBe((await model.evaluate(x, y)).loss)
    expect(first(validation).accuracy).toBe((await model.evaluate(x, y)).accuracy)
  })

  it('splits weights with their samples', async () => {
    const sampleWeight = Float32Array.from(y, (_, i) => (i < 120 ? 1 : 5))
    const plain = await classifier().fit(x, y, { validationSplit: 0.2 })
    const weighted = await classifier().fit(x, y, { validationSplit: 0.2, sampleWeight })
    expect(weighted.loss).toEqual(plain.loss)
    // 5·Σ of f64 sums: exact up to the rounding of each product
    expect(first(weighted.validation).loss / first(plain.validation).loss).toBeCloseTo(5, 12)
  })

  it('gives history one entry an epoch, or none', async () => {
    const model = classifier()
    const none = await model.fit(x, y, { epochs: 3 })
    expect([none.loss.length, none.epochs.length, none.validation.length, none.stopped]).toEqual([3, 3, 0, null])
    expect(Object.keys(first(none.epochs))).toEqual(['loss', 'accuracy'])
    expect(none.loss).toEqual(none.epochs.map(({ loss }) => loss))
    const some = await model.fit(x, y, { epochs: 2, validationSplit: 0.5 })
    expect([some.loss.length, some.epochs.length, some.validation.length]).toEqual([2, 2, 2])
    expect(Object.keys(first(some.validation))).toEqual(['loss', 'accuracy'])
  })
})

describe('an abort', () => {
  it('before the first step changes nothing', async () => {
    const model = classifier()
    const hash = hashOf(model)
    const history = await model.fit(x, y, { epochs: 3, signal: AbortSignal.abort() })
    expect(history).toEqual({ loss: [], epochs: [], validation: [], stopped: 'aborted' })
    expect([hashOf(model), model.step]).toEqual([hash, 0])
  })

  it.each([['arrays', false], ['a stream', true]] as const)('within an epoch of %s: a further fit goes on to the same bits', async (_, streamed) => {
    const fit = (model: ReturnType<typeof classifier>, epochs: number, callbacks: readonly Callback[] = [], signal?: AbortSignal) => {
      const more = { epochs, callbacks, ...(signal === undefined ? {} : { signal }) }
      return streamed ? model.fit(stream(x, y, 20), more) : model.fit(x, y, { batchSize: 20, ...more })
    }
    const whole = classifier({ optimizer: momentum() })
    await fit(whole, 4)
    for (const at of [1, 3, 8, 11, 15, 16, 31]) {
      const model = classifier({ optimizer: momentum() })
      const controller = new AbortController()
      const history = await fit(model, 4, [{ onBatchEnd({ step }) { if (step === at) controller.abort() } }], controller.signal)
      expect(model.step).toBe(at)
      expect([history.stopped, history.epochs.length]).toEqual(['aborted', Math.floor(at / 8)])
      await fit(model, 4 - model.epoch)
      expect([model.step, model.epoch]).toEqual([32, 4])
      expect(hashOf(model), `aborted after ${at}`).toBe(hashOf(whole))
    }
  })

  it('after the last step says that all was done', async () => {
    const model = classifier()
    const controller = new AbortController()
    const history = await model.fit(x, y, { callbacks: [{ onTrainEnd() { controller.abort() } }], signal: controller.signal })
    expect([history.stopped, history.epochs.length]).toEqual([null, 1])
  })

  it('closes the stream', async () => {
    let closed = 0
    const model = classifier()
    const controller = new AbortController()
    const batches = {
      async *[Symbol.asyncIterator]() {
        try { for (;;) { await Promise.resolve(); yield { x: x.slice(0, 10 * FEATURES), y: y.slice(0, 10) } } } finally { closed++ }
      },
    }
    await model.fit(batches, { callbacks: [{ onBatchEnd({ step }) { if (step === 3) controller.abort() } }], signal: controller.signal })
    expect([closed, model.step]).toEqual([1, 3])
  })

  it('leaves a position that shorter data does not have: those start anew', async () => {
    const model = classifier()
    const controller = new AbortController()
    await model.fit(x, y, { batchSize: 50, callbacks: [{ onBatchEnd({ step }) { if (step === 2) controller.abort() } }], signal: controller.signal })
    const history = await model.fit(x.slice(0, 60 * FEATURES), y.slice(0, 60), { batchSize: 30 })
    expect(model.step).toBe(4)
    expect(Number.isFinite(first(history.loss))).toBe(true)
  })
})

describe('callbacks', () => {
  it('are called in order, and told what is so', async () => {
    const seen: string[] = []
    const events: FitEvent[] = []
    const note = (hook: string) => async (event: FitEvent): Promise<void> => {
      await new Promise((resolve) => { setTimeout(resolve, 0) })
      seen.push(`${hook} ${event.epoch} ${event.batch} ${event.step}`)
      events.push(event)
    }
    const model = classifier()
    const history = await model.fit(x, y, {
      epochs: 2, batchSize: 75, validationData: [x, y],
      callbacks: [{ onTrainBegin: note('begin'), onEpochBegin: note('epoch'), onBatchEnd: note('batch'), onEpochEnd: note('done'), onTrainEnd: note('end') }, { onEpochEnd() { seen.push('second') } }],
    })
    expect(seen).toEqual([
      'begin 0 0 0', 'epoch 0 0 0', 'batch 0 1 1', 'batch 0 2 2', 'done 0 2 2', 'second',
      'epoch 1 0 2', 'batch 1 1 3', 'batch 1 2 4', 'done 1 2 4', 'second', 'end 2 2 4',
    ])
    const done = events.filter((_, i) => seen.filter((s) => s !== 'second')[i]?.startsWith('done'))
    expect(done.map(({ scores }) => scores)).toEqual(history.epochs)
    expect(done.map(({ validation }) => validation)).toEqual(history.validation)
    for (const event of events) expect(event).toMatchObject({ epochs: 2, firstEpoch: 0, batches: 2, totalSamples: 150, learningRate: 0.01 })
    expect(events.map(({ samples }) => samples)).toEqual([0, 0, 75, 150, 150, 0, 75, 150, 150, 150])
    expect(events.filter(({ validation }) => validation !== null).length).toBe(3)
    const more: FitEvent[] = []
    await model.fit(stream(x, y, 50), { callbacks: [{ onEpochEnd(event) { more.push(event) } }] })
    expect(first(more)).toMatchObject({ epoch: 2, firstEpoch: 2, epochs: 1, batches: null, totalSamples: null, samples: 150, step: 7 })
  })

  it('change no bit by looking', async () => {
    const plain = classifier()
    await plain.fit(x, y, { epochs: 2 })
    const watched = classifier()
    await watched.fit(x, y, { epochs: 2, callbacks: [{ async onBatchEnd() { await watched.predict(x); await watched.evaluate(x, y); watched.getWeights() } }] })
    expect(hashOf(watched)).toBe(hashOf(plain))
  })

  it('stop after a batch or an epoch, with a reason', async () => {
    const model = classifier()
    const batchwise = await model.fit(x, y, { epochs: 5, callbacks: [{ onBatchEnd({ step, stop }) { if (step === 7) { stop('enough'); stop('later') } } }] })
    expect([batchwise.stopped, batchwise.epochs.length, model.step, model.epoch]).toEqual(['enough', 1, 7, 1])
    const epochwise = await classifier().fit(x, y, { epochs: 5, callbacks: [{ onEpochEnd({ epoch, stop }) { if (epoch === 1) stop() } }] })
    expect([epochwise.stopped, epochwise.epochs.length]).toEqual(['callback', 2])
    const lastBatch = classifier()
    const whole = await lastBatch.fit(stream(x, y, 50), { epochs: 3, callbacks: [{ onBatchEnd({ step, stop }) { if (step === 3) stop() } }] })
    expect([whole.epochs.length, lastBatch.epoch]).toEqual([1, 1])
    const begin = await classifier().fit(x, y, { callbacks: [{ onTrainBegin({ stop }) { stop('no') } }] })
    expect([begin.stopped, begin.epochs.length]).toEqual(['no', 0])
  })

  it('that throw end training between steps, and the model goes on', async () => {
    const model = classifier()
    const error = await errorOf(() => model.fit(x, y, { callbacks: [{ onBatchEnd({ step }) { if (step === 2) throw new Error('mine') } }] }))
    expect(error.message).toBe('mine')
    expect(model.step).toBe(2)
    await model.fit(x, y)
    expect(model.step).toBe(5)
    const whole = classifier()
    await whole.fit(x, y)
    expect(hashOf(model)).toBe(hashOf(whole))
  })

  it('scale the learning rate, and only by a number', async () => {
    const half = classifier({ optimizer: sgd({ learningRate: 0.05 }) })
    await half.fit(x, y, { callbacks: [{ onTrainBegin(event) { event.scaleLearningRate(0.5) } }] })
    const direct = classifier({ optimizer: sgd({ learningRate: 0.025 }) })
    await direct.fit(x, y)
    expect(hashOf(half)).toBe(hashOf(direct))
    const hash = hashOf(half)
    for (const factor of [NaN, Infinity, -1]) {
      expect((await errorOf(() => half.fit(x, y, { callbacks: [{ onTrainBegin(event) { event.scaleLearningRate(factor) } }] }))).message).toMatch(/^scaleLearningRate: expected a finite number ≥ 0, got /)
    }
    expect(hashOf(half)).toBe(hash)
    await half.fit(x, y, { callbacks: [{ onTrainBegin(event) { event.scaleLearningRate(0) } }] })
    expect(hashOf(half)).toBe(hash)
  })

  it('print progress', async () => {
    const lines: string[] = []
    const model = classifier()
    const history = await model.fit(x, y, { epochs: 2, validationSplit: 0.2, callbacks: [progress((line) => { lines.push(line) })] })
    const [e, v] = [first(history.epochs), first(history.validation)]
    expect(lines[0]).toBe(`epoch 1/2  loss ${e.loss.toFixed(4)}  accuracy ${e.accuracy.toFixed(4)}  validation loss ${v.loss.toFixed(4)}  validation accuracy ${v.accuracy.toFixed(4)}`)
    expect(lines.length).toBe(2)
    await model.fit(x, y, { callbacks: [progress((line) => { lines.push(line) })] })
    expect(lines[2]).toMatch(/^epoch 3\/3 {2}loss \d\.\d{4} {2}accuracy \d\.\d{4}$/)
  })
})

describe('earlyStopping', () => {
  /** An event of an epoch with a score, noting what is asked for. */
  const watch = (callback: Callback, losses: readonly number[], name = 'loss') => {
    const kept: number[] = []
    let stoppedAt: number | null = null
    let restored = 0
    const event = (epoch: number): FitEvent => ({
      epoch, epochs: losses.length, firstEpoch: 0, step: epoch, batch: 1, batches: 1, samples: 1, totalSamples: 1, scores: { [name]: at(losses, Math.min(epoch, losses.length - 1)) }, validation: null,
      learningRate: 1, stop: () => { stoppedAt ??= epoch }, scaleLearningRate: () => undefined, keep: () => { kept.push(epoch) }, restore: () => { restored++ },
    })
    void callback.onTrainBegin?.(event(0))
    for (let epoch = 0; epoch < losses.length && stoppedAt === null; epoch++) void callback.onEpochEnd?.(event(epoch))
    void callback.onTrainEnd?.(event(losses.length))
    return { kept, stoppedAt, restored }
  }

  it.each([
    // as Keras' EarlyStopping: `wait` counts epochs without improvement, and stops when it reaches patience
    { losses: [5, 4, 3, 3, 2], options: { patience: 0 }, stoppedAt: 3, kept: [0, 1, 2] },
    { losses: [5, 4, 3, 3, 2], options: { patience: 1 }, stoppedAt: 3, kept: [0, 1, 2] },
    { losses: [5, 4, 3, 3, 2], options: { patience: 2 }, stoppedAt: null, kept: [0, 1, 2, 4] },
    { losses: [5, 6, 6, 4, 5, 5, 5, 1], options: { patience: 3 }, stoppedAt: 6, kept: [0, 3] },
    { losses: [5, 4.95, 4.9, 4.8], options: { patience: 2, minDelta: 0.1 }, stoppedAt: 2, kept: [0] },
    { losses: [1, 2, 3, 3], options: { patience: 1, mode: 'max' }, stoppedAt: 3, kept: [0, 1, 2] },
    { losses: [NaN, 5, 4, 6], options: { patience: 1 }, stoppedAt: 3, kept: [0, 1, 2] },
    { losses: [5, NaN, NaN], options: { patience: 2 }, stoppedAt: 2, kept: [0] },
  ] as const)('$losses with $options', ({ losses, options, stoppedAt, kept }) => {
    expect(watch(earlyStopping({ monitor: 'loss', ...options }), losses)).toEqual({ kept, stoppedAt, restored: 1 })
    expect(watch(earlyStopping({ monitor: 'loss', ...options, restoreBest: false }), losses)).toEqual({ kept: [], stoppedAt, restored: 0 })
  })

  it('takes more as better for what is named accuracy, and starts anew with each fit', () => {
    const callback = earlyStopping({ monitor: 'accuracy', patience: 1 })
    expect(watch(callback, [0.1, 0.2, 0.2], 'accuracy')).toEqual({ kept: [0, 1], stoppedAt: 2, restored: 1 })
    expect(watch(callback, [0.01, 0.02], 'accuracy')).toEqual({ kept: [0, 1], stoppedAt: null, restored: 1 })
  })

  it('brings the best weights back', async () => {
    const model = classifier({ optimizer: sgd({ learningRate: 3 }) })
    const hashes: string[] = []
    const history = await model.fit(x, y, { epochs: 50, validationSplit: 0.3, callbacks: [{ onEpochEnd() { hashes.push(hashOf(model)) } }, earlyStopping({ patience: 2 })] })
    expect(history.stopped).toBe('earlyStopping')
    const losses = history.validation.map(({ loss }) => loss)
    const best = losses.indexOf(Math.min(...losses))
    expect(losses.length).toBe(best + 3)
    expect(hashOf(model)).toBe(hashes[best])
    expect(hashes[best]).not.toBe(hashes.at(-1))
    expect((await model.evaluate(x.slice(105 * FEATURES), y.slice(105))).loss).toBe(losses[best])
  })

  it('keeps the last weights when told so', async () => {
    const model = classifier({ optimizer: sgd({ learningRate: 3 }) })
    const hashes: string[] = []
    await model.fit(x, y, { epochs: 50, validationSplit: 0.3, callbacks: [earlyStopping({ patience: 2, restoreBest: false }), { onEpochEnd() { hashes.push(hashOf(model)) } }] })
    expect(hashOf(model)).toBe(hashes.at(-1))
  })

  it('refuses a score that is not there, and wrong options', async () => {
    const model = classifier()
    const error = await errorOf(() => model.fit(x, y, { callbacks: [earlyStopping()] }))
    expect(error).toBeInstanceOf(RangeError)
    expect(error.message).toBe('earlyStopping.monitor: expected one of loss, accuracy, got "validation.loss". Without validationData or validationSplit there are no validation scores.')
    expect((await errorOf(() => model.fit(x, y, { validationSplit: 0.1, callbacks: [earlyStopping({ monitor: 'val_loss' })] }))).message)
      .toBe('earlyStopping.monitor: expected one of loss, accuracy, validation.loss, validation.accuracy, got "val_loss".')
    expect(() => earlyStopping({ patience: -1 })).toThrow(RangeError)
    expect(() => earlyStopping({ patience: 1.5 })).toThrow(RangeError)
    expect(() => earlyStopping({ minDelta: -1 })).toThrow(RangeError)
    // @ts-expect-error a word that is none
    expect(() => earlyStopping({ mode: 'maxi' })).toThrow(/Did you mean 'max'\?$/)
    // @ts-expect-error a misspelt option
    expect(() => earlyStopping({ patients: 1 })).toThrow(/Did you mean 'patience'\?$/)
  })
})

describe('company', () => {
  it('predict and evaluate during fit see completed steps', async () => {
    const model = classifier({ rate: 0 })
    const many = blobs(9000, 5)
    const few = x.slice(0, 20 * FEATURES)
    const stepHashes = new Set([hashFloats((await model.predict(few)).data)])
    const reference = classifier({ rate: 0 })
    await reference.fit(many.x, many.y, { epochs: 12, callbacks: [{ async onBatchEnd() { stepHashes.add(hashFloats((await reference.predict(few)).data)) } }] })
    expect(stepHashes.size).toBeGreaterThan(3000)
    let running = true
    const fit = model.fit(many.x, many.y, { epochs: 12 }).finally(() => { running = false })
    let looks = 0
    const seen = new Set<string>()
    while (running) {
      const hash = hashFloats((await model.predict(few)).data)
      expect(stepHashes.has(hash)).toBe(true)
      seen.add(hash)
      expect((await model.evaluate(x, y)).accuracy).toBeGreaterThanOrEqual(0)
      looks++
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    await fit
    expect(looks).toBeGreaterThan(2)
    expect(seen.size).toBeGreaterThan(2)
    expect(hashOf(model)).toBe(hashOf(reference))
  })

  it('two fits on one model queue up', async () => {
    const together = classifier()
    const order: string[] = []
    const mark = (name: string): Callback => ({ onTrainBegin() { order.push(`${name} begins`) }, onTrainEnd() { order.push(`${name} ends`) } })
    await Promise.all([together.fit(x, y, { epochs: 2, callbacks: [mark('a')] }), together.fit(x, y, { epochs: 3, callbacks: [mark('b')] })])
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends'])
    const apart = classifier()
    await apart.fit(x, y, { epochs: 5 })
    expect(hashOf(together)).toBe(hashOf(apart))
  })

  it('a call that fails does not hold up the next', async () => {
    const model = classifier()
    const failing = errorOf(() => model.fit(x, y, { callbacks: [{ onEpochEnd() { throw new Error('mine') } }] }))
    const next = model.trainOnBatch(x, y)
    expect((await failing).message).toBe('mine')
    await next
    expect(model.trainOnBatchSync(x, y).loss).toBeGreaterThan(0)
  })

  it('sync calls, new weights and another compile are refused meanwhile', async () => {
    const model = classifier()
    const weights = model.getWeights()
    const errors: Error[] = []
    const attempts = [
      () => model.trainOnBatchSync(x, y), () => { model.setWeights(weights) }, () => model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() }),
    ]
    const attempt = async (): Promise<void> => { for (const f of attempts) errors.push(await errorOf(f)) }
    const fit = model.fit(x, y, { epochs: 2, callbacks: [{ onBatchEnd: async ({ step }) => { if (step === 3) await attempt() } }] })
    // from the call on, not from its turn on
    await attempt()
    await fit
    expect(errors.length).toBe(6)
    for (const error of errors) {
      expect(error).toBeInstanceOf(BusyError)
      expect(error.message).toMatch(/^(trainOnBatchSync|setWeights|compile): expected a (store|model) that no training call holds, got one where fit/)
    }
    const plain = classifier()
    await plain.fit(x, y, { epochs: 2 })
    expect(hashOf(model)).toBe(hashOf(plain))
    model.setWeights(weights)
    expect(hashOf(model)).toBe(hashWeights(weights))
  })

  it('predictSync is possible meanwhile, between steps', async () => {
    const model = classifier()
    let same = 0
    await model.fit(x, y, { callbacks: [{ async onBatchEnd() { expectBits(model.predictSync(x).data, (await model.predict(x)).data); same++ } }] })
    expect(same).toBe(5)
  })

  it('the event loop gets turns', async () => {
    let turns = 0
    let running = true
    const tick = (): void => { turns++; if (running) setImmediate(tick) }
    setImmediate(tick)
    const many = blobs(20_000, 6)
    const began = performance.now()
    await classifier().fit(many.x, many.y, { epochs: 15 })
    running = false
    // One turn after about 12 ms of work, here with ample room for a loaded machine.
    const expected = (performance.now() - began) / 200
    expect(turns).toBeGreaterThanOrEqual(Math.max(4, expected))
  })

  it('many evaluations and predictions at once, of many sizes and types, do not disturb one another', async () => {
    const model = classifier()
    const many = blobs(30_000, 7)
    const doubles = Float64Array.from(many.x)
    const want = hashFloats((await model.predict(many.x)).data)
    const wanted = await model.evaluate(many.x, many.y)
    const jobs: Promise<unknown>[] = []
    const slow = [model.predict(many.x), model.predict(doubles)]
    const scores = [1, 3, 10, 17, 100, 1000].map((batchSize) => model.evaluate(many.x, many.y, { batchSize }))
    const small = [1, 20, 200].flatMap((n) => [Float32Array, Float64Array, Int32Array, Uint8Array].map((Kind) => ({ n, data: new Kind(many.x.subarray(0, n * FEATURES).map((v) => Math.round(Math.abs(v)))) })))
    for (let round = 0; round < 3; round++) {
      for (const { n, data } of small) jobs.push(model.predict(data).then(({ shape }) => { expect(shape).toEqual([n, CLASSES]) }))
      await new Promise((resolve) => { setTimeout(resolve, 1) })
    }
    await Promise.all(jobs)
    for (const p of await Promise.all(slow)) expect(hashFloats(p.data)).toBe(want)
    for (const s of await Promise.all(scores)) {
      expect(s.accuracy).toBe(wanted.accuracy)
      // sums in f64 in another grouping: at most 30 000 roundings of 2⁻⁵³ each
      expect(Math.abs(s.loss - wanted.loss)).toBeLessThan(30_000 * 2 ** -53 * 2 * wanted.loss)
    }
  })

  it('models that share a store train one after the other, each as if alone', async () => {
    const store = createStore()
    const make = (name: string, shared: boolean) => sequential([dense(8, { activation: 'relu' }), dense(CLASSES, { activation: 'softmax' })], { input: [FEATURES], name, ...(shared ? { store } : {}) })
      .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    const [a, b] = [make('a', true), make('b', true)]
    await Promise.all([a.fit(x, y, { epochs: 2 }), b.fit(x, y, { epochs: 3 })])
    const [aloneA, aloneB] = [make('a', false), make('b', false)]
    await aloneA.fit(x, y, { epochs: 2 })
    await aloneB.fit(x, y, { epochs: 3 })
    expect(hashOf(a)).toBe(hashOf(aloneA))
    expect(hashOf(b)).toBe(hashOf(aloneB))
    expect(Object.keys(a.getWeights())).toEqual(['a/dense1.kernel', 'a/dense1.bias', 'a/dense2.kernel', 'a/dense2.bias'])
    expect(weight(a, 'a/dense1.kernel')).not.toEqual(weight(b, 'b/dense1.kernel'))
  })

  it('two weights of one key in a store are refused, and the first model goes on', async () => {
    const store = createStore()
    const make = () => sequential([dense(CLASSES, { activation: 'softmax' })], { input: [FEATURES], store }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    const a = make()
    const hash = hashOf(a)
    const b = make()
    const error = await errorOf(() => b.fit(x, y))
    expect(error).toBeInstanceOf(EquigradError)
    expect(error.message).toBe('store: expected weights with keys of their own, got a second \'dense1.kernel\'. Give the model a `name`.')
    expect(hashOf(a)).toBe(hash)
    await a.fit(x, y)
    expect(hashOf(a)).not.toBe(hash)
  })

  it('two layers of one name are refused', () => {
    expect(() => sequential([dense(3, { name: 'a' }), dense(3, { name: 'a' })], { input: [2] })).toThrow('model: expected layers with names of their own, got two called \'a\'. Give one another `name`.')
    expect(() => sequential([dense(3, { name: 'dense1' }), dense(3)], { input: [2] })).toThrow(/two called 'dense1'/)
  })
})

/** A stream that is its own iterator, as generators are. */
function oneShot<T>(source: AsyncIterator<T>): AsyncIterableIterator<T> {
  return { next: () => source.next(), [Symbol.asyncIterator]() { return this } }
}

describe('streams', () => {
  it('a one-shot one throws for a second epoch, after the first', async () => {
    const model = classifier()
    const once = stream(x, y, 50)[Symbol.asyncIterator]()
    const batches = oneShot(once)
    const error = await errorOf(() => model.fit(batches, { epochs: 2 }))
    expect(error).toBeInstanceOf(TypeError)
    expect(error.message).toMatch(/^fit: expected a stream that can be iterated anew for every epoch, got one that is used up before epoch 1\./)
    expect([model.step, model.epoch]).toEqual([3, 1])
    const fresh = classifier()
    const single = stream(x, y, 50)[Symbol.asyncIterator]()
    await fresh.fit(oneShot(single))
    expect(hashOf(fresh)).toBe(hashOf(model))
  })

  it('an empty one, and batches that do not fit, are refused; steps before them stay', async () => {
    const model = classifier()
    const hash = hashOf(model)
    const empty = { async *[Symbol.asyncIterator](): AsyncGenerator<{ readonly x: Float32Array; readonly y: Int32Array }> { await Promise.resolve() } }
    expect((await errorOf(() => model.fit(empty))).message).toBe('fit: expected a stream with at least one batch, got none.')
    expect(hashOf(model)).toBe(hash)
    const bad = (wrong: { readonly x: Float32Array; readonly y: Int32Array }) => ({
      async *[Symbol.asyncIterator]() { await Promise.resolve(); yield { x: x.slice(0, 40), y: y.slice(0, 10) }; yield wrong },
    })
    const one = classifier()
    one.trainOnBatchSync(x.slice(0, 40), y.slice(0, 10))
    for (const [wrong, text] of [
      [{ x: x.slice(0, 41), y: y.slice(0, 10) }, /^fit: batch 1: x: expected a multiple of 4 numbers/],
      [{ x: x.slice(0, 40), y: y.slice(0, 9) }, /^fit: batch 1: expected as many samples everywhere: 10 in 'x', got 9/],
      [{ x: Float32Array.of(1, NaN, 1, 1), y: y.slice(0, 1) }, /^fit: batch 1: x, sample 0: expected finite numbers, got NaN/],
      [{ x: x.slice(0, 4), y: Int32Array.of(3) }, /^fit: batch 1: y\[0\]: expected a whole number from 0 to 2, got 3/],
    ] as const) {
      const streamed = classifier()
      expect((await errorOf(() => streamed.fit(bad(wrong)))).message).toMatch(text)
      expect(streamed.step).toBe(1)
      expect(hashOf(streamed)).toBe(hashOf(one))
    }
    expect((await errorOf(() => model.fit({ async *[Symbol.asyncIterator]() { await Promise.resolve(); yield { x, y }; yield { x, y, sampleWeight: new Float32Array(150) } } }))).message).toMatch(/^fit: batch 1: expected the parts of the batches before it/)
  })

  it('carry weights of samples', async () => {
    const sampleWeight = Float32Array.from(y, (label) => 1 + label)
    const arrays = classifier()
    const history = await arrays.fit(x, y, { batchSize: 150, shuffle: false, sampleWeight })
    const streamed = classifier()
    expect(await streamed.fit({ async *[Symbol.asyncIterator]() { await Promise.resolve(); yield { x, y, sampleWeight } } })).toEqual(history)
    expect(hashOf(streamed)).toBe(hashOf(arrays))
  })
})

describe('a loss that is not finite', () => {
  it('stops training, names the step and the first layer, and leaves the weights of the step before', async () => {
    const model = sequential([dense(8, { activation: 'relu', name: 'hidden' }), dense(1, { name: 'out' })], { input: [FEATURES], seed: 2 })
      .compile({ optimizer: sgd({ learningRate: 1e18 }), loss: mse() })
    const labels = Float32Array.from(y)
    const hashes: string[] = [hashOf(model)]
    const error = await errorOf(() => model.fit(x, labels, { epochs: 4, shuffle: false, callbacks: [{ onBatchEnd() { hashes.push(hashOf(model)) } }] }))
    expect(error).toBeInstanceOf(NonFiniteError)
    if (!(error instanceof NonFiniteError)) return
    expect(error.step).toBe(hashes.length - 1)
    expect(error.step).toBe(model.step)
    expect(error.epoch).toBe(0)
    expect(['out', 'loss:y']).toContain(error.layer)
    expect(error.message).toMatch(/^fit, epoch 0, step \d+: expected finite numbers, got a value that is not finite, first in (out|loss:y)\. The weights are those after \d+ steps\. /)
    expect(hashOf(model)).toBe(hashes.at(-1))
  })

  it('at the first step leaves the first weights, and names the layer where it begins', async () => {
    const huge = 3e38
    for (const [at, name] of [['first', 'first'], ['second', 'second']] as const) {
      const model = sequential([
        dense(4, { name: 'first', kernelInitializer: constantInitializer(at === 'first' ? huge : 1) }), dense(2, { name: 'second', kernelInitializer: constantInitializer(at === 'second' ? huge : 1) }),
      ], { input: [FEATURES] }).compile({ optimizer: adam(), loss: mse() })
      const hash = hashOf(model)
      const data = new Float32Array(20 * FEATURES).fill(2)
      for (const call of [() => model.fit(data, new Float32Array(40)), () => model.trainOnBatch(data, new Float32Array(40)), () => model.trainOnBatchSync(data, new Float32Array(40))]) {
        const error = await errorOf(call)
        expect(error).toBeInstanceOf(NonFiniteError)
        if (!(error instanceof NonFiniteError)) return
        expect([error.layer, error.step, error.epoch]).toEqual([name, 0, 0])
        expect(error.message).toContain('The weights are the first ones.')
      }
      expect(hashOf(model)).toBe(hash)
      expect(model.step).toBe(0)
      // and no moment was touched: from good weights it trains as a fresh one
      const good = Object.fromEntries(Object.entries(model.getWeights()).map(([key, w]) => [key, { ...w, data: w.data.map((_, i) => 0.01 * i) }]))
      model.setWeights(good)
      await model.fit(data, new Float32Array(40))
      const fresh = sequential([dense(4, { name: 'first' }), dense(2, { name: 'second' })], { input: [FEATURES] }).compile({ optimizer: adam(), loss: mse() })
      fresh.setWeights(good)
      await fresh.fit(data, new Float32Array(40))
      expect(hashOf(model)).toBe(hashOf(fresh))
    }
  })

  it('goes on with the further batches of an epoch as the position says', async () => {
    const model = sequential([dense(1, { useBias: false })], { input: [1] }).compile({ optimizer: sgd({ learningRate: 0.01 }), loss: mse() })
    // 1e30² is infinite in f32
    const data = Float32Array.of(1, 2, 1e30, 4)
    const error = await errorOf(() => model.fit(data, Float32Array.of(1, 1, 1, 1), { batchSize: 1, shuffle: false }))
    expect(error).toBeInstanceOf(NonFiniteError)
    expect(model.step).toBe(2)
  })
})

describe('frozen weights', () => {
  const layers = () => [dense(8, { activation: 'relu', name: 'base' }), dense(6, { activation: 'relu', name: 'middle' }), dense(CLASSES, { activation: 'softmax', name: 'head' })]
  const compiled = (frozen: readonly string[]) => sequential(layers(), { input: [FEATURES] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), frozen })

  it.each([
    { frozen: ['base'], keys: ['base.kernel', 'base.bias'] },
    { frozen: ['base', 'middle.bias'], keys: ['base.kernel', 'base.bias', 'middle.bias'] },
    { frozen: ['middle'], keys: ['middle.kernel', 'middle.bias'] },
  ])('$frozen stay bit for bit, and the program has no work for them', async ({ frozen, keys }) => {
    const model = compiled(frozen)
    const before = model.getWeights()
    await model.fit(x, y, { epochs: 2 })
    const after = model.getWeights()
    for (const [key, { data }] of Object.entries(before)) {
      if (keys.includes(key)) expectBits(weight(model, key), data, key)
      else expect(hashFloats(after[key]?.data ?? new Float32Array()), key).not.toBe(hashFloats(data))
    }
    const grads = (m: ReturnType<typeof compiled>): string[] => m.program('grad').program.buffers.flatMap(({ region, key }) => (region === 'grad' && key !== undefined ? [key] : [])).sort()
    expect(grads(model)).toEqual(Object.keys(before).filter((key) => !keys.includes(key)).sort())
    const full = compiled([]).program('grad').program.calls.length
    const fewer = model.program('grad').program.calls.length
    expect(fewer).toBeLessThan(full)
    expect(model.program('apply').text).not.toContain('\'base.kernel\'')
  })

  it('by `trainable: false` are the same', async () => {
    const [, middle, head] = layers()
    if (middle === undefined || head === undefined) throw new Error('three layers')
    const declared = sequential([dense(8, { activation: 'relu', name: 'base', trainable: false }), middle, head], { input: [FEATURES] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    await declared.fit(x, y, { epochs: 2 })
    const frozen = compiled(['base'])
    await frozen.fit(x, y, { epochs: 2 })
    expect(hashOf(declared)).toBe(hashOf(frozen))
  })

  it('an unknown name, or nothing left to train, is refused', () => {
    expect(() => compiled(['bass'])).toThrow(RangeError)
    expect(() => compiled(['base', 'middle', 'head'])).toThrow('compile.frozen: expected at least one weight that is trained, got none.')
  })

  it('adamW leaves out what `exclude` names', () => {
    // Labels of weight 0 give gradients of 0: only decay is left.
    const model = sequential([dense(3, { biasInitializer: 'ones', activation: 'softmax' })], { input: [FEATURES] })
      .compile({ optimizer: adamW({ learningRate: 0.5, weightDecay: 0.25, exclude: ['bias'] }), loss: sparseCategoricalCrossentropy() })
    const before = weight(model, 'dense1.kernel')
    model.trainOnBatchSync(x, y, { sampleWeight: new Float32Array(150) })
    expectBits(weight(model, 'dense1.bias'), Float32Array.of(1, 1, 1))
    expectBits(weight(model, 'dense1.kernel'), before.map((w) => Math.fround(w - Math.fround(Math.fround(w * 0.25) * 0.5))))
  })
})

describe('shards', () => {
  it.each([1, 2, 4, 7, 200])('%i: stable bits, and training works', async (shards) => {
    const run = async (optimizer = adam({ learningRate: 0.01 })) => {
      const model = classifier({ shards, optimizer, rate: 0 })
      const history = await model.fit(x, y, { epochs: 4 })
      return { hash: hashOf(model), history, model }
    }
    const a = await run()
    const b = await run()
    expect(a.hash).toBe(b.hash)
    expect(last(a.history.loss)).toBeLessThan(at(a.history.loss, 0))
    const one = classifier({ rate: 0 })
    const whole = await one.fit(x, y, { epochs: 4 })
    // The gradients differ by roundings only; Adam turns them into changes of at most a few rates where a gradient is near 0.
    a.history.loss.forEach((loss, i) => { expect(Math.abs(loss - at(whole.loss, i))).toBeLessThan(1e-3) })
    if (shards === 1) expect(a.hash).toBe(hashOf(one))
  })

  it.each([2, 5, 40])('computed elsewhere, in any order, and combined: %i', (shards) => {
    const [here, there, worker] = [bareTrainer(shards), bareTrainer(shards), bareTrainer(shards)]
    const feeds = [here, worker].map(({ store }) => arrayFeed(store, dataRows(), y.length, { batchSize: 33, shuffle: true, seed: 1 }))
    const [own, theirs] = feeds.map((feed) => [...feed.batches(0, 0)])
    if (own === undefined || theirs === undefined) throw new Error('two feeds')
    const same = (): void => { expect(there.weights()).toBe(here.weights()) }
    for (const [i, { sources, batch }] of own.entries()) {
      gradientOf(here, sources, batch, 33)
      const remote = theirs[i]
      if (remote === undefined) throw new Error('as many batches')
      // The worker computes every shard, from the last to the first; only bytes travel.
      const results = Array.from({ length: shards }, (_, s) => shardOf(worker, remote.sources, remote.batch, shards - 1 - s))
      expect(results.reduce((n, { rows }) => n + rows, 0)).toBe(batch.rows.length)
      there.trainer.combine(results)
      worker.trainer.combine(results)
      const sums = here.trainer.apply().sums
      expectBits(there.trainer.apply().sums, sums)
      worker.trainer.apply()
      same()
    }
    expect(here.trainer.step).toBe(5)
    expect(here.weights()).not.toBe(bareTrainer(shards).weights())
    expect(() => { there.trainer.combine([]) }).toThrow(EquigradError)
  })

  it('are part of what is computed, dropout and weights included', async () => {
    const hashes = new Set<string>()
    for (const shards of [1, 2, 3]) {
      const model = classifier({ shards })
      await model.fit(x, y, { epochs: 2, sampleWeight: Float32Array.from(y, (v) => 1 + v) })
      hashes.add(hashOf(model))
    }
    expect(hashes.size).toBe(3)
  })

  it('one whole batch in shards of exact sums has the bits of one', () => {
    // Small whole numbers: every sum is exact, so that any split must give the same.
    const whole = Float32Array.from({ length: 8 * 2 }, (_, i) => (i * 5) % 7 - 3)
    const labels = Float32Array.from({ length: 8 }, (_, i) => i % 3)
    const hashes = [1, 2, 4, 8, 16].map((shards) => {
      const model = sequential([dense(1, { kernelInitializer: 'ones' })], { input: [2] }).compile({ optimizer: sgd({ learningRate: 0.125 }), loss: mse(), shards })
      model.trainOnBatchSync(whole, labels)
      return hashOf(model)
    })
    expect(new Set(hashes).size).toBe(1)
  })
})

describe('compile', () => {
  it('again starts training anew, with the weights as they are', async () => {
    const model = classifier()
    await model.fit(x, y, { epochs: 2 })
    const weights = model.getWeights()
    const again = model.compile({ optimizer: momentum(), loss: sparseCategoricalCrossentropy() })
    expect([again.step, again.epoch]).toEqual([0, 0])
    expect(hashOf(model)).toBe(hashWeights(weights))
    await again.fit(x, y)
    const fresh = net().compile({ optimizer: momentum(), loss: sparseCategoricalCrossentropy() })
    fresh.setWeights(weights)
    await fresh.fit(x, y)
    expect(hashOf(again)).toBe(hashOf(fresh))
  })

  it('scales the objective by lossWeights', () => {
    const make = (w: number | undefined) => sequential([dense(1)], { input: [FEATURES] }).compile({ optimizer: sgd(), loss: mse(), ...(w === undefined ? {} : { lossWeights: { y: w } }) })
    const labels = Float32Array.from(y)
    const [plain, twice] = [make(undefined), make(2)]
    const [a, b] = [plain.trainOnBatchSync(x, labels), twice.trainOnBatchSync(x, labels)]
    expect(b.loss).toBe(2 * a.loss)
    const direct = sequential([dense(1)], { input: [FEATURES] }).compile({ optimizer: sgd({ learningRate: 0.02 }), loss: mse() })
    direct.trainOnBatchSync(x, labels)
    expect(hashOf(direct)).toBe(hashOf(twice))
  })
})

describe('a prediction', () => {
  it('is a copy that nothing changes later', async () => {
    const model = classifier()
    const p = await model.predict(x)
    const before = p.data.slice()
    await model.fit(x, y)
    await model.predict(x)
    expectBits(p.data, before)
    expect(p).toBeInstanceOf(Tensor)
    expect(p.shape).toEqual([150, CLASSES])
  })
})
