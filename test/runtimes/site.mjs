// A project that has installed the packed tarball: what every runtime runs, and a server of it for pages.
import { execFile, execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'

export const here = fileURLToPath(new URL('.', import.meta.url))
export const root = join(here, '..', '..')
export const golden = join(root, 'test', 'golden')

/** Lanes beside the one that all have. */
export const LANES = 3
/** Longest run of a program. */
export const PATIENCE_MS = 240_000

/** Runs a program to its end; its standard output. Fails on an exit code, or when it takes too long. */
export const execute = (file, args, cwd, env = {}, patience = PATIENCE_MS) => new Promise((resolve, reject) => {
  const options = { cwd, encoding: 'utf8', timeout: patience, maxBuffer: 2 ** 26, env: { ...process.env, ...env } }
  execFile(file, args, options, (error, stdout, stderr) => { if (error === null) resolve(stdout); else reject(Object.assign(error, { stderr })) }).stdin?.end()
})

/** By the number of lanes, the rows, how many lanes there were, and the engine as far as it says. */
const ALL = `async function all() {
  const model = equigrad.sequential([equigrad.dense(2)], { input: [2], lanes: ${LANES} })
  await model.predict(new Float32Array(2))
  const { bun, webkit, v8 } = globalThis.process?.versions ?? {}
  const engine = bun !== undefined ? 'JavaScriptCore ' + String(webkit).slice(0, 12) : v8 !== undefined ? 'V8 ' + v8 : ''
  return { 1: await trainings(equigrad, data), ${LANES}: model.runtime.lanes === ${LANES} ? await trainings(equigrad, data, ${LANES}) : null, runtime: model.runtime, engine }
}
`

/** Installs what `npm pack` makes of a folder; where, and the files it holds. */
export function install(from = root) {
  const site = mkdtempSync(join(tmpdir(), 'equigrad-runtimes-'))
  process.on('exit', () => { rmSync(site, { recursive: true, force: true }) })
  const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'] })
  const [{ filename, files }] = JSON.parse(npm(['pack', '--json', '--ignore-scripts', '--pack-destination', site], from))
  writeFileSync(join(site, 'package.json'), '{ "private": true, "type": "module" }')
  npm(['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${filename}`], site)
  for (const file of readdirSync(golden).filter((name) => name.endsWith('.js'))) cpSync(join(golden, file), join(site, file))
  cpSync(join(here, 'page-lanes.js'), join(site, 'page-lanes.js'))
  const run = `import * as base from 'equigrad'\nimport * as compress from 'equigrad/compress'\nimport * as data from 'equigrad/data'\nimport { trainings } from './trainings.js'\nconst equigrad = { ...base, ...compress }\n${ALL}`
  writeFileSync(join(site, 'main.js'), `${run}console.log(JSON.stringify(await all()))\n`)
  writeFileSync(join(site, 'page.js'), `${run}import { pageLanes } from './page-lanes.js'\nimport { doctor } from 'equigrad/doctor'\nconst asked = async () => { const { equal, rows } = await doctor(); return ['doctor() finds the same bits', equal ? '' : JSON.stringify(rows)] }\nglobalThis.result = all().then(async (rows) => ({ rows, checks: [...(rows.runtime.lanes === ${LANES} ? await pageLanes(equigrad) : []), await asked()] }))\n`)
  const imports = Object.fromEntries(['index', 'compress', 'data', 'doctor'].map((name) => [name === 'index' ? 'equigrad' : `equigrad/${name}`, `/node_modules/equigrad/dist/${name}.js`]))
  writeFileSync(join(site, 'index.html'), `<!doctype html><link rel="icon" href="data:,"><script type="importmap">${JSON.stringify({ imports })}</script><script type="module" src="/page.js"></script>`)
  return { site, files: files.map((f) => f.path) }
}

const KINDS = { '.html': 'text/html', '.js': 'text/javascript', '.wasm': 'application/wasm' }
/** Serves a site on a port of its own: the address, and what ends it. */
export async function serve(site) {
  const server = createServer((request, response) => {
    const path = normalize(join(site, request.url === '/' ? 'index.html' : new URL(request.url, 'http://localhost').pathname))
    if (!path.startsWith(site) || !existsSync(path)) { response.writeHead(404).end(); return }
    // Without these two a page has no shared memory.
    const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' }
    response.writeHead(200, { ...isolated, 'content-type': KINDS[extname(path)] ?? 'application/octet-stream' }).end(readFileSync(path))
  })
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return { url: `http://localhost:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close() } }
}
