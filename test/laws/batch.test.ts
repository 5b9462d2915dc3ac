// Law 4: a prediction does not depend on its batch. Every row has the same bits alone and among any number of others.
import { describe, expect, test } from 'vitest'
import { activation, add, batchNormalization, conv2d, dense, dropout, expand, flatten, gru, layer, lstm, matmul, maxPool2d, reshape, sequential } from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats, shuffled } from '../support/numbers.js'
import type { Typed } from '../../src/model/data.js'

/** Below, at and above the capacities of predict's programs, and many of them. */
const BATCHES = [1, 2, 7, 31, 32, 33, 64, 129, 256, 257, 1000]
const MOST = 1000

const bytes = (n: number, seed: number): Uint8Array => Uint8Array.from(randomFloats(n, seed, 0, 256), Math.floor)

interface Case { readonly name: string; readonly width: number; readonly data: Typed; readonly model: () => ReturnType<typeof sequential> }

const CASES: readonly Case[] = [
  { name: 'a line', width: 1, data: randomFloats(MOST, 1), model: () => sequential([dense(1)], { input: [1], seed: 1 }) },
  {
    name: 'odd widths', width: 13, data: randomFloats(MOST * 13, 2, -3, 3),
    model: () => sequential([dense(17, { activation: 'relu' }), dropout(0.5), dense(7, { activation: 'tanh' }), dense(5)], { input: [13], seed: 2 }),
  },
  {
    name: 'bytes with a scale, softmax', width: 48, data: bytes(MOST * 48, 3),
    model: () => sequential([flatten(), dense(33, { activation: 'elu' }), dense(10, { activation: 'softmax' })], { input: { shape: [6, 8], dtype: 'u8', scale: 1 / 255 }, seed: 3 }),
  },
  { name: 'a sum of several chunks', width: 1100, data: randomFloats(MOST * 1100, 4), model: () => sequential([dense(9, { activation: 'sigmoid' })], { input: [1100], seed: 4 }) },
  {
    name: 'several positions a sample', width: 12, data: randomFloats(MOST * 12, 5, -2, 2),
    model: () => sequential([reshape([4, 3]), dense(5, { activation: 'leakyRelu' }), activation('softmax'), dense(2)], { input: [12], seed: 5 }),
  },
  {
    name: 'images', width: 30, data: randomFloats(MOST * 30, 7),
    model: () => sequential([conv2d(5, 3, { padding: 'same', activation: 'relu' }), batchNormalization(), maxPool2d({ padding: 'same' }), flatten(), dense(3)], { input: [5, 6, 1], seed: 7 }),
  },
  { name: 'sequences', width: 12, data: randomFloats(MOST * 12, 8), model: () => sequential([lstm(5, { returnSequences: true }), gru(3, { reverse: true })], { input: [4, 3], seed: 8 }) },
  {
    name: 'a weight for each sample, to which a product is added', width: 3, data: randomFloats(MOST * 3, 9),
    model: () => sequential([layer('added', {}, (x, { param }) => add(expand(param('b', [2], { kind: 'uniform', low: 1, high: 2 }), ['n', 2]), matmul(x, param('w', [3, 2], { kind: 'uniform', low: -1, high: 1 }))))], { input: [3], seed: 9 }),
  },
  { name: 'f64 data', width: 3, data: Float64Array.from(randomFloats(MOST * 3, 6), (v) => v / 3), model: () => sequential([dense(70, { activation: 'softmax' })], { input: { shape: [3], offset: 0.5 }, seed: 6 }) },
]

describe.each(CASES)('$name', ({ width, data, model }) => {
  const m = model()
  const rows = (from: number, to: number): Typed => data.slice(from * width, to * width)
  const alone = Array.from({ length: MOST }, (_, r) => m.predictSync(rows(r, r + 1)).data)

  test.each(BATCHES)('%i rows', (n) => {
    // At the end of the data, so that rows stand elsewhere than in another batch.
    const y = m.predictSync(rows(MOST - n, MOST))
    const outputs = y.data.length / n
    expect(y.shape[0]).toBe(n)
    for (let r = 0; r < n; r++) expectBits(y.data.subarray(r * outputs, (r + 1) * outputs), alone[MOST - n + r] ?? [], `row ${r} of ${n}`)
  })

  test('in another order', async () => {
    const order = shuffled(129, 1)
    const mixed = rows(0, 129)
    order.forEach((from, to) => mixed.set(data.slice(from * width, (from + 1) * width), to * width))
    const y = await m.predict(mixed)
    const outputs = y.data.length / 129
    order.forEach((from, r) => expectBits(y.data.subarray(r * outputs, (r + 1) * outputs), alone[from] ?? [], `row ${r}`))
  })

  test('rows differ, so that equal bits say something', () => {
    expect(new Set(alone.map((y) => at(y, 0))).size).toBeGreaterThan(MOST / 4)
  })
})
