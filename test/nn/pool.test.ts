// Pooling layers: Keras' shapes and values on small images, prediction and training through them, and what they refuse.
import { describe, expect, test } from 'vitest'
import { averagePool2d, dense, flatten, globalAveragePool2d, load, maxPool2d, mse, save, sequential, sgd, ShapeError, type Layer } from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { batchOf, Training } from '../support/training.js'

const through = (layer: Layer, image: readonly number[], x: readonly number[]) => sequential([layer], { input: image }).predictSync(Float32Array.from(x))
/** 0 … n − 1 */
const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)

describe('as Keras', () => {
  test.each([
    [maxPool2d(), [4, 4, 1], [2, 2, 1], [5, 7, 13, 15]], [averagePool2d(), [4, 4, 1], [2, 2, 1], [2.5, 4.5, 10.5, 12.5]],
    // What hangs over counts for nothing: at the right and below, where less than a window is left.
    [maxPool2d({ padding: 'same' }), [3, 3, 1], [2, 2, 1], [4, 5, 7, 8]], [averagePool2d({ padding: 'same' }), [3, 3, 1], [2, 2, 1], [2, 3.5, 6.5, 8]],
    [averagePool2d({ poolSize: 3, strides: 1, padding: 'same' }), [2, 2, 1], [2, 2, 1], [1.5, 1.5, 1.5, 1.5]],
    [maxPool2d({ poolSize: [1, 2], strides: [2, 1] }), [3, 3, 1], [2, 2, 1], [1, 2, 7, 8]], [maxPool2d({ poolSize: 2, strides: 3 }), [5, 5, 1], [2, 2, 1], [6, 9, 21, 24]],
    [globalAveragePool2d(), [2, 2, 2], [2], [3, 4]],
  ] as const)('%#', (layer, image, shape, y) => {
    const got = through(layer, image, count(image.reduce<number>((a, b) => a * b, 1)))
    expect(got.shape).toEqual([1, ...shape])
    expectBits(got.data, y)
  })
})

test.each([maxPool2d({ poolSize: 3, strides: 2, padding: 'same' }), averagePool2d({ poolSize: 2 })])('a row alone has the bits it has among others: $kind', (layer) => {
  const model = sequential([layer, flatten(), dense(3)], { input: [5, 7, 3] })
  const x = randomFloats(40 * 105, 1)
  const all = model.predictSync(x).data
  for (const r of [0, 13, 39]) expectBits(model.predictSync(x.slice(r * 105, (r + 1) * 105)).data, all.slice(r * 3, r * 3 + 3))
  expectBits(load(save(model)).predictSync(x).data, all)
})

test.each([maxPool2d(), averagePool2d({ poolSize: 3, strides: 1, padding: 'same' })])('training goes through: $kind', (layer) => {
  // The first layer works on channels; differences of its kernel through the loss that the step itself reports.
  const t = new Training({ layers: [dense(2), layer, globalAveragePool2d(), dense(1)], input: [4, 4, 1], loss: mse(), optimizer: sgd(), seed: 1 })
  const sources = t.sources({ x: randomFloats(6 * 16, 2), y: randomFloats(6, 3) }), batch = batchOf(count(6))
  const kernel = t.weight('dense1.kernel')
  const loss = (): number => at(t.shard(sources, batch, 0).sums, 0) / 6
  const gradient = t.gradients(t.shard(sources, batch, 0))['dense1.kernel'] ?? []
  for (const c of [0, 1]) {
    const w = at(kernel, c), step = 2 ** -8
    kernel[c] = w + step
    const up = loss()
    kernel[c] = w - step
    const down = loss()
    kernel[c] = w
    expect(at(gradient, c)).toBeCloseTo((up - down) / (2 * step), 3)
  }
})

test('misuse is refused, by the name of the layer', () => {
  expect(() => through(maxPool2d({ name: 'small' }), [1, 4, 1], [])).toThrow(/small.*at least 2 pixels/)
  for (const layer of [maxPool2d(), averagePool2d(), globalAveragePool2d()]) expect(() => sequential([layer], { input: [16] })).toThrow(ShapeError)
  expect(() => maxPool2d({ poolSize: 0 })).toThrow(RangeError)
  expect(() => maxPool2d({ poolSize: [2, 1.5] })).toThrow(RangeError)
  expect(() => averagePool2d({ strides: -1 })).toThrow(RangeError)
  const wrong: unknown = { padding: 'sam' }
  expect(() => maxPool2d(Object.assign({}, wrong))).toThrow('\'same\'')
  const triple: unknown = { poolSize: [2, 2, 2] }
  expect(() => maxPool2d(Object.assign({}, triple))).toThrow(TypeError)
})
