// Twenty steps of every optimizer, with every kind of clipping and penalty, against Keras' formulas in plain f64. Each step of the reference
// starts from the weights and states that the model has, so the bound of one step holds for all of them, by induction from zero states.
import { describe, expect, it } from 'vitest'
import { adam, adamW, dense, l1l2, mse, rmsprop, sequential, sgd, stepDecay, type Optimizer } from '../../src/index.js'
import { at } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

const STEPS = 20
const SAMPLES = 6
const IN = 3
const HIDDEN = 5
const OUT = 2
/** the unit roundoff of f32 */
const U = 2 ** -24
/**
 * Roundings on the longest path from a weight to its gradient: 4 for the first dot product with bias, 4 for tanh (its 2 ulps), 6 for the second,
 * 4 for the loss and its seed, 3 for dh, 4 for tanh's gradient, 6 for the sum over samples: each at most U of the sum of absolute terms.
 */
const ROUNDINGS = 32
/** Roundings in an update formula after its gradient: constants rounded to f32, products, root, quotient. */
const UPDATE_ROUNDINGS = 12

const x = randomFloats(SAMPLES * IN, 1)
const t = randomFloats(SAMPLES * OUT, 2)
const L1 = 0.003
const L2 = 0.02

type Numbers = readonly number[]
type ByKey = Readonly<Record<string, Numbers>>
const KEYS = ['dense1.kernel', 'dense1.bias', 'dense2.kernel', 'dense2.bias'] as const
const of = (record: ByKey, key: string): Numbers => {
  const value = record[key]
  if (value === undefined) throw new Error(`no ${key}`)
  return value
}
const table = (n: number, f: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => f(i))
const sum = (n: number, f: (i: number) => number): number => table(n, f).reduce((a, b) => a + b, 0)
const norm = (v: Numbers): number => Math.sqrt(sum(v.length, (i) => at(v, i) ** 2))

interface Gradient { readonly g: ByKey; readonly error: ByKey; readonly loss: number }

/** The gradient of mean (tanh(x·W1 + b1)·W2 + b2 − t)², and by absolute values how far f32 may be from it. */
function gradient(w: ByKey, penalized: boolean): Gradient {
  const [w1, b1, w2, b2] = [of(w, KEYS[0]), of(w, KEYS[1]), of(w, KEYS[2]), of(w, KEYS[3])]
  const share = 2 / (SAMPLES * OUT)
  const h = table(SAMPLES * HIDDEN, (k) => { const s = Math.floor(k / HIDDEN), j = k % HIDDEN; return Math.tanh(sum(IN, (i) => at(x, s * IN + i) * at(w1, i * HIDDEN + j)) + at(b1, j)) })
  const ha = table(SAMPLES * HIDDEN, (k) => { const s = Math.floor(k / HIDDEN), j = k % HIDDEN; return sum(IN, (i) => Math.abs(at(x, s * IN + i) * at(w1, i * HIDDEN + j))) + Math.abs(at(b1, j)) })
  const y = (s: number, o: number): number => sum(HIDDEN, (j) => at(h, s * HIDDEN + j) * at(w2, j * OUT + o)) + at(b2, o)
  const d = table(SAMPLES * OUT, (k) => share * (y(Math.floor(k / OUT), k % OUT) - at(t, k)))
  const da = table(SAMPLES * OUT, (k) => share * (sum(HIDDEN, (j) => at(ha, Math.floor(k / OUT) * HIDDEN + j) * Math.abs(at(w2, j * OUT + k % OUT))) + Math.abs(at(b2, k % OUT)) + Math.abs(at(t, k))))
  const dh = table(SAMPLES * HIDDEN, (k) => sum(OUT, (o) => at(d, Math.floor(k / HIDDEN) * OUT + o) * at(w2, (k % HIDDEN) * OUT + o)) * (1 - at(h, k) ** 2))
  const dha = table(SAMPLES * HIDDEN, (k) => sum(OUT, (o) => at(da, Math.floor(k / HIDDEN) * OUT + o) * Math.abs(at(w2, (k % HIDDEN) * OUT + o))) * (1 + 2 * at(ha, k)))
  const product = (a: ArrayLike<number>, rows: number, b: ArrayLike<number>, columns: number): number[] =>
    table(rows * columns, (k) => sum(SAMPLES, (s) => at(a, s * rows + Math.floor(k / columns)) * at(b, s * columns + k % columns)))
  const column = (b: ArrayLike<number>, columns: number): number[] => table(columns, (j) => sum(SAMPLES, (s) => at(b, s * columns + j)))
  const g: Record<string, number[]> = { [KEYS[0]]: product(x, IN, dh, HIDDEN), [KEYS[1]]: column(dh, HIDDEN), [KEYS[2]]: product(h, HIDDEN, d, OUT), [KEYS[3]]: column(d, OUT) }
  const ga: Record<string, number[]> = { [KEYS[0]]: product(x.map(Math.abs), IN, dha, HIDDEN), [KEYS[1]]: column(dha, HIDDEN), [KEYS[2]]: product(ha, HIDDEN, da, OUT), [KEYS[3]]: column(da, OUT) }
  let loss = sum(SAMPLES * OUT, (k) => (at(d, k) / share) ** 2) / (SAMPLES * OUT)
  if (penalized) {
    for (const [key, weights] of [[KEYS[0], w1], [KEYS[2], w2]] as const) {
      g[key] = of(g, key).map((v, i) => v + 2 * L2 * at(weights, i) + L1 * Math.sign(at(weights, i)))
      ga[key] = of(ga, key).map((v, i) => v + 2 * L2 * Math.abs(at(weights, i)) + L1)
      loss += L2 * norm(weights) ** 2 + L1 * sum(weights.length, (i) => Math.abs(at(weights, i)))
    }
  }
  return { g, error: Object.fromEntries(KEYS.map((key) => [key, of(ga, key).map((v) => v * ROUNDINGS * U)])), loss }
}

type ClipKind = 'none' | 'clipValue' | 'clipNorm' | 'globalClipNorm'

/** Keras' clipping: by value, by each weight's norm, by the norm of all: g·limit / max(norm, limit). */
function clip({ g, error, loss }: Gradient, kind: ClipKind, limit: number): Gradient {
  if (kind === 'none') return { g, error, loss }
  if (kind === 'clipValue') return { g: mapped(g, (v) => Math.min(Math.max(v, -limit), limit)), error, loss }
  const all = Math.sqrt(KEYS.reduce((total, key) => total + norm(of(g, key)) ** 2, 0))
  const allError = Math.sqrt(KEYS.reduce((total, key) => total + norm(of(error, key)) ** 2, 0))
  const scaled: Record<string, number[]> = {}
  const scaledError: Record<string, number[]> = {}
  for (const key of KEYS) {
    const size = kind === 'clipNorm' ? norm(of(g, key)) : all
    const relative = (kind === 'clipNorm' ? norm(of(error, key)) : allError) / size
    const factor = limit / Math.max(size, limit)
    scaled[key] = of(g, key).map((v) => v * factor)
    scaledError[key] = of(error, key).map((e, i) => e * factor + Math.abs(at(of(g, key), i)) * factor * (relative + 2 * U))
  }
  return { g: scaled, error: scaledError, loss }
}
const mapped = (record: ByKey, f: (v: number) => number): Record<string, number[]> => Object.fromEntries(Object.entries(record).map(([key, v]) => [key, v.map(f)]))

/** One element's weight and states after a step, and the sizes of the terms they were rounded at. */
interface Element { readonly w: number; readonly states: Readonly<Record<string, number>>; readonly size: number; readonly sizes: Readonly<Record<string, number>> }
type Rule = (w: number, states: Readonly<Record<string, number>>, g: number, step: number, key: string) => Element
const state = (states: Readonly<Record<string, number>>, name: string): number => states[name] ?? NaN

const sgdRule = (rate: number, momentum: number, nesterov: boolean): Rule => (w, states, g) => {
  if (momentum === 0) return { w: w - rate * g, states: {}, size: Math.abs(w) + Math.abs(rate * g), sizes: {} }
  const m = momentum * state(states, 'm') - rate * g
  const size = Math.abs(momentum * state(states, 'm')) + Math.abs(rate * g)
  return { w: w + (nesterov ? momentum * m - rate * g : m), states: { m }, size: Math.abs(w) + 2 * size, sizes: { m: size } }
}

const rmspropRule = (rate: number, rho: number, momentum: number, epsilon: number, centered: boolean): Rule => (w, states, g) => {
  const v = rho * state(states, 'v') + (1 - rho) * g * g
  const a = centered ? rho * state(states, 'a') + (1 - rho) * g : 0
  const under = v - a * a + epsilon
  const increment = (rate * g) / Math.sqrt(under)
  const spread = Math.abs(increment) * (1 + (v + a * a) / under)
  const sizes = { v, ...(centered ? { a: rho * Math.abs(state(states, 'a')) + (1 - rho) * Math.abs(g) } : {}) }
  if (momentum === 0) return { w: w - increment, states: { v, ...(centered ? { a } : {}) }, size: Math.abs(w) + spread, sizes }
  const m = momentum * state(states, 'm') + increment
  const size = momentum * Math.abs(state(states, 'm')) + spread
  return { w: w - m, states: { v, m, ...(centered ? { a } : {}) }, size: Math.abs(w) + size, sizes: { ...sizes, m: size } }
}

const adamRule = (rateAt: (step: number) => number, beta1: number, beta2: number, epsilon: number, decay: number, exclude: readonly string[]): Rule => (w0, states, g, step, key) => {
  const rate = rateAt(step)
  const w = exclude.some((end) => key.endsWith(end)) ? w0 : w0 - rate * decay * w0
  const m = state(states, 'm') + (g - state(states, 'm')) * (1 - beta1)
  const v = state(states, 'v') + (g * g - state(states, 'v')) * (1 - beta2)
  const change = (rate * (Math.sqrt(1 - beta2 ** (step + 1)) / (1 - beta1 ** (step + 1))) * m) / (Math.sqrt(v) + epsilon)
  const mSize = Math.abs(state(states, 'm')) + Math.abs(g)
  return { w: w - change, states: { m, v }, size: Math.abs(w0) + Math.abs(change) * (1 + (m === 0 ? 0 : mSize / Math.abs(m))), sizes: { m: mSize, v: Math.abs(state(states, 'v')) + g * g } }
}

type Clipping = { readonly clipValue?: number; readonly clipNorm?: number; readonly globalClipNorm?: number }
interface Case { readonly name: string; readonly make: (clipping: Clipping) => Optimizer; readonly rule: Rule }
const rateSteps = (step: number): number => 0.02 * 0.5 ** Math.floor(step / 6)
const cases: readonly Case[] = [
  { name: 'sgd', make: (c) => sgd(c), rule: sgdRule(0.01, 0, false) },
  { name: 'sgd momentum', make: (c) => sgd({ learningRate: 0.2, momentum: 0.8, ...c }), rule: sgdRule(0.2, 0.8, false) },
  { name: 'sgd nesterov', make: (c) => sgd({ learningRate: 0.2, momentum: 0.8, nesterov: true, ...c }), rule: sgdRule(0.2, 0.8, true) },
  { name: 'rmsprop', make: (c) => rmsprop(c), rule: rmspropRule(0.001, 0.9, 0, 1e-7, false) },
  { name: 'rmsprop momentum', make: (c) => rmsprop({ learningRate: 0.02, rho: 0.8, momentum: 0.5, epsilon: 1e-3, ...c }), rule: rmspropRule(0.02, 0.8, 0.5, 1e-3, false) },
  { name: 'rmsprop centered', make: (c) => rmsprop({ centered: true, epsilon: 1e-3, ...c }), rule: rmspropRule(0.001, 0.9, 0, 1e-3, true) },
  { name: 'rmsprop centered momentum', make: (c) => rmsprop({ learningRate: 0.02, centered: true, momentum: 0.5, epsilon: 1e-2, ...c }), rule: rmspropRule(0.02, 0.9, 0.5, 1e-2, true) },
  { name: 'adam', make: (c) => adam(c), rule: adamRule(() => 0.001, 0.9, 0.999, 1e-7, 0, []) },
  { name: 'adam, options', make: (c) => adam({ learningRate: 0.05, beta1: 0.7, beta2: 0.95, epsilon: 1e-2, ...c }), rule: adamRule(() => 0.05, 0.7, 0.95, 1e-2, 0, []) },
  { name: 'adamW', make: (c) => adamW(c), rule: adamRule(() => 0.001, 0.9, 0.999, 1e-7, 0.004, []) },
  {
    name: 'adamW exclude, schedule', make: (c) => adamW({ learningRate: stepDecay(0.02, { every: 6, factor: 0.5 }), weightDecay: 0.3, exclude: ['bias', 'dense2.kernel'], ...c }),
    rule: adamRule(rateSteps, 0.9, 0.999, 1e-7, 0.3, ['bias', 'dense2.kernel']),
  },
]
/** Limits that bind in some steps and for some weights, and in others not. */
const clippings: readonly { readonly kind: ClipKind; readonly limit: number }[] = [
  { kind: 'none', limit: Infinity }, { kind: 'clipValue', limit: 0.1 }, { kind: 'clipNorm', limit: 0.25 }, { kind: 'globalClipNorm', limit: 0.4 },
]

/** The model of a case, with a seed whose gradients the limits cut. */
function build(optimizer: Optimizer, penalized: boolean) {
  const kernelRegularizer = penalized ? { kernelRegularizer: l1l2({ l1: L1, l2: L2 }) } : {}
  const model = sequential([dense(HIDDEN, { activation: 'tanh', ...kernelRegularizer }), dense(OUT, { biasInitializer: 'ones', ...kernelRegularizer })], { input: [IN], seed: 3 })
  return { model, compiled: model.compile({ optimizer, loss: mse() }) }
}
const plain = (weights: Readonly<Record<string, { readonly data: Float32Array }>>): ByKey => Object.fromEntries(Object.entries(weights).map(([key, { data }]) => [key, [...data]]))
const statesOf = (model: ReturnType<typeof build>['model']): ByKey => Object.fromEntries(Object.entries(model.trainingState()?.states ?? {}).map(([key, data]) => [key, [...data]]))

describe.each(cases)('$name', ({ make, rule }) => {
  describe.each(clippings)('$kind', ({ kind, limit }) => {
    it.each([false, true])('penalized: %s', (penalized) => {
      const { model, compiled } = build(make(kind === 'none' ? {} : { [kind]: limit }), penalized)
      let cut = 0
      for (const values of Object.values(statesOf(model))) expect(values.every((v) => Object.is(v, 0))).toBe(true)
      for (let step = 0; step < STEPS; step++) {
        const before = plain(model.getWeights())
        const statesBefore = statesOf(model)
        const { loss } = compiled.trainOnBatchSync(x, t)
        const after = plain(model.getWeights())
        const statesAfter = statesOf(model)
        const unclipped = gradient(before, penalized)
        const { g, error } = clip(unclipped, kind, limit)
        expect(Math.abs(loss - unclipped.loss)).toBeLessThan(ROUNDINGS * U * (unclipped.loss + 4))
        for (const key of KEYS) {
          const weights = of(before, key)
          if (of(g, key).some((v, i) => v !== at(of(unclipped.g, key), i))) cut++
          const names = Object.keys(statesBefore).filter((name) => name.endsWith(`/${key}`)).map((name) => name.slice(0, name.indexOf('/')))
          for (let i = 0; i < weights.length; i++) {
            const own = Object.fromEntries(names.map((name) => [name, at(of(statesBefore, `${name}/${key}`), i)]))
            const run = (shift: number): Element => rule(at(weights, i), own, at(of(g, key), i) + shift * at(of(error, key), i), step, key)
            const [low, middle, high] = [run(-1), run(0), run(1)]
            const within = (name: string, got: number, pick: (e: Element) => number, size: number): void => {
              const tolerance = 2 * Math.max(Math.abs(pick(low) - pick(middle)), Math.abs(pick(high) - pick(middle))) + UPDATE_ROUNDINGS * U * size + 2 ** -126
              const off = Math.abs(got - pick(middle))
              if (!(off <= tolerance)) expect.fail(`step ${step}, ${name} of ${key}[${i}]: expected ${pick(middle)} ± ${tolerance}, got ${got}`)
            }
            within('weight', at(of(after, key), i), (e) => e.w, middle.size)
            expect(names.sort()).toEqual(Object.keys(middle.states).sort())
            for (const name of names) within(name, at(of(statesAfter, `${name}/${key}`), i), (e) => e.states[name] ?? NaN, middle.sizes[name] ?? 0)
          }
        }
      }
      // The limits cut some gradients and leave others, so both sides of each formula ran.
      if (kind === 'none') expect(cut).toBe(0)
      else expect(cut).toBeGreaterThan(0)
      expect(compiled.step).toBe(STEPS)
    })
  })
})

describe('trajectories are told apart', () => {
  it('no two optimizers end at the same weights', () => {
    const ends = cases.map(({ make }) => {
      const { model, compiled } = build(make({}), false)
      for (let step = 0; step < STEPS; step++) compiled.trainOnBatchSync(x, t)
      return [...(model.getWeights()['dense1.kernel']?.data ?? [])].join()
    })
    expect(new Set(ends).size).toBe(ends.length)
  })

  it('a loss falls under each', () => {
    for (const { make } of cases) {
      const { compiled } = build(make({}), false)
      const first = compiled.trainOnBatchSync(x, t).loss
      for (let step = 1; step < 100; step++) compiled.trainOnBatchSync(x, t)
      expect(compiled.trainOnBatchSync(x, t).loss).toBeLessThan(first)
    }
  })
})

describe('defaults are Keras\'', () => {
  it('rates, decays and epsilons', () => {
    expect(sgd()).toMatchObject({ constants: { momentum: 0 }, learningRate: ['mul', 0.01, 'scale'], flags: { nesterov: 0 }, states: [] })
    expect(rmsprop()).toMatchObject({ constants: { rho: 0.9, momentum: 0, epsilon: 1e-7 }, learningRate: ['mul', 0.001, 'scale'], states: ['v'] })
    expect(adam()).toMatchObject({ constants: { oneMinusBeta1: 1 - 0.9, oneMinusBeta2: 1 - 0.999, epsilon: 1e-7 }, learningRate: ['mul', 0.001, 'scale'], decay: { rate: 0 } })
    expect(adamW()).toMatchObject({ constants: { epsilon: 1e-7 }, decay: { rate: 0.004, exclude: [] } })
    for (const optimizer of [sgd(), rmsprop(), adam(), adamW()]) expect(optimizer.clipping.kind).toBe('none')
  })

  it('wrong numbers and two kinds of clipping are refused', () => {
    expect(() => sgd({ learningRate: 0 })).toThrow(RangeError)
    expect(() => sgd({ learningRate: NaN })).toThrow(/^sgd\.learningRate: expected a finite number > 0, got NaN\.$/)
    expect(() => sgd({ momentum: 1 })).toThrow(RangeError)
    expect(() => sgd({ momentum: -0.1 })).toThrow(RangeError)
    expect(() => rmsprop({ rho: 1 })).toThrow(RangeError)
    expect(() => rmsprop({ epsilon: 0 })).toThrow(RangeError)
    expect(() => adam({ beta1: 1 })).toThrow(RangeError)
    expect(() => adam({ beta2: -1 })).toThrow(RangeError)
    expect(() => adamW({ weightDecay: -1 })).toThrow(RangeError)
    for (const clipValue of [0, -1, NaN, Infinity]) expect(() => adam({ clipValue })).toThrow(RangeError)
    expect(() => adam({ clipValue: 1, clipNorm: 1 })).toThrow(/^adam: expected at most one of clipValue, clipNorm, globalClipNorm, got clipValue and clipNorm\.$/)
    // @ts-expect-error a word is no rate
    expect(() => adam({ learningRate: '0.1' })).toThrow(TypeError)
    // @ts-expect-error a misspelt option
    expect(() => sgd({ learningrate: 1 })).toThrow(/Did you mean 'learningRate'\?$/)
    // @ts-expect-error a misspelt option
    expect(() => adam({ beta_1: 0.5 })).toThrow(/Did you mean 'beta1'\?$/)
    // @ts-expect-error a misspelt option
    expect(() => rmsprop({ centred: true })).toThrow(/Did you mean 'centered'\?$/)
    // @ts-expect-error adam has no weight decay
    expect(() => adam({ weightDecay: 0.1 })).toThrow(TypeError)
  })
})
