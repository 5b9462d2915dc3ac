// stochasticClip: what it reaches is what it says, what it undoes leaves no bit behind, what it clips stays clipped.
import { describe, expect, it } from 'vitest'
import {
  accuracy, adam, conv2d, dense, EquigradError, flatten, functional, input, load, lstm, mse, NonFiniteError, rmsprop, save, sequential, sgd, ShapeError, sparseCategoricalCrossentropy,
  type Optimizer,
} from '../../src/index.js'
import { adapter, fakeQuantize, lowRank, stochasticClip, type ClipOptions, type ClipProgress, type ClipStatistics } from '../../src/compress/index.js'
import { random, randomFloats } from '../support/numbers.js'
import { errorOf, hashOf } from '../train/support.js'

const [features, hidden, classes, n] = [20, 24, 4, 120]
const next = random(1)
const x = randomFloats(n * features, 2)
const y = Int32Array.from({ length: n }, (_, i) => (x[i * features] ?? 0) > 0 ? ((x[i * features + 1] ?? 0) > 0 ? 0 : 1) : next() < 0.5 ? 2 : 3)
const TOTAL = features * hidden + hidden * hidden + hidden * classes
const KERNELS = ['dense1.kernel', 'dense2.kernel', 'dense3.kernel']

const build = (optimizer: Optimizer = adam({ learningRate: 0.01 })) => sequential([dense(hidden, { activation: 'relu' }), dense(hidden, { activation: 'relu' }), dense(classes, { activation: 'softmax' })], { input: [features], seed: 3 })
  .compile({ optimizer, loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
/** The one that most tests clip. */
const trained = build()
await trained.fit(x, y, { epochs: 8, batchSize: 20 })
const hash = hashOf(trained)
const OPTIONS: ClipOptions = { fraction: 0.5, group: 3, budget: 4000 }

const weightsOf = (model: { getWeights(): Record<string, { readonly data: Float32Array }> }, key: string): Float32Array => model.getWeights()[key]?.data ?? new Float32Array(0)
const zeros = (data: Float32Array): number => data.filter((w) => Object.is(w, 0)).length
/** Without what is measured. */
const counted = ({ seconds: _, candidatesPerSecond: __, ...rest }: ClipStatistics): object => rest

function expectConsistent({ layers, tried, accepted, weights, clipped, seconds, candidatesPerSecond }: ClipStatistics): void {
  const sum = (of: 'tried' | 'accepted' | 'weights' | 'clipped'): number => Object.values(layers).reduce((s, layer) => s + layer[of], 0)
  expect([tried, accepted, weights, clipped]).toEqual([sum('tried'), sum('accepted'), sum('weights'), sum('clipped')])
  expect(accepted).toBeLessThanOrEqual(tried)
  expect(candidatesPerSecond * seconds).toBeCloseTo(tried, 6)
}

describe('stochasticClip', () => {
  it.each([0.001, 0.25, 0.5, 0.8, 1])('reaches a sparsity of %s to the weight, and reports the loss that evaluation gives', async (fraction) => {
    const { model, statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, fraction, budget: 100_000 })
    expectConsistent(statistics)
    expect(statistics.stopped).toBe('fraction')
    expect(statistics.weights).toBe(TOTAL)
    expect(statistics.clipped).toBe(Math.round(fraction * TOTAL))
    for (const key of KERNELS) expect(zeros(weightsOf(model, key))).toBe(statistics.layers[key]?.clipped)
    const again = model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() })
    expect((await again.evaluate(x, y, { batchSize: n })).loss).toBe(statistics.loss.after)
    expect((await trained.evaluate(x, y, { batchSize: n })).loss).toBe(statistics.loss.before)
  })

  it('leaves the model as it was, and what is not clipped too', async () => {
    const { model } = await stochasticClip(trained, { x, y }, OPTIONS)
    expect(hashOf(trained)).toBe(hash)
    for (const [key, { data }] of Object.entries(model.getWeights())) {
      expect(data.every((w, i) => Object.is(w, weightsOf(trained, key)[i]) || (KERNELS.includes(key) && Object.is(w, 0)))).toBe(true)
    }
  })

  it('weights are those from before, to the bit, where every candidate was refused', async () => {
    // All outputs are right: whatever is clipped raises the loss from 0.
    const model = sequential([dense(6), dense(2)], { input: [5], seed: 1 }).compile({ optimizer: sgd(), loss: mse() })
    const data = randomFloats(50, 4, 0.5, 1)
    model.setWeights({ 'dense1.kernel': { data: randomFloats(30, 5, 0.5, 1), shape: [5, 6] }, 'dense2.kernel': { data: randomFloats(12, 6, 0.5, 1), shape: [6, 2] } })
    const labels = (await model.predict(data)).data
    for (const accept of ['greedy', 'annealed'] as const) {
      const { model: same, statistics } = await stochasticClip(model, { x: data, y: labels }, { fraction: 0.5, accept, budget: 300, group: 1 })
      expect(counted(statistics)).toMatchObject({ tried: 300, accepted: 0, clipped: 0, loss: { before: 0, after: 0 }, stopped: 'budget' })
      expect(hashOf(same)).toBe(hashOf(model))
      expect(same.hash).toBe(model.hash)
    }
  })

  it.each(['greedy', 'annealed'] as const)('%s: gives the same twice, and something else by another seed', async (accept) => {
    const run = async (more: Partial<ClipOptions>) => stochasticClip(trained, { x, y }, { ...OPTIONS, accept, ...more })
    const [a, b, c] = [await run({}), await run({}), await run({ seed: 1 })]
    expect(hashOf(a.model)).toBe(hashOf(b.model))
    expect(counted(a.statistics)).toEqual(counted(b.statistics))
    expect(hashOf(c.model)).not.toBe(hashOf(a.model))
  })

  it.each(['greedy', 'annealed'] as const)('%s without tolerance: the loss never rises', async (accept) => {
    const losses: number[] = []
    const { statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, fraction: 0.9, tolerance: 0, accept, budget: 500, onProgress: ({ loss }) => { losses.push(loss) } })
    expect(statistics.stopped).toBe('budget')
    expect(statistics.tolerance).toBe(0)
    losses.forEach((loss, i) => { expect(loss).toBeLessThanOrEqual(losses[i - 1] ?? statistics.loss.before) })
  })

  it('tries no more than the budget, and does not share passes where one candidate is drawn at a time', async () => {
    for (const candidates of [1, 3, 100]) {
      let passes = 0
      const { statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, fraction: 0.9, candidates, budget: 50, onProgress: () => { passes++ } })
      expect(statistics.tried).toBe(50)
      if (candidates === 1) expect(passes).toBe(50)
      expectConsistent(statistics)
    }
  })

  it('tells what it has done after each pass', async () => {
    const seen: ClipProgress[] = []
    const { statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, onProgress: (p) => { seen.push(p) } })
    seen.forEach((p, i) => {
      const before = seen[i - 1] ?? { tried: 0, accepted: 0, clipped: 0 }
      expect(p.tried).toBeGreaterThan(before.tried)
      expect(p.accepted).toBeGreaterThanOrEqual(before.accepted)
      expect(p.clipped).toBeGreaterThanOrEqual(before.clipped)
      expect(p.target).toBe(Math.round(TOTAL / 2))
    })
    const { tried, accepted, clipped, loss: { after }, tolerance } = statistics
    expect(seen[seen.length - 1]).toEqual({ tried, accepted, clipped, target: clipped, loss: after, tolerance })
  })

  it('an abort gives the result so far', async () => {
    const before = new AbortController()
    before.abort()
    const none = await stochasticClip(trained, { x, y }, { ...OPTIONS, signal: before.signal })
    expect(counted(none.statistics)).toMatchObject({ tried: 0, clipped: 0, stopped: 'aborted' })
    expect(hashOf(none.model)).toBe(hash)

    const during = new AbortController()
    let last: ClipProgress | undefined
    const { model, statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, fraction: 1, signal: during.signal, onProgress: (p) => { last = p; if (p.tried >= 100) during.abort() } })
    expect(statistics.stopped).toBe('aborted')
    expect(statistics.tried).toBe(last?.tried)
    expect(KERNELS.reduce((sum, key) => sum + zeros(weightsOf(model, key)), 0)).toBe(statistics.clipped)
    expect((await model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() }).evaluate(x, y, { batchSize: n })).loss).toBe(statistics.loss.after)
  })

  it('what onProgress throws ends it, with the model as it was', async () => {
    const error = await errorOf(() => stochasticClip(trained, { x, y }, { ...OPTIONS, onProgress: () => { throw new Error('mine') } }))
    expect(error.message).toBe('mine')
    expect(hashOf(trained)).toBe(hash)
  })

  it('does not mind a fit that runs at once', async () => {
    const alone = await stochasticClip(trained, { x, y }, OPTIONS)
    const busy = load(save(trained))
    const [together] = await Promise.all([stochasticClip(busy as unknown as typeof trained, { x, y }, OPTIONS), busy.fit(x, y, { epochs: 2 })])
    expect(hashOf(together.model)).toBe(hashOf(alone.model))
  })

  const optimizers: Readonly<Record<string, () => Optimizer>> = { 'sgd, momentum': () => sgd({ learningRate: 0.05, momentum: 0.9 }), 'rmsprop, momentum': () => rmsprop({ momentum: 0.9 }), adam: () => adam({ learningRate: 0.01 }) }
  it.each(Object.keys(optimizers))('clipped weights stay where they are under %s, through a file, and others train on', async (name) => {
    for (const bound of [0, 0.05]) {
      const { model } = await stochasticClip(trained, { x, y }, { ...OPTIONS, bound, fraction: 0.6 })
      const first = model.getWeights()
      const fresh = model.compile({ optimizer: optimizers[name]?.() ?? sgd(), loss: sparseCategoricalCrossentropy() })
      await fresh.fit(x, y, { epochs: 3, batchSize: 16 })
      const tuned = load(save(fresh))
      await tuned.fit(x, y, { epochs: 2, batchSize: 16 })
      const limit = Math.fround(bound)
      for (const key of KERNELS) {
        const before = first[key]?.data ?? new Float32Array(0), after = weightsOf(tuned, key)
        expect(before.some((w) => Math.abs(w) === limit)).toBe(true)
        expect(before.every((w, i) => Math.abs(w) !== limit || Object.is(after[i], w))).toBe(true)
        expect(after.some((w, i) => w !== before[i])).toBe(true)
      }
    }
  })

  it('with a bound, weights keep their sign and what lies within is left alone', async () => {
    const bound = Math.fround(0.1)
    const { model, statistics } = await stochasticClip(trained, { x, y }, { ...OPTIONS, bound: 0.1, fraction: 0.9, budget: 50_000 })
    expect(statistics.stopped).toBe('fraction')
    let within = 0
    for (const key of KERNELS) {
      const before = weightsOf(trained, key)
      weightsOf(model, key).forEach((w, i) => {
        const b = before[i] ?? 0
        if (Math.abs(w) <= bound) within++
        expect(w === b || w === (b < 0 ? -bound : bound)).toBe(true)
      })
    }
    expect(within).toBe(statistics.clipped)
  })

  it('goes on from a model that it has clipped', async () => {
    const half = await stochasticClip(trained, { x, y }, OPTIONS)
    const again = await stochasticClip(half.model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() }), { x, y }, { ...OPTIONS, fraction: 0.7 })
    expect(again.statistics.clipped).toBe(Math.round(0.7 * TOTAL))
    expect(again.statistics.loss.before).toBe(half.statistics.loss.after)
    for (const key of KERNELS) weightsOf(half.model, key).forEach((w, i) => { if (w === 0) expect(weightsOf(again.model, key)[i]).toBe(0) })
    const done = await stochasticClip(half.model.compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() }), { x, y }, { ...OPTIONS, fraction: 0.4 })
    expect(counted(done.statistics)).toMatchObject({ tried: 0, stopped: 'fraction' })
  })

  it('clips what `keys` names alone: weights by key, layers by name, vectors too', async () => {
    const one = await stochasticClip(trained, { x, y }, { ...OPTIONS, keys: ['dense2.kernel'] })
    expect(Object.keys(one.statistics.layers)).toEqual(['dense2.kernel'])
    expect(weightsOf(one.model, 'dense1.kernel')).toEqual(weightsOf(trained, 'dense1.kernel'))
    const layer = await stochasticClip(trained, { x, y }, { ...OPTIONS, keys: ['dense1'] })
    expect(layer.statistics.layers['dense1.bias']?.weights).toBe(hidden)
    expect(layer.statistics.clipped).toBe(Math.round((features + 1) * hidden / 2))
  })

  it('draws groups of one column, at most an eighth of it, and all alike if asked to', async () => {
    for (const draw of ['magnitude', 'uniform'] as const) {
      let [clipped, accepted] = [0, 0]
      await stochasticClip(trained, { x, y }, {
        ...OPTIONS, draw, group: 64, candidates: 1, onProgress: (p) => { if (p.accepted > accepted) expect(p.clipped - clipped).toBeLessThanOrEqual(3); [clipped, accepted] = [p.clipped, p.accepted] },
      })
    }
  })

  it('works on images, sequences, and several inputs and outputs', async () => {
    const images = sequential([conv2d(4, 3, { activation: 'relu' }), flatten(), dense(3, { activation: 'softmax' })], { input: [6, 6, 1], seed: 1 }).compile({ optimizer: sgd(), loss: sparseCategoricalCrossentropy() })
    const sequences = sequential([lstm(5), dense(1)], { input: [4, 2], seed: 2 }).compile({ optimizer: sgd(), loss: mse() })
    const [a, b] = [input([3]), input([4])]
    const branches = functional({ a, b }, { p: dense(2)(a), q: dense(1)(b) }, { seed: 3 }).compile({ optimizer: sgd(), loss: { p: mse(), q: mse() } })
    const options: ClipOptions = { fraction: 0.5, budget: 5000 }
    const found = [
      await stochasticClip(images, { x: randomFloats(10 * 36, 7), y: Int32Array.from({ length: 10 }, (_, i) => i % 3) }, options),
      await stochasticClip(sequences, { x: randomFloats(10 * 8, 8), y: randomFloats(10, 9) }, options),
      await stochasticClip(branches, { x: { a: randomFloats(30, 10), b: randomFloats(40, 11) }, y: { p: randomFloats(20, 12), q: randomFloats(10, 13) } }, options),
    ]
    for (const { model, statistics } of found) {
      expectConsistent(statistics)
      expect(statistics.stopped).toBe('fraction')
      expect(Object.keys(statistics.layers).reduce((sum, key) => sum + zeros(weightsOf(model as { getWeights(): Record<string, { readonly data: Float32Array }> }, key)), 0)).toBe(statistics.clipped)
    }
  })
})

describe('what does not fit is refused, with the model as it was', () => {
  const loose = stochasticClip as (...args: readonly unknown[]) => Promise<unknown>
  const data = { x, y }
  const plain = sequential([dense(2)], { input: [3] })
  const options = (more: object) => () => loose(trained, data, { fraction: 0.5, ...more })
  const cases: readonly (readonly [string, new (...args: never[]) => Error, RegExp, () => unknown])[] = [
    ['a fraction of 0', RangeError, /stochasticClip\.fraction: expected a finite number > 0 ≤ 1, got 0/, options({ fraction: 0 })],
    ['a fraction above 1', RangeError, /fraction.*got 1\.5/, options({ fraction: 1.5 })],
    ['a fraction of NaN', RangeError, /fraction.*got NaN/, options({ fraction: NaN })],
    ['no fraction', TypeError, /fraction.*got undefined/, () => loose(trained, data, {})],
    ['no options', TypeError, /expected an object of options/, () => loose(trained, data)],
    ['an option misspelt', TypeError, /'fractoin'.*Did you mean 'fraction'/, options({ fractoin: 1 })],
    ['a negative bound', RangeError, /bound/, options({ bound: -1 })],
    ['a rule that is none', RangeError, /accept.*Did you mean 'greedy'/, options({ accept: 'greedi' })],
    ['a draw that is none', RangeError, /draw/, options({ draw: 'any' })],
    ['a negative tolerance', RangeError, /tolerance/, options({ tolerance: -0.1 })],
    ['a budget of 0', RangeError, /budget/, options({ budget: 0 })],
    ['candidates of 1.5', RangeError, /candidates/, options({ candidates: 1.5 })],
    ['a group of 0', RangeError, /group/, options({ group: 0 })],
    ['a seed below 0', RangeError, /seed/, options({ seed: -1 })],
    ['a signal that is none', TypeError, /signal/, options({ signal: true })],
    ['progress that is no function', TypeError, /onProgress/, options({ onProgress: {} })],
    ['unknown keys', TypeError, /keys: expected layers, or weights that are trained, among dense1\.kernel, .*got "dense9"/, options({ keys: ['dense9'] })],
    ['no keys', RangeError, /keys: expected at least one weight, got none/, options({ keys: [] })],
    ['keys that are no list', TypeError, /keys/, options({ keys: 'dense1' })],
    ['no data', TypeError, /data/, () => loose(trained, undefined, { fraction: 0.5 })],
    ['no samples', RangeError, /at least one sample, got none/, () => loose(trained, { x: new Float32Array(0), y: new Int32Array(0) }, { fraction: 0.5 })],
    ['no labels', TypeError, /y: expected/, () => loose(trained, { x }, { fraction: 0.5 })],
    ['data besides', TypeError, /expected \{ x, y \}, got 'z' besides/, () => loose(trained, { x, y, z: 1 }, { fraction: 0.5 })],
    ['data of another shape', ShapeError, /multiple of 20/, () => loose(trained, { x: x.slice(1), y }, { fraction: 0.5 })],
    ['samples with NaN', RangeError, /finite numbers, got NaN/, () => loose(trained, { x: x.map((v, i) => (i === 3 ? NaN : v)), y }, { fraction: 0.5 })],
    ['a label out of range', RangeError, /from 0 to 3, got 4/, () => loose(trained, { x, y: y.map(() => 4) }, { fraction: 0.5 })],
    ['a model that is not compiled', EquigradError, /expected a compiled model/, () => loose(plain, { x: [[1, 2, 3]], y: [[1, 2]] }, { fraction: 0.5 })],
    ['no model', TypeError, /expected a model, got an object/, () => loose({}, data, { fraction: 0.5 })],
    ['a loss that is not finite', EquigradError, /a finite loss before anything is clipped, got Infinity/, () => {
      const model = sequential([dense(1)], { input: [1], seed: 1 }).compile({ optimizer: sgd(), loss: mse() })
      return loose(model, { x: [3e38], y: [-3e38] }, { fraction: 0.5 })
    }],
  ]
  it.each(cases)('%s', async (_, error, text, run) => {
    const got = await errorOf(run)
    expect(got, got.stack ?? '').toBeInstanceOf(error)
    expect(got).not.toBeInstanceOf(NonFiniteError)
    expect(got.message).toMatch(text)
    expect(got.message).toMatch(/^.+: expected .+, got .+\.( .+[.?])?$/s)
    expect(hashOf(trained)).toBe(hash)
  })

  it('a weight that only training uses, or statistics that follow a batch', async () => {
    const model = sequential([dense(3, { name: 'own' }), dense(2)], { input: [4] }).compile({ optimizer: sgd(), loss: mse() })
    expect((await errorOf(() => loose(model, { x: [[1, 2, 3, 4]], y: [[1, 2]] }, { fraction: 0.5, keys: ['own.moving'] }))).message).toMatch(/keys/)
  })
})

describe.each(['a bound', 'fake quantisation', 'an adapter', 'factors'] as const)('on top of %s', (what) => {
  it('the loss that was reached is that of the result, whose zeros stay', async () => {
    const compiled = (model: ReturnType<typeof sequential>) => model.compile({ optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }), loss: sparseCategoricalCrossentropy() })
    const base = what === 'a bound' ? (await stochasticClip(trained, { x, y }, { ...OPTIONS, bound: 0.1 })).model
      : what === 'fake quantisation' ? fakeQuantize(trained, { bits: 4 }) : what === 'an adapter' ? adapter(trained, { rank: 2 }) : lowRank(trained, { 'dense1.kernel': 4 }).model
    const before = compiled(base)
    await before.fit(x, y, { epochs: 2 })
    const { model, statistics } = await stochasticClip(before, { x, y }, { ...OPTIONS, budget: 600 })
    const after = compiled(model)
    expect(statistics.accepted).toBeGreaterThan(0)
    expect((await after.evaluate(x, y)).loss).toBeCloseTo(statistics.loss.after, 10)
    const held = (): number => Object.entries(after.getEffectiveWeights()).reduce((sum, [key, { data }]) => sum + (statistics.layers[key] === undefined ? 0 : zeros(data)), 0)
    expect(held()).toBeGreaterThanOrEqual(statistics.clipped)
    await after.fit(x, y, { epochs: 2 })
    expect(held()).toBeGreaterThanOrEqual(statistics.clipped)
  })
})
