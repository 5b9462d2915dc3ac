// The pooling kernels against their windows written out, one Math.fround for each rounding: equal bits, in any order of tiles.
import { describe, expect, test } from 'vitest'
import { POOL_ROWS } from '../../src/compiler/kernels.js'
import { poolAxis, poolWindows, type Pooling } from '../reference/pool.js'
import { at, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const fround = Math.fround
const add = (a: number, b: number): number => fround(a + b)

interface Case { readonly image: readonly [number, number, number, number]; readonly pooling: Pooling }
const of = (image: Case['image'], poolSize: readonly [number, number], strides: readonly [number, number], padding: Pooling['padding']): Case => ({ image, pooling: { poolSize, strides, padding } })
const CASES: readonly Case[] = [
  of([1, 1, 1, 1], [1, 1], [1, 1], 'valid'), of([2, 1, 1, 5], [3, 3], [3, 3], 'same'), of([3, 5, 5, 3], [2, 2], [2, 2], 'same'), of([1, 7, 9, 4], [3, 2], [3, 3], 'valid'),
  of([2, 8, 7, 9], [3, 3], [1, 2], 'same'), of([1, 4, 6, 17], [2, 2], [2, 2], 'valid'), of([2, 3, 4, 6], [7, 5], [2, 1], 'same'), of([2, 10, 11, 1], [2, 2], [3, 4], 'same'),
  // side by side: every number of channels of a vector, more than a tile of rows, odd sizes either way
  of([2, 18, 6, 4], [2, 2], [2, 2], 'same'), of([1, 2, 2, 1], [2, 2], [2, 2], 'valid'), of([3, 10, 4, 2], [2, 2], [2, 2], 'same'), of([1, 16, 8, 7], [2, 2], [2, 2], 'valid'),
  of([2, 11, 4, 5], [2, 2], [2, 2], 'same'), of([2, 6, 9, 4], [2, 2], [2, 2], 'valid'), of([2, 9, 3, 3], [2, 2], [2, 2], 'valid'), of([1, 4, 4, 5], [2, 2], [2, 1], 'same'),
  of([2, 19, 5, 5], [4, 3], [2, 1], 'same'), of([1, 17, 4, 10], [3, 2], [2, 2], 'valid'), of([0, 4, 4, 2], [2, 2], [2, 2], 'valid'), of([1, 1, 1030, 2], [1, 600], [200, 200], 'same'),
]

/** Few different numbers: ties in most windows; zeros of both signs. */
function ties(n: number, seed: number): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: n }, () => { const v = Math.floor(next() * 5) - 2; return v === 0 && next() < 0.5 ? -0 : v })
}
/** Numbers of many magnitudes, so that another order of summation gives other bits. */
function spread(n: number, seed: number): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: n }, () => (next() * 2 - 1) * 2 ** Math.floor(next() * 12))
}

class Pool {
  readonly windows: readonly (readonly number[])[]
  readonly pixels: number

  constructor(readonly item: Case) {
    this.windows = poolWindows(item.image, item.pooling)
    this.pixels = item.image.reduce((a, b) => a * b, 1)
  }

  words() {
    const { image: [samples, height, width, channels], pooling: { poolSize, strides, padding } } = this.item
    const [poolHeight, poolWidth, strideY, strideX] = [at(poolSize, 0), at(poolSize, 1), at(strides, 0), at(strides, 1)]
    const outHeight = poolAxis(height, poolHeight, strideY, padding).length, outWidth = poolAxis(width, poolWidth, strideX, padding).length
    const pad = (size: number, out: number, pool: number, stride: number) => (padding === 'same' ? Math.floor(Math.max(0, (out - 1) * stride + pool - size) / 2) : 0)
    return {
      samples, height, width, channels, outHeight, outWidth, poolHeight, poolWidth, strideY, strideX,
      padTop: pad(height, outHeight, poolHeight, strideY), padLeft: pad(width, outWidth, poolWidth, strideX),
    }
  }

  forward(name: 'f32_max_pool' | 'f32_average_pool', x: Float32Array): Float32Array {
    const box = new KernelBox(), words = this.words()
    const y = box.alloc(this.windows.length * 4)
    runEveryWay(box, name, { x: box.put(x).address, y: y.address, ...words }, words.samples * words.outHeight, [y])
    return box.f32(y)
  }

  maxGrad(x: Float32Array, dy: Float32Array, relu = 0): Float32Array {
    const box = new KernelBox(), words = this.words()
    const dx = box.alloc(this.pixels * 4)
    runEveryWay(box, 'f32_max_pool_grad', { x: box.put(x).address, dy: box.put(dy).address, dx: dx.address, relu, ...words }, words.samples * Math.ceil(words.height / POOL_ROWS), [dx])
    return box.f32(dx)
  }

  averageGrad(dy: Float32Array): Float32Array {
    const box = new KernelBox(), words = this.words()
    const dx = box.alloc(this.pixels * 4)
    runEveryWay(box, 'f32_average_pool_grad', { dy: box.put(dy).address, dx: dx.address, ...words }, words.samples * words.height, [dx])
    return box.f32(dx)
  }

  /** Σ, ascending by windows from +0, of what each window gives to each of its pixels. */
  gathered(share: (window: readonly number[], o: number, i: number) => number): number[] {
    const dx = new Array<number>(this.pixels).fill(0)
    this.windows.forEach((window, o) => { for (const i of window) dx[i] = add(at(dx, i), share(window, o, i)) })
    return dx
  }

  /** The sum of a window: its rows, then their sums. */
  sum(x: Float32Array, window: readonly number[]): number {
    const [, , width, channels] = this.item.image
    const rows = new Map<number, number>()
    for (const i of window) { const row = Math.floor(i / (width * channels)); rows.set(row, add(rows.get(row) ?? 0, at(x, i))) }
    return [...rows.values()].reduce(add, 0)
  }
}

/** The first NaN of a window, else its first largest. */
const winner = (x: Float32Array, window: readonly number[]): number =>
  window.find((i) => Number.isNaN(at(x, i))) ?? window.reduce((best, i) => (at(x, i) > at(x, best) ? i : best), at(window, 0))

describe.each(CASES)('$image, $pooling', (item) => {
  const pool = new Pool(item)

  test('the largest of each window', () => {
    const x = ties(pool.pixels, 1)
    expectBits(pool.forward('f32_max_pool', x), pool.windows.map((window) => window.reduce((best, i) => Math.max(best, at(x, i)), -Infinity)))
  })

  test('its gradient goes to the first largest', () => {
    const x = ties(pool.pixels, 2), dy = spread(pool.windows.length, 3)
    expectBits(pool.maxGrad(x, dy), pool.gathered((window, o, i) => (winner(x, window) === i ? at(dy, o) : 0)))
  })

  test('behind a relu: where it passed something on', () => {
    const x = ties(pool.pixels, 2), dy = spread(pool.windows.length, 3), plain = pool.maxGrad(x, dy)
    expectBits(pool.maxGrad(x, dy, 1), plain.map((g, i) => (at(x, i) > 0 ? g : 0)))
  })

  test('the mean of each window', () => {
    const x = spread(pool.pixels, 4)
    expectBits(pool.forward('f32_average_pool', x), pool.windows.map((window) => fround(pool.sum(x, window) / window.length)))
  })

  test('and its gradient', () => {
    const dy = spread(pool.windows.length, 5)
    expectBits(pool.averageGrad(dy), pool.gathered((window, o) => fround(at(dy, o) / window.length)))
  })
})

test.each([of([1, 4, 5, 5], [3, 2], [1, 1], 'same'), of([1, 4, 6, 7], [2, 2], [2, 2], 'same'), of([1, 3, 4, 5], [2, 2], [2, 2], 'same')])('NaN and ∞ come through, forwards and backwards: $image, $pooling', (item) => {
  const pool = new Pool(item)
  for (const bad of [NaN, Infinity, -Infinity]) {
    for (let i = 0; i < pool.pixels; i += 7) {
      const x = ties(pool.pixels, i), dy = spread(pool.windows.length, i)
      x[i] = bad
      // ∞ − ∞ is no NaN of the window
      if (bad === Infinity) x[(i + 1) % pool.pixels] = -Infinity
      expectBits(pool.forward('f32_max_pool', x), pool.windows.map((window) => window.reduce((best, j) => Math.max(best, at(x, j)), -Infinity)))
      expectBits(pool.forward('f32_average_pool', x), pool.windows.map((window) => fround(pool.sum(x, window) / window.length)))
      const dx = pool.gathered((window, o, j) => { const w = winner(x, window); return w !== j ? 0 : Number.isNaN(at(x, w)) ? NaN : at(dy, o) })
      expectBits(pool.maxGrad(x, dy), dx)
      expectBits(pool.maxGrad(x, dy, 1), dx.map((g, j) => (Number.isNaN(at(x, j)) ? NaN : at(x, j) > 0 ? g : 0)))
    }
  }
  const all = new Float32Array(pool.pixels).fill(-Infinity), ones = new Float32Array(pool.windows.length).fill(1)
  expect(pool.maxGrad(all, ones).reduce((a, b) => a + b, 0)).toBe(pool.windows.length)
})
