// A process that trains so many steps, and says how much memory it held at most, if it did train. Without an adapter: what reading the data takes.
//   memory_child.mjs WORKLOAD DIR STEPS [ADAPTER]
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { load } from './adapters/index.mjs'
import { checkTraining, firstLoss } from './checks.mjs'
import { readData } from './files.mjs'
import { workloads } from './workloads.mjs'

const [id, dir, steps, name] = process.argv.slice(2)
const require = createRequire(import.meta.url)
console.log = console.info = console.warn = () => undefined

/** Bytes; the kernel's own mark where there is one: what getrusage says of a child may be its parent's. */
function peak() {
  try { return 1024 * Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) } catch { return 1024 * process.resourceUsage().maxRSS }
}

const data = readData(dir)
let check = () => undefined
if (name !== undefined) {
  const workload = workloads.find((w) => w.id === id)
  const subject = await (await load(name)).setup(workload, data, { wasm: (library) => `${dirname(require.resolve(library))}/`, threads: 1 })
  const before = await subject.loss()
  await subject.run(Number(steps))
  const after = await subject.loss()
  check = () => checkTraining(before, after, Number(steps), firstLoss(workload, data))
}
const most = peak()
// Afterwards: the check itself takes memory.
check()
process.stdout.write(`${most}\n`)
