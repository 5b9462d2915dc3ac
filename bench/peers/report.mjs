// A run as one HTML file that loads nothing: a chart and a table for each workload, the products as one table, what the machine was.
import { barChart, barsOf, escape } from './chart.mjs'
import { facts, page, tableHtml } from './page.mjs'
import { columnsOf, matrixCells, reasonsOf, rowCells } from './table.mjs'

/**
 * @typedef {{ readonly machine: Readonly<Record<string, string>>, readonly rows: readonly import('./race.mjs').Row[], readonly tables?: readonly Table[] }} Result
 * Figures that are not of a race (sizes, cold starts, memory): one column is drawn.
 * @typedef {{ readonly id: string, readonly title: string, readonly note: string, readonly columns: readonly { readonly name: string, readonly unit: string }[], readonly rows: readonly { readonly name: string, readonly values: readonly (number | null)[], readonly note?: string }[], readonly failed: readonly { readonly name: string, readonly reason: string }[] }} Table
 */

/** @param {Result} result */
export function report({ machine, rows, tables = [] }) {
  const groups = new Map()
  for (const row of rows.filter(({ unit }) => unit !== 'GFLOP/s')) groups.set(row.workload, [...groups.get(row.workload) ?? [], row])
  const products = rows.filter(({ unit }) => unit === 'GFLOP/s')
  return page(`equigrad beside other libraries – ${machine.CPU}`, `<header><h1>equigrad beside other libraries</h1>
<p class="soft">${escape(machine.CPU)} · Node ${escape(machine.Node)} · ${escape(machine.date)}</p></header>
<section><h2>How it was measured</h2>
<p class="note">One thread unless said otherwise, each library in a process of its own, set up, checked and warmed up before the first round; then rounds in turn, A B A B …. Bars are medians, lines the range over the rounds; ratios are medians of the ratios of a round. What a library computed was compared with the same network in plain f64 JavaScript before its speed counted. By CPU time means per second of processor time: where it differs from the clock, something else ran on the machine.</p>
${facts(machine)}</section>
${[...groups.values()].map(raceSection).join('\n')}
${products.length === 0 ? '' : productSection(products)}
${tables.map(tableSection).join('\n')}
<footer>Made by <code>npm run bench:peers</code>.</footer>`)
}

/** @param {readonly import('./race.mjs').Row[]} rows */
function raceSection(rows) {
  const [{ workload, title, unit }] = rows
  const with_ = rows.filter(({ rate }) => rate !== undefined)
  if (with_.length === 0) return `<section><h2>${escape(title)}</h2>${reasons(rows)}</section>`
  return `<section><h2>${escape(workload.split(' ')[0])} · ${escape(title)}</h2><p class="note">${escape(unit)}, more is better</p>
${barChart({ title, unit, bars: barsOf(rows) })}
<details><summary>Numbers</summary>${tableHtml(columnsOf('library'), with_.map((row) => ({ cells: rowCells(row, row === rows[0]), ours: row === rows[0] })), true)}</details>
${reasons(rows)}</section>`
}

function productSection(rows) {
  const { peers, lines } = matrixCells(rows)
  return `<section><h2>W6 · products of matrices m×n×k</h2><p class="note">GFLOP/s, more is better; in brackets how many times as fast ours is, by the clock and by CPU time. nn: A·B, tn: Aᵀ·B, nt: A·Bᵀ. B fixed: a constant, which may be packed once; operands go in and results out as arrays where a library has no other way (ours, into one array, and onnxruntime-web, into a new one each time). Else both operands may change; onnxruntime-web copies them in at each run. tfjs-wasm and jax-js leave results in their memory and use it again.</p>
${tableHtml(['product', ...peers], lines.map((cells) => ({ cells })))}${reasons(rows)}</section>`
}

function reasons(rows) {
  const lines = reasonsOf(rows)
  return lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${escape(line)}</li>`).join('')}</ul>`
}

/** @param {Table} table */
function tableSection({ id, title, note, columns, rows, failed }) {
  const charts = columns.map(({ name, unit }, c) => `<h3>${escape(name)}, ${escape(unit)}</h3>${barChart({ title: name, unit, bars: rows.filter(({ values }) => values[c] !== null).map(({ name: peer, values, note: own }) => ({ name: peer, value: values[c], note: own, ours: peer.startsWith('equigrad') })) })}`)
  return `<section><h2>${escape(id)} · ${escape(title)}</h2><p class="note">${escape(note)}</p>${charts.join('')}
${failed.length === 0 ? '' : `<ul>${failed.map(({ name, reason }) => `<li>${escape(name)}: no figure, ${escape(reason)}</li>`).join('')}</ul>`}</section>`
}
