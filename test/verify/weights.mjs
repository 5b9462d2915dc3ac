// Weights as expressions on Fashion-MNIST, from one trained 784-64-64-10: pruning in one shot, quantised training, factors of half the size, an adapter for
// images upside down. Bars are test accuracies in percent of one seed, or points that may be lost.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { accuracy, adam, dense, load, save, sequential, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { adapter, fakeQuantize, lowRank, magnitudeMask, mask, strip } from '../../dist/compress.js'
import { readIdx } from '../../dist/data.js'

const SIDE = 28
/** Images with their rows from the last to the first. */
function upsideDown(images) {
  const turned = new Uint8Array(images.length)
  for (let row = 0; row < images.length / SIDE; row++) {
    const image = Math.floor(row / SIDE)
    turned.set(images.subarray(row * SIDE, (row + 1) * SIDE), (image * SIDE + SIDE - 1 - row % SIDE) * SIDE)
  }
  return turned
}

export async function verifyWeights({ root, seeds = 1, report }) {
  const folder = join(root, 'fashion-mnist')
  if (!existsSync(folder)) { report(false, `SKIPPED Fashion-MNIST: no data in ${folder} (set EQUIGRAD_DATA)`); return }
  const idx = (file) => readIdx(readFileSync(join(folder, `${file}.gz`))).data
  const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(idx)
  const compiled = (model, learningRate) => model.compile({ optimizer: adam({ learningRate }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const score = async (model, images = testX) => 100 * (await compiled(model, 0.001).evaluate(images, testY)).accuracy
  const bytes = (model) => save(model, { training: false }).length
  const percent = (v) => `${v.toFixed(2)} %`
  for (let seed = 0; seed < seeds; seed++) {
    const base = sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed })
    await compiled(base, 0.001).fit(x, y, { epochs: 10, batchSize: 128 })
    const whole = await score(base)
    console.log(`seed ${seed}: 784-64-64-10, 10 epochs: ${percent(whole)}, ${bytes(base)} bytes`)

    for (const [sparsity, bar] of [[0.5, 78], [0.8, 35]]) {
      const pruned = mask(base, magnitudeMask(base, { sparsity })), once = await score(pruned)
      await compiled(pruned, 0.001).fit(x, y, { epochs: 2, batchSize: 128 })
      const zeros = Object.values(strip(pruned).getWeights()).filter(({ shape }) => shape.length > 1).reduce((n, { data }) => n + data.filter((w) => w === 0).length, 0)
      const tuned = await score(pruned)
      report(once > bar && tuned > whole - 1.5 && zeros >= Math.floor(sparsity * (784 * 64 + 64 * 64 + 640)), `magnitude, ${sparsity * 100} % zeros: ${percent(once)} in one shot, ${percent(tuned)} after 2 epochs, ${zeros} zeros`)
    }

    for (const [bits, lost] of [[4, 1], [2, 4]]) {
      const quantised = fakeQuantize(base, { bits }), rounded = await score(quantised)
      await compiled(quantised, 0.001).fit(x, y, { epochs: 2, batchSize: 128 })
      const plain = strip(quantised), few = await score(plain)
      const most = Math.max(...Array.from({ length: 64 }, (_, c) => new Set(plain.getWeights()['dense1.kernel'].data.filter((__, i) => i % 64 === c)).size))
      report(few > whole - lost && most <= 2 ** bits - 1, `${bits}-bit kernels: ${percent(rounded)} rounded, ${percent(few)} after 2 epochs of quantised training, ${most} different numbers in a column at most`)
    }

    const from = performance.now()
    const { model: small, report: factors } = lowRank(base, { 'dense1.kernel': 29, 'dense2.kernel': 16 })
    const seconds = (performance.now() - from) / 1000, cut = await score(small)
    await compiled(small, 0.001).fit(x, y, { epochs: 2, batchSize: 128 })
    const half = await score(small), again = await score(load(save(small)))
    report(half > whole - 1 && again === half && bytes(small) < 0.53 * bytes(base),
      `low rank, ${bytes(small)} bytes: ${percent(cut)} cut, ${percent(half)} after 2 epochs; errors ${Object.entries(factors).map(([key, { rank, relativeError }]) => `${key} ${relativeError.toFixed(3)} at rank ${rank}`).join(', ')}; ${seconds.toFixed(2)} s`)

    const turned = { x: upsideDown(x), test: upsideDown(testX) }
    const before = await score(base, turned.test)
    const tuned = adapter(base, { rank: 8, trainBiases: true })
    await compiled(tuned, 0.003).fit(turned.x, y, { epochs: 3, batchSize: 128 })
    const stands = Object.entries(base.getWeights()).every(([key, { data, shape }]) => shape.length < 2 || data.every((w, i) => w === tuned.getWeights()[key].data[i]))
    const after = await score(strip(tuned), turned.test)
    report(after > whole - 6 && stands, `adapter of rank 8 for images upside down: ${percent(before)} before, ${percent(after)} after 3 epochs, kernels ${stands ? 'as they were' : 'CHANGED'}`)
  }
}
