// Save and load: the same predictions, the same further training to the bit, and nothing but a FormatError for what is no file of ours.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, vi } from 'vitest'
import {
  accuracy, adam, adamW, averagePool2d, batchNormalization, conv2d, cosineDecay, createStore, dense, dropout, EquigradError, flatten, FormatError, l2, layer, load, lstm, mae, maxPool2d, mse, rmsprop, save, sequential, sgd, sparseCategoricalCrossentropy, type TrainableModel, type Value,
} from '../../src/index.js'
import { mask, quantize } from '../../src/compress/index.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import { at, expectBits } from '../support/bits.js'
import { random, randomFloats } from '../support/numbers.js'
import { blobs, classifier, errorOf, FEATURES, hashOf, hashWeights, net } from './support.js'

const { x, y } = blobs(150)

describe('a saved model', () => {
  it('keeps its weights when a model that calls it is used first, and what that one trains', async () => {
    const file = save(sequential([dense(2, { name: 'inner' })], { input: [FEATURES], seed: 5 }))
    const [first, second] = [load(file), load(file)]
    const outer = (model: typeof first): TrainableModel<Value, Value> => sequential([layer('call', {}, (v) => model.call(v) as Value)], { input: [FEATURES], seed: 6 })
    second.prepare()
    const [late, early] = [outer(first), outer(second)].map((model) => model.compile({ optimizer: sgd(), loss: mse() }))
    expect(late?.getWeights()).toEqual(early?.getWeights())
    await late?.trainOnBatch(new Float32Array(FEATURES).fill(1), [[1, 2]])
    const trained = late?.getWeights()
    first.prepare()
    expect(late?.getWeights()).toEqual(trained)
    expect(trained).not.toEqual(early?.getWeights())
  })
  it('predicts the same bits, and has the same weights, names and hash', async () => {
    const model = sequential([dense(8, { activation: 'elu', name: 'first' }), dropout(0.5), dense(3, { activation: 'softmax' })], { input: { shape: [FEATURES], dtype: 'u8', scale: 1 / 255, offset: -0 }, seed: 5, name: 'net' })
    const bytes = Uint8Array.from({ length: 40 * FEATURES }, (_, i) => (i * 53) % 256)
    const again = load(save(model))
    expectBits((await again.predict(bytes)).data, (await model.predict(bytes)).data)
    expect(again.getWeights()).toEqual(model.getWeights())
    expect([again.hash, again.seed, again.name, again.summary()]).toEqual([model.hash, 5, 'net', model.summary()])
    expect(save(again)).toEqual(save(model))
  })

  it('keeps weights that are −0, denormal or huge', () => {
    const model = sequential([dense(4)], { input: [1] })
    const data = Float32Array.of(-0, 2 ** -149, -3.4e38, 1 / 3)
    model.setWeights({ 'dense1.bias': { data, shape: [4] } })
    expectBits(load(save(model)).getWeights()['dense1.bias']?.data ?? [], data)
  })

  it('is a copy: neither model changes the other', async () => {
    const model = classifier()
    const bytes = save(model)
    const before = bytes.slice()
    const again = load(bytes)
    const hash = hashOf(again)
    await model.fit(x, y)
    expect(hashOf(again)).toBe(hash)
    expect(hashOf(model)).not.toBe(hash)
    bytes.fill(0)
    expect(hashOf(again)).toBe(hash)
    expect(hashOf(load(before))).toBe(hash)
  })

  it('of a model that is not compiled is not compiled', async () => {
    const again = load(save(net()))
    expect(await errorOf(() => again.fit(x, y))).toBeInstanceOf(EquigradError)
    const compiled = again.compile({ optimizer: adam({ learningRate: 0.01 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
    const plain = classifier()
    expect(await compiled.fit(x, y)).toEqual(await plain.fit(x, y))
    expect(hashOf(compiled)).toBe(hashOf(plain))
  })
})

describe('where nothing has been defined yet, a file has all that its model needs', () => {
  const images = randomFloats(6 * 64, 3), targets = randomFloats(6 * 2, 4), compiled = { optimizer: adam(), loss: mse() }
  const models = {
    dense: () => Promise.resolve(sequential([dense(5, { activation: 'tanh', kernelConstraint: 'unitNorm', kernelRegularizer: l2(0.1) }), dropout(0.5), dense(2)], { input: [64] })),
    images: () => Promise.resolve(sequential([conv2d(3, 3, { activation: 'relu' }), maxPool2d(), batchNormalization(), conv2d(2, 2), averagePool2d(), flatten(), dense(2)], { input: [8, 8, 1] })),
    sequences: () => Promise.resolve(sequential([lstm(4), dense(2)], { input: [8, 8] })),
    masked: () => { const model = sequential([dense(4), dense(2)], { input: [64] }); return Promise.resolve(mask(model, { 'dense1.kernel': Uint8Array.from({ length: 256 }, (_, i) => i % 2) })) },
    quantised: () => quantize(sequential([dense(4, { activation: 'relu' }), dense(2)], { input: [64] }), { calibration: images }),
  }
  it.each(Object.keys(models) as (keyof typeof models)[])('%s', async (name) => {
    const model = await models[name]()
    if (name !== 'quantised') model.compile(compiled)
    const file = save(model), predicted = model.predictSync(images).data
    vi.resetModules()
    const fresh = await import('../../src/index.js')
    expect(fresh.load).not.toBe(load)
    const again = fresh.load(file)
    expectBits(again.predictSync(images).data, predicted)
    if (name !== 'quantised') expect(again.trainOnBatchSync(images, targets)).toEqual(model.trainOnBatchSync(images, targets))
    expect(again.getWeights()).toEqual(model.getWeights())
  })
})

describe('training goes on as if never saved', () => {
  const optimizers = [
    ['adam', () => adam({ learningRate: 0.01 })], ['sgd', () => sgd({ learningRate: 0.05 })], ['sgd momentum', () => sgd({ momentum: 0.9, nesterov: true })], ['rmsprop', () => rmsprop({ centered: true, momentum: 0.5, clipNorm: 0.5 })],
    ['adamW with a schedule', () => adamW({ learningRate: cosineDecay(0.02, { steps: 20, warmup: 5 }), exclude: ['bias'], globalClipNorm: 1 })],
  ] as const

  it.each(optimizers)('%s, between epochs', async (_, optimizer) => {
    const whole = classifier({ optimizer: optimizer() })
    const history = await whole.fit(x, y, { epochs: 4 })
    const half = classifier({ optimizer: optimizer() })
    await half.fit(x, y, { epochs: 2 })
    const again = load(save(half))
    expect([again.step, again.epoch]).toEqual([10, 2])
    const rest = await again.fit(x, y, { epochs: 2 })
    expect(rest.epochs).toEqual(history.epochs.slice(2))
    expect(hashOf(again)).toBe(hashOf(whole))
    // the moments matter: without them the end is another
    const bare = load(save(half, { training: false })).compile({ optimizer: optimizer(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
    expect([bare.step, bare.epoch, hashOf(bare)]).toEqual([0, 0, hashOf(half)])
    await bare.fit(x, y, { epochs: 2 })
    expect(hashOf(bare)).not.toBe(hashOf(whole))
  })

  it('within an epoch, after an abort', async () => {
    const whole = classifier()
    await whole.fit(x, y, { epochs: 3, batchSize: 20 })
    const model = classifier()
    const controller = new AbortController()
    await model.fit(x, y, { epochs: 3, batchSize: 20, signal: controller.signal, callbacks: [{ onBatchEnd({ step }) { if (step === 11) controller.abort() } }] })
    const again = load(save(model))
    expect([again.step, again.epoch]).toEqual([11, 1])
    await again.fit(x, y, { epochs: 2, batchSize: 20 })
    expect(hashOf(again)).toBe(hashOf(whole))
  })

  it('with shards, frozen layers, penalties, loss weights, metrics and a scaled rate', async () => {
    const make = () => sequential([dense(6, { name: 'a', activation: 'tanh' }), dense(5, { name: 'b', activation: 'tanh', kernelRegularizer: l2(0.1) }), dense(1)], { input: [FEATURES] })
      .compile({ optimizer: adam(), loss: mse(), metrics: [mae()], shards: 3, frozen: ['a'], lossWeights: { y: 0.5 } })
    const labels = Float32Array.from(y)
    const scale = { onTrainBegin(event: { scaleLearningRate(factor: number): void }) { event.scaleLearningRate(0.25) } }
    const whole = make()
    await whole.fit(x, labels, { callbacks: [scale] })
    const more = await whole.fit(x, labels)
    const half = make()
    await half.fit(x, labels, { callbacks: [scale] })
    const again = load(save(half))
    expect(await again.fit(x, labels)).toEqual(more)
    expect(hashOf(again)).toBe(hashOf(whole))
    expect(await again.evaluate(x, labels)).toEqual(await whole.evaluate(x, labels))
  })

  it('saved twice in a row, and after loading without training on', async () => {
    const model = classifier()
    await model.fit(x, y)
    const bytes = save(model)
    expect(save(model)).toEqual(bytes)
    expect(save(load(bytes))).toEqual(bytes)
    expect(save(load(save(load(bytes))))).toEqual(bytes)
  })

  it('evaluate and predict at once after loading', async () => {
    const model = classifier()
    await model.fit(x, y)
    expect(await load(save(model)).evaluate(x, y)).toEqual(await model.evaluate(x, y))
  })
})

describe('without training', () => {
  it('the file is smaller and holds no states', async () => {
    const model = classifier()
    await model.fit(x, y)
    const [with_, without] = [decodeSafetensors(save(model)), decodeSafetensors(save(model, { training: false }))]
    expect(Object.keys(without.tensors)).toEqual(Object.keys(model.getWeights()).sort())
    expect(Object.keys(with_.tensors).filter((key) => key.startsWith('optimizer/')).length).toBe(8)
    expect(save(model, { training: false }).length).toBeLessThan(save(model).length)
    expect((await errorOf(() => load(save(model, { training: false })).fit(x, y))).message).toMatch(/expected a compiled model/)
  })
})

describe('a store for what is loaded', () => {
  it('is shared by name', async () => {
    const store = createStore()
    const a = sequential([dense(2)], { input: [FEATURES], name: 'a', store })
    a.getWeights()
    const b = load(save(sequential([dense(2)], { input: [FEATURES], name: 'b', seed: 9 })), { store })
    expect((await b.predict(x)).data).not.toEqual((await a.predict(x)).data)
    const clash = load(save(a), { store })
    expect((await errorOf(() => clash.predict(x))).message).toMatch(/^store: expected weights with keys of their own/)
  })
})

const model = classifier()
model.trainOnBatchSync(x, y)
const file = save(model)
const hash = hashOf(model)

/** Anything but a model that loads, or a FormatError, is a failure. A model that loads has finite sizes: it is asked to predict. */
function attempt(bytes: Uint8Array): 'refused' | 'loaded' {
  try {
    const loaded = load(bytes)
    loaded.getWeights()
    return 'loaded'
  } catch (error) {
    if (error instanceof FormatError) return 'refused'
    throw error
  }
}

describe('a file that is damaged', () => {
  it('is refused at every shorter length', () => {
    for (let length = 0; length < file.length; length += length < 400 ? 1 : 97) expect(attempt(file.subarray(0, length)), `length ${length}`).toBe('refused')
    expect(attempt(file.subarray(0, file.length - 1))).toBe('refused')
  })

  it('is refused when longer', () => {
    const longer = new Uint8Array(file.length + 1)
    longer.set(file)
    expect(attempt(longer)).toBe('refused')
  })

  it('with any byte flipped is refused, or loads with other names or numbers, and never crashes', () => {
    const counts = { refused: 0, loaded: 0 }
    const next = random(1)
    const header = 8 + new DataView(file.buffer, file.byteOffset).getUint32(0, true)
    const places = [...Array.from({ length: 8 }, (_, i) => i), ...Array.from({ length: 1500 }, () => Math.floor(next() * header)), ...Array.from({ length: 100 }, () => Math.floor(next() * file.length))]
    for (const place of places) {
      const bytes = file.slice()
      bytes[place] = at(bytes, place) ^ (1 << Math.floor(next() * 8))
      try { counts[attempt(bytes)]++ } catch (error) { throw new Error(`byte ${place} flipped to ${at(bytes, place)}: ${error instanceof Error ? error.stack : String(error)}`) }
    }
    expect(counts.refused).toBeGreaterThan(800)
  })

  it('with a changed graph is refused before anything runs', () => {
    const { tensors, metadata } = decodeSafetensors(file)
    const json = metadata['equigrad'] ?? ''
    const change = (from: string | RegExp, to: string): Uint8Array => {
      expect(json.replace(from, to), String(from)).not.toBe(json)
      return encodeSafetensors(tensors, { equigrad: json.replace(from, to) })
    }
    expect(attempt(encodeSafetensors(tensors, { equigrad: json }))).toBe('loaded')
    for (const [from, to] of [
      ['"op":"matmul"', '"op":"matmull"'], ['"op":"matmul"', '"op":"__proto__"'], ['"op":"matmul"', '"op":"constructor"'], ['"version":1', '"version":2'], ['"version":1', '"version":"1"'], ['"seed":1', '"seed":-1'], ['"seed":1', '"seed":1.5'],
      ['"kernel":"f32_adam"', '"kernel":"f32_fill"'], ['"kernel":"f32_adam"', '"kernel":"f32_sgd"'], ['"shards":1', '"shards":0'], ['"shards":1', '"shards":1e9'], ['"n"', '"m"'], ['"n"', '-4'], ['"f32"', '"f16"'], ['"step":1', '"step":-1'],
      ['"step":1', '"step":1.5'], ['"step":1', '"step":null'], ['"position":0', '"position":"0"'], ['"epoch":0', '"epoch":[]'], ['"scale":1,', '"scale":"1",'], ['"states":["m","v"]', '"states":["m"]'], ['"states":["m","v"]', '"states":["m","v","w"]'],
      ['"ins":[0', '"ins":[999'], ['"ins":[0', '"ins":[-1'], ['"outs":[', '"outs":[0,'], ['"rate":0.25', '"rate":"#NaN"'], [/"classes":3/, '"classes":-3'], ['{"version"', '{"x"'], [/^[\s\S]*$/, 'null'], [/^[\s\S]*$/, '[]'], [/^[\s\S]*$/, '{'], [/^[\s\S]*$/, '5'],
      [/"definition":\{/, '"definition":[],"x":{'], [/"graph":\{/, '"graph":null,"x":{'], ['"outputs":{"y":', '"outputs":{"y":9999,"z":'], [/"shape":\[4,8\]/, '"shape":[8,4]'], [/"shape":\[4,8\]/, '"shape":[4,8,1]'], [/"shape":\[4,8\]/, '"shape":[4,1e99]'],
    ] as const) expect(attempt(change(from, to)), `${String(from)} → ${to}`).toBe('refused')
  })

  it('without one of its tensors, or with one of another shape or type, is refused', () => {
    const { tensors, metadata } = decodeSafetensors(file)
    for (const key of Object.keys(tensors)) {
      const { [key]: gone, ...rest } = tensors
      if (gone === undefined) throw new Error(key)
      expect(attempt(encodeSafetensors(rest, { ...metadata })), `without ${key}`).toBe('refused')
      expect(attempt(encodeSafetensors({ ...rest, [key]: { dtype: 'f32', shape: [1, ...gone.shape], data: Float32Array.from(gone.data) } }, { ...metadata })), key).toBe('refused')
      expect(attempt(encodeSafetensors({ ...rest, [key]: { dtype: 'f64', shape: [...gone.shape], data: Float64Array.from(gone.data) } }, { ...metadata })), key).toBe('refused')
    }
  })

  it('leaves the models that exist alone', () => {
    expect(hashOf(model)).toBe(hash)
    expect(attempt(file)).toBe('loaded')
  })
})

describe('what is no file of ours', () => {
  it('a foreign safetensors file', () => {
    expect(attempt(encodeSafetensors({ a: { dtype: 'f32', shape: [2], data: Float32Array.of(1, 2) } }))).toBe('refused')
    expect(attempt(encodeSafetensors({ a: { dtype: 'f32', shape: [2], data: Float32Array.of(1, 2) } }, { format: 'pt' }))).toBe('refused')
    expect(attempt(encodeSafetensors({}, { equigrad: '{}' }))).toBe('refused')
  })

  it('random bytes', () => {
    for (let seed = 0; seed < 300; seed++) expect(attempt(Uint8Array.from(randomFloats(seed * 3, seed, 0, 256)))).toBe('refused')
    expect(attempt(new Uint8Array(1000))).toBe('refused')
    expect(attempt(new Uint8Array(1000).fill(255))).toBe('refused')
    const text = new TextEncoder().encode('{"version":1}')
    expect(attempt(text)).toBe('refused')
  })

  it('other kinds', async () => {
    for (const given of [undefined, null, 'file.safetensors', file.buffer, [...file.slice(0, 10)], new Float32Array(10)]) {
      const error = await errorOf(() => Reflect.apply(load, undefined, [given]) as unknown)
      expect(error).toBeInstanceOf(TypeError)
      expect(error.message).toMatch(/^load: expected the bytes of a file as Uint8Array, got /)
    }
    for (const given of [undefined, null, {}, file]) expect((await errorOf(() => Reflect.apply(save, undefined, [given]) as unknown)).message).toMatch(/^save: expected a model, got /)
    expect((await errorOf(() => Reflect.apply(load, undefined, [file, { stor: 1 }]) as unknown)).message).toMatch(/Did you mean 'store'\?$/)
    expect((await errorOf(() => Reflect.apply(load, undefined, [file, { store: {} }]) as unknown))).toBeInstanceOf(TypeError)
    expect((await errorOf(() => Reflect.apply(save, undefined, [model, { trainin: false }]) as unknown)).message).toMatch(/Did you mean 'training'\?$/)
    expect((await errorOf(() => Reflect.apply(save, undefined, [model, { training: 0 }]) as unknown)).message).toMatch(/^save\.training: expected true or false, got 0\.$/)
  })

  it('a view in the middle of a larger buffer is read where it is', () => {
    const larger = new Uint8Array(file.length + 50)
    larger.set(file, 13)
    const loaded = load(larger.subarray(13, 13 + file.length))
    expect(hashOf(loaded)).toBe(hash)
  })
})

describe('Python', () => {
  const hasPackage = spawnSync('python3', ['-c', 'import safetensors, numpy']).status === 0
  if (!hasPackage) console.warn('test/train/save: skipped: python3 has no safetensors and numpy')
  it.skipIf(!hasPackage)('opens the file, with the same numbers', () => {
    const folder = mkdtempSync(join(tmpdir(), 'equigrad-'))
    try {
      const path = join(folder, 'model.safetensors')
      writeFileSync(path, file)
      const script = 'import sys, json\nfrom safetensors.numpy import load_file\nprint(json.dumps({k: [list(v.shape), [float(n) for n in v.flatten()]] for k, v in load_file(sys.argv[1]).items()}))'
      const { stdout, stderr, status } = spawnSync('python3', ['-c', script, path], { encoding: 'utf8' })
      expect(status, stderr).toBe(0)
      const read = JSON.parse(stdout) as Readonly<Record<string, readonly [readonly number[], readonly number[]]>>
      const weights = model.getWeights()
      expect(Object.keys(read).sort()).toEqual(Object.keys(decodeSafetensors(file).tensors).sort())
      expect(hashWeights(Object.fromEntries(Object.keys(weights).map((key) => [key, { shape: read[key]?.[0] ?? [], data: Float32Array.from(read[key]?.[1] ?? []) }])))).toBe(hash)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
