// One library on one workload, from set-up to rounds: the same in a process of its own and in a page.
import { CHECK_ROWS, checkPredictions, checkProduct, checkTraining, firstLoss } from './checks.mjs'
import { operands, rowsOf } from './data.mjs'

/**
 * What an adapter sets up. `run(n)`: n steps, predictions or products, done when it returns or its promise is kept.
 * @typedef {{ run(n: number): void | Promise<void>, loss?(): number | Promise<number>, ownLoss?: boolean, predict?(x: Float32Array, rows: number): Float32Array | Promise<Float32Array>,
 *   result?(): Float32Array | Promise<Float32Array>, note?: string }} Subject
 */
/**
 * A library: one file in adapters/
 * @typedef {{ readonly id: string,
 *   setup(workload: import('./workloads.mjs').Workload, data: import('./data.mjs').Data, host: Host): Subject | Promise<Subject> }} Adapter
 * What differs between Node and a page: where a library's wasm files are, and threads or lanes.
 * @typedef {{ readonly wasm: (library: string) => string, readonly threads: number }} Host
 */
/** @typedef {{ readonly seconds: number, readonly cpuSeconds: number, readonly count: number }} Round `cpuSeconds` is NaN where no clock tells */

const WARM_SECONDS = 1
/** A library whose single run takes this long is warm after one. */
const SLOW_SECONDS = 1
const ROUND_SECONDS = { train: 0.35, predict: 0.15, product: 0.06 }

/**
 * Sets up, checks and warms up.
 * @param {Adapter} adapter @param {import('./workloads.mjs').Workload} workload @param {import('./data.mjs').Data} data @param {Host} host @param {() => number} cpu - seconds of processor time so far
 */
export async function prepare(adapter, workload, data, host, cpu) {
  const subject = await adapter.setup(workload, data, host)
  const clock = async (count) => {
    const [from, cpuFrom] = [performance.now(), cpu()]
    await subject.run(count)
    return { seconds: (performance.now() - from) / 1000, cpuSeconds: cpu() - cpuFrom, count }
  }
  const { kind } = workload
  let found = ''
  const before = kind === 'train' ? await subject.loss() : NaN
  if (kind === 'predict') found = checkPredictions(workload, data, await subject.predict(rowsOf(data, 0, CHECK_ROWS), CHECK_ROWS))
  if (kind === 'product') { const { a, b } = operands(workload.product); found = checkProduct(workload.product, a, b, await subject.result()) }
  const { count, runs } = await warmUp(clock, ROUND_SECONDS[kind], kind === 'product' ? WARM_SECONDS / 4 : WARM_SECONDS)
  if (kind === 'train') found = checkTraining(before, await subject.loss(), runs, subject.ownLoss ? null : firstLoss(workload, data))
  return { check: [found, subject.note].filter(Boolean).join('; '), /** @returns {Promise<Round>} */ round: () => clock(count) }
}

/** Runs until the engine's optimised code is in use; returns how many runs fill a round, and how many there were. */
async function warmUp(clock, roundSeconds, warmSeconds) {
  for (let count = 1, runs = 0, spent = 0; ;) {
    const { seconds } = await clock(count)
    spent += seconds
    runs += count
    const each = seconds / count
    if ((spent >= warmSeconds && runs > 1) || each > SLOW_SECONDS) return { count: Math.max(1, Math.round(roundSeconds / each)), runs }
    count = Math.max(1, Math.ceil(Math.min(count * 4, roundSeconds / each)))
  }
}
