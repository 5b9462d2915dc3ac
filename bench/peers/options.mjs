// The words of `npm run bench:peers -- …`.
import { accessSync, constants } from 'node:fs'
import { parseArgs } from 'node:util'
import { rivals } from './peers.mjs'
import { otherParts, workloads } from './workloads.mjs'

const PARTS = [...new Set([...workloads.map(({ part }) => part), ...Object.keys(otherParts)])]

const HELP = `npm run bench:peers [-- OPTIONS]      equigrad beside other libraries, on the same workloads, in turn

  --only W1,W4        parts to run: ${PARTS.join(', ')} (default: all)
  --peers a,b         libraries to run beside ours: ${rivals.join(', ')} (default: all)
  --node PATH         the Node that libraries run under; may be given again (default: this one)
  --rounds N          rounds of each race, at least 7 (default: 7)
  --python PATH       the Python that may have torch (default: /usr/bin/python3, or python3)
  --out DIR           where the JSON and the report go (default: bench/results)
  --help`

/** @returns {{ readonly parts: readonly string[] | null, readonly peers: readonly string[] | null, readonly nodes: readonly string[], readonly rounds: number, readonly python: string, readonly out: string }} */
export function optionsOf(args) {
  const { values } = parseArgs({
    args, options: {
      only: { type: 'string' }, peers: { type: 'string' }, node: { type: 'string', multiple: true }, rounds: { type: 'string', default: '7' },
      python: { type: 'string' }, out: { type: 'string', default: 'bench/results' }, help: { type: 'boolean', default: false },
    },
  })
  if (values.help) { console.log(HELP); process.exit(0) }
  const parts = among('--only', values.only, PARTS), peers = among('--peers', values.peers, rivals)
  const rounds = Number(values.rounds)
  if (!Number.isInteger(rounds) || rounds < 7) throw new Error(`--rounds: expected a whole number from 7, got ${values.rounds}.`)
  return { parts, peers, nodes: values.node ?? [process.execPath], rounds, python: values.python ?? (isProgram('/usr/bin/python3') ? '/usr/bin/python3' : 'python3'), out: values.out }
}

/** Words between commas, or null for all. */
function among(option, text, known) {
  const words = text?.split(',').map((word) => word.trim()) ?? null
  const unknown = words?.find((word) => !known.includes(word))
  if (unknown !== undefined) throw new Error(`${option}: expected some of ${known.join(', ')}, got ${unknown}.`)
  return words
}

function isProgram(path) {
  try { accessSync(path, constants.X_OK); return true } catch { return false }
}
