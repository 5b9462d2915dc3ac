// Minutes of starting, aborting and killing lanes at random, by a seed: every training must end with the bits of one lane, or, where a lane was
// killed while it was needed, say so and leave the bits of the last completed step. Nothing may hang or stay behind.
//   npm run build && node test/verify/lanes.mjs [minutes, 10] [seed, 1]
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import workerThreads from 'node:worker_threads'

const [minutes, seed] = [Number(process.argv[2] ?? 10), Number(process.argv[3] ?? 1)]

// Workers are watched, to be killed.
const started = []
class Watched extends workerThreads.Worker { constructor(...args) { super(...args); started.push(this) } }
workerThreads.Worker = Watched
const { adam, createStore, conv2d, dense, dropout, flatten, lstm, maxPool2d, reshape, RuntimeError, sequential, sgd, sparseCategoricalCrossentropy } = await import('../../dist/index.js')

/** Numbers in [0, 1) by a linear congruential generator (Numerical Recipes' constants). */
let state = seed >>> 0
const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32 }
const among = (from, to) => from + Math.floor(random() * (to - from + 1))

const N = 300, WIDTH = 64
const x = Float32Array.from({ length: N * WIDTH }, () => random() * 2 - 1)
const y = Int32Array.from({ length: N }, () => among(0, 4))
const nets = {
  dense: () => [dense(256, { activation: 'relu' }), dropout(0.2), dense(96, { activation: 'tanh' }), dense(5)],
  conv: () => [reshape([8, 8, 1]), conv2d(12, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(16, 3), flatten(), dense(5)],
  recurrent: () => [reshape([16, 4]), lstm(40, { returnSequences: true }), lstm(24), dense(5)],
}

/** A training of `steps` steps; how it ended. */
async function train({ net, lanes, batchSize, shards, steps, kill }) {
  const store = createStore({ lanes })
  store.patience = 400
  store.worth = { call: 0, program: 0 }
  const model = sequential(nets[net](), { input: [WIDTH], seed: 3, store }).compile({ optimizer: shards === 1 ? adam() : sgd({ learningRate: 0.05, momentum: 0.9 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }), shards })
  const abort = new AbortController()
  const timer = kill === null || lanes === 1 ? null : setTimeout(() => { void started[kill.worker % Math.max(1, started.length)]?.terminate() }, kill.delay)
  let failed = null
  const options = { epochs: 100, batchSize, signal: abort.signal, callbacks: [{ onBatchEnd: ({ step, stop }) => { if (step >= steps) { stop(); abort.abort() } } }] }
  try {
    await model.fit(x, y, options)
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error
    failed = error.message
  }
  clearTimeout(timer)
  const hash = createHash('sha256')
  for (const { data } of Object.values(model.getWeights())) hash.update(data)
  const result = { hash: hash.digest('hex'), step: model.step, failed, lanes: store.runtime.lanes }
  store[Symbol.dispose]()
  started.length = 0
  return result
}

const threads = () => readdirSync('/proc/self/task').length
const tally = {}
const end = performance.now() + minutes * 60_000
await train({ net: 'dense', lanes: 2, batchSize: 50, shards: 1, steps: 2, kill: null })
await new Promise((resolve) => { setTimeout(resolve, 500) })
const usual = threads()
while (performance.now() < end) {
  const plan = { net: Object.keys(nets)[among(0, 2)], lanes: among(2, 6), batchSize: among(3, 120), shards: among(1, 3), steps: among(1, 12), kill: random() < 0.5 ? { worker: among(0, 4), delay: among(0, 60) } : null }
  const watch = setTimeout(() => { console.error(`hangs: ${JSON.stringify(plan)}`); process.exit(1) }, 60_000)
  const got = await train(plan)
  clearTimeout(watch)
  const broken = got.failed?.includes('half updated') === true
  // What one lane has after as many steps.
  const want = got.step === 0 ? null : await train({ ...plan, lanes: 1, steps: got.step, kill: null })
  if (!broken && want !== null && got.hash !== want.hash) throw new Error(`expected ${JSON.stringify(want)}, got ${JSON.stringify(got)} of ${JSON.stringify(plan)}`)
  if (got.failed === null && got.step !== plan.steps) throw new Error(`expected ${plan.steps} steps, got ${JSON.stringify(got)} of ${JSON.stringify(plan)}`)
  const kind = `${plan.net}${plan.kill === null ? '' : ', killed'}`
  tally[kind] ??= { rounds: 0, 'to the end on lanes': 0, 'to the end on one': 0, 'said so': 0, 'half updated, said so': 0 }
  tally[kind].rounds++
  tally[kind][broken ? 'half updated, said so' : got.failed !== null ? 'said so' : got.lanes > 1 ? 'to the end on lanes' : 'to the end on one']++
}
await new Promise((resolve) => { setTimeout(resolve, 1000) })
if (threads() > usual) throw new Error(`expected ${usual} threads at the end, got ${threads()}: lanes stayed behind`)
console.log(`seed ${seed}: no hang, no wrong bit, no thread left behind`)
console.table(tally)
