// A budget of steps: pieces of any length, saved and loaded between them, are one run to the bit: weights, states, order, dropout and scores.
import { describe, expect, it } from 'vitest'
import {
  accuracy, adamW, batchNormalization, cosineDecay, createStore, dense, dropout, FormatError, l2, load, save, sequential, sgd, sparseCategoricalCrossentropy, type Callback, type Scores,
} from '../../src/index.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import { blobs, FEATURES } from './support.js'

const N = 37, BATCH = 8, EPOCHS = 4, BATCHES = Math.ceil(N / BATCH)
const { x, y } = blobs(N)
const loss = sparseCategoricalCrossentropy({ fromLogits: true })

// Loaded, so that a model that was saved and loaded is of the same type.
const made = (shards = 1) => load(save(sequential([dense(8, { activation: 'relu', kernelRegularizer: l2(0.01) }), batchNormalization(), dropout(0.3), dense(3)], { input: [FEATURES], seed: 11 })
  .compile({ optimizer: adamW({ learningRate: cosineDecay(0.05, { steps: EPOCHS * BATCHES }) }), loss, metrics: [accuracy()], shards })))
type Net = ReturnType<typeof made>
type Epoch = Scores<unknown, unknown>
const options = { batchSize: BATCH, validationData: [x, y] } as const

/** What a training leaves: the whole file, and the scores of each epoch. */
interface Left { readonly file: Uint8Array; readonly state: string; readonly epochs: readonly unknown[]; readonly validation: readonly unknown[] }

async function whole(shards?: number): Promise<Left> {
  const model = made(shards)
  const { epochs, validation } = await model.fit(x, y, { ...options, epochs: EPOCHS })
  return { file: save(model), state: model.stateHash(), epochs, validation }
}

/** The same by calls of at most `maxSteps` steps; `between` is what happens to the model after each. */
async function pieces(maxSteps: number, between: (model: Net) => Net, shards?: number): Promise<Left> {
  let model = made(shards)
  const epochs: Epoch[] = [], validation: Epoch[] = []
  while (epochs.length < EPOCHS) {
    const before = model.step
    const history = await model.fit(x, y, { ...options, epochs: EPOCHS - epochs.length, maxSteps })
    expect(model.step - before).toBe(Math.min(maxSteps, EPOCHS * BATCHES - before))
    epochs.push(...history.epochs)
    validation.push(...history.validation)
    expect(history.stopped).toBe(epochs.length < EPOCHS ? 'maxSteps' : null)
    model = between(model)
  }
  return { file: save(model), state: model.stateHash(), epochs, validation }
}
const reload = (model: Net): Net => load(save(model))

describe('pieces of a run are the run, to the bit', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 19, 20, 21])('of %i steps, saved and loaded between them', async (steps) => {
    const run = await whole()
    expect(await pieces(steps, reload)).toEqual(run)
    expect(await pieces(steps, (model) => model)).toEqual(run)
  })
  it('of a training in shards', async () => {
    expect(await pieces(3, reload, 3)).toEqual(await whole(3))
  })
  it('of a stream', async () => {
    const batches = { async *[Symbol.asyncIterator]() { for (let at = 0; at < N; at += BATCH) yield { x: x.subarray(at * FEATURES, (at + BATCH) * FEATURES), y: y.subarray(at, at + BATCH) } } }
    const one = made()
    const { epochs } = await one.fit(batches, { epochs: 2 })
    let model = made()
    const scores: unknown[] = []
    while (scores.length < 2) { scores.push(...(await model.fit(batches, { epochs: 2 - scores.length, maxSteps: 3 })).epochs); model = reload(model) }
    expect([scores, model.stateHash()]).toEqual([epochs, one.stateHash()])
  })
  it('one epoch at a time, as a server does that is asked now and then', async () => {
    const run = await whole()
    let bytes = save(made())
    const scores: unknown[] = []
    for (let requests = 0; requests < EPOCHS * 2; requests++) {
      const model = load(bytes)
      scores.push(...(await model.fit(x, y, { ...options, maxSteps: 3 })).epochs)
      bytes = save(model)
    }
    expect([scores, bytes]).toEqual([run.epochs, run.file])
  })
})

it('callbacks see where the epoch stands', async () => {
  const model = made()
  const seen: unknown[] = []
  const watch: Callback = { onBatchEnd({ batch, samples, step }) { seen.push([batch, samples, step]) } }
  await model.fit(x, y, { ...options, maxSteps: 3, callbacks: [watch] })
  await reload(model).fit(x, y, { ...options, maxSteps: 3, callbacks: [watch] })
  expect(seen).toEqual([[1, 8, 1], [2, 16, 2], [3, 24, 3], [4, 32, 4], [5, 37, 5]])
})

it('an abort within an epoch keeps its scores too', async () => {
  const run = await whole()
  const model = made()
  const controller = new AbortController()
  await model.fit(x, y, { ...options, callbacks: [{ onBatchEnd({ step }) { if (step === 2) controller.abort() } }], signal: controller.signal })
  expect((await model.fit(x, y, options)).epochs).toEqual(run.epochs.slice(0, 1))
})

it('a file in the middle of an epoch that is damaged is refused', async () => {
  const model = made()
  await model.fit(x, y, { ...options, maxSteps: 3 })
  const { tensors, metadata } = decodeSafetensors(save(model))
  const json = metadata['equigrad'] ?? ''
  expect(json).toContain('"partial"')
  for (const partial of ['7', '{}', '{"sums":[1,"a"],"penalty":0,"samples":1,"batches":1}', '{"sums":[1],"penalty":0,"samples":-1,"batches":1}']) {
    expect(() => load(encodeSafetensors(tensors, { equigrad: json.replace(/"partial":\{[^}]*\}/, `"partial":${partial}`) }))).toThrow(FormatError)
  }
  // without it, as files once were, training goes on all the same
  const old = load(encodeSafetensors(tensors, { equigrad: json.replace(/,"partial":\{[^}]*\}/, '') }))
  await old.fit(x, y, options)
  await model.fit(x, y, options)
  expect(old.stateHash()).toBe(model.stateHash())
})

it('misuse is refused', async () => {
  for (const maxSteps of [0, -1, 1.5, NaN, Infinity]) await expect(made().fit(x, y, { maxSteps })).rejects.toThrow(/^fit\.maxSteps: expected an integer ≥ 1/)
  // @ts-expect-error no number
  await expect(made().fit(x, y, { maxSteps: '3' })).rejects.toThrow(TypeError)
})

it('a small model holds at most 128 kB, training or not', async () => {
  const store = createStore()
  const model = sequential([dense(16, { activation: 'relu' }), dense(3)], { input: [FEATURES], store }).compile({ optimizer: sgd(), loss })
  await model.fit(x, y, { maxSteps: 2 })
  expect(store.byteLength / 1024).toBeLessThanOrEqual(128)
  const home = createStore()
  const loaded = load(save(model, { training: false }), { store: home })
  loaded.predictSync(x)
  expect(home.byteLength / 1024).toBeLessThanOrEqual(128)
})
