// The pinned table against the source, in this Node; test/runtimes/run.mjs compares the package elsewhere and writes the table (--update).
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as compress from '../../src/compress/index.js'
import * as data from '../../src/data/index.js'
import * as equigrad from '../../src/index.js'
import { trainings, type Row } from './trainings.js'

const table = JSON.parse(readFileSync(new URL('./table.json', import.meta.url), 'utf8')) as Record<string, Row>

describe.each([1, 2, 3, 8])('golden trainings on %i lanes have the bits of the table', async (lanes) => {
  const rows = await trainings({ ...equigrad, ...compress }, data, lanes)
  it('the same trainings', () => { expect(Object.keys(rows)).toEqual(Object.keys(table)) })
  for (const [name, row] of Object.entries(table)) it(name, () => { expect(rows[name]).toEqual(row) })
})
