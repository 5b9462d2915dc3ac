// The golden trainings, from the packed tarball, on every runtime at hand: all must give the hashes of test/golden/table.json.
//   node test/runtimes/run.mjs [--only NAME] [--require] [--update]
// Needs dist/ (npm run build) and, for all but this Node, `npm ci` in this folder; Chromium is the system's, or $CHROMIUM.
// --only: names that begin so. --require: a runtime that is absent is a failure (else it is reported as skipped). --update: writes the table, by this Node.
import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..', '..')
const golden = join(root, 'test', 'golden')
const only = process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : ''
const required = process.argv.includes('--require')
const update = process.argv.includes('--update')

/** Runs a program to its end; its standard output. Fails on an exit code, or after two minutes. */
const execute = (file, args, cwd = site, env = {}) => execFileSync(file, args, { cwd, encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
const npm = (args, cwd) => execute('npm', args, cwd)

/** Lanes beside the one that all have. */
const LANES = 3

// --- a project that has installed the tarball -------------------------------------------------------------------------------------------

const site = mkdtempSync(join(tmpdir(), 'equigrad-runtimes-'))
process.on('exit', () => rmSync(site, { recursive: true, force: true }))

function install() {
  const [{ filename, files }] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', site], root))
  writeFileSync(join(site, 'package.json'), '{ "private": true, "type": "module" }')
  npm(['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${filename}`], site)
  cpSync(join(golden, 'trainings.js'), join(site, 'trainings.js'))
  cpSync(join(here, 'page-lanes.js'), join(site, 'page-lanes.js'))
  const run = `import * as base from 'equigrad'\nimport * as compress from 'equigrad/compress'\nimport * as data from 'equigrad/data'\nimport { trainings } from './trainings.js'\nconst equigrad = { ...base, ...compress }\n`
  // By the number of lanes, the rows, and how many lanes there were.
  const all = `async function all() {
  const model = equigrad.sequential([equigrad.dense(2)], { input: [2], lanes: ${LANES} })
  await model.predict(new Float32Array(2))
  return { 1: await trainings(equigrad, data), ${LANES}: await trainings(equigrad, data, ${LANES}), runtime: model.runtime }
}
`
  writeFileSync(join(site, 'main.js'), `${run}${all}console.log(JSON.stringify(await all()))\n`)
  writeFileSync(join(site, 'page.js'), `${run}${all}import { pageLanes } from './page-lanes.js'\nglobalThis.result = all().then(async (rows) => ({ rows, checks: await pageLanes(equigrad) }))\n`)
  const imports = { equigrad: '/node_modules/equigrad/dist/index.js', 'equigrad/compress': '/node_modules/equigrad/dist/compress.js', 'equigrad/data': '/node_modules/equigrad/dist/data.js' }
  writeFileSync(join(site, 'index.html'), `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/page.js"></script>`)
  return files.map((f) => f.path)
}

// --- runtimes: each gives the rows of the table, and checks of its own as [what, why it failed], or null where it is absent ----------------

const local = (path) => (existsSync(join(here, 'node_modules', path)) ? join(here, 'node_modules', path) : null)
const node = (program) => program && { version: execute(program, ['--version']).trim(), rows: JSON.parse(execute(program, ['main.js'])) }

const denoBin = local('deno/bin.cjs')
const runDeno = (...args) => execute(process.execPath, [denoBin, ...args], site, { DENO_DIR: join(site, '.deno'), DENO_NO_UPDATE_CHECK: '1' })
function deno() {
  if (denoBin === null) return null
  const run = runDeno
  return { version: run('--version').split('\n')[0], rows: JSON.parse(run('run', '--cached-only', '--no-lock', '--no-prompt', 'main.js')) } // no permission is given
}

const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }
function serve() {
  const server = createServer((request, response) => {
    const path = normalize(join(site, request.url === '/' ? 'index.html' : new URL(request.url, 'http://localhost').pathname))
    if (!path.startsWith(site) || !existsSync(path)) { response.writeHead(404).end(); return }
    // Without these two a page has no shared memory.
    const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
    response.writeHead(200, { ...isolated, 'content-type': KINDS[extname(path)] ?? 'application/octet-stream' }).end(readFileSync(path))
  })
  return new Promise((resolve) => { server.listen(0, '127.0.0.1', () => resolve(server)) })
}

async function chromium() {
  const executablePath = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path))
  const playwright = local('playwright-core/index.mjs')
  if (!executablePath || playwright === null) return null
  const { chromium: engine } = await import(pathToFileURL(playwright).href)
  const server = await serve()
  const browser = await engine.launch({
    executablePath, headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  try {
    const page = await browser.newPage()
    const errors = []
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) errors.push(message.text()) })
    await page.goto(`http://localhost:${server.address().port}/`)
    const result = await page.waitForFunction(() => globalThis.result, null, { timeout: 120_000 }).then((handle) => handle.jsonValue(), (error) => { errors.push(error.message) })
    if (errors.length > 0) throw new Error(errors.join('; '))
    return { version: browser.version(), ...result }
  } finally {
    await browser.close()
    server.close()
  }
}

const runtimes = {
  'this node': () => node(process.execPath),
  'node 22': () => node(local('node22/bin/node')),
  'node 24': () => node(local('node24/bin/node')),
  'node 26': () => node(local('node26/bin/node')),
  deno,
  bun: () => node(local('bun-linux/bin/bun')),
  chromium,
}

// --- the command's bench, where there are commands: that it runs and knows where it is, not how fast it is -------------------------------------

const command = join('node_modules', 'equigrad', 'dist', 'cli.js')
const benchArgs = [command, 'bench', '--json', '--rounds', '1']
/** By runtime, what runs it, and what it must say that it ran on. */
const benches = {
  'this node': ['Node', () => execute(process.execPath, benchArgs)],
  deno: ['Deno', () => denoBin && runDeno('run', '--allow-all', '--cached-only', '--no-lock', ...benchArgs)],
  bun: ['Bun', () => { const bun = local('bun-linux/bin/bun'); return bun && execute(bun, benchArgs) }],
}
function checkBench(text, name) {
  const { runtime, peak, rows } = JSON.parse(text)
  if (!runtime.startsWith(name)) throw new Error(`says that it ran on ${runtime}`)
  if (!(peak > 0) || rows.length !== 6 || rows.some(({ rate }) => !(rate.median > 0))) throw new Error(`printed ${text}`)
}

// --- what the package must be, apart from its numbers --------------------------------------------------------------------------------------

const trap = `for (const name of Object.getOwnPropertyNames(WebAssembly)) if (name !== 'Memory') WebAssembly[name] = () => { throw new Error('WebAssembly.' + name + ' at import time') }
await import('equigrad'); await import('equigrad/compress'); await import('equigrad/data'); await import('equigrad/predict')`

const packageChecks = {
  'holds only what is meant': (files) => {
    const meant = /^(dist\/[\w.-]+\.(js|d\.ts|wasm)|README\.md|CHANGELOG\.md|LICENSE|NOTICE|package\.json)$/
    const strange = files.filter((f) => !meant.test(f))
    if (strange.length > 0) throw new Error(`also holds ${strange.join(', ')}`)
  },
  'installs nothing else': () => {
    const { packages } = JSON.parse(readFileSync(join(site, 'package-lock.json'), 'utf8'))
    const names = Object.keys(packages).filter((name) => name !== '')
    if (names.join() !== 'node_modules/equigrad') throw new Error(`installed ${names.join(', ')}`)
  },
  'compiles nothing when it is imported': () => execute(process.execPath, ['--input-type=module', '--eval', trap]),
  'can be required': () => execute(process.execPath, ['--no-warnings', '--input-type=commonjs', '--eval', "if (typeof require('equigrad').sequential !== 'function') throw new Error('no sequential')"]),
  'has a command': () => { if (!execute(process.execPath, [command, '--help']).includes('equigrad')) throw new Error('no help') },
}

// --- the run ------------------------------------------------------------------------------------------------------------------------------

const count = { passed: 0, failed: 0 }
const report = (ok, what, why = '') => { count[ok ? 'passed' : 'failed']++; console.log(`${ok ? 'ok  ' : 'FAIL'}  ${what}${why && `: ${why}`}`) }
const reason = (error) => [error.message, error.stderr].filter(Boolean).join('\n')

const files = install()
if (update) {
  writeFileSync(join(golden, 'table.json'), `${JSON.stringify(node(process.execPath).rows[1], null, 2)}\n`)
  console.log('wrote test/golden/table.json')
}
const table = JSON.parse(readFileSync(join(golden, 'table.json'), 'utf8'))

if (only === '') {
  for (const [name, check] of Object.entries(packageChecks)) {
    try { check(files); report(true, `package ${name}`) } catch (error) { report(false, `package ${name}`, reason(error)) }
  }
}
const chosen = Object.entries(runtimes).filter(([name]) => name.startsWith(only))
if (chosen.length === 0) report(false, `--only ${only}`, `there are ${Object.keys(runtimes).join(', ')}`)
for (const [name, run] of chosen) {
  try {
    const start = performance.now()
    const result = await run()
    if (result === null) {
      if (required) report(false, name, 'absent, and --require')
      else console.log(`skip  ${name}: absent (npm ci in test/runtimes; Chromium from the system)`)
      continue
    }
    const seconds = ((performance.now() - start) / 1000).toFixed(1)
    for (const [what, why] of result.checks ?? []) report(why === '', `${name} (${result.version}) ${what}`, why)
    const { runtime } = result.rows
    report(runtime.lanes === LANES, `${name} (${result.version}, ${seconds} s) has ${LANES} lanes`, runtime.lanes === LANES ? '' : runtime.reason)
    for (const lanes of [1, LANES]) {
      const rows = result.rows[lanes]
      for (const row of new Set([...Object.keys(table), ...Object.keys(rows)])) {
        const differs = Object.keys(table[row] ?? { row: 0 }).filter((k) => table[row]?.[k] !== rows[row]?.[k])
        report(differs.length === 0, `${name} (${result.version}) ${row}, lanes: ${lanes}`, differs.length > 0 ? `other bits in ${differs.join(', ')}` : '')
      }
    }
    const [word, bench] = benches[name] ?? []
    if (bench === undefined) continue
    checkBench(bench(), word)
    report(true, `${name} (${result.version}) equigrad bench`)
  } catch (error) { report(false, name, reason(error)) }
}
console.log(`${count.passed} passed, ${count.failed} failed`)
process.exitCode = count.failed > 0 ? 1 : 0
