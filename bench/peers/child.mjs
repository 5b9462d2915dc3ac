// The process of one library. It is asked { prepare: workload } and says { version, check } when it is set up, checked and warm; then answers each
// { go: true } with a round; or { failed } to either.
//   child.mjs ADAPTER THREADS DIR
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { load } from './adapters/index.mjs'
import { readData } from './files.mjs'
import { prepare } from './rounds.mjs'
import { versionOf } from './version.mjs'
import { workloads } from './workloads.mjs'

const [name, threads, dir] = process.argv.slice(2)
const require = createRequire(import.meta.url)
const cpu = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1e6 }
/** @type {import('./rounds.mjs').Host} */
const host = { wasm: (library) => `${dirname(require.resolve(library))}/`, threads: Number(threads) }

// What a library prints of itself is not part of a table.
console.log = console.info = console.warn = () => undefined

let round
async function answer(message) {
  if (message.go) return round()
  const prepared = await prepare(await load(name), workloads.find(({ id }) => id === message.prepare), readData(dir), host, cpu)
  round = prepared.round
  return { version: versionOf(name), check: prepared.check }
}

process.on('disconnect', () => { process.exit() })
process.on('message', (message) => {
  answer(message).then((said) => process.send(said), (error) => process.send({ failed: String(error?.message ?? error).split('\n')[0] }))
})
