// The page of `npm run bench:web`: our part and three others in the reader's own browser, a worker for each, rounds in turn, with the report's charts.
//   ?only=W1,W4   parts (default W1, W4)   ?rounds=7
import { barChart, barsOf, escape } from '../chart.mjs'
import { facts, tableHtml } from '../page.mjs'
import { prepareData } from '../prepare.mjs'
import { race } from '../race.mjs'
import { reasonsOf, short } from '../table.mjs'
import { workloads } from '../workloads.mjs'
import { start } from './subject.mjs'

const LIBRARIES = ['equigrad', 'tfjs-wasm', 'jax-js', 'onnxruntime-web']
const question = new URLSearchParams(location.search)
const parts = (question.get('only') ?? 'W1,W4').split(',')
const rounds = Number(question.get('rounds') ?? 7)

const say = (text) => { document.getElementById('state').textContent = text }
const takes = (library, { kind }) => library !== 'onnxruntime-web' || kind === 'predict'

/** @param {readonly import('../race.mjs').Row[]} rows */
function show(rows) {
  const [{ workload, title, unit }] = rows
  const found = rows.filter(({ rate }) => rate !== undefined)
  const failed = reasonsOf(rows)
  const cells = ({ peer, version, rate, ratio, check }) => [`${peer} ${version}`, short(rate.median), `${short(rate.min)} to ${short(rate.max)}`, peer === 'equigrad' ? '' : `${short(ratio.median)} ×`, check]
  document.getElementById('results').insertAdjacentHTML('beforeend', `<section><h2>${escape(workload.split(' ')[0])} · ${escape(title)}</h2><p class="note">${escape(unit)}, more is better</p>
${found.length === 0 ? '' : barChart({ title, unit, bars: barsOf(rows) })}
<details><summary>Numbers</summary>${tableHtml(['library', 'median', 'range', 'ours is', 'checked'], found.map((row) => ({ cells: cells(row), ours: row.peer === 'equigrad' })), true)}</details>
${failed.length === 0 ? '' : `<ul>${failed.map((line) => `<li>${escape(line)}</li>`).join('')}</ul>`}</section>`)
}

async function bench() {
  const machine = { browser: navigator.userAgent, cores: String(navigator.hardwareConcurrency), 'isolated (exact clock)': globalThis.crossOriginIsolated ? 'yes' : 'no', date: new Date().toISOString().slice(0, 16).replace('T', ' ') }
  document.getElementById('machine').innerHTML = facts(machine)
  say('makes the data and trains the network that predicts')
  const data = await prepareData()
  const rows = []
  for (const workload of workloads.filter(({ part, kind }) => parts.includes(part) && kind !== 'product')) {
    const runners = []
    for (const library of LIBRARIES.filter((name) => takes(name, workload))) runners.push({ peer: { name: library, adapter: library, threads: 1 }, child: await start(library, data) })
    try {
      const found = await race(runners, workload, { rounds, data, say })
      show(found)
      rows.push(...found)
    } finally { for (const { child } of runners) child.stop() }
  }
  say('done')
  return { machine, rows }
}

globalThis.result = bench()
globalThis.result.catch((error) => { say(`failed: ${error.message}`) })
