// The report: one file that loads nothing, with the data of its curves, safe for any text.
import { readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { report } from '../../src/cli/report.js'
import type { Result } from '../../src/cli/result.js'
import * as uplot from '../../src/cli/uplot.text.js'

const part = (samples: number): Result['data']['train'] => ({ images: new Uint8Array(samples * 6).fill(9), labels: new Uint8Array(samples), samples })
const result: Result = {
  version: '1.2.3', data: { name: 'a <b> & "c"', train: part(40), test: part(4), classes: 2, height: 2, width: 3 }, validationSamples: 4,
  settings: { model: '6-2 (softmax)', weights: '14', optimizer: 'adam' },
  epochs: [{ loss: 0.75, accuracy: 0.5, validation: { loss: 0.8125, accuracy: 0.25 }, samplesPerSecond: 10 }, { loss: 0.5, accuracy: 0.875, validation: { loss: 0.625, accuracy: 0.75 }, samplesPerSecond: 12 }],
  plannedEpochs: 2, steps: 8, test: { loss: 0.5, accuracy: 0.75 }, confusion: [[3, 1], [0, 0]],
  mistakes: [{ index: 2, label: 0, predicted: 1, probability: 0.875 }], hash: 'ab'.repeat(32), trained: { samples: 72, ms: 10 }, ms: 100, machine: { node: 'v20' },
}
const html = report(result)
/** Without the text of uPlot, whose banner names its home. */
const own = html.replace(uplot.script, '').replace(uplot.style, '')

it('loads nothing and forbids loading', () => {
  expect(own).not.toMatch(/https?:|\/\/[a-z]|@import|<link|<iframe|fetch\(|XMLHttp/i)
  expect(html).toContain("default-src 'none'")
  for (const [, target = ''] of own.matchAll(/(?:src|href|action)="([^"]*)"/g)) expect(target).toMatch(/^data:image\/png;base64,/)
  expect(own).not.toMatch(/url\(/)
  expect(uplot.script.replace(/^\/\*!.*?\*\//, '')).not.toMatch(/https?:/)
  expect(uplot.style).not.toMatch(/url\(|@import/)
})

it('has the data of the curves and uPlot to draw them', () => {
  const curves = /const curves = (.*)\n/.exec(html)?.[1] ?? ''
  expect(JSON.parse(curves)).toEqual({ epoch: [1, 2], loss: { train: [0.75, 0.5], validation: [0.8125, 0.625] }, accuracy: { train: [0.5, 0.875], validation: [0.25, 0.75] } })
  expect(html).toContain(uplot.script)
  expect(report({ ...result, epochs: result.epochs.map((e) => ({ ...e, validation: null })) })).toContain('"validation":null')
})

it('has scripts that parse', () => {
  for (const [, text = ''] of html.matchAll(/<script>([^]*?)<\/script>/g)) expect(() => new Function(text)).not.toThrow()
})

it('shows settings, matrix, mistakes and the hash', () => {
  for (const text of ['6-2 (softmax)', 'ab'.repeat(32), '75.00%', '1 of 4 wrong', '<b>0 → <span class="wrong">1</span></b>', '87.50%', 'title="1 of class 0 predicted as 1"']) expect(html).toContain(text)
  expect(html.match(/<img /g)).toHaveLength(1)
  expect(html).not.toContain('Stopped by')
})

it('takes names as text', () => {
  expect(html).not.toContain('<b> &')
  expect(html).toContain('Training on a &lt;b&gt; &amp; &quot;c&quot;')
})

it('stays small for many classes and mistakes', () => {
  const n = 300
  const confusion = Array.from({ length: n }, (_, r) => Array.from({ length: n }, (_unused, c) => (r === c ? 1 : 0)))
  const mistakes = Array.from({ length: 5000 }, () => ({ index: 0, label: 0, predicted: 1, probability: 0.5 }))
  const big = report({ ...result, confusion, mistakes })
  expect(big).not.toContain('class="matrix"')
  expect(big.match(/<img /g)).toHaveLength(45)
})

it('says so when nothing was trained and nothing was wrong', () => {
  const empty = report({ ...result, epochs: [], steps: 0, trained: { samples: 0, ms: 0 }, mistakes: [], confusion: [[4, 0], [0, 0]] })
  for (const text of ['No epoch was completed', 'Stopped by the user after 0 of 2 epochs', 'Every test sample was recognised', 'No class was taken for another']) expect(empty).toContain(text)
})

it('holds uPlot as it is installed (UPDATE=1 writes it anew)', () => {
  const dir = new URL('../../node_modules/uplot/', import.meta.url)
  const file = new URL('../../src/cli/uplot.text.ts', import.meta.url)
  const read = (path: string): string => readFileSync(new URL(path, dir), 'utf8')
  const { version } = JSON.parse(read('package.json')) as { readonly version: string }
  const text = `// uPlot ${version} (MIT, Copyright (c) 2022 Leon Sorokin; see NOTICE) as text, to be put into reports: dist/uPlot.iife.min.js and dist/uPlot.min.css of the\n` +
    '// devDependency, byte by byte. Kept here so that the packed command needs no file beside it; test/cli/report.test.ts writes it anew (UPDATE=1).\n' +
    `export const script =\n  ${JSON.stringify(read('dist/uPlot.iife.min.js'))}\nexport const style =\n  ${JSON.stringify(read('dist/uPlot.min.css'))}\n`
  if (process.env['UPDATE'] === '1') writeFileSync(file, text)
  expect(readFileSync(file, 'utf8') === text).toBe(true)
})
