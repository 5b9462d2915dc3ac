// `npm run verify`: the slow accuracy runs on real data, beside PyTorch's means of the same configurations.
//   npm run verify                      all of it
//   npm run verify -- mlp 2             one net ('mlp', 'cnn'), on so many seeds
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { accuracy, adam, conv2d, dense, flatten, maxPool2d, reshape, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { readIdx } from '../../dist/data.js'

const root = process.env.EQUIGRAD_DATA ?? join(import.meta.dirname, '../../../shared/data')
const [only, seeds] = process.argv.slice(2)

/** Nets, each trained on all 60 000 images with Adam and Keras' defaults, batch 128; bars are mean test accuracies in percent. */
const nets = {
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

const idx = (folder, file) => readIdx(readFileSync(join(root, folder, `${file}.gz`))).data
let passed = 0
let failed = 0
console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}`)
for (const [net, { title, epochs, layers, bars, ...rest }] of Object.entries(nets)) {
  if (only !== undefined && only !== net) continue
  console.log(`${title}, ${epochs} epochs`)
  for (const { name, folder, mean, within, pytorch } of bars) {
    if (!existsSync(join(root, folder))) { console.log(`SKIPPED ${name}: no data in ${join(root, folder)} (set EQUIGRAD_DATA)`); failed++; continue }
    const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map((file) => idx(folder, file))
    const scores = []
    for (let seed = 0; seed < Number(seeds ?? rest.seeds); seed++) {
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
    const ok = Math.abs(average - mean) <= within
    console.log(`${ok ? 'passed' : 'FAILED'} ${name}: mean ${average.toFixed(2)} %, bar ${mean} ± ${within} % (PyTorch ${pytorch})`)
    if (ok) passed++; else failed++
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
