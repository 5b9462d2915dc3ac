// The examples that need a host of their own, over its real server or in its real browser, on the packed tarball; what they train is what Node trains.
//   node test/examples/run.mjs [--only NAME] [--require]
// Needs dist/ (npm run build), `npm ci` in test/runtimes (Deno, Bun, Node 22, playwright-core, puppeteer-core) and test/bundlers (wrangler, vite), Chromium and Xvfb.
// Leaves a picture of the page that trains in build/examples/page.png, and prints how long its frames were.
import { spawn } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { launchChromium, launchWindow, makeSite, openPage, resultOf, root, runChecks, runOptions, serve } from '../support/site.mjs'

const runtime = (path) => join(root, 'test/runtimes/node_modules', path), bundler = (path) => join(root, 'test/bundlers/node_modules', path)
const site = makeSite('examples')
for (const name of ['edge', 'page', 'vite']) cpSync(join(root, 'examples', name), join(site, name), { recursive: true, filter: (path) => !path.includes('node_modules') })
cpSync(join(site, 'node_modules'), join(site, 'page/node_modules'), { recursive: true })
const edge = join(site, 'edge')

// --- servers: all are asked the same, and answer the same to the bit -------------------------------------------------------------------------

const batch = (seed) => ({
  x: Array.from({ length: 30 }, (_, i) => Array.from({ length: 4 }, (_, j) => (j === i % 3 ? 1 : 0) + (((i * 7 + j * 3 + seed * 11) % 13) - 6) / 16)), y: Array.from({ length: 30 }, (_, i) => i % 3),
})
/** What some requests are answered. `ask(path, body)` gives the response. */
async function conversation(ask) {
  const answers = []
  for (const seed of [1, 2, 3, 4, 5]) answers.push(await (await ask('/learn', batch(seed))).json())
  answers.push(await (await ask('/classify', { x: batch(9).x })).json())
  const refused = await ask('/learn', { x: [[1, 2]], y: [0] })
  answers.push([refused.status, await refused.json()])
  return answers
}

let expected
async function inNode() {
  const { service } = await import(pathToFileURL(join(edge, 'service.js')).href)
  const state = new Map()
  const answer = service({ get: async (key) => state.get(key) ?? null, put: async (key, bytes) => { state.set(key, bytes) } })
  return await conversation((path, body) => answer(new Request(`http://localhost${path}`, { method: 'POST', body: JSON.stringify(body) })))
}

const freePort = () => new Promise((resolve) => { const s = createServer().listen(0, '127.0.0.1', () => { const { port } = s.address(); s.close(() => resolve(port)) }) })

/** Starts a server, asks it, and ends it; its answers must be Node's. `command(port)` is [file, args, env]. */
async function asServer(command) {
  expected ??= await inNode()
  const port = await freePort()
  const [file, args, env = {}] = command(port)
  const server = spawn(file, args, { cwd: edge, detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })
  let said = '', ended = false
  for (const stream of [server.stdout, server.stderr]) stream.on('data', (text) => { said += text })
  server.on('exit', () => { ended = true })
  try {
    const url = `http://127.0.0.1:${port}`
    for (let tries = 0; ; tries++) {
      const up = await fetch(url).then((response) => response.text().then(() => response.status === 404), () => false)
      if (up) break
      if (ended || tries > 300) throw new Error(`no server: ${said}`)
      await new Promise((resolve) => { setTimeout(resolve, 100) })
    }
    const answers = await conversation((path, body) => fetch(url + path, { method: 'POST', body: JSON.stringify(body) }))
    if (JSON.stringify(answers) !== JSON.stringify(expected)) throw new Error(`answered ${JSON.stringify(answers)}, Node ${JSON.stringify(expected)}; ${said}`)
  } finally {
    try { process.kill(-server.pid) } catch { /* it has ended */ }
  }
}

// --- pages ------------------------------------------------------------------------------------------------------------------------------------

let browser
const web = (check) => async () => {
  browser ??= await launchChromium()
  return browser === null ? 'no Chromium, or no playwright-core (npm ci in test/runtimes)' : await check()
}
async function onSite(folder, options) {
  const server = await serve(join(site, folder))
  try { return await resultOf(browser, server.url, options) } finally { server.close() }
}
/** Run in the page: the time between frames while it trains. */
const watchFrames = () => {
  globalThis.frames_ = []
  let last = performance.now()
  const tick = (now) => { globalThis.frames_.push([last, now]); last = now; requestAnimationFrame(tick) }
  requestAnimationFrame((now) => { last = now; requestAnimationFrame(tick) })
}
const describeFrames = async (page, what) => {
  const [all, from, step] = await page.evaluate(() => [globalThis.frames_, globalThis.fitFrom ?? 0, globalThis.firstStep ?? 0])
  const lengths = (since) => all.filter(([, end]) => end > since).map(([start, end]) => end - start).sort((a, b) => a - b)
  const frames = lengths(from)
  const at = (part) => frames[Math.min(frames.length - 1, Math.floor(frames.length * part))]?.toFixed(1)
  console.log(`      ${what}: ${frames.length} frames, median ${at(0.5)} ms, 99 of 100 within ${at(0.99)} ms, longest ${at(1)} ms, ${frames.filter((f) => f > 50).length} over 50 ms; after the first step longest ${lengths(step).at(-1)?.toFixed(1)} ms`)
}
const equal = (what, actual, wanted) => { if (JSON.stringify(actual) !== JSON.stringify(wanted)) throw new Error(`${what}: ${JSON.stringify(actual)}, expected ${JSON.stringify(wanted)}`) }

const TRAIN = `import { adam, dense, mse, sequential } from './node_modules/equigrad/dist/index.js'
// Until the page has been drawn; where it is watched
export const settled = () => globalThis.frames_ && new Promise((resolve) => { setTimeout(resolve, 500) })
export const compiled = () => sequential([dense(256, { activation: 'relu' }), dense(256, { activation: 'relu' }), dense(8)], { input: [64], seed: 3 }).compile({ optimizer: adam(), loss: mse() })
export const x = Float32Array.from({ length: 2048 * 64 }, (_, i) => ((i * 37) % 101) / 64 - 0.75), y = Float32Array.from({ length: 2048 * 8 }, (_, i) => ((i * 29) % 97) / 64)
`
const plainPage = (name, script) => {
  writeFileSync(join(site, 'page/train.js'), TRAIN)
  writeFileSync(join(site, `page/${name}.js`), script)
  mkdirSync(join(site, 'page', name), { recursive: true })
  writeFileSync(join(site, 'page', name, 'index.html'), `<!doctype html><title>${name}</title><link rel="icon" href="data:,"><script type="module" src="../${name}.js"></script>`)
}

const checks = {
  'worker: wrangler dev': async () => {
    const node = [runtime('node22/bin/node'), process.execPath].find(existsSync), wrangler = bundler('wrangler/bin/wrangler.js')
    if (!existsSync(wrangler) || (node === process.execPath && Number(process.versions.node.split('.')[0]) < 22)) return 'no wrangler (npm ci in test/bundlers), or no Node 22 (npm ci in test/runtimes)'
    return await asServer((port) => [node, [wrangler, 'dev', '--ip', '127.0.0.1', '--port', String(port), '--inspector-port', '0'], { WRANGLER_SEND_METRICS: 'false', CI: '1', HOME: site, XDG_CONFIG_HOME: site }])
  },
  'deno': async () => (existsSync(runtime('deno/bin.cjs'))
    ? await asServer((port) => [process.execPath, [runtime('deno/bin.cjs'), 'run', '--allow-net', '--cached-only', '--no-lock', '--no-prompt', 'deno.js', String(port)], { DENO_DIR: join(site, '.deno'), DENO_NO_UPDATE_CHECK: '1' }])
    : 'no Deno (npm ci in test/runtimes)'),
  'bun': async () => (existsSync(runtime('bun-linux/bin/bun')) ? await asServer((port) => [runtime('bun-linux/bin/bun'), ['bun.js', String(port)]]) : 'no Bun (npm ci in test/runtimes)'),
  'page: two spirals, from a static folder': web(async () => {
    mkdirSync(join(root, 'build/examples'), { recursive: true })
    const { accuracy } = await onSite('page', {
      first: watchFrames,
      look: async (page) => { await describeFrames(page, 'the page'); await page.setViewportSize({ width: 640, height: 800 }); await page.screenshot({ path: join(root, 'build/examples/page.png') }) },
    })
    if (!(accuracy > 0.97)) throw new Error(`accuracy ${accuracy}`)
  }),
  'page: a larger net on the main thread, and in a tab that is hidden': web(async () => {
    plainPage('main', `import { compiled, settled, x, y } from './train.js'
globalThis.train = async () => {
  const model = compiled(), seen = new Set(), from = performance.now()
  globalThis.fitFrom = from
  await model.fit(x, y, { epochs: 8, callbacks: [{ onBatchEnd() { globalThis.firstStep ??= performance.now(); seen.add(document.visibilityState) } }] })
  return { state: model.stateHash(), seen: [...seen].join(), rate: model.step / (performance.now() - from) * 1000 }
}
globalThis.result = Promise.resolve(settled()).then(globalThis.train)
`)
    const server = await serve(join(site, 'page'))
    try {
      const { state } = await resultOf(browser, `${server.url}main/`, { first: watchFrames, look: (page) => describeFrames(page, 'larger net, main thread') })
      const window = await launchWindow()
      if (window === null) return 'no Xvfb, or no puppeteer-core (npm ci in test/runtimes)'
      try {
        const page = await window.browser.newPage(), ask = () => page.evaluate(() => globalThis.train())
        await page.goto(`${server.url}main/`)
        // The first one compiles as well.
        await ask()
        const front = await ask()
        // It draws no frames, and its timers are held back to one a second, later to one a minute.
        await (await window.browser.newPage()).bringToFront()
        await page.waitForFunction(() => document.visibilityState === 'hidden', { polling: 100 })
        const hidden = await ask()
        console.log(`      larger net, steps/s: ${front.rate.toFixed(0)} in a tab that is seen, ${hidden.rate.toFixed(0)} in a hidden one`)
        equal('weights of a hidden tab', [hidden.state, hidden.seen, front.state, front.seen], [state, 'hidden', state, 'visible'])
      } finally { await window.close() }
    } finally { server.close() }
  }),
  'page: equigrad/worker, without a bundler': web(async () => {
    writeFileSync(join(site, 'page/trainer.js'), "import { serveModels } from './node_modules/equigrad/dist/worker.js'\nserveModels()\n")
    plainPage('away', `import { inWorker } from './node_modules/equigrad/dist/worker.js'
import { compiled, settled, x, y } from './train.js'
globalThis.result = (async () => {
  const here = compiled(), events = []
  await settled()
  globalThis.fitFrom = performance.now()
  const away = await inWorker(new Worker(new URL('./trainer.js', import.meta.url), { type: 'module' }), here)
  const options = { epochs: 3, callbacks: [{ onEpochEnd({ epoch, scores }) { events.push([epoch, scores.loss]) } }] }
  const history = await away.fit(x.slice(), y.slice(), { ...options, transfer: true })
  const state = await away.stateHash(), frames = globalThis.frames_.filter(([, end]) => end > globalThis.fitFrom).map(([start, end]) => end - start), there = events.splice(0)
  const own = await here.fit(x, y, options)
  return { same: [state === here.stateHash(), JSON.stringify(history) === JSON.stringify(own), JSON.stringify(there) === JSON.stringify(events), there.length], longest: Math.max(...frames) }
})()
`)
    const server = await serve(join(site, 'page'))
    try {
      const { same, longest } = await resultOf(browser, `${server.url}away/`, { first: watchFrames })
      console.log(`      larger net, in a worker: longest frame ${longest.toFixed(1)} ms`)
      equal('as on the main thread', same, [true, true, true, 3])
      plainPage('gone', "import { inWorker } from './node_modules/equigrad/dist/worker.js'\nimport { compiled } from './train.js'\nglobalThis.result = inWorker(new Worker(new URL('./trainer.js', import.meta.url)), compiled()).then(() => 'opened', String)\n")
      const { page, errors } = await openPage(browser, `${server.url}gone/`)
      const said = await page.evaluate(() => globalThis.result)
      await page.close()
      if (!/^RuntimeError: worker: expected a worker that runs, got one that failed .* loaded as a module/.test(said)) throw new Error(`${said}; ${errors.join('; ')}`)
    } finally { server.close() }
  }),
  'vite: served while it is written': web(async () => {
    if (!existsSync(bundler('vite'))) return 'no vite (npm ci in test/bundlers)'
    const { createServer: dev } = await import(pathToFileURL(bundler('vite/dist/node/index.js')).href)
    const server = await dev({ root: join(site, 'vite'), logLevel: 'error', server: { port: 0, host: '127.0.0.1' } })
    await server.listen()
    try { viteSaid = checkDigits(await resultOf(browser, `http://127.0.0.1:${server.httpServer.address().port}/`)) } finally { await server.close() }
  }),
  'vite: built': web(async () => {
    if (!existsSync(bundler('vite'))) return 'no vite (npm ci in test/bundlers)'
    const { build } = await import(pathToFileURL(bundler('vite/dist/node/index.js')).href)
    await build({ root: join(site, 'vite'), logLevel: 'error' })
    const result = checkDigits(await onSite('vite/dist'))
    if (viteSaid !== undefined) equal('as served', result, viteSaid)
  }),
}
let viteSaid
function checkDigits(result) {
  if (result.said.length !== 16 || !(result.accuracy > 0.9)) throw new Error(JSON.stringify(result))
  return result
}

await runChecks(checks, runOptions())
await browser?.close()
