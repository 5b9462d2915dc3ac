// Models side by side: accuracy, bytes of the file, time of one sample, samples a second. Times are of this machine and moment, so the models
// take turns.
import { save, type AnyModel, type Tensor } from '../index.js'
import { count, percent, size } from './format.js'

interface Predicts extends AnyModel { predictSync(x: Uint8Array): Tensor }

export interface Compared {
  readonly name: string
  readonly accuracy: number
  /** of the file, without optimizer states */
  readonly bytes: number
  /** milliseconds of a prediction of one sample */
  readonly latency: number
  /** samples a second in batches of 64 */
  readonly throughput: number
}

const BATCH = 64
const ROUNDS = 9
/** Milliseconds that one round is to take. */
const ROUND = 20

/** Milliseconds of one run of `work`, after `runs` of them. */
function time(work: () => void, runs: number): number {
  const from = performance.now()
  for (let i = 0; i < runs; i++) work()
  return (performance.now() - from) / runs
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0

/**
 * Compares models on a test set.
 *
 * @param images - one after the other, `width` bytes each
 */
export function compare(models: Readonly<Record<string, Predicts>>, images: Uint8Array, labels: ArrayLike<number>, width: number): readonly Compared[] {
  const first = images.slice(0, width), some = images.slice(0, Math.min(BATCH, labels.length) * width)
  const works = Object.entries(models).map(([name, model]) => {
    const one = (): void => { model.predictSync(first) }, batch = (): void => { model.predictSync(some) }
    const predicted = model.predictSync(images).argMax()
    return {
      name, accuracy: predicted.filter((p, i) => p === labels[i]).length / labels.length, bytes: save(model, { training: false }).length,
      one, batch, runs: { one: Math.ceil(ROUND / Math.max(time(one, 3), 1e-3)), batch: Math.ceil(ROUND / Math.max(time(batch, 3), 1e-3)) }, ones: [] as number[], batches: [] as number[],
    }
  })
  for (let round = 0; round < ROUNDS; round++) {
    for (const w of works) { w.ones.push(time(w.one, w.runs.one)); w.batches.push(time(w.batch, w.runs.batch)) }
  }
  return works.map(({ name, accuracy, bytes, ones, batches }) => ({ name, accuracy, bytes, latency: median(ones), throughput: (1000 * some.length) / width / median(batches) }))
}

/** The comparison as a table. */
export function comparisonLines(rows: readonly Compared[]): readonly string[] {
  const table = [
    ['', 'accuracy', 'file', 'one sample', `batches of ${BATCH}`],
    ...rows.map(({ name, accuracy, bytes, latency, throughput }) => [name, percent(accuracy), size(bytes), `${(1000 * latency).toFixed(1)} µs`, `${count(throughput)} samples/s`]),
  ]
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...table.map((row) => (row[i] ?? '').length)))
  return table.map((row) => row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('   '))
}
