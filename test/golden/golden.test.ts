// The pinned table against the source, in this Node; test/runtimes/run.mjs compares the package elsewhere and writes the table (--update).
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as compress from '../../src/compress/index.js'
import * as data from '../../src/data/index.js'
import * as equigrad from '../../src/index.js'
import { trainings, type Row } from './trainings.js'

const read = (file: string): string => readFileSync(new URL(file, import.meta.url), 'utf8')
const { version, rows: table } = JSON.parse(read('./table.json')) as { readonly version: number; readonly rows: Record<string, Row> }

describe.each([1, 2, 3, 8])('golden trainings on %i lanes have the bits of the table', async (lanes) => {
  const rows = await trainings({ ...equigrad, ...compress }, data, lanes)
  it('the same trainings', () => { expect(Object.keys(rows)).toEqual(Object.keys(table)) })
  for (const [name, row] of Object.entries(table)) it(name, () => { expect(rows[name]).toEqual(row) })
})

describe('the table', () => {
  it('has 24 rows or more, each with four hashes, and no hash twice', () => {
    const rows = Object.values(table)
    expect(rows.length).toBeGreaterThanOrEqual(24)
    expect(rows.flatMap((row) => Object.keys(row))).toEqual(rows.flatMap(() => ['weights', 'state', 'losses', 'predictions']))
    const hashes = rows.flatMap((row) => Object.values(row))
    expect(hashes.filter((hash) => !/^[0-9a-f]{64}$/.test(hash))).toEqual([])
    expect(new Set(hashes).size).toBe(hashes.length)
  })
  it('has a version that the changelog names, after the first one with what changed', () => {
    const log = read('../../CHANGELOG.md')
    expect(log).toMatch(new RegExp(version === 1 ? 'golden table 1\\b' : `bits changed: .*golden table ${version}\\b`))
  })
})
