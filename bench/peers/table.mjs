// Rows of a race as text: columns aligned, ratios to ours.

/** A number with three digits that count. @param {number} x */
export const short = (x) => (x < 0 ? `−${short(-x)}` : x >= 1000 ? Math.round(x).toLocaleString('en-US').replaceAll(',', ' ') : x >= 100 ? x.toFixed(0) : x >= 10 ? x.toFixed(1) : x.toFixed(2))
const times = (spread) => (spread === undefined ? '' : `${short(spread.median)} ×`)
const range = ({ min, max }) => `${short(min)} to ${short(max)}`

/** @param {string} first */
export const columnsOf = (first) => [first, 'median', 'range', 'by CPU time', 'ours is', 'range', 'by CPU time', 'checked']

/** @param {import('./race.mjs').Row} row @param {boolean} ours */
export function rowCells({ peer, version, check, rate, cpuRate, ratio, cpuRatio }, ours) {
  const [library, ...how] = peer.split(', ')
  const name = version === '' || version === undefined ? peer : [`${library} ${version}`, ...how].join(', ')
  return [name, short(rate.median), range(rate), short(cpuRate.median), ours ? '' : times(ratio), ours || ratio === undefined ? '' : range(ratio), ours ? '' : times(cpuRatio), check]
}

/** @param {readonly import('./race.mjs').Row[]} rows - of one workload */
export function tableOf(rows) {
  const [{ workload, title, unit }] = rows
  const lines = [columnsOf(''), ...rows.filter(({ failed }) => failed === undefined).map((row) => rowCells(row, row === rows[0]))]
  const text = aligned(lines, true)
  return [`${workload.split(' ')[0]}  ${title}, ${unit}`, ...text.map((line) => `  ${line}`), ...reasonsOf(rows).map((line) => `  ${line}`)].join('\n')
}

/** Who has no figure, and why: those with one reason on one line. @param {readonly import('./race.mjs').Row[]} rows */
export function reasonsOf(rows) {
  const reasons = new Map()
  for (const { peer, failed } of rows) if (failed !== undefined) reasons.set(failed, new Set([...reasons.get(failed) ?? [], peer]))
  return [...reasons].map(([reason, peers]) => `${[...peers].join(', ')}: no figure, ${reason}`)
}

/** A line for each product, a cell for each library. @param {readonly import('./race.mjs').Row[]} rows */
export function matrixCells(rows) {
  const peers = [...new Set(rows.filter(({ rate }) => rate !== undefined).map(({ peer }) => peer))]
  const cell = (workload, peer) => {
    const row = rows.find((r) => r.workload === workload && r.peer === peer)
    if (row?.rate === undefined) return ''
    return `${short(row.rate.median)}${row.ratio === undefined || peer === peers[0] ? '' : ` (${row.ratio.median.toFixed(2)}, ${row.cpuRatio.median.toFixed(2)} ×)`}`
  }
  return { peers, lines: [...new Set(rows.map(({ workload }) => workload))].map((id) => [id.split(' ').slice(1).join(' '), ...peers.map((peer) => cell(id, peer))]) }
}

/** @param {readonly import('./race.mjs').Row[]} rows */
export function matrixOf(rows) {
  const { peers, lines } = matrixCells(rows)
  return [`W6  products m×n×k, ${rows[0].unit}; in brackets how many times as fast ours is, by the clock and by CPU time`, ...aligned([['', ...peers], ...lines]).map((line) => `  ${line}`), ...reasonsOf(rows).map((line) => `  ${line}`)].join('\n')
}

/** Columns of equal width: words to the left, numbers to the right. @param {readonly (readonly string[])[]} lines @param {boolean} [words] - is the last column words? */
export function aligned(lines, words = false) {
  const widths = lines[0].map((_, c) => Math.max(...lines.map((line) => line[c].length)))
  const toLeft = (c) => c === 0 || (words && c === widths.length - 1)
  return lines.map((line) => line.map((cell, c) => (toLeft(c) ? cell.padEnd(widths[c]) : cell.padStart(widths[c]))).join('  ').trimEnd())
}

/** A text in lines of at most so many letters, broken between words. @param {string} text */
export function wrapped(text, width = 118) {
  const lines = ['']
  for (const word of text.split(' ')) {
    if (lines.at(-1).length + word.length >= width) lines.push('')
    lines.push(`${lines.pop()} ${word}`.trimStart())
  }
  return lines
}

/** Figures that are not of a race. @param {import('./report.mjs').Table} table */
export function figuresOf({ id, title, note, columns, rows, failed }) {
  const lines = [['', ...columns.map(({ name, unit }) => `${name}, ${unit}`), ''], ...rows.map(({ name, values, note: own = '' }) => [name, ...values.map((v) => (v === null ? '' : short(v))), own])]
  return [`${id}  ${title}`, ...wrapped(note).map((line) => `  ${line}`), ...aligned(lines, true).map((line) => `  ${line}`), ...failed.map(({ name, reason }) => `  ${name}: no figure, ${reason}`)].join('\n')
}
