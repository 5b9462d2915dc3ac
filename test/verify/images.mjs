// Accuracy on images: nets trained on all 60 000 of MNIST and Fashion-MNIST with Adam and Keras' defaults, batch 128; bars are mean test
// accuracies in percent over seeds, PyTorch's of the same configurations beside them.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { accuracy, adam, conv2d, dense, flatten, maxPool2d, reshape, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { readIdx } from '../../dist/data.js'

export const nets = {
  mlp: {
    title: '784-64-64-10', epochs: 10, seeds: 5,
    layers: () => [dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })],
    bars: [{ name: 'Fashion-MNIST', folder: 'fashion-mnist', mean: 87.6, within: 0.4, pytorch: 87.62 }, { name: 'MNIST', folder: 'mnist', mean: 97.3, within: 0.25, pytorch: 97.34 }],
  },
  cnn: {
    title: 'conv 3×3×16, pool, conv 3×3×32, pool, dense 10', epochs: 3, seeds: 3,
    layers: () => [
      reshape([28, 28, 1]), conv2d(16, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(32, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), flatten(), dense(10, { activation: 'softmax' }),
    ],
    bars: [{ name: 'MNIST', folder: 'mnist', mean: 98.4, within: 0.7, pytorch: 98.36 }, { name: 'Fashion-MNIST', folder: 'fashion-mnist', mean: 87.8, within: 1.5, pytorch: 87.81 }],
  },
}

/** Trains a net on its data sets; `report(ok, line)` gets one line for each bar. */
export async function verifyImages({ title, epochs, layers, bars, seeds }, { root, seeds: wanted, report }) {
  console.log(`${title}, ${epochs} epochs`)
  for (const { name, folder, mean, within, pytorch } of bars) {
    if (!existsSync(join(root, folder))) { report(false, `SKIPPED ${name}: no data in ${join(root, folder)} (set EQUIGRAD_DATA)`); continue }
    const idx = (file) => readIdx(readFileSync(join(root, folder, `${file}.gz`))).data
    const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(idx)
    const scores = []
    for (let seed = 0; seed < (wanted ?? seeds); seed++) {
      const model = sequential(layers(), { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed })
        .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
      const from = performance.now()
      const history = await model.fit(x, y, { epochs, batchSize: 128 })
      const seconds = (performance.now() - from) / 1000
      const { accuracy: seen } = await model.evaluate(testX, testY)
      scores.push(seen * 100)
      console.log(`${name} seed ${seed}: ${(seen * 100).toFixed(2)} % on the test set, ${(history.epochs.at(-1).accuracy * 100).toFixed(2)} % in training, ${seconds.toFixed(1)} s, ${Math.round((epochs * y.length) / seconds)} samples/s`)
    }
    const average = scores.reduce((a, b) => a + b, 0) / scores.length
    report(Math.abs(average - mean) <= within, `${name}: mean ${average.toFixed(2)} %, bar ${mean} ± ${within} % (PyTorch ${pytorch})`)
  }
}
