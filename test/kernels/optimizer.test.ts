// The optimizer kernels against their formulas, one Math.fround for each rounding: equal bits over several steps, and no other byte touched.
import { describe, expect, test } from 'vitest'
import { ELEMENTS, PIECE, type KernelField } from '../../src/compiler/kernels.js'
import { clipCode } from '../../src/core/codes.js'
import { pieceSum } from '../reference/sums.js'
import { at, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox, type Block, type Word } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const fround = Math.fround
/** The smallest normal number: state below it becomes +0 (law 9). */
const NORMAL = 2 ** -126

interface Segment { readonly length: number; readonly rateScale?: number; readonly decay?: number; readonly l1?: number; readonly l2?: number }
/** Lengths around a vector and a piece, padded to 64 bytes between each other as in a store. */
const LENGTHS = [1, 3, 4, 5, 7, 8, 9, 16, 17, 255, 256, 257, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE + 5] as const
const plainSegments: readonly Segment[] = LENGTHS.map((length, i) => ({ length, rateScale: i % 3 === 0 ? 1 : fround(0.3 * i) }))

/** Where every element of every segment lies; the floats between segments are NaN and belong to nobody. */
class Layout {
  readonly offsets: readonly number[]
  readonly floats: number
  readonly pieces: readonly { readonly segment: number; readonly offset: number; readonly length: number }[]
  readonly bounds: readonly (readonly [number, number])[]

  constructor(readonly segments: readonly Segment[]) {
    const offsets: number[] = [], pieces: { segment: number; offset: number; length: number }[] = [], bounds: (readonly [number, number])[] = []
    let top = 0
    segments.forEach(({ length }, segment) => {
      offsets.push(top)
      const first = pieces.length
      for (let p = 0; p < length; p += PIECE) pieces.push({ segment, offset: top + p, length: Math.min(PIECE, length - p) })
      bounds.push([first, pieces.length])
      top = (top + length + 15) & ~15
    })
    this.offsets = offsets
    this.floats = top
    this.pieces = pieces
    this.bounds = bounds
  }

  /** An array in this layout; `value` is asked for the elements of segments, in ascending order. */
  fill(value: (segment: number) => number): Float32Array {
    const x = new Float32Array(this.floats).fill(NaN)
    for (const { segment, offset, length } of this.pieces) for (let i = 0; i < length; i++) x[offset + i] = value(segment)
    return x
  }

  map(f: (i: number, segment: number) => void): void {
    for (const { segment, offset, length } of this.pieces) for (let i = 0; i < length; i++) f(offset + i, segment)
  }

  /** Writes the tables; weights stand at `w`. */
  tables(box: KernelBox, w: Block): { pieces: number; segments: number } {
    const pieces = Uint32Array.from(this.pieces.flatMap(({ segment, offset, length }) => [w.address + offset * 4, offset * 4, length, segment]))
    const segments = new DataView(new ArrayBuffer(this.segments.length * 24))
    this.segments.forEach(({ rateScale = 1, decay = 0, l1 = 0, l2 = 0 }, s) => {
      const [first, last] = this.bounds[s] ?? [0, 0]
      ;[rateScale, decay, l1, l2].forEach((x, word) => segments.setFloat32(s * 24 + word * 4, x, true))
      segments.setUint32(s * 24 + 16, first, true)
      segments.setUint32(s * 24 + 20, last, true)
    })
    return { pieces: box.put(pieces).address, segments: box.put(new Uint8Array(segments.buffer)).address }
  }
}

/** Numbers in ±1, of many magnitudes, some of them ±0. */
function numbers(seed: number): () => number {
  const next = random(seed)
  return () => next() < 0.05 ? (next() < 0.5 ? 0 : -0) : fround((next() * 2 - 1) * 2 ** -Math.floor(next() * 20))
}

interface Arrays { readonly w: Float32Array; readonly g: Float32Array; readonly m: Float32Array; readonly v: Float32Array; readonly a: Float32Array }

function arrays(layout: Layout, seed: number): Arrays {
  const next = numbers(seed)
  // State as training leaves it: among it denormals and numbers that will become some.
  const tiny = random(seed + 1)
  const state = () => tiny() < 0.1 ? fround(next() * 2 ** -125) : next()
  const v = layout.fill(() => Math.abs(state()))
  // RMSprop's centred form needs v > a²: it holds for averages of the same gradients.
  const a = layout.fill(() => 0)
  layout.map((i) => { a[i] = fround(state() * 0.5 * Math.sqrt(at(v, i))) })
  return { w: layout.fill(next), g: layout.fill(next), m: layout.fill(state), v, a }
}

const flushed = (x: number): number => Math.abs(x) < NORMAL ? 0 : x

interface Gradients { readonly factors: readonly number[]; readonly clip: number; readonly rate: number; readonly ok: number }
const usual = (layout: Layout): Gradients => ({
  factors: layout.segments.map((_, s) => s % 4 === 1 ? fround(0.37) : 1), clip: Infinity, rate: fround(0.01), ok: 1,
})
const clippedGradient = (g: number, segment: number, { factors, clip }: Gradients): number =>
  Math.min(Math.max(fround(g * at(factors, segment)), -clip), clip)
const rateOf = (layout: Layout, segment: number, rate: number): number => fround(rate * (layout.segments[segment]?.rateScale ?? 1))

/** One step of a kernel: `words` adds its own to the shared ones, `outputs` says which arrays it may write. */
type Kernel = 'f32_sgd' | 'f32_rmsprop' | 'f32_adam'
type Shared = 'pieces' | 'segments' | 'g' | 'factor' | 'ok' | 'clipValue' | 'rate'
type State = keyof Arrays

function step<K extends Kernel>(
  name: K, layout: Layout, x: Arrays, given: Gradients, outputs: readonly State[],
  words: (shared: Record<Shared, Word>, address: Record<State, number>, box: KernelBox) => Record<KernelField<K>, Word>,
): Arrays {
  const box = new KernelBox()
  const blocks = { w: box.put(x.w), g: box.put(x.g), m: box.put(x.m), v: box.put(x.v), a: box.put(x.a) }
  const { w, g, m, v, a } = blocks
  const address = { w: w.address, g: g.address, m: m.address, v: v.address, a: a.address }
  const shared: Record<Shared, Word> = {
    ...layout.tables(box, w), g: g.address, factor: box.put(Float32Array.from(given.factors)).address,
    ok: box.put(Uint32Array.of(given.ok)).address, clipValue: { f32: given.clip }, rate: box.put(Float32Array.of(given.rate)).address,
  }
  runEveryWay(box, name, words(shared, address, box), layout.pieces.length, outputs.map((o) => blocks[o]))
  return { w: box.f32(w), g: box.f32(g), m: box.f32(m), v: box.f32(v), a: box.f32(a) }
}

const copyOf = (x: Arrays): Arrays => ({ w: x.w.slice(), g: x.g, m: x.m.slice(), v: x.v.slice(), a: x.a.slice() })
function expectSame(got: Arrays, want: Arrays): void {
  for (const name of ['w', 'm', 'v', 'a'] as const) expectBits(got[name], want[name], name)
}

/** Three steps with three gradients, each equal to the reference. */
function threeSteps(layout: Layout, run: (x: Arrays) => Arrays, reference: (x: Arrays) => Arrays): void {
  let x = arrays(layout, 1)
  for (let t = 0; t < 3; t++) {
    const got = run(x)
    expectSame(got, reference(x))
    x = { ...got, g: arrays(layout, 50 + t).g }
  }
}

describe('f32_sgd', () => {
  interface Options { readonly momentum: number; readonly nesterov: boolean }
  const run = (layout: Layout, { momentum, nesterov }: Options, given: Gradients) => (x: Arrays): Arrays =>
    step('f32_sgd', layout, x, given, momentum ? ['w', 'm'] : ['w'], (shared, address) =>
      ({ ...shared, m: momentum ? address.m : 0, momentum: { f32: momentum }, nesterov: nesterov ? 1 : 0 }))
  const reference = (layout: Layout, { momentum, nesterov }: Options, given: Gradients) => (from: Arrays): Arrays => {
    const x = copyOf(from)
    layout.map((i, segment) => {
      const t = fround(rateOf(layout, segment, given.rate) * clippedGradient(at(x.g, i), segment, given))
      if (momentum === 0) { x.w[i] = fround(at(x.w, i) - t); return }
      const m = flushed(fround(fround(momentum * at(x.m, i)) - t))
      x.m[i] = m
      x.w[i] = fround(at(x.w, i) + (nesterov ? fround(fround(momentum * m) - t) : m))
    })
    return x
  }
  const layout = new Layout(plainSegments)

  test.each([
    { momentum: 0, nesterov: false }, { momentum: fround(0.9), nesterov: false }, { momentum: fround(0.9), nesterov: true },
  ])('momentum $momentum, nesterov $nesterov', (options) => {
    for (const clip of [Infinity, fround(0.01)]) {
      const given = { ...usual(layout), clip }
      threeSteps(layout, run(layout, options, given), reference(layout, options, given))
    }
  })

  test('momentum decays to +0, not into denormals; the smallest normal number stays', () => {
    const one = new Layout([{ length: 5 }])
    const next = [-(2 ** -125.5), 2 ** -125.5, 2 ** -125, -(2 ** -125), -(2 ** -149)].values()
    const x: Arrays = { ...arrays(one, 1), g: one.fill(() => 0), m: one.fill(() => next.next().value ?? NaN) }
    const { m } = run(one, { momentum: 0.5, nesterov: false }, usual(one))(x)
    expectBits(m.subarray(0, 5), [0, 0, NORMAL, -NORMAL, 0])
  })
})

describe('f32_rmsprop', () => {
  interface Options { readonly momentum: number; readonly centred: boolean }
  const rho = fround(0.9), rest = fround(0.1), epsilon = fround(1e-7)
  const run = (layout: Layout, { momentum, centred }: Options, given: Gradients) => (x: Arrays): Arrays =>
    step('f32_rmsprop', layout, x, given, ['w', 'v', ...centred ? ['a'] as const : [], ...momentum ? ['m'] as const : []], (shared, address) => ({
      ...shared, v: address.v, a: centred ? address.a : 0, m: momentum ? address.m : 0, rho: { f32: rho }, oneMinusRho: { f32: rest },
      momentum: { f32: momentum }, epsilon: { f32: epsilon },
    }))
  const reference = (layout: Layout, { momentum, centred }: Options, given: Gradients) => (from: Arrays): Arrays => {
    const x = copyOf(from)
    const average = (state: Float32Array, i: number, term: number): number =>
      state[i] = flushed(fround(fround(rho * at(state, i)) + fround(rest * term)))
    layout.map((i, segment) => {
      const g = clippedGradient(at(x.g, i), segment, given)
      const v = average(x.v, i, fround(g * g))
      const under = centred ? average(x.a, i, g) : 0
      const d = fround((centred ? Math.max(fround(v - fround(under * under)), 0) : v) + epsilon)
      const increment = fround(fround(rateOf(layout, segment, given.rate) * g) / fround(Math.sqrt(d)))
      const moved = momentum ? x.m[i] = flushed(fround(fround(momentum * at(x.m, i)) + increment)) : increment
      x.w[i] = fround(at(x.w, i) - moved)
    })
    return x
  }
  const layout = new Layout(plainSegments)

  test.each([
    { momentum: 0, centred: false }, { momentum: fround(0.9), centred: false }, { momentum: 0, centred: true }, { momentum: fround(0.9), centred: true },
  ])('momentum $momentum, centred $centred', (options) => {
    for (const clip of [Infinity, fround(0.01)]) {
      const given = { ...usual(layout), clip }
      threeSteps(layout, run(layout, options, given), reference(layout, options, given))
    }
  })
})

describe('f32_adam', () => {
  const alpha = fround(0.1), beta = fround(0.001), epsilon = fround(1e-7), decayRate = fround(0.003)
  const run = (layout: Layout, given: Gradients) => (x: Arrays): Arrays =>
    step('f32_adam', layout, x, given, ['w', 'm', 'v'], (shared, address, box) => ({
      ...shared, m: address.m, v: address.v, decayRate: box.put(Float32Array.of(decayRate)).address,
      oneMinusBeta1: { f32: alpha }, oneMinusBeta2: { f32: beta }, epsilon: { f32: epsilon },
    }))
  const reference = (layout: Layout, given: Gradients) => (from: Arrays): Arrays => {
    const x = copyOf(from)
    layout.map((i, segment) => {
      const g = clippedGradient(at(x.g, i), segment, given), decay = layout.segments[segment]?.decay ?? 0
      const w = decay === 0 ? at(x.w, i)
        : fround(at(x.w, i) - fround(fround(at(x.w, i) * decay) * rateOf(layout, segment, decayRate)))
      const m = x.m[i] = flushed(fround(at(x.m, i) + fround(fround(g - at(x.m, i)) * alpha)))
      const v = x.v[i] = flushed(fround(at(x.v, i) + fround(fround(fround(g * g) - at(x.v, i)) * beta)))
      x.w[i] = fround(w - fround(fround(m * rateOf(layout, segment, given.rate)) / fround(fround(Math.sqrt(v)) + epsilon)))
    })
    return x
  }
  const layout = new Layout(plainSegments.map((s, i) => ({ ...s, decay: i % 2 ? fround(0.01) : 0 })))

  test.each([Infinity, fround(0.01), 0])('clipValue %d', (clip) => {
    const given = { ...usual(layout), clip }
    threeSteps(layout, run(layout, given), reference(layout, given))
  })

  test('no state stays denormal, and what is not is not touched', () => {
    const one = new Layout([{ length: 9 }])
    const values = [NORMAL, -NORMAL, NORMAL * 1.5, NORMAL * 2, -(2 ** -149), 2 ** -127, -0, 0, 1e-30]
    const next = values.values()
    const x: Arrays = { ...arrays(one, 1), g: one.fill(() => 0), m: one.fill(() => next.next().value ?? NaN), v: one.fill(() => 2 ** -127) }
    const got = run(one, usual(one))(x)
    expectSame(got, reference(one, usual(one))(x))
    for (const state of [got.m, got.v]) for (const s of state.subarray(0, 9)) expect(Object.is(s, 0) || Math.abs(s) >= NORMAL).toBe(true)
    expect(at(got.m, 3)).toBeGreaterThan(NORMAL)
    expectBits(got.v.subarray(0, 9), new Float32Array(9))
  })

  test('NaN in an element stays in that element, in its state and its weight', () => {
    const one = new Layout([{ length: 7 }])
    const x = arrays(one, 2)
    x.g[2] = NaN
    x.m[6] = NaN
    const got = run(one, usual(one))(x)
    expectSame(got, reference(one, usual(one))(x))
    expect(Array.from(got.w.subarray(0, 7), Number.isNaN)).toEqual([false, false, true, false, false, false, true])
    expect(Array.from(got.m.subarray(0, 7), Number.isNaN)).toEqual([false, false, true, false, false, false, true])
  })
})

test('nothing is written when ok is 0', () => {
  const layout = new Layout(plainSegments)
  const x = arrays(layout, 1), given = { ...usual(layout), ok: 0 }
  // No output is declared: runEveryWay finds any byte that changes.
  const f32 = (value: number) => ({ f32: fround(value) })
  step('f32_sgd', layout, x, given, [], (shared, { m }) => ({ ...shared, m, momentum: f32(0.9), nesterov: 1 }))
  step('f32_sgd', layout, x, given, [], (shared) => ({ ...shared, m: 0, momentum: f32(0), nesterov: 0 }))
  step('f32_rmsprop', layout, x, given, [], (shared, { v, a, m }) =>
    ({ ...shared, v, a, m, rho: f32(0.9), oneMinusRho: f32(0.1), momentum: f32(0.9), epsilon: f32(1e-7) }))
  step('f32_adam', layout, x, given, [], (shared, { m, v }, box) =>
    ({ ...shared, m, v, decayRate: box.put(Float32Array.of(1)).address, oneMinusBeta1: f32(0.1), oneMinusBeta2: f32(0.001), epsilon: f32(1e-7) }))
})

describe('f32_regularize', () => {
  const kinds: readonly Partial<Segment>[] = [{}, { l2: fround(0.01) }, { l1: fround(0.003) }, { l1: fround(0.02), l2: fround(0.5) }]
  const layout = new Layout(LENGTHS.flatMap((length) => kinds.map((kind) => ({ length, ...kind }))))

  function regularize(layout: Layout, x: Arrays, norms = 1): { g: Float32Array; partial: Float64Array } {
    const box = new KernelBox()
    const w = box.put(x.w), g = box.put(x.g), partial = box.alloc(layout.pieces.length * 16)
    runEveryWay(box, 'f32_regularize', { ...layout.tables(box, w), g: g.address, partial: partial.address, norms }, layout.pieces.length, [g, partial])
    return { g: box.f32(g), partial: box.f64(partial) }
  }
  function reference(layout: Layout, x: Arrays): { g: Float32Array; partial: number[] } {
    const g = x.g.slice()
    const partial = layout.pieces.flatMap(({ segment, offset, length }) => {
      const { l1 = 0, l2 = 0 } = layout.segments[segment] ?? {}
      const w = (i: number) => at(x.w, offset + i)
      if (l1 || l2) for (let i = 0; i < length; i++) {
        g[offset + i] = fround(at(g, offset + i) + fround(fround(fround(2 * l2) * w(i)) + fround(l1 * Math.sign(w(i)))))
      }
      const penalty = l2 * pieceSum(length, (i) => w(i) ** 2) + l1 * pieceSum(length, (i) => Math.abs(w(i)))
      return [pieceSum(length, (i) => at(g, offset + i) ** 2), l1 || l2 ? penalty : 0]
    })
    return { g, partial }
  }

  test('adds the gradients of the penalties and sums squares, to the bit', () => {
    const x = arrays(layout, 3)
    const got = regularize(layout, x), want = reference(layout, x)
    expectBits(got.g, want.g, 'g')
    expectBits(got.partial, want.partial, 'partial')
  })

  test('a gradient that is not finite shows in its partial, wherever it stands; one of a weight too', () => {
    const one = new Layout([{ length: 13, l1: 1 }])
    for (let i = 0; i < 13; i++) for (const bad of [NaN, Infinity, -Infinity]) {
      const x = arrays(one, 4)
      x.g[i] = bad
      expect(at(regularize(one, x).partial, 0)).toBe(Number.isNaN(bad) ? NaN : Infinity)
      const y = arrays(one, 4)
      y.w[i] = NaN
      expect(at(regularize(one, y).g, i)).toBeNaN()
    }
  })

  test('without norms a partial is +0, or NaN when something is not finite; gradients and penalties are the same', () => {
    const x = arrays(layout, 3)
    const got = regularize(layout, x, 0), want = reference(layout, x)
    expectBits(got.g, want.g, 'g')
    expectBits(got.partial, want.partial.map((p, i) => (i % 2 === 0 ? 0 : p)), 'partial')
    for (const length of [1, 7, 8, 15, 16, 17, 41]) for (let i = 0; i < length; i++) for (const bad of [NaN, Infinity, -Infinity, fround(3e38), -(2 ** -149)]) {
      const one = new Layout([{ length }])
      const y = arrays(one, 4)
      y.g[i] = bad
      expectBits(regularize(one, y, 0).partial, [bad - bad, 0])
    }
  })

  test('squares beyond the range of f32 do not overflow', () => {
    const one = new Layout([{ length: 3 }])
    expectBits(regularize(one, { ...arrays(one, 1), g: one.fill(() => fround(3e38)) }).partial, [3 * fround(3e38) ** 2, 0])
  })
})

describe('f32_gate', () => {
  interface Case { readonly clip: keyof typeof clipCode; readonly limit: number; readonly partial?: Float64Array; readonly sums?: Float64Array; readonly averages?: Float64Array }
  const layout = new Layout(plainSegments)
  const next = random(12)
  /** Of many magnitudes, so that their order matters. */
  const some = Float64Array.from({ length: layout.pieces.length * 2 }, () => next() * 10 ** Math.floor(next() * 12 - 8))

  function gate({ clip, limit, partial = some, sums = Float64Array.of(1, -2e300), averages = Float64Array.of(3, NaN) }: Case, layout: Layout): {
    factor: Float32Array; ok: number; totals: Float64Array
  } {
    const box = new KernelBox()
    const w = box.alloc(0)
    const factor = box.alloc(layout.segments.length * 4), ok = box.alloc(4), totals = box.alloc(16)
    runEveryWay(box, 'f32_gate', {
      segments: layout.tables(box, w).segments, count: layout.segments.length, partial: box.put(partial).address, factor: factor.address,
      ok: ok.address, sums: box.put(sums).address, sumCount: sums.length, clip: clipCode[clip], limit: { f32: limit }, totals: totals.address,
      averages: box.put(averages).address, averageCount: averages.length / 2,
    }, 1, [factor, ok, totals])
    return { factor: box.f32(factor), ok: at(box.i32(ok), 0), totals: box.f64(totals) }
  }
  const own = (partial: Float64Array, word: number) => layout.bounds.map(([first, last]) => {
    let total = 0
    for (let p = first; p < last; p++) total += at(partial, 2 * p + word)
    return total
  })
  const sum = (x: readonly number[]) => x.reduce((a, b) => a + b, 0)
  const squares = own(some, 0)

  test.each([
    { clip: 'none', limit: fround(1e-3), factors: squares.map(() => 1) },
    { clip: 'norm', limit: fround(0.5), factors: squares.map((s) => Math.sqrt(s) > fround(0.5) ? fround(fround(0.5) / Math.sqrt(s)) : 1) },
    { clip: 'globalNorm', limit: fround(0.7), factors: squares.map(() => fround(fround(0.7) / Math.sqrt(sum(squares)))) },
    { clip: 'globalNorm', limit: fround(1e6), factors: squares.map(() => 1) },
  ] as const)('clip $clip at $limit', ({ clip, limit, factors }) => {
    const got = gate({ clip, limit }, layout)
    expect(got.ok).toBe(1)
    expectBits(got.factor, factors)
    expectBits(got.totals, [Math.sqrt(sum(squares)), sum(own(some, 1))])
  })

  test('some segments are clipped and some are not', () => {
    const factors = gate({ clip: 'norm', limit: 0.5 }, layout).factor
    expect([factors.some((f) => f === 1), factors.some((f) => f < 1)]).toEqual([true, true])
  })

  test.each([NaN, Infinity, -Infinity])('ok is 0 for %d in a square or a sum', (bad) => {
    for (let i = 0; i < layout.pieces.length; i++) {
      const partial = some.slice()
      partial[2 * i] = bad
      expect(gate({ clip: 'globalNorm', limit: 1, partial }, layout).ok).toBe(0)
    }
    for (let i = 0; i < 3; i++) {
      const sums = Float64Array.of(1, 2, 3)
      sums[i] = bad
      expect(gate({ clip: 'none', limit: 1, sums }, layout).ok).toBe(0)
    }
  })

  test.each([NaN, Infinity])('ok is 0 for %d in what a moving average takes in; no norm counts it', (bad) => {
    const clip = { clip: 'globalNorm', limit: 1 } as const
    for (const i of [0, 2]) {
      const averages = Float64Array.of(1e30, 0, 1e30, 0)
      expectBits(gate({ ...clip, averages }, layout).totals, gate(clip, layout).totals)
      averages[i] = bad
      expect(gate({ ...clip, averages }, layout).ok).toBe(0)
    }
  })

  test('no segments and no sums are fine, and have no norm', () => {
    const got = gate({ clip: 'globalNorm', limit: 1, partial: new Float64Array(0), sums: new Float64Array(0) }, new Layout([]))
    expect(got.ok).toBe(1)
    expectBits(got.totals, [0, 0])
  })
})

describe('f32_average', () => {
  const layout = new Layout(LENGTHS.map((length, i) => ({ length, rateScale: fround(1 - 0.01 * i), decay: fround(0.01 * i) })))

  function average(w: Float32Array, g: Float32Array, rows: number, ok: number): Float32Array {
    const box = new KernelBox()
    const weights = box.put(w)
    runEveryWay(box, 'f32_average', { ...layout.tables(box, weights), g: box.put(g).address, ok: box.put(Uint32Array.of(ok)).address, rows: box.put(Float32Array.of(rows)).address }, layout.pieces.length, [weights])
    return box.f32(weights)
  }

  test('moves by the formula, and flushes', () => {
    const draw = numbers(20)
    const w = layout.fill(draw), g = layout.fill(draw)
    // the first element of each segment falls below the smallest normal number
    for (const offset of layout.offsets) { w[offset] = NORMAL; g[offset] = 0 }
    const want = w.slice()
    layout.map((i, segment) => {
      const { rateScale = 1, decay = 0 } = layout.segments[segment] ?? { length: 0 }
      const moved = fround(fround(at(w, i) * rateScale) + fround(fround(at(g, i) / 7) * decay))
      want[i] = Math.abs(moved) < NORMAL ? 0 : moved
    })
    expectBits(average(w, g, 7, 1), want)
  })

  test('writes nothing when not ok', () => {
    const draw = numbers(21)
    const w = layout.fill(draw)
    expectBits(average(w, layout.fill(draw), 3, 0), w)
  })
})

describe('f32_commit', () => {
  const commit = (length: number, ok: number): { readonly x: Float32Array; readonly y: Float32Array; readonly got: Float32Array } => {
    const box = new KernelBox()
    const draw = numbers(length)
    const [x, y] = [0, 1].map(() => Float32Array.from({ length }, () => draw())) as [Float32Array, Float32Array]
    // every bit pattern is copied as it is
    if (length > 2) { x[1] = -0; x[2] = 2 ** -149 }
    const to = box.put(y)
    runEveryWay(box, 'f32_commit', { x: box.put(x).address, y: to.address, ok: box.put(Uint32Array.of(ok)).address, length }, Math.ceil(length / ELEMENTS), ok === 0 ? [] : [to])
    return { x, y, got: box.f32(to) }
  }

  test.each([0, 1, 3, 4, 5, 17, ELEMENTS - 1, ELEMENTS, ELEMENTS + 1, 3 * ELEMENTS + 7])('of %i: the bits when ok, else nothing', (length) => {
    const made = commit(length, 1)
    expectBits(made.got, made.x)
    const not = commit(length, 0)
    expectBits(not.got, not.y)
  })

  test('in place', () => {
    const box = new KernelBox()
    const w = box.put(Float32Array.of(1, 2, 3))
    runEveryWay(box, 'f32_commit', { x: w.address, y: w.address, ok: box.put(Uint32Array.of(1)).address, length: 3 }, 1, [w])
    expectBits(box.f32(w), [1, 2, 3])
  })
})
