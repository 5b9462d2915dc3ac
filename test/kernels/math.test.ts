// The elementary functions of assembly/math/f32x4.ts, run through f32_unary, against f64 Math: its errors are far below an f32 ulp.
import { describe, expect, test } from 'vitest'
import { ELEMENTS, type KernelField } from '../../src/compiler/kernels.js'
import { unaryCode } from '../../src/core/codes.js'
import { KernelBox, type Word } from '../support/kernel.js'
import { ulpError } from '../support/numbers.js'

interface Case {
  readonly code: keyof typeof unaryCode
  readonly exact: (x: number) => number
  /** The largest error over all f32, in ulps of the exact result, as stated at the function. */
  readonly ulps: number
  /** Where the result or the method changes: every pattern around them is tried. */
  readonly near: readonly number[]
  /** Inputs and results that hold to the last bit, the sign of zero included. */
  readonly special: readonly (readonly [number, number])[]
}

const softplus = (x: number) => x > 0 ? x + Math.log1p(Math.exp(-x)) : Math.log1p(Math.exp(x))
const LARGEST = 3.4028234663852886e38
const NORMAL = 2 ** -126
const TINY = 2 ** -149

const cases: readonly Case[] = [
  {
    code: 'exp', exact: Math.exp, ulps: 0.99, near: [88.72284, -87.33655, -103.27893, -103.97208, -104, 89, 0.34657359, -0.34657359],
    special: [[0, 1], [-0, 1], [Infinity, Infinity], [-Infinity, 0], [LARGEST, Infinity], [-LARGEST, 0], [TINY, 1], [NaN, NaN]],
  },
  {
    code: 'log', exact: Math.log, ulps: 0.83, near: [1, 2, 0.5, Math.SQRT1_2, Math.SQRT2, NORMAL, LARGEST],
    special: [[1, 0], [0, -Infinity], [-0, -Infinity], [-1, NaN], [-TINY, NaN], [-Infinity, NaN], [Infinity, Infinity], [NaN, NaN]],
  },
  {
    code: 'tanh', exact: Math.tanh, ulps: 2.5, near: [0.17328680, -0.17328680, 0.51986039, 9.01, -9.01, NORMAL],
    special: [[0, 0], [-0, -0], [TINY, TINY], [-TINY, -TINY], [20, 1], [Infinity, 1], [-Infinity, -1], [-LARGEST, -1], [NaN, NaN]],
  },
  {
    code: 'sigmoid', exact: (x) => 1 / (1 + Math.exp(-x)), ulps: 2.41, near: [17, -17, 88.72284, -88.72284, -103.97208, -104],
    special: [[0, 0.5], [-0, 0.5], [Infinity, 1], [-Infinity, 0], [LARGEST, 1], [-LARGEST, 0], [NaN, NaN]],
  },
  {
    code: 'softplus', exact: softplus, ulps: 1.66, near: [0.88137359, -0.88137359, 17, -17, 88.72284, -87.33655, -103.97208, 104],
    special: [[Infinity, Infinity], [-Infinity, 0], [LARGEST, LARGEST], [-LARGEST, 0], [NaN, NaN]],
  },
  {
    // elu with alpha = 1: expm1 where x ≤ 0
    code: 'elu', exact: (x) => x > 0 ? x : Math.expm1(x), ulps: 0.95, near: [-0.34657359, -1.03972077, -16.6355, -17.3287, -18, -NORMAL],
    special: [[0, 0], [-0, -0], [-TINY, -TINY], [TINY, TINY], [-Infinity, -1], [-LARGEST, -1], [Infinity, Infinity], [NaN, NaN]],
  },
]

/** Coprime to 2³², so that the sweep meets every exponent with all parts of the mantissa: 4 206 645 patterns. */
const STRIDE = 1021
/** Patterns tried on each side of a special point. */
const NEIGHBOURS = 4096

/** Bit patterns of the sweep: strided over all of f32, then around zero, one, the edge of denormals, infinity and the given points. */
function patterns(near: readonly number[]): Float32Array {
  const points = new Int32Array(Float32Array.from([...near, 0, -0, 1, -1, NORMAL, -NORMAL, Infinity, -Infinity]).buffer)
  const strided = Math.ceil(2 ** 32 / STRIDE)
  const all = new Int32Array(strided + points.length * (2 * NEIGHBOURS + 1))
  for (let i = 0; i < strided; i++) all[i] = (i * STRIDE) | 0
  let at = strided
  for (const point of points) for (let k = -NEIGHBOURS; k <= NEIGHBOURS; k++) all[at++] = point + k
  return new Float32Array(all.buffer)
}

function unary(box: KernelBox, code: number, x: Float32Array, alpha = 1): Float32Array {
  const at = box.put(x)
  const words: Record<KernelField<'f32_unary'>, Word> = { x: at.address, y: at.address, length: x.length, code, alpha: { f32: alpha }, beta: 0 }
  box.kernel('f32_unary', words)(0, Math.ceil(x.length / ELEMENTS))
  return box.f32(at)
}

describe.each(cases)('$code', ({ code, exact, ulps, near, special }) => {
  test('stays within its stated error over all exponents', () => {
    const x = patterns(near)
    const y = unary(new KernelBox(), unaryCode[code], x)
    let worst = 0
    let worstAt = 0
    for (let i = 0; i < x.length; i++) {
      const error = ulpError(y[i] ?? NaN, exact(x[i] ?? NaN))
      if (error > worst) { worst = error; worstAt = x[i] ?? NaN }
    }
    expect(worst, `at ${worstAt}`).toBeLessThanOrEqual(ulps)
  })

  test('knows its special points', () => {
    const y = unary(new KernelBox(), unaryCode[code], Float32Array.from(special, ([x]) => x))
    special.forEach(([x, expected], i) => expect(y[i], `${code}(${x})`).toBe(Math.fround(expected)))
  })
})
