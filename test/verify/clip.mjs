// Random weight clipping with loss check on Fashion-MNIST: the worked example, trained for 10 epochs, clipped to zero on 2 000 training images,
// not trained again. Beside it what one-shot magnitude pruning gives, alone and with one more epoch of training.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { accuracy, adam, dense, sequential, sgd, sparseCategoricalCrossentropy } from '../../dist/index.js'
import { mask, stochasticClip } from '../../dist/compress.js'
import { readIdx } from '../../dist/data.js'

const SAMPLES = 2000
/** Test accuracies in percent, mean over seeds; milliseconds of a candidate. */
const BARS = [{ fraction: 0.5, mean: 85.5 }, { fraction: 0.8, mean: 79 }]
const MILLISECONDS = 1.8

const mean = (x) => x.reduce((a, b) => a + b, 0) / x.length
const compiled = (model, optimizer = adam()) => model.compile({ optimizer, loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })

/** Masks that keep all but the smallest weights, over all kernels. */
function byMagnitude(model, fraction) {
  const kernels = Object.entries(model.getWeights()).filter(([key]) => key.endsWith('.kernel'))
  const all = kernels.flatMap(([, { data }]) => Array.from(data, Math.abs)).sort((a, b) => a - b)
  const limit = all[Math.round(fraction * all.length)] ?? Infinity
  return Object.fromEntries(kernels.map(([key, { data }]) => [key, Uint8Array.from(data, (w) => (Math.abs(w) < limit ? 0 : 1))]))
}

export async function verifyClip({ root, seeds = 5, report }) {
  const folder = join(root, 'fashion-mnist')
  if (!existsSync(folder)) { report(false, `SKIPPED random weight clipping: no data in ${folder} (set EQUIGRAD_DATA)`); return }
  const idx = (file) => readIdx(readFileSync(join(folder, `${file}.gz`))).data
  const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte'].map(idx)
  const some = { x: x.subarray(0, SAMPLES * 784), y: y.subarray(0, SAMPLES) }
  const tested = async (model) => (await model.evaluate(testX, testY)).accuracy * 100
  const found = BARS.map(() => ({ clipped: [], magnitude: [], tuned: [], tried: [], seconds: [], processor: [], tunedSeconds: [] }))
  for (let seed = 0; seed < seeds; seed++) {
    const model = compiled(sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed }))
    await model.fit(x, y, { epochs: 10, batchSize: 128 })
    console.log(`seed ${seed}: ${(await tested(model)).toFixed(2)} % before`)
    for (const [i, { fraction }] of BARS.entries()) {
      const before = process.cpuUsage()
      const { model: sparse, statistics: { tried, accepted, clipped, weights, loss, seconds, candidatesPerSecond } } = await stochasticClip(model, some, { fraction, seed })
      const { user, system } = process.cpuUsage(before)
      const pruned = compiled(mask(model, byMagnitude(model, fraction)))
      const [reached, magnitude] = [await tested(compiled(sparse, sgd())), await tested(pruned)]
      const from = performance.now()
      await pruned.fit(x, y, { batchSize: 128 })
      const tunedSeconds = (performance.now() - from) / 1000
      const tuned = await tested(pruned)
      for (const [list, value] of Object.entries({ clipped: reached, magnitude, tuned, tried, seconds, processor: (user + system) / 1e6, tunedSeconds })) found[i][list].push(value)
      console.log(`seed ${seed}, ${(clipped / weights * 100).toFixed(1)} % zeros: ${reached.toFixed(2)} %, loss ${loss.before.toFixed(4)} → ${loss.after.toFixed(4)}, ${accepted} of ${tried} candidates in ${seconds.toFixed(1)} s, ` +
        `${Math.round(candidatesPerSecond)}/s; by magnitude ${magnitude.toFixed(2)} %, with one epoch of training ${tuned.toFixed(2)} % in ${tunedSeconds.toFixed(1)} s`)
    }
  }
  for (const [i, { fraction, mean: bar }] of BARS.entries()) {
    const { clipped, magnitude, tuned, tried, seconds, tunedSeconds } = found[i]
    report(mean(clipped) >= bar, `${fraction * 100} % zeros: mean ${mean(clipped).toFixed(2)} %, bar ${bar} %, ${Math.round(mean(tried))} candidates, ${mean(seconds).toFixed(1)} s; ` +
      `by magnitude ${mean(magnitude).toFixed(2)} % at once, ${mean(tuned).toFixed(2)} % after one epoch of ${mean(tunedSeconds).toFixed(1)} s`)
  }
  const perCandidate = (of) => mean(found.flatMap((f) => f[of])) / mean(found.flatMap(({ tried }) => tried)) * 1000
  const [wall, processor] = [perCandidate('seconds'), perCandidate('processor')]
  report(wall <= MILLISECONDS, `${wall.toFixed(2)} ms a candidate, goal ${MILLISECONDS} ms, ${Math.round(1000 / wall)} candidates a second; ${processor.toFixed(2)} ms of processor time`)
}
