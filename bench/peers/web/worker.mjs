// A page's worker with one library: the same words as child.mjs, as messages. { library, data } comes first.
import { load } from '../adapters/index.mjs'
import { prepare } from '../rounds.mjs'
import { versionOf } from '../version.mjs'
import { workloads } from '../workloads.mjs'

/** @type {import('../rounds.mjs').Host} */
const host = { wasm: (library) => new URL(`/wasm/${library}/`, location.href).href, threads: 1 }
// A page has no clock of processor time.
const cpu = () => NaN

let library, data, round
async function answer(message) {
  if (message.library !== undefined) { ({ library, data } = message); return { ready: true } }
  if (message.go) return round()
  const prepared = await prepare(await load(library), workloads.find(({ id }) => id === message.prepare), data, host, cpu)
  round = prepared.round
  return { version: versionOf(library), check: prepared.check }
}
addEventListener('message', ({ data: message }) => {
  answer(message).then((said) => { postMessage(said) }, (error) => { postMessage({ failed: String(error?.message ?? error).split('\n')[0] }) })
})
