// The edges of layers: images of one pixel, windows and kernels larger than the image, a batch of one sample, sequences of one step, and scans
// whose samples all have different lengths. Outputs and gradients beside what is written out in f64, or to the bit beside the plain case.
import { describe, expect, test } from 'vitest'
import { averagePool2d, batchNormalization, conv2d, depthwiseConv2d, flatten, globalAveragePool2d, maxPool2d, mse, rnn, sequential, sgd, type Layer } from '../../src/index.js'
import { add, mul } from '../../src/compiler/ops/binary.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { sum } from '../../src/compiler/ops/reduce.js'
import { scan } from '../../src/compiler/ops/scan.js'
import { reshape } from '../../src/compiler/ops/shapes.js'
import { sigmoid, tanh } from '../../src/compiler/ops/unary.js'
import type { Value } from '../../src/compiler/graph/value.js'
import { gradients } from '../../src/compiler/passes/gradients.js'
import { poolWindows } from '../reference/pool.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { feed, Machine, programOf, type Results } from '../support/programs.js'
import { batchOf, Training } from '../support/training.js'

const count = (n: number): number[] => Array.from({ length: n }, (_, i) => i)
/** A dozen roundings of numbers below 4. */
const near = (got: ArrayLike<number>, want: readonly number[]): void => {
  expect(got.length).toBe(want.length)
  want.forEach((v, i) => { if (!(Math.abs(at(got, i) - v) <= 2e-6)) expect.fail(`[${i}]: ${at(got, i)} instead of ${v}`) })
}

/** One step's sums and gradients: mean squares against y. */
function trained(layers: readonly Layer[], input: readonly number[], x: Float32Array, y: Float32Array, n: number) {
  const t = new Training({ layers: [...layers, flatten()], input, loss: mse(), optimizer: sgd({ learningRate: 1 }) })
  const result = t.shard(t.sources({ x, y }), batchOf(count(n)), 0)
  return { weights: t.weights(), gradients: t.gradients(result), loss: at(result.sums, 0) }
}

describe.each([1, 3])('an image of one pixel, a batch of %i', (n) => {
  const x = randomFloats(n * 2, 1), y = randomFloats(n * 4, 2)

  test.each([
    ['3 × 3', {}], ['5 × 5, strides 2', { size: 5, strides: 2 }], ['3 × 3, dilated', { dilation: 3 }],
  ] as const)('conv2d %s, same: the centre of the kernel is a matrix, the rest sees zeros', (_, { size = 3, ...more }: { readonly size?: number; readonly strides?: number; readonly dilation?: number }) => {
    const { weights, gradients: g, loss } = trained([conv2d(4, size, { padding: 'same', ...more })], [1, 1, 2], x, y, n)
    const kernel = weights['conv2d1.kernel'] ?? [], bias = weights['conv2d1.bias'] ?? []
    const centre = (size * size - 1) / 2 * 8
    const out = count(n * 4).map((i) => { const r = Math.floor(i / 4), f = i % 4; return at(x, r * 2) * at(kernel, centre + f) + at(x, r * 2 + 1) * at(kernel, centre + 4 + f) + at(bias, f) })
    const dy = out.map((v, i) => 2 * (v - at(y, i)) / 4 / n)
    expect(Math.abs(loss - out.reduce((s, v, i) => s + (v - at(y, i)) ** 2, 0) / 4)).toBeLessThan(1e-5)
    near(g['conv2d1.bias'] ?? [], count(4).map((f) => count(n).reduce((s, r) => s + at(dy, r * 4 + f), 0)))
    near(g['conv2d1.kernel'] ?? [], kernel.map((__, i) => {
      const j = i - centre
      return j < 0 || j >= 8 ? 0 : count(n).reduce((s, r) => s + at(x, r * 2 + Math.floor(j / 4)) * at(dy, r * 4 + j % 4), 0)
    }))
  })

  test('depthwise, same: the centre scales each channel', () => {
    const { weights, gradients: g } = trained([depthwiseConv2d(3, { padding: 'same', depthMultiplier: 2 })], [1, 1, 2], x, y, n)
    const kernel = weights['depthwiseConv2d1.kernel'] ?? [], bias = weights['depthwiseConv2d1.bias'] ?? []
    const dy = count(n * 4).map((i) => { const f = i % 4; return 2 * (at(x, Math.floor(i / 2)) * at(kernel, 16 + f) + at(bias, f) - at(y, i)) / 4 / n })
    near(g['depthwiseConv2d1.kernel'] ?? [], kernel.map((_, i) => (i < 16 || i >= 20 ? 0 : count(n).reduce((s, r) => s + at(x, r * 2 + Math.floor((i - 16) / 2)) * at(dy, r * 4 + i - 16), 0))))
  })

  test('pools of any size hand it on, forwards and backwards', () => {
    for (const pool of [maxPool2d({ padding: 'same' }), averagePool2d({ poolSize: 7, strides: 3, padding: 'same' }), maxPool2d({ poolSize: 1 }), globalAveragePool2d()]) {
      const plain = trained([conv2d(4, 1)], [1, 1, 2], x, y, n), through = trained([conv2d(4, 1), pool], [1, 1, 2], x, y, n)
      expectBits([through.loss], [plain.loss])
      for (const [key, g] of Object.entries(plain.gradients)) expectBits(through.gradients[key] ?? [], g, key)
    }
  })
})

test('windows larger than the image hold all of it', () => {
  const image = [3, 2, 2], x = randomFloats(24, 3)
  const pooling = { poolSize: [9, 8], strides: [2, 1], padding: 'same' } as const
  const windows = poolWindows([2, ...image], pooling)
  const largest = sequential([maxPool2d({ poolSize: [9, 8], strides: [2, 1], padding: 'same' })], { input: image }).predictSync(x)
  expect(largest.shape).toEqual([2, 2, 2, 2])
  expectBits(largest.data, windows.map((window) => Math.max(...window.map((i) => at(x, i)))))
  near(sequential([averagePool2d({ poolSize: [9, 8], strides: [2, 1], padding: 'same' })], { input: image }).predictSync(x).data,
    windows.map((window) => window.reduce((s, i) => s + at(x, i), 0) / window.length))
  for (const make of [maxPool2d, averagePool2d]) expect(() => sequential([make({ poolSize: [4, 2] })], { input: image })).toThrow('at least 4 pixels')
})

test('a kernel larger than the image, same: each pixel sees all of it', () => {
  const image = [2, 3, 1], x = randomFloats(12, 4), y = randomFloats(24, 5)
  const { weights, gradients: g, loss } = trained([conv2d(2, [5, 7], { padding: 'same' })], image, x, y, 2)
  const kernel = weights['conv2d1.kernel'] ?? [], bias = weights['conv2d1.bias'] ?? []
  /** what one output adds up: elements of x and of the kernel */
  const terms = (r: number, i: number, j: number, f: number) => count(2).flatMap((a) => count(3).map((b) => ({ x: at(x, (r * 2 + a) * 3 + b), k: ((a - i + 2) * 7 + b - j + 3) * 2 + f })))
  const places = count(24).map((o) => ({ o, terms: terms(Math.floor(o / 12), Math.floor(o / 6) % 2, Math.floor(o / 2) % 3, o % 2) }))
  const out = places.map(({ o, terms: list }) => list.reduce((s, t) => s + t.x * at(kernel, t.k), at(bias, o % 2)))
  expect(Math.abs(loss - out.reduce((s, v, i) => s + (v - at(y, i)) ** 2, 0) / 12)).toBeLessThan(1e-5)
  const dk = new Array<number>(kernel.length).fill(0)
  for (const { o, terms: list } of places) for (const t of list) dk[t.k] = at(dk, t.k) + t.x * (at(out, o) - at(y, o)) / 12
  near(g['conv2d1.kernel'] ?? [], dk)
})

test.each([[[3]], [[1, 1, 3]]])('batch normalisation of one sample of %j: beta, and no gradient but its own', (shape) => {
  const x = randomFloats(3, 6, -5, 5), y = randomFloats(3, 7)
  const { weights, gradients: g, loss } = trained([batchNormalization()], shape, x, y, 1)
  const beta = weights['batchNormalization1.beta'] ?? []
  expect(Math.abs(loss - beta.reduce((s, v, i) => s + (v - at(y, i)) ** 2, 0) / 3)).toBeLessThan(1e-6)
  near(g['batchNormalization1.beta'] ?? [], beta.map((v, i) => 2 * (v - at(y, i)) / 3))
  near(g['batchNormalization1.gamma'] ?? [], [0, 0, 0])
})

test('a moving average within the steps of a cell is refused where it would be trained, by name, when it is compiled', () => {
  const norm = batchNormalization()
  const cell = rnn({ states: [2], step: (x, states) => { const next = states.map((h) => tanh(add(h, norm(x)))); return { output: next[0] ?? x, states: next } } }, { name: 'cell' })
  const model = sequential([cell], { input: [5, 2] })
  const before = model.getWeights()
  expect(() => model.compile({ optimizer: sgd(), loss: mse() })).toThrow(/^cell\/batchNormalization1: expected a moving average of the whole batch, got one of each step of a scan\. Normalise/)
  expect(model.getWeights()).toEqual(before)
})

describe.each([false, true])('a scan with lengths that all differ, reverse: %s', (reverse) => {
  const STEPS = 5
  /** none, each number of steps, more than there are, fewer than none */
  const LENGTHS = [3, 0, 5, 1, 9, 4, 2, -1]
  const N = LENGTHS.length
  const machine = new Machine()
  const u = feed('u', [3, 3]), w = feed('w', [4])
  const arrays = { u: randomFloats(9, 1), w: randomFloats(4, 2), x: randomFloats(N * STEPS * 3, 3), h: randomFloats(N * 3, 4), c: randomFloats(N * 4, 5), dy: randomFloats(N * STEPS * 3, 6), dz: randomFloats(N * STEPS, 7), dh: randomFloats(N * 3, 8), dc: randomFloats(N * 4, 9) }

  /** Two carries and two outputs, of four widths and two ranks, and what they and the gradients by x and both first carries are. */
  function run(steps: number, rows: readonly number[], lengths: boolean): Results {
    const [x, h0, c0] = [feed('x', ['n', steps, 3]), feed('h', ['n', 3]), feed('c', ['n', 2, 2])]
    const { carries, ys } = scan(([h, c], [xt]) => {
      if (h === undefined || c === undefined || xt === undefined) throw new RangeError('a step takes h, c and x')
      const next = tanh(add(matmul(h, u), xt))
      const flat = tanh(mul(reshape(c, ['n', 4]), w))
      const gate = sigmoid(sum(mul(next, xt), 1))
      return { carries: [next, reshape(flat, ['n', 2, 2])], ys: [mul(next, next), gate] }
    }, [h0, c0], [x], { reverse, ...(lengths ? { lengths: feed('lengths', ['n'], 'i32') } : {}) })
    const [h, c] = carries, [y, z] = ys
    if (h === undefined || c === undefined || y === undefined || z === undefined) throw new RangeError('a scan gives two carries and two outputs')
    const seeds = [{ y: h, dy: feed('dh', h.shape) }, { y: c, dy: feed('dc', c.shape) }, { y, dy: feed('dy', y.shape) }, { y: z, dy: feed('dz', z.shape) }]
    const [dx, dh0, dc0] = gradients(seeds, [x, h0, c0])
    const fetches: Record<string, Value> = { h, c, y, z }
    for (const [name, v] of Object.entries({ dx, dh0, dc0 })) if (v !== null && v !== undefined) fetches[name] = v
    const taken = (data: Float32Array, width: number, all: number): Float32Array => Float32Array.from(rows.flatMap((r) => Array.from(data.subarray(r * all * width, (r * all + (all === 1 ? 1 : steps)) * width))))
    const executor = machine.link(programOf(fetches, { capacity: Math.max(1, rows.length) }))
    const results = machine.run(executor, rows.length, {
      arrays: {
        u: arrays.u, w: arrays.w, x: taken(arrays.x, 3, STEPS), h: taken(arrays.h, 3, 1), c: taken(arrays.c, 4, 1), dy: taken(arrays.dy, 3, STEPS), dz: taken(arrays.dz, 1, STEPS), dh: taken(arrays.dh, 3, 1),
        dc: taken(arrays.dc, 4, 1), lengths: Int32Array.from(rows, (r) => at(LENGTHS, r)),
      },
    })
    executor.release()
    return results
  }
  const slice = (results: Results, name: string, r: number, width: number): readonly number[] => Array.from(results[name] ?? []).slice(r * width, (r + 1) * width)
  const all = run(STEPS, count(N), true)

  test.each(count(N))('sample %i is what a scan over its own steps gives, and +0 beyond', (r) => {
    const length = Math.min(STEPS, Math.max(0, at(LENGTHS, r)))
    const padded = (values: readonly number[], width: number): number[] => [...values, ...new Array<number>((STEPS - length) * width).fill(0)]
    if (length === 0) {
      expectBits(slice(all, 'h', r, 3), Array.from(arrays.h.subarray(r * 3, r * 3 + 3)))
      expectBits(slice(all, 'c', r, 4), Array.from(arrays.c.subarray(r * 4, r * 4 + 4)))
      expect(slice(all, 'dh0', r, 3)).toEqual(Array.from(arrays.dh.subarray(r * 3, r * 3 + 3)))
      expect(slice(all, 'dc0', r, 4)).toEqual(Array.from(arrays.dc.subarray(r * 4, r * 4 + 4)))
      for (const [name, width] of [['y', 3], ['z', 1], ['dx', 3]] as const) expectBits(slice(all, name, r, STEPS * width), padded([], width), name)
      return
    }
    const own = run(length, [r], false)
    expectBits(slice(all, 'h', r, 3), slice(own, 'h', 0, 3))
    expectBits(slice(all, 'c', r, 4), slice(own, 'c', 0, 4))
    expectBits(slice(all, 'y', r, STEPS * 3), padded(slice(own, 'y', 0, length * 3), 3))
    expectBits(slice(all, 'z', r, STEPS), padded(slice(own, 'z', 0, length), 1))
    // A gradient has further terms here, in another order: those of what passes through.
    const dx = slice(all, 'dx', r, STEPS * 3)
    near(dx, padded(slice(own, 'dx', 0, length * 3), 3))
    expect(dx.slice(length * 3).every((v) => v === 0)).toBe(true)
    for (const [name, width] of [['dh0', 3], ['dc0', 4]] as const) near(slice(all, name, r, width), slice(own, name, 0, width))
  })

  test('the same alone as among others', () => {
    for (const r of count(N)) {
      const alone = run(STEPS, [r], true)
      for (const [name, width] of [['h', 3], ['c', 4], ['y', STEPS * 3], ['z', STEPS], ['dx', STEPS * 3], ['dh0', 3], ['dc0', 4]] as const) expectBits(slice(alone, name, 0, width), slice(all, name, r, width), name)
    }
  })
})
