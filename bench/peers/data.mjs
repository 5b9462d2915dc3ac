// Images, labels and weights: what every library is given. Runs in Node and in a page.
import { networks } from './workloads.mjs'

export const PIXELS = 784
export const CLASSES = 10
/** Steps of 128 samples that a pass over the data has. */
const STEPS = 60
const SAMPLES = STEPS * 128

/** @typedef {{ readonly data: Float32Array, readonly shape: readonly number[] }} Weight */
/** Kernel and bias of each part in turn. @typedef {readonly Weight[]} Weights */
/**
 * @typedef {{ readonly images: Uint8Array, readonly labels: Int32Array, readonly first: Readonly<Record<string, Weights>>, readonly trained: Weights | null }} Data
 * `images` [n, 784], 0 to 255; `labels` [n]; `first`: weights before training, by the network's name; `trained`: of the wide network, for predictions
 */

/** Numbers in [0, 1) that are the same everywhere. @param {number} seed */
export function uniform(seed) {
  let i = seed
  return () => {
    i = (i + 0x9e3779b9) | 0
    let x = Math.imul(i ^ (i >>> 16), 0x85ebca6b)
    x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return ((x ^ (x >>> 16)) >>> 8) / 2 ** 24
  }
}

/** Glorot's uniform kernels and zero biases. @param {import('./workloads.mjs').Network} network @returns {Weights} */
export function firstWeights({ parts }) {
  const next = uniform(1)
  return parts.flatMap((part) => {
    const area = part.kind === 'conv' ? 9 : 1
    const shape = part.kind === 'conv' ? [3, 3, part.from, part.to] : [part.from, part.to]
    const limit = Math.sqrt(6 / (area * (part.from + part.to)))
    return [{ data: Float32Array.from({ length: area * part.from * part.to }, () => (2 * next() - 1) * limit), shape }, { data: new Float32Array(part.to), shape: [part.to] }]
  })
}

/**
 * Digits; a fifth of the labels at random, so that gradients do not die into denormals, which slow some libraries by a third.
 * @param {typeof import('../../dist/data.js').digits} digits @returns {Data}
 */
export function makeData(digits) {
  const { images, labels } = digits({ samples: SAMPLES })
  const next = uniform(2)
  return {
    images, labels: Int32Array.from(labels, (label, i) => (i % 5 === 0 ? Math.floor(next() * CLASSES) : label)),
    first: Object.fromEntries(networks.map((network) => [network.name, firstWeights(network)])), trained: null,
  }
}

/** Rows as numbers from 0 to 1. @param {Data} data @param {number} from @param {number} count */
export const rowsOf = ({ images }, from, count) => Float32Array.from(images.subarray(from * PIXELS, (from + count) * PIXELS), (x) => x / 255)

/** The batches of a pass, as numbers. @param {Data} data @param {number} size */
export const batchesOf = (data, size) => Array.from({ length: Math.floor(data.labels.length / size) }, (_, i) => ({ x: rowsOf(data, i * size, size), y: data.labels.slice(i * size, (i + 1) * size) }))

/** [n, 10], 1 at the label. @param {Int32Array} labels */
export function oneHot(labels) {
  const y = new Float32Array(labels.length * CLASSES)
  labels.forEach((label, i) => { y[i * CLASSES + label] = 1 })
  return y
}

/** The operands of a product, as they are stored. @param {import('./workloads.mjs').Product} product */
export function operands({ m, n, k }) {
  const next = uniform(3)
  return { a: Float32Array.from({ length: m * k }, () => next() - 0.5), b: Float32Array.from({ length: k * n }, () => next() - 0.5) }
}
