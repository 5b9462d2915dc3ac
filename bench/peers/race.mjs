// A race: every library has a process of its own, started and warmed up before the first round; then rounds go A B A B …, so that what else the
// machine does meets all alike.
import { spread } from './statistics.mjs'
import { start } from './subject.mjs'

/** @typedef {{ readonly name: string, readonly adapter: string, readonly threads: number }} Peer */
/**
 * `rate`: units a second by the clock, `cpuRate`: of processor time; `ratio`: how many times as fast the first peer is, round by round.
 * @typedef {{ readonly workload: string, readonly title: string, readonly unit: string, readonly peer: string, readonly version: string, readonly failed?: string, readonly check?: string,
 *   readonly rounds?: number, readonly rate?: import('./statistics.mjs').Spread, readonly cpuRate?: import('./statistics.mjs').Spread,
 *   readonly ratio?: import('./statistics.mjs').Spread, readonly cpuRatio?: import('./statistics.mjs').Spread }} Row
 */

/**
 * @param {readonly Peer[]} peers - the first is what the others are compared with
 * @param {import('./workloads.mjs').Workload} workload
 * @param {{ readonly rounds: number, readonly dir: string, readonly node: string, readonly python: string, readonly say: (text: string) => void }} options
 * @returns {Promise<Row[]>}
 */
export async function race(peers, workload, options) {
  const runners = []
  try {
    for (const peer of peers) {
      options.say(`${workload.id}: ${peer.name} warms up`)
      const child = start(peer, workload, options)
      const runner = { peer, child, version: '', check: '', failed: '', rounds: [] }
      runners.push(runner)
      await child.ready().then(({ version, check }) => { Object.assign(runner, { version, check }) }, (error) => { runner.failed = error.message })
    }
    for (let r = 0; r < options.rounds; r++) {
      options.say(`${workload.id}: round ${r + 1} of ${options.rounds}`)
      for (const runner of runners) {
        if (runner.failed !== '') continue
        await runner.child.round().then((done) => { runner.rounds.push(done) }, (error) => { runner.failed = error.message })
      }
    }
  } finally {
    for (const { child } of runners) child.stop()
  }
  return runners.map((runner) => rowOf(runner, runners[0], workload))
}

function rowOf({ peer, version, check, failed, rounds }, first, { id, title, unit, each }) {
  const row = { workload: id, title, unit, peer: peer.name, version }
  if (failed !== '') return { ...row, failed }
  const rates = (all, key) => all.map((round) => (round.count * each) / round[key])
  const ratios = (key) => rates(first.rounds, key).map((rate, i) => rate / rates(rounds, key)[i])
  return {
    ...row, check, rounds: rounds.length, rate: spread(rates(rounds, 'seconds')), cpuRate: spread(rates(rounds, 'cpuSeconds')),
    ...(first.failed === '' ? { ratio: spread(ratios('seconds')), cpuRatio: spread(ratios('cpuSeconds')) } : {}),
  }
}
