// A gradient penalty: a net learns f(x) = |x| with slopes held near 1 (Gulrajani et al., Improved Training of Wasserstein GANs, 2017), by the
// gradient of the norm of a gradient.
//   npm run build && node examples/gradient-penalty.mjs
import { adam, add, affine, dense, gradients, mean, sequential, sqrt, square, step, sub, sum } from 'equigrad'

/**
 * @param options - `steps`, `weight` of the penalty, `log`
 * @returns the last loss and the mean deviation of the slopes from 1
 */
export async function run({ steps = 400, weight = 0.1, log = console.log } = {}) {
  const n = 64
  const x = Float32Array.from({ length: n }, (_, i) => (2 * i + 1) / n - 1)
  const y = x.map((v) => Math.abs(v))
  const net = sequential([dense(32, { activation: 'tanh' }), dense(32, { activation: 'tanh' }), dense(1)], { input: [1], seed: 1 })
  const train = step(net, { x: [1], y: [1] }, (v) => {
    const out = net.call(v.x)
    const [dx] = gradients(out, [v.x])
    const deviation = mean(square(affine(sqrt(affine(sum(square(dx), 1), 1, 1e-6)), 1, -1)))
    const loss = add(mean(square(sub(out, v.y))), affine(deviation, weight, 0))
    return { loss, deviation, update: adam({ learningRate: 0.005 }).minimize(loss, net.weights) }
  })
  let last = { loss: NaN, deviation: NaN }
  for (let i = 0; i < steps; i++) {
    last = await train({ x, y })
    if ((i + 1) % Math.max(1, Math.floor(steps / 5)) === 0) log(`step ${i + 1}  loss ${last.loss.toFixed(4)}  mean (|slope| − 1)² ${last.deviation.toFixed(4)}`)
  }
  return last
}

if (process.argv[1] === import.meta.filename) await run()
