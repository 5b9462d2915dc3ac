// The table of laws: for every op, values of awkward shapes, a slow reference in f64 with a bound on the rounding errors, numbers to draw,
// and what its gradient is. An op without a row does not exist (laws.test.ts asks).
import { randomKey, philox } from '../../src/core/random.js'
import type { DType, Shape } from '../../src/core/shape.js'
import { apply1, type Value } from '../../src/compiler/graph/value.js'
import type { Attr, Attrs } from '../../src/compiler/type.js'
import { add, mul } from '../../src/compiler/ops/binary.js'
import { ops } from '../../src/compiler/ops/index.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { maxPool2dOp } from '../../src/compiler/ops/pool.js'
import { split } from '../../src/compiler/ops/concat.js'
import { scan } from '../../src/compiler/ops/scan.js'
import { elu, leakyRelu, relu, sigmoid, square, tanh } from '../../src/compiler/ops/unary.js'
import { specialise } from '../../src/compiler/passes/specialise.js'
import { count, reducedBy, joined, repeated, sliced, rowsOf, spanned, type Element, type Plain } from '../reference/arrays.js'
import { quantized, quantizedProduct } from '../reference/quantized.js'
import { poolAxis, poolWindows } from '../reference/pool.js'
import { at } from '../support/bits.js'

/** Draws one element: `next` gives uniform numbers in [0, 1), `n` is the number of samples. */
export type Draw = (next: () => number, n: number) => number

/** An operand of a case. */
export interface Operand { readonly shape: Shape; readonly dtype: DType; readonly draw: Draw }
export interface Case { readonly operands: readonly Operand[]; readonly attrs: Attrs }

/**
 * What a row says of its gradient: that differences of the reference show it (`differences`); that the op is constant by definition (`none`);
 * that it has no rule and is refused by name (`refused`). `first` has a gradient that has none itself.
 */
export type GradientKind = 'differences' | 'none' | 'refused' | 'first'

export interface Row {
  readonly op: string
  readonly name: string
  readonly cases: readonly Case[]
  /** the value under test (default: the op applied to the operands) */
  readonly build: (ins: readonly Value[], attrs: Attrs) => Value
  readonly oracle: (ins: readonly Plain[], attrs: Attrs, n: number) => readonly Element[]
  /** |program − oracle| ≤ units·U·scale for every element, U = 2⁻²⁴: the largest relative error of one rounding to f32 */
  readonly units: number
  readonly gradient: GradientKind
  /** what the gradient is that of, where a rule says another one than the op's own (straight-through); default: the oracle */
  readonly surrogate?: (ins: readonly Plain[], attrs: Attrs) => readonly number[]
}

/** The seed and the step with which dropout is run. */
export const SEED = 11
export const STEP = 5

const build = (op: string) => (ins: readonly Value[], attrs: Attrs): Value => {
  const found = ops.get(op)
  if (found === undefined) throw new RangeError(`no op ${op}`)
  return apply1(found, ins, attrs)
}

// Numbers to draw. Those with a gap stay away from a kink by more than the step of a difference.
const between = (low: number, high: number): Draw => (next) => Math.fround(low + (high - low) * next())
const any = between(-2, 2)
const apart: Draw = (next) => Math.fround((next() < 0.5 ? -1 : 1) * (0.1 + 1.9 * next()))
const whole = (below: number): Draw => (next) => Math.floor(next() * below)
const halves: Draw = (next) => Math.floor(next() * 9) / 2 - 2
const quarters: Draw = (next) => Math.floor(next() * 8) / 2 - 1.75
const sampleBelowN: Draw = (next, n) => Math.floor(next() * n)

const f32 = (shape: Shape, draw: Draw): Operand => ({ shape, dtype: 'f32', draw })
const i32 = (shape: Shape, draw: Draw): Operand => ({ shape, dtype: 'i32', draw })
const u8 = (shape: Shape, draw: Draw): Operand => ({ shape, dtype: 'u8', draw })
const i8 = (shape: Shape, draw: Draw): Operand => ({ shape, dtype: 'i8', draw })

/** Widths below, at and above a vector, two, and four. */
const ELEMENTWISE: readonly Shape[] = [['n'], ['n', 1], ['n', 3], ['n', 7], ['n', 8], ['n', 17], ['n', 5, 9], ['n', 0], [], [1], [7], [8, 3], [4099]]
const ROWWISE: readonly Shape[] = [['n', 1], ['n', 3], ['n', 5], ['n', 8], ['n', 17], ['n', 4, 9], [7], [13, 2], [3, 530]]

/** All forms of broadcasting that three loops hold. */
const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [['n', 3], ['n', 3]], [['n', 17], [17]], [[5], ['n', 5]], [['n', 7], []], [[], ['n', 8]], [['n', 9], [1, 9]], [['n', 1], ['n', 17]], [['n', 5], ['n', 1]],
  [['n', 5, 1], [1, 7]], [['n', 1, 3], [5, 3]], [['n', 5, 3], ['n', 1, 3]], [[1], ['n']], [[1, 8], ['n', 1]], [['n'], ['n']], [[7], [7]], [[3, 1], [1, 5]], [[], []], [[4099], []],
]

const elements = (shape: readonly number[], element: (i: number) => Element): readonly Element[] => Array.from({ length: count(shape) }, (_, i) => element(i))
const operandAt = (ins: readonly Plain[], i: number): Plain => {
  const x = ins[i]
  if (x === undefined) throw new RangeError(`no operand ${i}`)
  return x
}

/** An attribute that is a list of numbers. */
const numbers = (attr: Attr | undefined): readonly number[] => (typeof attr === 'object' ? attr : [])

interface UnaryOptions { readonly units: number; readonly draw?: Draw; readonly attrs?: Attrs; readonly scale?: (x: number, y: number) => number }

function unary(op: string, f: (x: number) => number, { units, draw = any, attrs = {}, scale = (_, y) => Math.abs(y) }: UnaryOptions): Row {
  return {
    op, name: op, units, gradient: 'differences', build: build(op), cases: ELEMENTWISE.map((shape) => ({ operands: [f32(shape, draw)], attrs })),
    oracle: ([x = { shape: [], data: [] }]) => x.data.map((v) => { const y = f(v); return { y, scale: scale(v, y) } }),
  }
}

/** Elementary functions err by at most 2.5 ulps (test/kernels/math.test.ts), 2·U each; two more roundings for a product or a sum around them. */
const ELEMENTARY = 7
const ALPHA = 0.25
const softplus = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))

const unaryRows: readonly Row[] = [
  unary('neg', (x) => -x, { units: 0 }),
  unary('exp', Math.exp, { units: ELEMENTARY }),
  unary('log', Math.log, { units: ELEMENTARY, draw: between(0.2, 4) }),
  unary('sqrt', Math.sqrt, { units: 1, draw: between(0.2, 4) }),
  unary('square', (x) => x * x, { units: 1 }),
  unary('abs', Math.abs, { units: 0, draw: apart }),
  unary('sign', Math.sign, { units: 0, draw: apart }),
  unary('reciprocal', (x) => 1 / x, { units: 1, draw: apart }),
  unary('relu', (x) => (x > 0 ? x : 0), { units: 0, draw: apart }),
  unary('leakyRelu', (x) => (x > 0 ? x : ALPHA * x), { units: 1, draw: apart, attrs: { alpha: ALPHA } }),
  unary('elu', (x) => (x > 0 ? x : ALPHA * Math.expm1(x)), { units: ELEMENTARY, draw: apart, attrs: { alpha: ALPHA } }),
  unary('sigmoid', (x) => 1 / (1 + Math.exp(-x)), { units: ELEMENTARY }),
  unary('tanh', Math.tanh, { units: ELEMENTARY }),
  unary('softplus', softplus, { units: ELEMENTARY }),
  // Bounds on the grid of eighths, numbers beside it.
  unary('clip', (x) => Math.min(Math.max(x, -0.75), 0.5), { units: 0, draw: (next) => Math.floor(next() * 16) / 4 - 2 + 0.125, attrs: { alpha: -0.75, beta: 0.5 } }),
  unary('affine', (x) => 1.5 * x - 0.3125, { units: 1.01, attrs: { alpha: 1.5, beta: -0.3125 }, scale: (x, y) => Math.abs(1.5 * x) + Math.abs(y) }),
]

interface BinaryOptions { readonly units: number; readonly a?: Draw; readonly b?: Draw; readonly attrs?: Attrs; readonly scale?: (a: number, b: number, y: number) => number }

function binary(op: string, f: (a: number, b: number) => number, { units, a = any, b = any, attrs = {}, scale = (_, __, y) => Math.abs(y) }: BinaryOptions): Row {
  return {
    op, name: op, units, gradient: 'differences', build: build(op), cases: BROADCASTS.map(([left, right]) => ({ operands: [f32(left, a), f32(right, b)], attrs })),
    oracle(ins) {
      const shape = spanned(operandAt(ins, 0).shape, operandAt(ins, 1).shape)
      const [left, right] = [repeated(operandAt(ins, 0), shape), repeated(operandAt(ins, 1), shape)]
      return elements(shape, (i) => { const [u, v] = [at(left.data, i), at(right.data, i)], y = f(u, v); return { y, scale: scale(u, v, y) } })
    },
  }
}

const binaryRows: readonly Row[] = [
  binary('add', (a, b) => a + b, { units: 1 }),
  binary('sub', (a, b) => a - b, { units: 1 }),
  binary('mul', (a, b) => a * b, { units: 1 }),
  binary('div', (a, b) => a / b, { units: 1, b: apart }),
  // Two grids without a common point.
  binary('maximum', Math.max, { units: 0, a: halves, b: quarters }),
  binary('minimum', Math.min, { units: 0, a: halves, b: quarters }),
  binary('greater', (a, b) => (a > b ? 1 : 0), { units: 0, a: halves, b: quarters }),
  // One grid: some are equal, and a small step then makes both neighbours unequal.
  binary('equal', (a, b) => (a === b ? 1 : 0), { units: 0, a: halves, b: halves }),
  binary('reluGrad', (y, dy) => (y > 0 ? dy : 0), { units: 0, a: apart }),
  binary('leakyReluGrad', (y, dy) => (y > 0 ? dy : ALPHA * dy), { units: 1, a: apart, attrs: { alpha: ALPHA } }),
  // 1 + δ for each of the roundings: 2·U, and U² is below one part in a hundred
  binary('eluGrad', (y, dy) => (y > 0 ? dy : dy * (y + ALPHA)), { units: 2.01, a: apart, attrs: { alpha: ALPHA } }),
  binary('sigmoidGrad', (y, dy) => dy * y * (1 - y), { units: 3.01, a: between(0.05, 0.95) }),
  // y² errs by U·y², which the difference does not shrink; its rounding and the product's err by U each
  binary('tanhGrad', (y, dy) => dy * (1 - y * y), { units: 2.01, a: between(-0.95, 0.95), scale: (y, dy) => Math.abs(dy) * (1 + y * y) }),
  // relu(a) − a·b + log(1 + e^−|a|): the product, two sums, and the last term's own error
  binary('logitXent', (a, b) => Math.max(a, 0) - a * b + Math.log1p(Math.exp(-Math.abs(a))), { units: ELEMENTARY, b: between(0, 1), scale: (a, b) => 2 * Math.abs(a) + Math.abs(a * b) + 1 }),
  binary('clipGrad', (x, dy) => (-0.75 <= x && x <= 0.5 ? dy : 0), { units: 0, a: (next) => Math.floor(next() * 16) / 4 - 2 + 0.125, attrs: { alpha: -0.75, beta: 0.5 } }),
]

const REDUCTIONS: readonly (readonly [Shape, readonly number[]])[] = [
  [['n', 5], [1]], [['n', 17], [1]], [['n', 1], [1]], [['n', 5], [0]], [['n', 1], [0]], [['n', 7], [0, 1]], [['n'], [0]], [['n', 3, 7], [1]], [['n', 3, 7], [2]], [['n', 3, 7], [1, 2]],
  [['n', 3, 7], [0, 1]], [['n', 9, 70], [1]], [[9], [0]], [[1030], [0]], [[1030, 3], [0]], [[3, 1030], [1]], [[2, 3, 5], [0]], [[2, 0], [1]],
]

/** A sum of k terms errs by less than k·U·Σ|x| in any order; a mean is rounded once more. */
function reduction(op: 'sum' | 'mean'): Row {
  return {
    op, name: op, units: 1, gradient: 'differences', build: build(op), cases: REDUCTIONS.map(([shape, axes]) => ({ operands: [f32(shape, any)], attrs: { axes } })),
    oracle(ins, { axes }) {
      return reducedBy(operandAt(ins, 0), numbers(axes)).terms.map((terms) => {
        const divisor = op === 'mean' ? terms.length : 1
        return { y: terms.reduce((a, b) => a + b, 0) / divisor, scale: (terms.length + 1) * terms.reduce((a, b) => a + Math.abs(b), 0) / Math.max(divisor, 1) }
      })
    },
  }
}

/** Few large numbers among many small ones: the largest two of a thousand are still further apart than a difference's step. */
const spread: Draw = (next) => Math.fround((next() < 0.5 ? -0.05 : 0.05) / (next() + 0.01))
/** The largest of some numbers is one of them: no rounding. */
const maxRow: Row = {
  op: 'max', name: 'max', units: 0, gradient: 'differences', build: build('max'), cases: REDUCTIONS.map(([shape, axes]) => ({ operands: [f32(shape, spread)], attrs: { axes } })),
  oracle: (ins, { axes }) => reducedBy(operandAt(ins, 0), numbers(axes)).terms.map((terms) => ({ y: Math.max(...terms), scale: 0 })),
}

/** Rows and columns of a matrix product: a is [m, k], b [k, n], as functions. A sum of k products errs by less than (k + 1)·U·Σ|a·b|. */
function product(a: Plain, b: Plain, attrs: Attrs): { readonly shape: readonly number[]; readonly y: readonly Element[] } {
  const [last, lastB] = [a.shape[a.shape.length - 1] ?? 1, b.shape[b.shape.length - 1] ?? 1]
  const rows = count(a.shape.slice(0, -1))
  const [m, k, n] = attrs['transposeA'] === true ? [last, rows, lastB] : [rows, last, attrs['transposeB'] === true ? at(b.shape, 0) : lastB]
  const left = (i: number, j: number): number => at(a.data, attrs['transposeA'] === true ? j * last + i : i * last + j)
  const right = (i: number, j: number): number => at(b.data, attrs['transposeB'] === true ? j * last + i : i * lastB + j)
  const y: Element[] = []
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let [sum, scale] = [0, 0]
      for (let l = 0; l < k; l++) { const t = left(i, l) * right(l, j); sum += t; scale += Math.abs(t) }
      y.push({ y: sum, scale: (k + 1) * scale })
    }
  }
  return { shape: attrs['transposeA'] === true ? [m, n] : [...a.shape.slice(0, -1), n], y }
}

const A = { transposeA: true, transposeB: false }, B = { transposeA: false, transposeB: true }, PLAIN = { transposeA: false, transposeB: false }
const PRODUCTS: readonly (readonly [Shape, Shape, Attrs])[] = [
  [['n', 3], [3, 5], PLAIN], [['n', 17], [17, 9], PLAIN], [['n', 1], [1, 1], PLAIN], [['n', 7], [7, 8], PLAIN], [['n', 4, 3], [3, 2], PLAIN], [[2, 3], [3, 4], PLAIN], [['n', 0], [0, 3], PLAIN],
  [['n', 530], [530, 3], PLAIN], [['n', 5, 2], [2, 70], PLAIN], [['n', 3], [5, 3], B], [['n', 8], [17, 8], B], [['n', 3, 2], [9, 2], B], [['n', 3], ['n', 5], A], [['n', 17], ['n', 9], A],
  [['n', 1], ['n', 1], A], [['n', 2, 3], ['n', 2, 4], A], [[7, 3], [7, 2], A], [[530, 3], [530, 9], A],
]

const matmulRow: Row = {
  op: 'matmul', name: 'matmul', units: 1, gradient: 'differences', build: build('matmul'),
  cases: PRODUCTS.map(([a, b, attrs]) => ({ operands: [f32(a, any), f32(b, any)], attrs })),
  oracle: (ins, attrs) => product(operandAt(ins, 0), operandAt(ins, 1), attrs).y,
}

/** A dense layer, which `fuse` makes one call of. An activation with a slope of at most 1 does not enlarge an error. */
function denseRow(name: string, activate: (x: Value) => Value, f: (x: number) => number): Row {
  return {
    op: 'matmul', name: `matmul + bias, ${name}`, units: ELEMENTARY, gradient: 'differences',
    cases: ([[['n', 3], 5], [['n', 17], 9], [['n', 4, 3], 1], [['n', 2], 70], [[5, 3], 2]] as const).map(([x, units]) =>
      ({ operands: [f32(x, any), f32([at(x.map(Number), x.length - 1), units], any), f32([units], any)], attrs: {} })),
    build: ([x, w, b]) => {
      if (x === undefined || w === undefined || b === undefined) throw new RangeError('a dense layer has three operands')
      return activate(add(matmul(x, w), b))
    },
    oracle(ins) {
      const bias = operandAt(ins, 2).data
      return product(operandAt(ins, 0), operandAt(ins, 1), PLAIN).y.map(({ y, scale }, i) => { const b = at(bias, i % bias.length); return { y: f(y + b), scale: scale + Math.abs(b) + Math.abs(f(y + b)) } })
    },
  }
}

const fusedRows: readonly Row[] = [
  denseRow('linear', (x) => x, (x) => x), denseRow('sigmoid', sigmoid, (x) => 1 / (1 + Math.exp(-x))), denseRow('tanh', tanh, Math.tanh),
  denseRow('relu', relu, (x) => Math.max(x, 0)), denseRow('leakyRelu', (x) => leakyRelu(x, ALPHA), (x) => (x > 0 ? x : ALPHA * x)), denseRow('elu', (x) => elu(x, ALPHA), (x) => (x > 0 ? x : ALPHA * Math.expm1(x))),
]

/** x + a·b, which `fuse` makes one product of, added once to what is there: in either order, and where x is broadcast or an operand too. */
const accumulateRows: readonly Row[] = ([
  ['x + a·b', (x, a, b) => add(x, matmul(a, b))], ['a·b + x', (x, a, b) => add(matmul(a, b), x)], ['relu(x + a·b)', (x, a, b) => relu(add(x, matmul(a, b)))],
] as readonly (readonly [string, (x: Value, a: Value, b: Value) => Value])[]).map(([name, f]): Row => ({
  op: 'matmul', name: `matmul, ${name}`, units: 1, gradient: 'differences',
  cases: ([[['n', 5], ['n', 3], 5], [['n', 17], ['n', 8], 17], [['n', 4, 2], ['n', 4, 3], 2], [[3], ['n', 2], 1], [['n', 1], ['n', 7], 3], [[1], ['n', 7], 3], [[], ['n', 2], 2], [[5, 70], [5, 2], 70]] as const)
    .map(([x, a, units]) => ({ operands: [f32(x, any), f32(a, any), f32([at(a.map(Number), a.length - 1), units], any)], attrs: {} })),
  build: ([x, a, b]) => {
    if (x === undefined || a === undefined || b === undefined) throw new RangeError('x + a·b has three operands')
    return f(x, a, b)
  },
  oracle(ins) {
    const { shape, y } = product(operandAt(ins, 1), operandAt(ins, 2), PLAIN)
    const to = spanned(operandAt(ins, 0).shape, shape)
    const x = repeated(operandAt(ins, 0), to), index = repeated({ shape, data: y.map((_, i) => i) }, to)
    return x.data.map((v, i) => {
      const { y: p, scale } = y[at(index.data, i)] ?? { y: NaN, scale: NaN }
      const sum = v + p
      return { y: name.startsWith('relu') ? Math.max(sum, 0) : sum, scale: scale + Math.abs(v) + Math.abs(sum) }
    })
  },
}))

interface ConvCase {
  /** of one image: height, width, channels */
  readonly image: readonly [number, number, number]
  /** rows, columns, filters */
  readonly kernel: readonly [number, number, number]
  readonly strides?: readonly [number, number]
  readonly dilation?: readonly [number, number]
  /** top, bottom, left, right */
  readonly pads?: readonly [number, number, number, number]
  readonly groups?: number
  /** images, where they are not n */
  readonly images?: number
}
const CONVOLUTIONS: readonly ConvCase[] = [
  { image: [1, 1, 1], kernel: [1, 1, 1] }, { image: [3, 4, 2], kernel: [3, 4, 3] }, { image: [5, 6, 3], kernel: [3, 2, 9], pads: [1, 1, 0, 1] },
  { image: [7, 8, 1], kernel: [3, 3, 4], strides: [3, 2], pads: [0, 1, 1, 1] }, { image: [6, 5, 2], kernel: [2, 3, 2], dilation: [2, 2], pads: [1, 1, 2, 2] },
  { image: [4, 3, 5], kernel: [3, 3, 5], groups: 5, pads: [1, 1, 1, 1] }, { image: [5, 4, 4], kernel: [2, 2, 6], groups: 2, strides: [2, 1], dilation: [1, 2] },
  { image: [3, 3, 9], kernel: [2, 2, 18], groups: 9 }, { image: [4, 4, 2], kernel: [1, 1, 17] }, { image: [6, 3, 1], kernel: [2, 1, 3], strides: [3, 3] }, { image: [3, 5, 2], kernel: [2, 2, 3], images: 2 },
]
const convGroups = (c: ConvCase): number => c.groups ?? 1
const convAttrs = (c: ConvCase): Attrs => ({ strides: c.strides ?? [1, 1], dilation: c.dilation ?? [1, 1], pads: c.pads ?? [0, 0, 0, 0], groups: convGroups(c) })
const convOut = ({ image, kernel, strides = [1, 1], dilation = [1, 1], pads = [0, 0, 0, 0] }: ConvCase): readonly [number, number] => [
  Math.floor((image[0] + pads[0] + pads[1] - (kernel[0] - 1) * dilation[0] - 1) / strides[0]) + 1, Math.floor((image[1] + pads[2] + pads[3] - (kernel[1] - 1) * dilation[1] - 1) / strides[1]) + 1,
]
const imageShape = (c: ConvCase): Shape => [c.images ?? 'n', ...c.image]
const kernelShape = (c: ConvCase): readonly number[] => [c.kernel[0], c.kernel[1], c.image[2] / convGroups(c), c.kernel[2]]
const outShape = (c: ConvCase): Shape => [c.images ?? 'n', ...convOut(c), c.kernel[2]]

/** Every product of Σ x·w·dy, by the elements' indices; shapes are those of x, of w and of dy. */
function convolve(x: readonly number[], w: readonly number[], dy: readonly number[], attrs: Attrs, visit: (ix: number, iw: number, iy: number) => void): void {
  const [images = 0, height = 0, width = 0, channels = 0] = x
  const [rows = 0, columns = 0, perGroup = 0, filters = 0] = w
  const [, outHeight = 0, outWidth = 0] = dy
  const [down = 1, across = 1] = numbers(attrs['strides']), [dilationDown = 1, dilationAcross = 1] = numbers(attrs['dilation'])
  const [top = 0, , left = 0] = numbers(attrs['pads'])
  const filtersOfGroup = filters / Number(attrs['groups'])
  for (let i = 0; i < images; i++) for (let r = 0; r < outHeight; r++) for (let q = 0; q < outWidth; q++) for (let a = 0; a < rows; a++) for (let b = 0; b < columns; b++) {
    const h = r * down + a * dilationDown - top, v = q * across + b * dilationAcross - left
    if (h < 0 || h >= height || v < 0 || v >= width) continue
    for (let c = 0; c < perGroup; c++) for (let f = 0; f < filters; f++) {
      const channel = Math.floor(f / filtersOfGroup) * perGroup + c
      visit(((i * height + h) * width + v) * channels + channel, ((a * columns + b) * perGroup + c) * filters + f, ((i * outHeight + r) * outWidth + q) * filters + f)
    }
  }
}

/** Sums of products of two of the three, into the third. Terms of the frame are zeros: they change no bound. A sum of k products errs by less than (k + 1)·U·Σ|a·b|. */
function convolved(length: number, walk: (visit: (ix: number, iw: number, iy: number) => void) => void, term: (ix: number, iw: number, iy: number) => readonly [to: number, product: number]): readonly Element[] {
  const [y, scale, terms] = [new Array<number>(length).fill(0), new Array<number>(length).fill(0), new Array<number>(length).fill(0)]
  walk((ix, iw, iy) => {
    const [to, p] = term(ix, iw, iy)
    y[to] = at(y, to) + p
    scale[to] = at(scale, to) + Math.abs(p)
    terms[to] = at(terms, to) + 1
  })
  return y.map((v, i) => ({ y: v, scale: (at(terms, i) + 1) * at(scale, i) }))
}

function convOracle(ins: readonly Plain[], attrs: Attrs): readonly Element[] {
  const [x, w] = [operandAt(ins, 0), operandAt(ins, 1)]
  const [strides, dilation, pads] = [numbers(attrs['strides']), numbers(attrs['dilation']), numbers(attrs['pads'])]
  const along = (i: number): number => Math.floor((at(x.shape, i + 1) + at(pads, 2 * i) + at(pads, 2 * i + 1) - (at(w.shape, i) - 1) * at(dilation, i) - 1) / at(strides, i)) + 1
  const out = [at(x.shape, 0), along(0), along(1), at(w.shape, 3)]
  return convolved(count(out), (visit) => convolve(x.shape, w.shape, out, attrs, visit), (ix, iw, iy) => [iy, at(x.data, ix) * at(w.data, iw)])
}

const convRows: readonly Row[] = [
  {
    op: 'conv2d', name: 'conv2d', units: 1, gradient: 'differences', build: build('conv2d'), oracle: convOracle,
    cases: CONVOLUTIONS.map((c) => ({ operands: [f32(imageShape(c), any), f32(kernelShape(c), any)], attrs: convAttrs(c) })),
  },
  {
    op: 'conv2dInput', name: 'conv2dInput', units: 1, gradient: 'differences', build: build('conv2dInput'),
    cases: CONVOLUTIONS.map((c) => ({ operands: [f32(outShape(c), any), f32(kernelShape(c), any)], attrs: { ...convAttrs(c), size: c.image.slice(0, 2) } })),
    oracle(ins, attrs) {
      const [dy, w] = [operandAt(ins, 0), operandAt(ins, 1)]
      const x = [at(dy.shape, 0), ...numbers(attrs['size']), at(w.shape, 2) * Number(attrs['groups'])]
      return convolved(count(x), (visit) => convolve(x, w.shape, dy.shape, attrs, visit), (ix, iw, iy) => [ix, at(dy.data, iy) * at(w.data, iw)])
    },
  },
  {
    op: 'conv2dKernel', name: 'conv2dKernel', units: 1, gradient: 'differences', build: build('conv2dKernel'),
    cases: CONVOLUTIONS.map((c) => ({ operands: [f32(imageShape(c), any), f32(outShape(c), any)], attrs: { ...convAttrs(c), size: c.kernel.slice(0, 2) } })),
    oracle(ins, attrs) {
      const [x, dy] = [operandAt(ins, 0), operandAt(ins, 1)]
      const w = [...numbers(attrs['size']), at(x.shape, 3) / Number(attrs['groups']), at(dy.shape, 3)]
      return convolved(count(w), (visit) => convolve(x.shape, w, dy.shape, attrs, visit), (ix, iw, iy) => [iw, at(x.data, ix) * at(dy.data, iy)])
    },
  },
  // A layer, which `fuse` makes one call of.
  ...([['relu', relu, (x: number) => Math.max(x, 0)], ['tanh', tanh, Math.tanh]] as const).map(([name, activate, f]): Row => ({
    op: 'conv2d', name: `conv2d + bias, ${name}`, units: ELEMENTARY, gradient: 'differences',
    cases: CONVOLUTIONS.slice(1, 7).map((c) => ({ operands: [f32(imageShape(c), any), f32(kernelShape(c), between(-0.3, 0.3)), f32([c.kernel[2]], any)], attrs: convAttrs(c) })),
    build: (ins, attrs) => {
      const bias = ins[2]
      if (bias === undefined) throw new RangeError('a layer has three operands')
      return activate(add(build('conv2d')(ins.slice(0, 2), attrs), bias))
    },
    oracle(ins, attrs) {
      const bias = operandAt(ins, 2).data
      return convOracle(ins, attrs).map(({ y, scale }, i) => { const b = at(bias, i % bias.length); return { y: f(y + b), scale: scale + Math.abs(b) + Math.abs(f(y + b)) } })
    },
  })),
]

const shapeRows: readonly Row[] = [
  {
    op: 'expand', name: 'expand', units: 0, gradient: 'differences', build: build('expand'),
    cases: ([[[], ['n']], [[1], ['n', 3]], [[3], ['n', 3]], [['n', 1], ['n', 17]], [['n', 1, 3], ['n', 4, 3]], [['n', 5, 1], ['n', 5, 8]], [[5, 1], [5, 7]], [[1, 9], [2, 9]], [[1, 3], ['n', 3]]] as const)
      .map(([from, to]) => ({ operands: [f32(from, any)], attrs: { shape: to.map((d) => (d === 'n' ? -1 : d)) } })),
    oracle: (ins, { shape }, n) => repeated(operandAt(ins, 0), numbers(shape).map((d) => (d === -1 ? n : d))).data.map((y) => ({ y, scale: 0 })),
  },
  {
    op: 'reshape', name: 'reshape', units: 0, gradient: 'differences', build: build('reshape'),
    cases: ([[['n', 6], ['n', 2, 3]], [['n', 4], ['n', 4, 1]], [['n', 3, 5], ['n', 15]], [['n'], ['n', 1]], [[12], [3, 4]], [[], [1, 1]]] as const)
      .map(([from, to]) => ({ operands: [f32(from, any)], attrs: { shape: to.map((d) => (d === 'n' ? -1 : d)) } })),
    oracle: (ins) => operandAt(ins, 0).data.map((y) => ({ y, scale: 0 })),
  },
  {
    op: 'concat', name: 'concat', units: 0, gradient: 'differences', build: build('concat'),
    cases: ([[1, ['n', 3], ['n', 1]], [1, ['n', 1], ['n', 5], ['n', 8]], [1, ['n', 2, 3], ['n', 1, 3]], [2, ['n', 2, 3], ['n', 2, 4]], [0, [1, 3], [4, 3]], [0, [7], [2]]] as const)
      .map(([axis, ...shapes]) => ({ operands: shapes.map((shape) => f32(shape, any)), attrs: { axis } })),
    oracle: (ins, { axis }) => joined(ins, Number(axis)).data.map((y) => ({ y, scale: 0 })),
  },
  {
    op: 'slice', name: 'slice', units: 0, gradient: 'differences', build: build('slice'),
    cases: ([[1, 0, 1, ['n', 3]], [1, 1, 9, ['n', 9]], [1, 2, 3, ['n', 3, 5]], [2, 1, 4, ['n', 2, 7]], [0, 3, 5, [5, 3]], [0, 0, 17, [17]]] as const)
      .map(([axis, from, to, shape]) => ({ operands: [f32(shape, any)], attrs: { axis, from, to } })),
    oracle: (ins, { axis, from, to }) => sliced(operandAt(ins, 0), Number(axis), Number(from), Number(to)).data.map((y) => ({ y, scale: 0 })),
  },
]

const shifted = (row: readonly number[]): { readonly max: number; readonly sum: number } => {
  const max = Math.max(...row)
  return { max, sum: row.reduce((s, v) => s + Math.exp(v - max), 0) }
}

/**
 * Units of a softmax (test/reference/softmax.ts derives them): numbers within ±2 spread over D = 4; the numerator errs by D + 2·2 + 1, the
 * sum by D + 2·2 + 512/8 + 3 + 2 chunks, the quotient by one. A logarithm of that sum errs as much, absolutely.
 */
const SOFTMAX = 90

/** A kernel over rows: `f` gives the elements of one, of the operands' rows. */
function rowsRow(op: string, units: number, draws: readonly Draw[], f: (rows: readonly (readonly number[])[]) => readonly Element[]): Row {
  return {
    op, name: op, units, gradient: 'differences', build: build(op), cases: ROWWISE.map((shape) => ({ operands: draws.map((draw) => f32(shape, draw)), attrs: {} })),
    oracle(ins) {
      const all = ins.map(rowsOf)
      return (all[0] ?? []).flatMap((_, r) => f(all.map((rows) => rows[r] ?? [])))
    },
  }
}

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + v * at(b, i), 0)
const dotAbs = (a: readonly number[], b: readonly number[]): number => a.reduce((s, v, i) => s + Math.abs(v * at(b, i)), 0)

const softmaxRows: readonly Row[] = [
  rowsRow('softmax', SOFTMAX, [any], ([x = []]) => { const { max, sum } = shifted(x); return x.map((v) => { const y = Math.exp(v - max) / sum; return { y, scale: y } }) }),
  rowsRow('logSoftmax', SOFTMAX, [any], ([x = []]) => { const { max, sum } = shifted(x); return x.map((v) => ({ y: v - max - Math.log(sum), scale: max - v + Math.log(sum) + 1 })) }),
  // y·(dy − Σ dy·y): width + 1 roundings of the sum, the difference, the product
  rowsRow('softmaxGrad', 1.01, [between(0, 1), any], ([y = [], dy = []]) => {
    const [sum, scale] = [dot(dy, y), dotAbs(dy, y)]
    return y.map((v, i) => ({ y: v * (at(dy, i) - sum), scale: (y.length + 3) * Math.abs(v) * (Math.abs(at(dy, i)) + scale) }))
  }),
  // dy − eʸ·Σ dy: the exponential, width roundings of the sum, the product, the difference
  rowsRow('logSoftmaxGrad', ELEMENTARY, [between(-3, 0), any], ([y = [], dy = []]) => {
    const [sum, scale] = [dy.reduce((a, b) => a + b, 0), dy.reduce((a, b) => a + Math.abs(b), 0)]
    return y.map((v, i) => ({ y: at(dy, i) - Math.exp(v) * sum, scale: (y.length + 3) * (Math.abs(at(dy, i)) + Math.exp(v) * scale) }))
  }),
]

const lossRows: readonly Row[] = [
  {
    op: 'sparseXent', name: 'sparseXent', units: SOFTMAX, gradient: 'first', build: build('sparseXent'),
    cases: ROWWISE.map((shape) => ({ operands: [f32(shape, any), i32(shape.slice(0, -1), whole(Number(shape[shape.length - 1])))], attrs: {} })),
    oracle(ins) {
      const labels = operandAt(ins, 1).data
      return rowsOf(operandAt(ins, 0)).map((x, r) => { const { max, sum } = shifted(x), own = at(x, at(labels, r)); return { y: Math.log(sum) + max - own, scale: max - own + Math.log(sum) + 1 } })
    },
  },
  {
    op: 'sparseXentGrad', name: 'sparseXentGrad', units: SOFTMAX, gradient: 'refused', build: build('sparseXentGrad'),
    cases: ROWWISE.map((shape) => ({ operands: [f32(shape, any), i32(shape.slice(0, -1), whole(Number(shape[shape.length - 1]))), f32(shape.slice(0, -1), any)], attrs: {} })),
    oracle(ins) {
      const [labels, dy] = [operandAt(ins, 1).data, operandAt(ins, 2).data]
      return rowsOf(operandAt(ins, 0)).flatMap((x, r) => {
        const { max, sum } = shifted(x)
        return x.map((v, j) => ({ y: (Math.exp(v - max) / sum - (j === at(labels, r) ? 1 : 0)) * at(dy, r), scale: 2 * Math.abs(at(dy, r)) }))
      })
    },
  },
]

const dropped = (shape: readonly number[], samples: readonly number[], i: number, { rate, stream }: Attrs): boolean => {
  const width = count(shape.slice(1)), j = i % width
  const word = at(philox(randomKey(SEED, 'dropout', String(stream)), j >> 2, at(samples, Math.floor(i / width)), STEP, 0), j % 4)
  return word < Math.floor(Number(rate) * 2 ** 32)
}

const ROWS_OF_DATA: readonly Shape[] = [['n'], ['n', 1], ['n', 3], ['n', 8], ['n', 17], ['n', 2, 5]]

/** A read converts, rounds to f32, and scales and offsets, each rounded. */
const readRow: Row = {
  op: 'read', name: 'read', units: 3.01, gradient: 'none', build: build('read'),
  cases: ROWS_OF_DATA.flatMap((shape) => [
    { operands: [f32(shape, any), i32(['n'], sampleBelowN)], attrs: { to: 'f32', scale: 1, offset: 0 } },
    { operands: [f32(shape, any)], attrs: { to: 'f32', scale: 1.5, offset: -0.25 } },
    { operands: [u8(shape, whole(256)), i32(['n'], sampleBelowN)], attrs: { to: 'f32', scale: 1 / 255, offset: 0 } },
    { operands: [{ shape, dtype: 'f64' as const, draw: (next: () => number) => 4 * next() - 2 }, i32(['n'], sampleBelowN)], attrs: { to: 'f32', scale: 1, offset: 0.5 } },
    { operands: [i32(shape, whole(1000))], attrs: { to: 'f32', scale: 1, offset: 0 } },
    { operands: [i32(shape, whole(1000)), i32(['n'], sampleBelowN)], attrs: { to: 'i32', scale: 1, offset: 0 } },
    { operands: [u8(shape, whole(256))], attrs: { to: 'i32', scale: 1, offset: 0 } },
  ]),
  oracle([source = { shape: [], data: [] }, index], { scale, offset }) {
    const width = count(source.shape.slice(1)), s = Number(scale), o = Number(offset)
    return elements(source.shape, (i) => {
      const row = index === undefined ? Math.floor(i / width) : at(index.data, Math.floor(i / width))
      const x = at(source.data, row * width + i % width)
      return { y: x * s + o, scale: Math.abs(x * s) + Math.abs(o) }
    })
  },
}

const selectCases: readonly (readonly [Shape, Shape, Shape])[] = [
  [['n', 3], ['n', 3], ['n', 3]], [['n', 17], ['n', 17], []], [['n'], [], ['n']], [['n', 8], [], []], [[7], [7], [7]], [[4099], [4099], []], [['n', 2, 5], ['n', 2, 5], ['n', 2, 5]],
]

const otherRows: readonly Row[] = [
  {
    op: 'select', name: 'select', units: 0, gradient: 'differences', build: build('select'),
    // Any byte that is not 0 chooses the first.
    cases: selectCases.map(([mask, a, b]) => ({ operands: [u8(mask, (next) => (next() < 0.5 ? 0 : 1 + Math.floor(next() * 255))), f32(a, any), f32(b, any)], attrs: {} })),
    oracle([mask = { shape: [], data: [] }, a = mask, b = mask]) {
      const [x, y] = [repeated(a, mask.shape), repeated(b, mask.shape)]
      return mask.data.map((m, i) => ({ y: m !== 0 ? at(x.data, i) : at(y.data, i), scale: 0 }))
    },
  },
  readRow,
  {
    // Whole numbers: there are ties, and the first wins.
    op: 'argMax', name: 'argMax', units: 0, gradient: 'none', build: build('argMax'), cases: ROWWISE.map((shape) => ({ operands: [f32(shape, whole(4))], attrs: {} })),
    oracle: (ins) => rowsOf(operandAt(ins, 0)).map((row) => ({ y: row.indexOf(Math.max(...row)), scale: 0 })),
  },
  {
    op: 'sameIndex', name: 'sameIndex', units: 0, gradient: 'none', build: build('sameIndex'),
    cases: ([['n'], ['n', 3], ['n', 17], [5], [4099]] as const).map((shape) => ({ operands: [i32(shape, whole(3)), i32(shape, whole(3))], attrs: {} })),
    oracle: (ins) => operandAt(ins, 0).data.map((v, i) => ({ y: v === at(operandAt(ins, 1).data, i) ? 1 : 0, scale: 0 })),
  },
  {
    // In f64: k terms err by less than (k + 1)·2⁻⁵³·Σ|x·w|, in units of U = 2⁻²⁴.
    op: 'total', name: 'total', units: 2 ** -29, gradient: 'refused', build: build('total'),
    cases: ([['n'], ['n', 5], [7], [1030], []] as const).flatMap((shape) => [{ operands: [f32(shape, any)], attrs: {} }, { operands: [f32(shape, any), f32(shape, any)], attrs: {} }]),
    oracle([x = { shape: [], data: [] }, w]) {
      const terms = x.data.map((v, i) => v * (w === undefined ? 1 : at(w.data, i)))
      return [{ y: terms.reduce((a, b) => a + b, 0), scale: (terms.length + 1) * terms.reduce((a, b) => a + Math.abs(b), 0) }]
    },
  },
  {
    // The factor 1 / (1 − rate) is rounded, and the product.
    op: 'dropout', name: 'dropout', units: 2.01, gradient: 'differences', build: build('dropout'),
    cases: ROWS_OF_DATA.flatMap((shape) => [0.3, 0.75].map((rate) => ({ operands: [f32(shape, any), i32(['n'], whole(1000))], attrs: { rate, stream: `layer#${rate}` } }))),
    oracle([x = { shape: [], data: [] }, samples = x], attrs) {
      return x.data.map((v, i) => { const y = dropped(x.shape, samples.data, i, attrs) ? 0 : v / (1 - Number(attrs['rate'])); return { y, scale: Math.abs(y) } })
    },
  },
  ...(['byMode', 'average'] as const).flatMap((op) => (['train', 'predict'] as const).map((mode, chosen): Row => ({
    op, name: `${op}, ${mode}`, units: 0, gradient: 'differences',
    cases: (op === 'byMode' ? [['n', 3] as const, [5] as const] : [[3] as const, [2, 5] as const]).map((shape) => ({ operands: [f32(shape, any), f32(shape, any)], attrs: op === 'byMode' ? {} : { momentum: 0.9 } })),
    build: (ins, attrs) => {
      const [y] = specialise([build(op)(ins, attrs)], mode)
      if (y === undefined) throw new RangeError('specialise gives a value')
      return y
    },
    oracle: (ins) => operandAt(ins, chosen).data.map((y) => ({ y, scale: 0 })),
  }))),
]

/** One range for each element of x: it has one, or one for each of the last dimension. */
const rangeAt = (range: Plain, i: number): number => at(range.data, i % range.data.length)
const eighths: Draw = (next) => Math.floor(next() * 16) / 4 - 2 + 0.125
/** Ranges on another grid than what is rounded; zero is one of them. */
const rangeDraw: Draw = (next) => Math.floor(next() * 8) / 4

const quantRows: readonly Row[] = [
  {
    op: 'weight', name: 'weight', units: 0, gradient: 'differences', build: build('weight'), cases: ([[], [7], [8, 3], [4099]] as const).map((shape) => ({ operands: [f32(shape, any)], attrs: { key: 'w', trainable: true } })),
    oracle: (ins) => operandAt(ins, 0).data.map((y) => ({ y, scale: 0 })),
  },
  {
    // Each operation rounded to f32: the same numbers, not near ones.
    op: 'fakeQuant', name: 'fakeQuant', units: 0, gradient: 'differences', build: build('fakeQuant'),
    cases: ([[['n', 3], [3]], [['n', 17], []], [[5, 1], [1]], [[4, 9], [9]], [[3, 3, 2, 5], [5]], [[4099], [4099]], [[4099], []], [[], []], [[2, 4100], [4100]]] as const).flatMap(([shape, range]) =>
      [{ levels: 127, limited: false }, { levels: 7, limited: true }, { levels: 1, limited: true }].map((attrs) => ({ operands: [f32(shape, attrs.levels === 127 ? any : eighths), f32(range, rangeDraw)], attrs }))),
    oracle: ([x = { shape: [], data: [] }, range = x], { levels }) => x.data.map((v, i) => {
      const step = Math.fround(rangeAt(range, i) / Number(levels)), t = Math.fround(v / step)
      const whole = Math.abs(t % 1) === 0.5 ? 2 * Math.round(t / 2) : Math.round(t)
      return { y: step === 0 ? 0 : Math.fround(Math.min(Math.max(whole, -Number(levels)), Number(levels)) * step), scale: 0 }
    }),
    surrogate: ([x = { shape: [], data: [] }, range = x], { limited }) => x.data.map((v, i) => (limited === true && Math.abs(v) > rangeAt(range, i) ? 0 : v)),
  },
]

/** Integers: equal to plain ones, with no tolerance. */
const QUANTIZED = [{ bits: 7, zeroPoint: 0, scale: 0.01 }, { bits: 7, zeroPoint: 70, scale: 0.03 }, { bits: 8, zeroPoint: 255, scale: 1 / 3 }] as const
const INTEGER_PRODUCTS: readonly (readonly [Shape, number, Attrs])[] = [
  [['n', 1], 1, { bits: 7, to: 32, zeroPoint: 0, relu: false }], [['n', 3], 9, { bits: 7, to: 7, zeroPoint: 0, relu: true }], [['n', 17], 8, { bits: 7, to: 8, zeroPoint: 90, relu: false }],
  [['n', 4, 5], 33, { bits: 8, to: 32, zeroPoint: 0, relu: true }], [['n', 16], 70, { bits: 8, to: 7, zeroPoint: 20, relu: true }], [[35, 6], 3, { bits: 7, to: 7, zeroPoint: 127, relu: false }], [['n', 0], 5, { bits: 7, to: 32, zeroPoint: 0, relu: false }],
]
const integerRows: readonly Row[] = [
  {
    op: 'quantizeLinear', name: 'quantizeLinear', units: 0, gradient: 'refused', build: build('quantizeLinear'),
    cases: ELEMENTWISE.flatMap((shape) => QUANTIZED.map((attrs) => ({ operands: [f32(shape, any)], attrs }))),
    oracle: (ins, { bits, zeroPoint, scale }) => operandAt(ins, 0).data.map((v) => ({ y: quantized(v, 1 / Number(scale), Number(zeroPoint), bits === 7 ? 127 : 255), scale: 0 })),
  },
  {
    op: 'qmatmul', name: 'qmatmul', units: 0, gradient: 'refused', build: build('qmatmul'),
    cases: INTEGER_PRODUCTS.map(([x, m, attrs]) => ({
      operands: [u8(x, whole(attrs['bits'] === 7 ? 128 : 256)), i8([at(x.map(Number), x.length - 1), m], (next) => Math.floor(next() * 255) - 127), i32([m], (next) => Math.floor(next() * 4001) - 2000), f32([m], between(0.0001, 0.05))], attrs,
    })),
    oracle(ins, { to, zeroPoint, relu }) {
      const [x, w, offset, multiplier] = [0, 1, 2, 3].map((i) => operandAt(ins, i))
      if (x === undefined || w === undefined || offset === undefined || multiplier === undefined) throw new RangeError('qmatmul has four operands')
      const [k = 0, n = 0] = w.shape
      return quantizedProduct({
        m: count(x.shape.slice(0, -1)), n, k, a: Uint8Array.from(x.data), w: Int8Array.from(w.data), offset: Int32Array.from(offset.data), multiplier: Float32Array.from(multiplier.data), relu: relu === true,
        to: to === 32 ? null : { high: to === 7 ? 127 : 255, zeroPoint: Number(zeroPoint) },
      }).map((y) => ({ y, scale: 0 }))
    },
  },
]

/** Images, windows, strides and padding: one pixel, windows that hang over on each side, gaps between windows, odd channels. */
const POOLS: readonly (readonly [Shape, readonly [number, number], readonly [number, number], 'valid' | 'same'])[] = [
  [['n', 1, 1, 1], [1, 1], [1, 1], 'valid'], [['n', 1, 1, 3], [2, 2], [2, 2], 'same'], [['n', 4, 4, 1], [2, 2], [2, 2], 'valid'], [['n', 5, 3, 2], [2, 2], [2, 2], 'same'],
  [['n', 5, 7, 5], [3, 3], [1, 1], 'same'], [['n', 7, 4, 3], [2, 3], [3, 1], 'valid'], [['n', 7, 8, 4], [2, 2], [3, 3], 'same'], [['n', 3, 2, 7], [5, 4], [2, 1], 'same'],
  [[2, 3, 3, 1], [3, 3], [3, 3], 'valid'], [[1, 4, 5, 8], [1, 2], [3, 3], 'valid'], [['n', 4, 6, 5], [2, 2], [2, 2], 'same'], [['n', 2, 3, 4], [2, 2], [2, 2], 'same'],
]

const poolAttrs = ([, poolSize, strides, padding]: (typeof POOLS)[number]): Attrs => ({ poolSize, strides, padding })
const poolOutput = ([[n = 'n', height, width, channels = 1], pool, strides, padding]: (typeof POOLS)[number]): Shape =>
  [n, poolAxis(Number(height), pool[0], strides[0], padding).length, poolAxis(Number(width), pool[1], strides[1], padding).length, channels]

function pooled(attrs: Attrs, image: readonly number[]): readonly (readonly number[])[] {
  return poolWindows(image, { poolSize: numbers(attrs['poolSize']), strides: numbers(attrs['strides']), padding: attrs['padding'] === 'same' ? 'same' : 'valid' })
}

const missing = (): never => { throw new RangeError('an operand is missing') }

const poolRows: readonly Row[] = [
  {
    op: 'maxPool2d', name: 'maxPool2d', units: 0, gradient: 'first', build: build('maxPool2d'), cases: POOLS.map((p) => ({ operands: [f32(p[0], any)], attrs: poolAttrs(p) })),
    oracle: ([x = { shape: [], data: [] }], attrs) => pooled(attrs, x.shape).map((window) => ({ y: Math.max(...window.map((i) => at(x.data, i))), scale: 0 })),
  },
  {
    // Backwards, `fuse` makes one call of both.
    op: 'maxPool2d', name: 'maxPool2d of a relu', units: 0, gradient: 'first', cases: POOLS.map((p) => ({ operands: [f32(p[0], apart)], attrs: poolAttrs(p) })),
    build: ([x = missing()], attrs) => apply1(maxPool2dOp, [relu(x)], attrs),
    oracle: ([x = { shape: [], data: [] }], attrs) => pooled(attrs, x.shape).map((window) => ({ y: Math.max(0, ...window.map((i) => at(x.data, i))), scale: 0 })),
  },
  {
    op: 'maxPool2dGrad', name: 'maxPool2dGrad', units: 1, gradient: 'refused', build: build('maxPool2dGrad'),
    cases: POOLS.map((p) => ({ operands: [f32(p[0], any), f32(poolOutput(p), any)], attrs: poolAttrs(p) })),
    oracle([x = { shape: [], data: [] }, dy = x], attrs) {
      const terms: number[][] = x.data.map(() => [])
      pooled(attrs, x.shape).forEach((window, o) => { terms[window.reduce((best, i) => (at(x.data, i) > at(x.data, best) ? i : best), at(window, 0))]?.push(at(dy.data, o)) })
      return terms.map(summed)
    },
  },
  {
    // A mean of k numbers: the sum errs by less than k·U·Σ|x|, the quotient is rounded once more.
    op: 'averagePool2d', name: 'averagePool2d', units: 1, gradient: 'differences', build: build('averagePool2d'), cases: POOLS.map((p) => ({ operands: [f32(p[0], any)], attrs: poolAttrs(p) })),
    oracle: ([x = { shape: [], data: [] }], attrs) => pooled(attrs, x.shape).map((window) => summed(window.map((i) => at(x.data, i) / window.length))),
  },
  {
    op: 'averagePool2dGrad', name: 'averagePool2dGrad', units: 1, gradient: 'differences', build: build('averagePool2dGrad'),
    cases: POOLS.map((p) => ({ operands: [f32(poolOutput(p), any)], attrs: { ...poolAttrs(p), image: p[0].slice(1, 3).map(Number) } })),
    oracle([dy = { shape: [], data: [] }], attrs) {
      const image = [at(dy.shape, 0), ...numbers(attrs['image']), at(dy.shape, 3)]
      const terms: number[][] = Array.from({ length: count(image) }, () => [])
      pooled(attrs, image).forEach((window, o) => { for (const i of window) terms[i]?.push(at(dy.data, o) / window.length) })
      return terms.map(summed)
    },
  },
]

/** One output of a scan, of the steps or the last carry. */
const result = (values: readonly Value[]): Value => {
  const [y] = values
  if (y === undefined) throw new RangeError('a scan gives something')
  return y
}

/** h ← tanh(x·W + h·U + b) from h₀ over x [n, T, d], with y = h·h; T, d and units from the shapes. */
function recurrent([h0 = { shape: [], data: [] }, x = h0, w = h0, u = h0, b = h0]: readonly Plain[], reverse: boolean): { readonly last: readonly number[]; readonly ys: readonly number[] } {
  const [n = 0, steps = 0, d = 0] = x.shape, units = b.data.length
  const ys = new Array<number>(n * steps * units).fill(0)
  let h = [...h0.data]
  for (let s = 0; s < steps; s++) {
    const t = reverse ? steps - 1 - s : s, before = h
    h = before.map((_, i) => {
      const r = Math.floor(i / units), j = i % units
      let z = at(b.data, j)
      for (let k = 0; k < d; k++) z += at(x.data, (r * steps + t) * d + k) * at(w.data, k * units + j)
      for (let k = 0; k < units; k++) z += at(before, r * units + k) * at(u.data, k * units + j)
      return Math.tanh(z)
    })
    h.forEach((v, i) => { ys[(Math.floor(i / units) * steps + t) * units + i % units] = v * v })
  }
  return { last: h, ys }
}

const small = between(-0.6, 0.6)
const RECURRENT: readonly (readonly [steps: number, d: number, units: number])[] = [[1, 1, 1], [2, 3, 2], [5, 2, 3], [7, 1, 9]]
/** Each step rounds some ten times what is below 1, and hands on its error at most 9·0.6 times, damped by tanh. */
const RECURRENT_UNITS = 500

const COLUMN_CASES: readonly (readonly [Shape, readonly number[]])[] = [[['n', 1], [1]], [['n', 7], [3, 1, 3]], [['n', 3, 10], [8, 2]], [[12], [4, 4, 4]], [[9, 530], [17, 513]]]

/** Parts come out in order: each row of part k is a row of x from the parts before on. */
const columnRows: readonly Row[] = [
  ...[0, 1].map((k): Row => ({
    op: 'split', name: `split, part ${k}`, units: 0, gradient: 'differences',
    cases: COLUMN_CASES.filter(([, sizes]) => sizes.length > k).map(([shape, sizes]) => ({ operands: [f32(shape, any)], attrs: { sizes } })),
    build: ([x], { sizes }) => {
      if (x === undefined) throw new RangeError('one operand')
      return result(split(x, numbers(sizes)).slice(k))
    },
    oracle: (ins, { sizes }) => {
      const all = numbers(sizes), from = all.slice(0, k).reduce((a, b) => a + b, 0)
      return rowsOf(operandAt(ins, 0)).flatMap((row) => row.slice(from, from + at(all, k)).map((y) => ({ y, scale: 0 })))
    },
  })),
]

const scanRows: readonly Row[] = [
  {
    op: 'lengthMask', name: 'lengthMask', units: 0, gradient: 'none', build: build('lengthMask'),
    cases: ([[1, 1], [5, 3], [4, 17]] as const).map(([steps, width]) => ({ operands: [i32(['n'], (next) => Math.floor(next() * (steps + 3)) - 1)], attrs: { steps, width } })),
    oracle: ([lengths = { shape: [], data: [] }], { steps, width }) =>
      lengths.data.flatMap((l) => Array.from({ length: Number(steps) * Number(width) }, (_, i) => ({ y: Math.floor(i / Number(width)) < l ? 1 : 0, scale: 0 }))),
  },
  ...(['ys', 'last'] as const).flatMap((what) => [false, true].map((reverse): Row => ({
    // h ← tanh(h·u + x) for the steps below a sample's length; above, h stays and y is +0.
    op: 'scan', name: `scan, lengths, ${what}${reverse ? ', reverse' : ''}`, units: 100, gradient: 'differences',
    cases: [1, 2, 6].map((steps) => ({ operands: [f32(['n', 3], small), f32(['n', steps, 3], small), f32([3, 3], small), i32(['n'], (next) => Math.floor(next() * (steps + 2)))], attrs: {} })),
    build: ([h0, x, u, lengths]) => {
      if (h0 === undefined || x === undefined || u === undefined || lengths === undefined) throw new RangeError('four operands')
      const { carries, ys } = scan(([h], [xt]) => {
        if (h === undefined || xt === undefined) throw new RangeError('a step takes h and x')
        const next = tanh(add(matmul(h, u), xt))
        return { carries: [next], ys: [square(next)] }
      }, [h0], [x], { reverse, lengths })
      return result(what === 'ys' ? ys : carries)
    },
    oracle: ([h0 = { shape: [], data: [] }, x = h0, u = h0, lengths = h0]) => {
      const [n = 0, steps = 0] = x.shape
      const ys = new Array<number>(n * steps * 3).fill(0), last: number[] = []
      for (let r = 0; r < n; r++) {
        let h = [0, 1, 2].map((i) => at(h0.data, r * 3 + i))
        for (let s = 0; s < steps; s++) {
          const t = reverse ? steps - 1 - s : s
          if (t >= at(lengths.data, r)) continue
          h = [0, 1, 2].map((j) => Math.tanh(h.reduce((z, v, i) => z + v * at(u.data, i * 3 + j), at(x.data, (r * steps + t) * 3 + j))))
          h.forEach((v, j) => { ys[(r * steps + t) * 3 + j] = v * v })
        }
        last.push(...h)
      }
      return (what === 'ys' ? ys : last).map((y) => ({ y, scale: 1 }))
    },
  }))),
  {
    op: 'scan', name: 'scan, within a scan', units: 200, gradient: 'differences',
    cases: ([[1, 1], [3, 2], [2, 4]] as const).map(([steps, inner]) => ({ operands: [f32(['n'], small), f32(['n', steps, inner], small), f32([1], small)], attrs: {} })),
    build: ([h0, x, w]) => {
      if (h0 === undefined || x === undefined || w === undefined) throw new RangeError('three operands')
      return result(scan((h, [xt]) => {
        if (xt === undefined) throw new RangeError('a step takes x')
        const { carries } = scan(([a], [xs]) => {
          if (a === undefined || xs === undefined) throw new RangeError('a step takes a and x')
          return { carries: [tanh(add(a, mul(xs, w)))], ys: [] }
        }, h, [xt])
        return { carries, ys: carries.map(square) }
      }, [h0], [x]).ys)
    },
    oracle: ([h0 = { shape: [], data: [] }, x = h0, w = h0]) => {
      const [n = 0, steps = 0, inner = 0] = x.shape
      const ys: number[] = []
      for (let r = 0; r < n; r++) {
        let h = at(h0.data, r)
        for (let t = 0; t < steps; t++) {
          for (let s = 0; s < inner; s++) h = Math.tanh(h + at(x.data, (r * steps + t) * inner + s) * at(w.data, 0))
          ys.push(h * h)
        }
      }
      return ys.map((y) => ({ y, scale: 1 }))
    },
  },
  ...(['ys', 'last'] as const).flatMap((what) => [false, true].map((reverse): Row => ({
    op: 'scan', name: `scan, a recurrent cell, ${what}${reverse ? ', reverse' : ''}`, units: RECURRENT_UNITS, gradient: 'differences',
    cases: RECURRENT.map(([steps, d, units]) => ({ operands: [f32(['n', units], small), f32(['n', steps, d], small), f32([d, units], small), f32([units, units], small), f32([units], small)], attrs: {} })),
    build: (ins) => {
      const [h0, x, w, u, b] = ins
      if (h0 === undefined || x === undefined || w === undefined || u === undefined || b === undefined) throw new RangeError('five operands')
      const { carries, ys } = scan(([h], [xt]) => {
        if (h === undefined || xt === undefined) throw new RangeError('a step takes h and x')
        const next = tanh(add(add(matmul(xt, w), matmul(h, u)), b))
        return { carries: [next], ys: [square(next)] }
      }, [h0], [x], { reverse })
      return result(what === 'ys' ? ys : carries)
    },
    oracle: (ins) => recurrent(ins, reverse)[what].map((y) => ({ y, scale: 1 })),
  }))),
  {
    // Without samples; carries that change places: (a, b) ← (b, a·x).
    op: 'scan', name: 'scan, carries that change places', units: 20, gradient: 'differences',
    cases: [1, 2, 5].map((steps) => ({ operands: [f32([3], small), f32([3], small), f32([steps, 3], small)], attrs: {} })),
    build: ([a, b, x]) => {
      if (a === undefined || b === undefined || x === undefined) throw new RangeError('three operands')
      return result(scan(([p, q], [xt]) => {
        if (p === undefined || q === undefined || xt === undefined) throw new RangeError('a step takes a, b and x')
        return { carries: [q, mul(p, xt)], ys: [] }
      }, [a, b], [x]).carries)
    },
    oracle: ([a = { shape: [], data: [] }, b = a, x = a]) => {
      let [p, q] = [a.data, b.data]
      for (let t = 0; t < (x.shape[0] ?? 0); t++) [p, q] = [q, p.map((v, i) => v * at(x.data, t * 3 + i))]
      return p.map((y) => ({ y, scale: 1 }))
    },
  },
  {
    // A weight that is used twice in a step, once transposed, and one that no product takes.
    op: 'scan', name: 'scan, a weight used twice', units: 100, gradient: 'differences',
    cases: [1, 4].map((steps) => ({ operands: [f32(['n', 3], small), f32(['n', steps, 3], small), f32([3, 3], small), f32(['n', 3], small)], attrs: {} })),
    build: ([h0, x, w, k]) => {
      if (h0 === undefined || x === undefined || w === undefined || k === undefined) throw new RangeError('four operands')
      return result(scan(([h], [xt]) => {
        if (h === undefined || xt === undefined) throw new RangeError('a step takes h and x')
        const next = tanh(add(matmul(matmul(mul(h, k), w), w, { transposeB: true }), xt))
        return { carries: [next], ys: [next] }
      }, [h0], [x]).ys)
    },
    oracle: ([h0 = { shape: [], data: [] }, x = h0, w = h0, k = h0]) => {
      const [n = 0, steps = 0] = x.shape
      const ys = new Array<number>(n * steps * 3).fill(0)
      for (let r = 0; r < n; r++) {
        let h = [0, 1, 2].map((i) => at(h0.data, r * 3 + i))
        for (let t = 0; t < steps; t++) {
          const z = [0, 1, 2].map((j) => h.reduce((s, v, i) => s + v * at(k.data, r * 3 + i) * at(w.data, i * 3 + j), 0))
          h = [0, 1, 2].map((j) => Math.tanh(z.reduce((s, v, i) => s + v * at(w.data, j * 3 + i), 0) + at(x.data, (r * steps + t) * 3 + j)))
          h.forEach((v, j) => { ys[(r * steps + t) * 3 + j] = v })
        }
      }
      return ys.map((y) => ({ y, scale: 1 }))
    },
  },
]

/** A sum whose terms were rounded once each. */
function summed(terms: readonly number[]): Element {
  return { y: terms.reduce((a, b) => a + b, 0), scale: (terms.length + 1) * terms.reduce((a, b) => a + Math.abs(b), 0) }
}

export const table: readonly Row[] = [
  ...unaryRows, ...binaryRows, reduction('sum'), reduction('mean'), matmulRow, ...fusedRows, ...accumulateRows, ...convRows, ...shapeRows, ...softmaxRows, ...lossRows, ...otherRows,
  ...quantRows, ...integerRows, ...poolRows, ...columnRows, ...scanRows, maxRow,
]
