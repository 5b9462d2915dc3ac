// Lanes: the same bits on any number of them, workers that die, cost nothing while they are idle and leave nothing behind. Real threads.
import { execFile, execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import workerThreads from 'node:worker_threads'
import { promisify } from 'node:util'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { adam, createStore, dense, dropout, gru, sequential, mse, sparseCategoricalCrossentropy, type Store } from '../../src/index.js'
import { PATIENCE_MS } from '../../src/runtime/store.js'
import { TrainableModel } from '../../src/train/model.js'
import { Trainer } from '../../src/train/trainer.js'

const n = 300
const x = Float32Array.from({ length: n * 96 }, (_, i) => ((Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24) * 2 - 1)
const y = Int32Array.from({ length: n }, (_, i) => i % 7)
const pause = (ms: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, ms) })

/** Ends the first worker's thread while this one is busy, so that nothing tells the store. */
function killUnnoticed(): void {
  void started[0]?.terminate()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 500)
}

/** Wide enough for lanes to be used. */
const wide = (store: Store) => sequential([dense(256, { activation: 'relu' }), dropout(0.2), dense(128, { activation: 'tanh' }), dense(7, { activation: 'softmax' })], { input: [96], seed: 3, store })
  .compile({ optimizer: adam({ globalClipNorm: 1 }), loss: sparseCategoricalCrossentropy() })
const recurrent = (store: Store) => sequential([gru(64, { returnSequences: true }), gru(32), dense(1)], { input: [24, 4], seed: 4, store }).compile({ optimizer: adam(), loss: mse() })

/** Workers that a store starts, oldest first, by what Node gives of them. */
const started: workerThreads.Worker[] = []
const { Worker: RealWorker } = workerThreads
class Watched extends RealWorker {
  constructor(...args: ConstructorParameters<typeof RealWorker>) {
    super(...args)
    started.push(this)
  }
}
Object.assign(workerThreads, { Worker: Watched })
const stores: Store[] = []
const storeOf = (lanes: number): Store => { const s = createStore({ lanes }); stores.push(s); return s }
afterEach(() => { for (const s of stores.splice(0)) s[Symbol.dispose](); started.length = 0 })

const numbersOf = (model: { getWeights(): Record<string, { readonly data: Float32Array }> }): Uint32Array[] => Object.values(model.getWeights()).map(({ data }) => new Uint32Array(data.buffer))

describe('the same bits on 1, 2, 3 and 8 lanes', () => {
  const run = async (lanes: number) => {
    const store = storeOf(lanes)
    const model = wide(store)
    const history = await model.fit(x, y, { epochs: 2, batchSize: 64 })
    const scores = await model.evaluate(x, y)
    const p = await model.predict(x)
    expect(store.runtime.lanes).toBe(lanes)
    expect(model.predictSync(x.subarray(0, 96)).data).toEqual(p.data.slice(0, 7))
    expect(p.data.buffer).toBeInstanceOf(ArrayBuffer)
    return { weights: numbersOf(model), loss: history.loss, scores, p: p.data }
  }
  test('a dense net', async () => {
    const want = await run(1)
    for (const lanes of [2, 3, 8]) expect(await run(lanes)).toEqual(want)
  }, 60_000)

  test('a recurrent net, whose loops meet at every step', async () => {
    const target = Float32Array.from({ length: n }, (_, i) => x[i] ?? 0)
    const train = async (lanes: number) => {
      const model = recurrent(storeOf(lanes))
      const { loss } = await model.fit(x, target, { epochs: 1, batchSize: 100 })
      return { loss, weights: numbersOf(model) }
    }
    const want = await train(1)
    for (const lanes of [2, 3, 8]) expect(await train(lanes)).toEqual(want)
  }, 60_000)

  test('trainOnBatch, its sync form and fit go on from one another', async () => {
    const [one, two] = [wide(storeOf(1)), wide(storeOf(2))]
    for (const model of [one, two]) {
      await model.trainOnBatch(x, y)
      model.trainOnBatchSync(x, y)
      await model.fit(x, y, { batchSize: n })
    }
    expect(numbersOf(two)).toEqual(numbersOf(one))
  })
})

describe('what runs where', () => {
  test('lanes are there from the first call on that may wait', async () => {
    const store = storeOf(2)
    const model = wide(store)
    model.predictSync(x)
    expect(model.runtime).toMatchObject({ binary: 'baseline', lanes: 1, reason: 'one lane until the first call that may wait' })
    await model.predict(x)
    expect(model.runtime).toMatchObject({ binary: 'shared', lanes: 2, reason: '2 lanes: as asked for' })
    expect(started.length).toBe(1)
    await model.predict(x)
    expect(started.length).toBe(1)
  })

  test('a store of one lane starts no worker', async () => {
    const model = wide(storeOf(1))
    await model.predict(x)
    expect(started.length).toBe(0)
    expect(model.runtime).toMatchObject({ binary: 'baseline', lanes: 1, reason: 'one lane: no more were asked for' })
  })

  test('memory grows under lanes', async () => {
    const store = storeOf(2)
    const small = wide(store)
    await small.predict(x)
    const large = sequential([dense(3000, { activation: 'relu' }), dense(7)], { input: [96], name: 'large', store })
    const alone = sequential([dense(3000, { activation: 'relu' }), dense(7)], { input: [96], name: 'large' })
    expect((await large.predict(x)).data).toEqual((await alone.predict(x)).data)
  })

  test.each([0, -1, 1.5, 10_000, NaN])('%d lanes are refused', (lanes) => {
    expect(() => createStore({ lanes })).toThrow(RangeError)
    expect(() => sequential([dense(1)], { input: [1], lanes })).toThrow(/^functional\.lanes|^sequential\.lanes: expected an integer ≥ 1 ≤ 256, got /)
  })
  test('so are lanes of another kind, and beside a store', () => {
    const lanes: unknown = 'many'
    expect(() => sequential([dense(1)], { input: [1], lanes: lanes as number })).toThrow(TypeError)
    expect(() => sequential([dense(1)], { input: [1], lanes: 2, store: createStore() })).toThrow('sequential: expected store or lanes, got both. Lanes belong to a store: createStore({ lanes }).')
  })
})

describe('a lane that dies', () => {
  test('between runs: the store goes on with one, with the same bits', async () => {
    const [one, three] = [wide(storeOf(1)), wide(storeOf(3))]
    for (const model of [one, three]) await model.fit(x, y, { epochs: 1 })
    await started[0]?.terminate()
    for (const model of [one, three]) await model.fit(x, y, { epochs: 1 })
    expect(numbersOf(three)).toEqual(numbersOf(one))
    expect(three.runtime).toMatchObject({ binary: 'baseline', lanes: 1, reason: 'one lane: lane 1 has died: its thread has ended' })
  })

  test('unnoticed, in a prediction: an error that names it, then one lane', async () => {
    const store = storeOf(2)
    store.patience = 300
    const model = wide(store)
    const want = await model.predict(x)
    killUnnoticed()
    await expect(model.predict(x)).rejects.toThrow('lanes: expected 2 lanes that work, got lane 1 that did nothing for 0.3 s. Nothing has changed: call again, the store goes on with one lane.')
    expect(await model.predict(x)).toEqual(want)
    expect(model.runtime.lanes).toBe(1)
  })

  test('unnoticed, in a training: an error, the weights after the last completed step', async () => {
    const store = storeOf(2)
    store.patience = 300
    const [model, other] = [wide(store), wide(storeOf(1))]
    for (const m of [model, other]) await m.trainOnBatch(x, y)
    killUnnoticed()
    await expect(model.trainOnBatch(x, y)).rejects.toThrow('Nothing has changed')
    expect(numbersOf(model)).toEqual(numbersOf(other))
    for (const m of [model, other]) await m.trainOnBatch(x, y)
    expect(numbersOf(model)).toEqual(numbersOf(other))
  })

  test('is not one that does alone, for longer than patience, what is too little for lanes to meet for', async () => {
    const store = storeOf(2)
    store.patience = 300
    // Lanes share out the reading of the sequences; the first makes all steps, and the second waits.
    store.worth = { call: 300_000, program: 0 }
    const [steps, width, samples] = [4000, 64, 4]
    const net = (on: Store) => sequential([gru(256), dense(1)], { input: [steps, width], seed: 4, store: on })
    const sequences = Float32Array.from({ length: samples * steps * width }, (_, i) => x[i % x.length] ?? 0)
    const [two, one] = [net(store), net(storeOf(1))]
    const { data } = await two.predict(sequences)
    // A lane that was given up at the last meeting is missed by the next run.
    expect(await two.predict(sequences)).toEqual(await one.predict(sequences))
    expect(data).toEqual(one.predictSync(sequences).data)
    expect(store.runtime.lanes).toBe(2)
  }, 60_000)

  test('patience is ten seconds', () => { expect(PATIENCE_MS).toBe(10_000) })
})

describe('nothing is left behind', () => {
  test('idle lanes cost no time', async () => {
    const model = wide(storeOf(3))
    await model.predict(x)
    await pause(50)
    const before = process.cpuUsage()
    await pause(1000)
    const { user, system } = process.cpuUsage(before)
    // A lane that spins would take a second.
    expect(user + system).toBeLessThan(300_000)
  })

  test('a store that was disposed of has no workers, and goes on', async () => {
    const store = createStore({ lanes: 2 })
    const model = wide(store)
    const want = await model.predict(x)
    const gone = new Promise((resolve) => started[0]?.once('exit', resolve))
    store[Symbol.dispose]()
    await gone
    expect(await model.predict(x)).toEqual(want)
    expect(model.runtime.lanes).toBe(1)
  })

  test('one that was disposed of before, or while its lanes start, has none', async () => {
    const [before, during] = [createStore({ lanes: 2 }), createStore({ lanes: 2 })]
    before[Symbol.dispose]()
    const p = wide(during).predict(x)
    await Promise.resolve()
    during[Symbol.dispose]()
    expect(await wide(before).predict(x)).toEqual(await p)
    expect([before.runtime.lanes, during.runtime.lanes]).toEqual([1, 1])
  })

  const run = promisify(execFile)
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const js = join(root, 'build/test-lanes')
  beforeAll(() => {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json', '--outDir', js, '--incremental', '--tsBuildInfoFile', join(js, 'tsbuildinfo'), '--declaration', 'false'], { cwd: root })
  }, 180_000)
  const child = (code: string, flags: readonly string[] = []) => run(process.execPath, ['--expose-gc', ...flags, '--input-type=module', '--eval', `
    import { readdirSync } from 'node:fs'
    const { dense, mse, adam, sequential } = await import(${JSON.stringify(pathToFileURL(join(js, 'src/index.js')).href)})
    const x = new Float32Array(128 * 64).fill(0.5), y = new Float32Array(128)
    const train = async () => {
      const model = sequential([dense(256), dense(256), dense(1)], { input: [64], lanes: 3 }).compile({ optimizer: adam(), loss: mse() })
      await model.fit(x, y, { batchSize: 128 })
      if (model.runtime.lanes !== 3) throw new Error(model.runtime.reason)
    }
    ${code}`], { timeout: 30_000 })

  test('a process ends by itself', async () => {
    const { stdout } = await child(`await train(); console.log('done')`)
    expect(stdout).toBe('done\n')
  }, 30_000)

  // V8 11 makes wrong code for atomic.wait (sleep_while in assembly/run/run.ts) in its baseline compiler: there a watchdog once never gave up.
  test('a lane that died is given up in code of the baseline compiler', async () => {
    const { stdout } = await child(`
      const { Worker } = await import('node:worker_threads')
      const { createStore } = await import(${JSON.stringify(pathToFileURL(join(js, 'src/index.js')).href)})
      const workers = []
      const threads = process.getBuiltinModule('node:worker_threads')
      threads.Worker = class extends Worker { constructor(...args) { super(...args); workers.push(this) } }
      const store = createStore({ lanes: 2 })
      store.patience = 500
      store.worth = { call: 0, program: 0 }
      const model = sequential([dense(64), dense(1)], { input: [64], store })
      await model.predict(x)
      workers[0].terminate()
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2000)
      await model.predict(x).then(() => console.log('no error'), ({ message }) => console.log(message.includes('lane 1 that did nothing for 0.5 s')))`, ['--liftoff-only'])
    expect(stdout).toBe('true\n')
  }, 30_000)

  test('lanes sleep in one function, without locals', () => {
    const functions = readFileSync(join(root, 'build/kernels.wat'), 'utf8').split(/^ \(func /m).filter((f) => f.includes('memory.atomic.wait'))
    expect(functions.map((f) => f.slice(0, f.indexOf('\n')))).toEqual(['$assembly/run/run/sleep_while (param $0 i32) (param $1 i32) (param $2 i64) (param $3 i32) (result i32)'])
    expect(functions[0]).not.toContain('(local ')
    // The last parameter is the spare one.
    expect(functions[0]).not.toContain('local.get $3')
  })

  test('a store that nothing reaches has none', async () => {
    const { stdout } = await child(`
      const threads = () => readdirSync('/proc/self/task').length
      const before = threads()
      await train()
      const during = threads()
      let after = during
      for (let i = 0; i < 100 && after > during - 2; i++) { gc(); await new Promise((r) => setTimeout(r, 50)); after = threads() }
      console.log(during - before >= 2, after <= during - 2)`)
    expect(stdout).toBe('true true\n')
  }, 30_000)
})

describe('a lane that dies while weights are updated', () => {
  test('the store refuses to go on, since they may be half updated', async () => {
    const store = storeOf(2)
    store.patience = 300
    const model: unknown = wide(store)
    if (!(model instanceof TrainableModel)) throw new Error('not a model of ours')
    const { recipe } = model.trainingState() ?? {}
    if (recipe === undefined) throw new Error('not compiled')
    store.worth = { call: 0, program: 0 }
    const trainer = new Trainer(recipe, store, 3)
    await model.predict(x)
    killUnnoticed()
    const lost = 'lanes: expected 2 lanes that work, got lane 1 that did nothing for 0.3 s. Weights may be half updated: load the last save.'
    await expect(store.onLanes('apply', () => trainer.applyWork())).rejects.toThrow(lost)
    await expect(model.predict(x)).rejects.toThrow(lost)
    expect(() => model.predictSync(x)).toThrow(lost)
    expect(() => model.getWeights()).toThrow(lost)
  })
})
