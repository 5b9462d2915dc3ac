// Ours, by the built package's public face. Only a product whose operands both change has none there: it comes from the bench's own build.
import { accuracy, adam, conv2d, createStore, dense, flatten, maxPool2d, reshape, sequential, sparseCategoricalCrossentropy } from '../../../dist/index.js'
import { quantize } from '../../../dist/compress.js'
import { operands, PIXELS, rowsOf } from '../data.mjs'

/** Images that ranges of activations are taken from. */
const CALIBRATION = 1024

/** @type {import('../rounds.mjs').Adapter} */
export default {
  id: 'equigrad',
  setup: (workload, data, { threads }) => (workload.kind === 'train' ? training(workload, data, threads) : workload.kind === 'predict' ? prediction(workload, data, threads) : product(workload.product)),
}

/** @param {import('../workloads.mjs').Network} network */
function layersOf({ parts }) {
  const last = parts.length - 1
  return parts.flatMap((part, i) => (part.kind === 'conv'
    ? [...(i === 0 ? [reshape([28, 28, 1])] : []), conv2d(part.to, 3, { padding: 'same', activation: 'relu' }), maxPool2d()]
    : [...(parts[i - 1]?.kind === 'conv' ? [flatten()] : []), dense(part.to, { activation: i === last ? 'softmax' : 'relu' })]))
}

/** @param {import('../data.mjs').Weights} weights */
const keyed = (model, weights) => Object.fromEntries(Object.keys(model.getWeights()).map((key, i) => [key, weights[i]]))

/** `fit` on all samples, as bytes, in an order drawn anew each pass. */
export function training({ network, batch }, { images, labels, first }, lanes) {
  const model = sequential(layersOf(network), { input: { shape: [PIXELS], dtype: 'u8', scale: 1 / 255 }, lanes })
    .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  model.setWeights(keyed(model, first[network.name]))
  const steps = labels.length / batch
  const fit = async (count, epochs) => { await model.fit(images.subarray(0, count * batch * PIXELS), labels.subarray(0, count * batch), { epochs, batchSize: batch }) }
  return {
    model,
    run: async (n) => {
      if (n >= steps) await fit(steps, Math.floor(n / steps))
      if (n % steps > 0) await fit(n % steps, 1)
    },
    loss: async () => (await model.evaluate(images.subarray(0, batch * PIXELS), labels.subarray(0, batch))).loss,
  }
}

async function prediction({ network, batch, int8 }, data, lanes) {
  const net = sequential(layersOf(network), { input: [PIXELS], lanes })
  net.setWeights(keyed(net, data.trained))
  const model = int8 ? await quantize(net, { calibration: rowsOf(data, 0, CALIBRATION) }) : net
  const x = rowsOf(data, 0, batch)
  return {
    // at once where that is possible: with lanes it is not
    run: lanes === 1 ? (n) => { for (let i = 0; i < n; i++) model.predictSync(x) } : async (n) => { for (let i = 0; i < n; i++) await model.predict(x) },
    predict: async (all) => (await model.predict(all)).data,
    note: int8 ? `${model.runtime.int8.path} path` : '',
  }
}

async function product(of) {
  const { m, n, k, fixed } = of
  const { a, b } = operands(of)
  if (!fixed) return (await import('../../../build/js/bench/product.js')).productOf(of, a, b)
  const model = sequential([dense(n, { useBias: false })], { input: [k], store: createStore() })
  const [key] = Object.keys(model.getWeights())
  model.setWeights({ [key]: { data: b, shape: [k, n] } })
  // Into one array: tfjs-wasm and jax-js too use the memory of a result again that was disposed of.
  const out = new Float32Array(m * n)
  return { run: (times) => { for (let i = 0; i < times; i++) model.predictSync(a, { out }) }, result: () => model.predictSync(a, { out }).data }
}
