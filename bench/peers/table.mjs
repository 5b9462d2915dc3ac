// Rows of a race as text: columns aligned, ratios to ours.

/** A number with three digits that count. @param {number} x */
export const short = (x) => (x >= 1000 ? Math.round(x).toLocaleString('en-US').replaceAll(',', ' ') : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2))
const times = (spread) => (spread === undefined ? '' : `${short(spread.median)} ×`)
const range = ({ min, max }) => `${short(min)} to ${short(max)}`

const COLUMNS = ['', 'median', 'range', 'by CPU time', 'ours is', 'range', 'by CPU time', 'checked']

/** @param {import('./race.mjs').Row} row */
function cells({ peer, version, failed, check, rate, cpuRate, ratio, cpuRatio }, ours) {
  const name = version === '' || version === undefined ? peer : `${peer} ${version}`
  if (failed !== undefined) return [name, '–', '', '', '', '', '', failed]
  return [name, short(rate.median), range(rate), short(cpuRate.median), ours ? '' : times(ratio), ours || ratio === undefined ? '' : range(ratio), ours ? '' : times(cpuRatio), check]
}

/** @param {readonly import('./race.mjs').Row[]} rows - of one workload */
export function tableOf(rows) {
  const [{ workload, title, unit }] = rows
  const lines = [COLUMNS, ...rows.map((row, i) => cells(row, i === 0))]
  const widths = COLUMNS.map((_, c) => Math.max(...lines.map((line) => line[c].length)))
  const text = lines.map((line) => line.map((cell, c) => (c === 0 || c === COLUMNS.length - 1 ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  ').trimEnd())
  return [`${workload.split(' ')[0]}  ${title}, ${unit}`, ...text.map((line) => `  ${line}`)].join('\n')
}

/** A line for each row of many workloads that share a field: one column a library. @param {readonly import('./race.mjs').Row[]} rows */
export function matrixOf(rows) {
  const peers = [...new Set(rows.map(({ peer }) => peer))], titles = [...new Set(rows.map(({ workload }) => workload))]
  const cell = (workload, peer) => {
    const row = rows.find((r) => r.workload === workload && r.peer === peer)
    if (row === undefined) return ''
    if (row.failed !== undefined) return '–'
    return `${short(row.rate.median)}${row.ratio === undefined || peer === peers[0] ? '' : ` (${row.ratio.median.toFixed(2)} ×)`}`
  }
  const lines = [['', ...peers], ...titles.map((id) => [id.split(' ').slice(1).join(' '), ...peers.map((peer) => cell(id, peer))])]
  const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)))
  const failures = new Map(rows.filter((r) => r.failed !== undefined).map((r) => [`${r.peer}: ${r.failed}`, r]))
  return [
    `W6  products m×n×k, ${rows[0].unit}; in brackets how many times as fast ours is`,
    ...lines.map((line) => `  ${line.map((c, i) => (i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  ').trimEnd()}`),
    ...[...failures.keys()].map((text) => `  – ${text}`),
  ].join('\n')
}
