// Memory of every kind of model: what is planned is what is needed, prediction needs less than training, and sequences cost memory in
// proportion to their length, programs and planning nothing.
import { describe, expect, test } from 'vitest'
import { adam, dense, gru, lstm, mse, sequential, simpleRNN, type Layer } from '../../src/index.js'
import type { Program } from '../../src/compiler/program.js'
import { at } from '../support/bits.js'
import { neededAtOnce } from '../support/memory.js'
import { MODELS } from '../support/models.js'

describe.each(MODELS)('$name', ({ make }) => {
  const programOf = make()
  test.each([1, 7, 32, 128])('a capacity of %i: the arena is within 10 % of what must live at once, and that of prediction is smaller', (capacity) => {
    const [grad, predict] = [programOf('grad', capacity), programOf('predict', capacity)]
    for (const { report, sizes } of [grad, predict]) {
      expect(report.peak).toBe(sizes.arena)
      expect(report.lower).toBeLessThanOrEqual(report.peak)
      expect(report.peak).toBeLessThanOrEqual(report.naive)
    }
    // By the planner's bound, and by an account that knows neither its lifetimes nor its bound.
    expect(grad.report.peak).toBeLessThanOrEqual(1.1 * grad.report.lower)
    expect(neededAtOnce(grad)).toBeLessThanOrEqual(grad.report.lower)
    expect(grad.report.peak).toBeLessThanOrEqual(1.1 * neededAtOnce(grad))
    expect(predict.report.peak).toBeLessThan(grad.report.peak)
  })
})

/** Where prediction of few steps needs most memory is within a step; from there on it is for sequences. */
const LENGTHS = { grad: [10, 20, 40, 80], predict: [40, 80, 160, 320] } as const
const CELLS: readonly { readonly name: string; readonly layers: () => readonly Layer[] }[] = [
  { name: 'simple RNN', layers: () => [simpleRNN(12), dense(3)] }, { name: 'LSTM', layers: () => [lstm(12), dense(3)] }, { name: 'LSTM, all outputs', layers: () => [lstm(12, { returnSequences: true }), dense(3)] },
  { name: 'GRU', layers: () => [gru(12), dense(3)] }, { name: 'GRU, reset before', layers: () => [gru(12, { resetAfter: false }), dense(3)] },
  { name: 'LSTM on a reversed GRU', layers: () => [gru(12, { returnSequences: true, reverse: true }), lstm(7), dense(3)] },
]

describe.each(CELLS)('$name', ({ layers }) => {
  const programs = (kind: 'grad' | 'predict', capacity: number): readonly Program[] => LENGTHS[kind].map((steps) =>
    sequential(layers(), { input: [steps, 5] }).compile({ optimizer: adam(), loss: mse() }).program(kind, { capacity }).program)

  test.each([['grad', 16], ['grad', 3], ['predict', 16], ['predict', 1]] as const)('%s at %i samples: memory is linear in the length', (kind, capacity) => {
    const found = programs(kind, capacity)
    // Equal steps take equal bytes, but for what rounds each buffer to 64.
    const slack = 64 * (found[0]?.buffers.filter(({ region }) => region === 'arena').length ?? 0)
    for (const bytes of [found.map((p) => p.report.peak), found.map((p) => p.report.lower)]) {
      const grown = (i: number): number => at(bytes, i) - at(bytes, i - 1)
      const [a, b, c] = [grown(1), grown(2), grown(3)]
      expect(a).toBeGreaterThan(0)
      expect([Math.abs(b - 2 * a) <= slack, Math.abs(c - 2 * b) <= slack], bytes.join(', ')).toEqual([true, true])
    }
  })

  test('nothing that is planned or written down grows with the length', () => {
    for (const kind of ['grad', 'predict'] as const) {
      const sizes = programs(kind, 8).map((p) => ({
        calls: p.calls.length, words: p.calls.reduce((sum, { words }) => sum + words.length, 0), loops: p.loops.length, prologue: p.prologue, kept: p.sizes.keep,
        buffers: p.buffers.map(({ region }) => region), data: p.buffers.reduce((sum, { data, words }) => sum + (data?.length ?? 0) + (words?.length ?? 0), 0),
      }))
      for (const other of sizes) expect(other).toEqual(sizes[0])
    }
  })
})
