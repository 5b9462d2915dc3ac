// Horizontal bars as SVG: a bar a library, a line for the range over the rounds. Colours are the page's (--ours, --bar, --text, --soft), so that one
// drawing serves light and dark. Runs in Node and in a page.
import { short } from './table.mjs'

/** VALUE: room for a figure and a note behind the longest bar. Narrower than LEAST the letters would be too small: there it scrolls. */
const WIDTH = 840, LEAST = 600, LABEL = 180, VALUE = 220, ROW = 30, BAR = 18
const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
export const escape = (text) => String(text).replace(/[&<>"]/g, (c) => ENTITIES[c])

/**
 * @param {{ readonly title: string, readonly unit: string, readonly bars: readonly { readonly name: string, readonly value: number, readonly low?: number, readonly high?: number, readonly note?: string, readonly ours?: boolean }[] }} chart
 * @returns {string}
 */
export function barChart({ title, unit, bars }) {
  const room = WIDTH - LABEL - VALUE
  const most = Math.max(...bars.map(({ value, high = value }) => Math.max(value, high)))
  const x = (value) => (value / most) * room
  const row = ({ name, value, low, high, note = '', ours = false }, i) => {
    const y = i * ROW + (ROW - BAR) / 2, middle = y + BAR / 2
    const range = low === undefined ? '' : `<path d="M${(LABEL + x(low)).toFixed(1)} ${middle}H${(LABEL + x(high)).toFixed(1)}M${(LABEL + x(low)).toFixed(1)} ${middle - 4}v8M${(LABEL + x(high)).toFixed(1)} ${middle - 4}v8" class="range"/>`
    const end = LABEL + x(Math.max(value, high ?? 0)) + 8
    return `<text x="${LABEL - 10}" y="${middle}" class="name${ours ? ' ours' : ''}">${escape(name)}</text>` +
      `<rect x="${LABEL}" y="${y}" width="${Math.max(1, x(value)).toFixed(1)}" height="${BAR}" rx="3" class="${ours ? 'ours' : 'bar'}"/>${range}` +
      `<text x="${end.toFixed(1)}" y="${middle}" class="value">${escape(short(value))}${note === '' ? '' : `<tspan class="note" dx="8">${escape(note)}</tspan>`}</text>`
  }
  return `<div class="scroll"><svg class="bars" viewBox="0 0 ${WIDTH} ${bars.length * ROW}" role="img" aria-label="${escape(`${title}, ${unit}`)}">${bars.map(row).join('')}</svg></div>`
}

/** What the drawing needs of a page's style. */
export const chartStyle = `
.bars { display: block; width: 100%; max-width: ${WIDTH}px; min-width: ${LEAST}px; height: auto; font-size: 13px }
.bars text { fill: var(--text); dominant-baseline: central } .bars .name { text-anchor: end } .bars .name.ours { font-weight: 600 }
.bars .value { font-variant-numeric: tabular-nums } .bars .note { fill: var(--soft); font-size: 12px }
.bars rect.ours { fill: var(--ours) } .bars rect.bar { fill: var(--bar) } .bars .range { stroke: var(--text); stroke-width: 1.2; fill: none; opacity: .55 }`

/** The bars of a race. @param {readonly import('./race.mjs').Row[]} rows - of one workload, ours first */
export const barsOf = (rows) => rows.filter(({ rate }) => rate !== undefined).map(({ peer, rate, ratio }, i) => ({
  name: peer, value: rate.median, low: rate.min, high: rate.max, ours: peer.startsWith('equigrad'),
  note: i === 0 || ratio === undefined ? '' : peer.startsWith('equigrad') ? `${short(1 / ratio.median)} × as fast as the first` : `ours ${short(ratio.median)} × as fast`,
}))
