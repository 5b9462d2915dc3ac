// Two processes train one network: each has a replica, computes half of the shards of every step and sends their sums to the other as bytes; both
// apply all of them. When one is killed the other computes its shards too. The weights are those of one process, to the last bit.
//   npm run build && node examples/processes.mjs
import { fork } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { accuracy, adam, batchNormalization, decodeShard, dense, dropout, encodeShard, sequential, sparseCategoricalCrossentropy } from 'equigrad'
import { digits } from 'equigrad/data'

/** Everything that both processes must agree on. */
const DEFAULTS = { samples: 3000, epochs: 2, batchSize: 64, shards: 4, units: 64 }

const replica = ({ shards, units }) => sequential([
  dense(units, { activation: 'relu' }), batchNormalization(), dropout(0.2), dense(10, { activation: 'softmax' }),
], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 1 })
  .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards })

function weightsHash(model) {
  const hash = createHash('sha256')
  for (const { data } of Object.values(model.getWeights())) hash.update(data)
  return hash.digest('hex')
}

/** The other process: what it sends, in order, then null once it is gone. */
class Peer {
  #port
  #arrived = []
  #gone = false
  #wake = () => undefined

  /** @param port - a child process, or `process` in a child */
  constructor(port) {
    this.#port = port
    const lost = () => { this.#gone = true; this.#wake() }
    port.on('message', (message) => { this.#arrived.push(message); this.#wake() })
    port.on('disconnect', lost)
    port.on('error', lost)
  }

  // Whether it has arrived shows by what comes back: an error is no news here.
  send(message) { if (!this.#gone) this.#port.send(message, () => undefined) }

  async receive() {
    while (this.#arrived.length === 0 && !this.#gone) await new Promise((resolve) => { this.#wake = resolve })
    return this.#arrived.shift() ?? null
  }
}

/** Compares hashes: of the graph, of all that a step computes, and of weights and moments. */
async function agree(model, peer) {
  const own = { graph: model.hash, recipe: model.recipeHash, state: model.stateHash() }
  peer.send(own)
  const theirs = await peer.receive()
  if (theirs === null) return false
  for (const what of Object.keys(own)) {
    if (theirs[what] !== own[what]) throw new Error(`replicas at step ${model.step}: expected the same ${what}, got ${own[what].slice(0, 12)}… here and ${theirs[what]?.slice(0, 12)}… there.`)
  }
  return true
}

/**
 * Trains a replica together with another.
 *
 * @param peer - the other process, or null: then all shards are computed here
 * @param own - is a shard of this number computed here?
 */
async function train(model, peer, own, { samples, epochs, batchSize, shards }, { log = console.log, onStep = () => undefined } = {}) {
  const { images, labels } = digits({ samples, seed: 1 })
  const alone = () => { log(`step ${model.step}: the other process is gone, its shards are computed here`); return null }
  if (peer !== null && !(await agree(model, peer))) peer = alone()
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let from = 0; from < samples; from += batchSize) {
      const to = Math.min(samples, from + batchSize)
      const x = images.subarray(from * 784, to * 784), y = labels.subarray(from, to)
      // Dropout draws by a sample's place in the data: the same wherever its shard is computed.
      const places = Int32Array.from({ length: to - from }, (_, i) => from + i)
      const made = new Map()
      const compute = async (mine) => {
        for (let shard = 0; shard < shards; shard++) {
          if (made.has(shard) || !mine(shard)) continue
          made.set(shard, await model.computeShard(x, y, { shard, samples: places }))
          peer?.send(encodeShard(made.get(shard)))
        }
      }
      await compute(peer === null ? () => true : own)
      while (made.size < shards) {
        const bytes = await peer.receive()
        if (bytes === null) { peer = alone(); await compute(() => true) } else { const shard = decodeShard(bytes); made.set(shard.shard, shard) }
      }
      await model.applyShards([...made.values()])
      onStep(model.step)
    }
  }
  if (peer !== null) await agree(model, peer)
  return weightsHash(model)
}

/** One process: `fit`. */
export async function one(options = {}) {
  const all = { ...DEFAULTS, ...options }
  const { images, labels } = digits({ samples: all.samples, seed: 1 })
  const model = replica(all)
  await model.fit(images, labels, { epochs: all.epochs, batchSize: all.batchSize, shuffle: false })
  return weightsHash(model)
}

/**
 * Two processes: this one and a child.
 *
 * @param options - as of both processes; `theirs`: what is different in the child
 * @param run - `killAt`: the step after which the child is killed, by `kill`; `execArgv`: options of the child's Node; `log`: where lines go
 */
export async function two(options = {}, { killAt = -1, kill = (child) => child.kill('SIGKILL'), theirs = {}, execArgv = process.execArgv, log = console.log } = {}) {
  const all = { ...DEFAULTS, ...options }
  const child = fork(import.meta.filename, ['replica', JSON.stringify({ ...all, ...theirs })], { execArgv, serialization: 'advanced' })
  const exited = once(child, 'exit').catch(() => undefined)
  try {
    return await train(replica(all), new Peer(child), (shard) => shard % 2 === 0, all, { log, onStep: (step) => { if (step === killAt) kill(child) } })
  } catch (error) {
    child.kill()
    throw error
  } finally {
    if (child.connected) child.disconnect()
    await exited
  }
}

export async function run({ killAt = 40, execArgv, log = console.log, ...options } = {}) {
  const hashes = [await one(options), await two(options, { execArgv, log }), await two(options, { killAt, execArgv, log })]
  const names = ['one process', 'two processes', `two, one of them killed after step ${killAt}`]
  names.forEach((name, i) => log(`${hashes[i]}  ${name}`))
  return { hashes }
}

if (process.argv[1] === import.meta.filename) {
  if (process.argv[2] === 'replica') {
    const options = JSON.parse(process.argv[3])
    const hash = await train(replica(options), new Peer(process), (shard) => shard % 2 === 1, options)
    if (!process.connected) console.log(`${hash}  the one that is left`)
  } else await run()
}
