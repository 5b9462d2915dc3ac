// Draws clipping.svg: test accuracy of the worked example on Fashion-MNIST against the share of weights that are zero, by random clipping with
// loss check and by magnitude; the numbers go to clipping.json. Minutes.
//   npm run build && (cd docs && npm ci && npm run clipping)      data: ../../shared/data, or $EQUIGRAD_DATA
import { readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { join } from 'node:path'
import { accuracy, adam, dense, sequential, sparseCategoricalCrossentropy } from '../dist/index.js'
import { magnitudeMask, mask, stochasticClip } from '../dist/compress.js'
import { readIdx } from '../dist/data.js'
import { lineChart } from './chart.mjs'

const SEEDS = Number(process.argv[2] ?? 3)
const FRACTIONS = [0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9]
const SAMPLES = 2000

const folder = join(process.env.EQUIGRAD_DATA ?? join(import.meta.dirname, '../../shared/data'), 'fashion-mnist')
const [x, y, testX, testY] = ['train-images-idx3-ubyte', 'train-labels-idx1-ubyte', 't10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte']
  .map((file) => readIdx(readFileSync(join(folder, `${file}.gz`))).data)
const compiled = (model) => model.compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
const tested = async (model) => 100 * (await model.evaluate(testX, testY)).accuracy

const rows = [{ fraction: 0, clipped: [], magnitude: [], candidates: [], seconds: [] }, ...FRACTIONS.map((fraction) => ({ fraction, clipped: [], magnitude: [], candidates: [], seconds: [] }))]
for (let seed = 0; seed < SEEDS; seed++) {
  const model = compiled(sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed }))
  await model.fit(x, y, { epochs: 10, batchSize: 128 })
  const before = await tested(model)
  for (const row of rows) {
    if (row.fraction === 0) { row.clipped.push(before); row.magnitude.push(before); row.candidates.push(0); row.seconds.push(0); continue }
    const { model: sparse, statistics } = await stochasticClip(model, { x: x.subarray(0, SAMPLES * 784), y: y.subarray(0, SAMPLES) }, { fraction: row.fraction, seed, budget: 60_000 })
    row.clipped.push(await tested(compiled(sparse)))
    row.magnitude.push(await tested(compiled(mask(model, magnitudeMask(model, { sparsity: row.fraction, scope: 'global' })))))
    row.candidates.push(statistics.tried)
    row.seconds.push(statistics.seconds)
    console.log(`seed ${seed}, ${row.fraction * 100} %: ${row.clipped.at(-1).toFixed(2)} %, by magnitude ${row.magnitude.at(-1).toFixed(2)} %, ${statistics.tried} candidates, ${statistics.seconds.toFixed(1)} s, ${statistics.stopped}`)
  }
}
const mean = (list) => list.reduce((a, b) => a + b, 0) / list.length
const table = rows.map(({ fraction, clipped, magnitude, candidates, seconds }) => ({ fraction, clipped: mean(clipped), magnitude: mean(magnitude), candidates: Math.round(mean(candidates)), seconds: mean(seconds) }))
writeFileSync(join(import.meta.dirname, 'clipping.json'), `${JSON.stringify({ processor: cpus()[0]?.model.trim(), node: process.versions.node, seeds: SEEDS, samples: SAMPLES, table }, null, 1)}\n`)
writeFileSync(join(import.meta.dirname, 'clipping.svg'), lineChart({
  title: `Fashion-MNIST, 784-64-64-10, no training afterwards, mean of ${SEEDS} seeds`, x: 'weights that are zero, %', y: 'test accuracy, %', yMin: 0,
  lines: [
    { name: 'random clipping with loss check', points: table.map(({ fraction, clipped }) => [100 * fraction, clipped]) },
    { name: 'the smallest weights at once', points: table.map(({ fraction, magnitude }) => [100 * fraction, magnitude]), dashed: true },
  ],
}))
for (const { fraction, clipped, magnitude, candidates, seconds } of table) console.log(`| ${(100 * fraction).toFixed(0)} % | ${clipped.toFixed(2)} % | ${magnitude.toFixed(2)} % | ${candidates} | ${seconds.toFixed(0)} s |`)
