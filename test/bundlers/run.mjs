// The packed tarball in each bundler, without configuration: it bundles, runs, and trains the weights that Node trains. And pages and workers that
// lack something: what they are told.
//   node test/bundlers/run.mjs [--only NAME] [--require]
// Needs dist/ (npm run build), `npm ci` here and in test/runtimes, and Chromium as there. --only: checks that begin so. --require: what is absent is a failure.
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { execute, launchChromium, makeSite, openPage, resultOf, root, runChecks, runOptions, serve } from '../support/site.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
if (!existsSync(join(here, 'node_modules'))) { console.log('skip  all: absent (npm ci in test/bundlers)\n0 passed, 0 failed'); process.exit(process.argv.includes('--require') ? 1 : 0) }

const site = makeSite('bundlers')
cpSync(join(here, 'app'), site, { recursive: true })
const at = (...path) => join(site, ...path)
const html = (body) => `<!doctype html><meta charset="utf-8"><title>equigrad</title><link rel="icon" href="data:,">${body}`
const page = (folder, body) => { mkdirSync(at(folder), { recursive: true }); writeFileSync(at(folder, 'index.html'), html(body)) }

const expected = JSON.parse(execute(process.execPath, ['print.js'], site))
function compare(result, { later = true } = {}) {
  if (result.error !== undefined) throw new Error(result.error)
  for (const key of ['hash', 'loss', 'data', 'predicted']) if (result[key] !== expected[key]) throw new Error(`${key}: ${result[key]}, in Node ${expected[key]}`)
  for (const { reason } of [result.fast, result.int8]) if (later && reason.includes('could not be loaded')) throw new Error(reason)
}
const inNode = (file) => compare(JSON.parse(execute(process.execPath, [file], site)))

let browser
const NO_CHROMIUM = 'no Chromium, or no playwright-core (npm ci in test/runtimes)'
/** A check in Chromium. */
const web = (check) => async () => {
  browser ??= await launchChromium()
  return browser === null ? NO_CHROMIUM : await check()
}
async function inPage(folder, headers) {
  const server = await serve(at(folder), headers)
  try { compare(await resultOf(browser, server.url)) } finally { server.close() }
}

/** The answer of a worker in workerd. */
async function inWorkerd(folder, file, flags = []) {
  const kinds = [[/\.js$/, 'ESModule'], [/\.wasm(\?module)?$/, 'CompiledWasm']]
  const module = (name) => { const type = kinds.find(([ends]) => ends.test(name))?.[1]; return type === undefined ? [] : [{ type, path: at(folder, name), contents: readFileSync(at(folder, name), type === 'ESModule' ? 'utf8' : undefined) }] }
  const modules = [file, ...readdirSync(at(folder)).filter((name) => name !== file)].flatMap(module)
  const { Miniflare, convertV4MiniflareOptions } = await import('miniflare')
  const worker = new Miniflare(convertV4MiniflareOptions({
    modulesRoot: at(folder), modules, compatibilityDate: '2026-01-01', compatibilityFlags: flags,
  }))
  try { return await (await worker.dispatchFetch('http://localhost/')).json() } finally { await worker.dispose() }
}

/** Builds with esbuild, without a warning. */
async function bundle(options) {
  const { warnings } = await (await import('esbuild')).build({ absWorkingDir: site, bundle: true, logLevel: 'silent', ...options })
  if (warnings.length > 0) throw new Error(warnings.map(({ text }) => text).join('; '))
}

/** Builds the app of next/ as a folder of the site by `next build`, and serves it by `next start`. Returns { url, close }. */
async function serveNext(folder, ...flags) {
  cpSync(join(here, 'next'), at(folder), { recursive: true })
  for (const file of ['train.js', 'worker.js']) cpSync(at(file), at(folder, file))
  mkdirSync(at(folder, 'app/predict'))
  writeFileSync(at(folder, 'app/predict/route.js'), `${alone(saved)}export const runtime = 'edge'\nexport const GET = () => Response.json(predicted())\n`)
  mkdirSync(at(folder, 'node_modules'))
  for (const name of ['next', 'react', 'react-dom']) symlinkSync(join(here, 'node_modules', name), at(folder, 'node_modules', name))
  const command = join(here, 'node_modules/next/dist/bin/next'), options = { cwd: at(folder), encoding: 'utf8', env: { ...process.env, NEXT_TELEMETRY_DISABLED: '1' } }
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, 'build', ...flags], { ...options, timeout: 300_000 })
  if (status !== 0) throw new Error(`next build: ${stdout}${stderr}`)
  // It warns of its own edge runtime, and in CI of its cache.
  const warned = `${stdout}${stderr}`.split('\n').filter((line) => /⚠|warning/i.test(line) && !/⚠ (The Edge Runtime is deprecated|Using edge runtime on a page currently disables static|No build cache found)/.test(line))
  if (warned.length > 0) throw new Error(warned.join('; '))
  const server = spawn(process.execPath, [command, 'start', '--port', '0', '--hostname', '127.0.0.1'], { ...options, stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise((resolve, reject) => {
    let said = ''
    server.stdout.setEncoding('utf8').on('data', (text) => { said += text; const [, found] = said.match(/Local: +(http:\S+)[^]*Ready/) ?? []; if (found !== undefined) resolve(`${found}/`) })
    server.once('exit', () => { reject(new Error(`next start: ${said}`)) })
  })
  return { url, close: () => { server.kill() } }
}

/** An app of Next, by one of its bundlers: edge routes, one in Node, a page. */
const inNext = (...args) => web(async () => {
  const { url, close } = await serveNext(...args)
  try {
    const get = async (path) => await (await fetch(`${url}${path}`)).json()
    const edge = await get('edge')
    compare(edge)
    says(edge.lanes.reason, /^one lane: no workers$/)
    const found = await get('predict')
    if (found !== saved.bits) throw new Error(`equigrad/predict: ${found}, in Node ${saved.bits}`)
    const { equal, rows } = await get('doctor')
    if (!equal) throw new Error(`the doctor: ${JSON.stringify(rows)}`)
    const node = await get('node')
    compare(node)
    if (node.lanes.lanes !== 2) throw new Error(node.lanes.reason)
    compare(await resultOf(browser, url))
  } finally { close() }
})

/** What must be true of a text. */
function says(text, pattern) { if (!pattern.test(text)) throw new Error(`expected ${pattern}, got ${text}`) }

const map = { imports: { equigrad: './node_modules/equigrad/dist/index.js', 'equigrad/data': './node_modules/equigrad/dist/data.js', 'equigrad/predict': './node_modules/equigrad/dist/predict.js' } }
const mapped = (script) => `<script type="importmap">${JSON.stringify(map)}</script><script type="module">${script}</script>`
const LANES = `import { dense, sequential } from 'equigrad'
globalThis.result = (async () => { const model = sequential([dense(2)], { input: [2], lanes: 2 }); await model.predict(new Float32Array(2)); return model.runtime })()`
const SAVED = `import { conv2d, dense, flatten, save, sequential } from 'equigrad'
const model = sequential([conv2d(3, 2, { activation: 'relu' }), flatten(), dense(4, { activation: 'softmax' })], { input: [3, 3, 2], seed: 8 }), x = Float32Array.from({ length: 36 }, (_, i) => ((i * 37) % 23) / 16 - 0.5)
console.log(JSON.stringify({ file: Buffer.from(save(model)).toString('base64'), x: x.join(), bits: new Uint32Array(model.predictSync(x).data.buffer).join() }))`
const saved = JSON.parse(execute(process.execPath, ['--input-type=module', '--eval', SAVED], site))
/** A module that knows equigrad/predict alone: `predicted()` gives the bits, or why there are none. */
const alone = ({ file, x }) => `import { load } from 'equigrad/predict'
const predicted = () => { try { return new Uint32Array(load(Uint8Array.from(atob('${file}'), (c) => c.charCodeAt(0))).predictSync(Float32Array.of(${x})).data.buffer).join() } catch (error) { return String(error) } }
`
const PREDICT = "import { dense, sequential } from 'equigrad'\nglobalThis.result = (async () => { try { sequential([dense(2)], { input: [2] }).predictSync(new Float32Array(2)); return 'predicted' } catch (error) { return String(error) } })()"

const checks = {
  'node, import': () => compare(JSON.parse(execute(process.execPath, ['print.js'], site))),
  'node, require': () => {
    const source = readFileSync(at('train.js'), 'utf8').replace(/^import (\{.*\}) from ('.*')$/gm, 'const $1 = require($2)').replace('export async', 'async')
    writeFileSync(at('print.cjs'), `${source}\ntrain().then((result) => { console.log(JSON.stringify(result)) })\n`)
    compare(JSON.parse(execute(process.execPath, ['--no-warnings', 'print.cjs'], site)))
  },
  'node, require where that takes no modules, as before 20.19: Node says to import()': () => {
    writeFileSync(at('required.cjs'), "try { require('equigrad') } catch ({ code, message }) { console.log(code, message) }\nimport('equigrad').then(({ dense }) => { console.log(typeof dense) })\n")
    says(execute(process.execPath, ['--no-experimental-require-module', '--no-warnings', 'required.cjs'], site), /^ERR_REQUIRE_ESM require\(\) of ES Module [^]* dynamic import\(\)[^]*\nfunction\n$/)
  },
  'esbuild': async () => {
    await bundle({ entryPoints: ['print.js'], outfile: 'esbuild/print.cjs' })
    inNode('esbuild/print.cjs')
  },
  'esbuild, in pieces': async () => {
    await bundle({ entryPoints: ['print.js'], outdir: 'esbuild-pieces', format: 'esm', splitting: true })
    inNode('esbuild-pieces/print.js')
  },
  'rollup': async () => {
    const { rollup } = await import('rollup')
    const { default: nodeResolve } = await import('@rollup/plugin-node-resolve')
    const warned = []
    const built = await rollup({ input: at('print.js'), plugins: [nodeResolve({ rootDir: site })], onwarn: ({ message }) => { warned.push(message) } })
    await built.write({ dir: at('rollup'), format: 'es' })
    await built.close()
    if (warned.length > 0) throw new Error(warned.join('; '))
    inNode('rollup/print.js')
  },
  'webpack': web(async () => {
    const { default: webpack } = await import('webpack')
    const stats = await new Promise((resolve, reject) => { webpack({ context: site, mode: 'production', entry: './page.js', output: { path: at('webpack') } }, (error, done) => { if (error) reject(error); else resolve(done) }) })
    // Its warnings are on the size of a bundle with a binary inside.
    const { errors, warnings } = stats.toJson({ all: false, errors: true, warnings: true })
    const wrong = [...errors, ...warnings.filter(({ message }) => !/performance recommendations|size limit/.test(message))]
    if (wrong.length > 0) throw new Error(wrong.map(({ message }) => message).join('; '))
    page('webpack', '<script src="main.js"></script>')
    await inPage('webpack')
  }),
  'vite, built': web(async () => {
    const { build } = await import('vite')
    page('vite', '<script type="module" src="./page.js"></script>')
    for (const file of ['page.js', 'train.js']) cpSync(at(file), at('vite', file))
    await build({ root: at('vite'), logLevel: 'error' })
    await inPage('vite/dist')
  }),
  'vite, served while it is written': web(async () => {
    const { createServer } = await import('vite')
    page('vite-dev', '<script type="module" src="./page.js"></script>')
    for (const file of ['page.js', 'train.js']) cpSync(at(file), at('vite-dev', file))
    const server = await createServer({ root: at('vite-dev'), logLevel: 'error', server: { port: 0, host: '127.0.0.1' } })
    await server.listen()
    try { compare(await resultOf(browser, `http://127.0.0.1:${server.httpServer.address().port}/`)) } finally { await server.close() }
  }),
  'import map, a static folder': web(async () => {
    writeFileSync(at('index.html'), html(`<script type="importmap">${JSON.stringify(map)}</script><script type="module" src="./page.js"></script>`))
    await inPage('.')
  }),
  'file://, a bundle as a script': web(async () => {
    await bundle({ entryPoints: ['page.js'], outfile: 'file/page.js' })
    page('file', '<script src="page.js"></script>')
    compare(await resultOf(browser, pathToFileURL(at('file/index.html')).href))
  }),
  'file://, modules: the browser refuses them and says why': web(async () => {
    const { page: opened, errors } = await openPage(browser, pathToFileURL(at('index.html')).href)
    await opened.waitForTimeout(300)
    await opened.close()
    says(errors.join('; '), /file:.*blocked by CORS policy/)
  }),
  'wrangler': async () => {
    // It wants Node 22.
    const node22 = join(root, 'test', 'runtimes', 'node_modules', 'node22', 'bin', 'node')
    const node = Number(process.versions.node.split('.')[0]) >= 22 ? process.execPath : node22
    if (!existsSync(node)) return 'no Node 22 (npm ci in test/runtimes)'
    const run = async (name) => {
      execute(node, [join(here, 'node_modules/wrangler/bin/wrangler.js'), 'deploy', `${name}.js`, '--name', 'equigrad', '--compatibility-date', '2026-01-01', '--dry-run', '--outdir', name], site, { WRANGLER_SEND_METRICS: 'false', CI: '1', HOME: site, XDG_CONFIG_HOME: site })
      return await inWorkerd(name, `${name}.js`)
    }
    const result = await run('worker')
    compare(result)
    for (const { path } of [result.fast, result.int8]) if (path !== 'relaxed') throw new Error(JSON.stringify(result))
    // equigrad/predict by itself, on a file that Node has saved
    writeFileSync(at('predict.js'), `${alone(saved)}export default { fetch: () => Response.json(predicted()) }\n`)
    const found = await run('predict')
    if (found !== saved.bits) throw new Error(`equigrad/predict: ${found}, in Node ${saved.bits}`)
  },
  'next, turbopack': inNext('next-turbopack'),
  'next, webpack': inNext('next-webpack', '--webpack'),
  'edge-light': async () => {
    await bundle({ entryPoints: ['worker.js'], outdir: 'edge-light', format: 'esm', conditions: ['edge-light'], external: ['*.wasm?module'] })
    for (const name of ['kernels.wasm', 'predict.wasm']) cpSync(at('node_modules/equigrad/dist', name), at('edge-light', `${name}?module`))
    for (const flags of [[], ['nodejs_compat']]) {
      const result = await inWorkerd('edge-light', 'worker.js', flags)
      // Nothing is compiled from bytes there, so what is loaded when it is asked for falls back.
      compare(result, { later: false })
      for (const { reason } of [result.fast, result.int8]) says(reason, /could not be loaded \(.+\); useKernels\(…, \{ \w+ \}\) takes equigrad\/\w+\.wasm/)
      if (result.lanes.lanes !== 1) throw new Error(`${result.lanes.lanes} lanes`)
      says(result.lanes.reason, /^one lane: /)
      console.log(`      ${flags.join() || 'no flags'}: ${result.lanes.reason}; fast: ${result.fast.reason}`)
    }
  },
  'a worker that is bundled for another host: is told of the condition': async () => {
    await bundle({ entryPoints: ['worker.js'], outdir: 'no-condition', format: 'esm' })
    says((await inWorkerd('no-condition', 'worker.js')).error, /^RuntimeError: equigrad: expected a host that compiles WebAssembly, got a refusal .* workerd or edge-light, or calls useKernels\(module\)/)
  },
  "a page whose Content-Security-Policy lacks 'wasm-unsafe-eval': is told of it": web(async () => {
    page('csp', '<script src="page.js"></script>')
    const ask = async (policy) => {
      const server = await serve(at('csp'), { 'content-security-policy': policy })
      const { page: opened } = await openPage(browser, server.url)
      try { return await opened.evaluate(() => globalThis.result) } finally { await opened.close(); server.close() }
    }
    for (const [source, wanted] of [[PREDICT, /^predicted$/], [`${alone(saved)}globalThis.result = predicted()\n`, new RegExp(`^${saved.bits}$`)]]) {
      writeFileSync(at('csp.js'), source)
      await bundle({ entryPoints: ['csp.js'], outfile: 'csp/page.js' })
      says(await ask("script-src 'self'"), /^RuntimeError: equigrad: expected a host that compiles WebAssembly, got a refusal .*'wasm-unsafe-eval' in script-src/)
      says(await ask("script-src 'self' 'wasm-unsafe-eval'"), wanted)
    }
  }),
  'a page without cross-origin isolation asked for lanes: one lane, and why': web(async () => {
    writeFileSync(at('lanes.html'), html(mapped(LANES)))
    const ask = async (headers) => {
      const server = await serve(site, headers)
      try { return await resultOf(browser, `${server.url}lanes.html`) } finally { server.close() }
    }
    const alone = await ask({})
    if (alone.lanes !== 1) throw new Error(`${alone.lanes} lanes`)
    says(alone.reason, /no SharedArrayBuffer: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp/)
    const isolated = await ask({ 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp' })
    if (isolated.lanes !== 2) throw new Error(`${isolated.lanes} lanes: ${isolated.reason}`)
  }),
}

const { dependencies } = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'))
console.log(`${JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version} in ${Object.entries(dependencies).map(([name, version]) => `${name} ${version}`).join(', ')}`)
await runChecks(checks, runOptions())
await browser?.close()
