// The elementwise kernels against plain JavaScript: every code, every form of broadcasting, lengths around the vector and the tile.
import { describe, expect, test } from 'vitest'
import { ELEMENTS, ROWS, type KernelField, type KernelName } from '../../src/compiler/kernels.js'
import { binaryCode, unaryCode, type BinaryName, type UnaryName } from '../../src/core/codes.js'
import { KernelBox, type Block, type Word } from '../support/kernel.js'
import { bitsOf, difference, random, runTiles, ulpDistance } from '../support/numbers.js'

const box = new KernelBox()
const expectSame = (got: ArrayLike<number>, expected: ArrayLike<number>) => expect(difference(got, expected)).toBe('')
const LENGTHS = [0, 1, 3, 4, 5, 7, 8, 31, 4095, 4096, 4097, 10007]
const SEED = 20261124
const GUARD = 64

/** Finite numbers of many magnitudes, mixed with every special value; about one in eight repeats its predecessor. */
function values(n: number, seed: number): Float32Array {
  const next = random(seed)
  const specials = [0, -0, 1, -1, NaN, Infinity, -Infinity, 1e-40, -1e-40, 2 ** -126, 3.4e38, -3.4e38, 88.8, -88.8]
  const out = new Float32Array(n)
  for (let i = 0; i < n; i++) {
    const kind = next()
    if (kind < 0.125) out[i] = specials[Math.floor(next() * specials.length)] ?? 0
    else if (kind < 0.25) out[i] = out[i - 1] ?? 0
    else out[i] = (2 * next() - 1) * 2 ** Math.floor(next() * 16 - 10)
  }
  return out
}

/** An output between two guards of GUARD bytes, all 0xff before the run. */
class Output {
  readonly address: number
  readonly #whole: Block
  constructor(readonly bytes: number) {
    this.#whole = box.alloc(bytes + 2 * GUARD)
    this.address = this.#whole.address + GUARD
  }
  get f32(): Float32Array { return box.f32({ address: this.address, bytes: this.bytes }) }
  get f64(): Float64Array { return box.f64({ address: this.address, bytes: this.bytes }) }
  get i32(): Int32Array { return box.i32({ address: this.address, bytes: this.bytes }) }
  /** Bytes outside [from, to) of the output, guards included, that were written. */
  written(from = 0, to = this.bytes): number {
    const all = new Uint8Array(box.memory.buffer, this.#whole.address, this.#whole.bytes)
    return all.filter((byte, i) => byte !== 0xff && (i < GUARD + from || i >= GUARD + to)).length
  }
}

/** Runs a kernel on fresh outputs: in one call and twice in random pieces. The bits agree and the guards are whole; gives the output. */
function everyOrder<K extends KernelName>(name: K, bytes: number, tiles: number, words: (y: number) => Readonly<Record<KernelField<K>, Word>>): Output {
  const straight = new Output(bytes)
  box.kernel(name, words(straight.address))(0, tiles)
  expect(straight.written()).toBe(0)
  for (const seed of [1, 2]) {
    const pieces = new Output(bytes)
    runTiles(box.kernel(name, words(pieces.address)), tiles, seed)
    expect(pieces.written()).toBe(0)
    expectSame(pieces.i32, straight.i32)
  }
  return straight
}

/** The largest distance of two arrays in ulps, Infinity where only one is NaN. */
function worstUlp(got: Float32Array, expected: ArrayLike<number>): number {
  return got.reduce((worst, value, i) => Math.max(worst, ulpDistance(value, expected[i] ?? NaN)), 0)
}

const f = Math.fround
const nan = (x: number, otherwise: number) => Number.isNaN(x) ? NaN : otherwise
const log1pExp = (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
/** Elementary functions: 4 ulps of the exact result (test/kernels/math.test.ts holds them to their own), and half a one for its rounding. */
const ELEMENTARY_ULPS = 5

interface Oracle<F> { readonly f: F; readonly ulps?: number }
const unary: Readonly<Record<UnaryName, Oracle<(x: number, alpha: number, beta: number) => number>>> = {
  neg: { f: (x) => -x },
  exp: { f: (x) => Math.exp(x), ulps: ELEMENTARY_ULPS },
  log: { f: (x) => Math.log(x), ulps: ELEMENTARY_ULPS },
  sqrt: { f: (x) => Math.sqrt(x) },
  square: { f: (x) => x * x },
  abs: { f: (x) => Math.abs(x) },
  sign: { f: (x) => x > 0 ? 1 : x < 0 ? -1 : nan(x, 0) },
  reciprocal: { f: (x) => 1 / x },
  relu: { f: (x) => x > 0 ? x : nan(x, 0) },
  leakyRelu: { f: (x, alpha) => x > 0 ? x : alpha * x },
  elu: { f: (x, alpha) => x > 0 ? x : alpha * Math.expm1(x), ulps: ELEMENTARY_ULPS },
  sigmoid: { f: (x) => 1 / (1 + Math.exp(-x)), ulps: ELEMENTARY_ULPS },
  tanh: { f: (x) => Math.tanh(x), ulps: ELEMENTARY_ULPS },
  softplus: { f: log1pExp, ulps: ELEMENTARY_ULPS },
  clip: { f: (x, alpha, beta) => Math.min(Math.max(x, alpha), beta) },
  affine: { f: (x, alpha, beta) => f(alpha * x) + beta },
}
const UNARY_NAMES = Object.keys(unary) as UnaryName[]
const ALPHA = f(-0.3)
const BETA = f(0.7)

function unaryWords(name: UnaryName, x: number, y: number, length: number): Record<KernelField<'f32_unary'>, Word> {
  return { x, y, length, code: unaryCode[name], alpha: { f32: ALPHA }, beta: { f32: BETA } }
}

describe.each(UNARY_NAMES)('f32_unary %s', (name) => {
  const oracle = unary[name]
  const expected = (x: Float32Array) => Float32Array.from(x, (value) => oracle.f(value, ALPHA, BETA))

  test.each(LENGTHS)('%i elements', (n) => {
    const x = values(n, SEED + n)
    const at = box.put(x).address
    const y = everyOrder('f32_unary', 4 * n, Math.ceil(n / ELEMENTS), (to) => unaryWords(name, at, to, n)).f32
    if (oracle.ulps === undefined) expectSame(bitsOf(y), bitsOf(expected(x)))
    else expect(worstUlp(y, expected(x))).toBeLessThanOrEqual(oracle.ulps)
  })

  test('in place, and alone, each element has the same bits', () => {
    const x = values(4099, SEED)
    const source = box.put(x).address
    const apart = new Output(x.byteLength)
    box.kernel('f32_unary', unaryWords(name, source, apart.address, x.length))(0, 2)
    const place = box.put(x)
    box.kernel('f32_unary', unaryWords(name, place.address, place.address, x.length))(0, 2)
    expectSame(bitsOf(box.f32(place)), bitsOf(apart.f32))
    const alone = new Output(64 * 4)
    for (let i = 0; i < 64; i++) box.kernel('f32_unary', unaryWords(name, source + 4 * i, alone.address + 4 * i, 1))(0, 1)
    expectSame(bitsOf(alone.f32), bitsOf(apart.f32.slice(0, 64)))
  })
})

const binary: Readonly<Record<BinaryName, (a: number, b: number, alpha: number, beta: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: (a, b) => Math.max(a, b),
  minimum: (a, b) => Math.min(a, b),
  first: (a) => a,
  greater: (a, b) => a > b ? 1 : 0,
  equal: (a, b) => a === b ? 1 : 0,
  reluGrad: (y, dy) => y !== y ? NaN : y > 0 ? dy : 0,
  leakyReluGrad: (y, dy, alpha) => y !== y ? NaN : y > 0 ? dy : alpha * dy,
  eluGrad: (y, dy, alpha) => y > 0 ? dy : dy * f(y + alpha),
  sigmoidGrad: (y, dy) => dy * f(y * f(1 - y)),
  tanhGrad: (y, dy) => dy * f(1 - f(y * y)),
  logitXent: (a, b) => Math.max(a, 0) - a * b + Math.log1p(Math.exp(-Math.abs(a))),
  clipGrad: (x, dy, alpha, beta) => x !== x ? NaN : alpha <= x && x <= beta ? dy : 0,
}
const BINARY_NAMES = Object.keys(binary) as BinaryName[]

type Sizes = readonly [outer: number, mid: number, inner: number]
/** An operand's strides from which of the three levels it spans. */
function strides([, mid, inner]: Sizes, [spansOuter, spansMid, spansInner]: readonly [boolean, boolean, boolean]): readonly [number, number, number] {
  const row = spansInner ? inner : 1
  const plane = spansMid ? mid * row : row
  return [spansOuter ? plane : 0, spansMid ? row : 0, spansInner ? 1 : 0]
}
const length = (sizes: Sizes, s: readonly [number, number, number]) => sizes.reduce((n, size, i) => s[i] === 0 ? n : n * size, 1)
const BOOLEANS = [true, false] as const
const SPANS = BOOLEANS.flatMap((o) => BOOLEANS.flatMap((m) => BOOLEANS.map((i) => [o, m, i] as const)))

function binaryWords(name: BinaryName, [outer, mid, inner]: Sizes, a: number, aStrides: readonly [number, number, number], b: number,
  bStrides: readonly [number, number, number], y: number): Record<KernelField<'f32_binary'>, Word> {
  const [aOuter, aMid, aInner] = aStrides
  const [bOuter, bMid, bInner] = bStrides
  return { a, b, y, outer, mid, inner, aOuter, aMid, aInner, bOuter, bMid, bInner, code: binaryCode[name], alpha: { f32: ALPHA }, beta: { f32: BETA } }
}
const binaryTiles = ([outer, mid, inner]: Sizes) => outer * mid * Math.ceil(inner / ELEMENTS)

/** Computes one form of broadcasting and compares it with the oracle. */
function checkBinary(name: BinaryName, sizes: Sizes, aSpans: readonly [boolean, boolean, boolean], bSpans: readonly [boolean, boolean, boolean]): void {
  const aStrides = strides(sizes, aSpans)
  const bStrides = strides(sizes, bSpans)
  const a = values(length(sizes, aStrides), SEED + 1)
  const b = values(length(sizes, bStrides), SEED + 2)
  const aAt = box.put(a).address
  const bAt = box.put(b).address
  const [outer, mid, inner] = sizes
  const n = outer * mid * inner
  const y = everyOrder('f32_binary', 4 * n, binaryTiles(sizes), (to) => binaryWords(name, sizes, aAt, aStrides, bAt, bStrides, to)).f32
  const pick = (x: Float32Array, s: readonly [number, number, number], i: number) =>
    x[Math.floor(i / (mid * inner)) * s[0] + Math.floor(i / inner) % mid * s[1] + i % inner * s[2]] ?? NaN
  const expected = Float32Array.from({ length: n }, (_, i) => binary[name](pick(a, aStrides, i), pick(b, bStrides, i), ALPHA, BETA))
  if (name !== 'logitXent') return expectSame(bitsOf(y), bitsOf(expected))
  const errors = y.map((value, i) => logitXentError(value, pick(a, aStrides, i), pick(b, bStrides, i)))
  expect(Math.max(0, ...errors)).toBeLessThanOrEqual(LOGIT_XENT_ERROR)
}

/** Three roundings of at most 2⁻²⁴ and a logarithm within 1.7 ulps, relative to the sum of the terms' magnitudes: the terms may cancel. */
const LOGIT_XENT_ERROR = 6.4 * 2 ** -24
function logitXentError(got: number, a: number, b: number): number {
  const relu = a > 0 ? a : nan(a, 0)
  const logarithm = Math.log1p(Math.exp(-Math.abs(a)))
  const linear = f(relu - f(a * b))
  if (!Number.isFinite(linear)) return Object.is(got, linear) ? 0 : Infinity
  return Math.abs(got - (relu - a * b + logarithm)) / (relu + Math.abs(a * b) + logarithm + 2 ** -126)
}

describe.each(BINARY_NAMES)('f32_binary %s', (name) => {
  test.each(LENGTHS)('%i elements in a row', (n) => checkBinary(name, [1, 1, n], [true, true, true], [true, true, true]))

  test('all forms of broadcasting', () => {
    for (const aSpans of SPANS) for (const bSpans of SPANS) checkBinary(name, [2, 3, 7], aSpans, bSpans)
    for (const aInner of BOOLEANS) for (const bInner of BOOLEANS) {
      checkBinary(name, [1, 2, 4099], [true, true, aInner], [true, false, bInner])
      checkBinary(name, [3, 5, 1], [true, false, aInner], [true, true, bInner])
    }
  })

  test('in place of either operand, broadcast against the other', () => {
    const sizes: Sizes = [2, 2, 4101]
    const whole = strides(sizes, [true, true, true])
    for (const spans of SPANS) {
      const other = strides(sizes, spans)
      const x = values(length(sizes, whole), SEED + 3)
      const z = values(length(sizes, other), SEED + 4)
      const xAt = box.put(x).address
      const zAt = box.put(z).address
      for (const first of BOOLEANS) {
        const words = (from: number, to: number) => first
          ? binaryWords(name, sizes, from, whole, zAt, other, to) : binaryWords(name, sizes, zAt, other, from, whole, to)
        const apart = new Output(x.byteLength)
        box.kernel('f32_binary', words(xAt, apart.address))(0, binaryTiles(sizes))
        const place = box.put(x)
        runTiles(box.kernel('f32_binary', words(place.address, place.address)), binaryTiles(sizes), 3)
        expectSame(bitsOf(box.f32(place)), bitsOf(apart.f32))
      }
    }
  })
})

test('a tile writes its own bytes and no others', () => {
  const n = 3 * ELEMENTS - 5
  const x = box.put(new Float32Array(n).fill(2)).address
  const whole = [0, 0, 1] as const
  for (let tile = 0; tile < 3; tile++) {
    const from = 4 * tile * ELEMENTS
    const to = Math.min(4 * n, from + 4 * ELEMENTS)
    const runs: readonly ((y: number) => (tileBegin: number, tileEnd: number) => void)[] = [
      (y) => box.kernel('f32_unary', unaryWords('neg', x, y, n)),
      (y) => box.kernel('f32_binary', binaryWords('add', [1, 1, n], x, whole, x, whole, y)),
      (y) => box.kernel('f32_select', { mask: x, a: x, b: x, y, length: n, aStride: 1, bStride: 1 }),
      (y) => box.kernel('i32_equal', { a: x, b: x, y, length: n }),
      (y) => box.kernel('f32_fill', { y, length: n, value: 0 }),
      (y) => box.kernel('copy', { x, y, length: 4 * n }),
    ]
    for (const run of runs) {
      const y = new Output(4 * n)
      run(y.address)(tile, tile + 1)
      expect(y.written(from, to)).toBe(0)
      expect(y.i32.subarray(from / 4, to / 4).every((word) => word !== -1)).toBe(true)
    }
  }
})

test('copy_rows copies parts of rows, tile by tile, and nothing beside them', () => {
  for (const [rows, width, xRow, yRow] of [[0, 3, 3, 3], [1, 1, 1, 1], [7, 3, 5, 4], [8, 1, 1, 9], [9, 5, 5, 7], [17, 8, 11, 8]] as const) {
    const source = Int32Array.from({ length: Math.max(1, rows * xRow) }, (_, i) => i + 1)
    const x = box.put(source).address
    const y = box.alloc(Math.max(1, rows * yRow) * 4)
    runTiles(box.kernel('copy_rows', { x, y: y.address, rows, width: width * 4, xRow: xRow * 4, yRow: yRow * 4 }), Math.ceil(rows / ROWS), rows)
    const got = box.i32(y)
    for (let i = 0; i < rows * yRow; i++) expect(got[i]).toBe(i % yRow < width ? source[Math.floor(i / yRow) * xRow + (i % yRow)] : -1)
  }
})

test('a row of no elements and an empty range of tiles do nothing', () => {
  const y = new Output(64)
  box.kernel('f32_binary', binaryWords('add', [0, 0, 0], y.address, [0, 0, 0], y.address, [0, 0, 0], y.address))(0, 0)
  box.kernel('f32_unary', unaryWords('affine', y.address, y.address, 0))(0, 0)
  box.kernel('f32_unary', unaryWords('affine', y.address, y.address, 16))(1, 1)
  box.kernel('copy', { x: y.address, y: y.address, length: 0 })(0, 0)
  expect(y.written(0, 0)).toBe(0)
})

/** Any 32-bit patterns: a selection or a copy must not touch the payload of a NaN. */
function patterns(n: number, seed: number): Int32Array {
  const next = random(seed)
  return Int32Array.from({ length: n }, () => next() < 0.25 ? 0x7f800001 | (next() * 2 ** 32) : next() * 2 ** 32)
}

describe.each(LENGTHS)('%i elements', (n) => {
  const tiles = Math.ceil(n / ELEMENTS)

  test('f32_select', () => {
    const next = random(SEED)
    const mask = Uint8Array.from({ length: n }, () => [0, 0, 1, 2, 128, 255][Math.floor(next() * 6)] ?? 0)
    for (const aStride of [0, 1]) for (const bStride of [0, 1]) {
      const a = patterns(aStride ? n : 1, 5)
      const b = patterns(bStride ? n : 1, 6)
      const expected = Int32Array.from(mask, (keep, i) => (keep ? a[i * aStride] : b[i * bStride]) ?? 0)
      const maskAt = box.put(mask).address
      const words = (aAt: number, bAt: number, y: number) => ({ mask: maskAt, a: aAt, b: bAt, y, length: n, aStride, bStride })
      const aAt = box.put(a)
      const bAt = box.put(b)
      expectSame(everyOrder('f32_select', 4 * n, tiles, (y) => words(aAt.address, bAt.address, y)).i32, expected)
      const place = aStride ? aAt : bAt
      if (!aStride && !bStride) continue
      runTiles(box.kernel('f32_select', words(aAt.address, bAt.address, place.address)), tiles, 7)
      expectSame(box.i32(place), expected)
    }
  })

  test('f32_fake_quant', () => {
    for (const [outer, stride, levels] of [[1, 0, 127], [1, 1, 1], [3, 1, 7]] as const) {
      const x = values(outer * n, 8)
      const range = values(stride ? n : 1, 9).map(Math.abs)
      const expected = x.map((v, i) => {
        const step = f((range[stride ? i % n : 0] ?? 0) / levels), t = f(v / step)
        if (Number.isNaN(v) || step === 0) return nan(v, 0)
        // from 2²³ every f32 is whole
        const whole = !(Math.abs(t) < 2 ** 23) ? t : Math.abs(t % 1) === 0.5 ? 2 * Math.round(t / 2) : Math.round(t)
        return nan(whole, f(Math.min(Math.max(whole, -levels), levels) * step) + 0)
      })
      const [xAt, rangeAt] = [box.put(x).address, box.put(range).address]
      const words = (y: number) => ({ x: xAt, range: rangeAt, y, outer, inner: n, rangeStride: stride, levels: { f32: levels } })
      expectSame(everyOrder('f32_fake_quant', 4 * outer * n, outer * tiles, words).f32, expected)
      runTiles(box.kernel('f32_fake_quant', words(xAt)), outer * tiles, 7)
      expectSame(box.f32({ address: xAt, bytes: 4 * outer * n }), expected)
    }
  })

  test('i32_equal', () => {
    const next = random(SEED)
    const a = Int32Array.from({ length: n }, () => next() * 2 ** 32)
    const b = a.map((value) => next() < 0.5 ? value : value ^ (1 << Math.floor(next() * 32)))
    const aAt = box.put(a).address
    const bAt = box.put(b).address
    const y = everyOrder('i32_equal', 4 * n, tiles, (to) => ({ a: aAt, b: bAt, y: to, length: n })).f32
    expectSame(y, Float32Array.from(a, (value, i) => value === b[i] ? 1 : 0))
  })

  test('f32_fill', () => {
    for (const value of [0, 0x80000000, 0x3f800000, 0x7fa12345]) {
      const y = everyOrder('f32_fill', 4 * n, tiles, (to) => ({ y: to, length: n, value })).i32
      expectSame(y, new Int32Array(n).fill(value))
    }
  })

  test('copy', () => {
    const x = patterns(n, 8)
    const at = box.put(x).address
    expectSame(everyOrder('copy', 4 * n, tiles, (y) => ({ x: at, y, length: 4 * n })).i32, x)
  })

  test('f32_accumulate', () => {
    const x = values(n, 9)
    const y = values(n, 10)
    const at = box.put(x).address
    const sum = box.put(y)
    const after = box.put(new Float32Array(16).fill(3))
    runTiles(box.kernel('f32_accumulate', { x: at, y: sum.address, length: n }), tiles, 11)
    expectSame(bitsOf(box.f32(sum)), bitsOf(y.map((value, i) => value + (x[i] ?? NaN))))
    expectSame(box.f32(after), new Float32Array(16).fill(3))
  })

  test('f64_accumulate', () => {
    const next = random(SEED)
    const numbers = () => Float64Array.from({ length: n }, () => (next() - 0.5) * 2 ** (40 * next()))
    const x = numbers()
    const y = numbers()
    const at = box.put(x).address
    const whole = box.put(Float64Array.of(...Array<number>(8).fill(7), ...y, ...Array<number>(8).fill(7)))
    runTiles(box.kernel('f64_accumulate', { x: at, y: whole.address + 64, length: n }), tiles, 12)
    const sums = box.f64(whole)
    expectSame(sums.slice(8, 8 + n), y.map((value, i) => value + (x[i] ?? NaN)))
    expect([...sums.slice(0, 8), ...sums.slice(8 + n)].every((value) => value === 7)).toBe(true)
  })
})
