// What all processes read: the data, and weights of the wide network after a short training, since predictions of an untrained one hang on the
// last bits of every number.
import { dense, sequential, sparseCategoricalCrossentropy, adam } from '../../dist/index.js'
import { digits } from '../../dist/data.js'
import { makeData, PIXELS } from './data.mjs'
import { wide } from './workloads.mjs'

const EPOCHS = 2

/** @returns {Promise<import('./data.mjs').Data>} */
export async function prepareData() {
  const data = makeData(digits)
  const [, ...units] = wide.parts.map(({ to }) => to)
  const model = sequential([dense(units[0], { activation: 'relu' }), dense(units[0], { activation: 'relu' }), dense(units[1], { activation: 'softmax' })], { input: { shape: [PIXELS], dtype: 'u8', scale: 1 / 255 } })
    .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  await model.fit(data.images, data.labels, { epochs: EPOCHS, batchSize: 128 })
  return { ...data, trained: Object.values(model.getWeights()) }
}
