// Small networks of every activation and every loss, and some on images: the gradient that a step computes, against differences of a reference in f64.
import { describe, expect, test } from 'vitest'
import {
  averagePool2d, binaryCrossentropy, categoricalCrossentropy, conv2d, dense, depthwiseConv2d, dropout, flatten, l1l2, mae, maxPool2d, mse, reshape, sgd, sparseCategoricalCrossentropy,
  type Layer, type Loss,
} from '../../src/index.js'
import { batchLoss, forward, penaltyOf, type ActivationWord, type LayerSpec, type LossSpec, type Randomness, type Sample, type Weights } from '../reference/mlp.js'
import type { Convolution } from '../reference/images.js'
import { at } from '../support/bits.js'
import { random, randomFloats } from '../support/numbers.js'
import { batchOf, entry, Training } from '../support/training.js'

const HIDDEN: readonly ActivationWord[] = ['linear', 'relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh', 'softmax']

/** Losses with the output activations that fit them: logits, what is unwrapped to logits, and probabilities that are not. */
const OUTPUTS: readonly (readonly [ActivationWord, LossSpec])[] = [
  ['linear', { kind: 'mse' }], ['sigmoid', { kind: 'mse' }], ['softmax', { kind: 'mse' }], ['linear', { kind: 'mae' }], ['tanh', { kind: 'mae' }],
  ['sigmoid', { kind: 'binaryCrossentropy' }], ['softmax', { kind: 'binaryCrossentropy' }], ['linear', { kind: 'binaryCrossentropy', fromLogits: true }],
  ['softmax', { kind: 'categoricalCrossentropy' }], ['sigmoid', { kind: 'categoricalCrossentropy' }], ['linear', { kind: 'categoricalCrossentropy', fromLogits: true }],
  ['softmax', { kind: 'sparseCategoricalCrossentropy' }], ['sigmoid', { kind: 'sparseCategoricalCrossentropy' }], ['linear', { kind: 'sparseCategoricalCrossentropy', fromLogits: true }],
]

interface Net { readonly name: string; readonly shape: readonly number[]; readonly layers: (hidden: ActivationWord, output: ActivationWord) => readonly LayerSpec[]; readonly positions: number; readonly weighted: boolean }

const CLASSES = 3
const NETS: readonly Net[] = [
  {
    name: 'flatten, dense, dense', shape: [2, 3], positions: 1, weighted: false,
    layers: (hidden, output) => [{ kind: 'flatten' }, { kind: 'dense', units: 5, activation: hidden }, { kind: 'dense', units: CLASSES, activation: output }],
  },
  {
    name: 'dense, dropout, reshape, dense, with sample weights', shape: [4], positions: 2, weighted: true,
    layers: (hidden, output) => [
      { kind: 'dense', units: 6, activation: hidden }, { kind: 'dropout', rate: 0.3 }, { kind: 'reshape', shape: [2, 3] }, { kind: 'dense', units: CLASSES, activation: output },
    ],
  },
]

const SEED = 7
/** Samples of the data, and those of the batch, in its order. */
const SAMPLES = 9
const BATCH = [7, 2, 3, 8, 0]

const lossOf = ({ kind, fromLogits = false }: LossSpec): Loss<never> => {
  switch (kind) {
    case 'mse': return mse()
    case 'mae': return mae()
    case 'binaryCrossentropy': return binaryCrossentropy({ fromLogits })
    case 'categoricalCrossentropy': return categoricalCrossentropy({ fromLogits })
    case 'sparseCategoricalCrossentropy': return sparseCategoricalCrossentropy({ fromLogits })
  }
}

const pair = (of: readonly number[]): readonly [number, number] => [at(of, 0), at(of, 1)]

function layerOf(spec: LayerSpec): Layer {
  switch (spec.kind) {
    case 'dense': return dense(spec.units, {
      activation: spec.activation, ...(spec.kernel === undefined ? {} : { kernelRegularizer: l1l2(spec.kernel) }), ...(spec.bias === undefined ? {} : { biasRegularizer: l1l2(spec.bias) }),
    })
    case 'conv2d': return conv2d(spec.filters, spec.kernelSize, { strides: spec.strides, dilation: spec.dilation, padding: spec.padding, groups: spec.groups, activation: spec.activation })
    case 'depthwiseConv2d': return depthwiseConv2d(spec.kernelSize, { strides: spec.strides, dilation: spec.dilation, padding: spec.padding, depthMultiplier: spec.filters / spec.groups, activation: spec.activation })
    case 'maxPool2d': return maxPool2d({ poolSize: pair(spec.poolSize), strides: pair(spec.strides), padding: spec.padding })
    case 'averagePool2d': return averagePool2d({ poolSize: pair(spec.poolSize), strides: pair(spec.strides), padding: spec.padding })
    case 'dropout': return dropout(spec.rate)
    case 'flatten': return flatten()
    case 'reshape': return reshape(spec.shape)
  }
}

/** Labels of one sample as a loss takes them: numbers in [0, 1], distributions, or class numbers. */
function drawLabels({ kind }: LossSpec, positions: number, next: () => number): number[] {
  if (kind === 'sparseCategoricalCrossentropy') return Array.from({ length: positions }, () => Math.floor(next() * CLASSES))
  const numbers = Array.from({ length: positions * CLASSES }, () => Math.fround(next()))
  if (kind !== 'categoricalCrossentropy') return numbers
  return numbers.map((v, i) => { const r = i - i % CLASSES; return Math.fround(v / (at(numbers, r) + at(numbers, r + 1) + at(numbers, r + 2))) })
}

/** A net with its data, as the library and as the reference have it. */
class Experiment {
  readonly training: Training
  readonly batch: readonly Sample[]
  readonly sampleWeight: Float32Array | null
  readonly sources
  readonly randomness: Randomness = { seed: SEED, step: 0, training: true }

  constructor(readonly layers: readonly LayerSpec[], readonly loss: LossSpec, { shape, positions, weighted }: Pick<Net, 'shape' | 'positions' | 'weighted'>) {
    this.training = new Training({ layers: layers.map(layerOf), input: shape, loss: lossOf(loss), optimizer: sgd({ learningRate: 1, globalClipNorm: 1e9 }), seed: SEED })
    const next = random(layers.length + loss.kind.length)
    const width = shape.reduce((a, b) => a * b, 1)
    const x = randomFloats(SAMPLES * width, 5, -1.5, 1.5)
    const labels = Array.from({ length: SAMPLES }, () => drawLabels(loss, positions, next))
    this.sampleWeight = weighted ? randomFloats(SAMPLES, 6, 0, 2) : null
    this.sources = this.training.sources({
      x, y: loss.kind === 'sparseCategoricalCrossentropy' ? Int32Array.from(labels.flat()) : Float32Array.from(labels.flat()), ...(this.sampleWeight === null ? {} : { sampleWeight: this.sampleWeight }),
    })
    this.batch = BATCH.map((index) => ({ x: Array.from(x.subarray(index * width, (index + 1) * width)), shape, y: labels[index] ?? [], index }))
  }

  /** The objective, by the reference. */
  objective(weights: Weights): number {
    const own = this.sampleWeight === null ? null : BATCH.map((i) => at(this.sampleWeight ?? [], i))
    return batchLoss(this.layers, this.loss, weights, this.batch, own, this.randomness)
  }
}

/** Central differences err by h²·f‴/6 and 2⁻⁵³·f/h: below 10⁻⁹ for what these nets compute. */
const STEP = 2 ** -17
/**
 * Relative to the largest element of all gradients: three layers, sums of at most 10 terms, a loss: some 60 roundings of 2⁻²⁴ on the way
 * there and back, 4·10⁻⁶, and cancellation between terms that are a few times larger than their sum.
 */
const TOLERANCE = 2e-5

/** Slopes of f by every weight. */
function differences(weights: Weights, f: (weights: Weights) => number): Record<string, number[]> {
  return Object.fromEntries(Object.entries(weights).map(([key, w]) => [key, w.map((_, i) => {
    const shifted = (by: number): number => f({ ...weights, [key]: w.map((v, j) => (j === i ? v + by : v)) })
    return (shifted(STEP) - shifted(-STEP)) / (2 * STEP)
  })]))
}

function expectNear(got: Weights, want: Weights, rounding = 0): void {
  const largest = Math.max(...Object.values(want).flat().map(Math.abs))
  expect(largest).toBeGreaterThan(1e-3)
  for (const [key, slopes] of Object.entries(want)) {
    slopes.forEach((slope, i) => {
      const x = entry(got, key, i)
      if (!(Math.abs(x - slope) <= TOLERANCE * largest + rounding)) expect.fail(`${key}[${i}]: ${x}, differences ${slope}, the largest ${largest}`)
    })
  }
}

describe.each(NETS)('$name', (net) => {
  describe.each(OUTPUTS.map(([output, loss]) => ({ output, loss, title: `${output}, ${loss.kind}${loss.fromLogits === true ? ' of logits' : ''}` })))('$title', ({ output, loss }) => {
    test.each(HIDDEN)('%s', (hidden) => {
      const experiment = new Experiment(net.layers(hidden, output), loss, net)
      const { training } = experiment
      const weights = training.weights()
      const result = training.shard(experiment.sources, batchOf(BATCH), 0)
      const objective = experiment.objective(weights)
      expect(Math.abs(at(result.sums, 0) - objective)).toBeLessThanOrEqual(TOLERANCE * objective)
      expectNear(training.gradients(result), differences(weights, (w) => experiment.objective(w) / BATCH.length))
    })
  })
})

describe('networks on images', () => {
  const once = [1, 1] as const, twice = [2, 2] as const
  const conv = (activation: ActivationWord, filters: number, more: Partial<Convolution>): LayerSpec =>
    ({ kind: 'conv2d', activation, filters, kernelSize: [3, 3], strides: once, dilation: once, padding: 'same', groups: 1, ...more })
  const depthwise = (activation: ActivationWord, channels: number, multiplier: number, more: Partial<Convolution>): LayerSpec =>
    ({ kind: 'depthwiseConv2d', activation, filters: channels * multiplier, groups: channels, kernelSize: [3, 3], strides: once, dilation: once, padding: 'same', ...more })
  const end = [{ kind: 'flatten' }, { kind: 'dense', units: CLASSES, activation: 'softmax' }] as const

  test.each<{ name: string; shape: readonly number[]; layers: (word: ActivationWord) => readonly LayerSpec[] }>([
    {
      name: 'convolution, maximum, depthwise convolution, mean', shape: [6, 5, 2],
      layers: (word) => [conv(word, 8, {}), { kind: 'maxPool2d', poolSize: twice, strides: twice, padding: 'same' }, depthwise(word, 8, 1, {}), { kind: 'averagePool2d', poolSize: [2, 3], strides: once, padding: 'same' }, ...end],
    },
    {
      name: 'groups, dilation, strides, overlapping windows', shape: [9, 8, 2],
      layers: (word) => [
        conv(word, 4, { dilation: twice, padding: 'valid', groups: 2 }), { kind: 'maxPool2d', poolSize: [3, 2], strides: once, padding: 'valid' },
        depthwise(word, 4, 2, { strides: [1, 2], kernelSize: [2, 3] }), conv(word, 6, { kernelSize: [3, 2], strides: [3, 1], groups: 2 }), ...end,
      ],
    },
  ])('$name', ({ shape, layers }) => {
    for (const word of ['relu', 'tanh'] as const) {
      const experiment = new Experiment(layers(word), { kind: 'sparseCategoricalCrossentropy' }, { shape, positions: 1, weighted: true })
      const { training } = experiment
      const weights = training.weights()
      const result = training.shard(experiment.sources, batchOf(BATCH), 0)
      const objective = experiment.objective(weights)
      expect(Math.abs(at(result.sums, 0) - objective)).toBeLessThanOrEqual(TOLERANCE * objective)
      expectNear(training.gradients(result), differences(weights, (w) => experiment.objective(w) / BATCH.length))
    }
  }, 60_000)
})

describe('penalties', () => {
  const net = { shape: [4], positions: 1, weighted: true }
  test.each([
    { title: 'L1', kernel: { l1: 0.1, l2: 0 } }, { title: 'L2', kernel: { l1: 0, l2: 0.1 } }, { title: 'both, on kernel and bias', kernel: { l1: 0.05, l2: 0.2 }, bias: { l1: 0.3, l2: 0.1 } },
  ])('$title: the update is the gradient of loss and penalty', ({ kernel, bias }) => {
    const layers: readonly LayerSpec[] = [{ kind: 'dense', units: 5, activation: 'tanh', kernel, ...(bias === undefined ? {} : { bias }) }, { kind: 'dense', units: CLASSES, activation: 'softmax' }]
    const experiment = new Experiment(layers, { kind: 'sparseCategoricalCrossentropy' }, net)
    const { trainer } = experiment.training
    const before = experiment.training.weights()
    experiment.training.gradient(experiment.sources, batchOf(BATCH), BATCH.length)
    const { ok, penalty, norm } = trainer.apply()
    expect(ok).toBe(true)
    const after = experiment.training.weights()
    // The learning rate is 1. Weights below 2 are rounded by 2⁻²⁴ when they are updated.
    const update = Object.fromEntries(Object.entries(before).map(([key, w]) => [key, w.map((v, i) => v - entry(after, key, i))]))
    const slopes = differences(before, (w) => experiment.objective(w) / BATCH.length + penaltyOf(layers, w))
    expectNear(update, slopes, 2 ** -23)
    expect(Math.abs(penalty - penaltyOf(layers, before))).toBeLessThanOrEqual(TOLERANCE * penalty)
    expect(Math.abs(norm - Math.hypot(...Object.values(slopes).flat()))).toBeLessThanOrEqual(TOLERANCE * norm)
  })
})

test('the reference drops what it should', () => {
  const [layers, randomness] = [[{ kind: 'dropout', rate: 0.5 }] as const, { seed: SEED, step: 3, training: true }]
  const x = new Array<number>(1000).fill(1)
  const { y } = forward(layers, {}, { x, shape: [1000], y: [], index: 4 }, randomness)
  expect([...new Set(y)].sort()).toEqual([0, 2])
  expect(forward(layers, {}, { x, shape: [1000], y: [], index: 4 }, { ...randomness, training: false }).y).toEqual(x)
})
