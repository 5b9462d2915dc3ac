// Shards: what one lane computes one after the other, others may compute in any order and elsewhere; and the order in which gradients are
// added is part of what is computed.
import { describe, expect, test } from 'vitest'
import { accuracy, dense, dropout, sgd, sparseCategoricalCrossentropy } from '../../src/index.js'
import { sha256Hex } from '../../src/core/hash.js'
import { shardCapacity, shardRange, type ShardResult } from '../../src/train/trainer.js'
import { at, expectBits } from '../support/bits.js'
import { random, randomFloats, shuffled } from '../support/numbers.js'
import { batchOf, Training } from '../support/training.js'

const SAMPLES = 40
const next = random(1)
const DATA = { x: randomFloats(SAMPLES * 6, 2, -1, 1), y: Int32Array.from({ length: SAMPLES }, () => Math.floor(next() * 3)), sampleWeight: randomFloats(SAMPLES, 3, 0, 2) }

/** With a rate of 1 and momentum, the optimizer's state after a first step is −gradient, to the bit. */
const training = (shards: number): Training => new Training({
  layers: [dense(7, { activation: 'relu' }), dropout(0.3), dense(3, { activation: 'softmax' })], input: [6], seed: 4, shards,
  loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], optimizer: sgd({ learningRate: 1, momentum: 0.5 }),
})

/** The shard counts, and batches that they divide and do not, and that leave some of them empty. */
const CASES = [1, 2, 3, 4, 7].flatMap((shards) => [1, 3, 10, 13, 28].map((n) => ({ shards, n })))
const batch = (n: number) => batchOf(shuffled(SAMPLES, n).slice(0, n))

/** What a step leaves: its sums, all weights and states. */
function outcome(t: Training): { readonly sums: readonly number[]; readonly state: Record<string, Float32Array>; readonly weights: Record<string, number[]> } {
  const { ok, sums } = t.trainer.apply()
  expect(ok).toBe(true)
  return { sums: Array.from(sums), state: t.trainer.getState(), weights: t.weights() }
}

describe.each(CASES)('$shards shards of $n rows', ({ shards, n }) => {
  const direct = (): ReturnType<typeof outcome> => {
    const t = training(shards)
    t.gradient(t.sources(DATA), batch(n), n)
    return outcome(t)
  }
  /** All shards, each computed by a trainer of its own, which could be anywhere. */
  const elsewhere = (order: readonly number[]): ShardResult[] => order.map((s) => {
    const t = training(shards)
    return t.shard(t.sources(DATA), batch(n), s)
  })

  test('computed in any order, anywhere, and combined, have the bits of one lane', () => {
    const want = direct()
    for (const seed of [1, 2]) {
      const t = training(shards)
      t.trainer.combine(elsewhere(shuffled(shards, seed)))
      expect(outcome(t)).toEqual(want)
    }
    const t = training(shards)
    const sources = t.sources(DATA)
    t.trainer.combine(shuffled(shards, 3).map((s) => t.shard(sources, batch(n), s)))
    expect(outcome(t)).toEqual(want)
  })

  test('the first that has rows is copied, the others are added in ascending order', () => {
    const results = elsewhere(Array.from({ length: shards }, (_, s) => s))
    expect(results.reduce((sum, { rows }) => sum + rows, 0)).toBe(n)
    const [first, ...others] = results.filter(({ rows }) => rows > 0)
    if (first === undefined) throw new RangeError('a batch has a shard with rows')
    const grad = Array.from(first.grad, (g, i) => others.reduce((sum, { grad: o }) => Math.fround(sum + at(o, i)), g))
    const sums = Array.from(first.sums, (x, i) => others.reduce((sum, { sums: o }) => sum + at(o, i), x))
    const t = training(shards)
    const { sums: got, state } = (() => { t.gradient(t.sources(DATA), batch(n), n); return outcome(t) })()
    expectBits(got, sums, 'sums')
    for (const { key, offset, length } of t.trainer.layout.segments) {
      // m = momentum·0 − 1·g, which has no −0: 0 − 0 = 0
      expectBits(Array.from(state[`m/${key}`] ?? [], (m) => 0 - m), grad.slice(offset / 4, offset / 4 + length).map((g) => 0 - (0 - g)), key)
    }
  })

  test('an empty one has no rows, and writes zeros', () => {
    for (const { rows, grad, sums, shard } of elsewhere(Array.from({ length: shards }, (_, s) => s))) {
      const [from, to] = shardRange(n, shard, shards)
      expect(rows).toBe(to - from)
      expect(rows).toBeLessThanOrEqual(shardCapacity(n, shards))
      if (rows > 0) continue
      expect(grad.every((g) => Object.is(g, 0))).toBe(true)
      expect(sums.every((x) => Object.is(x, 0))).toBe(true)
    }
  })
})

test('a program for larger batches gives the same bits', () => {
  for (const shards of [1, 4]) {
    const [a, b] = [training(shards), training(shards)]
    a.gradient(a.sources(DATA), batch(10), 10)
    b.gradient(b.sources(DATA), batch(10), 37)
    expect(outcome(a)).toEqual(outcome(b))
  }
})

test('the number of shards is part of what is computed: each has one hash over two runs, and they differ', () => {
  const hashes = [1, 2, 3, 4, 7].map((shards) => {
    const [first, second] = [0, 1].map(() => {
      const t = training(shards)
      const sources = t.sources(DATA)
      for (const n of [28, 13, 40, 3]) { t.gradient(sources, batch(n), 40); expect(t.trainer.apply().ok).toBe(true) }
      return sha256Hex(...t.keys.map((key) => { const w = t.weight(key); return new Uint8Array(w.buffer, w.byteOffset, w.byteLength).slice() }))
    })
    expect(second).toBe(first)
    return first
  })
  expect(new Set(hashes).size).toBe(hashes.length)
})

test('combine asks for a shard with rows', () => {
  const t = training(2)
  expect(() => t.trainer.combine([])).toThrow('combine: expected a shard with rows')
  expect(() => t.trainer.combine([{ shard: 0, rows: 0, grad: new Float32Array(t.trainer.layout.bytes / 4), sums: new Float64Array(t.trainer.sumCount) }])).toThrow('combine')
})
