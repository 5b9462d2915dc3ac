// For tests of the built package outside of vitest: a project that has installed the packed tarball, a static server, Chromium, and a count.
import { execFileSync, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs a program to its end; its standard output. Fails on an exit code, or after two minutes. */
export const execute = (file, args, cwd, env = {}) =>
  execFileSync(file, args, { cwd, encoding: 'utf8', timeout: 120_000, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } })

/** A folder with the tarball in node_modules; it goes when the process ends. */
export function makeSite(name) {
  const site = mkdtempSync(join(tmpdir(), `equigrad-${name}-`))
  process.on('exit', () => rmSync(site, { recursive: true, force: true }))
  const [{ filename }] = JSON.parse(execute('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', site], root))
  writeFileSync(join(site, 'package.json'), '{ "private": true, "type": "module" }')
  execute('npm', ['install', '--offline', '--no-audit', '--no-fund', '--ignore-scripts', `./${filename}`], site)
  return site
}

const KINDS = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.wasm': 'application/wasm' }

/** Serves a folder as a plain static server does; `headers` go with every answer. Returns { url, close }. */
export async function serve(folder, headers = {}) {
  const server = createServer((request, response) => {
    let path = normalize(join(folder, decodeURIComponent(new URL(request.url, 'http://localhost').pathname)))
    if (path.startsWith(normalize(folder)) && existsSync(path) && statSync(path).isDirectory()) path = join(path, 'index.html')
    if (!path.startsWith(normalize(folder)) || !existsSync(path)) { response.writeHead(404).end(); return }
    response.writeHead(200, { 'content-type': KINDS[extname(path)] ?? 'application/octet-stream', ...headers }).end(readFileSync(path))
  })
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve) })
  return { url: `http://localhost:${server.address().port}/`, close: () => { server.closeAllConnections(); server.close() } }
}

const CHROMIUM_ARGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']
const chromiumPath = () => [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => path && existsSync(path))
const driver = (path) => join(root, 'test', 'runtimes', 'node_modules', path)

/** Chromium by playwright-core of test/runtimes; null where one of them is absent. */
export async function launchChromium(args = []) {
  const executablePath = chromiumPath(), playwright = driver('playwright-core/index.mjs')
  if (!executablePath || !existsSync(playwright)) return null
  const { chromium } = await import(pathToFileURL(playwright).href)
  return await chromium.launch({ executablePath, headless: true, args: [...CHROMIUM_ARGS, ...args] })
}

/**
 * Chromium with a window on a virtual screen, where a tab behind another is hidden; null where one of them or puppeteer-core is absent. Playwright keeps
 * every tab visible. Returns { browser, close }.
 */
export async function launchWindow() {
  const executablePath = chromiumPath(), screen = '/usr/bin/Xvfb', puppeteer = driver('puppeteer-core/lib/puppeteer/puppeteer-core.js')
  if (!executablePath || !existsSync(puppeteer) || !existsSync(screen)) return null
  const { default: { launch } } = await import(pathToFileURL(puppeteer).href)
  const running = spawn(screen, ['-displayfd', '3', '-screen', '0', '800x600x24'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
  const display = await new Promise((resolve, reject) => { running.stdio[3].once('data', (text) => { resolve(String(text).trim()) }); running.once('exit', () => { reject(new Error('Xvfb ended')) }) })
  // What keeps tabs behind awake
  const ignoreDefaultArgs = ['--disable-backgrounding-occluded-windows', '--disable-renderer-backgrounding', '--disable-background-timer-throttling']
  const browser = await launch({ executablePath, headless: false, env: { ...process.env, DISPLAY: `:${display}` }, ignoreDefaultArgs, args: CHROMIUM_ARGS })
  return { browser, close: async () => { await browser.close(); running.kill() } }
}

/** A page, with what went wrong in it: errors, warnings, what could not be fetched. `first` runs in it before all else. */
export async function openPage(browser, url, first) {
  const page = await browser.newPage()
  if (first !== undefined) await page.addInitScript(first)
  const errors = []
  page.on('pageerror', (error) => errors.push(String(error)))
  page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) errors.push(message.text()) })
  await page.goto(url)
  return { page, errors }
}

/** What `globalThis.result`, a promise, of a page resolves to; fails on any error or warning in its console. `look` sees the page then. */
export async function resultOf(browser, url, { first, look } = {}) {
  const { page, errors } = await openPage(browser, url, first)
  try {
    const result = await page.waitForFunction(() => globalThis.result, null, { timeout: 60_000 }).then((handle) => handle.jsonValue(), (error) => { errors.push(error.message) })
    if (errors.length > 0) throw new Error(errors.join('; '))
    await look?.(page)
    return result
  } finally {
    await page.close()
  }
}

/** Runs checks one after the other and counts them; the last line is `N passed, N failed`. A check that returns a string is skipped for that reason. */
export async function runChecks(checks, { only = '', required = false } = {}) {
  const count = { passed: 0, failed: 0 }
  for (const [name, check] of Object.entries(checks)) {
    if (!name.startsWith(only)) continue
    const start = performance.now()
    try {
      const absent = await check()
      if (typeof absent === 'string' && !required) { console.log(`skip  ${name}: ${absent}`); continue }
      if (typeof absent === 'string') throw new Error(`${absent}, and --require`)
      count.passed++
      console.log(`ok    ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`)
    } catch (error) {
      count.failed++
      console.log(`FAIL  ${name}: ${[error.message, error.stdout, error.stderr].filter(Boolean).join('\n')}`)
    }
  }
  if (count.passed + count.failed === 0) { count.failed++; console.log(`FAIL  --only ${only}: there are ${Object.keys(checks).join(', ')}`) }
  console.log(`${count.passed} passed, ${count.failed} failed`)
  process.exitCode = count.failed > 0 ? 1 : 0
}

/** The arguments that such a run takes. */
export const runOptions = () => ({ only: process.argv.includes('--only') ? process.argv[process.argv.indexOf('--only') + 1] : '', required: process.argv.includes('--require') })
