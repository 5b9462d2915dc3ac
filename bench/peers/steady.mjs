// Whether training slows down: samples/s of processor time in steps 100 to 600 and 4 500 to 5 000, and the growth of the JavaScript heap between.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { titleOf } from './version.mjs'

const run = promisify(execFile)
const child = fileURLToPath(new URL('steady_child.mjs', import.meta.url))

/** @param {readonly string[]} names @param {{ readonly dir: string, readonly node: string, readonly say: (text: string) => void }} options @returns {Promise<import('./report.mjs').Table>} */
export async function steady(names, { dir, node, say }) {
  const rows = [], failed = []
  for (const name of names) {
    say(`5 000 steps of ${name}`)
    try {
      const { early, late, grown } = JSON.parse((await run(node, ['--expose-gc', child, dir, name])).stdout)
      rows.push({ name: titleOf(name), values: [early, late, (100 * late) / early, grown / 1000] })
    } catch (error) { failed.push({ name: titleOf(name), reason: String(error.stderr ?? error.message).split('\n').find((l) => /error/i.test(l)) ?? 'it failed' }) }
  }
  return {
    id: 'steady', title: 'the worked example over 5 000 steps', note: 'Samples a second of processor time, early and late; the heap after garbage collection.',
    columns: [{ name: 'steps 100 to 600', unit: 'samples/s' }, { name: 'steps 4 500 to 5 000', unit: 'samples/s' }, { name: 'late by early', unit: '%' }, { name: 'growth of the heap', unit: 'kB' }], rows, failed,
  }
}
