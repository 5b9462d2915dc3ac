// Line charts as SVG, drawn without a page (echarts' server-side renderer).
import * as echarts from 'echarts'

const COLORS = ['#2457a6', '#c8553d', '#4b8f5a', '#8a5ca8']

/**
 * @param title - above the chart
 * @param x, y - names of the axes, with units
 * @param lines - { name, points: [x, y][], dashed? }
 * @returns an SVG of 720 × 420 that reads on light and dark pages
 */
export function lineChart({ title, x, y, lines, yMin }) {
  const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width: 720, height: 420 })
  const axis = (name, more) => ({ type: 'value', name, nameLocation: 'middle', nameGap: 32, axisLabel: { color: '#333' }, nameTextStyle: { color: '#333' }, splitLine: { lineStyle: { color: '#ddd' } }, ...more })
  chart.setOption({
    animation: false, backgroundColor: '#fff', color: COLORS, title: { text: title, left: 'center', textStyle: { fontSize: 15, color: '#111' } },
    legend: { top: 30, textStyle: { color: '#333' } }, grid: { left: 64, right: 28, top: 68, bottom: 56 },
    xAxis: axis(x, { min: 0, max: 100, splitLine: { show: false } }), yAxis: axis(y, { min: yMin, max: 100, nameGap: 42 }),
    series: lines.map(({ name, points, dashed = false }) => ({ name, type: 'line', data: points, symbolSize: 6, lineStyle: { width: 2, type: dashed ? 'dashed' : 'solid' } })),
  })
  const svg = chart.renderToSVGString()
  chart.dispose()
  return svg
}
