// What is measured: networks, batches, products. Plain data, the same for every library.

/** @typedef {{ readonly kind: 'dense', readonly from: number, readonly to: number } | { readonly kind: 'conv', readonly size: number, readonly from: number, readonly to: number }} Part */
/**
 * A network on 28×28 images. Dense layers have relu, the last softmax; a convolution is 3×3 with 'same' padding and relu, then a pool of 2×2.
 * @typedef {{ readonly name: string, readonly parts: readonly Part[] }} Network
 */

/** @param {...number} units @returns {Network} */
const dense = (...units) => ({ name: units.join('-'), parts: units.slice(1).map((to, i) => ({ kind: 'dense', from: units[i], to })) })

export const example = dense(784, 64, 64, 10)
export const wide = dense(784, 512, 512, 10)
/** @type {Network} */
export const cnn = {
  name: 'conv16-conv32-10',
  parts: [{ kind: 'conv', size: 28, from: 1, to: 16 }, { kind: 'conv', size: 14, from: 16, to: 32 }, { kind: 'dense', from: 7 * 7 * 32, to: 10 }],
}
export const networks = [example, wide, cnn]

/** C = A·B. `nn`: A [m, k], B [k, n]. `tn`: A is stored [k, m] (a gradient of weights). `nt`: B is stored [n, k] (a gradient of an input). */
/** @typedef {{ readonly form: 'nn' | 'tn' | 'nt', readonly m: number, readonly n: number, readonly k: number, readonly fixed: boolean }} Product */

const SIZES = [[128, 512, 784], [256, 256, 256], [512, 512, 512], [1024, 1024, 1024], [1, 512, 784]]
/** @type {readonly Product[]} */
const products = [
  ...SIZES.map(([m, n, k]) => ({ form: 'nn', m, n, k, fixed: true })),
  ...['nn', 'tn', 'nt'].flatMap((form) => SIZES.map(([m, n, k]) => ({ form, m, n, k, fixed: false }))),
]
/** `128×512×784 nn`, `… nn, B fixed`: B is a constant, which a library may pack once. @param {Product} p */
const productName = ({ form, m, n, k, fixed }) => `${m}×${n}×${k} ${form}${fixed ? ', B fixed' : ''}`

/**
 * One thing that is raced. `part`: what `--only` picks. `unit` counts what a second holds; `each`: units of one run.
 * @typedef {{ readonly id: string, readonly part: string, readonly title: string, readonly kind: 'train' | 'predict' | 'product', readonly unit: string, readonly each: number,
 *   readonly network?: Network, readonly batch?: number, readonly int8?: boolean, readonly product?: Product, readonly lanes?: boolean }} Workload
 */
/** @type {(id: string, title: string, network: Network, more?: object) => Workload} */
const training = (id, title, network, more = {}) => ({ id, part: id, title: `training ${title}, Adam, batch 128`, kind: 'train', unit: 'samples/s', each: 128, batch: 128, network, ...more })
/** @type {(part: string, batch: number, int8: boolean, more?: object) => Workload} */
const prediction = (part, batch, int8, more = {}) => ({
  id: `${part} batch ${batch}`, part, title: `prediction ${wide.name}, ${int8 ? 'int8' : 'f32'}, batch ${batch}${'lanes' in more ? ', one thread and two' : ''}`, kind: 'predict', unit: 'samples/s', each: batch, batch, network: wide, int8, ...more,
})

/** @type {readonly Workload[]} */
export const workloads = [
  training('W1', `${example.name} (the worked example)`, example),
  training('W2', wide.name, wide),
  training('W3', 'a small CNN (3×3×16, pool, 3×3×32, pool, dense 10)', cnn),
  prediction('W4', 1, false), prediction('W4', 64, false), prediction('W5', 1, true), prediction('W5', 64, true),
  ...products.map((product) => ({
    id: `W6 ${productName(product)}`, part: 'W6', title: `product m×n×k ${productName(product)}`, kind: 'product', unit: 'GFLOP/s', each: (2 * product.m * product.n * product.k) / 1e9, product,
  })),
  training('W9 W1', `${example.name}, one lane and two`, example, { part: 'W9', lanes: true }),
  training('W9 W2', `${wide.name}, one lane and two`, wide, { part: 'W9', lanes: true }),
  training('W9 W3', 'the small CNN, one lane and two', cnn, { part: 'W9', lanes: true }),
  prediction('W9', 256, false, { lanes: true }),
]

/** The parts that are not races of rounds. */
export const otherParts = { W7: 'size and cold start', W8: 'memory', steady: 'speed over 5 000 steps' }
