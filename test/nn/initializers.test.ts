// First values of weights: their formulas, their spread, and that they depend on seed and key alone.
import { describe, expect, it } from 'vitest'
import { constantInitializer, createStore, dense, dropout, gru, lstm, normal, orthogonal, sequential, truncatedNormal, uniform, type Initializer, type Layer } from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'

const IN = 300
const OUT = 200
const N = IN * OUT
const kernelOf = (kernelInitializer: Initializer | undefined, seed = 1): Float32Array => {
  const model = sequential([dense(OUT, kernelInitializer === undefined ? {} : { kernelInitializer })], { input: [IN], seed })
  return model.getWeights()['dense1.kernel']?.data ?? new Float32Array()
}
const moments = (x: Float32Array): { readonly mean: number; readonly variance: number; readonly low: number; readonly high: number } => {
  const mean = x.reduce((a, b) => a + b, 0) / x.length
  return { mean, variance: x.reduce((a, b) => a + (b - mean) ** 2, 0) / x.length, low: x.reduce((a, b) => Math.min(a, b)), high: x.reduce((a, b) => Math.max(a, b)) }
}
/** A mean of N draws lies within 5 of its standard deviations, a variance (kurtosis at most 3) within 5 of √(2 / N) of itself: 1 in 2 million fails. */
const SIGMAS = 5
const expectMoments = (x: Float32Array, mean: number, variance: number): void => {
  const got = moments(x)
  expect(Math.abs(got.mean - mean)).toBeLessThan(SIGMAS * Math.sqrt(variance / N))
  expect(Math.abs(got.variance - variance)).toBeLessThan(SIGMAS * Math.sqrt(2 / N) * variance)
}

const uniforms: readonly (readonly [string, Initializer | undefined, number])[] = [
  ['glorotUniform', 'glorotUniform', Math.sqrt(6 / (IN + OUT))], ['the default', undefined, Math.sqrt(6 / (IN + OUT))], ['heUniform', 'heUniform', Math.sqrt(6 / IN)],
  ['uniform()', uniform(), 0.05], ['uniform(-2, 2)', uniform(-2, 2), 2],
]
it.each(uniforms)('%s is uniform within its limit', (_, init, limit) => {
  const x = kernelOf(init)
  const { low, high } = moments(x)
  // f32(limit) may be reached by rounding; the largest of N draws misses the end by more than 20 / N of the range once in e²⁰
  const top = Math.fround(limit)
  expect(low).toBeGreaterThanOrEqual(-top)
  expect(high).toBeLessThanOrEqual(top)
  expect(low).toBeLessThan(-limit * (1 - 40 / N))
  expect(high).toBeGreaterThan(limit * (1 - 40 / N))
  expectMoments(x, 0, limit ** 2 / 3)
  // flat: each tenth of the range has its share
  const counts = new Array<number>(10).fill(0)
  for (const v of x) { const k = Math.min(9, Math.floor(((v + limit) / (2 * limit)) * 10)); counts[k] = at(counts, k) + 1 }
  for (const c of counts) expect(Math.abs(c - N / 10)).toBeLessThan(SIGMAS * Math.sqrt(N * 0.09))
})

const truncated: readonly (readonly [string, Initializer, number])[] = [
  ['glorotNormal', 'glorotNormal', Math.sqrt(2 / (IN + OUT))], ['heNormal', 'heNormal', Math.sqrt(2 / IN)],
]
/** standard deviation of a normal variable kept within two of its deviations */
const TRUNCATED = 0.87962566103423978
it.each(truncated)('%s has the wanted variance after truncation', (_, init, deviation) => {
  const x = kernelOf(init)
  expectMoments(x, 0, deviation ** 2)
  const limit = Math.fround(2 * deviation / TRUNCATED)
  const { low, high } = moments(x)
  // the product of the drawn value and the deviation is rounded once
  expect(Math.max(-low, high)).toBeLessThanOrEqual(limit * (1 + 2 ** -23))
  expect(Math.max(-low, high)).toBeGreaterThan(limit * 0.99)
})

it('truncatedNormal is drawn within two deviations of its mean', () => {
  const x = kernelOf(truncatedNormal(1, 0.5))
  const { low, high } = moments(x)
  expect(low).toBeGreaterThanOrEqual(0)
  expect(high).toBeLessThanOrEqual(2)
  expectMoments(x, 1, (0.5 * TRUNCATED) ** 2)
  expectMoments(kernelOf(truncatedNormal()), 0, (0.05 * TRUNCATED) ** 2)
})

it('normal is not cut', () => {
  const x = kernelOf(normal(-1, 0.25))
  expectMoments(x, -1, 0.25 ** 2)
  const beyond = x.filter((v) => Math.abs(v + 1) > 0.5).length / N
  expect(Math.abs(beyond - 0.0455)).toBeLessThan(SIGMAS * Math.sqrt(0.0455 / N))
  expectMoments(kernelOf(normal()), 0, 0.05 ** 2)
})

it('constants', () => {
  expectBits(kernelOf('zeros'), new Float32Array(N))
  expectBits(kernelOf('ones'), new Float32Array(N).fill(1))
  expectBits(kernelOf(constantInitializer(0.1)), new Float32Array(N).fill(Math.fround(0.1)))
  expectBits(kernelOf(uniform(3, 3)), new Float32Array(N).fill(3))
  expectBits(kernelOf(normal(2, 0)), new Float32Array(N).fill(2))
  const bias = sequential([dense(4), dense(4, { biasInitializer: 'ones' })], { input: [4] }).getWeights()
  expectBits(bias['dense1.bias']?.data ?? [], new Float32Array(4))
  expectBits(bias['dense2.bias']?.data ?? [], new Float32Array(4).fill(1))
})

describe('the stream of a weight', () => {
  const weights = (model: { getWeights(): Record<string, { readonly data: Float32Array }> }, key: string): Float32Array => model.getWeights()[key]?.data ?? new Float32Array()

  it('is a function of seed and key', () => {
    expectBits(kernelOf(undefined, 7), kernelOf(undefined, 7))
    expect(kernelOf(undefined, 7)).not.toEqual(kernelOf(undefined, 8))
    const two = sequential([dense(IN), dense(IN)], { input: [IN] })
    expect(weights(two, 'dense1.kernel')).not.toEqual(weights(two, 'dense2.kernel'))
    // seeds up to 2⁵³ − 1 are told apart
    expect(kernelOf(undefined, 2 ** 53 - 1)).not.toEqual(kernelOf(undefined, 2 ** 53 - 2))
  })

  it('does not depend on what was built before, in this store or elsewhere', () => {
    const alone = kernelOf(undefined)
    for (let i = 0; i < 5; i++) sequential([dense(i + 1)], { input: [3], seed: i }).getWeights()
    expectBits(kernelOf(undefined), alone)
    const store = createStore()
    const other = sequential([dense(50)], { input: [IN], name: 'other', store })
    other.getWeights()
    const named = (shared: boolean) => weights(sequential([dense(OUT)], { input: [IN], name: 'm', ...(shared ? { store } : {}) }), 'm/dense1.kernel')
    const apart = named(false)
    expectBits(named(true), apart)
  })

  it('does not depend on layers around it that have no weights, nor on their number', () => {
    const a = sequential([dense(8, { name: 'first' }), dense(4, { name: 'second' })], { input: [5] })
    const b = sequential([dropout(0.5), dense(8, { name: 'first', activation: 'relu' }), dropout(0.1), dense(4, { name: 'second' }), dense(9)], { input: [5] })
    for (const key of ['first.kernel', 'second.kernel']) expectBits(weights(b, key), weights(a, key))
  })

  it('does not depend on when a model first needs its weights', async () => {
    const a = sequential([dense(8)], { input: [5] })
    const b = sequential([dense(8)], { input: [5] })
    await b.predict(new Float32Array(5))
    expectBits(weights(b, 'dense1.kernel'), weights(a, 'dense1.kernel'))
  })

  it('gives longer weights the same beginning as a prefix of draws: element i is counted by i', () => {
    const wide = kernelOf(uniform(0, 1))
    const narrow = weights(sequential([dense(OUT, { kernelInitializer: uniform(0, 1) })], { input: [7], seed: 1 }), 'dense1.kernel')
    expectBits(narrow, wide.subarray(0, 7 * OUT))
  })
})

describe('refused', () => {
  it('wrong words and numbers', () => {
    // @ts-expect-error a misspelt word
    expect(() => dense(3, { kernelInitializer: 'glorotUnifrom' })).toThrow(/^dense\.kernelInitializer: expected one of .*, got "glorotUnifrom"\. Did you mean 'glorotUniform'\?$/)
    // @ts-expect-error a number
    expect(() => dense(3, { kernelInitializer: 5 })).toThrow(TypeError)
    expect(() => uniform(1, 0)).toThrow(RangeError)
    expect(() => uniform(NaN, 1)).toThrow(RangeError)
    expect(() => normal(0, -1)).toThrow(RangeError)
    expect(() => truncatedNormal(Infinity, 1)).toThrow(RangeError)
    expect(() => constantInitializer(NaN)).toThrow(RangeError)
  })
})

describe('orthogonal', () => {
  const kernel = (inputs: number, units: number, init: Initializer): { readonly data: Float32Array; readonly rows: number; readonly columns: number } => {
    const data = sequential([dense(units, { kernelInitializer: init })], { input: [inputs], seed: 2 }).getWeights()['dense1.kernel']?.data ?? new Float32Array()
    return { data, rows: inputs, columns: units }
  }
  it.each([[1, 1], [1, 5], [5, 1], [3, 7], [7, 3], [8, 8], [32, 128], [65, 33]])('%i × %i: the shorter side is orthonormal, times the gain', (inputs, units) => {
    for (const [init, gain] of [['orthogonal', 1], [orthogonal(), 1], [orthogonal(-2.5), -2.5]] as const) {
      const { data, rows, columns } = kernel(inputs, units, init)
      const lines = Math.min(rows, columns), width = Math.max(rows, columns)
      const element = (line: number, i: number): number => at(data, rows <= columns ? line * columns + i : i * columns + line)
      for (let a = 0; a < lines; a++) {
        for (let b = 0; b <= a; b++) {
          let dot = 0
          for (let i = 0; i < width; i++) dot += element(a, i) * element(b, i)
          // elements are rounded to f32 once, 2⁻²⁴ of themselves: by Cauchy-Schwarz at most twice that of gain² in a product of two lines
          expect(Math.abs(dot - (a === b ? gain ** 2 : 0))).toBeLessThan(3 * 2 ** -24 * gain ** 2)
        }
      }
    }
  })
  it('is uniform among orthogonal matrices: no sign is preferred, no axis either', () => {
    const { data } = kernel(64, 64, 'orthogonal')
    const { mean, variance } = moments(data)
    expect(Math.abs(mean)).toBeLessThan(5 / Math.sqrt(64) / 64)
    expect(variance).toBeCloseTo(1 / 64, 4)
    // the diagonal, whose sign a QR decomposition without correction would fix
    const diagonal = Array.from({ length: 64 }, (_, i) => at(data, i * 65)).filter((v) => v > 0).length
    expect(Math.abs(diagonal - 32)).toBeLessThan(5 * 4)
  })
  it('is the recurrent layers\' default, and does not depend on other weights', () => {
    const of = (layers: readonly Layer[]): Float32Array => sequential(layers, { input: [4, 3], seed: 9 }).getWeights()['mine.recurrentKernel']?.data ?? new Float32Array()
    const alone = of([lstm(8, { name: 'mine' })])
    expectBits(alone, of([gru(3, { returnSequences: true, name: 'other' }), lstm(8, { name: 'mine' })]))
    expect(Math.hypot(...alone.subarray(0, 32))).toBeCloseTo(1, 6)
  })
})
