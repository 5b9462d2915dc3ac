// jax-js on WebAssembly: the first prediction of the worked example.
import { defaultDevice, init, nn, numpy as np } from '@jax-js/jax'
import { image, say, SIZES, weights } from './inputs.mjs'

globalThis.Worker = undefined
await init('wasm')
defaultDevice('wasm')
const array = ({ data, shape }) => np.array(data).reshape(shape)
const layer = (h, i) => {
  const z = np.matmul(h, array(weights[2 * i])).add(array(weights[2 * i + 1]))
  return i < SIZES.length - 2 ? nn.relu(z) : nn.softmax(z)
}
say(SIZES.slice(1).reduce((h, _, i) => layer(h, i), array({ data: image, shape: [1, SIZES[0]] })).dataSync())
