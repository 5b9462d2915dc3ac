// Models of every kind, small, for laws that hold of all of them: their programs at a capacity.
import {
  accuracy, adam, add, batchNormalization, concatenate, conv2d, dense, depthwiseConv2d, dropout, flatten, functional, globalAveragePool2d, gradients, gru, input, lstm, maxPool2d, mean, mse, mul, sequential,
  simpleRNN, sparseCategoricalCrossentropy, sqrt, square, sub, sum, type Layer, type ProgramView,
} from '../../src/index.js'
import { inTrace } from '../../src/compiler/graph/trace.js'
import { constant, type Value } from '../../src/compiler/graph/value.js'
import { total } from '../../src/compiler/ops/metric.js'
import { fuse } from '../../src/compiler/passes/fuse.js'
import { lower } from '../../src/compiler/passes/lower.js'
import { planMemory } from '../../src/compiler/passes/plan.js'
import { verify } from '../../src/compiler/passes/verify.js'
import type { Program } from '../../src/compiler/program.js'
import { feed } from './programs.js'

export type Kind = 'grad' | 'predict'
/** The program of a model for a capacity. */
export type ProgramOf = (kind: Kind, capacity: number) => Program

const ofModel = (model: { program(kind: Kind, options: { readonly capacity: number }): ProgramView }): ProgramOf => (kind, capacity) => model.program(kind, { capacity }).program
const classifier = (shape: readonly number[], layers: readonly Layer[]): ProgramOf =>
  ofModel(sequential([...layers, dense(10, { activation: 'softmax' })], { input: shape }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] }))
const regression = (shape: readonly number[], layers: readonly Layer[]): ProgramOf => ofModel(sequential(layers, { input: shape }).compile({ optimizer: adam(), loss: mse() }))

/** Two inputs through one layer, two outputs, one of which has a layer of its own before it. */
function twoByTwo(): ProgramOf {
  const [a, b] = [input([16]), input([16])]
  const shared = dense(32, { activation: 'relu' })
  const h = concatenate([shared(a), shared(b)])
  return ofModel(functional({ a, b }, { kind: dense(3)(dense(24, { activation: 'tanh' })(h)), size: dense(1)(h) })
    .compile({ optimizer: adam(), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, metrics: { kind: [accuracy()] } }))
}

/** One's own step with a gradient penalty (Gulrajani et al., 2017), assembled as `step` does: the loss summed, gradients in blocks of their own. */
function gradientPenalty(): ProgramOf {
  const model = sequential([dense(32, { activation: 'tanh' }), dense(32, { activation: 'tanh' }), dense(1)], { input: [24] })
  const [x, y] = [feed('x', ['n', 24]), feed('y', ['n', 1])]
  const loss = inTrace('step', 'train', () => {
    const [dx] = gradients(model.call(x), [x])
    const norm = sqrt(sum(square(dx), 1))
    return add(mean(square(sub(model.call(x), y))), mul(mean(square(sub(norm, constant([], 'f32', [1])))), constant([], 'f32', [10])))
  })
  const weights = model.weights.values
  return (kind, capacity) => {
    if (kind === 'predict') return model.program('predict', { capacity }).program
    const found: readonly Value[] = gradients(loss, weights)
    const values = fuse([total(loss), ...found])
    const names = values.map((_, i) => (i === 0 ? 'loss' : `grad:${i}`))
    return verify(planMemory(lower({
      capacity, fetches: Object.fromEntries(names.flatMap((name, i) => { const v = values[i]; return v === undefined ? [] : [[name, v]] })),
      place: Object.fromEntries(names.map((name, i) => [name, i === 0 ? { region: 'sum', offset: 0 } as const : { region: 'grad', offset: i * 65_536 } as const])),
    })))
  }
}

/** One of each kind. */
export const MODELS: readonly { readonly name: string; readonly make: () => ProgramOf }[] = [
  { name: 'MLP', make: () => classifier([784], [dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' })]) },
  { name: 'MLP with dropout and penalties', make: () => classifier([30], [dense(40, { activation: 'relu' }), dropout(0.5), dense(17, { activation: 'elu' }), dropout(0.2)]) },
  {
    name: 'CNN', make: () => classifier([28, 28, 1],
      [conv2d(16, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(32, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), flatten()]),
  },
  {
    name: 'CNN with batch normalisation, depthwise and strided', make: () => classifier([28, 28, 3], [
      conv2d(16, 3, { padding: 'same', strides: 2, useBias: false }), batchNormalization(), depthwiseConv2d(3, { padding: 'same', activation: 'relu' }),
      conv2d(32, 3, { strides: 2, activation: 'relu' }), batchNormalization(), globalAveragePool2d(),
    ]),
  },
  { name: 'LSTM, the last output', make: () => classifier([20, 8], [lstm(32)]) },
  { name: 'LSTM, all outputs', make: () => regression([20, 8], [lstm(32, { returnSequences: true }), dense(4)]) },
  { name: 'GRU on GRU', make: () => classifier([20, 8], [gru(32, { returnSequences: true }), gru(16)]) },
  { name: 'simple RNN, reverse', make: () => classifier([13, 5], [simpleRNN(24, { reverse: true })]) },
  { name: 'two inputs, two outputs, a shared layer', make: twoByTwo },
  { name: 'autoencoder', make: () => regression([784], [dense(64, { activation: 'relu' }), dense(16), dense(64, { activation: 'relu' }), dense(784, { activation: 'sigmoid' })]) },
  { name: 'a step with a gradient penalty', make: gradientPenalty },
]
