// f32_reduce, f32_total and i32_arg_max against law 3 written out in plain JavaScript, bit for bit.
import { describe, expect, test } from 'vitest'
import { COLUMNS, KB, KC, ROWS } from '../../src/compiler/kernels.js'
import { reduceCode } from '../../src/core/codes.js'
import { columnSum, rowSum, totalSum, type Terms } from '../reference/sums.js'
import { at, AWKWARD, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const fround = Math.fround
type Code = keyof typeof reduceCode

/** Numbers of both signs and of very different magnitudes, so that another order of summation gives other bits; some zeros. */
function spread(n: number, seed: number): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: n }, () => next() < 0.05 ? -0 : (next() * 2 - 1) * 2 ** Math.floor(next() * 12))
}

function reduce(x: Float32Array, outer: number, k: number, inner: number, code: Code): Float32Array {
  const box = new KernelBox()
  const y = box.alloc(outer * inner * 4)
  const tiles = inner === 1 ? Math.ceil(outer / ROWS) : outer * Math.ceil(inner / COLUMNS)
  runEveryWay(box, 'f32_reduce', { x: box.put(x).address, y: y.address, outer, k, inner, code: reduceCode[code] }, tiles, [y])
  return box.f32(y)
}

function reference(x: Float32Array, outer: number, k: number, inner: number, code: Code): number[] {
  return Array.from({ length: outer * inner }, (_, i) => {
    const term: Terms = (j) => at(x, (Math.floor(i / inner) * k + j) * inner + i % inner)
    if (code === 'max') return Array.from({ length: k }, (_, j) => term(j)).reduce((a, b) => Math.max(a, b), -Infinity)
    const sum = inner === 1 ? rowSum(k, term) : columnSum(k, term)
    return code === 'mean' ? fround(sum / k) : sum
  })
}

function check(outer: number, k: number, inner: number): void {
  const x = spread(outer * k * inner, outer + k + inner)
  for (const code of ['sum', 'mean', 'max'] as const) {
    expectBits(reduce(x, outer, k, inner, code), reference(x, outer, k, inner, code), `${code} of [${outer}, ${k}, ${inner}]`)
  }
}

describe('f32_reduce', () => {
  test.each(AWKWARD)('rows of %i', (k) => { for (const outer of [0, 1, 9]) check(outer, k, 1) })
  test.each([2, 3, 4, 5, 15, 16, 17, 63, 64, 65, 130])('%i columns', (inner) => {
    for (const k of [0, 1, 3, 9, 257, KC - 1, KC, KC + 1]) check(2, k, inner)
  })
  test.each([KB - 1, KB, KB + 1, 2 * KB + 300])('columns of %i', (k) => check(1, k, 19))

  test('the data can tell orders apart', () => {
    const k = 2 * KB + 300
    const straight = (n: number, term: Terms) => Array.from({ length: n }, (_, i) => term(i)).reduce((a, b) => fround(a + b), 0)
    const orders = [straight, rowSum, columnSum].map((order) => Array.from({ length: 8 }, (_, seed) => {
      const x = spread(k, seed)
      return order(k, (i) => at(x, i))
    }).join())
    expect(new Set(orders).size).toBe(3)
  })

  test('a row alone has the bits it has among others', () => {
    const k = 777
    const x = spread(20 * k, 5)
    const all = reduce(x, 20, k, 1, 'sum')
    for (const r of [0, 7, 19]) expectBits(reduce(x.slice(r * k, (r + 1) * k), 1, k, 1, 'sum'), [at(all, r)])
  })

  test.each([1, 3])('NaN and ∞ come through, inner %i', (inner) => {
    const k = 13
    for (let j = 0; j < k; j++) {
      const x = spread(k * inner, 1)
      x[j * inner] = NaN
      for (const code of ['sum', 'mean', 'max'] as const) expectBits(reduce(x, 1, k, inner, code), reference(x, 1, k, inner, code))
      expect(at(reduce(x, 1, k, inner, 'max'), 0)).toBeNaN()
      x[j * inner] = -Infinity
      for (const code of ['sum', 'mean', 'max'] as const) expectBits(reduce(x, 1, k, inner, code), reference(x, 1, k, inner, code))
    }
  })

  test('zeros: the sum of −0 is +0, the largest of −0 and +0 is +0', () => {
    expectBits(reduce(Float32Array.from([-0, -0, -0]), 1, 3, 1, 'sum'), [0])
    expectBits(reduce(Float32Array.from([-0, -0]), 1, 1, 2, 'sum'), [0, 0])
    expectBits(reduce(Float32Array.from([-0, 0, -0]), 1, 3, 1, 'max'), [0])
    expectBits(reduce(Float32Array.from([-0, -0, -0]), 1, 3, 1, 'max'), [-0])
  })
})

describe('f32_total', () => {
  const total = (x: Float32Array, w: Float32Array | undefined): Float64Array => {
    const box = new KernelBox()
    const y = box.alloc(8)
    runEveryWay(box, 'f32_total', { x: box.put(x).address, w: w ? box.put(w).address : 0, y: y.address, length: x.length }, 1, [y])
    return box.f64(y)
  }

  test.each(AWKWARD)('of %i', (n) => {
    const x = spread(n, n), w = spread(n, n + 1)
    expectBits(total(x, undefined), [totalSum(n, (i) => at(x, i))])
    expectBits(total(x, w), [totalSum(n, (i) => at(x, i) * at(w, i))])
  })

  test('NaN comes through a weight of 0; ∞ stays', () => {
    expect(at(total(Float32Array.of(1, NaN), Float32Array.of(1, 0)), 0)).toBeNaN()
    expectBits(total(Float32Array.of(1, Infinity), undefined), [Infinity])
  })

  test('does not lose a small term in a long sum', () => {
    const n = 1_000_000
    expectBits(total(new Float32Array(n).fill(0.1), undefined), [totalSum(n, () => fround(0.1))])
    expect(Math.abs(at(total(new Float32Array(n).fill(0.1), undefined), 0) / (n * fround(0.1)) - 1)).toBeLessThan(1e-12)
  })
})

describe('i32_arg_max', () => {
  const argMax = (x: Float32Array, rows: number, width: number): Int32Array => {
    const box = new KernelBox()
    const y = box.alloc(rows * 4)
    runEveryWay(box, 'i32_arg_max', { x: box.put(x).address, y: y.address, rows, width }, Math.ceil(rows / ROWS), [y])
    return box.i32(y)
  }
  const reference = (row: Float32Array): number => {
    const nan = row.findIndex((v) => Number.isNaN(v))
    return nan >= 0 ? nan : Math.max(0, row.findIndex((v) => row.every((u) => u <= v)))
  }

  test.each([0, 1, 3, 5, 7, 8, 9, 255, 257])('width %i', (width) => {
    for (const rows of [0, 1, 8, 21]) {
      // Small integers: ties in nearly every row.
      const next = random(width + rows)
      const x = Float32Array.from({ length: rows * width }, () => Math.floor(next() * 5) - 2)
      expectBits(argMax(x, rows, width), Array.from({ length: rows }, (_, r) => reference(x.subarray(r * width, (r + 1) * width))))
    }
  })

  test('the first of equals, the first NaN, −0 equals +0, −∞ is beaten by anything', () => {
    expectBits(argMax(Float32Array.of(1, 3, 3), 1, 3), [1])
    expectBits(argMax(Float32Array.of(1, NaN, Infinity, NaN), 1, 4), [1])
    expectBits(argMax(Float32Array.of(-1, -0, 0), 1, 3), [1])
    expectBits(argMax(Float32Array.of(-Infinity, -Infinity, -3e38), 1, 3), [2])
    expectBits(argMax(Float32Array.of(-Infinity, -Infinity), 1, 2), [0])
  })
})
