// Splits, permutations and one-hot rows.
import { describe, expect, test } from 'vitest'
import { ShapeError } from '../../src/core/errors.js'
import { oneHot, shuffled, split } from '../../src/data/split.js'

const ascending = (n: number): Int32Array => new Int32Array(n).map((_, i) => i)
const sorted = (...parts: ArrayLike<number>[]): number[] => parts.flatMap((p) => Array.from(p)).sort((a, b) => a - b)

describe('split', () => {
  test('rows stay with their labels, every sample is in one part, the same seed gives the same parts', () => {
    const x = Float32Array.from(ascending(200), (k) => k)
    const y = ascending(100)
    const parts = split(x, y, { test: 0.2, validation: 15, seed: 3 })
    expect([parts.train.y.length, parts.validation.y.length, parts.test.y.length]).toEqual([65, 15, 20])
    expect(sorted(parts.train.y, parts.validation.y, parts.test.y)).toEqual(Array.from(y))
    for (const { x: rows, y: labels } of [parts.train, parts.validation, parts.test]) {
      expect(rows).toBeInstanceOf(Float32Array)
      labels.forEach((label, i) => { expect([rows[2 * i], rows[2 * i + 1]]).toEqual([2 * label, 2 * label + 1]) })
    }
    expect(split(x, y, { test: 0.2, validation: 15, seed: 3 })).toEqual(parts)
    expect(split(x, y, { test: 0.2, validation: 15, seed: 4 })).not.toEqual(parts)
    expect([...parts.train.y]).not.toEqual(sorted(parts.train.y))
  })

  test('without shuffling the test set is the end and the validation set before it', () => {
    const { train, validation, test: last } = split(ascending(10), ascending(10), { test: 3, validation: 0.2, shuffle: false })
    expect([...train.y]).toEqual([0, 1, 2, 3, 4])
    expect([...validation.y]).toEqual([5, 6])
    expect([...last.x]).toEqual([7, 8, 9])
  })

  test('stratified: every label has its share, totals are exact', () => {
    const y = Uint8Array.from({ length: 103 }, (_, i) => (i < 60 ? 7 : i < 90 ? 2 : 9))
    const { train, validation, test: last } = split(ascending(103), y, { test: 0.2, validation: 0.1, stratify: true })
    const counts = (labels: Uint8Array): number[] => [7, 2, 9].map((c) => labels.filter((l) => l === c).length)
    expect([train.y.length, validation.y.length, last.y.length]).toEqual([72, 10, 21])
    expect(counts(last.y)).toEqual([12, 6, 3])
    expect(counts(validation.y)).toEqual([6, 3, 1])
    expect(sorted(train.x, validation.x, last.x)).toEqual(Array.from(ascending(103)))
  })

  test('shaped data, rows and strings; parts are copies', () => {
    const x = { data: Uint8Array.from({ length: 40 }, (_, k) => k), shape: [10, 2, 2] }
    const { train, test: last } = split(x, ['a', 'b', 'a', 'b', 'a', 'b', 'a', 'b', 'a', 'b'], { test: 4, stratify: true, shuffle: false })
    expect(train.x.shape).toEqual([6, 2, 2])
    expect([...last.x.data].slice(0, 4)).toEqual([24, 25, 26, 27])
    expect(last.y).toEqual(['a', 'b', 'a', 'b'])
    const rows = [[1, 2], [3, 4], [5, 6]]
    const parts = split(rows, [0, 1, 2], { test: 1, shuffle: false })
    expect(parts.test).toEqual({ x: [[5, 6]], y: [2] })
    rows[2]?.fill(0)
    expect(parts.test.x).toEqual([[5, 6]])
    const flat = split(ascending(12), ascending(24), { samples: 6, test: 1, shuffle: false })
    expect([...flat.test.x, ...flat.test.y]).toEqual([10, 11, 20, 21, 22, 23])
  })

  test("Node's Buffer, whose slice is a view, is copied", () => {
    const x = Buffer.from([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
    const { train, test: last } = split(x, [x, x, x, x, x, x, x, x, x, x], { seed: 1 })
    expect([...x]).toEqual(Array.from(ascending(10)))
    x.fill(77)
    expect([...train.x, ...last.x]).not.toContain(77)
    expect(last.y[0]).not.toContain(77)
  })

  test('what is refused', () => {
    const x = ascending(10)
    expect(() => split(x, x, { test: 0.5, validation: 0.5 })).toThrow(RangeError)
    expect(() => split(x, x, { test: -0.1 })).toThrow(RangeError)
    expect(() => split(x, x, { test: 1.5 })).toThrow(RangeError)
    expect(() => split(x, x, { test: 11 })).toThrow(RangeError)
    expect(() => split(x, x, { test: 0.01 })).toThrow(/at least one sample/)
    expect(() => split(x, x, { test: NaN })).toThrow(RangeError)
    expect(() => split(ascending(11), x)).toThrow(ShapeError)
    expect(() => split([[1], [2]], [1, 2, 3])).toThrow(ShapeError)
    expect(() => split({ data: x, shape: [3, 3] }, x)).toThrow(ShapeError)
    expect(() => split(ascending(0), ascending(0))).toThrow(RangeError)
    expect(() => split(x, oneHot([0, 1, 0, 1, 0, 1, 0, 1, 0, 1]), { stratify: true })).toThrow(/one-hot/)
    // @ts-expect-error a misspelt option
    expect(() => split(x, x, { tset: 0.2 })).toThrow(/Did you mean 'test'/)
    // @ts-expect-error not data
    expect(() => split('abc', x)).toThrow(TypeError)
  })
})

describe('shuffled', () => {
  test('is a permutation that depends on the seed alone', () => {
    expect(sorted(shuffled(1000, 1))).toEqual(Array.from(ascending(1000)))
    expect(shuffled(1000, 1)).toEqual(shuffled(1000, 1))
    expect(shuffled(1000, 1)).not.toEqual(shuffled(1000, 2))
    expect([...shuffled(1)]).toEqual([0])
    expect(() => shuffled(0)).toThrow(RangeError)
    expect(() => shuffled(5, -1)).toThrow(RangeError)
  })

  test('golden', () => {
    expect([...shuffled(10, 42)]).toEqual([0, 4, 7, 2, 9, 6, 1, 3, 5, 8])
  })
})

describe('oneHot', () => {
  test('ones at the labels', () => {
    expect(oneHot(Uint8Array.of(2, 0))).toEqual({ data: Float32Array.of(0, 0, 1, 1, 0, 0), shape: [2, 3] })
    expect(oneHot([1], 4)).toEqual({ data: Float32Array.of(0, 1, 0, 0), shape: [1, 4] })
    expect(oneHot([], 4).shape).toEqual([0, 4])
  })

  test('what is refused', () => {
    for (const labels of [[-1], [0.5], [NaN], [3]]) expect(() => oneHot(labels, 3)).toThrow(RangeError)
    expect(() => oneHot([])).toThrow(RangeError)
    expect(() => oneHot([0], 0)).toThrow(RangeError)
    // @ts-expect-error not labels
    expect(() => oneHot('012')).toThrow(TypeError)
  })
})
