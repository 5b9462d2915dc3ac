// Whether a library computed what was asked of it: without that its speed says nothing. A check throws, or says what it found.
import { CLASSES, rowsOf } from './data.mjs'
import { crossEntropy, element, predict } from './reference.mjs'

/** Of the loss before training: libraries differ in the last bits of f32 sums, not more. */
const FIRST_LOSS_TOLERANCE = 1e-3
/** What training must at least take off the loss while it warms up: with a rate of 0.001 a step takes off about a hundredth, at first. */
const LEAST_FALL = 0.05, LEAST_FALL_OF_A_STEP = 0.005
/** Of probabilities: sums of 784 f32 products of size below 1, through three layers. */
const PROBABILITY_TOLERANCE = 1e-4
const LEAST_INT8_AGREEMENT = 0.97
/** Of an element of a product of numbers below 1/2, over √k. */
const PRODUCT_TOLERANCE = 1e-5

/** Rows that predictions are compared on. */
export const CHECK_ROWS = 256

/** The loss of the first batch before training. @param {import('./workloads.mjs').Workload} workload @param {import('./data.mjs').Data} data */
export function firstLoss({ network, batch }, data) {
  return crossEntropy(predict(network, data.first[network.name], rowsOf(data, 0, batch), batch), data.labels.slice(0, batch))
}

/** @param {number} before @param {number} after - losses around the warm-up @param {number} steps - that it had @param {number | null} expected - of the first, or null where the library has another loss */
export function checkTraining(before, after, steps, expected) {
  if (expected !== null && !(Math.abs(before - expected) <= FIRST_LOSS_TOLERANCE * expected)) throw new Error(`its loss before training is ${before.toFixed(4)}, not ${expected.toFixed(4)}`)
  if (!(after <= before * (1 - Math.min(LEAST_FALL, LEAST_FALL_OF_A_STEP * steps)))) throw new Error(`its loss did not fall: ${before.toFixed(4)} to ${after.toFixed(4)} in ${steps} steps`)
  return `loss ${before.toFixed(3)} → ${after.toFixed(3)}${expected === null ? ' (its own)' : ''}`
}

/** @param {import('./workloads.mjs').Workload} workload @param {import('./data.mjs').Data} data @param {ArrayLike<number>} found [CHECK_ROWS, 10] */
export function checkPredictions({ network, int8 }, data, found) {
  const expected = predict(network, data.trained, rowsOf(data, 0, CHECK_ROWS), CHECK_ROWS)
  if (found.length !== expected.length) throw new Error(`it gave ${found.length} numbers, not ${expected.length}`)
  const worst = expected.reduce((most, p, i) => { const d = Math.abs(p - found[i]); return d <= most ? most : d }, 0)
  const best = (p, r) => { let b = 0; for (let j = 1; j < CLASSES; j++) if (p[r * CLASSES + j] > p[r * CLASSES + b]) b = j; return b }
  let agree = 0
  for (let r = 0; r < CHECK_ROWS; r++) if (best(expected, r) === best(found, r)) agree++
  if (int8 ? agree < LEAST_INT8_AGREEMENT * CHECK_ROWS : !(worst <= PROBABILITY_TOLERANCE)) throw new Error(`its predictions are others: ${agree} of ${CHECK_ROWS} classes agree, probabilities differ by ${worst.toExponential(1)}`)
  return int8 ? `${((100 * agree) / CHECK_ROWS).toFixed(1)} % of classes agree` : `differs by ${worst.toExponential(0)}`
}

/** @param {import('./workloads.mjs').Product} product @param {Float32Array} a @param {Float32Array} b @param {ArrayLike<number>} c [m, n] */
export function checkProduct(product, a, b, c) {
  const { m, n, k } = product
  if (c.length !== m * n) throw new Error(`it gave ${c.length} numbers, not ${m * n}`)
  let worst = 0
  for (let i = 0; i < 500; i++) {
    const at = (i * 7919 + (i % 3) * 31) % (m * n)
    worst = Math.max(worst, Math.abs(c[at] - element(product, a, b, Math.floor(at / n), at % n)))
  }
  if (!(worst <= PRODUCT_TOLERANCE * Math.sqrt(k))) throw new Error(`its product is another, by ${worst}`)
  return `differs by ${worst.toExponential(0)}`
}
