// The pure parts of the command: counting, numbers for people, lines for a terminal, images.
import { inflateSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { clock, count, duration, loss, percent, size } from '../../src/cli/format.js'
import { pngUri } from '../../src/cli/png.js'
import { confusionOf, mistakesOf, mostConfused, precisionOf, recallOf } from '../../src/cli/result.js'
import { barLine, confusionLines, epochHead, epochLine } from '../../src/cli/terminal.js'

describe('counting', () => {
  const confusion = confusionOf([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], 3)
  it('puts true classes in rows', () => { expect(confusion).toEqual([[1, 1, 0], [1, 2, 0], [0, 0, 0]]) })
  it('has shares, and none where there is nothing to share', () => {
    expect([recallOf(confusion, 1), precisionOf(confusion, 0), recallOf(confusion, 2), precisionOf(confusion, 2)]).toEqual([2 / 3, 0.5, null, null])
  })
  it('orders mistakes by confidence, then by place', () => {
    expect(mistakesOf([0, 1, 0, 1], [1, 1, 1, 0], [0.25, 0.75, 0, 1, 0, 1, 0.75, 0.25], 2)).toEqual([
      { index: 2, label: 0, predicted: 1, probability: 1 }, { index: 0, label: 0, predicted: 1, probability: 0.75 }, { index: 3, label: 1, predicted: 0, probability: 0.75 },
    ])
  })
  it('finds what is confused most', () => { expect(mostConfused([[9, 1, 0], [3, 9, 1], [0, 0, 9]], 2)).toEqual([{ label: 1, predicted: 0, samples: 3 }, { label: 0, predicted: 1, samples: 1 }]) })
})

it('writes numbers for people', () => {
  expect([count(0), count(999), count(1000), count(1234567.8)]).toEqual(['0', '999', '1 000', '1 234 568'])
  expect([percent(0), percent(0.97351), percent(1)]).toEqual(['0.00%', '97.35%', '100.00%'])
  expect([loss(0), loss(0.1234567), loss(0.00012), loss(12345)]).toEqual(['0.0000', '0.1235', '1.20e-4', '1.23e+4'])
  expect([duration(80), duration(9949), duration(9950), duration(59_600), duration(185_000), duration(3_725_000)]).toEqual(['0.1 s', '9.9 s', '10 s', '1 min 0 s', '3 min 5 s', '1 h 2 min'])
  expect([clock(0), clock(7001), clock(177_000), clock(3_777_000)]).toEqual(['0:00', '0:08', '2:57', '1:02:57'])
  expect([size(3), size(220_400), size(8_045_752)]).toEqual(['1 kB', '220 kB', '8.0 MB'])
})

describe('lines for a terminal', () => {
  const state = { name: ' 3/10', done: 0.5, perSecond: 123456, left: 177_000, score: { loss: 0.1234, accuracy: 0.971 } }

  it('keep the fields of the bar whole in 80 columns, and in their places', () => {
    const line = barLine(state, 80)
    expect(line).toMatch(/^ 3\/10 {2}█{6}░{6} {3}50% {2}123 456 samples\/s {2}ETA 2:57 {2}loss 0\.1234 {2}acc 97\.10%$/)
    expect(barLine({ ...state, done: 0, perSecond: 99 }, 80).indexOf('ETA')).toBe(line.indexOf('ETA'))
  })

  it.each([20, 40, 60, 80, 100, 200])('fit %i columns', (columns) => {
    expect(barLine(state, columns).length).toBeLessThan(columns)
    expect(barLine({ ...state, name: '1000/1000', left: 7_200_000 }, columns).length).toBeLessThan(columns)
  })

  it('stand below their heads', () => {
    const epoch = { loss: 0.5, accuracy: 0.9, validation: { loss: 0.6, accuracy: 0.8 }, samplesPerSecond: 1000 }
    for (const epochs of [1, 10, 1000]) {
      for (const validated of [true, false]) expect(epochLine({ ...epoch, validation: validated ? epoch.validation : null }, 0, epochs, 1000)).toHaveLength(epochHead(epochs, validated).length)
    }
    expect(epochHead(10, true).length).toBeLessThanOrEqual(80)
  })

  it('show the matrix of ten classes in 80 columns, however many samples', () => {
    const matrix = (n: number): readonly (readonly number[])[] => Array.from({ length: 10 }, (_, r) => Array.from({ length: 10 }, (_unused, c) => (r === c ? n : 0)))
    for (const n of [1, 1135, 60_000]) {
      const lines = confusionLines(matrix(n))
      expect(lines).toHaveLength(12)
      expect(new Set(lines.slice(1).map((line) => line.length)).size).toBe(1)
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
    }
    expect(confusionLines(matrix(5))[2]).toBe('     0   5   ·   ·   ·   ·   ·   ·   ·   ·   ·  100.00%')
  })

  it('name the classes confused most where the matrix does not fit', () => {
    const big = Array.from({ length: 30 }, (_, r) => Array.from({ length: 30 }, (_unused, c) => (r === 3 && c === 5 ? 12 : r === c ? 20 : 0)))
    expect(confusionLines(big)).toEqual(['confused most often:', '  12 × 3 taken for 5'])
    expect(confusionLines(big, { columns: 200 })).toHaveLength(32)
  })

  it('have colours only where asked', () => {
    expect(confusionLines([[1, 2], [0, 3]]).join('')).not.toContain('\u001b')
    expect(confusionLines([[1, 2], [0, 3]], { color: true }).join('')).toContain('\u001b[32m')
  })
})

it('packs images as PNG', () => {
  const png = Buffer.from(pngUri(Uint8Array.of(1, 2, 3, 4, 5, 6), 2, 3).replace('data:image/png;base64,', ''), 'base64')
  expect([...png.subarray(0, 8)]).toEqual([0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])
  expect([png.readUInt32BE(16), png.readUInt32BE(20), png[24], png[25]]).toEqual([3, 2, 8, 0])
  const length = png.readUInt32BE(33)
  expect([...inflateSync(png.subarray(41, 41 + length))]).toEqual([0, 1, 2, 3, 0, 4, 5, 6])
})
