// Lanes in a page, whose main thread may not wait for them: what it refuses meanwhile, and lanes that end without a word.

const [ROWS, WIDTH] = [256, 512]
const x = Float32Array.from({ length: ROWS * WIDTH }, (_, i) => ((i * 7) % 23) / 23 - 0.5)
const PATIENCE_MS = 300

/** A model on lanes that have started, and their workers, the first lane's first. */
async function started({ createStore, dense, sequential }, lanes) {
  const workers = []
  const { Worker } = globalThis
  globalThis.Worker = class extends Worker { constructor(...args) { super(...args); workers.push(this) } }
  const store = createStore({ lanes })
  store.patience = PATIENCE_MS
  const model = sequential([dense(WIDTH, { activation: 'relu' }), dense(WIDTH)], { input: [WIDTH], seed: 1, store })
  try {
    const { data } = await model.predict(x)
    if (model.runtime.lanes !== lanes || workers.length !== lanes) throw new Error(`expected ${lanes} lanes, all of them workers, got ${model.runtime.lanes} and ${workers.length} workers: ${model.runtime.reason}`)
    return { store, model, workers, want: data.join() }
  } finally {
    globalThis.Worker = Worker
  }
}

/** A sync call while a program is running on lanes. */
async function busy(equigrad) {
  const { store, model, want } = await started(equigrad, 2)
  const running = model.predict(x)
  let error = null
  // How a run ended comes as a message, which these turns of the loop do not let in: once it has begun it is still running.
  for (let i = 0; i < 100 && error === null; i++) {
    await null
    try { model.predictSync(x.subarray(0, WIDTH)) } catch (thrown) { error = thrown }
  }
  if (!(error instanceof equigrad.BusyError)) throw new Error(`expected a BusyError, got ${error}`)
  if ((await running).data.join() !== want || model.predictSync(x).data.join() !== want) throw new Error('other bits than before')
  store[Symbol.dispose]()
}

/** A lane ends, of which nothing tells a page; the lanes that are left, or this thread for the first, give it up. */
async function lost(equigrad, lane) {
  const { model, workers, want } = await started(equigrad, 3)
  workers[lane].terminate()
  let error = null
  // It may take a while until it has ended.
  for (let i = 0; i < 100 && error === null; i++) {
    await model.predict(x).catch((thrown) => { error = thrown })
    await new Promise((resolve) => { setTimeout(resolve, 20) })
  }
  const text = `got lane ${lane} that did nothing for ${PATIENCE_MS / 1000} s. Nothing has changed`
  if (!(error instanceof equigrad.RuntimeError) || !error.message.includes(text)) throw new Error(`expected '${text}', got ${error}`)
  if ((await model.predict(x)).data.join() !== want || model.runtime.lanes !== 1) throw new Error(`expected the same bits on one lane, got ${model.runtime.lanes} lanes or others`)
}

/** What is tested, and why it failed, or ''. */
export async function pageLanes(equigrad) {
  const checks = { 'refuses a sync call while lanes are running': () => busy(equigrad), 'gives up a lane that has ended': () => lost(equigrad, 1), 'gives up the first lane': () => lost(equigrad, 0) }
  const results = []
  for (const [name, check] of Object.entries(checks)) results.push([name, await check().then(() => '', (error) => String(error))])
  return results
}
