// Scaling: what the formulas say, constant features, JSON with the same bits, what is refused.
import { describe, expect, test } from 'vitest'
import { FormatError, ShapeError } from '../../src/core/errors.js'
import { normalize, scalerFromJSON, standardize, type ScalerJSON } from '../../src/data/preprocess.js'

const rows = [[1, 10, 5, -2], [2, 30, 5, 0], [6, 20, 5, 7]]

/** f32 has 24 bits: one rounding on the way out and one back, of numbers below 32. */
const F32_ROUND_TRIP = 32 / 2 ** 23

describe('standardize', () => {
  const scaler = standardize().fit(rows)
  test('mean, variance of the population; a constant feature becomes 0', () => {
    expect([...scaler.mean]).toEqual([3, 20, 5, 5 / 3])
    expect([...scaler.variance].slice(0, 3)).toEqual([14 / 3, 200 / 3, 0])
    const { data, shape } = scaler.transform(rows)
    expect(shape).toEqual([3, 4])
    expect([data[0], data[1], data[2]]).toEqual([Math.fround(-2 / Math.sqrt(14 / 3)), Math.fround(-10 / Math.sqrt(200 / 3)), 0])
  })

  test('a constant that has no exact sum is still constant', () => {
    const constant = standardize().fit(new Float64Array(1000).fill(0.1), { features: 1 })
    expect([constant.mean[0], constant.variance[0]]).toEqual([0.1, 0])
    expect(constant.transform(Float64Array.of(0.1, 1.1))).toEqual(Float32Array.of(0, 1))
  })

  test('one feature for all, and the form of the data is kept', () => {
    const images = { data: Uint8Array.of(0, 255, 0, 255, 0, 255, 0, 255), shape: [2, 2, 2] }
    const all = standardize().fit(images, { features: 1 })
    expect(all.transform(images)).toEqual({ data: Float32Array.of(-1, 1, -1, 1, -1, 1, -1, 1), shape: [2, 2, 2] })
    expect(all.transform(images.data)).toEqual(Float32Array.of(-1, 1, -1, 1, -1, 1, -1, 1))
    expect(standardize().fit(images).features).toBe(2)
  })
})

describe('normalize', () => {
  test('min and max become the range; a constant feature becomes its low end', () => {
    const scaler = normalize().fit(rows)
    expect([...scaler.min]).toEqual([1, 10, 5, -2])
    expect([...scaler.max]).toEqual([6, 30, 5, 7])
    expect([...scaler.transform(rows).data]).toEqual([0, 0, 0, 0, Math.fround(0.2), 1, 0, Math.fround(2 / 9), 1, 0.5, 0, 1])
    expect([...normalize({ range: [-1, 1] }).fit(rows).transform([[1, 20, 5, 7]]).data]).toEqual([-1, 0, -1, 1])
  })
})

describe.each([['standardize', standardize()], ['normalize', normalize({ range: [-1, 3] })]])('%s', (_, unfitted) => {
  const scaler = unfitted.fit(rows)
  test('inverse undoes transform', () => {
    scaler.inverse(scaler.transform(rows)).data.forEach((v, k) => { expect(Math.abs(v - (rows.flat()[k] ?? 0))).toBeLessThanOrEqual(F32_ROUND_TRIP) })
  })

  test('through JSON it scales with the same bits', () => {
    const odd = unfitted.fit([[0.1, -0], [1 / 3, 5e-324], [1e10, -1e-20]])
    const again = scalerFromJSON(JSON.parse(JSON.stringify(odd)))
    const probe = [[0.7, -0], [12345.678, 1e-20]]
    expect(again.kind).toBe(odd.kind)
    expect(again.transform(probe)).toEqual(odd.transform(probe))
    expect(again.toJSON()).toEqual(odd.toJSON())
  })

  test('what is refused', () => {
    expect(() => unfitted.fit([])).toThrow(ShapeError)
    expect(() => unfitted.fit({ data: new Float32Array(0), shape: [0, 3] })).toThrow(RangeError)
    expect(() => unfitted.fit([[1, NaN]])).toThrow(/finite numbers, got NaN at element 1/)
    expect(() => unfitted.fit([[1, Infinity]])).toThrow(RangeError)
    expect(() => unfitted.fit([[-1.7e308], [1.7e308]])).toThrow(RangeError)
    expect(() => unfitted.fit([[1, 2], [3]])).toThrow(ShapeError)
    expect(() => unfitted.fit(Float32Array.of(1, 2, 3))).toThrow(/features/)
    expect(() => unfitted.fit(Float32Array.of(1, 2, 3), { features: 2 })).toThrow(ShapeError)
    expect(() => unfitted.fit({ data: Float32Array.of(1, 2, 3), shape: [2, 2] })).toThrow(ShapeError)
    expect(() => scaler.transform([[1, 2, 3]])).toThrow(ShapeError)
    // @ts-expect-error a misspelt option
    expect(() => unfitted.fit(rows, { feature: 2 })).toThrow(/Did you mean 'features'/)
    // @ts-expect-error not numbers
    expect(() => unfitted.fit([['a']])).toThrow(TypeError)
    // @ts-expect-error not a table
    expect(() => unfitted.fit(3)).toThrow(TypeError)
  })
})

test('a range is low < high', () => {
  expect(() => normalize({ range: [1, 1] })).toThrow(RangeError)
  expect(() => normalize({ range: [0, NaN] })).toThrow(RangeError)
  // @ts-expect-error a misspelt option
  expect(() => normalize({ rang: [0, 1] })).toThrow(/Did you mean 'range'/)
})

test('JSON that no scaler wrote', () => {
  const good: ScalerJSON = { kind: 'standardize', mean: [0], variance: [1] }
  expect(scalerFromJSON(good).features).toBe(1)
  const wrong: unknown[] = [
    null, 'standardize', {}, { ...good, kind: 'other' }, { ...good, mean: [] }, { ...good, mean: ['0'] }, { ...good, mean: [0, 1] }, { ...good, variance: [-1] },
    { ...good, variance: [Infinity] }, { kind: 'standardize', mean: [0] },
    { kind: 'normalize', min: [1], max: [0], range: [0, 1] }, { kind: 'normalize', min: [0], max: [1], range: [1, 0] }, { kind: 'normalize', min: [0], max: [1], range: [1] },
    { kind: 'normalize', min: [-1.7e308], max: [1.7e308], range: [0, 1] },
  ]
  for (const json of wrong) expect(() => scalerFromJSON(json), JSON.stringify(json)).toThrow(FormatError)
})
