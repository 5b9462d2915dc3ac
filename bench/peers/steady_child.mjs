// A process that trains the worked example for 5 000 steps, and says how fast it was early and late, and what the heap grew by; or fails, if it did not train.
//   steady_child.mjs DIR ADAPTER   (node --expose-gc)
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { load } from './adapters/index.mjs'
import { checkTraining, firstLoss } from './checks.mjs'
import { readData } from './files.mjs'
import { workloads } from './workloads.mjs'

const [dir, name] = process.argv.slice(2)
const require = createRequire(import.meta.url)
console.log = console.info = console.warn = () => undefined
const workload = workloads.find(({ id }) => id === 'W1'), data = readData(dir)
const subject = await (await load(name)).setup(workload, data, { wasm: (library) => `${dirname(require.resolve(library))}/`, threads: 1 })

/** Samples a second of processor time. */
async function timed(steps) {
  const from = process.cpuUsage()
  await subject.run(steps)
  const { user, system } = process.cpuUsage(from)
  return (128 * steps) / ((user + system) / 1e6)
}
const heap = () => { globalThis.gc(); globalThis.gc(); return process.memoryUsage().heapUsed }

const first = await subject.loss()
await subject.run(100)
checkTraining(first, await subject.loss(), 100, firstLoss(workload, data))
const early = await timed(500)
const before = heap()
await subject.run(3900)
const late = await timed(500)
process.stdout.write(`${JSON.stringify({ early, late, grown: heap() - before })}\n`)
