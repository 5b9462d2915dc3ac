// The process of one library on one workload: says { check } or { failed } when it is ready, then answers each { go } with a round.
//   child.mjs ADAPTER THREADS WORKLOAD DIR
import { dirname } from 'node:path'
import { createRequire } from 'node:module'
import { readData } from './files.mjs'
import { workloads } from './workloads.mjs'
import { prepare } from './rounds.mjs'
import { versionOf } from './version.mjs'
import { load } from './adapters/index.mjs'

const [name, threads, id, dir] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }
/** @type {import('./rounds.mjs').Host} */
const host = { wasm: (library) => `${dirname(require.resolve(library))}/`, threads: Number(threads) }

// What a library prints of itself is not part of a table.
console.log = console.info = console.warn = () => undefined
process.on('disconnect', () => process.exit())
try {
  const workload = workloads.find((w) => w.id === id)
  const adapter = await load(name)
  const { check, round } = await prepare(adapter, workload, readData(dir), host, cpu)
  process.on('message', () => { round().then((done) => process.send(done), (error) => process.send({ failed: String(error?.message ?? error) })) })
  process.send({ version: versionOf(name), check })
} catch (error) {
  process.send({ failed: String(error?.message ?? error).split('\n')[0] })
}
