// The script of a report, as text: draws the curves with uPlot, in the page's colours, as wide as there is room.
// It reads `curves` ({ epoch, loss, accuracy: { train, validation } }), which the report writes before it.
export const script = `
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const font = (size) => size + 'px ' + getComputedStyle(document.body).fontFamily
const plots = []
// The legend says the last epoch's values, or those under the pointer.
const shown = (plot, value, i, show) => { const v = value ?? plot.data[i].at(-1); return v == null ? '–' : show(v) }
function draw(id, { train, validation }, most, show) {
  const place = document.getElementById(id)
  const axis = { stroke: () => color('--soft'), grid: { stroke: () => color('--line'), width: 1 }, ticks: { stroke: () => color('--line'), width: 1, size: 5 }, font: font(12) }
  const curve = (label, name, dash) => ({ label, stroke: () => color(name), width: 2, dash, points: { show: train.length <= 40, size: 6, fill: () => color('--card') }, value: (u, v, i) => shown(u, v, i, show) })
  const options = {
    width: place.clientWidth, height: 260, cursor: { sync: { key: 'epoch' }, drag: { x: true, y: false } },
    scales: { x: { time: false, range: (_, min, max) => min === max ? [min - 1, max + 1] : [min, max] }, y: { range: (_, min, max) => { const [low, high] = uPlot.rangeNum(min, max, 0.1, true); return [Math.max(low, 0), Math.min(high, most)] } } },
    axes: [{ ...axis, size: 34, values: (_, ticks) => ticks.map((t) => Number.isInteger(t) ? String(t) : ''), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000] }, { ...axis, size: 56, values: (_, ticks) => ticks.map((t) => show(t, true)) }],
    series: [{ label: 'epoch', value: (u, v, i) => shown(u, v, i, String) }, curve('training', '--train'), ...(validation === null ? [] : [curve('validation', '--validation', [6, 4])])],
  }
  const plot = new uPlot(options, validation === null ? [curves.epoch, train] : [curves.epoch, train, validation], place)
  plots.push(plot)
  // In the next frame: a size that changes while it is observed is an error on the console.
  new ResizeObserver(() => requestAnimationFrame(() => { if (place.clientWidth > 0 && place.clientWidth !== plot.width) plot.setSize({ width: place.clientWidth, height: 260 }) })).observe(place)
}
if (curves.epoch.length > 0) {
  draw('loss', curves.loss, Infinity, (v, tick) => tick ? String(+v.toPrecision(6)) : v < 0.001 ? v.toExponential(2) : v.toFixed(4))
  // a little above 1, so that points there are whole
  draw('accuracy', curves.accuracy, 1.01, (v, tick) => tick ? +(100 * v).toFixed(4) + '%' : (100 * v).toFixed(2) + '%')
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const plot of plots) plot.redraw() })
`
