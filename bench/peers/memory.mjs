// W8: the most memory that a process held while it trained, less that of one that only reads the data.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { median } from './statistics.mjs'
import { titleOf } from './version.mjs'

const run = promisify(execFile)
const child = fileURLToPath(new URL('memory_child.mjs', import.meta.url))
/** Steps: enough for a garbage collector to have been at work. */
const STEPS = { W1: 120, W2: 20 }
const TIMES = 3

/** @param {readonly string[]} names @param {{ readonly dir: string, readonly node: string, readonly say: (text: string) => void }} options @returns {Promise<import('./report.mjs').Table>} */
export async function memory(names, { dir, node, say }) {
  const failed = []
  const peakOf = async (id, ...adapter) => {
    const peaks = []
    for (let i = 0; i < TIMES; i++) {
      say(`W8: memory of ${adapter[0] ?? 'an empty process'} in ${id}`)
      peaks.push(Number((await run(node, [child, id, dir, String(STEPS[id]), ...adapter])).stdout))
    }
    return median(peaks) / 2 ** 20
  }
  const empty = await peakOf('W1')
  const rows = []
  for (const name of names) {
    try { rows.push({ name: titleOf(name), values: [(await peakOf('W1', name)) - empty, (await peakOf('W2', name)) - empty] }) } catch (error) { failed.push({ name: titleOf(name), reason: String(error.stderr ?? error.message).split('\n').find((l) => /error/i.test(l)) ?? 'it failed' }) }
  }
  return {
    id: 'W8', title: 'most memory while training', note: `The high-water mark of the process, less ${empty.toFixed(0)} MiB of one that only reads the data; medians of ${TIMES}. Less is better.`,
    columns: [{ name: 'W1', unit: 'MiB' }, { name: 'W2', unit: 'MiB' }], rows, failed,
  }
}
