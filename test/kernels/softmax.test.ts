// Softmax kernels: to the bit against the same formula with the kernels' own exp and log, and within a derived bound of f64.
import { describe, expect, test } from 'vitest'
import { ROWS } from '../../src/compiler/kernels.js'
import {
  exactSoftmax, FIRST_ORDER, logSoftmaxError, logSoftmaxRow, rowMax, softmaxError, softmaxRow, UNDERFLOW,
} from '../reference/softmax.js'
import { rowSum } from '../reference/sums.js'
import { at, AWKWARD, expectBits, runEveryWay } from '../support/bits.js'
import { kernelExp } from '../support/elementary.js'
import { KernelBox } from '../support/kernel.js'
import { randomFloats } from '../support/numbers.js'

const fround = Math.fround
type Forward = 'f32_softmax' | 'f32_log_softmax'
type Backward = 'f32_softmax_grad' | 'f32_log_softmax_grad'

function forward(name: Forward, x: Float32Array, rows: number, width: number, inPlace = false): Float32Array {
  const box = new KernelBox()
  const source = box.put(x)
  const y = inPlace ? source : box.alloc(x.byteLength)
  runEveryWay(box, name, { x: source.address, y: y.address, rows, width }, Math.ceil(rows / ROWS), [y])
  return box.f32(y)
}

function backward(name: Backward, y: Float32Array, dy: Float32Array, rows: number, width: number, inPlace = false): Float32Array {
  const box = new KernelBox()
  const seeds = box.put(dy)
  const dx = inPlace ? seeds : box.alloc(dy.byteLength)
  runEveryWay(box, name, { y: box.put(y).address, dy: seeds.address, dx: dx.address, rows, width }, Math.ceil(rows / ROWS), [dx])
  return box.f32(dx)
}

const rowsOf = (x: Float32Array, width: number): Float32Array[] =>
  Array.from({ length: width ? x.length / width : 0 }, (_, r) => x.subarray(r * width, (r + 1) * width))

const formula: Record<Forward, (x: Float32Array) => number[]> = { f32_softmax: softmaxRow, f32_log_softmax: logSoftmaxRow }
const gradient: Record<Backward, (y: Float32Array, dy: Float32Array) => number[]> = {
  f32_softmax_grad: (y, dy) => {
    const dot = rowSum(y.length, (j) => fround(at(dy, j) * at(y, j)))
    return Array.from(y, (v, j) => fround(v * fround(at(dy, j) - dot)))
  },
  f32_log_softmax_grad: (y, dy) => {
    const sum = rowSum(y.length, (j) => at(dy, j))
    return Array.from(y, (v, j) => fround(at(dy, j) - fround(kernelExp(v) * sum)))
  },
}

describe.each(['f32_softmax', 'f32_log_softmax'] as const)('%s', (name) => {
  test.each(AWKWARD)('width %i, to the bit', (width) => {
    for (const rows of width > 300 ? [2] : [0, 1, 8, 9]) {
      const x = randomFloats(rows * width, width + rows, -12, 12)
      const want = rowsOf(x, width).flatMap(formula[name])
      expectBits(forward(name, x, rows, width), want)
      expectBits(forward(name, x, rows, width, true), want, 'in place')
    }
  })

  test('NaN and +∞ make their row NaN, and no other; −∞ is a probability of 0', () => {
    for (const bad of [NaN, Infinity]) {
      for (let j = 0; j < 11; j++) {
        const x = randomFloats(33, j)
        x[11 + j] = bad
        const y = forward(name, x, 3, 11)
        expect([...y.subarray(11, 22)].every(Number.isNaN)).toBe(true)
        expectBits([...y.subarray(0, 11), ...y.subarray(22)], [x.subarray(0, 11), x.subarray(22)].flatMap(formula[name]))
      }
    }
    expectBits(forward(name, Float32Array.of(-Infinity, 2, -Infinity), 1, 3), name === 'f32_softmax' ? [0, 1, 0] : [-Infinity, 0, -Infinity])
    expect([...forward(name, new Float32Array(5).fill(-Infinity), 1, 5)].every(Number.isNaN)).toBe(true)
  })

  test('logits of any magnitude do not overflow', () => {
    const x = Float32Array.of(3e38, 3e38, -3e38, 3e38, 0)
    const y = forward(name, x, 1, 5)
    expectBits(y, formula[name](x))
    expect(at(y, 0)).toBeCloseTo(name === 'f32_softmax' ? 1 / 3 : -Math.log(3), 6)
  })
})

describe('against f64', () => {
  test.each([1, 2, 7, 10, 300, 1000])('softmax, width %i', (width) => {
    for (const scale of [1, 10, 60]) {
      const x = randomFloats(width, width, -scale, scale)
      const bound = softmaxError(x) * FIRST_ORDER
      const y = forward('f32_softmax', x, 1, width)
      exactSoftmax(x).forEach((p, j) => expect(Math.abs(at(y, j) - p)).toBeLessThanOrEqual(bound * p + UNDERFLOW))
    }
  })

  test.each([1, 2, 7, 10, 300, 1000])('logSoftmax, width %i', (width) => {
    for (const scale of [1, 10, 60]) {
      const x = randomFloats(width, width, -scale, scale)
      const max = rowMax(x), log = Math.log(x.reduce((sum, v) => sum + Math.exp(v - max), 0))
      const bound = logSoftmaxError(x) * FIRST_ORDER
      forward('f32_log_softmax', x, 1, width).forEach((y, j) => expect(Math.abs(y - (at(x, j) - max - log))).toBeLessThanOrEqual(bound))
    }
  })
})

describe.each(['f32_softmax_grad', 'f32_log_softmax_grad'] as const)('%s', (name) => {
  const forwardName = name === 'f32_softmax_grad' ? 'f32_softmax' : 'f32_log_softmax'

  test.each(AWKWARD)('width %i, to the bit', (width) => {
    for (const rows of width > 300 ? [2] : [0, 1, 8, 9]) {
      const y = Float32Array.from(rowsOf(randomFloats(rows * width, width, -4, 4), width).flatMap(formula[forwardName]))
      const dy = randomFloats(rows * width, width + 1)
      const seeds = rowsOf(dy, width)
      const want = rowsOf(y, width).flatMap((row, r) => gradient[name](row, seeds[r] ?? new Float32Array()))
      expectBits(backward(name, y, dy, rows, width), want)
      expectBits(backward(name, y, dy, rows, width, true), want, 'in place')
    }
  })

  test('NaN in a seed makes its row NaN', () => {
    const y = forward(forwardName, randomFloats(9, 1), 1, 9)
    const dy = randomFloats(9, 2)
    dy[8] = NaN
    expect([...backward(name, y, dy, 1, 9)].every(Number.isNaN)).toBe(true)
  })

  test('is the derivative of its forward kernel', () => {
    const width = 6
    const x = randomFloats(width, 3), dy = randomFloats(width, 4)
    const dx = backward(name, forward(forwardName, x, 1, width), dy, 1, width)
    const value = (v: readonly number[]) => {
      const p = exactSoftmax(v)
      return p.reduce((sum, q, j) => sum + at(dy, j) * (name === 'f32_softmax_grad' ? q : Math.log(q)), 0)
    }
    // Central difference in f64: its error is about h² = 1e-10, far below that of the f32 gradient, a few U of numbers near 1.
    const h = 1e-5
    dx.forEach((got, j) => {
      const moved = (by: number) => value(Array.from(x, (v, i) => i === j ? v + by : v))
      expect(Math.abs(got - (moved(h) - moved(-h)) / (2 * h))).toBeLessThan(16 * 2 ** -24)
    })
  })
})
