// Minutes of killing processes that train together: at random steps, between them, while starting; the child, the starter, or no one. Whoever is left
// must end with the bits of one process, and nothing may hang or stay behind.
//   npm run build && node test/verify/processes.mjs [minutes, 10] [seed, 1]
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { one } from '../../examples/processes.mjs'

const [minutes, seed] = [Number(process.argv[2] ?? 10), Number(process.argv[3] ?? 1)]
/** A process that says nothing for so long hangs: a round takes a second or two. */
const PATIENCE = 60_000
const example = new URL('../../examples/processes.mjs', import.meta.url).href

/** Numbers in [0, 1) by a linear congruential generator (Numerical Recipes' constants). */
let state = seed >>> 0
const random = () => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return state / 2 ** 32 }
const among = (from, to) => from + Math.floor(random() * (to - from + 1))

/** One run of a starter and its child; what is printed until both have ended. */
async function round({ options, victim, killAt, delay, early }) {
  const kill = victim === 'child' ? `(child) => setTimeout(() => child.kill('SIGKILL'), ${delay})` : `() => setTimeout(() => process.kill(process.pid, 'SIGKILL'), ${delay})`
  const code = `import { two } from '${example}'; const hash = await two(${JSON.stringify(options)}, { killAt: ${victim === 'no one' ? -1 : killAt}, kill: ${kill}, execArgv: [] }); console.log(hash)`
  const starter = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  starter.stdout.setEncoding('utf8').on('data', (part) => { text += part })
  if (early !== null) setTimeout(() => starter.kill('SIGKILL'), early)
  let timer
  const hung = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`hangs: ${JSON.stringify({ options, victim, killAt, delay, early, text })}`)), PATIENCE) })
  await Promise.race([once(starter, 'close'), hung])
  clearTimeout(timer)
  return text
}

const tally = {}
const end = performance.now() + minutes * 60_000
while (performance.now() < end) {
  const options = { samples: among(40, 260), epochs: among(1, 2), batchSize: among(5, 50), shards: among(1, 9), units: among(3, 40) }
  const steps = options.epochs * Math.ceil(options.samples / options.batchSize)
  const victim = ['child', 'starter', 'no one'][among(0, 2)]
  // a starter that is killed while it starts may have no child yet: then nothing is printed
  const early = victim === 'starter' && random() < 0.4 ? among(0, 2000) : null
  const plan = { options, victim, early, killAt: among(1, steps), delay: among(0, 12) }
  const [want, text] = [await one(options), await round(plan)]
  const hashes = text.match(/\b[0-9a-f]{64}\b/g) ?? []
  if (hashes.some((hash) => hash !== want)) throw new Error(`expected ${want}, got ${text} of ${JSON.stringify(plan)}`)
  if (hashes.length === 0 && early === null && victim !== 'starter') throw new Error(`expected a hash, got ${JSON.stringify(text)} of ${JSON.stringify(plan)}`)
  const kind = `${victim}${early === null ? '' : ', starting'}`
  tally[kind] ??= { rounds: 0, finished: 0, alone: 0 }
  tally[kind].rounds++
  if (hashes.length > 0) tally[kind].finished++
  if (text.includes('is gone')) tally[kind].alone++
}
console.log(`seed ${seed}: no hang, no wrong bit; who was killed:`)
console.table(tally)
