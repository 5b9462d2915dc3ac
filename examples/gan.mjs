// A small GAN on the built-in digits: a generator and a discriminator, two optimizers, steps in turn.
//   npm run build && node examples/gan.mjs
import { adam, add, createStore, dense, mean, neg, sequential, softplus, step } from 'equigrad'
import { digits, shuffled } from 'equigrad/data'

const NOISE = 32

/** Numbers in [−1, 1) from the package's own permutation: the same on every machine. */
function noise(rows, seed) {
  const order = shuffled(rows * NOISE, seed)
  return Float32Array.from(order, (i) => (2 * i) / order.length - 1)
}

/**
 * @param options - `steps`, `batch`, `samples`: how long, how many at once, of how many digits; `log`: where lines go
 * @returns the generator, and the last losses of both
 */
export async function run({ steps = 2500, batch = 64, samples = 4000, log = console.log } = {}) {
  const { images } = digits({ samples, seed: 1 })
  const store = createStore()
  const generator = sequential([dense(128, { activation: 'relu' }), dense(784, { activation: 'sigmoid' })], { input: [NOISE], name: 'generator', seed: 1, store })
  const discriminator = sequential([dense(128, { activation: 'relu' }), dense(1)], { input: [784], name: 'discriminator', seed: 2, store })

  // softplus(−logit) is the loss of saying "real", softplus(logit) that of saying "made" (Goodfellow et al., 2014, the non-saturating form).
  const judge = step([generator, discriminator], { z: [NOISE], real: { shape: [784], dtype: 'u8', scale: 1 / 255 } }, ({ z, real }) => {
    const loss = add(mean(softplus(neg(discriminator.call(real)))), mean(softplus(discriminator.call(generator.call(z)))))
    return { loss, update: adam({ learningRate: 1e-3, beta1: 0.5 }).minimize(loss, discriminator.weights) }
  })
  const make = step([generator, discriminator], { z: [NOISE] }, ({ z }) => {
    const loss = mean(softplus(neg(discriminator.call(generator.call(z)))))
    return { loss, update: adam({ learningRate: 1e-3, beta1: 0.5 }).minimize(loss, generator.weights) }
  })

  let losses = { judged: NaN, made: NaN }
  for (let i = 0; i < steps; i++) {
    const order = shuffled(samples, i).subarray(0, batch)
    const real = Uint8Array.from({ length: batch * 784 }, (_, k) => images[order[Math.floor(k / 784)] * 784 + (k % 784)])
    const judged = await judge({ z: noise(batch, 2 * i), real })
    const made = await make({ z: noise(batch, 2 * i + 1) })
    losses = { judged: judged.loss, made: made.loss }
    if ((i + 1) % Math.max(1, Math.floor(steps / 10)) === 0) log(`step ${i + 1}  discriminator ${judged.loss.toFixed(3)}  generator ${made.loss.toFixed(3)}`)
  }
  const drawn = await generator.predict(noise(4, 123456))
  for (let y = 0; y < 28; y += 2) {
    log(Array.from({ length: 4 }, (_, s) => Array.from({ length: 28 }, (_, x) => ' .:-=+*#%@'[Math.min(9, Math.floor(drawn.data[s * 784 + y * 28 + x] * 10))]).join('')).join('  '))
  }
  return { generator, losses }
}

if (process.argv[1] === import.meta.filename) await run()
