// The golden trainings, from the packed tarball, on every runtime at hand: all must give the hashes of test/golden/table.json.
//   node test/runtimes/run.mjs [--only NAME] [--require] [--update [--bits-changed]]
// Needs dist/ (npm run build) and, for all but this Node, `npm ci` in this folder; the browsers are the system's, or $CHROMIUM, $FIREFOX.
// --only: names that begin so. --require: a runtime that is absent is a failure, but for WebKit (else it is reported as skipped). --update: adds rows to the table,
// by this Node; with --bits-changed it may change some, and the table's version, which the changelog then has to explain.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { commands, runtimes } from './runtimes.mjs'
import { execute, golden, install, LANES } from './site.mjs'

const flag = (name) => process.argv.includes(name)
const only = flag('--only') ? process.argv[process.argv.indexOf('--only') + 1] ?? '' : ''
/** Runtimes at the same time: lanes take turns well, and much of the time is start-up. */
const AT_ONCE = 2

const count = { passed: 0, failed: 0 }
const report = (ok, what, why = '', checks = 1) => { count[ok ? 'passed' : 'failed'] += checks; console.log(`${ok ? 'ok  ' : 'FAIL'}  ${what}${why && `: ${why}`}`) }
const reason = (error) => [error.message, error.stderr].filter(Boolean).join('\n')

const { site, files } = install()
const tableFile = join(golden, 'table.json')
const differing = (want, got) => Object.keys(want ?? got ?? {}).filter((k) => want?.[k] !== got?.[k])

// --- what the package must be, apart from its numbers --------------------------------------------------------------------------------------

const trap = `for (const name of Object.getOwnPropertyNames(WebAssembly)) if (name !== 'Memory') WebAssembly[name] = () => { throw new Error('WebAssembly.' + name + ' at import time') }
await import('equigrad'); await import('equigrad/data')`
const command = join('node_modules', 'equigrad', 'dist', 'cli.js')

const packageChecks = {
  'holds only what is meant': () => {
    const meant = /^(dist\/[\w.-]+\.(js|d\.ts|wasm)|README\.md|CHANGELOG\.md|LICENSE|NOTICE|package\.json)$/
    const strange = files.filter((f) => !meant.test(f))
    if (strange.length > 0) throw new Error(`also holds ${strange.join(', ')}`)
  },
  'installs nothing else': () => {
    const { packages } = JSON.parse(readFileSync(join(site, 'package-lock.json'), 'utf8'))
    const names = Object.keys(packages).filter((name) => name !== '')
    if (names.join() !== 'node_modules/equigrad') throw new Error(`installed ${names.join(', ')}`)
  },
  'compiles nothing when it is imported': () => execute(process.execPath, ['--input-type=module', '--eval', trap], site),
  'can be required': () => execute(process.execPath, ['--no-warnings', '--input-type=commonjs', '--eval', "if (typeof require('equigrad').sequential !== 'function') throw new Error('no sequential')"], site),
  'has a command': async () => { if (!(await execute(process.execPath, [command, '--help'], site)).includes('equigrad')) throw new Error('no help') },
}

/** The command's bench: that it runs and knows where it is, not how fast it is. */
function checkBench(text, name) {
  const { runtime, peak, rows } = JSON.parse(text)
  if (!runtime.startsWith(name)) throw new Error(`says that it ran on ${runtime}`)
  if (!(peak > 0) || rows.length !== 6 || rows.some(({ rate }) => !(rate.median > 0))) throw new Error(`printed ${text}`)
}

// --- the table ----------------------------------------------------------------------------------------------------------------------------

async function update() {
  const { version, rows: before } = JSON.parse(readFileSync(tableFile, 'utf8'))
  const rows = (await runtimes['this node']({ site })).rows[1]
  const changed = Object.keys(before).filter((name) => differing(before[name], rows[name]).length > 0)
  if (changed.length > 0 && !flag('--bits-changed')) throw new Error(`--update: expected rows as they were, got other bits in ${changed.join(', ')}. If that is meant, add --bits-changed and a line 'bits changed: …' to CHANGELOG.md.`)
  writeFileSync(tableFile, `${JSON.stringify({ version: changed.length > 0 ? version + 1 : version, rows }, null, 2)}\n`)
  console.log(`wrote test/golden/table.json: ${Object.keys(rows).length} rows${changed.length > 0 ? `, version ${version + 1}` : ''}`)
}

// --- the run ------------------------------------------------------------------------------------------------------------------------------

/** Compares the rows of one runtime; its line in the table at the end. */
function compare(name, { rows, version, engine = '', threads = true }, seconds, table) {
  const counts = threads ? [1, LANES] : [1]
  if (threads) report(rows.runtime.lanes === LANES, `${name} (${version}) has ${LANES} lanes`, rows.runtime.lanes === LANES ? '' : rows.runtime.reason)
  const equal = counts.map((lanes) => {
    const names = [...new Set([...Object.keys(table), ...Object.keys(rows[lanes] ?? {})])]
    const wrong = names.map((row) => [row, differing(table[row], rows[lanes]?.[row])]).filter(([, keys]) => keys.length > 0)
    for (const [row, keys] of wrong) report(false, `${name} (${version}) ${row}, lanes: ${lanes}`, `other bits in ${keys.join(', ')}`)
    const right = names.length - wrong.length
    if (right > 0) report(true, `${name} (${version}) ${right} of ${names.length} rows equal, lanes: ${lanes}`, '', right)
    return `${lanes}: ${right}/${names.length}`
  })
  return [name, version, engine || rows.engine || '', equal.join(', '), `${seconds.toFixed(1)} s`]
}

async function runOne(name, table) {
  const start = performance.now()
  try {
    const result = await runtimes[name]({ site })
    if (result.absent !== undefined) {
      if (flag('--require') && result.allowed !== true) report(false, name, `absent (${result.absent}), and --require`)
      else console.log(`skip  ${name}: absent (${result.absent})`)
      return [name, 'skipped', result.absent, '', '']
    }
    const line = compare(name, result, (performance.now() - start) / 1000, table)
    for (const [what, why] of result.checks ?? []) report(why === '', `${name} (${result.version}) ${what}`, why)
    const [word, run] = commands[name] ?? []
    if (run !== undefined) {
      checkBench(await run(site, [command, 'bench', '--json', '--rounds', '1']), word)
      report(true, `${name} (${result.version}) equigrad bench`)
      const { equal, rows } = JSON.parse(await run(site, [command, 'doctor', '--json']))
      report(equal, `${name} (${result.version}) equigrad doctor`, equal ? '' : JSON.stringify(rows.filter((row) => !row.equal)))
    }
    return line
  } catch (error) {
    report(false, name, reason(error))
    return [name, 'failed', '', '', `${((performance.now() - start) / 1000).toFixed(1)} s`]
  }
}

function print(lines) {
  const all = [['runtime', 'version', 'engine', 'rows equal by lanes', 'time'], ...lines]
  const widths = all[0].map((_, i) => Math.max(...all.map((line) => line[i].length)))
  const row = (line) => `| ${line.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`
  console.log(`\n${row(all[0])}\n|${widths.map((w) => '-'.repeat(w + 2)).join('|')}|\n${lines.map(row).join('\n')}\n`)
}

if (flag('--update')) await update()
const { rows: table } = JSON.parse(readFileSync(tableFile, 'utf8'))
if (only === '') {
  for (const [name, check] of Object.entries(packageChecks)) {
    try { await check(); report(true, `package ${name}`) } catch (error) { report(false, `package ${name}`, reason(error)) }
  }
}
const chosen = Object.keys(runtimes).filter((name) => name.startsWith(only))
if (chosen.length === 0) report(false, `--only ${only}`, `there are ${Object.keys(runtimes).join(', ')}`)
const lines = new Map()
const waiting = [...chosen]
await Promise.all(Array.from({ length: AT_ONCE }, async () => {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) lines.set(name, await runOne(name, table))
}))
if (chosen.length > 0) print(chosen.map((name) => lines.get(name)))
console.log(`${count.passed} passed, ${count.failed} failed`)
process.exitCode = count.failed > 0 ? 1 : 0
