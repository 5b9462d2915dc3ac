// Lanes beside independent processes: the samples/s of two lanes against the sum of two one-lane processes that run at the same time, and against
// one lane. Rounds are interleaved, each in processes that were started once; what else the machine does hits all alike.
import { fork, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { dense } from '../src/index.js'
import { compiled, samples, BATCH } from './step.js'
import { machine, median } from './roofline.js'
import { products, workloads, type Workload } from './workloads.js'

const small = (units: number): Workload => ({
  name: `784-${units}-10`, steps: 60, layers: () => [dense(units, { activation: 'relu' }), dense(10, { activation: 'softmax' })], flop: products(784, units, 2) + products(units, 10),
})
const measured: readonly Workload[] = [...workloads, small(16), small(4)]

/** Milliseconds of one round. */
const ROUND = 500
const ROUNDS = 9

/** A process that trains one workload: `go` starts a round; it answers with samples/s. */
export async function trainInChild(which: number, lanes: number): Promise<void> {
  const workload = measured[which]
  if (workload === undefined || process.send === undefined) throw new Error('started by the bench alone')
  const model = compiled(workload, lanes)
  const count = BATCH * workload.steps
  const { x, y } = samples(count)
  await model.fit(x, y, { epochs: 3, batchSize: BATCH })
  process.on('message', () => {
    void (async () => {
      const from = performance.now()
      let seen = 0
      do { await model.fit(x, y, { epochs: 1, batchSize: BATCH }); seen += count } while (performance.now() - from < ROUND)
      process.send?.((seen * 1000) / (performance.now() - from))
    })()
  })
  process.send(0)
}

const answer = (child: ChildProcess): Promise<number> => new Promise((resolve, reject) => {
  const ended = (): void => { reject(new Error('a process of the bench has ended')) }
  child.once('exit', ended)
  child.once('message', (rate) => { child.off('exit', ended); resolve(Number(rate)) })
})
const go = (child: ChildProcess): Promise<number> => { const rate = answer(child); child.send('go'); return rate }

interface LanesResult { readonly one: number; readonly lanes: number; readonly pair: number; readonly ratio: number; readonly plain: number; readonly spread: readonly [number, number] }

async function benchWorkload(which: number, lanes: number): Promise<LanesResult> {
  const start = async (count: number): Promise<ChildProcess> => {
    const child = fork(fileURLToPath(new URL('main.js', import.meta.url)), ['lanes-child', String(which), String(count)])
    await answer(child)
    return child
  }
  const together = await start(lanes)
  const apart: ChildProcess[] = []
  for (let i = 0; i < lanes; i++) apart.push(await start(1))
  const [first] = apart
  if (first === undefined) throw new Error('no lanes')
  try {
    const rounds: { readonly one: number; readonly lanes: number; readonly pair: number }[] = []
    for (let r = 0; r < ROUNDS; r++) {
      const before = (await Promise.all(apart.map(go))).reduce((a, b) => a + b, 0)
      const shared = await go(together)
      const after = (await Promise.all(apart.map(go))).reduce((a, b) => a + b, 0)
      rounds.push({ lanes: shared, pair: (before + after) / 2, one: await go(first) })
    }
    const ratios = rounds.map(({ lanes: l, pair }) => l / pair)
    return {
      one: median(rounds.map((r) => r.one)), lanes: median(rounds.map((r) => r.lanes)), pair: median(rounds.map((r) => r.pair)), ratio: median(ratios),
      plain: median(rounds.map((r) => r.lanes / r.one)), spread: [Math.min(...ratios), Math.max(...ratios)],
    }
  } finally {
    for (const child of [together, ...apart]) child.kill()
  }
}

export async function printLanes(lanes = 2): Promise<string> {
  const rate = (x: number): string => Math.round(x).toLocaleString('en-US').padStart(9)
  const lines = [`${lanes} lanes, Adam, batch ${BATCH}, samples/s · ${machine()}`, `${'one'.padStart(9)} ${`${lanes} lanes`.padStart(9)} ${`${lanes} apart`.padStart(9)}   lanes/apart (range)      lanes/one`]
  for (const [i, { name }] of measured.entries()) {
    const r = await benchWorkload(i, lanes)
    lines.push(`${rate(r.one)} ${rate(r.lanes)} ${rate(r.pair)}   ${r.ratio.toFixed(2)} (${r.spread[0].toFixed(2)} to ${r.spread[1].toFixed(2)})       ${r.plain.toFixed(2)}       ${name}`)
  }
  return lines.join('\n')
}
