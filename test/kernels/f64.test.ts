// The scalar f64 functions that the host uses instead of Math, against Math: both lie within 1 ulp of the exact result. (The logarithm is only in f32_random.)
import { describe, expect, test } from 'vitest'
import { COS_END } from '../../src/core/scalar.js'
import { KernelBox } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const box = new KernelBox()
function kernel(name: string): (...x: number[]) => number {
  const f = box.exports[name]
  if (typeof f !== 'function') throw new Error(`no ${name}`)
  return f as (...x: number[]) => number
}

/** The two errors of up to 1 ulp may add up. */
const ULPS = 2

const double = new Float64Array(1)
const words = new Int32Array(double.buffer)
/** The spacing of f64 values at the magnitude of x. */
function spacing(x: number): number {
  double[0] = x
  const exponent = ((words[1] ?? 0) >>> 20) & 0x7ff
  return exponent === 0 ? 2 ** -1074 : 2 ** Math.max(exponent - 1075, -1074)
}
function ulps(got: number, expected: number): number {
  if (Object.is(got, expected)) return 0
  return Number.isFinite(got) && Number.isFinite(expected) ? Math.abs(got - expected) / spacing(expected) : Infinity
}

const N = 200_000
/** N numbers: of all exponents and signs, or evenly between two ends. */
function* anywhere(seed: number): Generator<number> {
  const next = random(seed)
  for (let i = 0; i < N; i++) {
    words[0] = next() * 2 ** 32
    words[1] = next() * 2 ** 32
    yield double[0] ?? 0
  }
}
function* between(low: number, high: number, seed: number): Generator<number> {
  const next = random(seed)
  for (let i = 0; i < N; i++) yield low + (high - low) * next()
}

function worst(f: (x: number) => number, oracle: (x: number) => number, xs: Iterable<number>): number {
  let most = 0
  for (const x of xs) most = Math.max(most, ulps(f(x), oracle(x)))
  return most
}

describe.each([
  ['f64_exp', Math.exp, [-745.2, 709.8], [[0, 1], [-0, 1], [710, Infinity], [-746, 0], [-Infinity, 0], [Infinity, Infinity], [NaN, NaN]]],
  ['f64_cos', (x: number) => (Math.abs(x) < COS_END ? Math.cos(x) : NaN), [-COS_END, COS_END], [[0, 1], [-0, 1], [Math.PI, -1], [COS_END, NaN], [-COS_END, NaN], [Infinity, NaN], [NaN, NaN]]],
] as const)('%s', (name, oracle, [low, high], special) => {
  const f = kernel(name)
  test('in its usual range', () => expect(worst(f, oracle, between(low, high, 1))).toBeLessThanOrEqual(ULPS))
  test('over all f64', () => expect(worst(f, oracle, anywhere(2))).toBeLessThanOrEqual(ULPS))
  test('around quarters of a turn, and halves of ln 2', () => {
    const near = function* (step: number): Generator<number> {
      for (let i = -500; i < 500; i++) for (let ulp = -4; ulp <= 4; ulp++) yield i * step * (1 + ulp * Number.EPSILON)
    }
    for (const step of [Math.PI / 4, Math.LN2 / 2]) expect(worst(f, oracle, near(step))).toBeLessThanOrEqual(ULPS)
  })
  test('at special points', () => { for (const [x, y] of special) expect(f(x), `${name}(${x})`).toBe(y) })
})

describe('f64_pow', () => {
  const pow = kernel('f64_pow')
  test('powers as schedules and bias corrections use them', () => {
    const steps = Array.from({ length: 20_001 }, (_, t) => t)
    for (const base of [0.9, 0.96, 0.99, 0.999, 0.9999, 0.5, 10]) {
      expect(worst((t) => pow(base, t), (t) => base ** t, steps), `${base}`).toBeLessThanOrEqual(ULPS)
    }
  })
  test('over random bases and exponents', () => {
    const exponent = random(3)
    let most = 0
    for (const base of between(0, 8, 4)) {
      const y = (exponent() - 0.5) * 600
      most = Math.max(most, ulps(pow(base, y), base ** y))
    }
    expect(most).toBeLessThanOrEqual(ULPS)
  })
  test('over all f64', () => {
    const exponents = anywhere(5)
    let most = 0
    for (const base of anywhere(6)) {
      const y = Number(exponents.next().value)
      most = Math.max(most, ulps(pow(base, y), base ** y))
    }
    expect(most).toBeLessThanOrEqual(ULPS)
  })
  test('at special points', () => {
    for (const [x, y, z] of [[0, 0, 1], [NaN, 0, 1], [2, 10, 1024], [-2, 3, -8], [-8, 1 / 3, NaN], [0, -1, Infinity], [-0, -1, -Infinity], [0.5, Infinity, 0],
      [4, 0.5, 2], [2, -1074, 5e-324], [NaN, 1, NaN], [1, Infinity, NaN], [-1, -Infinity, NaN], [-2, Infinity, Infinity], [-0.5, Infinity, 0], [-Infinity, 3, -Infinity], [-Infinity, -3, -0],
      [-2, 1.0000000000000002, NaN], [-0, 1.0000000000000002, 0], [-1, 2 ** 53, 1], [-1, 2 ** 53 - 1, -1], [5e-324, 2, 0], [5e-324, -1, Infinity], [2, 1024, Infinity], [2, -1075, 0]] as const) expect(pow(x, y), `${x} ** ${y}`).toBe(z)
  })
})
