// Minutes of starting, aborting and killing lanes at random, by a seed: every training must end with the bits of one lane, or, where a lane was
// killed while it was needed, say so and leave the bits of the last completed step. Nothing may hang or stay behind. Lanes are killed while they
// start, between two runs, or within one, also one that updates weights: before or after they compute a tile that they have claimed.
//   npm run build && node test/verify/lanes.mjs [minutes, 10] [seed, 1]
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import workerThreads from 'node:worker_threads'

const [minutes, seed] = [Number(process.argv[2] ?? 10), Number(process.argv[3] ?? 1)]

// Workers are watched, to be killed. Those that are to die within a run come to their kernels by way of JavaScript, which counts tiles down.
const started = []
/** Of the worker that is to die: tiles until then (0: never), 1 if before it computes the last one, has it died? */
const fate = new Int32Array(new SharedArrayBuffer(12))
const [TILES, BEFORE, DIED] = [0, 1, 2]
let fated = -1
/** (module (import "" "f" (func (param i32 i32 i32 i32))) (export "f" (func 0))): makes a function of JavaScript one that a table can hold. */
const MODULE = '0,97,115,109,1,0,0,0,1,8,1,96,4,127,127,127,127,0,2,6,1,0,1,102,0,0,7,5,1,1,102,0,0'
const COUNTED = `const wasm = new WebAssembly.Module(Uint8Array.of(${MODULE}))
const { fate } = require('node:worker_threads').workerData
const die = (before) => { if (fate[${BEFORE}] === before) { Atomics.store(fate, ${DIED}, 1); process.exit() } }
const counted = (kernel) => new WebAssembly.Instance(wasm, { '': { f: (...words) => {
  const last = Atomics.load(fate, ${TILES}) > 0 && Atomics.sub(fate, ${TILES}, 1) === 1
  if (last) die(1)
  kernel(...words)
  if (last) die(0)
} } }).exports.f
`
const SETS = 'exports.table.set(i + 1, exports[name])'
class Watched extends workerThreads.Worker {
  constructor(source, options) {
    if (!source.includes(SETS)) throw new Error(`expected a worker that says ${SETS}`)
    const counts = started.length === fated
    super(counts ? COUNTED + source.replace(SETS, 'exports.table.set(i + 1, counted(exports[name]))') : source, counts ? { ...options, workerData: { ...options.workerData, fate } } : options)
    started.push(this)
  }
}
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
  wide: () => [dense(1500, { activation: 'relu' }), dense(700, { activation: 'tanh' }), dense(5)],
  conv: () => [reshape([8, 8, 1]), conv2d(12, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(16, 3), flatten(), dense(5)],
  recurrent: () => [reshape([16, 4]), lstm(40, { returnSequences: true }), lstm(24), dense(5)],
}

/** A training of `steps` steps; how it ended, and what the kill hit. */
async function train({ net, lanes, batchSize, shards, steps, kill }) {
  const victim = kill === null || lanes === 1 ? null : kill.worker % (lanes - 1)
  const terminate = () => { void started[victim]?.terminate() }
  fate.fill(0)
  fated = victim !== null && kill.when === 'within' ? victim : -1
  const store = createStore({ lanes })
  store.patience = 400
  store.worth = { call: 0, program: 0 }
  const model = sequential(nets[net](), { input: [WIDTH], seed: 3, store }).compile({ optimizer: shards === 1 ? adam() : sgd({ learningRate: 0.05, momentum: 0.9 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }), shards })
  const abort = new AbortController()
  let hit = null
  const count = (tiles) => { fate[BEFORE] = kill.before; Atomics.store(fate, TILES, tiles) }
  let updateNext = false
  const run = store.runOnLanes.bind(store)
  store.runOnLanes = (from, to, updates) => {
    if (updates && updateNext) { updateNext = false; count(kill.updateTiles) }
    return run(from, to, updates)
  }
  const strike = (step) => {
    if (victim === null || step !== kill.step) return
    if (kill.when === 'between') { hit = 'between'; terminate() }
    if (kill.when === 'within' && kill.update) updateNext = true
    else if (kill.when === 'within') count(kill.tiles)
  }
  const timer = victim === null || kill.when !== 'start' ? null : setTimeout(() => { hit = store.runtime.lanes > 1 ? 'between' : 'start'; terminate() }, kill.delay)
  let failed = null
  const options = { epochs: 100, batchSize, signal: abort.signal, callbacks: [{ onBatchEnd: ({ step, stop }) => { strike(step); if (step >= steps) { stop(); abort.abort() } } }] }
  try {
    strike(0)
    await model.fit(x, y, options)
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error
    failed = error.message
  }
  clearTimeout(timer)
  if (fate[DIED] === 1) hit = 'within'
  const result = { hash: null, step: model.step, failed, hit, lanes: store.runtime.lanes }
  try {
    const hash = createHash('sha256')
    for (const { data } of Object.values(model.getWeights())) hash.update(data)
    result.hash = hash.digest('hex')
  } catch (error) {
    if (error.message !== failed) throw error
  }
  store[Symbol.dispose]()
  started.length = 0
  return result
}

/** Where a kill is meant to hit; step 0 is the first. */
function killPlan(steps) {
  const when = ['start', 'between', 'within', 'within'][among(0, 3)]
  return { when, worker: among(0, 4), delay: among(0, 60), step: among(0, Math.max(0, steps - 1)), tiles: among(1, 60), update: random() < 0.4, updateTiles: among(1, 4), before: among(0, 1) }
}

const threads = () => readdirSync('/proc/self/task').length
const tally = {}
const end = performance.now() + minutes * 60_000
await train({ net: 'dense', lanes: 2, batchSize: 50, shards: 1, steps: 2, kill: null })
await new Promise((resolve) => { setTimeout(resolve, 500) })
const usual = threads()
while (performance.now() < end) {
  const steps = among(1, 12)
  const plan = { net: Object.keys(nets)[among(0, 3)], lanes: among(2, 6), batchSize: among(3, 120), shards: among(1, 3), steps, kill: random() < 0.6 ? killPlan(steps) : null }
  const watch = setTimeout(() => { console.error(`hangs: ${JSON.stringify(plan)}`); process.exit(1) }, 60_000)
  const got = await train(plan)
  clearTimeout(watch)
  const broken = got.failed?.includes('half updated') === true
  if (broken !== (got.hash === null)) throw new Error(`expected weights unless they are half updated, got ${JSON.stringify(got)} of ${JSON.stringify(plan)}`)
  // What one lane has after as many steps.
  const want = got.step === 0 ? null : await train({ ...plan, lanes: 1, steps: got.step, kill: null })
  if (!broken && want !== null && got.hash !== want.hash) throw new Error(`expected ${JSON.stringify(want)}, got ${JSON.stringify(got)} of ${JSON.stringify(plan)}`)
  if (got.failed === null && got.step !== plan.steps) throw new Error(`expected ${plan.steps} steps, got ${JSON.stringify(got)} of ${JSON.stringify(plan)}`)
  const kind = `${plan.net}, ${plan.kill === null ? 'no kill' : got.hit === null ? 'ended before the kill' : { start: 'killed while starting', between: 'killed between runs', within: 'killed within a run' }[got.hit]}`
  tally[kind] ??= { rounds: 0, 'to the end on lanes': 0, 'to the end on one': 0, 'said so': 0, 'half updated, said so': 0 }
  tally[kind].rounds++
  tally[kind][broken ? 'half updated, said so' : got.failed !== null ? 'said so' : got.lanes > 1 ? 'to the end on lanes' : 'to the end on one']++
}
await new Promise((resolve) => { setTimeout(resolve, 1000) })
if (threads() > usual) throw new Error(`expected ${usual} threads at the end, got ${threads()}: lanes stayed behind`)
console.log(`seed ${seed}: no hang, no wrong bit, no thread left behind`)
console.table(Object.fromEntries(Object.entries(tally).sort()))
