// Constraints: Keras' formulas in f64, applied after the update and nowhere else, under every optimizer, through shards, masks, files and failures.
import { describe, expect, it } from 'vitest'
import {
  adam, adamW, batchNormalization, clip, constant, conv2d, dense, depthwiseConv2d, flatten, FormatError, input, layer, load, maxNorm, minMaxNorm, mse, mul, NonFiniteError, nonNeg,
  rmsprop, save, sequential, sgd, ShapeError, sub, sum, unitNorm, expand, step, mean, type Constraint, type ConstraintFunction, type Layer, type Optimizer, type Value,
} from '../../src/index.js'
import { mask } from '../../src/compress/index.js'
import { decodeSafetensors, encodeSafetensors } from '../../src/formats/safetensors.js'
import { constraintOption } from '../../src/nn/constraints.js'
import { reducedBy, repeated, type Plain } from '../reference/arrays.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { feed, Machine, programOf } from '../support/programs.js'
import { batchOf, Training } from '../support/training.js'
import { hashOf, weight } from '../train/support.js'

const machine = new Machine()
/** What a constraint makes of numbers. */
function evaluate(constraint: ConstraintFunction, shape: readonly number[], numbers: ArrayLike<number>): Float32Array {
  const executor = machine.link(programOf({ y: constraint(feed('w', shape)) }, { capacity: 1 }))
  try {
    const { y } = machine.run(executor, 1, { arrays: { w: Float32Array.from(numbers) } })
    if (!(y instanceof Float32Array)) throw new Error('f32')
    return y
  } finally { executor.release() }
}

const EPSILON = 1e-7
const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high)
/** Keras' formulas, w·f(‖w‖), in f64. */
function reference(w: Plain, axes: readonly number[], f: (norm: number) => number): readonly number[] {
  const kept = w.shape.map((d, i) => (axes.includes(i) ? 1 : d))
  const factors = repeated({ shape: kept, data: reducedBy(w, axes).terms.map((terms) => f(Math.sqrt(terms.reduce((a, b) => a + b * b, 0)))) }, w.shape)
  return w.data.map((v, i) => v * at(factors.data, i))
}

const SHAPES: readonly (readonly [shape: readonly number[], axis: number | readonly number[], axes: readonly number[]])[] = [
  [[5, 7], 0, [0]], [[5, 7], 1, [1]], [[5, 7], -1, [1]], [[5, 7], [0, 1], [0, 1]], [[9], 0, [0]], [[1, 1], 0, [0]], [[3, 3, 2, 4], [0, 1, 2], [0, 1, 2]], [[3, 2, 2, 4], 0, [0]],
  [[3, 2, 2, 4], [0, 2], [0, 2]], [[3, 2, 2, 4], [3, 1], [1, 3]], [[3, 2, 2, 4], [-1, -3], [1, 3]], [[530, 3], 0, [0]], [[3, 1, 17, 1], [0, 1], [0, 1]],
]
/** A norm of k terms errs by (k / 2 + 2) roundings of 2⁻²⁴ in any order, its factor and the product by five more. */
const tolerance = (terms: number): number => (terms / 2 + 7) * 2 ** -24

describe.each(SHAPES)('of a weight %j, axis %j', (shape, axis, axes) => {
  const length = shape.reduce((a, b) => a * b, 1)
  const terms = axes.reduce((k, i) => k * at(shape, i), 1)
  // Norms about 1: some below, some above what is allowed.
  const data = Array.from(randomFloats(length, length, -2 / Math.sqrt(terms), 2 / Math.sqrt(terms)))
  const expectNear = (constraint: ConstraintFunction, f: (norm: number) => number, numbers = data): void => {
    const want = reference({ shape, data: numbers }, axes, f)
    evaluate(constraint, shape, numbers).forEach((y, i) => { if (!(Math.abs(y - at(want, i)) <= tolerance(terms) * Math.abs(at(want, i)))) expect.fail(`[${i}]: ${y} instead of ${at(want, i)}`) })
  }

  it.each([0, 0.5, 1, 2])('maxNorm(%d)', (limit) => { expectNear(maxNorm(limit, { axis }), (norm) => clamp(norm, 0, limit) / (EPSILON + norm)) })
  it('unitNorm', () => { expectNear(unitNorm({ axis }), (norm) => 1 / (EPSILON + norm)) })
  it.each([[0, 1, 1], [1, 1.5, 0.25], [0.9, 1.1, 0], [2, 3, 1]])('minMaxNorm %d to %d, rate %d', (low, high, rate) => {
    expectNear(minMaxNorm({ min: low, max: high, rate, axis }), (norm) => (rate * clamp(norm, low, high) + (1 - rate) * norm) / (EPSILON + norm))
  })
  it('nonNeg', () => { expectBits(evaluate(nonNeg(), shape, data), data.map((v) => (v > 0 ? v : 0))) })
  it('zeros stay zeros', () => {
    for (const constraint of [maxNorm(1, { axis }), unitNorm({ axis }), minMaxNorm({ axis }), nonNeg()]) expectBits(evaluate(constraint, shape, data.map(() => 0)), data.map(() => 0))
  })
})

describe('words and defaults', () => {
  it('are Keras\'', () => {
    const numbers = randomFloats(12, 3, -3, 3)
    for (const [word, constraint] of [['maxNorm', maxNorm(2, { axis: 0 })], ['nonNeg', nonNeg()], ['unitNorm', unitNorm()], ['minMaxNorm', minMaxNorm({ min: 0, max: 1, rate: 1, axis: 0 })]] as const) {
      expectBits(evaluate(constraintOption('test', word), [4, 3], numbers), evaluate(constraint, [4, 3], numbers))
    }
  })

  it('NaN in, NaN out', () => {
    for (const constraint of [maxNorm(), unitNorm(), minMaxNorm(), nonNeg()]) expect(at(evaluate(constraint, [3], [1, NaN, 2]), 1)).toBeNaN()
  })
})

const bounded: ConstraintFunction = (w) => clip(w, -0.3, 0.3)
/** Layers with every weight constrained, or none. */
const nets: Readonly<Record<string, { readonly shape: readonly number[]; readonly layers: (c: (constraint: ConstraintFunction) => { readonly c?: Constraint }) => readonly Layer[]; readonly constraints: Readonly<Record<string, ConstraintFunction>> }>> = {
  dense: {
    shape: [5], constraints: { 'dense1.kernel': maxNorm(0.4), 'dense1.bias': nonNeg(), 'dense2.kernel': unitNorm({ axis: 1 }), 'dense2.bias': bounded },
    layers: (c) => [
      dense(7, { activation: 'tanh', ...renamed('kernelConstraint', c(maxNorm(0.4))), ...renamed('biasConstraint', c(nonNeg())) }),
      dense(3, { ...renamed('kernelConstraint', c(unitNorm({ axis: 1 }))), ...renamed('biasConstraint', c(bounded)) }),
    ],
  },
  images: {
    shape: [5, 5, 2],
    constraints: {
      'conv2d1.kernel': maxNorm(0.5, { axis: [0, 1, 2] }), 'conv2d1.bias': nonNeg(), 'depthwiseConv2d1.kernel': minMaxNorm({ min: 0.3, max: 0.6, rate: 0.5, axis: [0, 1] }),
      'batchNormalization1.gamma': nonNeg(), 'batchNormalization1.beta': unitNorm(),
    },
    layers: (c) => [
      conv2d(4, 3, { ...renamed('kernelConstraint', c(maxNorm(0.5, { axis: [0, 1, 2] }))), ...renamed('biasConstraint', c(nonNeg())) }),
      depthwiseConv2d(2, { ...renamed('kernelConstraint', c(minMaxNorm({ min: 0.3, max: 0.6, rate: 0.5, axis: [0, 1] }))) }),
      batchNormalization({ ...renamed('gammaConstraint', c(nonNeg())), ...renamed('betaConstraint', c(unitNorm())) }), flatten(), dense(3),
    ],
  },
}
const renamed = <const N extends string>(name: N, { c }: { readonly c?: Constraint }): { readonly [K in N]?: Constraint } => (c === undefined ? {} : { [name]: c }) as { readonly [K in N]?: Constraint }
const optimizers: Readonly<Record<string, () => Optimizer>> = {
  'sgd, momentum': () => sgd({ learningRate: 0.5, momentum: 0.9 }), 'sgd, Nesterov': () => sgd({ learningRate: 0.2, momentum: 0.9, nesterov: true, clipNorm: 1 }),
  'rmsprop, momentum': () => rmsprop({ learningRate: 0.05, momentum: 0.9 }), adam: () => adam({ learningRate: 0.1 }), adamW: () => adamW({ learningRate: 0.1, weightDecay: 0.1 }),
}

describe.each(Object.entries(nets))('%s: after each step a weight is its constraint of what the update alone would give, to the bit', (_, { shape, layers, constraints }) => {
  const width = shape.reduce((a, b) => a * b, 1), n = 9
  const x = randomFloats(n * width, 1), y = randomFloats(n * 3, 2)
  const train = (constrained: boolean, optimizer: Optimizer, shards: number): Training =>
    new Training({ layers: layers((c) => (constrained ? { c } : {})), input: shape, loss: mse(), optimizer, shards, seed: 1 })

  it.each(Object.keys(optimizers).flatMap((name) => [1, 2, 4].map((shards) => ({ name, shards }))))('$name, $shards shards', ({ name, shards }) => {
    const optimizer = optimizers[name]
    if (optimizer === undefined) throw new RangeError(name)
    const [one, free] = [train(true, optimizer(), shards), train(false, optimizer(), shards)]
    const data = [one.sources({ x, y }), free.sources({ x, y })] as const
    for (const samples of [[0, 1, 2, 3, 4], [5, 6], [7, 8, 0]]) {
      for (const key of one.keys) free.weight(key).set(one.weight(key))
      free.store.changed()
      for (const [t, sources] of [[one, data[0]], [free, data[1]]] as const) {
        t.gradient(sources, batchOf(samples), 5)
        expect(t.trainer.apply().ok).toBe(true)
      }
      for (const key of one.keys) {
        const constraint = constraints[key]
        const updated = free.weight(key)
        expectBits(one.weight(key), constraint === undefined ? updated : evaluate(constraint, shapeOf(one, key), updated), key)
      }
      expectBits(Object.values(one.trainer.getState()).flatMap((s) => [...s]), Object.values(free.trainer.getState()).flatMap((s) => [...s]), 'states')
    }
  })
})

function shapeOf(t: Training, key: string): readonly number[] {
  const segment = t.trainer.layout.segments.find((s) => s.key === key)
  if (segment === undefined) throw new RangeError(key)
  return segment.shape.map(Number)
}

const N = 40
const x = randomFloats(N * 4, 5, -2, 2), y = randomFloats(N * 2, 6, -3, 3)
const net = (optimizer: Optimizer = sgd({ learningRate: 0.1, momentum: 0.9 }), extra: { readonly frozen?: readonly string[]; readonly shards?: number } = {}) =>
  sequential([dense(6, { activation: 'relu', kernelConstraint: maxNorm(0.7), biasConstraint: 'nonNeg' }), dense(2, { kernelConstraint: bounded })], { input: [4], seed: 2 })
    .compile({ optimizer, loss: mse(), ...extra })

/** Norms of the columns of a kernel. */
const columns = (w: Float32Array, width: number): number[] => Array.from({ length: width }, (_, j) => Math.sqrt(w.reduce((s, v, i) => s + (i % width === j ? v * v : 0), 0)))

describe('in training', () => {
  it.each(Object.keys(optimizers))('weights stay within bounds under %s', async (name) => {
    const model = net(optimizers[name]?.())
    for (let i = 0; i < 8; i++) {
      await model.fit(x, y, { epochs: 1, batchSize: 7 })
      for (const norm of columns(weight(model, 'dense1.kernel'), 6)) expect(norm).toBeLessThanOrEqual(0.7 * (1 + 1e-6))
      expect(weight(model, 'dense1.bias').every((v) => v >= 0 && !Object.is(v, -0))).toBe(true)
      expect(weight(model, 'dense2.kernel').every((v) => Math.abs(v) <= Math.fround(0.3))).toBe(true)
    }
    expect(Math.max(...columns(weight(model, 'dense1.kernel'), 6))).toBeGreaterThan(0.69)
  })

  it('weights are not touched before the first step, and a step that fails leaves those that satisfy nothing', async () => {
    const model = net()
    const wild = { 'dense1.kernel': { data: randomFloats(24, 9, -5, 5), shape: [4, 6] }, 'dense1.bias': { data: new Float32Array(6).fill(-1), shape: [6] } }
    model.setWeights(wild)
    const before = hashOf(model)
    await model.evaluate(x, y)
    expect(hashOf(model)).toBe(before)
    await expect(model.trainOnBatch(x.map((v, i) => (i === 3 ? 3e38 : v)), y)).rejects.toThrow(NonFiniteError)
    expect(hashOf(model)).toBe(before)
    expectBits(weight(model, 'dense1.bias'), new Float32Array(6).fill(-1))
    await model.trainOnBatch(x, y)
    expect(weight(model, 'dense1.bias').every((v) => v >= 0)).toBe(true)
  })

  it('what is frozen, or not trainable, is not constrained', async () => {
    for (const model of [net(sgd(), { frozen: ['dense1'] }), sequential([dense(6, { kernelConstraint: maxNorm(0.1), biasConstraint: 'nonNeg', trainable: false }), dense(2)], { input: [4] }).compile({ optimizer: sgd(), loss: mse() })]) {
      const kernel = weight(model, 'dense1.kernel')
      model.setWeights({ 'dense1.bias': { data: new Float32Array(6).fill(-1), shape: [6] } })
      await model.fit(x, y, { epochs: 2 })
      expectBits(weight(model, 'dense1.bias'), new Float32Array(6).fill(-1))
      expectBits(weight(model, 'dense1.kernel'), kernel)
    }
  })

  it('a masked weight stays masked, and what is left satisfies its constraint', async () => {
    const m = Uint8Array.from({ length: 24 }, (_, i) => i % 3)
    const model = mask(net(), { 'dense1.kernel': m }).compile({ optimizer: adam({ learningRate: 0.1 }), loss: mse() })
    await model.fit(x, y, { epochs: 5, batchSize: 8 })
    const kernel = weight(model, 'dense1.kernel')
    expect(kernel.every((w, i) => m[i] !== 0 || Object.is(w, 0))).toBe(true)
    for (const norm of columns(kernel, 6)) expect(norm).toBeLessThanOrEqual(0.7 * (1 + 1e-6))
    expect(Math.max(...columns(kernel, 6))).toBeGreaterThan(0.6)
  })

  it('one\'s own layers and steps have them as well', async () => {
    const own = layer('own', {}, (v, { param }) => mul(v, param('scale', [4], { kind: 'constant', value: 1 }, undefined, nonNeg())))
    const model = sequential([own], { input: [4] })
    const train = step(model, { x: [4] }, (v) => { const l = mean(model.call(v.x)); return { l, update: sgd({ learningRate: 10 }).minimize(l, model.weights) } })
    await train({ x: x.map((v, i) => (i % 4 < 2 ? Math.abs(v) : -Math.abs(v))) })
    const scale = weight(model, 'own1.scale')
    expectBits(scale.subarray(0, 2), [0, 0])
    expect(Math.min(...scale.subarray(2))).toBeGreaterThan(1)
  })
})

describe('in a file', () => {
  it.each([1, 3])('constraints train on as if never saved, %i shards', async (shards) => {
    const model = net(sgd({ learningRate: 0.1, momentum: 0.9 }), { shards })
    await model.fit(x, y, { epochs: 2, batchSize: 8 })
    const again = load(save(model))
    expect(again.hash).toBe(model.hash)
    await model.fit(x, y, { epochs: 2, batchSize: 8 })
    await again.fit(x, y, { epochs: 2, batchSize: 8 })
    expect(hashOf(again)).toBe(hashOf(model))
    const fresh = load(save(model, { training: false })).compile({ optimizer: sgd({ learningRate: 0.5 }), loss: mse() })
    await fresh.fit(x, y, { epochs: 2 })
    for (const norm of columns(weight(fresh, 'dense1.kernel'), 6)) expect(norm).toBeLessThanOrEqual(0.7 * (1 + 1e-6))
  })

  it('are part of what a model is, but for the names in them', () => {
    const hash = (constraint?: Constraint, name = 'a'): string => sequential([dense(2, { name, ...(constraint === undefined ? {} : { kernelConstraint: constraint }) })], { input: [3] }).hash
    expect(new Set([hash(), hash(maxNorm(1)), hash(maxNorm(2)), hash('unitNorm')]).size).toBe(4)
    expect(hash('maxNorm')).toBe(hash(maxNorm(2)))
    expect(hash('maxNorm', 'b')).toBe(hash('maxNorm'))
  })

  it('that do not fit their weight are damage', () => {
    const { tensors, metadata } = decodeSafetensors(save(sequential([dense(2, { kernelConstraint: (w) => clip(w, -0.25, 0.25) })], { input: [3] })))
    const json = metadata['equigrad'] ?? ''
    const reload = (text: string) => load(encodeSafetensors(tensors, { equigrad: text }))
    expect(() => reload(json)).not.toThrow()
    const found = /"constraint":(\{.*?"outputs":\{.*?\}\})/.exec(json)?.[1]
    if (found === undefined) throw new Error(json)
    for (const damaged of [found.replaceAll('[3,2]', '[2,3]'), found.replace('"clip"', '"snip"'), found.replace('in0', 'on0'), found.replace('"out0":1', '"out0":1,"out1":1'), '5', found.replace('"role":"input"', '"role":"param"')]) {
      expect(damaged).not.toBe(found)
      expect(() => reload(json.replace(found, damaged)), damaged).toThrow(FormatError)
    }
  })
})

describe('refused when the layer is used', () => {
  const use = (kernelConstraint: unknown): unknown => Reflect.apply(dense, undefined, [2, { kernelConstraint }])
  const built = (constraint: ConstraintFunction) => () => sequential([dense(2, { kernelConstraint: constraint })], { input: [3] })
  it.each<readonly [string, () => unknown, new (...args: never) => Error, string]>([
    ['a word that is none', () => use('maxNrm'), RangeError, 'dense.kernelConstraint: expected one of \'maxNorm\', \'nonNeg\', \'unitNorm\', \'minMaxNorm\', got "maxNrm". Did you mean \'maxNorm\'?'],
    ['a number', () => use(3), TypeError, 'dense.kernelConstraint: expected a constraint such as maxNorm(2), or a function of a weight, got 3.'],
    ['a limit below 0', () => maxNorm(-1), RangeError, 'maxNorm: expected a finite number ≥ 0, got -1.'],
    ['an axis that is none', () => unitNorm({ axis: 0.5 }), RangeError, 'unitNorm.axis: expected an integer, got 0.5.'],
    ['no axis', () => unitNorm({ axis: [] }), RangeError, 'unitNorm.axis: expected at least one dimension, got none.'],
    ['bounds that cross', () => minMaxNorm({ min: 2 }), RangeError, 'minMaxNorm.max: expected a finite number ≥ 2, got 1.'],
    ['a rate above 1', () => minMaxNorm({ rate: 2 }), RangeError, 'minMaxNorm.rate: expected a finite number ≥ 0 ≤ 1, got 2.'],
    ['an axis that the weight has not', built(maxNorm(1, { axis: 2 })), ShapeError, 'maxNorm: expected a weight that has the axes [2], got [3, 2].'],
    ['another shape', built((w) => sum(w, 0)), ShapeError, 'dense: constraint of \'kernel\': expected a constraint that gives a value as its weight, f32[3, 2], got f32[2].'],
    ['shapes that do not fit', built((w) => sub(w, expand(constant(1), [5, 2]))), ShapeError, 'dense: constraint of \'kernel\': sub: expected shapes that broadcast, got [3, 2] and [5, 2].'],
    ['an input', built((w) => sub(w, sum(input([3, 2]), 0) as Value)), ShapeError, 'dense: constraint of \'kernel\': expected a constraint built of its weight and of constants, got one that uses an input f32[n, 3, 2].'],
  ])('%s', (_, run, error, text) => {
    expect(run).toThrow(error)
    expect(run).toThrow(text)
  })

  it('no value, and another weight', () => {
    const three: unknown = () => 3
    expect(() => sequential([use(three) as Layer], { input: [3] })).toThrow('dense: constraint of \'kernel\': expected a constraint that gives a value, got 3.')
    const other = sequential([dense(2)], { input: [3] })
    const [w] = other.weights.values
    if (w === undefined) throw new Error('a weight')
    expect(built((v) => sub(v, w))).toThrow('got one that uses another weight f32[3, 2]')
  })
})
