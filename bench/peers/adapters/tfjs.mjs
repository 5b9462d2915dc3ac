// TensorFlow.js, whatever the backend: its fused products, the batches as tensors beforehand, `minimize` step by step, which was as fast as
// `trainOnBatch` or faster, and both faster than `fit`.
import * as tf from '@tensorflow/tfjs'
import { batchesOf, CLASSES, oneHot, operands, PIXELS, rowsOf } from '../data.mjs'

/** @param {'wasm' | 'cpu'} backend @param {(host: import('../rounds.mjs').Host) => void} before @returns {import('../rounds.mjs').Adapter} */
export const tfjs = (backend, before) => ({
  id: `tfjs-${backend}`,
  setup: async (workload, data, host) => {
    before(host)
    if (!(await tf.setBackend(backend))) throw new Error(`no backend ${backend}`)
    await tf.ready()
    return workload.kind === 'train' ? training(workload, data) : workload.kind === 'predict' ? prediction(workload, data) : product(workload.product)
  },
})

/** Logits. @param {import('../workloads.mjs').Network} network */
const logits = ({ parts }, weights, x) => parts.reduce((h, part, i) => {
  const [kernel, bias] = [weights[2 * i], weights[2 * i + 1]]
  if (part.kind === 'dense') return tf.fused.matMul({ a: h.reshape([-1, part.from]), b: kernel, bias, activation: i < parts.length - 1 ? 'relu' : 'linear' })
  const image = h.reshape([-1, part.size, part.size, part.from])
  return tf.maxPool(tf.fused.conv2d({ x: image, filter: kernel, strides: 1, pad: 'same', bias, activation: 'relu' }), 2, 2, 'valid')
}, x)

const tensors = (weights) => weights.map(({ data, shape }) => tf.tensor(data, shape))

function training({ network, batch }, data) {
  const weights = tensors(data.first[network.name]).map((w) => tf.variable(w))
  const batches = batchesOf(data, batch).map(({ x, y }) => [tf.tensor2d(x, [batch, PIXELS]), tf.tensor2d(oneHot(y), [batch, CLASSES])])
  const optimizer = tf.train.adam(0.001, 0.9, 0.999, 1e-7)
  const loss = ([x, y]) => tf.losses.softmaxCrossEntropy(y, logits(network, weights, x))
  let step = 0
  return {
    run: async (n) => {
      for (let i = 0; i < n; i++) {
        const cost = optimizer.minimize(() => loss(batches[step++ % batches.length]), true, weights)
        if (i === n - 1) await cost.data()
        cost.dispose()
      }
    },
    loss: () => tf.tidy(() => loss(batches[0]).dataSync()[0]),
  }
}

function prediction({ network, batch }, data) {
  const weights = tensors(data.trained)
  const predict = (x, rows) => tf.tidy(() => tf.softmax(logits(network, weights, tf.tensor2d(x, [rows, PIXELS]))).dataSync())
  const x = rowsOf(data, 0, batch)
  return { run: (n) => { for (let i = 0; i < n; i++) predict(x, batch) }, predict }
}

function product(of) {
  const { form, m, n, k } = of
  const { a, b } = operands(of)
  const [x, y] = [tf.tensor2d(a, form === 'tn' ? [k, m] : [m, k]), tf.tensor2d(b, form === 'nt' ? [n, k] : [k, n])]
  const multiply = () => tf.matMul(x, y, form === 'tn', form === 'nt')
  return {
    run: async (times) => {
      for (let i = 0; i < times; i++) {
        const c = multiply()
        if (i === times - 1) await c.data()
        c.dispose()
      }
    },
    result: () => tf.tidy(() => multiply().dataSync()),
  }
}
