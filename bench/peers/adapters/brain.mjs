// brain.js: plain JavaScript, one sample an update, mean squared error. Its losses are its own; no batches, so a step is 128 updates.
import brain from 'brain.js'
import { CLASSES, oneHot, PIXELS, rowsOf } from '../data.mjs'

/** @type {import('../rounds.mjs').Adapter} */
export default {
  id: 'brain.js',
  setup: ({ network, batch }, data) => {
    const { parts } = network
    const net = new brain.NeuralNetwork({ hiddenLayers: parts.slice(0, -1).map(({ to }) => to), activation: 'leaky-relu' })
    const rows = data.labels.length
    const x = rowsOf(data, 0, rows), y = oneHot(data.labels)
    const samples = Array.from({ length: rows }, (_, i) => ({ input: x.subarray(i * PIXELS, (i + 1) * PIXELS), output: y.subarray(i * CLASSES, (i + 1) * CLASSES) }))
    const train = (some) => { net.train(some, { iterations: 1, praxis: 'adam', learningRate: 0.001, errorThresh: 1e-9, log: false }) }
    train(samples.slice(0, 1))
    let at = 0
    return {
      ownLoss: true, note: 'one sample an update',
      run: (n) => { for (let i = 0; i < n; i++, at = (at + batch) % rows) train(samples.slice(at, at + batch)) },
      loss: () => {
        const error = (i) => Array.from(net.run(samples[i].input)).reduce((sum, p, c) => sum + (p - samples[i].output[c]) ** 2, 0) / CLASSES
        return Array.from({ length: batch }, (_, i) => error(i)).reduce((a, b) => a + b, 0) / batch
      },
    }
  },
}
