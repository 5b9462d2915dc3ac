// A whole training step (gather, forward, backward, Adam) as a share of the samples/s that the mul + add peak of the same moment allows, and
// where the time of a step goes.
import { accuracy, adam, createStore, sequential, sparseCategoricalCrossentropy, Value, type Compiled, type Loss } from '../src/index.js'
import { params } from '../src/model/model.js'
import { Executor } from '../src/runtime/executor.js'
import { layoutOf } from '../src/train/apply.js'
import { trainedParams } from '../src/train/recipe.js'
import { gradProgram, WEIGHT } from '../src/train/trainer.js'
import { Updater } from '../src/train/update.js'
import { TrainableModel } from '../src/train/model.js'
import { Calls } from '../test/support/calls.js'
import { machine, median, secondsPerRound, type Roofline } from './roofline.js'
import type { Workload } from './workloads.js'

export const BATCH = 128

/** Images of noise, a fifth of the labels at random, so that gradients do not die into denormals. */
export function samples(n: number): { readonly x: Uint8Array; readonly y: Int32Array } {
  const x = Uint8Array.from({ length: n * 784 }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 24) * (i % 3 === 0 ? 1 : 0))
  const y = Int32Array.from({ length: n }, (_, i) => (i % 5 === 0 ? Math.imul(i + 7, 0x85ebca6b) >>> 8 : (x[i * 784 + 3] ?? 0) >> 5) % 10)
  return { x, y }
}

export const compiled = ({ layers }: Workload, lanes = 1): Compiled<Value, Value, Loss<Int32Array | Uint8Array | readonly number[]>, readonly [ReturnType<typeof accuracy>]> =>
  sequential(layers(), { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, lanes })
    .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })

/** Epochs of a round: what `fit` does once, a copy of the data and their first order, is little beside them. */
const EPOCHS = 4

/** `cpu`: processor microseconds of a step, `best`: the least microseconds of a step by the clock. */
export interface StepResult { readonly samplesPerSecond: number; readonly share: number; readonly peak: number; readonly spread: readonly [number, number]; readonly best: number; readonly cpu: number }

/** Medians over rounds in which the peak is measured before and after the training. */
export async function benchStep(roofline: Roofline, workload: Workload, rounds = 9): Promise<StepResult> {
  const model = compiled(workload)
  const count = BATCH * workload.steps
  const { x, y } = samples(count)
  await model.fit(x, y, { epochs: 3, batchSize: BATCH })
  const [shares, rates, peaks, steps, cpu]: [number[], number[], number[], number[], number[]] = [[], [], [], [], []]
  for (let r = 0; r < rounds; r++) {
    const before = roofline.peak(0.004).rate
    const used = process.cpuUsage(), from = performance.now()
    await model.fit(x, y, { epochs: EPOCHS, batchSize: BATCH })
    const seconds = (performance.now() - from) / 1000, { user, system } = process.cpuUsage(used)
    const rate = (count * EPOCHS) / seconds
    const peak = (before + roofline.peak(0.004).rate) / 2
    rates.push(rate)
    peaks.push(peak)
    shares.push((rate * workload.flop) / (peak * 1e9))
    steps.push((seconds * 1e6) / (workload.steps * EPOCHS))
    cpu.push((user + system) / (workload.steps * EPOCHS))
  }
  return { samplesPerSecond: median(rates), share: median(shares), peak: median(peaks), spread: [Math.min(...shares), Math.max(...shares)], best: Math.min(...steps), cpu: median(cpu) }
}

/** Microseconds of a call: `alone`, again and again on what is in the caches, the least of several rounds; `inOrder`, within whole steps one after the other, the median. */
export interface CallShare { readonly name: string; readonly alone: number; readonly inOrder: number }

/** Seconds that steps are timed call by call. */
const IN_ORDER_SECONDS = 1.5

/** Microseconds of each kernel call of a step. */
export function profileStep(workload: Workload): readonly CallShare[] {
  const model: unknown = compiled(workload)
  if (!(model instanceof TrainableModel)) throw new Error('not a model of ours')
  const state = model.trainingState()
  if (state === null) throw new Error('not compiled')
  const { recipe } = state
  const store = createStore()
  store.declare(params(recipe.graph).map(({ key, shape, spec }) => ({ key, shape, init: spec.init, seed: 0, identity: spec })))
  const layout = layoutOf(trainedParams(recipe), recipe.optimizer)
  const count = BATCH * workload.steps
  const { x, y } = samples(count)
  const place = (data: Uint8Array | Int32Array): number => {
    const block = store.alloc(data.byteLength)
    store.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), block.address)
    return block.address
  }
  const addresses = new Map([['x', place(x)], ['labels:y', place(y)]])
  const dtypes = new Map([['x', 'u8'], ['labels:y', 'i32']] as const)
  const program = gradProgram(recipe, layout, { weighted: dtypes.has(WEIGHT as 'x'), dtypes, capacity: BATCH })
  const updater = new Updater(layout, 1 + recipe.measured.length, store, 0)
  const executor = new Executor(program, store, { seed: 0, grad: updater.grad.address, sum: updater.sums.address })
  for (const [name, address] of addresses) executor.bindExternal(name, address)
  executor.bind(BATCH)
  executor.prepare()
  /** rows of the data in an order that no cache foresees, other ones for each step: 7919 is a prime */
  const chooseRows = (step: number): void => { store.i32(executor.input('$row'), BATCH).forEach((_, i, rows) => { rows[i] = ((step * BATCH + i) * 7919) % count }) }
  executor.setF32('inverseDivisor', 1 / BATCH)
  let step = 0
  const apply = (): void => {
    if (store.atOnce('apply', () => updater.work({ step, t: step + 1, scale: 1 }, BATCH)).ok) step++
  }
  const calls = new Calls(executor, store).all.map(({ run }) => () => { run() })
  // What a call reads may be overwritten later: the calls before it run again before each measurement.
  const alone = calls.map((call, i) => Math.min(...Array.from({ length: 7 }, () => {
    chooseRows(0)
    for (const before of calls.slice(0, i)) before()
    return secondsPerRound((rounds) => { for (let k = 0; k < rounds; k++) call() }, 0.002)
  })))
  const all = [...calls, apply]
  const times: number[][] = all.map(() => [])
  for (const end = performance.now() + IN_ORDER_SECONDS * 1000; performance.now() < end;) {
    chooseRows(step)
    all.forEach((call, i) => {
      const from = performance.now()
      call()
      times[i]?.push(performance.now() - from)
    })
  }
  // Last: the same gradient applied a thousand times drives the weights off, and what is computed of them into denormals.
  const applyAlone = Math.min(...Array.from({ length: 7 }, () => secondsPerRound((rounds) => { for (let k = 0; k < rounds; k++) apply() }, 0.005)))
  const names = [...program.calls.map(({ kernel, path }) => `${kernel}${path === '' ? '' : ` @${path}`}`), 'apply (check, gate, f32_adam)']
  return names.map((name, i) => ({ name, alone: (alone[i] ?? applyAlone) * 1e6, inOrder: median(times[i] ?? []) * 1e3 }))
}

export function printStep({ name, flop }: Workload, result: StepResult, profile: readonly CallShare[]): string {
  const sum = (of: 'alone' | 'inOrder', which = /./): number => profile.reduce((total, call) => total + (which.test(call.name) ? call[of] : 0), 0)
  const total = sum('inOrder'), products = sum('inOrder', /^f32_(gemm|conv)( |$)/)
  const percent = (x: number): string => `${(x * 100).toFixed(1)} %`
  const lines = [
    `${name}, Adam, batch ${BATCH}: ${(flop / 1e6).toFixed(2)} MFLOP a sample and step · ${machine()}`,
    `${Math.round(result.samplesPerSecond).toLocaleString('en-US')} samples/s = ${percent(result.share)} of what ${result.peak.toFixed(1)} GFLOP/s allow (${percent(result.spread[0])} to ${percent(result.spread[1])} over the rounds)`,
    '', 'where a step goes, each call on its own | in the order of a step, by the clock around each:',
    ...profile.map(({ name, alone, inOrder }) => `  ${alone.toFixed(1).padStart(8)} | ${inOrder.toFixed(1).padStart(8)} µs ${percent(inOrder / total).padStart(7)}  ${name}`),
    `  ${sum('alone').toFixed(1).padStart(8)} | ${total.toFixed(1).padStart(8)} µs in kernels; a step takes ${((BATCH / result.samplesPerSecond) * 1e6).toFixed(1)} µs, ${result.best.toFixed(1)} at its best, ${result.cpu.toFixed(1)} of the processor`,
    `  ${percent(1 - products / total).padStart(19)} of the kernels' time in a step is neither matmul nor convolution`,
  ]
  return lines.join('\n')
}
