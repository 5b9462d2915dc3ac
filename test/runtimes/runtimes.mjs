// The runtimes: each gives its version and the rows of the table by lanes, and checks of its own as [what, why it failed]; or, where it is absent, why.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { execute, here, serve } from './site.mjs'
import { webkit as webkitPage } from './webkit.mjs'

const local = (path) => (existsSync(join(here, 'node_modules', path)) ? join(here, 'node_modules', path) : null)
const nodeOf = (name) => local(`${name}/bin/node`)
const bunBin = local('bun-linux/bin/bun')
const denoBin = local('deno/bin.cjs')
/** What drives browsers and workerd asks for Node 22 or later. */
const driver = nodeOf('node24')

const NOT_INSTALLED = { absent: 'npm ci in test/runtimes' }
const firstOf = (paths) => paths.find((path) => path && existsSync(path))

/** A program that runs scripts, with options. */
const script = (program, options = []) => async ({ site }) => program === null ? NOT_INSTALLED
  : { version: (await execute(program, ['--version'], site)).trim(), rows: JSON.parse(await execute(program, [...options, 'main.js'], site)) }

const runDeno = (site, ...args) => execute(process.execPath, [denoBin, ...args], site, { DENO_DIR: join(site, '.deno'), DENO_NO_UPDATE_CHECK: '1' })
async function deno({ site }) {
  if (denoBin === null) return NOT_INSTALLED
  // no permission is given
  return { version: (await runDeno(site, '--version')).split('\n')[0].split(' ').slice(0, 2).join(' '), rows: JSON.parse(await runDeno(site, 'run', '--cached-only', '--no-lock', '--no-prompt', 'main.js')) }
}

/** Gives `run` the address of a site for as long as it takes. */
const served = (run) => async ({ site }) => {
  const { url, close } = await serve(site)
  try { return await run(url) } finally { close() }
}

async function chromium(url) {
  const executablePath = firstOf([process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'])
  const playwright = local('playwright-core/index.mjs')
  if (playwright === null) return NOT_INSTALLED
  if (executablePath === undefined) return { absent: 'Chromium from the system, or $CHROMIUM' }
  const { chromium: engine } = await import(pathToFileURL(playwright).href)
  const browser = await engine.launch({
    executablePath, headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  })
  try {
    const page = await browser.newPage()
    const errors = []
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (message) => { if (['error', 'warning'].includes(message.type())) errors.push(message.text()) })
    await page.goto(url)
    const result = await page.waitForFunction(() => globalThis.result, null, { timeout: 230_000 }).then((handle) => handle.jsonValue(), (error) => { errors.push(error.message) })
    if (errors.length > 0) throw new Error(errors.join('; '))
    return { version: browser.version(), engine: `V8 of Chromium ${browser.version().split('.')[0]}`, ...result }
  } finally {
    await browser.close()
  }
}

async function firefox(url) {
  const executablePath = firstOf([process.env.FIREFOX, '/usr/bin/firefox-esr', '/usr/bin/firefox'])
  if (driver === null || local('puppeteer-core') === null) return NOT_INSTALLED
  if (executablePath === undefined) return { absent: 'Firefox from the system, or $FIREFOX' }
  const result = JSON.parse(await execute(driver, [join(here, 'firefox.mjs'), executablePath, url], here))
  return { engine: `SpiderMonkey ${result.version}`, ...result }
}

async function webkit(url) {
  const result = await webkitPage(url)
  return result === null ? { absent: 'webkit2gtk-driver and xvfb from the system', allowed: true } : { engine: `JavaScriptCore of WebKitGTK ${result.version}`, ...result }
}

async function workerd({ site }) {
  const { exports } = JSON.parse(readFileSync(join(site, 'node_modules', 'equigrad', 'package.json'), 'utf8'))
  if (exports['.'].workerd === undefined) return { absent: 'the package has no `workerd` condition', allowed: true }
  if (driver === null || local('miniflare') === null) return NOT_INSTALLED
  return { engine: 'V8 of workerd', threads: false, ...JSON.parse(await execute(driver, [join(here, 'workerd.mjs'), site], here)) }
}

export const runtimes = {
  'this node': script(process.execPath),
  'node 20': script(nodeOf('node20')),
  'node 22': script(nodeOf('node22')),
  'node 24': script(nodeOf('node24')),
  'node 26': script(nodeOf('node26')),
  // V8's first compiler alone; processors without AVX, without fused multiply-add
  'node 26 --liftoff-only': script(nodeOf('node26'), ['--liftoff-only']),
  'node 26 --no-enable-avx': script(nodeOf('node26'), ['--no-enable-avx']),
  'node 26 --no-enable-fma3': script(nodeOf('node26'), ['--no-enable-fma3']),
  deno,
  bun: script(bunBin),
  workerd,
  chromium: served(chromium),
  firefox: served(firefox),
  webkit: served(webkit),
}

/** Where there are commands: what runs them, and what the bench must say that it ran on; null where that is absent. */
export const commands = {
  'this node': ['Node', (site, args) => execute(process.execPath, args, site)],
  deno: ['Deno', (site, args) => denoBin && runDeno(site, 'run', '--allow-all', '--cached-only', '--no-lock', ...args)],
  bun: ['Bun', (site, args) => bunBin && execute(bunBin, args, site)],
}
