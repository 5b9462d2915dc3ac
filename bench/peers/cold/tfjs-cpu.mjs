// TensorFlow.js, its core and the cpu backend alone: the first prediction of the worked example.
import * as tf from '@tensorflow/tfjs-core'
import '@tensorflow/tfjs-backend-cpu'
import { image, say, SIZES, weights } from './inputs.mjs'


await tf.setBackend('cpu')
const kernels = weights.map(({ data, shape }) => tf.tensor(data, shape))
const layer = (h, i) => tf.fused.matMul({ a: h, b: kernels[2 * i], bias: kernels[2 * i + 1], activation: i < SIZES.length - 2 ? 'relu' : 'linear' })
say(tf.softmax(SIZES.slice(1).reduce((h, _, i) => layer(h, i), tf.tensor2d(image, [1, SIZES[0]]))).dataSync())
