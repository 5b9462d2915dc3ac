// The parts of a run that are races: one after the other, each with its table.
import { chosen, fieldOf } from './peers.mjs'
import { race } from './race.mjs'
import { start } from './subject.mjs'
import { matrixOf, tableOf } from './table.mjs'

/** @typedef {import('./race.mjs').Row} Row */

/**
 * @param {readonly string[] | null} parts @param {readonly string[] | null} peers @param {import('./race.mjs').Options} options
 * @param {(rows: readonly Row[], text: string) => void} add - takes each table as soon as it is complete
 */
export async function races(parts, peers, options, add) {
  const workloads = chosen(parts)
  for (const workload of workloads.filter(({ kind }) => kind !== 'product')) {
    const { peers: taking, absent } = fieldOf(workload, peers)
    const rows = [...await once(taking, options, (runners) => race(runners, workload, options)), ...absent.map((one) => absentRow(workload, one))]
    add(rows, tableOf(rows))
  }
  const products = workloads.filter(({ kind }) => kind === 'product')
  for (const group of new Set(products.map(groupOf))) {
    const rows = await series(products.filter((workload) => groupOf(workload) === group), peers, options)
    add(rows, matrixOf(rows))
  }
}

/** Products that share a table. */
const groupOf = ({ product: { form, fixed } }) => `${form} ${fixed}`

/** Many short races: each library keeps its process for all of them. */
async function series(workloads, peers, options) {
  const fields = workloads.map((workload) => fieldOf(workload, peers))
  const all = [...new Map(fields.flatMap((f) => f.peers).map((peer) => [peer.name, peer])).values()]
  return once(all, options, async (runners) => {
    const rows = []
    for (const [i, workload] of workloads.entries()) {
      const { peers: taking, absent } = fields[i]
      rows.push(...await race(taking.map(({ name }) => runners.find(({ peer }) => peer.name === name)), workload, options), ...absent.map((one) => absentRow(workload, one)))
    }
    return rows
  })
}

/** Processes that live as long as `use` runs. */
async function once(peers, options, use) {
  const runners = peers.map((peer) => ({ peer, child: start(peer, options) }))
  try { return await use(runners) } finally { for (const { child } of runners) child.stop() }
}

/** @returns {Row} */
const absentRow = ({ id, title, unit }, { name, reason }) => ({ workload: id, title, unit, peer: name, version: '', failed: reason })
