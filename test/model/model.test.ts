// Models that predict: forms of data, copies, weights in and out, names and keys, the summary, tensors.
import { describe, expect, it } from 'vitest'
import {
  activation, BusyError, createStore, dense, dropout, EquigradError, flatten, input, layer, leakyRelu, reshape, sequential, Tensor, type Value,
} from '../../src/index.js'
import { add } from '../../src/compiler/ops/binary.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats, ulpError } from '../support/numbers.js'
import { errorOf, hashOf, weight } from '../train/support.js'

const WIDTH = 6
const make = (seed = 1) => sequential([dense(5, { activation: 'tanh' }), dense(3)], { input: [WIDTH], seed })
const whole = Uint8Array.from({ length: 300 * WIDTH }, (_, i) => (i * 37) % 50)

describe('predict', () => {
  const model = make()
  const nested = (n: number): number[][] => Array.from({ length: n }, (_, i) => [...whole.slice(i * WIDTH, (i + 1) * WIDTH)])

  it.each([1, 2, 31, 32, 33, 255, 256, 257, 300])('gives the same bits for %i rows in every form, at once or not', async (n) => {
    const part = whole.slice(0, n * WIDTH)
    const want = (await model.predict(Float32Array.from(part))).data
    expect(want.length).toBe(n * 3)
    for (const data of [part, Int32Array.from(part), Float64Array.from(part), nested(n), { data: part, shape: [n, WIDTH] }, { data: Float64Array.from(part), shape: [n, 2, 3] }]) {
      expectBits((await model.predict(data)).data, want)
      expectBits(model.predictSync(data).data, want)
    }
  })

  it('of a row is the same alone and among others', async () => {
    const all = (await model.predict(whole)).data
    for (const i of [0, 1, 31, 32, 255, 256, 299]) expectBits((await model.predict(whole.subarray(i * WIDTH, (i + 1) * WIDTH))).data, all.subarray(i * 3, i * 3 + 3), `row ${i}`)
    for (const n of [7, 40, 299]) expectBits((await model.predict(whole.subarray(0, n * WIDTH))).data, all.subarray(0, n * 3))
  })

  it('reads a view where it is, and not beyond', async () => {
    const buffer = new ArrayBuffer(4 * (WIDTH + 3))
    const view = new Float32Array(buffer, 8, WIDTH)
    view.set([1, 2, 3, 4, 5, 6])
    expectBits((await model.predict(view)).data, (await model.predict(Float32Array.of(1, 2, 3, 4, 5, 6))).data)
    const bytes = new Uint8Array(buffer, 3, WIDTH)
    expectBits((await model.predict(bytes)).data, (await model.predict(Float32Array.from(bytes))).data)
  })

  it('is the formula', async () => {
    const x = randomFloats(10 * WIDTH, 2)
    const [w1, b1, w2, b2] = ['dense1.kernel', 'dense1.bias', 'dense2.kernel', 'dense2.bias'].map((key) => weight(model, key)) as [Float32Array, Float32Array, Float32Array, Float32Array]
    const got = (await model.predict(x)).data
    for (let s = 0; s < 10; s++) {
      const h = Array.from({ length: 5 }, (_, j) => Math.tanh(Array.from({ length: WIDTH }, (_, i) => at(x, s * WIDTH + i) * at(w1, i * 5 + j)).reduce((a, b) => a + b, at(b1, j))))
      for (let o = 0; o < 3; o++) {
        const want = h.reduce((a, v, j) => a + v * at(w2, j * 3 + o), at(b2, o))
        // 16 roundings of terms whose sum of magnitudes is below 8
        expect(Math.abs(at(got, s * 3 + o) - want)).toBeLessThan(16 * 2 ** -24 * 8)
      }
    }
  })

  it('reads an input as it says', async () => {
    const scaled = sequential([dense(1, { kernelInitializer: 'ones' })], { input: { shape: [2], dtype: 'u8', scale: 0.5, offset: -1 } })
    expect([...(await scaled.predict(Uint8Array.of(4, 10, 0, 255))).data]).toEqual([1 + 4, -1 + 126.5])
    // a value made by input() says the same
    const same = sequential([dense(1, { kernelInitializer: 'ones' })], { input: input([2], { dtype: 'u8', scale: 0.5, offset: -1 }) })
    expect([...(await same.predict([[4, 10]])).data]).toEqual([5])
  })

  it('does not mind what it was given changing afterwards', async () => {
    const x = randomFloats(5000 * WIDTH, 3)
    const want = (await model.predict(x.slice(0, WIDTH))).data
    const result = await model.predict(x)
    x.fill(NaN)
    expectBits(result.data.subarray(0, 3), want)
    const given = Float32Array.of(1, 2, 3, 4, 5, 6)
    await model.predict(given)
    expectBits(given, Float32Array.of(1, 2, 3, 4, 5, 6))
  })
})

describe('activations', () => {
  const x = Float32Array.of(-3, -1, -0.5, -0, 0, 0.5, 1, 3)
  const run = (f: Parameters<typeof activation>[0]): Float32Array => sequential([activation(f)], { input: [8] }).predictSync(x).data
  /** the largest error that test/kernels/math.test.ts states for any of them, in ulps */
  const ULPS = 4

  it.each([
    ['linear', 'linear', (v: number) => v], ['relu', 'relu', (v: number) => Math.max(v, 0)], ['leakyRelu', 'leakyRelu', (v: number) => (v > 0 ? v : 0.2 * v)],
    ['leakyRelu(0.01)', leakyRelu(0.01), (v: number) => (v > 0 ? v : 0.01 * v)], ['elu', 'elu', (v: number) => (v > 0 ? v : Math.expm1(v))],
    ['sigmoid', 'sigmoid', (v: number) => 1 / (1 + Math.exp(-v))], ['tanh', 'tanh', (v: number) => Math.tanh(v)],
  ] as const)('%s', (_, f, formula) => {
    run(f).forEach((y, i) => { expect(ulpError(y, formula(at(x, i)))).toBeLessThanOrEqual(ULPS) })
  })

  it('softmax sums to 1, row by row', () => {
    const e = Array.from(x, Math.exp)
    const s = e.reduce((a, b) => a + b)
    run('softmax').forEach((y, i) => { expect(ulpError(y, at(e, i) / s)).toBeLessThanOrEqual(8) })
  })

  it('in dense and as a layer are the same', () => {
    const data = randomFloats(40 * WIDTH, 4, -3, 3)
    for (const f of ['relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh', 'softmax'] as const) {
      const inside = sequential([dense(7, { activation: f })], { input: [WIDTH] })
      const apart = sequential([dense(7), activation(f)], { input: [WIDTH] })
      expectBits(apart.predictSync(data).data, inside.predictSync(data).data, f)
    }
  })
})

describe('weights', () => {
  it('go out and in again, and are copies', () => {
    const a = make(1)
    const b = make(2)
    const weights = a.getWeights()
    expect(Object.entries(weights).map(([key, { shape }]) => [key, shape])).toEqual([['dense1.kernel', [6, 5]], ['dense1.bias', [5]], ['dense2.kernel', [5, 3]], ['dense2.bias', [3]]])
    expect(hashOf(a)).not.toBe(hashOf(b))
    b.setWeights(weights)
    expect(hashOf(b)).toBe(hashOf(a))
    expectBits(b.predictSync(whole).data, a.predictSync(whole).data)
    const hash = hashOf(a)
    for (const { data } of Object.values(weights)) data.fill(7)
    expect(hashOf(a)).toBe(hash)
    expect(hashOf(b)).toBe(hash)
  })

  it('are set one by one, and predictions follow', async () => {
    const model = make()
    const before = await model.predict(whole)
    model.setWeights({ 'dense2.bias': { data: Float32Array.of(10, 20, 30), shape: [3] } })
    const after = await model.predict(whole)
    expect(after.data).not.toEqual(before.data)
    model.setWeights({ 'dense2.kernel': { data: new Float32Array(15), shape: [5, 3] } })
    expect([...(await model.predict(whole)).data.slice(0, 6)]).toEqual([10, 20, 30, 10, 20, 30])
    model.setWeights({})
    expect([...model.predictSync(whole).data.slice(0, 3)]).toEqual([10, 20, 30])
  })

  it('keep −0 and denormals', () => {
    const model = sequential([dense(3)], { input: [1] })
    model.setWeights({ 'dense1.bias': { data: Float32Array.of(-0, 2 ** -149, -3e38), shape: [3] } })
    expectBits(weight(model, 'dense1.bias'), Float32Array.of(-0, 2 ** -149, -3e38))
  })
})

describe('names', () => {
  it('are kind and place, or given; keys follow them', () => {
    const model = sequential([dense(4), activation('relu'), dropout(0.5), dense(4, { name: 'mine' }), dense(2), dropout(0.1)], { input: [3], name: 'net' })
    expect(Object.keys(model.getWeights())).toEqual(['net/dense1.kernel', 'net/dense1.bias', 'net/mine.kernel', 'net/mine.bias', 'net/dense2.kernel', 'net/dense2.bias'])
    expect(model.summary()).toMatch(/activation1[\s\S]*dropout1[\s\S]*mine[\s\S]*dense2/)
  })

  it('a layer used twice has one weight', () => {
    const shared = dense(3, { name: 'shared' })
    const model = sequential([shared, shared], { input: [3] })
    expect(Object.keys(model.getWeights())).toEqual(['shared.kernel', 'shared.bias'])
    const apart = sequential([dense(3, { name: 'shared' }), dense(3, { name: 'again' })], { input: [3] })
    const { 'shared.kernel': kernel, 'shared.bias': bias } = model.getWeights()
    if (kernel === undefined || bias === undefined) throw new Error('weights')
    apart.setWeights({ 'shared.kernel': kernel, 'shared.bias': bias, 'again.kernel': kernel, 'again.bias': bias })
    const x = randomFloats(30, 5)
    expectBits(model.predictSync(x).data, apart.predictSync(x).data)
  })

  it('of layers within a layer of one\'s own', () => {
    const block = (name: string) => {
      const inner = dense(4)
      return layer('block', { name }, (x: Value) => add(inner(x), x))
    }
    const model = sequential([block('a'), block('b')], { input: [4] })
    expect(Object.keys(model.getWeights())).toEqual(['a/dense1.kernel', 'a/dense1.bias', 'b/dense1.kernel', 'b/dense1.bias'].map((key) => key.replace('b/dense1', 'b/dense2')))
  })

  it('the hash tells what is computed, not what it is called', () => {
    const hash = sequential([dense(4, { name: 'a' })], { input: [3] }).hash
    expect(sequential([dense(4, { name: 'b' })], { input: [3], name: 'other' }).hash).toBe(hash)
    expect(sequential([dense(5, { name: 'a' })], { input: [3] }).hash).not.toBe(hash)
    expect(sequential([dense(4, { name: 'a', activation: 'relu' })], { input: [3] }).hash).not.toBe(hash)
    expect(sequential([dense(4, { name: 'a' })], { input: { shape: [3], scale: 2 } }).hash).not.toBe(hash)
    expect(hash).toMatch(/^[0-9a-f]{64}$/)
  })
})

describe('shapes', () => {
  it('flatten and reshape keep the order', async () => {
    const model = sequential([reshape([2, 3]), flatten(), reshape([3, 2])], { input: [6] })
    const p = await model.predict(Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12))
    expect(p.shape).toEqual([2, 3, 2])
    expect([...p.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
  })

  it('dense works over the last dimension', async () => {
    const model = sequential([dense(2)], { input: [3, 4] })
    const flat = sequential([dense(2)], { input: [4] })
    const x = randomFloats(5 * 12, 6)
    const p = await model.predict(x)
    expect(p.shape).toEqual([5, 3, 2])
    expectBits(p.data, (await flat.predict(x)).data)
    const nested = Array.from({ length: 5 }, (_, s) => Array.from({ length: 3 }, (_, i) => [...x.slice(s * 12 + i * 4, s * 12 + i * 4 + 4)]))
    expectBits((await model.predict(nested)).data, p.data)
  })
})

describe('a tensor', () => {
  const t = new Tensor(Float32Array.of(0.1, 0.7, 0.2, 5, 5, -1, -3, -2, -1), [3, 3])

  it('argMax takes the first largest of each row', () => {
    expect(t.argMax()).toEqual(Int32Array.of(1, 0, 2))
    expect(new Tensor(Float32Array.of(-1, -2), [2, 1]).argMax()).toEqual(Int32Array.of(0, 0))
    expect(new Tensor(Float32Array.of(1, 2, 4, 3, 6, 5, 7, 8), [2, 2, 2]).argMax()).toEqual(Int32Array.of(1, 0, 0, 1))
  })

  it('topK gives indices and values, equal ones in order', () => {
    expect(t.topK(2)).toEqual({ indices: Int32Array.of(1, 2, 0, 1, 2, 1), values: Float32Array.of(0.7, 0.2, 5, 5, -1, -2) })
    expect(t.topK(3).indices).toEqual(Int32Array.of(1, 2, 0, 0, 1, 2, 2, 1, 0))
    expect(t.topK(1).indices).toEqual(t.argMax())
    for (const k of [0, 4, 1.5, NaN]) expect(() => t.topK(k)).toThrow(RangeError)
    expect([...t.data.slice(0, 3)]).toEqual([...Float32Array.of(0.1, 0.7, 0.2)])
  })
})

describe('summary', () => {
  it('is a table of layers, shapes and weights', () => {
    const model = sequential([dense(64, { activation: 'relu' }), dropout(0.1), dense(10, { activation: 'softmax', name: 'head' })], { input: [784] })
    expect(model.summary().split('\n').map((line) => line.trimEnd())).toEqual([
      'layer      output    weights',
      '────────────────────────────',
      'x (input)  [n, 784]',
      'dense1     [n, 64]    50,240',
      'dropout1   [n, 64]         0',
      'head       [n, 10]       650',
      '────────────────────────────',
      '50,890 weights, 203,560 bytes',
    ])
  })

  it('counts a shared layer once, under its name', () => {
    const shared = dense(3, { name: 'shared' })
    expect(sequential([shared, shared], { input: [3], name: 'm' }).summary()).toMatch(/^shared +\[n, 3\] +12$[\s\S]*^12 weights, 48 bytes$/m)
  })
})

describe('a program', () => {
  it('prints and hashes stably, and differs by capacity', () => {
    const [a, b] = [make(1).program('predict'), make(2).program('predict')]
    expect(a.text).toBe(b.text)
    expect(a.hash).toBe(b.hash)
    expect(String(a)).toBe(a.text)
    expect(make().program('predict', { capacity: 7 }).hash).not.toBe(a.hash)
    expect(() => make().program('predict', { capacity: 0 })).toThrow(RangeError)
    // @ts-expect-error a misspelt option
    expect(() => make().program('predict', { capacty: 5 })).toThrow(/Did you mean 'capacity'\?$/)
  })
})

describe('a store', () => {
  it('holds models of different names side by side', async () => {
    const store = createStore()
    const models = Array.from({ length: 10 }, (_, i) => sequential([dense(20 + i), dense(2)], { input: [WIDTH], store, name: `m${i}` }))
    const apart = Array.from({ length: 10 }, (_, i) => sequential([dense(20 + i), dense(2)], { input: [WIDTH], name: `m${i}` }))
    for (const round of [0, 1]) {
      for (const [i, model] of models.entries()) {
        const twin = apart[i]
        if (twin === undefined) throw new Error('a twin')
        expectBits((await model.predict(whole.subarray(round * WIDTH))).data, (await twin.predict(whole.subarray(round * WIDTH))).data)
      }
    }
  })

  it('is asked for what it has not', async () => {
    const error = await errorOf(() => createStore().param('nothing'))
    expect(error).toBeInstanceOf(EquigradError)
    expect(error).not.toBeInstanceOf(BusyError)
  })
})
