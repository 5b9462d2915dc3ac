// Shards through the front door: whoever computes them, in whatever order, sent as bytes or not, they make the step that one model would make.
import { describe, expect, it, test } from 'vitest'
import {
  accuracy, adam, adamW, batchNormalization, clip, concatenate, decodeShard, dense, dropout, encodeShard, EquigradError, flatten, FormatError, functional, gru, input, l2, load,
  maxNorm, mse, NonFiniteError, orthogonal, save, sequential, sgd, ShapeError, shardRows, sparseCategoricalCrossentropy, type Shard,
} from '../../src/index.js'
import { mask } from '../../src/compress/index.js'
import { randomFloats, shuffled } from '../support/numbers.js'
import { blobs, classifier, CLASSES, errorOf, FEATURES, first, hashOf } from './support.js'

const SAMPLES = 40
const { x, y } = blobs(SAMPLES)
const sampleWeight = randomFloats(SAMPLES, 3, 0, 2)

/** All that depends on samples and shards: dropout, statistics of batches and their averages, a penalty, clipping, moments. */
const replica = (shards: number, seed = 2) => sequential([
  dense(9, { activation: 'relu', kernelRegularizer: l2(1e-3) }), batchNormalization({ momentum: 0.7 }), dropout(0.3), dense(CLASSES, { activation: 'softmax' }),
], { input: [FEATURES], seed }).compile({ optimizer: adam({ learningRate: 0.02, globalClipNorm: 1 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards })
type Replica = ReturnType<typeof replica>

const rows = (from: number, to: number) => ({ x: x.slice(from * FEATURES, to * FEATURES), y: y.slice(from, to), sampleWeight: sampleWeight.slice(from, to) })
const all = (shards: number): readonly number[] => Array.from({ length: shards }, (_, s) => s)
const travelled = (shard: Shard): Shard => decodeShard(encodeShard(shard))

/** All shards of a batch, each by one of the replicas, in an order of their own, as bytes. */
async function shardsOf(replicas: readonly Replica[], shards: number, seed: number, batch: ReturnType<typeof rows>): Promise<Shard[]> {
  const made: Shard[] = []
  for (const s of shuffled(shards, seed)) {
    const by = replicas[(s + seed) % replicas.length] ?? first(replicas)
    made.push(travelled(await by.computeShard(batch.x, batch.y, { shard: s, sampleWeight: batch.sampleWeight })))
  }
  return made
}

describe.each([1, 2, 3, 5, 7])('%i shards', (shards) => {
  it('computed by several replicas in any order have the bits of trainOnBatch, for any batch', async () => {
    const alone = replica(shards)
    const replicas = [replica(shards), replica(shards), replica(shards)]
    for (const [i, n] of [1, 2, 3, 6, 13, 20, 40, 4].entries()) {
      const batch = rows(0, n)
      const want = await alone.trainOnBatch(batch.x, batch.y, { sampleWeight: batch.sampleWeight })
      const made = await shardsOf(replicas, shards, i, batch)
      expect(made.reduce((sum, s) => sum + s.rows, 0)).toBe(n)
      for (const [k, r] of replicas.entries()) expect(await r.applyShards(shuffled(shards, i + k + 9).flatMap((at) => made[at] ?? []))).toEqual(want)
      for (const r of replicas) expect(r.stateHash()).toBe(alone.stateHash())
    }
    expect(alone.step).toBe(8)
    expect(replicas.map((r) => r.step)).toEqual([8, 8, 8])
  })

  it('with the samples\' places in the data, have the bits of fit', async () => {
    const [alone, together] = [replica(shards), replica(shards)]
    const { epochs } = await alone.fit(x, y, { epochs: 2, batchSize: 17, shuffle: false, sampleWeight })
    for (let epoch = 0; epoch < epochs.length; epoch++) {
      for (let from = 0; from < SAMPLES; from += 17) {
        const batch = rows(from, Math.min(SAMPLES, from + 17))
        const samples = batch.y.map((_, i) => from + i)
        const made = await Promise.all(all(shards).map((shard) => together.computeShard(batch.x, batch.y, { shard, samples, sampleWeight: batch.sampleWeight })))
        await together.applyShards(made)
      }
    }
    expect(together.stateHash()).toBe(alone.stateHash())
  })

  it('by their own rows alone have the same bits, and those without rows may be missing', async () => {
    for (const n of [3, 13]) {
      const [whole, parts] = [replica(shards), replica(shards)]
      const batch = rows(0, n)
      const made: Shard[] = []
      for (const shard of all(shards)) {
        const [from, to] = shardRows(n, shard, shards)
        const want = await whole.computeShard(batch.x, batch.y, { shard, sampleWeight: batch.sampleWeight })
        if (from === to) { expect(want.rows).toBe(0); continue }
        const own = rows(from, to)
        const got = await parts.computeShard(own.x, own.y, { shard, batchSize: n, sampleWeight: own.sampleWeight })
        expect(got).toEqual(want)
        expect(await parts.computeShard(own.x, own.y, { shard, batchSize: n, sampleWeight: own.sampleWeight, samples: [...own.y.keys()].map((i) => i + from) })).toEqual(want)
        made.push(got)
      }
      await parts.applyShards(made)
      await whole.trainOnBatch(batch.x, batch.y, { sampleWeight: batch.sampleWeight })
      expect(parts.stateHash()).toBe(whole.stateHash())
    }
  })
})

test('a shard changes nothing but what is applied, and waits for its turn', async () => {
  const [plain, busy] = [replica(3), replica(3)]
  const before = busy.stateHash()
  await busy.computeShard(x, y, { shard: 1 })
  expect(busy.stateHash()).toBe(before)
  const [, shard] = await Promise.all([busy.fit(x, y, { epochs: 2 }), busy.computeShard(x, y, { shard: 2 })])
  await plain.fit(x, y, { epochs: 2 })
  expect(shard).toEqual(await plain.computeShard(x, y, { shard: 2 }))
  expect(busy.stateHash()).toBe(plain.stateHash())
})

test('a replica may come from a file in the middle of training', async () => {
  const one = replica(2)
  await one.trainOnBatch(x, y)
  const other = load(save(one))
  expect([other.hash, other.recipeHash, other.stateHash()]).toEqual([one.hash, one.recipeHash, one.stateHash()])
  const made = [travelled(await other.computeShard(x, y, { shard: 1 })), await one.computeShard(x, y, { shard: 0 })]
  expect(await other.applyShards(made)).toEqual(await one.applyShards(made))
  expect(other.stateHash()).toBe(one.stateHash())
})

test('several inputs and outputs, frozen layers', async () => {
  const make = () => {
    const [a, b] = [input([2]), input([2])]
    const h = dense(5, { activation: 'tanh', name: 'h' })(concatenate([a, b]))
    return functional({ a, b }, { kind: dense(2)(h), size: dense(1)(h) }, { seed: 4 })
      .compile({ optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, metrics: { kind: [accuracy()] }, lossWeights: { size: 0.5 }, shards: 3, frozen: ['h'] })
  }
  const [alone, together] = [make(), make()]
  const data = { a: x.slice(0, 22), b: x.slice(40, 62) }
  const labels = { kind: y.slice(0, 11).map((k) => k % 2), size: x.slice(0, 11) }
  const made = await Promise.all(all(3).map((shard) => together.computeShard(data, labels, { shard })))
  expect(await together.applyShards(made)).toEqual(await alone.trainOnBatch(data, labels))
  expect(together.stateHash()).toBe(alone.stateHash())
})

describe('hashes', () => {
  const make = ({ seed = 1, shards = 2, rate = 0.1, momentum = 0, units = 4, name = 'a', frozen = [] as string[], exclude = ['bias'], metrics = 1, drop = 0.2 } = {}) =>
    sequential([dense(units, { name }), dropout(drop), dense(CLASSES, { activation: 'softmax', name: 'out' })], { input: [FEATURES], seed }).compile({
      optimizer: momentum === 0 ? adamW({ learningRate: rate, exclude }) : sgd({ learningRate: rate, momentum }),
      loss: sparseCategoricalCrossentropy(), metrics: metrics === 1 ? [accuracy()] : [], shards, frozen,
    })
  it('that of the recipe says what a step computes, and nothing of names', () => {
    const changes = [{}, { seed: 3 }, { shards: 3 }, { rate: 0.2 }, { momentum: 0.5 }, { units: 5 }, { frozen: ['out'] }, { metrics: 0 }, { drop: 0.3 }, { exclude: [] }]
    expect(new Set(changes.map((c) => make(c).recipeHash)).size).toBe(changes.length)
    expect(make().recipeHash).toBe(make().recipeHash)
    expect(make({ name: 'b' }).recipeHash).toBe(make().recipeHash)
    expect(make().recipeHash).toMatch(/^[0-9a-f]{64}$/)
  })
  it('it follows compile, and neither training nor files', async () => {
    const model = make()
    const hash = model.recipeHash
    await model.trainOnBatch(x, y)
    expect(model.recipeHash).toBe(hash)
    expect(load(save(model)).recipeHash).toBe(hash)
    expect(model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() }).recipeHash).not.toBe(hash)
  })
  it('files keep both of every kind of model', () => {
    const plain = sequential([
      gru(4, { returnSequences: true }), batchNormalization(), dropout(0.2), flatten(), dense(5, { kernelInitializer: orthogonal(), kernelRegularizer: l2(0.1), kernelConstraint: maxNorm(1), biasConstraint: (w) => clip(w, -1, 1) }), dense(1),
    ], { input: [3, 2] })
    const model = mask(plain, { 'dense1.kernel': Array.from({ length: 60 }, (_, i) => i % 3) }).compile({ optimizer: adam(), loss: mse(), frozen: ['gru1'] })
    const again = load(save(model))
    expect([again.hash, again.recipeHash, again.stateHash()]).toEqual([model.hash, model.recipeHash, model.stateHash()])
  })
  it('that of the state says where training stands', async () => {
    const [a, b] = [replica(2), replica(2)]
    const seen = new Set([a.stateHash()])
    expect(b.stateHash()).toBe(a.stateHash())
    await a.trainOnBatch(x, y)
    seen.add(a.stateHash())
    // the same weights, another optimizer's state and step
    b.setWeights(a.getWeights())
    seen.add(b.stateHash())
    expect(load(save(a)).stateHash()).toBe(a.stateHash())
    expect(replica(2, 3).stateHash()).not.toBe(replica(2).stateHash())
    expect(seen.size).toBe(3)
  })
  it('both ask for a compiled model', () => {
    const model = sequential([dense(2)], { input: [3] })
    expect(() => model.recipeHash).toThrow('recipeHash: expected a compiled model')
    expect(() => model.stateHash()).toThrow('stateHash: expected a compiled model')
  })
})

test('shardRows cuts every batch into stretches, one after the other', () => {
  for (const [n, shards] of [[1, 7], [10, 4], [128, 3], [5, 5], [9, 1]] as const) {
    const ranges = all(shards).map((s) => shardRows(n, s, shards))
    expect(ranges[0]?.[0]).toBe(0)
    expect(ranges.at(-1)?.[1]).toBe(n)
    ranges.slice(1).forEach(([from], i) => { expect(from).toBe(ranges[i]?.[1]) })
  }
  expect(() => shardRows(10, 4, 4)).toThrow('shardRows: shard: expected an integer ≥ 0 < 4, got 4.')
  expect(() => shardRows(0, 0, 1)).toThrow(RangeError)
  expect(() => shardRows(10, 0, 1.5)).toThrow(RangeError)
})

/** `<where>: expected …, got ….` and perhaps a remedy. */
const FORM = /^.+: expected .+, got .+\.( .+[.?])?$/s

describe('what does not fit is refused, and nothing has changed', async () => {
  const model = replica(3)
  await model.trainOnBatch(x, y)
  const shards = await Promise.all(all(3).map((shard) => model.computeShard(x, y, { shard })))
  const [a, b, c] = shards as [Shard, Shard, Shard]
  const fewer = await Promise.all(all(3).map((shard) => model.computeShard(x.slice(8 * FEATURES), y.slice(8), { shard })))
  const state = model.stateHash()
  const foreign = classifier({ shards: 3 })
  await foreign.trainOnBatch(x, y)
  const later = replica(3)
  const cases: readonly (readonly [string, unknown, typeof TypeError | typeof RangeError | typeof EquigradError, RegExp])[] = [
    ['no list', a, TypeError, /a list of shards, got an object/],
    ['an empty list', [], RangeError, /at least one shard/],
    ['no shard', [a, b, 'c'], TypeError, /^applyShards: 2: expected a shard made by/],
    ['nothing', [a, null], TypeError, /got null/],
    ['bytes', [encodeShard(a)], TypeError, /^applyShards: 0: expected .*, got Uint8Array/],
    ['a plain list for a gradient', [a, b, { ...c, grad: [...c.grad] }], TypeError, /2\.grad/],
    ['a list for sums', [a, b, { ...c, sums: [...c.sums] }], TypeError, /2\.sums/],
    ['one twice', [a, b, c, b], RangeError, /each shard once, got shard 1 twice/],
    ['one missing', [c, a], RangeError, /all 3 shards of 40 samples, got none with number 1/],
    ['another training', [a, b, await foreign.computeShard(x, y, { shard: 2 })], EquigradError, /shard 2: expected one of the training [0-9a-f]{12}…, got [0-9a-f]{12}…\. Replicas/],
    ['an earlier step', [a, b, await later.computeShard(x, y, { shard: 2 })], RangeError, /shard 2: expected one of step 1, got step 0/],
    ['another batch', [a, fewer[1], c], ShapeError, /shard 1: expected one of a batch of 40 samples, as the first, got one of 32/],
    ['a number beyond', [a, b, { ...c, shard: 3 }], RangeError, /a number below 3, got 3/],
    ['a fraction', [a, b, { ...c, shard: 1.5 }], RangeError, /2\.shard/],
    ['rows of another shard', [a, b, { ...c, rows: 15 }], ShapeError, /shard 2: expected 14 rows of 40, got 15/],
    ['a gradient too short', [a, b, { ...c, grad: c.grad.slice(1) }], ShapeError, /a gradient of \d+ numbers/],
    ['sums too many', [a, b, { ...c, sums: new Float64Array(9) }], ShapeError, /\d sums, got 9/],
    ['more rows than samples', [a, b, { ...c, rows: 41 }], RangeError, /2\.rows/],
    ['a step that is none', [a, b, { ...c, step: -1 }], RangeError, /2\.step/],
  ]
  it.each(cases)('%s', async (_, given, error, text) => {
    const got = await errorOf(() => model.applyShards(given as Shard[]))
    expect(got).toBeInstanceOf(error)
    expect(got.message).toMatch(FORM)
    expect(got.message).toMatch(text)
    expect(model.stateHash()).toBe(state)
    expect(model.step).toBe(1)
  })

  const options: readonly (readonly [string, object | undefined, RegExp])[] = [
    ['no options', undefined, /computeShard: expected an object of options/],
    ['a shard beyond', { shard: 3 }, /computeShard\.shard: expected an integer ≥ 0 < 3, got 3/],
    ['no shard', {}, /computeShard\.shard: expected .*got undefined/],
    ['a misspelt option', { shard: 0, sampleWeights: sampleWeight }, /Did you mean 'sampleWeight'/],
    ['samples too few', { shard: 0, samples: [1, 2] }, /samples: expected 40 indices, one for each sample, got 2/],
    ['samples below 0', { shard: 0, samples: y.map((_, i) => i - 1) }, /samples\[0\]: expected an integer ≥ 0/],
    ['samples of words', { shard: 0, samples: ['a'].concat(Array.from(y.slice(1), String)) }, /samples\[0\]: .*got "a"/],
    ['samples as floats', { shard: 0, samples: new Float32Array(40) }, /an Int32Array or a list/],
    ['a batch that the rows do not fit', { shard: 0, batchSize: 40 }, /the 13 rows of shard 0 of 40 samples, got 40\. Leave batchSize out/],
    ['a batch of none', { shard: 0, batchSize: 0 }, /batchSize/],
    ['weights below 0', { shard: 0, sampleWeight: sampleWeight.map((w) => -w) }, /weights ≥ 0/],
  ]
  it.each(options)('computeShard: %s', async (_, given, text) => {
    const got = await errorOf(() => model.computeShard(x, y, given as { shard: number }))
    expect(got.message).toMatch(FORM)
    expect(got.message).toMatch(text)
    expect(model.stateHash()).toBe(state)
  })

  it('after all that the right ones are taken', async () => {
    const alone = replica(3)
    await alone.trainOnBatch(x, y)
    await alone.trainOnBatch(x, y)
    await model.applyShards([c, a, b])
    expect(model.stateHash()).toBe(alone.stateHash())
    // applied, they are of an earlier step
    expect((await errorOf(() => model.applyShards([a, b, c]))).message).toMatch(/expected one of step 2, got step 1/)
  })

  it('a model that is not compiled', async () => {
    const plain = sequential([dense(1)], { input: [2] })
    expect((await errorOf(() => plain.computeShard([[1, 2]], [1], { shard: 0 }))).message).toMatch(/computeShard: expected a compiled model/)
    expect((await errorOf(() => plain.applyShards([]))).message).toMatch(/applyShards: expected a compiled model/)
  })
})

test('shards that are not finite are applied by no replica, and leave everything as it was', async () => {
  const make = () => sequential([dense(3), batchNormalization(), dense(1)], { input: [2], seed: 1 }).compile({ optimizer: adam(), loss: mse(), shards: 2 })
  const [one, other, alone] = [make(), make(), make()]
  const [good, label] = [Float32Array.of(1, 2, 3, 4, 5, 7), Float32Array.of(1, 0, 1)]
  for (const m of [one, other, alone]) await m.trainOnBatch(good, label)
  const state = one.stateHash()
  const bad = Float32Array.of(1, 2, 3, 3e38, -3e38, 3e38)
  const made = [travelled(await one.computeShard(bad, label, { shard: 0 })), travelled(await other.computeShard(bad, label, { shard: 1 }))]
  for (const m of [one, other]) {
    const error = await errorOf(() => m.applyShards(made))
    expect(error).toBeInstanceOf(NonFiniteError)
    expect(error.message).toMatch(/^applyShards, step 1: expected finite numbers, got .*\. Nothing has changed\./)
    expect([m.stateHash(), m.step]).toEqual([state, 1])
  }
  const next = [await one.computeShard(good, label, { shard: 0 }), await other.computeShard(good, label, { shard: 1 })]
  expect(await one.applyShards(next)).toEqual(await alone.trainOnBatch(good, label))
  expect(one.stateHash()).toBe(alone.stateHash())
})

describe('bytes', async () => {
  const model = replica(2)
  const shard = await model.computeShard(x, y, { shard: 1, sampleWeight })
  const bytes = encodeShard(shard)
  const refused = async (given: unknown, kind: typeof TypeError | typeof FormatError = FormatError): Promise<string> => {
    const error = await errorOf(() => decodeShard(given as Uint8Array))
    expect(error).toBeInstanceOf(kind)
    expect(error.message).toMatch(FORM)
    return error.message
  }
  const changed = (at: number, value: number): Uint8Array => { const copy = bytes.slice(); copy[at] = value; return copy }

  it('there and back, also from within a larger buffer', () => {
    expect(bytes.length).toBe(72 + shard.sums.byteLength + shard.grad.byteLength)
    expect(decodeShard(bytes)).toEqual(shard)
    const larger = Buffer.alloc(bytes.length + 9)
    larger.set(bytes, 5)
    const again = decodeShard(larger.subarray(5, 5 + bytes.length))
    larger.fill(255)
    expect(again).toEqual(shard)
    expect(encodeShard(again)).toEqual(bytes)
  })
  it('an empty shard, and one that is not finite, survive', async () => {
    const empty = await replica(7).computeShard(x.slice(0, FEATURES), y.slice(0, 1), { shard: 0 })
    expect(empty.rows).toBe(0)
    expect(travelled(empty)).toEqual(empty)
    const odd = { ...shard, grad: shard.grad.map((g, i) => [NaN, -0, Infinity, 1e-45][i] ?? g) }
    expect(travelled(odd)).toEqual(odd)
  })
  it('cut off anywhere, or too long', async () => {
    for (let length = 0; length < bytes.length; length++) await refused(bytes.slice(0, length))
    const long = new Uint8Array(bytes.length + 4)
    long.set(bytes)
    expect(await refused(long)).toMatch(/expected \d+ bytes, got \d+\. The message is damaged\./)
    expect(await refused(new Uint8Array())).toMatch(/at least 72 bytes, got 0/)
  })
  it('any byte changed', async () => {
    for (let at = 0; at < bytes.length; at++) for (const flip of [1, 0x80]) await refused(changed(at, (bytes[at] ?? 0) ^ flip))
  })
  it('another version, other bytes, no bytes', async () => {
    expect(await refused(changed(4, 2))).toMatch(/a message of version 1, got version 2\. Use the same version/)
    expect(await refused(save(model))).toMatch(/a message that encodeShard made/)
    await refused(new Uint8Array(500))
    await refused('text', TypeError)
    await refused(bytes.buffer, TypeError)
  })
  it('a header that is consistent with itself and says nonsense', async () => {
    const view = new DataView(bytes.slice().buffer)
    /** As whoever wants to may sign it. */
    const signed = (write: (v: DataView) => void): Uint8Array => {
      const v = new DataView(view.buffer.slice(0))
      write(v)
      let hash = 0x811c9dc5
      for (let at = 0; at < v.byteLength; at += 4) if (at !== 68) hash = Math.imul(hash ^ v.getUint32(at, true), 0x01000193)
      v.setUint32(68, hash, true)
      return new Uint8Array(v.buffer)
    }
    expect(decodeShard(signed(() => undefined))).toEqual(shard)
    expect(await refused(signed((v) => { v.setUint32(12, 41, true) }))).toMatch(/the header of a shard, got one that says otherwise \(decodeShard\.rows/)
    await refused(signed((v) => { v.setUint32(8, 70000, true) }))
    await refused(signed((v) => { v.setUint32(16, 0, true) }))
    for (const step of [-1, 0.5, NaN, Infinity, 2 ** 60]) await refused(signed((v) => { v.setFloat64(24, step, true) }))
    expect(await refused(signed((v) => { v.setUint32(64, 0xffffffff, true) }))).toMatch(/bytes/)
  })
  it('what is no shard has none', () => {
    expect(() => encodeShard({ ...shard, recipe: 'abc' })).toThrow(TypeError)
    expect(() => encodeShard({ ...shard, rows: 99 })).toThrow(RangeError)
    expect(() => encodeShard(bytes as unknown as Shard)).toThrow(TypeError)
  })
})

test('replicas that began apart say so by their state', async () => {
  const [one, other] = [replica(2, 2), replica(2, 2)]
  other.setWeights({ 'dense1.bias': { data: new Float32Array(9).fill(0.5), shape: [9] } })
  expect(other.recipeHash).toBe(one.recipeHash)
  expect(other.stateHash()).not.toBe(one.stateHash())
  other.setWeights(one.getWeights())
  expect(other.stateHash()).toBe(one.stateHash())
  expect(hashOf(other)).toBe(hashOf(one))
})
