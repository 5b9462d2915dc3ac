// A small training, its model in equigrad/predict, and parts of the package that are loaded when they are asked for: the hash is the same wherever a bundle runs.
import { accuracy, adam, createStore, dense, dropout, loadInt8, save, sequential, sparseCategoricalCrossentropy } from 'equigrad'
import { oneHot } from 'equigrad/data'
import { load } from 'equigrad/predict'

export async function train() {
  const x = Float32Array.from({ length: 60 * 4 }, (_, i) => ((i * 37) % 101) / 64 - 0.75), y = Int32Array.from({ length: 60 }, (_, i) => (i * i) % 3)
  const model = sequential([dense(16, { activation: 'tanh' }), dropout(0.2), dense(3)], { input: [4], seed: 5 })
    .compile({ optimizer: adam({ learningRate: 0.01 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }), metrics: [accuracy()] })
  const { epochs } = await model.fit(x, y, { epochs: 3, batchSize: 16 })
  const fast = sequential([dense(2)], { input: [4], store: createStore({ fast: true }) })
  await fast.predict(x)
  const { data } = load(save(model)).predictSync(x)
  return { hash: model.stateHash(), loss: epochs.at(-1).loss, data: typeof oneHot, predicted: new Uint32Array(data.buffer).join(), fast: fast.runtime.fast, int8: await loadInt8() }
}
