// Cross-entropy against class indices: to the bit against its formula with the kernels' own exp and log, and within a derived bound of f64.
import { describe, expect, test } from 'vitest'
import { ROWS } from '../../src/compiler/kernels.js'
import { exactSoftmax, FIRST_ORDER, logSoftmaxError, logSoftmaxRow, softmaxError, softmaxRow, UNDERFLOW } from '../reference/softmax.js'
import { at, AWKWARD, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { random, randomFloats } from '../support/numbers.js'

const fround = Math.fround

function loss(x: Float32Array, labels: Int32Array, width: number): Float32Array {
  const box = new KernelBox(), rows = labels.length
  const y = box.alloc(rows * 4)
  const words = { x: box.put(x).address, labels: box.put(labels).address, y: y.address, rows, width }
  runEveryWay(box, 'f32_sparse_xent', words, Math.ceil(rows / ROWS), [y])
  return box.f32(y)
}

function grad(x: Float32Array, labels: Int32Array, dy: Float32Array, width: number, inPlace = false): Float32Array {
  const box = new KernelBox(), rows = labels.length
  const source = box.put(x)
  const dx = inPlace ? source : box.alloc(x.byteLength)
  const words = { x: source.address, labels: box.put(labels).address, dy: box.put(dy).address, dx: dx.address, rows, width }
  runEveryWay(box, 'f32_sparse_xent_grad', words, Math.ceil(rows / ROWS), [dx])
  return box.f32(dx)
}

const labelsFor = (rows: number, width: number): Int32Array => {
  const next = random(rows * width)
  return Int32Array.from({ length: rows }, () => Math.floor(next() * width))
}
const row = (x: Float32Array, r: number, width: number): Float32Array => x.subarray(r * width, (r + 1) * width)

describe('f32_sparse_xent', () => {
  test.each(AWKWARD.filter((n) => n > 0))('width %i, to the bit', (width) => {
    for (const rows of width > 300 ? [2] : [0, 1, 8, 9]) {
      const x = randomFloats(rows * width, width + rows, -12, 12), labels = labelsFor(rows, width), dy = randomFloats(rows, 3)
      // −logSoftmax, save that a loss of nothing is +0
      expectBits(loss(x, labels, width), Array.from(labels, (label, r) => 0 - at(logSoftmaxRow(row(x, r, width)), label)))
      const want = Array.from(labels).flatMap((label, r) =>
        softmaxRow(row(x, r, width)).map((p, j) => fround((j === label ? fround(p - 1) : p) * at(dy, r))))
      expectBits(grad(x, labels, dy, width), want)
      expectBits(grad(x, labels, dy, width, true), want, 'in place')
    }
  })

  test.each([2, 10, 300])('near f64, width %i', (width) => {
    for (const scale of [1, 10, 60]) {
      const x = randomFloats(width, width, -scale, scale), label = width >> 1
      const p = exactSoftmax(x)
      expect(Math.abs(at(loss(x, Int32Array.of(label), width), 0) + Math.log(at(p, label)))).toBeLessThanOrEqual(logSoftmaxError(x) * FIRST_ORDER)
      const dx = grad(x, Int32Array.of(label), Float32Array.of(0.7), width)
      p.forEach((q, j) => {
        // softmax's error, a rounding of p − 1 and one of the product, of numbers up to 1 times the seed
        const exact = (j === label ? q - 1 : q) * fround(0.7)
        const bound = softmaxError(x) * FIRST_ORDER * q * fround(0.7) + 2 * 2 ** -24 * Math.abs(exact) * FIRST_ORDER
        expect(Math.abs(at(dx, j) - exact)).toBeLessThanOrEqual(bound + UNDERFLOW)
      })
    }
  })

  test('stays finite and exact where the naive form overflows', () => {
    const x = Float32Array.of(1000, 0, -1000, 3e38, 3e38, -3e38)
    expectBits(loss(x.slice(0, 3), Int32Array.of(0), 3), [0])
    expectBits(loss(x.slice(0, 3), Int32Array.of(2), 3), [2000])
    expectBits(loss(x.slice(3), Int32Array.of(0), 3), [0 - at(logSoftmaxRow(x.slice(3)), 0)])
    expectBits(grad(x.slice(0, 3), Int32Array.of(2), Float32Array.of(1), 3), [1, 0, -1])
  })

  test('a small loss keeps its digits at a large offset of all logits', () => {
    const near = Float32Array.of(0, -12, -12), far = Float32Array.of(4096, 4084, 4084)
    expectBits(loss(far, Int32Array.of(0), 3), loss(near, Int32Array.of(0), 3))
  })

  test('NaN and ∞: a row with NaN has loss and gradient NaN, an impossible label an infinite loss', () => {
    const x = randomFloats(27, 1), labels = Int32Array.of(0, 1, 8)
    x[17] = NaN
    expect([...loss(x, labels, 9)].map(Number.isNaN)).toEqual([false, true, false])
    const dx = grad(x, labels, Float32Array.of(1, 0, 1), 9)
    expect([0, 1, 2].map((r) => [...row(dx, r, 9)].map(Number.isNaN))).toEqual([false, true, false].map((nan) => Array.from({ length: 9 }, () => nan)))
    expectBits(loss(Float32Array.of(-Infinity, 1), Int32Array.of(0), 2), [Infinity])
    expectBits(grad(Float32Array.of(-Infinity, 1), Int32Array.of(0), Float32Array.of(1), 2), [-1, 1])
  })
})
