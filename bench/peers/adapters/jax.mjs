// jax-js on its WebAssembly backend, one thread: a whole step, Adam within, is one jitted function; every step's results are waited for, since
// results that pile up unread make it ten times slower.
import { batchesOf, CLASSES, oneHot, operands, PIXELS, rowsOf } from '../data.mjs'

/** @type {import('../rounds.mjs').Adapter} */
export default {
  id: 'jax-js',
  setup: async (workload, data) => {
    // Where there are workers and shared memory it would take more threads.
    globalThis.Worker = undefined
    const jax = await import('@jax-js/jax')
    await jax.init('wasm')
    jax.defaultDevice('wasm')
    const { kind } = workload
    return kind === 'train' ? training(jax, workload, data) : kind === 'predict' ? prediction(jax, workload, data) : product(jax, workload.product)
  },
}

const array = ({ numpy: np }, data, shape) => np.array(Float32Array.from(data)).reshape(shape)
/** Kernels of convolutions as jax-js has them, [out, in, rows, columns]. */
const weightsOf = (jax, weights) => weights.map(({ data, shape }) => (shape.length === 4 ? jax.numpy.transpose(array(jax, data, shape), [3, 2, 0, 1]) : array(jax, data, shape)))

/** Logits; takes `weights` and `x`. Images are [n, channels, rows, columns]. */
const logits = ({ numpy: np, nn, lax }, { parts }, weights, x) => parts.reduce((h, part, i) => {
  const [kernel, bias] = [weights[2 * i], weights[2 * i + 1]]
  if (part.kind === 'dense') {
    const flat = parts[i - 1]?.kind === 'conv' ? np.transpose(h, [0, 2, 3, 1]).reshape([-1, part.from]) : h
    const z = np.matmul(flat, kernel).add(bias)
    return i < parts.length - 1 ? nn.relu(z) : z
  }
  const image = i === 0 ? h.reshape([-1, 1, part.size, part.size]) : h
  const y = nn.relu(lax.convGeneralDilated(image, kernel, [1, 1], 'SAME').add(bias.reshape([1, part.to, 1, 1])))
  return np.max(y.reshape([-1, part.to, part.size / 2, 2, part.size / 2, 2]), [3, 5])
}, x)

function training(jax, { network, batch }, data) {
  const { numpy: np, nn, jit, valueAndGrad, tree } = jax
  const batches = batchesOf(data, batch).map(({ x, y }) => [array(jax, x, [batch, PIXELS]), array(jax, oneHot(y), [batch, CLASSES])])
  const lossOf = (weights, x, y) => np.mean(np.sum(nn.logSoftmax(logits(jax, network, weights, x)).mul(y), -1)).mul(-1)
  const step = jit((weights, m, v, x, y, rate, correction) => {
    const [loss, gradients] = valueAndGrad(lossOf)(tree.ref(weights), x, y)
    const moments = m.map((mean, i) => mean.mul(0.9).add(gradients[i].ref.mul(0.1)))
    const squares = v.map((mean, i) => mean.mul(0.999).add(np.square(gradients[i]).mul(0.001)))
    const next = weights.map((w, i) => w.sub(moments[i].ref.mul(rate.ref).div(np.sqrt(squares[i].ref.mul(correction.ref)).add(1e-7))))
    rate.dispose()
    correction.dispose()
    return [next, moments, squares, loss]
  })
  const only = jit(lossOf)
  let weights = weightsOf(jax, data.first[network.name])
  let m = weights.map(({ shape }) => np.zeros(shape)), v = weights.map(({ shape }) => np.zeros(shape))
  let done = 0
  const scalar = (x) => np.array(new Float32Array([x]))
  return {
    run: async (n) => {
      for (let i = 0; i < n; i++) {
        const [x, y] = batches[done++ % batches.length]
        let loss
        ;[weights, m, v, loss] = step(weights, m, v, x.ref, y.ref, scalar(0.001 / (1 - 0.9 ** done)), scalar(1 / (1 - 0.999 ** done)))
        await jax.blockUntilReady([weights, m, v, loss])
        loss.dispose()
      }
    },
    loss: () => { const [x, y] = batches[0]; return only(tree.ref(weights), x.ref, y.ref).dataSync()[0] },
  }
}

function prediction(jax, { network, batch }, data) {
  const weights = weightsOf(jax, data.trained)
  const net = jax.jit((w, x) => jax.nn.softmax(logits(jax, network, w, x)))
  const predict = (x, rows) => net(jax.tree.ref(weights), array(jax, x, [rows, PIXELS])).dataSync()
  const x = rowsOf(data, 0, batch)
  return { run: (n) => { for (let i = 0; i < n; i++) predict(x, batch) }, predict }
}

function product(jax, of) {
  const { form, m, n, k } = of
  const { numpy: np } = jax
  const { a, b } = operands(of)
  const [x, y] = [array(jax, a, form === 'tn' ? [k, m] : [m, k]), array(jax, b, form === 'nt' ? [n, k] : [k, n])]
  const multiply = jax.jit((p, q) => np.matmul(form === 'tn' ? np.transpose(p) : p, form === 'nt' ? np.transpose(q) : q))
  return {
    run: async (times) => { for (let i = 0; i < times; i++) { const c = await jax.blockUntilReady(multiply(x.ref, y.ref)); c.dispose() } },
    result: () => multiply(x.ref, y.ref).dataSync(),
  }
}
