// What ARCHITECTURE.md quotes of graphs and programs is what the code says; what docs/clipping.md tells of a run is in its numbers.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { adam, dense, sequential, sparseCategoricalCrossentropy } from '../src/index.js'

it('one value through every floor', () => {
  const text = readFileSync('ARCHITECTURE.md', 'utf8')
  const section = text.slice(text.indexOf('## One value'), text.indexOf('## The life of one training step'))
  const quoted = [...section.matchAll(/```.*\n([\s\S]*?)```/g)].flatMap(([, block]) => (block ?? '').split('\n').map((line) => line.trim()).filter((line) => line !== ''))
  const model = sequential([dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 } })
    .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  const said = new Set([...model.definition.graph.nodes.map((node) => JSON.stringify(node)), ...model.program('grad', { capacity: 128 }).text.split('\n').map((line) => line.trim())])
  expect(quoted.length).toBe(9)
  for (const line of quoted) expect(said).toContain(line)
  // the calls that touch it are all there
  const touching = [...said].filter((line) => /^\|? *\d+ .*%11\b/.test(line))
  expect(touching.filter((line) => !quoted.includes(line))).toEqual([])
})

it('the table of clipping is that of the numbers its curve was drawn by', () => {
  const { seeds, table } = JSON.parse(readFileSync('docs/clipping.json', 'utf8')) as { readonly seeds: number; readonly table: readonly Readonly<Record<'fraction' | 'clipped' | 'magnitude' | 'candidates' | 'seconds', number>>[] }
  const text = readFileSync('docs/clipping.md', 'utf8')
  for (const { fraction, clipped, magnitude, candidates, seconds } of table) {
    expect(text).toContain(`| ${(100 * fraction).toFixed(0)} % | ${clipped.toFixed(2)} % | ${magnitude.toFixed(2)} % | ${candidates} | ${seconds.toFixed(0)} s |`)
  }
  expect(text).toContain(`mean of ${seeds} seeds`)
})
