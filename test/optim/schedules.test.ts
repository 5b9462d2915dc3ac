// Schedules against their formulas in f64 with the host's Math, evaluated as the trainer does: by the kernels' exact functions.
import { describe, expect, it } from 'vitest'
import { evaluate, type Expression } from '../../src/core/scalar.js'
import { Store } from '../../src/runtime/store.js'
import { adam, constantSchedule, cosineDecay, dense, exponentialDecay, mse, sequential, sgd, stepDecay, type FitEvent, type Schedule } from '../../src/index.js'
import { at } from '../support/bits.js'

const { math } = new Store()
/** Both sides compute the formula in f64 with functions that err below an ulp: 4 ulps of the peak rate cover their sum. */
const ULPS = 4
const ulp = (rate: number): number => 2 ** (Math.floor(Math.log2(rate)) - 52)

const STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 19, 20, 21, 50, 99, 100, 101, 102, 999, 1000, 1003, 12345, 10 ** 6]
const RATES = [0.1, 1e-3, 3e-4, 1]

interface Case { readonly name: string; readonly make: (rate: number, warm: { readonly warmup?: number; readonly warmupFrom?: number }) => Schedule; readonly formula: (rate: number, step: number) => number }
const cases: readonly Case[] = [
  { name: 'constant', make: (rate, warm) => constantSchedule(rate, warm), formula: (rate) => rate },
  { name: 'step', make: (rate, warm) => stepDecay(rate, { every: 10, factor: 0.5, ...warm }), formula: (rate, step) => rate * 0.5 ** Math.floor(step / 10) },
  { name: 'step, default factor', make: (rate, warm) => stepDecay(rate, { every: 3, ...warm }), formula: (rate, step) => rate * Math.pow(0.1, Math.floor(step / 3)) },
  { name: 'exponential', make: (rate, warm) => exponentialDecay(rate, { steps: 100, factor: 0.96, ...warm }), formula: (rate, step) => rate * Math.pow(0.96, step / 100) },
  { name: 'cosine', make: (rate, warm) => cosineDecay(rate, { steps: 100, ...warm }), formula: (rate, step) => rate * 0.5 * (1 + Math.cos(Math.PI * Math.min(step, 100) / 100)) },
  { name: 'cosine with a floor', make: (rate, warm) => cosineDecay(rate, { steps: 1000, floor: 0.1, ...warm }), formula: (rate, step) => rate * (0.9 * 0.5 * (1 + Math.cos(Math.PI * Math.min(step, 1000) / 1000)) + 0.1) },
]

describe.each(cases)('$name', ({ make, formula }) => {
  it.each(RATES)('peak %s', (rate) => {
    for (const step of STEPS) {
      const got = evaluate(make(rate, {}).rate, { step, t: step + 1, scale: 1 }, math)
      expect(Math.abs(got - formula(rate, step)), `step ${step}`).toBeLessThanOrEqual(ULPS * ulp(rate))
    }
  })

  it.each([{ warmup: 1 }, { warmup: 7 }, { warmup: 100, warmupFrom: 1e-5 }])('after a warm-up %j', (warm) => {
    const rate = 0.05
    const from = 'warmupFrom' in warm ? warm.warmupFrom : 0
    for (const step of STEPS) {
      const want = step < warm.warmup ? from + (rate - from) * step / warm.warmup : formula(rate, step - warm.warmup)
      const got = evaluate(make(rate, warm).rate, { step, t: step + 1, scale: 1 }, math)
      expect(Math.abs(got - want), `step ${step}`).toBeLessThanOrEqual(ULPS * ulp(rate))
    }
    expect(evaluate(make(rate, warm).rate, { step: 0, t: 1, scale: 1 }, math)).toBe(from)
    expect(evaluate(make(rate, warm).rate, { step: warm.warmup, t: warm.warmup + 1, scale: 1 }, math)).toBe(rate)
  })
})

describe('cosines', () => {
  it.each([1647099, -1647099, 1e300, Infinity, NaN])('of %s are refused: their kernel has no quadrant for them', (x) => {
    expect(() => evaluate(['cos', x], { step: 0, t: 1, scale: 1 }, math)).toThrow(/^scalar: expected the cosine of a number within ±1647099, got .*\. Let it start again after whole periods, with 'floor'\.$/)
  })
  it('of what is left after whole periods go on for ever', () => {
    const periods: Expression = ['sub', ['div', 'step', 100], ['floor', ['div', 'step', 100]]]
    const rate = (step: number): number => evaluate(['cos', ['mul', 2 * Math.PI, periods]], { step, t: step + 1, scale: 1 }, math)
    expect(rate(2 ** 40 * 100 + 50)).toBe(-1)
  })
})

describe('exact ends', () => {
  it('starts at the rate itself, and cosine ends at its floor to the bit', () => {
    for (const { make } of cases) expect(evaluate(make(0.3, {}).rate, { step: 0, t: 1, scale: 1 }, math)).toBe(0.3)
    expect(evaluate(cosineDecay(0.3, { steps: 10 }).rate, { step: 10, t: 11, scale: 1 }, math)).toBe(0)
    expect(evaluate(cosineDecay(0.3, { steps: 10, floor: 0.5 }).rate, { step: 500, t: 501, scale: 1 }, math)).toBe(0.15)
  })
})

describe('in training', () => {
  const x = Float32Array.of(1, 2, 3, 4)
  const y = Float32Array.of(2, 4, 6, 8)

  it('each step has its own rate, and sgd moves by it', async () => {
    const schedule = exponentialDecay(0.1, { steps: 3, factor: 0.5, warmup: 2 })
    const model = sequential([dense(1, { useBias: false })], { input: [1] }).compile({ optimizer: sgd({ learningRate: schedule }), loss: mse() })
    const rates: number[] = []
    const weights: number[] = [at(model.getWeights()['dense1.kernel']?.data ?? [], 0)]
    await model.fit(x, y, {
      epochs: 8, batchSize: 4, callbacks: [{
        onEpochBegin({ learningRate }) { rates.push(learningRate) },
        onEpochEnd() { weights.push(at(model.getWeights()['dense1.kernel']?.data ?? [], 0)) },
      }],
    })
    rates.forEach((rate, step) => {
      expect(rate).toBe(evaluate(schedule.rate, { step, t: step + 1, scale: 1 }, math))
      const w = at(weights, step)
      const g = [1, 2, 3, 4].reduce((sum, v) => sum + 2 * (w * v - 2 * v) * v, 0) / 4
      // 16 roundings of terms no larger than |w| + |rate·g| each
      expect(Math.abs(at(weights, step + 1) - (w - rate * g))).toBeLessThanOrEqual(16 * 2 ** -24 * (Math.abs(w) + Math.abs(rate) * 60))
    })
    expect(rates[0]).toBe(0)
    expect(weights[1]).toBe(weights[0])
    expect(weights[2]).not.toBe(weights[1])
  })

  it('scaleLearningRate multiplies what comes, from the next step on, and is not compounded', async () => {
    const model = sequential([dense(1)], { input: [1] }).compile({ optimizer: adam({ learningRate: 0.25 }), loss: mse() })
    const rates: number[] = []
    const watch = ({ learningRate }: FitEvent): void => { rates.push(learningRate) }
    await model.fit(x, y, { epochs: 4, callbacks: [{ onEpochBegin: watch, onEpochEnd(event) { event.scaleLearningRate(event.epoch === 2 ? 1 : 0.5) } }] })
    expect(rates).toEqual([0.25, 0.125, 0.125, 0.25])
  })
})

describe('refused', () => {
  it('wrong numbers', () => {
    expect(() => constantSchedule(0)).toThrow(RangeError)
    expect(() => constantSchedule(NaN)).toThrow(/^constantSchedule: rate: expected a finite number > 0, got NaN\.$/)
    expect(() => stepDecay(1, { every: 0 })).toThrow(RangeError)
    expect(() => stepDecay(1, { every: 1.5 })).toThrow(RangeError)
    expect(() => stepDecay(1, { every: 2, factor: 0 })).toThrow(RangeError)
    expect(() => exponentialDecay(1, { steps: 0, factor: 0.5 })).toThrow(RangeError)
    expect(() => exponentialDecay(1, { steps: 5, factor: -0.5 })).toThrow(RangeError)
    expect(() => cosineDecay(1, { steps: 5, floor: 1.1 })).toThrow(RangeError)
    expect(() => cosineDecay(1, { steps: 5, warmup: -1 })).toThrow(RangeError)
    expect(() => cosineDecay(1, { steps: 5, warmup: 1.5 })).toThrow(RangeError)
    expect(() => cosineDecay(1, { steps: 5, warmupFrom: -1 })).toThrow(RangeError)
  })

  it('misspelt options', () => {
    // @ts-expect-error a misspelt option
    expect(() => cosineDecay(1, { steps: 5, warmUp: 3 })).toThrow(/Did you mean 'warmup'\?$/)
    // @ts-expect-error a misspelt option
    expect(() => stepDecay(1, { evry: 5 })).toThrow(/Did you mean 'every'\?$/)
  })
})
