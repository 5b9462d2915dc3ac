// A run of bench:peers: each library in a process of its own, one thread, rounds in turn.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { writeData } from './files.mjs'
import { figures } from './figures.mjs'
import { machineOf } from './machine.mjs'
import { optionsOf } from './options.mjs'
import { races } from './parts.mjs'
import { prepareData } from './prepare.mjs'
import { report } from './report.mjs'

const options = settings()
function settings() {
  try { return optionsOf(process.argv.slice(2)) } catch (error) { console.error(`bench:peers: ${error.message}`); process.exit(2) }
}
const dir = mkdtempSync(join(tmpdir(), 'equigrad-peers-'))
process.on('exit', () => { rmSync(dir, { recursive: true, force: true }) })
process.on('SIGINT', () => { process.exit(130) })

/** One line that the next one overwrites, where someone watches. @param {string} text */
const say = (text) => { if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns ?? 80) - 1)}`) }
const print = (text) => { say(''); console.log(`${text}\n`) }

/** All parts under one Node; what there is of them is written after each. @param {string} node */
async function bench(node) {
  const machine = machineOf(node)
  print(Object.entries(machine).map(([name, value]) => `${name.padEnd(7)} ${value}`).join('\n'))
  const rows = [], tables = []
  const stem = join(out, `peers-node${machine.Node.split('.')[0]}-${machine.date.replace(/\D/g, '')}`)
  const keep = (list, found, text) => {
    list.push(...found)
    writeFileSync(`${stem}.json`, `${JSON.stringify({ machine, rows, tables }, null, 2)}\n`)
    writeFileSync(`${stem}.html`, report({ machine, rows, tables }))
    print(text)
  }
  const all = { ...options, data, dir, node, say }
  await races(options.parts, options.peers, all, (found, text) => { keep(rows, found, text) })
  await figures(options.parts, options.peers, all, (table, text) => { keep(tables, [table], text) })
  print(`wrote ${stem}.json and ${stem}.html`)
}

say('makes the data')
const data = await prepareData()
writeData(dir, data)
const out = resolve(options.out)
mkdirSync(out, { recursive: true })
for (const node of options.nodes) await bench(node)
