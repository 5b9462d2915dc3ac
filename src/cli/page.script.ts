// The script of a report, as text: draws the curves with uPlot, in the page's colours, as wide as there is room.
// It reads `curves` ({ epoch, loss, accuracy: { train, validation } }), which the report writes before it.
export const script = `
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
const font = (size) => size + 'px ' + getComputedStyle(document.body).fontFamily
const plots = []
function draw(id, { train, validation }, show, size) {
  const place = document.getElementById(id)
  const axis = { stroke: () => color('--soft'), grid: { stroke: () => color('--line'), width: 1 }, ticks: { stroke: () => color('--line'), width: 1, size: 5 }, font: font(12) }
  const curve = (label, name, dash) => ({ label, stroke: () => color(name), width: 2, dash, points: { show: train.length <= 40, size: 6, fill: () => color('--card') }, value: (_, v) => v == null ? '–' : show(v) })
  const options = {
    width: place.clientWidth, height: 260, cursor: { sync: { key: 'epoch' }, drag: { x: true, y: false } },
    scales: { x: { time: false, range: (_, min, max) => min === max ? [min - 1, max + 1] : [min, max] }, y: {} },
    axes: [{ ...axis, size: 34, values: (_, ticks) => ticks.map((t) => Number.isInteger(t) ? String(t) : ''), incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 10000] }, { ...axis, size, values: (_, ticks) => ticks.map((t) => show(t, true)) }],
    series: [{ label: 'epoch', value: (_, v) => v == null ? '–' : String(v) }, curve('training', '--train'), ...(validation === null ? [] : [curve('validation', '--validation', [6, 4])])],
  }
  const plot = new uPlot(options, validation === null ? [curves.epoch, train] : [curves.epoch, train, validation], place)
  plots.push(plot)
  new ResizeObserver(() => { if (place.clientWidth > 0) plot.setSize({ width: place.clientWidth, height: 260 }) }).observe(place)
}
if (curves.epoch.length > 0) {
  draw('loss', curves.loss, (v, tick) => tick ? String(+v.toPrecision(6)) : v < 0.001 ? v.toExponential(2) : v.toFixed(4), 56)
  draw('accuracy', curves.accuracy, (v, tick) => tick ? +(100 * v).toFixed(4) + '%' : (100 * v).toFixed(2) + '%', 56)
}
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => { for (const plot of plots) plot.redraw() })
`
