// `npm run verify`: the slow runs on real data, beside PyTorch's of the same configurations.
//   npm run verify                      all of it
//   npm run verify -- mlp 2             one part (a wrong one lists them), on so many seeds
import { cpus } from 'node:os'
import { join } from 'node:path'
import { verifyClip } from './clip.mjs'
import { nets, verifyImages } from './images.mjs'
import { verifyInt8 } from './int8.mjs'
import { verifyLong } from './long.mjs'
import { verifyAdding, verifyCharacters } from './sequences.mjs'
import { verifyWeights } from './weights.mjs'

const [only, seeds] = process.argv.slice(2)
let passed = 0
let failed = 0
const options = {
  root: process.env.EQUIGRAD_DATA ?? join(import.meta.dirname, '../../../shared/data'), ...(seeds === undefined ? {} : { seeds: Number(seeds) }),
  report(ok, line) { console.log(line.startsWith('SKIPPED') ? line : `${ok ? 'passed' : 'FAILED'} ${line}`); if (ok) passed++; else failed++ },
}
const parts = {
  ...Object.fromEntries(Object.entries(nets).map(([name, net]) => [name, () => verifyImages(net, options)])),
  int8: () => verifyInt8(options), adding: () => verifyAdding(options), characters: () => verifyCharacters(options), clip: () => verifyClip(options), weights: () => verifyWeights(options), long: () => verifyLong(options),
}
console.log(`${cpus()[0]?.model.trim()}, Node ${process.versions.node}`)
if (only !== undefined && parts[only] === undefined) throw new RangeError(`verify: expected one of ${Object.keys(parts).join(', ')}, got ${only}.`)
for (const [name, run] of Object.entries(parts)) if (only === undefined || only === name) await run()
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0
