// Small trainings that between them run every kind of kernel once: dense, convolution and pooling, recurrence, the scalar functions, integers.
import { sha256Hex } from '../core/hash.js'
import { quantize } from '../compress/quantize.js'
import { conv2d } from '../nn/layers/conv.js'
import { dense } from '../nn/layers/dense.js'
import { batchNormalization } from '../nn/layers/norm.js'
import { maxPool2d } from '../nn/layers/pool.js'
import { lstm } from '../nn/layers/recurrent.js'
import { flatten } from '../nn/layers/shapes.js'
import { activation, dropout } from '../nn/layers/simple.js'
import { binaryCrossentropy, mse, sparseCategoricalCrossentropy } from '../nn/losses.js'
import { adam, adamW } from '../optim/adam.js'
import { rmsprop } from '../optim/rmsprop.js'
import { sgd } from '../optim/sgd.js'
import { cosineDecay } from '../optim/schedules.js'
import { sequential } from '../train/sequential.js'

/** Numbers in [−1, 1) by a linear congruential generator, exact everywhere (constants: Numerical Recipes). */
function numbers(count: number, seed: number): Float32Array<ArrayBuffer> {
  let state = seed
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2147483648 - 1
  })
}
/** Classes of samples by the sum of their first two numbers. */
const classesOf = (x: Float32Array, width: number, classes: number): Int32Array =>
  Int32Array.from({ length: x.length / width }, (_, i) => Math.min(classes - 1, Math.floor((((x[i * width] ?? 0) + (x[i * width + 1] ?? 0) + 2) * classes) / 4)))

interface Trained { getWeights(): Readonly<Record<string, { readonly data: Float32Array }>> }
const hashOf = (model: Trained, prediction: Float32Array): string => {
  const weights = Object.entries(model.getWeights()).sort(([a], [b]) => (a < b ? -1 : 1)).map(([, { data }]) => data)
  return sha256Hex(...[...weights, prediction].map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)))
}

const WIDTH = 20, CLASSES = 5, SAMPLES = 100
const classifier = (lanes: number) => sequential([dense(24, { activation: 'relu' }), dropout(0.2), dense(CLASSES, { activation: 'softmax' })], { input: [WIDTH], seed: 1, lanes })
  .compile({ optimizer: adam({ learningRate: 0.01 }), loss: sparseCategoricalCrossentropy() })

/** Rows by name: each trains on so many lanes and gives a hash of the weights and of a prediction. */
export const trainings = {
  'dense, dropout, Adam': async (lanes: number) => {
    const x = numbers(SAMPLES * WIDTH, 1), model = classifier(lanes)
    await model.fit(x, classesOf(x, WIDTH, CLASSES), { epochs: 3, batchSize: 32 })
    return hashOf(model, (await model.predict(x)).data)
  },
  'convolution, pooling, batch normalisation, momentum': async (lanes: number) => {
    const x = numbers(40 * 81, 2)
    const model = sequential([conv2d(6, 3, { activation: 'relu', padding: 'same' }), batchNormalization(), maxPool2d(), flatten(), dense(3, { activation: 'softmax' })], { input: [9, 9, 1], seed: 2, lanes })
      .compile({ optimizer: sgd({ learningRate: 0.05, momentum: 0.9 }), loss: sparseCategoricalCrossentropy() })
    await model.fit(x, classesOf(x, 81, 3), { epochs: 2, batchSize: 16 })
    return hashOf(model, (await model.predict(x)).data)
  },
  'LSTM, RMSprop': async (lanes: number) => {
    const x = numbers(30 * 7 * 3, 3), y = numbers(30, 4)
    const model = sequential([lstm(6), dense(1)], { input: [7, 3], seed: 3, lanes }).compile({ optimizer: rmsprop(), loss: mse() })
    await model.fit(x, y, { epochs: 2, batchSize: 10 })
    return hashOf(model, (await model.predict(x)).data)
  },
  'tanh, sigmoid, binary cross-entropy, AdamW, cosine decay': async (lanes: number) => {
    const x = numbers(50 * 6, 5), y = numbers(50 * 2, 6).map((v) => (v > 0 ? 1 : 0))
    const model = sequential([dense(9, { activation: 'tanh' }), dense(9), activation('sigmoid'), dense(2, { activation: 'sigmoid' })], { input: [6], seed: 4, lanes })
      .compile({ optimizer: adamW({ learningRate: cosineDecay(0.01, { steps: 12 }) }), loss: binaryCrossentropy() })
    await model.fit(x, y, { epochs: 3, batchSize: 16 })
    return hashOf(model, (await model.predict(x)).data)
  },
  // Enough work for several lanes to share it out.
  wide: async (lanes: number) => {
    const x = numbers(256 * 500, 8)
    const model = sequential([dense(400, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: [500], seed: 5, lanes }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
    await model.fit(x, classesOf(x, 500, 10), { epochs: 1, batchSize: 128 })
    return hashOf(model, (await model.predict(x)).data)
  },
  int8: async (lanes: number) => {
    const x = numbers(SAMPLES * WIDTH, 7), model = classifier(lanes)
    await model.fit(x, classesOf(x, WIDTH, CLASSES), { epochs: 2, batchSize: 32 })
    const small = await quantize(model, { calibration: x })
    return hashOf(model, (await small.predict(x)).data)
  },
} satisfies Readonly<Record<string, (lanes: number) => Promise<string>>>
