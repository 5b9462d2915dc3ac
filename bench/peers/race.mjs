// A race: every library has a process of its own, started and warmed up before the first round; then rounds go A B A B …, so that what else the
// machine does meets all alike.
import { checkTraining, firstLoss } from './checks.mjs'
import { spread } from './statistics.mjs'

/** @typedef {{ readonly name: string, readonly adapter: string, readonly threads: number }} Peer */
/**
 * `rate`: units a second by the clock, `cpuRate`: of processor time; `ratio`: how many times as fast the first peer is, round by round.
 * @typedef {{ readonly workload: string, readonly title: string, readonly unit: string, readonly peer: string, readonly version: string, readonly failed?: string, readonly check?: string,
 *   readonly rounds?: number, readonly rate?: import('./statistics.mjs').Spread, readonly cpuRate?: import('./statistics.mjs').Spread,
 *   readonly ratio?: import('./statistics.mjs').Spread, readonly cpuRatio?: import('./statistics.mjs').Spread }} Row
 */

/** What runs a library: a process, or a page's worker. @typedef {{ readonly peer: Peer, readonly child: { prepare(workload: import('./workloads.mjs').Workload): Promise<any>, round(): Promise<import('./rounds.mjs').Round>, stop(): void } }} Runner */
/** @typedef {{ readonly rounds: number, readonly data: import('./data.mjs').Data, readonly dir: string, readonly node: string, readonly python: string, readonly say: (text: string) => void }} Options */

/**
 * @param {readonly Runner[]} runners - the first is what the others are compared with
 * @param {import('./workloads.mjs').Workload} workload @param {Pick<Options, 'rounds' | 'data' | 'say'>} options
 * @returns {Promise<Row[]>}
 */
export async function race(runners, workload, { rounds, data, say }) {
  const racing = runners.map(({ peer, child }) => ({ peer, child, version: '', check: '', failed: '', rounds: [] }))
  for (const runner of racing) {
    say(`${workload.id}: ${runner.peer.name} warms up`)
    await ready(runner.child, workload, data).then((said) => { Object.assign(runner, said) }, (error) => { runner.failed = error.message })
  }
  for (let r = 0; r < rounds; r++) {
    say(`${workload.id}: round ${r + 1} of ${rounds}`)
    for (const runner of racing) {
      if (runner.failed !== '' || isSlow(runner)) continue
      await runner.child.round().then((done) => { runner.rounds.push(done) }, (error) => { runner.failed = error.message })
    }
  }
  return racing.map((runner) => rowOf(runner, racing[0], workload))
}

/** Where one run takes many seconds, two rounds say as much as seven, and the figure is not close to another. */
const ENOUGH_SECONDS = 20
const isSlow = ({ rounds: [first, second] }) => second !== undefined && first.seconds + second.seconds > ENOUGH_SECONDS

/** A Python child leaves the check of its losses to us. */
async function ready(child, workload, data) {
  const { version, check, note, losses } = await child.prepare(workload)
  const found = losses ? checkTraining(...losses, firstLoss(workload, data)) : check
  return { version, check: [found, note].filter(Boolean).join('; ') }
}

function rowOf({ peer, version, check, failed, rounds }, first, { id, title, unit, each }) {
  const row = { workload: id, title, unit, peer: peer.name, version }
  if (failed !== '') return { ...row, failed }
  const rates = (all, key) => all.map((round) => (round.count * each) / round[key])
  const ratios = (key) => rates(rounds, key).map((rate, i) => rates(first.rounds, key)[i] / rate)
  return {
    ...row, check: isSlow({ rounds }) ? `${check}; ${rounds.length} rounds` : check, rounds: rounds.length, rate: spread(rates(rounds, 'seconds')), cpuRate: spread(rates(rounds, 'cpuSeconds')),
    ...(first.failed === '' ? { ratio: spread(ratios('seconds')), cpuRatio: spread(ratios('cpuSeconds')) } : {}),
  }
}
