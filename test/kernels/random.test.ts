// f32_random and f32_dropout: known answers of Philox, bits against plain JavaScript, and the distributions within derived bounds.
import { describe, expect, test } from 'vitest'
import { ELEMENTS, ROWS } from '../../src/compiler/kernels.js'
import { randomCode } from '../../src/core/codes.js'
import { philox, type RandomKey } from '../../src/core/random.js'
import { at, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { random, randomFloats } from '../support/numbers.js'

const fround = Math.fround
const KEYS: readonly RandomKey[] = [[0, 0], [0xffffffff, 0xffffffff], [0xa4093822, 0x299f31d0], [1, 0x80000000]]

/** Random123, tests/kat_vectors: philox4x32 with 10 rounds. */
const KNOWN = [
  { counter: [0, 0, 0, 0], key: [0, 0], words: [0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8] },
  {
    counter: [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], key: [0xffffffff, 0xffffffff],
    words: [0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd],
  },
  {
    counter: [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], key: [0xa4093822, 0x299f31d0],
    words: [0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1],
  },
] as const

interface Dropout { readonly threshold: number; readonly scale: number; readonly step: number; readonly key: RandomKey }

function dropout(x: Float32Array, width: number, index: Int32Array, { threshold, scale, step, key }: Dropout, inPlace = false): Float32Array {
  const box = new KernelBox(), rows = index.length
  const source = box.put(x)
  const y = inPlace ? source : box.alloc(x.byteLength)
  runEveryWay(box, 'f32_dropout', {
    x: source.address, y: y.address, rows, width, threshold, scale: { f32: scale }, index: box.put(index).address,
    step: box.put(Uint32Array.of(step)).address, key: box.put(Uint32Array.from(key)).address,
  }, Math.ceil(rows / ROWS), [y])
  return box.f32(y)
}

function fill(kind: keyof typeof randomCode, length: number, key: RandomKey, a: number, b: number): Float32Array {
  const box = new KernelBox()
  const y = box.alloc(length * 4)
  runEveryWay(box, 'f32_random', {
    y: y.address, length, kind: randomCode[kind], key: box.put(Uint32Array.from(key)).address, a: { f32: a }, b: { f32: b },
  }, Math.ceil(length / ELEMENTS), [y])
  return box.f32(y)
}

describe('Philox4x32-10', () => {
  test.each(KNOWN)('known answer for counter $counter', ({ counter: [c0, c1, c2, c3], key, words }) => {
    expect([...philox([...key], c0, c1, c2, c3)]).toEqual([...words])
  })

  test('the kernel has the known words: each is kept at its own value as threshold, and dropped at one more', () => {
    const x = new Float32Array(4).fill(1)
    for (const [j, word] of KNOWN[0].words.entries()) {
      const keep = (threshold: number) => at(dropout(x, 4, Int32Array.of(0), { threshold, scale: 1, step: 0, key: [0, 0] }), j)
      expect([keep(word), keep(word + 1)]).toEqual([1, 0])
    }
  })

  test.each(KEYS)('the kernel has the words of the host, key %i %i', (...key) => {
    for (const [element, sample, step] of [[0, -1, 0xffffffff], [5, 12345, 77], [1023, 0x243f6a88, 1]] as const) {
      const words = philox(key, element >> 2, sample, step, 0)
      const x = new Float32Array(element + 1).fill(1)
      const keep = (threshold: number) => at(dropout(x, element + 1, Int32Array.of(sample), { threshold, scale: 1, step, key }), element)
      const word = at(words, element % 4)
      expect([keep(word), keep(word + 1)]).toEqual([1, 0])
    }
  })
})

describe('f32_dropout', () => {
  test.each([0, 1, 3, 4, 5, 7, 8, 9, 255, 256, 257])('width %i, to the bit', (width) => {
    for (const rows of [0, 1, 8, 11]) {
      const next = random(width + rows)
      const x = randomFloats(rows * width, width), index = Int32Array.from({ length: rows }, () => Math.floor(next() * 1e6))
      const options: Dropout = { threshold: 0x4ccccccd, scale: fround(1 / 0.7), step: 9, key: [11, 12] }
      const want = Array.from(x, (v, i) => {
        const j = i % width
        const word = at(philox(options.key, j >> 2, at(index, Math.floor(i / width)), options.step, 0), j % 4)
        return word >= options.threshold ? fround(v * options.scale) : 0
      })
      expectBits(dropout(x, width, index, options), want)
      expectBits(dropout(x, width, index, options, true), want, 'in place')
    }
  })

  test('follows the sample, not the row', () => {
    const x = new Float32Array(3 * 40).fill(1)
    const options: Dropout = { threshold: 0x80000000, scale: 2, step: 3, key: [1, 2] }
    const a = dropout(x, 40, Int32Array.of(5, 6, 7), options), b = dropout(x, 40, Int32Array.of(7, 5, 6), options)
    expectBits([...b.subarray(40), ...b.subarray(0, 40)], a)
    expect([...a.subarray(0, 40)]).not.toEqual([...a.subarray(40, 80)])
    expect([...dropout(x, 40, Int32Array.of(5, 6, 7), { ...options, step: 4 })]).not.toEqual([...a])
  })

  test('keeps the part that it should, and NaN where it is kept', () => {
    const n = 100_000, rate = 0.3, five = 5 * Math.sqrt(rate * (1 - rate) / n)
    const y = dropout(new Float32Array(n).fill(NaN), 1000, Int32Array.from({ length: 100 }, (_, i) => i),
      { threshold: Math.floor(rate * 2 ** 32), scale: 1, step: 0, key: [3, 4] })
    const dropped = y.filter((v) => Object.is(v, 0)).length
    expect(y.filter((v) => Number.isNaN(v)).length).toBe(n - dropped)
    expect(Math.abs(dropped / n - rate)).toBeLessThan(five)
  })

  test('threshold 0 keeps all', () => {
    const x = randomFloats(64, 1)
    expectBits(dropout(x, 64, Int32Array.of(0), { threshold: 0, scale: 1, step: 0, key: [0, 0] }), x)
  })
})

/** Number below 2⁵³ of the upper 27 bits of one word and the upper 26 of another. */
const bits53 = (high: number, low: number): number => (high >>> 5) * 2 ** 26 + (low >>> 6)

/** log x as musl's log.c has it, of a normal x > 0; what it is made of is exact in every engine. */
function log(x: number): number {
  const view = new DataView(new ArrayBuffer(8))
  view.setFloat64(0, x)
  const high = view.getUint32(0) + (0x3ff00000 - 0x3fe6a09e), k = (high >>> 20) - 1023
  view.setUint32(0, (high & 0xfffff) + 0x3fe6a09e)
  const f = view.getFloat64(0) - 1, hfsq = 0.5 * f * f, s = f / (2 + f), z = s * s, w = z * z
  const t1 = w * (3.999999999940941908e-1 + w * (2.222219843214978396e-1 + w * 1.531383769920937332e-1))
  const t2 = z * (6.666666666666735130e-1 + w * (2.857142874366239149e-1 + w * (1.818357216161805012e-1 + w * 1.479819860511658591e-1)))
  return s * (hfsq + (t2 + t1)) + k * 1.90821492927058770002e-10 - hfsq + f + k * 6.93147180369123816490e-1
}

describe('f32_random', () => {
  const box = new KernelBox()
  const cos = (x: number): number => {
    const f = box.exports['f64_cos']
    if (typeof f !== 'function') throw new Error('no f64_cos')
    return Number(Reflect.apply(f, undefined, [x]))
  }
  const boxMuller = (w: ArrayLike<number>): number => {
    const u1 = (bits53(at(w, 0), at(w, 1)) + 1) * 2 ** -53, u2 = bits53(at(w, 2), at(w, 3)) * 2 ** -53
    return Math.sqrt(-2 * log(u1)) * cos(2 * Math.PI * u2)
  }
  const truncated = (key: RandomKey, i: number): number => {
    for (let attempt = 0; ; attempt++) {
      const z = boxMuller(philox(key, i, attempt, 0, 0))
      if (Math.abs(z) < 2) return z
    }
  }
  const element = {
    uniform: (key: RandomKey, i: number, a: number, b: number) =>
      fround(a + fround(fround((at(philox(key, i, 0, 0, 0), 0) >>> 8) * 2 ** -24) * fround(b - a))),
    normal: (key: RandomKey, i: number, a: number, b: number) => fround(a + b * boxMuller(philox(key, i, 0, 0, 0))),
    truncatedNormal: (key: RandomKey, i: number, a: number, b: number) => fround(a + b * truncated(key, i)),
  }
  const kinds = ['uniform', 'normal', 'truncatedNormal'] as const

  test.each(kinds)('%s, to the bit', (kind) => {
    const a = fround(-0.3), b = fround(0.7)
    for (const key of KEYS) for (const n of [0, 1, 3, 4, 5, 255, 257]) {
      expectBits(fill(kind, n, key, a, b), Array.from({ length: n }, (_, i) => element[kind](key, i, a, b)))
    }
    const key: RandomKey = [5, 6], n = 4097
    expectBits(fill(kind, n, key, a, b), Array.from({ length: n }, (_, i) => element[kind](key, i, a, b)))
  })

  test.each(kinds)('%s: an element does not depend on how many there are', (kind) => {
    expectBits(fill(kind, 5000, [1, 2], 0, 1).subarray(0, 999), fill(kind, 999, [1, 2], 0, 1))
  })

  // Five standard errors: an honest generator fails one key in two million. `fourth` is E (x − μ)⁴, the variance of a sample variance
  // being (fourth − variance²) / N. Truncation at ±2, with φ(2) = 0.0539910, Φ(2) − Φ(−2) = 0.9544997: variance 1 − 4·φ/Φ, fourth 3 − 28·φ/Φ.
  const N = 1 << 18
  const cut = 0.05399096651318806 / 0.9544997361036416
  test.each([
    { kind: 'uniform', a: -1, b: 3, mean: 1, variance: 16 / 12, fourth: 256 / 80, low: -1, high: 3 },
    { kind: 'normal', a: 0, b: 1, mean: 0, variance: 1, fourth: 3, low: -8.6, high: 8.6 },
    { kind: 'truncatedNormal', a: 0, b: 1, mean: 0, variance: 1 - 4 * cut, fourth: 3 - 28 * cut, low: -2, high: 2 },
  ] as const)('$kind: mean, variance, range, neighbours', ({ kind, a, b, mean, variance, fourth, low, high }) => {
    const y = fill(kind, N, [2024, 7], a, b)
    const m = y.reduce((sum, v) => sum + v, 0) / N
    const v = y.reduce((sum, x) => sum + (x - mean) ** 2, 0) / N
    let neighbours = 0
    for (let i = 1; i < N; i++) neighbours += (at(y, i) - mean) * (at(y, i - 1) - mean)
    expect(Math.abs(m - mean)).toBeLessThan(5 * Math.sqrt(variance / N))
    expect(Math.abs(v - variance)).toBeLessThan(5 * Math.sqrt((fourth - variance ** 2) / N))
    expect(Math.abs(neighbours / N / variance)).toBeLessThan(5 / Math.sqrt(N))
    expect(y.every((x) => x >= low && x <= high)).toBe(true)
  })

  test('uniform: 64 equal cells are equally full', () => {
    const cells = new Float64Array(64)
    for (const u of fill('uniform', N, [9, 9], 0, 1)) cells[Math.floor(u * 64)] = (cells[Math.floor(u * 64)] ?? 0) + 1
    const chi = cells.reduce((sum, n) => sum + (n - N / 64) ** 2 / (N / 64), 0)
    // χ² with 63 degrees of freedom: mean 63, variance 126
    expect(Math.abs(chi - 63)).toBeLessThan(5 * Math.sqrt(126))
  })

  test('normal: as many beyond 1, 2 and 3 as there should be', () => {
    const y = fill('normal', N, [8, 8], 0, 1)
    for (const [z, p] of [[1, 0.31731050786], [2, 0.04550026390], [3, 0.00269979606]] as const) {
      expect(Math.abs(y.filter((v) => Math.abs(v) > z).length / N - p)).toBeLessThan(5 * Math.sqrt(p * (1 - p) / N))
    }
  })
})
