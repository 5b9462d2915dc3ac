// `equigrad bench`: how fast this machine trains and predicts, on one thread, in less than a minute; each f32 figure beside what the mul + add limit of
// the same moment allows.
import { adam, dense, sequential, sparseCategoricalCrossentropy } from '../index.js'
import { quantize } from '../compress/index.js'
import { digits } from '../data/index.js'
import { peakCandidates, type PeakCandidate } from '../runtime/peak.js'
import { secondsPerRound, spreadOf, warm, type Spread } from './clock.js'
import { count } from './format.js'
import { cpuName, runtimeName } from './host.js'
import type { Io } from './io.js'

export interface BenchOptions { readonly json: boolean; readonly rounds: number }

/** One line of the table. Rates are samples a second. */
export interface BenchRow {
  readonly name: string
  readonly rate: Spread
  /** of what the mul + add limit allows, 0 to 1; null for integers */
  readonly share: number | null
}

const PIXELS = 784
const BATCH = 128
const SAMPLES = 30 * BATCH
/** Seconds: of a round, of a warm-up, of a way to measure the limit. */
const ROUND = 0.6, PREDICT_ROUND = 0.2, WARM = 0.6, PEAK = 0.004
const EXAMPLE = [64, 64, 10], WIDE = [512, 512, 10]
/** Exit code of what Ctrl-C stopped: 128 + SIGINT. */
const STOPPED = 130

/** Digits; a fifth of the labels at random, so that gradients do not die away. */
function samples(): { readonly x: Uint8Array; readonly y: Int32Array } {
  const { images, labels } = digits({ samples: SAMPLES })
  return { x: images, y: Int32Array.from(labels, (label, i) => (i % 5 === 0 ? (Math.imul(i + 7, 0x85ebca6b) >>> 8) % 10 : label)) }
}

const layersOf = (units: readonly number[]) => units.map((n, i) => dense(n, { activation: i < units.length - 1 ? 'relu' : 'softmax' }))
const modelOf = (units: readonly number[]) => sequential(layersOf(units), { input: { shape: [PIXELS], dtype: 'u8', scale: 1 / 255 } })
const nameOf = (units: readonly number[]): string => [PIXELS, ...units].join('-')

/** f32 operations of a sample: forward, and while training both backward products, of the first layer the gradient by its weights alone. */
function operations(units: readonly number[], training: boolean): number {
  return units.reduce((sum, to, i) => sum + 2 * to * (units[i - 1] ?? PIXELS) * (training ? (i === 0 ? 2 : 3) : 1), 0)
}

/** The limit in operations a second, of this moment. */
const peakOf = (candidates: readonly PeakCandidate[]): number => Math.max(...candidates.map(({ operations: n, run }) => n / secondsPerRound(run, PEAK)))

/** Rounds of training, the limit measured before and after each. */
async function trainRow(units: readonly number[], candidates: readonly PeakCandidate[], rounds: number, signal: AbortSignal): Promise<BenchRow> {
  const { x, y } = samples()
  const model = modelOf(units).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  const pass = async (seconds: number): Promise<number> => {
    const from = performance.now()
    let seen = 0
    do { await model.fit(x, y, { epochs: 1, batchSize: BATCH, signal }); seen += SAMPLES } while (performance.now() - from < 1000 * seconds && !signal.aborted)
    return (1000 * seen) / (performance.now() - from)
  }
  await pass(WARM)
  const rates: number[] = [], shares: number[] = []
  for (let r = 0; r < rounds && !signal.aborted; r++) {
    const before = peakOf(candidates)
    const rate = await pass(ROUND)
    rates.push(rate)
    shares.push((2 * rate * operations(units, true)) / (before + peakOf(candidates)))
  }
  return { name: `training ${nameOf(units)}, Adam, batch ${BATCH}`, rate: spreadOf(rates), share: spreadOf(shares).median }
}

/** Rounds of predictions in f32 and int8, in turn. */
async function predictRows(units: readonly number[], batch: number, candidates: readonly PeakCandidate[], rounds: number, signal: AbortSignal): Promise<readonly BenchRow[]> {
  const { x } = samples()
  const f32 = modelOf(units)
  const int8 = await quantize(f32, { calibration: x.subarray(0, 1000 * PIXELS) })
  const rows = x.slice(0, batch * PIXELS)
  const measured = [f32, int8].map((model) => ({ run: (n: number): void => { for (let i = 0; i < n; i++) model.predictSync(rows) }, rates: [] as number[], shares: [] as number[] }))
  for (const { run } of measured) warm(() => { run(1) }, WARM)
  for (let r = 0; r < rounds && !signal.aborted; r++) {
    for (const { run, rates, shares } of measured) {
      const limit = peakOf(candidates)
      const rate = batch / secondsPerRound(run, PREDICT_ROUND)
      rates.push(rate)
      shares.push((rate * operations(units, false)) / limit)
    }
    // Ctrl-C is heard between rounds.
    await new Promise((resolve) => { setTimeout(resolve) })
  }
  const [plain, small] = measured
  const name = `prediction ${nameOf(units)}, batch ${batch}`
  return [
    { name: `${name}, f32`, rate: spreadOf(plain?.rates ?? []), share: spreadOf(plain?.shares ?? []).median },
    { name: `${name}, int8 (${int8.runtime.int8.path} SIMD)`, rate: spreadOf(small?.rates ?? []), share: null },
  ]
}

/** @returns the exit code */
export async function bench({ json, rounds }: BenchOptions, version: string, io: Io): Promise<number> {
  const say = (text: string): void => { if (!json) io.out.write(`${text}\n`) }
  const candidates = peakCandidates()
  for (const { run } of candidates) warm(() => { run(100) }, 0.1)
  const rows: BenchRow[] = []
  say(`equigrad ${version}, one thread, ${cpuName()}, ${runtimeName()}`)
  say(`limit of mul + add: ${(peakOf(candidates) / 1e9).toFixed(1)} GFLOP/s; medians of ${rounds} rounds\n`)
  say(lineOf('samples/s', 'range', 'of the limit', ''))
  const put = (found: readonly BenchRow[]): void => { for (const row of found) { if (io.signal.aborted) return; rows.push(row); say(textOf(row)) } }
  for (const units of [EXAMPLE, WIDE]) if (!io.signal.aborted) put([await trainRow(units, candidates, rounds, io.signal)])
  for (const batch of [1, 64]) if (!io.signal.aborted) put(await predictRows(WIDE, batch, candidates, rounds, io.signal))
  if (json) io.out.write(`${JSON.stringify({ version, processor: cpuName(), runtime: runtimeName(), threads: 1, peak: peakOf(candidates), rows })}\n`)
  return io.signal.aborted ? STOPPED : 0
}

const lineOf = (rate: string, range: string, share: string, name: string): string => `${rate.padStart(10)}  ${range.padStart(20)}  ${share.padStart(12)}  ${name}`.trimEnd()
const textOf = ({ name, rate, share }: BenchRow): string =>
  lineOf(count(rate.median), `${count(rate.min)} to ${count(rate.max)}`, share === null ? '' : `${(100 * share).toFixed(0)} %`, name)
