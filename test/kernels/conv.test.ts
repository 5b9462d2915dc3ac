// f32_conv, f32_pack_conv and f32_pad against law 3, written out in plain JavaScript on the matrix of patches: equal bits for the convolution and
// both gradients, whatever the strides, dilations, groups, tiles and the other sizes.
import { describe, expect, test } from 'vitest'
import { conv2dKernelOp, conv2dInputOp, conv2dOp } from '../../src/compiler/ops/conv.js'
import { apply, apply1, type Value } from '../../src/compiler/graph/value.js'
import { CONV_KERNEL_COLUMNS, CONV_KERNEL_ROWS, ELEMENTS, KB, KC, PANEL } from '../../src/compiler/kernels.js'
import { add } from '../../src/compiler/ops/binary.js'
import { relu } from '../../src/compiler/ops/unary.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { at, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { randomFloats } from '../support/numbers.js'
import { feed, Machine, programOf, type Typed } from '../support/programs.js'

const fround = Math.fround

interface Conv {
  readonly images: number
  /** of one image: height, width, channels */
  readonly image: readonly [number, number, number]
  /** rows, columns, filters */
  readonly kernel: readonly [number, number, number]
  readonly strides?: readonly [number, number]
  readonly dilation?: readonly [number, number]
  /** top, bottom, left, right */
  readonly pads?: readonly [number, number, number, number]
  readonly groups?: number
}

class Case {
  readonly strides; readonly dilation; readonly pads; readonly groups; readonly out: readonly [number, number]
  readonly perGroup: number
  readonly filtersOfGroup: number
  readonly x: Float32Array
  readonly w: Float32Array
  readonly dy: Float32Array

  constructor(readonly of: Conv) {
    const { images, image, kernel, strides = [1, 1], dilation = [1, 1], pads = [0, 0, 0, 0], groups = 1 } = of
    this.strides = strides; this.dilation = dilation; this.pads = pads; this.groups = groups
    this.out = [
      Math.floor((image[0] + pads[0] + pads[1] - (kernel[0] - 1) * dilation[0] - 1) / strides[0]) + 1, Math.floor((image[1] + pads[2] + pads[3] - (kernel[1] - 1) * dilation[1] - 1) / strides[1]) + 1,
    ]
    this.perGroup = image[2] / groups
    this.filtersOfGroup = kernel[2] / groups
    this.x = randomFloats(images * image[0] * image[1] * image[2], 1)
    this.w = randomFloats(kernel[0] * kernel[1] * this.perGroup * kernel[2], 2)
    this.dy = randomFloats(images * this.out[0] * this.out[1] * kernel[2], 3)
  }

  get attrs() { return { strides: this.strides, dilation: this.dilation, pads: this.pads, groups: this.groups } }

  /** x with its frame of zeros. */
  pixel(i: number, h: number, v: number, c: number): number {
    const { image: [height, width, channels] } = this.of
    const [r, q] = [h - this.pads[0], v - this.pads[2]]
    return r < 0 || r >= height || q < 0 || q >= width ? 0 : at(this.x, ((i * height + r) * width + q) * channels + c)
  }

  weight(a: number, b: number, c: number, f: number): number { return at(this.w, ((a * this.of.kernel[1] + b) * this.perGroup + c) * this.of.kernel[2] + f) }

  /** dy, its pixels the strides apart, zeros between and around them. */
  dilated(i: number, h: number, v: number, f: number): number {
    const [r, q] = [h / this.strides[0], v / this.strides[1]]
    if (!Number.isInteger(r) || !Number.isInteger(q) || r < 0 || r >= this.out[0] || q < 0 || q >= this.out[1]) return 0
    return at(this.dy, ((i * this.out[0] + r) * this.out[1] + q) * this.of.kernel[2] + f)
  }

  forward(): Float32Array {
    const { images, kernel: [rows, columns, filters] } = this.of
    const y: number[] = []
    for (let i = 0; i < images; i++) for (let r = 0; r < this.out[0]; r++) for (let q = 0; q < this.out[1]; q++) for (let f = 0; f < filters; f++) {
      const first = Math.floor(f / this.filtersOfGroup) * this.perGroup
      const terms: number[] = []
      for (let a = 0; a < rows; a++) for (let b = 0; b < columns; b++) for (let c = 0; c < this.perGroup; c++) {
        terms.push(fround(this.pixel(i, r * this.strides[0] + a * this.dilation[0], q * this.strides[1] + b * this.dilation[1], first + c) * this.weight(a, b, c, f)))
      }
      y.push(lawful(terms))
    }
    return Float32Array.from(y)
  }

  byInput(): Float32Array {
    const { images, image: [height, width, channels], kernel: [rows, columns] } = this.of
    const dx: number[] = []
    for (let i = 0; i < images; i++) for (let h = 0; h < height; h++) for (let v = 0; v < width; v++) for (let c = 0; c < channels; c++) {
      const group = Math.floor(c / this.perGroup)
      const terms: number[] = []
      for (let a = rows - 1; a >= 0; a--) for (let b = columns - 1; b >= 0; b--) for (let k = 0; k < this.filtersOfGroup; k++) {
        const f = group * this.filtersOfGroup + k
        terms.push(fround(this.dilated(i, h + this.pads[0] - a * this.dilation[0], v + this.pads[2] - b * this.dilation[1], f) * this.weight(a, b, c % this.perGroup, f)))
      }
      dx.push(lawful(terms))
    }
    return Float32Array.from(dx)
  }

  byKernel(): Float32Array {
    const { images, kernel: [rows, columns, filters] } = this.of
    const dw: number[] = []
    for (let a = 0; a < rows; a++) for (let b = 0; b < columns; b++) for (let c = 0; c < this.perGroup; c++) for (let f = 0; f < filters; f++) {
      const channel = Math.floor(f / this.filtersOfGroup) * this.perGroup + c
      const terms: number[] = []
      for (let i = 0; i < images; i++) for (let r = 0; r < this.out[0]; r++) for (let q = 0; q < this.out[1]; q++) {
        terms.push(fround(this.pixel(i, r * this.strides[0] + a * this.dilation[0], q * this.strides[1] + b * this.dilation[1], channel) * at(this.dy, ((i * this.out[0] + r) * this.out[1] + q) * filters + f)))
      }
      dw.push(lawful(terms))
    }
    return Float32Array.from(dw)
  }
}

/** Law 3 of rounded products: chunks of KC from +0, added ascending to blocks of KB, those added ascending. */
function lawful(terms: readonly number[]): number {
  let total = 0
  for (let block = 0; block < terms.length; block += KB) {
    let blockSum = 0
    for (let chunk = block; chunk < Math.min(block + KB, terms.length); chunk += KC) {
      let sum = 0
      for (let p = chunk; p < Math.min(chunk + KC, block + KB, terms.length); p++) sum = fround(sum + at(terms, p))
      blockSum = chunk === block ? sum : fround(blockSum + sum)
    }
    total = block === 0 ? blockSum : fround(total + blockSum)
  }
  return total
}

const machine = new Machine()

function run(y: Value, arrays: Readonly<Record<string, Typed>>, images: number, lanes: number | null = null): Float32Array {
  const executor = machine.link(programOf({ y }, { capacity: Math.max(images, 1) }))
  const got = machine.run(executor, images, { arrays }, lanes)['y']
  executor.release()
  if (!(got instanceof Float32Array)) throw new TypeError('expected floats')
  return got
}

function compare(of: Conv): void {
  const c = new Case(of)
  const { images, image, kernel } = of
  const x = feed('x', ['n', ...image]), dy = feed('dy', ['n', ...c.out, kernel[2]]), w = feed('w', [kernel[0], kernel[1], c.perGroup, kernel[2]])
  const what = JSON.stringify(of)
  for (const lanes of [null, 1]) {
    expectBits(run(apply1(conv2dOp, [x, w], c.attrs), { x: c.x, w: c.w }, images, lanes), c.forward(), `conv2d ${what}`)
    expectBits(run(apply1(conv2dInputOp, [dy, w], { ...c.attrs, size: image.slice(0, 2) }), { dy: c.dy, w: c.w }, images, lanes), c.byInput(), `by the input ${what}`)
    expectBits(run(apply1(conv2dKernelOp, [x, dy], { ...c.attrs, size: kernel.slice(0, 2) }), { x: c.x, dy: c.dy }, images, lanes), c.byKernel(), `by the kernel ${what}`)
  }
}

describe('convolution and its gradients', () => {
  test.each<{ name: string; cases: readonly Conv[] }>([
    { name: 'an image of one pixel', cases: [{ images: 1, image: [1, 1, 1], kernel: [1, 1, 1] }, { images: 3, image: [1, 1, 5], kernel: [3, 3, 9], pads: [1, 1, 1, 1] }] },
    { name: 'a kernel larger than the image, in a frame of zeros', cases: [{ images: 2, image: [2, 3, 2], kernel: [5, 7, 9], pads: [2, 2, 3, 3] }, { images: 1, image: [1, 1, 9], kernel: [3, 5, 9], pads: [1, 1, 2, 2], groups: 9 }, { images: 2, image: [2, 2, 3], kernel: [3, 3, 4], pads: [2, 2, 2, 2], dilation: [2, 2], strides: [3, 3] }] },
    { name: 'a kernel as large as the image', cases: [{ images: 1, image: [5, 4, 3], kernel: [5, 4, 7] }, { images: 2, image: [3, 3, 1], kernel: [3, 3, 8] }] },
    { name: 'strides', cases: [{ images: 2, image: [10, 11, 3], kernel: [3, 3, 5], strides: [3, 3] }, { images: 1, image: [8, 9, 2], kernel: [2, 3, 17], strides: [1, 3], pads: [0, 1, 1, 1] }, { images: 2, image: [7, 7, 3], kernel: [1, 1, 8], strides: [2, 2] }] },
    { name: 'dilations', cases: [{ images: 2, image: [9, 8, 3], kernel: [3, 3, 6], dilation: [2, 2] }, { images: 1, image: [9, 8, 2], kernel: [3, 2, 9], dilation: [2, 3], strides: [2, 1], pads: [1, 2, 0, 3] }] },
    { name: 'groups', cases: [{ images: 2, image: [6, 5, 6], kernel: [3, 3, 9], groups: 3, pads: [1, 1, 1, 1] }, { images: 2, image: [5, 6, 7], kernel: [3, 3, 7], groups: 7 }, { images: 2, image: [5, 6, 9], kernel: [2, 3, 27], groups: 9, strides: [2, 2] }, { images: 1, image: [5, 4, 18], kernel: [2, 2, 20], groups: 2, dilation: [1, 2] }] },
    { name: 'channels, each for itself', cases: [2, 3, 7, 8, 9, 16, 21].map((channels) => ({ images: 3, image: [7, 6, channels] as const, kernel: [3, 2, channels] as const, groups: channels, pads: [1, 0, 1, 0] as const, strides: [2, 1] as const, dilation: [1, 2] as const })) },
    { name: 'channels, each for itself, in sums longer than a chunk and than a block', cases: [8, 11, 17].flatMap((channels) => [{ images: 2, image: [17, 19, channels] as const, kernel: [3, 4, channels] as const, groups: channels, pads: [1, 1, 1, 2] as const }, { images: 3, image: [41, 40, channels] as const, kernel: [1, 5, channels] as const, groups: channels }]) },
    { name: 'channels, each for itself, with more taps than their kernels take', cases: [{ images: 1, image: [9, 8, 9], kernel: [8, 8, 9], groups: 9 }, { images: 1, image: [6, 14, 8], kernel: [5, 13, 8], groups: 8 }] },
    { name: 'channels, each for itself, with more taps than a chunk', cases: [{ images: 1, image: [24, 25, 2], kernel: [23, 23, 2], groups: 2 }] },
    { name: 'odd channels and filters', cases: [1, 2, 3, 4, 5, 7, 8, 9, 13].flatMap((channels) => [1, 3, 7, 8, 9, 15, 17].map((filters) => ({ images: 2, image: [4, 5, channels] as const, kernel: [2, 3, filters] as const, pads: [0, 1, 1, 1] as const }))) },
    { name: 'more filters than a tile has columns', cases: [{ images: 2, image: [4, 5, 3], kernel: [2, 2, 67] }, { images: 1, image: [6, 7, 2], kernel: [2, 2, 130], groups: 2 }] },
    { name: 'pixels enough for tall tiles', cases: [{ images: 6, image: [28, 28, 1], kernel: [3, 3, 9], pads: [1, 1, 1, 1] }, { images: 2, image: [47, 46, 2], kernel: [2, 1, 4], groups: 2, strides: [1, 1] }] },
    { name: 'no image', cases: [{ images: 0, image: [5, 4, 3], kernel: [3, 3, 7], pads: [1, 1, 1, 1] }] },
    { name: 'sums longer than a chunk', cases: [{ images: 1, image: [4, 4, 60], kernel: [3, 3, 9], pads: [1, 1, 1, 1] }, { images: 2, image: [3, 3, 140], kernel: [2, 2, 139], groups: 1, dilation: [2, 2] }, { images: 5, image: [13, 12, 2], kernel: [2, 2, 3] }, { images: 1, image: [2, 3, KC + 5], kernel: [1, 2, 3] }] },
    { name: 'sums longer than a block', cases: [{ images: 1, image: [4, 3, 463], kernel: [3, 3, 11], pads: [1, 1, 0, 1] }, { images: 3, image: [41, 40, 2], kernel: [3, 3, 9] }, { images: 3, image: [41, 40, 5], kernel: [3, 3, 19] }, { images: 1, image: [3, 3, 2], kernel: [3, 3, 470], pads: [1, 1, 1, 1] }] },
  ])('$name', ({ cases }) => { cases.forEach(compare) }, 30_000)

  test('a kernel of one pixel is a matrix product, bit for bit', () => {
    const x = feed('x', ['n', 3, 4, 600]), w = feed('w', [1, 1, 600, 11])
    const arrays = { x: randomFloats(2 * 12 * 600, 5), w: randomFloats(6600, 6) }
    expectBits(run(apply1(conv2dOp, [x, w], { strides: [1, 1], dilation: [1, 1], pads: [0, 0, 0, 0], groups: 1 }), arrays, 2), run(matmul(x, feed('w', [600, 11])), arrays, 2))
  })

  test('an image has the same bits alone as among others', () => {
    const c = new Case({ images: 7, image: [5, 6, 3], kernel: [3, 3, 9], pads: [1, 1, 1, 1] })
    const y = apply1(conv2dOp, [feed('x', ['n', 5, 6, 3]), feed('w', [3, 3, 3, 9])], c.attrs)
    const all = run(y, { x: c.x, w: c.w }, 7)
    for (let i = 0; i < 7; i++) expectBits(run(y, { x: c.x.slice(i * 90, (i + 1) * 90), w: c.w }, 1), all.slice(i * 270, (i + 1) * 270), `image ${i}`)
  })

  test('bias and activation are applied once, to the finished sum, also when they are fused', () => {
    for (const [channels, groups] of [[3, 1], [470, 1], [6, 3], [9, 9]] as const) {
      const c = new Case({ images: 2, image: [4, 3, channels], kernel: [3, 3, 9], pads: [1, 1, 1, 1], groups })
      const bias = randomFloats(9, 8)
      const ins = [feed('x', ['n', 4, 3, channels]), feed('w', [3, 3, c.perGroup, 9])]
      const y = relu(add(apply1(conv2dOp, ins, c.attrs), feed('bias', [9])))
      const [fused] = apply(conv2dOp, [...ins, feed('bias', [9])], { ...c.attrs, activation: 'relu' })
      const want = c.forward().map((v, i) => { const t = fround(v + at(bias, i % 9)); return t > 0 ? t : 0 })
      for (const value of [y, fused]) if (value !== undefined) expectBits(run(value, { x: c.x, w: c.w, bias }, 2), want)
      expect(programOf({ y }, { capacity: 2 }).calls.map(({ kernel }) => kernel)).toEqual(channels === groups ? ['f32_pad', 'f32_depthwise'] : ['f32_pad', 'f32_pack_conv', 'f32_conv'])
    }
  })

  test('hands NaN and infinities on, and only to the sums that they belong to; ∞ times the zeros around an image is NaN', () => {
    for (const special of [Number.NaN, Infinity]) {
      const c = new Case({ images: 2, image: [4, 5, 3], kernel: [3, 3, 9], pads: [1, 1, 1, 1] })
      c.x[31] = special
      const y = apply1(conv2dOp, [feed('x', ['n', 4, 5, 3]), feed('w', [3, 3, 3, 9])], c.attrs)
      expectBits(run(y, { x: c.x, w: c.w }, 2), c.forward())
      c.w[4] = special
      expectBits(run(y, { x: c.x, w: c.w }, 2), c.forward())
      expect(Number.isNaN(at(c.forward(), 4))).toBe(true)
    }
  })
})

describe('blocks with tiles of their own', () => {
  const of = { images: 5, image: [41, 40, 2], kernel: [2, 3, 11], pads: [1, 0, 1, 1] } as const
  const dw = (c: Case) => apply1(conv2dKernelOp, [feed('x', ['n', ...c.of.image]), feed('dy', ['n', ...c.out, c.of.kernel[2]])], { ...c.attrs, size: c.of.kernel.slice(0, 2) })

  test('have the bits of tiles that go through all blocks, for any number of images up to the capacity', () => {
    for (const depthwise of [false, true]) {
      const spec: Conv = depthwise ? { ...of, image: [41, 40, 11], groups: 11 } : of
      const most = new Case(spec)
      const large = machine.link(programOf({ y: dw(most) }, { capacity: 5 }))
      expect(large.program.calls.map(({ kernel }) => kernel)).toEqual(['f32_pad', depthwise ? 'f32_depthwise_kernel' : 'f32_conv', 'f32_add_blocks'])
      // One image has 1640 terms, three have more than a block.
      for (const images of [0, 1, 2, 3, 4, 5, 0]) {
        const c = new Case({ ...spec, images }), arrays = { x: c.x, dy: c.dy }, want = run(dw(c), arrays, images)
        for (const lanes of [null, 1, 2, 3]) expectBits(machine.run(large, images, { arrays }, lanes)['y'] ?? [], want, `${images} images, lanes ${lanes}`)
        expectBits(want, c.byKernel(), `${images} images`)
      }
      large.release()
    }
  })

  test('of a matrix product, with and without something that it is added to', () => {
    const x = feed('x', ['n', 700, 3]), dz = feed('dz', ['n', 700, 5]), product = matmul(x, dz, { transposeA: true })
    for (const y of [product, add(feed('before', [3, 5]), product)]) {
      const large = machine.link(programOf({ y }, { capacity: 13 }))
      expect(large.program.calls.map(({ kernel }) => kernel).filter((name) => name !== 'f32_binary')).toEqual(['f32_pack_b', 'f32_gemm', 'f32_add_blocks'])
      for (const n of [0, 1, 5, 6, 12, 13]) {
        const arrays = { x: randomFloats(n * 2100, 1), dz: randomFloats(n * 3500, 2), before: randomFloats(15, 3) }
        const want = run(y, arrays, n)
        for (const lanes of [null, 1, 2]) expectBits(machine.run(large, n, { arrays }, lanes)['y'] ?? [], want, `${n}, lanes ${lanes}`)
      }
      large.release()
    }
  })

  test('are a choice: products with many outputs have none', () => {
    const many = apply1(conv2dKernelOp, [feed('x', ['n', 4, 4, 64]), feed('dy', ['n', 4, 4, 256])], { strides: [1, 1], dilation: [1, 1], pads: [1, 1, 1, 1], groups: 1, size: [3, 3] })
    expect(programOf({ y: many }, { capacity: 1000 }).calls.map(({ kernel }) => kernel)).toEqual(['f32_pad', 'f32_conv'])
  })

  test.each([1, KC, KB - 1, KB, KB + 1, 2 * KB, 2 * KB + KC + 3])('%i terms', (k) => {
    for (const { m, n, groups } of [{ m: 9, n: 5, groups: 1 }, { m: 35, n: 19, groups: 1 }, { m: 3, n: 9, groups: 2 }, { m: 101, n: 27, groups: 1 }]) {
      const box = new KernelBox(), blocks = Math.ceil(k / KB), columns = n * groups, inner = 7
      // Terms lie in runs of seven, a gap of two floats behind each; B in rows as they are.
      const a = box.put(randomFloats(Math.ceil(k / inner) * (inner + 2) * m, 1)), b = box.put(randomFloats(k * Math.max(columns, PANEL), 2))
      const whole = box.alloc(m * columns * 4), parts = box.alloc(blocks * m * columns * 4), sum = box.alloc(m * columns * 4)
      const words = {
        a: a.address, b: b.address, bias: 0, m, n, k, rowInner: m, rowMid: 1, rowStep: 4, rowMidStep: 0, rowOuterStep: 0, inner, mid: Math.ceil(k / inner), step: 4 * m, midStep: 4 * m * (inner + 2), outerStep: 0,
        bStep: 4 * Math.max(columns, PANEL), bPanel: 32, bWidth: Math.max(columns, PANEL), cRow: 4 * columns, groups, aGroup: 0, bGroup: 4 * n, cGroup: 4 * n, activation: -1, alpha: 0,
      }
      let first: Float32Array | undefined
      // Tall tiles go through a chunk in parts.
      for (const [tileRows, tileColumns] of [[16, 16], [32, 32], [CONV_KERNEL_ROWS, CONV_KERNEL_COLUMNS], [36, 64]] as const) {
        const tiles = Math.ceil(m / tileRows) * groups * Math.ceil(n / tileColumns)
        runEveryWay(box, 'f32_conv', { ...words, tileRows, tileColumns, c: whole.address, cBlock: 0 }, tiles, [whole])
        runEveryWay(box, 'f32_conv', { ...words, tileRows, tileColumns, c: parts.address, cBlock: 4 * m * columns }, tiles * blocks, [parts])
        runEveryWay(box, 'f32_add_blocks', { x: parts.address, y: sum.address, length: m * columns, blocks }, 1, [sum])
        expectBits(box.f32(sum), box.f32(whole))
        expectBits(box.f32(whole), (first ??= box.f32(whole)), `tiles of ${tileRows} rows`)
      }
    }
  })
})

describe('f32_add_blocks', () => {
  test('adds ascending from the first; none give +0', () => {
    for (const length of [1, 3, 4, 4099]) for (const blocks of [0, 1, 2, 5]) {
      const box = new KernelBox(), data = randomFloats(length * blocks, 1)
      if (blocks === 1) data[0] = -0
      const x = box.put(data), y = box.alloc(length * 4)
      runEveryWay(box, 'f32_add_blocks', { x: x.address, y: y.address, length, blocks }, Math.ceil(length / ELEMENTS), [y])
      expectBits(box.f32(y), Array.from({ length }, (_, i) => Array.from({ length: blocks }, (_, b) => at(data, b * length + i)).reduce((sum, v, b) => (b === 0 ? v : fround(sum + v)), 0)))
    }
  })
})

describe('f32_conv', () => {
  test('writes its outputs and nothing else, whatever the order and the size of its tiles', () => {
    for (const { n, groups, k } of [{ n: 9, groups: 1, k: 6 }, { n: 3, groups: 3, k: 8 }, { n: 70, groups: 2, k: 5 }, { n: 20, groups: 1, k: KB + 3 }]) {
      const box = new KernelBox()
      // 69 pixels of k·groups channels, a kernel of one pixel
      const [m, columns] = [69, n * groups]
      const a = box.put(randomFloats(m * k * groups, 1)), b = box.put(randomFloats(groups * Math.ceil(n / PANEL) * PANEL * k, 2)), c = box.alloc(m * columns * 4), bias = box.put(randomFloats(columns, 3))
      const words = {
        a: a.address, b: b.address, c: c.address, bias: bias.address, m, n, k, rowInner: m, rowMid: 1, rowStep: k * groups * 4, rowMidStep: 0, rowOuterStep: 0,
        inner: k, mid: 1, step: 4, midStep: 0, outerStep: 0, bStep: 32, bPanel: k * 32, bWidth: 0, cRow: columns * 4, groups, aGroup: k * 4, bGroup: Math.ceil(n / PANEL) * k * 32, cGroup: n * 4,
        activation: -1, alpha: 0, cBlock: 0,
      }
      const results = [[8, 16], [32, 64], [64, 32], [64, 64]].map(([tileRows = 0, tileColumns = 0]) => {
        runEveryWay(box, 'f32_conv', { ...words, tileRows, tileColumns }, Math.ceil(m / tileRows) * groups * Math.ceil(n / tileColumns), [c])
        return box.f32(c)
      })
      for (const result of results) expectBits(result, results[0] ?? [])
    }
  })
})

describe('f32_pad', () => {
  test.each([
    { top: 1, left: 2, rows: 6, columns: 8, rowStep: 1, columnStep: 1 }, { top: 0, left: 0, rows: 4, columns: 5, rowStep: 1, columnStep: 1 }, { top: -1, left: -2, rows: 2, columns: 9, rowStep: 1, columnStep: 1 },
    { top: 3, left: 9, rows: 4, columns: 3, rowStep: 1, columnStep: 1 }, { top: 1, left: 1, rows: 12, columns: 17, rowStep: 3, columnStep: 4 }, { top: -2, left: -3, rows: 5, columns: 7, rowStep: 2, columnStep: 2 },
    { top: -2, left: -7, rows: 5, columns: 7, rowStep: 1, columnStep: 1 },
  ])('$top, $left: $rows × $columns, steps $rowStep, $columnStep', ({ top, left, rows, columns, rowStep, columnStep }) => {
    const [images, height, width] = [3, 4, 5]
    for (const channels of [1, 3, 4, 9]) {
      const box = new KernelBox()
      const data = randomFloats(images * height * width * channels, channels)
      const x = box.put(data), y = box.alloc(images * rows * columns * channels * 4)
      runEveryWay(box, 'f32_pad', { x: x.address, y: y.address, height, width, channels, rows, columns, top, left, rowStep, columnStep, images }, images * rows, [y])
      const want = new Float32Array(images * rows * columns * channels)
      for (let i = 0; i < images; i++) for (let r = 0; r < height; r++) for (let q = 0; q < width; q++) for (let c = 0; c < channels; c++) {
        const [h, v] = [top + r * rowStep, left + q * columnStep]
        if (h >= 0 && h < rows && v >= 0 && v < columns) want[((i * rows + h) * columns + v) * channels + c] = at(data, ((i * height + r) * width + q) * channels + c)
      }
      expectBits(box.f32(y), want)
    }
  })
})

describe('f32_pack_conv', () => {
  test('lays kernels out in zero padded panels, group by group, also turned about', () => {
    for (const [taps, inner, n, groups] of [[1, 1, 1, 1], [9, 3, 8, 1], [6, 5, 17, 2], [4, 1, 1, 9], [3, 2, 24, 1]] as const) {
      const box = new KernelBox()
      const filters = n * groups, data = randomFloats(taps * inner * filters, taps)
      const w = box.put(data), out = box.alloc(groups * Math.ceil(n / PANEL) * PANEL * taps * inner * 4)
      for (const flipped of [false, true]) {
        const tap = inner * filters * 4
        runEveryWay(box, 'f32_pack_conv', { w: w.address + (flipped ? (taps - 1) * tap : 0), out: out.address, taps, inner, n, tapStep: flipped ? -tap : tap, step: filters * 4, column: 4, groupStep: n * 4, groups }, groups * Math.ceil(n / PANEL), [out])
        const want: number[] = []
        for (let g = 0; g < groups; g++) for (let p = 0; p < Math.ceil(n / PANEL); p++) for (let t = 0; t < taps; t++) for (let i = 0; i < inner; i++) for (let j = p * PANEL; j < (p + 1) * PANEL; j++) {
          want.push(j < n ? at(data, ((flipped ? taps - 1 - t : t) * inner + i) * filters + g * n + j) : 0)
        }
        expectBits(box.f32(out), want)
      }
    }
  })
})
