// `npm run verify`: the slow accuracy runs on real data. The worked example (784-64-64-10, Adam, batch 128, 10 epochs, Glorot uniform, Keras'
// defaults) on all 60 000 images, five seeds; the mean test accuracy beside PyTorch's of the same configuration.
import { existsSync, readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { accuracy, adam, dense, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { readIdx } from '../../dist/data.js'

const root = process.env.EQUIGRAD_DATA ?? join(import.meta.dirname, '../../../shared/data')
const SEEDS = [0, 1, 2, 3, 4]
const bars = [
  { name: 'Fashion-MNIST', folder: 'fashion-mnist', mean: 87.6, within: 0.4, pytorch: 87.62 },
  { name: 'MNIST', folder: 'mnist', mean: 97.3, within: 0.25, pytorch: 97.34 },
]

const idx = (folder, file) => readIdx(readFileSync(join(root, folder, `${file}.gz`))).data
let passed = 0
let failed = 0
console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}`)
for (const { name, folder, mean, within, pytorch } of bars) {
  if (!existsSync(join(root, folder))) { console.log(`SKIPPED ${name}: no data in ${join(root, folder)} (set EQUIGRAD_DATA)`); failed++; continue }
  const [x, y, testX, testY] = [idx(folder, 'train-images-idx3-ubyte'), idx(folder, 'train-labels-idx1-ubyte'), idx(folder, 't10k-images-idx3-ubyte'), idx(folder, 't10k-labels-idx1-ubyte')]
  const scores = []
  for (const seed of SEEDS) {
    const model = sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed })
      .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
    const from = performance.now()
    const history = await model.fit(x, y, { epochs: 10, batchSize: 128 })
    const seconds = (performance.now() - from) / 1000
    const { accuracy: seen } = await model.evaluate(testX, testY)
    scores.push(seen * 100)
    console.log(`${name} seed ${seed}: ${(seen * 100).toFixed(2)} % on the test set, ${(history.epochs.at(-1).accuracy * 100).toFixed(2)} % in training, ${seconds.toFixed(1)} s`)
  }
  const average = scores.reduce((a, b) => a + b, 0) / scores.length
  const ok = Math.abs(average - mean) <= within
  console.log(`${ok ? 'passed' : 'FAILED'} ${name}: mean ${average.toFixed(2)} %, bar ${mean} ± ${within} % (PyTorch ${pytorch})`)
  if (ok) passed++; else failed++
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
