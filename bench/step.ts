// A whole training step (gather, forward, backward, Adam) as a share of the samples/s that the mul + add peak of the same moment allows, and
// where the time of a step goes.
import { accuracy, adam, createStore, sequential, sparseCategoricalCrossentropy, Value, type Compiled, type Loss } from '../src/index.js'
import { params } from '../src/model/model.js'
import { Executor } from '../src/runtime/executor.js'
import { layoutOf } from '../src/train/apply.js'
import { trainedParams } from '../src/train/recipe.js'
import { gradProgram, Trainer, WEIGHT } from '../src/train/trainer.js'
import { TrainableModel } from '../src/train/model.js'
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

export interface CallShare { readonly name: string; readonly microseconds: number }

/** Microseconds of each kernel call of a step, each call on its own, the warm values of the step before it in memory: the least of several rounds. */
export function profileStep(workload: Workload): readonly CallShare[] {
  const model: unknown = compiled(workload)
  if (!(model instanceof TrainableModel)) throw new Error('not a model of ours')
  const state = model.trainingState()
  if (state === null) throw new Error('not compiled')
  const { recipe } = state
  const store = createStore()
  store.declare(params(recipe.graph).map(({ key, shape, spec }) => ({ key, shape, init: spec.init, seed: 0, identity: spec })))
  const layout = layoutOf(trainedParams(recipe), recipe.optimizer)
  const { x, y } = samples(BATCH)
  const place = (data: Uint8Array | Int32Array): number => {
    const block = store.alloc(data.byteLength)
    store.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), block.address)
    return block.address
  }
  const addresses = new Map([['x', place(x)], ['labels:y', place(y)]])
  const dtypes = new Map([['x', 'u8'], ['labels:y', 'i32']] as const)
  const program = gradProgram(recipe, layout, { weighted: dtypes.has(WEIGHT as 'x'), dtypes, capacity: BATCH })
  const executor = new Executor(program, store, { seed: 0, grad: store.alloc(layout.bytes).address, sum: store.alloc(64).address })
  for (const [name, address] of addresses) executor.bindExternal(name, address)
  executor.bind(BATCH)
  executor.prepare()
  const inOrder = Int32Array.from({ length: BATCH }, (_, i) => i)
  store.i32(executor.input('$row'), BATCH).set(inOrder)
  executor.setF32('inverseDivisor', 1 / BATCH)
  // What a call reads may be overwritten later: the calls before it run again before each measurement.
  const calls = program.calls.map((call, i) => {
    const times: number[] = []
    for (let r = 0; r < 7; r++) {
      store.i32(executor.input('$row'), BATCH).set(inOrder)
      for (let j = 0; j < i; j++) executor.runTiles(j, 0, executor.tiles(j))
      times.push(secondsPerRound((rounds) => { for (let k = 0; k < rounds; k++) executor.runTiles(i, 0, executor.tiles(i)) }, 0.002))
    }
    return { name: `${call.kernel}${call.path === '' ? '' : ` @${call.path}`}`, microseconds: Math.min(...times) * 1e6 }
  })
  const trainer = new Trainer(recipe, store, 0)
  trainer.gradient({ addresses, dtypes }, { rows: inOrder, samples: inOrder }, BATCH)
  const apply = Math.min(...Array.from({ length: 7 }, () => secondsPerRound((rounds) => { for (let k = 0; k < rounds; k++) trainer.apply() }, 0.005)))
  return [...calls, { name: 'apply (check, gate, f32_adam)', microseconds: apply * 1e6 }]
}

export function printStep({ name, flop }: Workload, result: StepResult, profile: readonly CallShare[]): string {
  const total = profile.reduce((sum, { microseconds }) => sum + microseconds, 0)
  const products = profile.reduce((sum, { name, microseconds }) => sum + (/^f32_(gemm|conv)( |$)/.test(name) ? microseconds : 0), 0)
  const percent = (x: number): string => `${(x * 100).toFixed(1)} %`
  const lines = [
    `${name}, Adam, batch ${BATCH}: ${(flop / 1e6).toFixed(2)} MFLOP a sample and step · ${machine()}`,
    `${Math.round(result.samplesPerSecond).toLocaleString('en-US')} samples/s = ${percent(result.share)} of what ${result.peak.toFixed(1)} GFLOP/s allow (${percent(result.spread[0])} to ${percent(result.spread[1])} over the rounds)`,
    '', 'where a step goes, each call on its own:',
    ...profile.map(({ name, microseconds }) => `  ${microseconds.toFixed(1).padStart(8)} µs ${percent(microseconds / total).padStart(7)}  ${name}`),
    `  ${total.toFixed(1).padStart(8)} µs          in kernels, each at its best; a step takes ${((BATCH / result.samplesPerSecond) * 1e6).toFixed(1)} µs, ${result.best.toFixed(1)} at its best, ${result.cpu.toFixed(1)} of the processor`,
    `  ${percent(1 - products / total).padStart(17)} of the kernels' time is neither matmul nor convolution`,
  ]
  return lines.join('\n')
}
