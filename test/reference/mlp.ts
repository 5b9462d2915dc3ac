// Small networks in plain JavaScript and f64: the forward pass, losses and penalties as Keras defines them. What the library
// computes by kernels, fused and unwrapped, is here written down as it stands in Keras' documentation.
import { philox, randomKey } from '../../src/core/random.js'
import { at } from '../support/bits.js'
import { convolve, pool, type Convolution } from './images.js'
import type { Pooling } from './pool.js'

export type ActivationWord = 'linear' | 'relu' | 'leakyRelu' | 'elu' | 'sigmoid' | 'tanh' | 'softmax'
export interface Penalty { readonly l1: number; readonly l2: number }

export type LayerSpec =
  | { readonly kind: 'dense'; readonly units: number; readonly activation: ActivationWord; readonly kernel?: Penalty; readonly bias?: Penalty }
  | { readonly kind: 'conv2d'; readonly activation: ActivationWord } & Convolution
  | { readonly kind: 'depthwiseConv2d'; readonly activation: ActivationWord } & Convolution
  | { readonly kind: 'maxPool2d' } & Pooling
  | { readonly kind: 'averagePool2d' } & Pooling
  | { readonly kind: 'dropout'; readonly rate: number }
  | { readonly kind: 'flatten' }
  | { readonly kind: 'reshape'; readonly shape: readonly number[] }

export interface LossSpec {
  readonly kind: 'mse' | 'mae' | 'binaryCrossentropy' | 'categoricalCrossentropy' | 'sparseCategoricalCrossentropy'
  readonly fromLogits?: boolean
}

/** Weights by key: kernels row by row. */
export type Weights = Readonly<Record<string, readonly number[]>>

export interface Sample {
  readonly x: readonly number[]
  readonly shape: readonly number[]
  /** numbers, or class numbers */
  readonly y: readonly number[]
  /** its index in the data, which dropout counts by */
  readonly index: number
}

export interface Randomness { readonly seed: number; readonly step: number; readonly training: boolean }

const weightsOf = (weights: Weights, key: string): readonly number[] => {
  const w = weights[key]
  if (w === undefined) throw new RangeError(`no weight '${key}'`)
  return w
}

const elementwise: Readonly<Record<Exclude<ActivationWord, 'softmax'>, (x: number) => number>> = {
  linear: (x) => x, relu: (x) => Math.max(x, 0), leakyRelu: (x) => (x > 0 ? x : 0.2 * x), elu: (x) => (x > 0 ? x : Math.expm1(x)),
  sigmoid: (x) => 1 / (1 + Math.exp(-x)), tanh: Math.tanh,
}

/** Rows of a width. */
const rows = (x: readonly number[], width: number): readonly (readonly number[])[] => Array.from({ length: x.length / width }, (_, r) => x.slice(r * width, (r + 1) * width))

function softmaxRow(row: readonly number[]): readonly number[] {
  const max = Math.max(...row)
  const e = row.map((v) => Math.exp(v - max))
  const sum = e.reduce((a, b) => a + b, 0)
  return e.map((v) => v / sum)
}

const activate = (word: ActivationWord, row: readonly number[]): readonly number[] => (word === 'softmax' ? softmaxRow(row) : row.map(elementwise[word]))

/** activation(x·kernel + bias) over the last dimension. */
function dense(x: readonly number[], width: number, kernel: readonly number[], bias: readonly number[], word: ActivationWord): readonly number[] {
  return rows(x, width).flatMap((row) => activate(word, bias.map((b, j) => row.reduce((sum, v, k) => sum + v * at(kernel, k * bias.length + j), b))))
}

/** The output of a model for one sample, with its width. */
export function forward(layers: readonly LayerSpec[], weights: Weights, { x, shape, index }: Sample, { seed, step, training }: Randomness): { readonly y: readonly number[]; readonly width: number } {
  let [y, own] = [x, shape]
  const counts = { dense: 0, dropout: 0, conv2d: 0, depthwiseConv2d: 0 }
  for (const layer of layers) {
    if (layer.kind === 'flatten') own = [y.length]
    else if (layer.kind === 'reshape') own = layer.shape
    else if (layer.kind === 'dense') {
      const name = `dense${++counts.dense}`
      y = dense(y, at(own, own.length - 1), weightsOf(weights, `${name}.kernel`), weightsOf(weights, `${name}.bias`), layer.activation)
      own = [...own.slice(0, -1), layer.units]
    } else if (layer.kind === 'conv2d' || layer.kind === 'depthwiseConv2d') {
      const name = `${layer.kind}${++counts[layer.kind]}`
      const image = convolve({ y, shape: own }, layer, weightsOf(weights, `${name}.kernel`), weightsOf(weights, `${name}.bias`))
      own = image.shape
      y = rows(image.y, layer.filters).flatMap((row) => activate(layer.activation, row))
    } else if (layer.kind === 'maxPool2d' || layer.kind === 'averagePool2d') ({ y, shape: own } = pool({ y, shape: own }, layer.kind === 'maxPool2d' ? 'max' : 'average', layer))
    else {
      const key = randomKey(seed, 'dropout', `dropout${++counts.dropout}#0`)
      if (training) y = y.map((v, j) => (at(philox(key, j >> 2, index, step, 0), j % 4) < Math.floor(layer.rate * 2 ** 32) ? 0 : v / (1 - layer.rate)))
    }
  }
  return { y, width: at(own, own.length - 1) }
}

const EPSILON = 1e-7
const clipped = (p: number): number => Math.min(Math.max(p, EPSILON), 1 - EPSILON)
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length

/** log p of each class: of logits, or of probabilities, which are normalized and clipped. */
function logProbabilities(row: readonly number[], fromLogits: boolean): readonly number[] {
  if (fromLogits) {
    const max = Math.max(...row)
    const log = Math.log(row.reduce((sum, v) => sum + Math.exp(v - max), 0))
    return row.map((v) => v - max - log)
  }
  const sum = row.reduce((a, b) => a + b, 0)
  return row.map((p) => Math.log(clipped(p / sum)))
}

/** The loss of one sample: the mean over what it has of losses. */
export function sampleLoss({ kind, fromLogits = false }: LossSpec, output: readonly number[], width: number, y: readonly number[]): number {
  switch (kind) {
    case 'mse': return mean(output.map((v, i) => (v - at(y, i)) ** 2))
    case 'mae': return mean(output.map((v, i) => Math.abs(v - at(y, i))))
    case 'binaryCrossentropy': return mean(output.map((v, i) => {
      const p = fromLogits ? 1 / (1 + Math.exp(-v)) : clipped(v)
      return -(at(y, i) * Math.log(p) + (1 - at(y, i)) * Math.log(1 - p))
    }))
    case 'categoricalCrossentropy': return mean(rows(output, width).map((row, r) => -logProbabilities(row, fromLogits).reduce((sum, l, j) => sum + at(y, r * width + j) * l, 0)))
    case 'sparseCategoricalCrossentropy': return mean(rows(output, width).map((row, r) => -at(logProbabilities(row, fromLogits), at(y, r))))
  }
}

/** Σ loss·weight of a batch. */
export function batchLoss(layers: readonly LayerSpec[], loss: LossSpec, weights: Weights, batch: readonly Sample[], sampleWeight: readonly number[] | null, randomness: Randomness): number {
  return batch.reduce((sum, sample, i) => {
    const { y, width } = forward(layers, weights, sample, randomness)
    return sum + sampleLoss(loss, y, width, sample.y) * (sampleWeight === null ? 1 : at(sampleWeight, i))
  }, 0)
}

/** Σ l1·|w| + l2·w² over the weights that have penalties. */
export function penaltyOf(layers: readonly LayerSpec[], weights: Weights): number {
  let sum = 0
  layers.filter((layer) => layer.kind === 'dense').forEach((layer, i) => {
    for (const [name, penalty] of [['kernel', layer.kernel], ['bias', layer.bias]] as const) {
      if (penalty !== undefined) for (const w of weightsOf(weights, `dense${i + 1}.${name}`)) sum += penalty.l1 * Math.abs(w) + penalty.l2 * w * w
    }
  })
  return sum
}
