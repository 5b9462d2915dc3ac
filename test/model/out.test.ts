// predict into the caller's arrays: the bits of predict without, whichever entry, form of call and memory; what does not fit is refused with nothing written.
import { describe, expect, it } from 'vitest'
import { adam, concatenate, createStore, dense, functional, input, mse, save, sequential, Tensor } from '../../src/index.js'
import { load } from '../../src/predict.js'
import { expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

const WIDTH = 6, CLASSES = 6
/** Around the capacities of programs: 1, 32 and 256 rows; 32 in equigrad/predict. */
const COUNTS = [1, 2, 31, 32, 33, 64, 255, 256, 257, 300, 513]
const untouched = -7

/** As many columns as the input has, so that results may go where the data is. */
const plain = sequential([dense(5, { activation: 'tanh' }), dense(CLASSES)], { input: [WIDTH], seed: 2 })
type Options = { readonly out?: Float32Array }
interface Predicts { predict(x: Float32Array, options?: Options): Promise<Tensor<ArrayBufferLike>>; predictSync(x: Float32Array, options?: Options): Tensor<ArrayBufferLike> }
const models: readonly [string, Predicts][] = [
  ['a model', plain],
  ['a model that trains', sequential([dense(CLASSES)], { input: [WIDTH], seed: 3 }).compile({ optimizer: adam(), loss: mse() })],
  ['equigrad/predict', load<Float32Array, Tensor<ArrayBufferLike>>(save(plain))],
]

const arrays: readonly [string, (length: number) => Float32Array][] = [
  ['memory of its own', (length) => new Float32Array(length)],
  ['the middle of a buffer', (length) => new Float32Array(new ArrayBuffer(4 * length + 24), 8, length)],
  ['shared memory', (length) => new Float32Array(new SharedArrayBuffer(4 * length))],
]

describe.each(models)('%s', (_, model) => {
  it.each(COUNTS)('gives the same bits for %i rows, at once or not', async (n) => {
    const x = randomFloats(n * WIDTH, n), want = model.predictSync(x)
    for (const [what, make] of arrays) for (const call of [(o: Options) => model.predictSync(x, o), (o: Options) => model.predict(x, o)]) {
      const out = make(n * CLASSES).fill(untouched)
      const got = await call({ out })
      expect(got).toBeInstanceOf(Tensor)
      expect(got.data).toBe(out)
      expect(got.shape).toEqual(want.shape)
      expectBits(out, want.data, what)
    }
  })

  it('writes nothing beside it', () => {
    const n = 33, all = new Float32Array(n * CLASSES + 8).fill(untouched)
    model.predictSync(randomFloats(n * WIDTH, 1), { out: all.subarray(4, 4 + n * CLASSES) })
    expect([...all.subarray(0, 4), ...all.subarray(4 + n * CLASSES)]).toEqual(new Array(8).fill(untouched))
  })

  it.each([1, 32, 33, 300, 600])('may write where the data is, %i rows', async (n) => {
    const x = randomFloats(n * WIDTH, 5), want = model.predictSync(x).data
    // all of it; results that lie behind, and before, the rows that they come from
    for (const shift of [0, WIDTH * 4, -WIDTH * 4]) {
      const bytes = new Float32Array(x.length + 8 * WIDTH)
      const [data, out] = [bytes.subarray(4 * WIDTH, 4 * WIDTH + x.length), bytes.subarray(4 * WIDTH + shift, 4 * WIDTH + shift + x.length)]
      for (const call of [(o: Options) => model.predictSync(data, o), (o: Options) => model.predict(data, o)]) {
        data.set(x)
        await call({ out })
        expectBits(out, want, `shifted by ${shift}`)
      }
    }
  })

  it.each([1, 33, 300])('refuses what does not fit %i rows, and changes nothing', async (n) => {
    const x = randomFloats(n * WIDTH, 6), length = n * CLASSES
    const refused = async (out: unknown, error: new (text: string) => Error, text: string | RegExp): Promise<void> => {
      const before = ArrayBuffer.isView(out) ? new Uint8Array(out.buffer).slice() : null
      const options = { out } as Options
      expect(() => model.predictSync(x, options)).toThrow(error)
      expect(() => model.predictSync(x, options)).toThrow(text)
      await expect(model.predict(x, options)).rejects.toThrow(text)
      if (before !== null && ArrayBuffer.isView(out)) expect(new Uint8Array(out.buffer)).toEqual(before)
    }
    for (const wrong of [0, length - 1, length + 1, 2 * length]) await refused(new Float32Array(wrong), RangeError, `predict.out: expected a Float32Array of ${length}, got Float32Array of ${wrong}`)
    for (const wrong of [new Float64Array(length), new Uint8Array(4 * length), new DataView(new ArrayBuffer(4 * length)), new ArrayBuffer(4 * length), new Array<number>(length).fill(0), null, { y: new Float32Array(length) }, 'out']) {
      await refused(wrong, TypeError, `predict.out: expected a Float32Array of ${length}, got `)
    }
    const moved = new Float32Array(length)
    structuredClone(moved, { transfer: [moved.buffer] })
    expect(() => model.predictSync(x, { out: moved })).toThrow('got Float32Array of 0')
    expect(() => model.predictSync(x, { into: new Float32Array(length) } as Options)).toThrow("predict: expected options among out, got 'into'")
    expect(() => model.predictSync(x, [] as Options)).toThrow(TypeError)
  })

  it.each([1, 20, 299])('is as it was when the data is refused, row %i of 300', async (row) => {
    for (const wrong of [NaN, Infinity, -Infinity]) {
      const x = randomFloats(300 * WIDTH, 7), out = new Float32Array(300 * CLASSES).fill(untouched)
      x[row * WIDTH + 3] = wrong
      const text = `predict: x, sample ${row}: expected finite numbers, got ${wrong}`
      expect(() => model.predictSync(x, { out })).toThrow(text)
      await expect(model.predict(x, { out })).rejects.toThrow(text)
      expect(out.every((v) => v === untouched)).toBe(true)
    }
  })

  it('takes finite numbers whose sum is not', () => {
    const x = new Float32Array(40 * WIDTH).fill(3e38)
    expect(() => model.predictSync(x, { out: new Float32Array(40 * CLASSES) })).not.toThrow()
  })
})

describe('several outputs', () => {
  const [a, b] = [input([4]), input([3])]
  const net = functional({ a, b }, { p: dense(2)(concatenate([a, b])), q: dense(5)(b) })
  const lean = load<{ a: Float32Array; b: Float32Array }, { p: Tensor; q: Tensor }>(save(net))

  it.each([1, 33, 300])('each has an array, %i rows', async (n) => {
    const x = { a: randomFloats(4 * n, 1), b: randomFloats(3 * n, 2) }, want = net.predictSync(x)
    for (const model of [net, lean]) for (const asynchronous of [false, true]) {
      const out = { p: new Float32Array(2 * n), q: new Float32Array(5 * n) }
      const got = asynchronous ? await model.predict(x, { out }) : model.predictSync(x, { out })
      expect(Object.keys(got)).toEqual(['p', 'q'])
      expect(got.p.data).toBe(out.p)
      expectBits(out.p, want.p.data)
      expectBits(got.q.data, want.q.data)
      expect(got.q.shape).toEqual([n, 5])
    }
  })

  it('one that is missing, unknown, or overlaps another is refused', () => {
    const n = 3, x = { a: randomFloats(4 * n, 1), b: randomFloats(3 * n, 2) }
    const all = new Float32Array(7 * n).fill(untouched)
    const [p, q] = [all.subarray(0, 2 * n), all.subarray(2 * n)]
    for (const model of [net, lean] as const) {
      const predict = (out: unknown) => () => Reflect.apply(model.predictSync, model, [x, { out }]) as unknown
      expect(predict({ p })).toThrow('predict.out.q: expected a Float32Array of 15, got undefined')
      expect(predict({ p, q: q.subarray(1) })).toThrow('predict.out.q: expected a Float32Array of 15, got Float32Array of 14')
      expect(predict({ p, q, r: p })).toThrow("predict.out: expected arrays for p, q, got 'r'")
      expect(predict(p)).toThrow(TypeError)
      expect(predict({ p, q: all.subarray(2 * n - 1, -1) })).toThrow('predict.out.q: expected a Float32Array of 15, got one that overlaps another')
      expect(predict({ p: all.subarray(4, 4 + 2 * n), q: all.subarray(0, 5 * n) })).toThrow('overlaps')
      expect(all.every((v) => v === untouched)).toBe(true)
      expect(predict({ p, q })).not.toThrow()
      all.fill(untouched)
    }
  })
})

it('lanes give the same bits into shared memory', async () => {
  const store = createStore({ lanes: 2 })
  const model = sequential([dense(300, { activation: 'relu' }), dense(CLASSES)], { input: [200], seed: 2, store })
  const x = randomFloats(300 * 200, 3), out = new Float32Array(new SharedArrayBuffer(4 * 300 * CLASSES))
  const want = sequential([dense(300, { activation: 'relu' }), dense(CLASSES)], { input: [200], seed: 2 }).predictSync(x).data
  expectBits((await model.predict(x, { out })).data, want)
  expectBits(out, want)
  store[Symbol.dispose]()
})
