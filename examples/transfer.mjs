// Transfer learning: a base that was trained on the digits 0 to 4 stays as it is, a new head learns 5 to 9 from few samples.
//   npm run build && node examples/transfer.mjs
import { accuracy, adam, dense, functional, input, sequential, sparseCategoricalCrossentropy } from 'equigrad'
import { digits } from 'equigrad/data'

/** The digits of a range, with labels from 0. */
function only(from, samples, seed) {
  const all = digits({ samples: samples * 2, seed })
  const keep = [...all.labels.keys()].filter((i) => all.labels[i] >= from && all.labels[i] < from + 5)
  return {
    x: Uint8Array.from({ length: keep.length * 784 }, (_, k) => all.images[keep[Math.floor(k / 784)] * 784 + (k % 784)]),
    y: Uint8Array.from(keep, (i) => all.labels[i] - from),
  }
}

/**
 * @param options - `samples` to train the base on, `few` to train heads on; `epochs`; `log`
 * @returns accuracy on unseen digits 5 to 9: of a new head on the base, and of the same net trained from nothing
 */
export async function run({ samples = 3000, few = 100, epochs = 10, log = console.log } = {}) {
  const pixels = { shape: [784], dtype: 'u8', scale: 1 / 255 }
  const loss = sparseCategoricalCrossentropy({ fromLogits: true })
  const base = () => sequential([dense(64, { activation: 'relu' }), dense(32, { activation: 'relu' })], { input: [784], name: 'base', seed: 1 })
  const withHead = (model, name) => {
    const x = input(pixels.shape, { dtype: pixels.dtype, scale: pixels.scale })
    return functional(x, dense(5, { name })(model.call(x)), { seed: 2 })
  }

  const trained = base()
  const first = only(0, samples, 1)
  await withHead(trained, 'first').compile({ optimizer: adam(), loss }).fit(first.x, first.y, { epochs, batchSize: 32 })

  const second = only(5, few, 2)
  const unseen = only(5, 1000, 3)
  const score = async (model) => (await model.evaluate(unseen.x, unseen.y)).accuracy
  const tuned = withHead(trained, 'second').compile({ optimizer: adam({ learningRate: 0.01 }), loss, metrics: [accuracy()], frozen: ['base/dense1', 'base/dense2'] })
  await tuned.fit(second.x, second.y, { epochs: 3 * epochs, batchSize: 16 })
  const fresh = withHead(base(), 'second').compile({ optimizer: adam({ learningRate: 0.01 }), loss, metrics: [accuracy()], frozen: ['base/dense1', 'base/dense2'] })
  await fresh.fit(second.x, second.y, { epochs: 3 * epochs, batchSize: 16 })
  const result = { transferred: await score(tuned), random: await score(fresh), few: second.y.length }
  log(`a head trained on ${result.few} digits, accuracy on ${unseen.y.length} unseen: on the trained base ${(result.transferred * 100).toFixed(1)} %, on a random one ${(result.random * 100).toFixed(1)} %`)
  return result
}

if (process.argv[1] === import.meta.filename) await run()
