// A page in WebKitGTK's MiniBrowser, over its own WebDriver, on a virtual screen.
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

const DRIVER = '/usr/bin/WebKitWebDriver', SCREEN = '/usr/bin/Xvfb'
const LIBRARIES = '/usr/lib'

/** The browser that the driver drives, or undefined. */
function browser() {
  if (!existsSync(LIBRARIES)) return undefined
  const places = readdirSync(LIBRARIES).flatMap((triple) => ['webkit2gtk-4.1', 'webkit2gtk-4.0', 'webkitgtk-6.0'].map((name) => join(LIBRARIES, triple, name, 'MiniBrowser')))
  return places.find((path) => existsSync(path))
}

const freePort = () => new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => { const { port } = server.address(); server.close(() => { resolve(port) }) })
})

async function command(base, method, path, body) {
  const response = await fetch(`${base}${path}`, { method, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const { value } = await response.json()
  if (!response.ok) throw new Error(`WebKitWebDriver: ${value.error}: ${value.message}`)
  return value
}

/** Tries until it works, for some seconds. */
async function patiently(what) {
  for (let i = 0; ; i++) {
    try { return await what() } catch (error) { if (i === 50) throw error }
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
}

const RESULT = `const done = arguments[arguments.length - 1]
const wait = () => { if (globalThis.result === undefined) setTimeout(wait, 50); else globalThis.result.then(done, (error) => done({ error: String(error) })) }
wait()`

/** What a page's `result` comes to, or null where WebKit or a screen for it is absent. */
export async function webkit(url) {
  const binary = browser()
  if (binary === undefined || !existsSync(DRIVER) || !existsSync(SCREEN)) return null
  const processes = []
  try {
    const screen = spawn(SCREEN, ['-displayfd', '3', '-screen', '0', '800x600x24'], { stdio: ['ignore', 'ignore', 'ignore', 'pipe'] })
    processes.push(screen)
    const number = await new Promise((resolve, reject) => { screen.stdio[3].once('data', (text) => { resolve(String(text).trim()) }); screen.once('exit', () => { reject(new Error('Xvfb ended')) }) })
    const port = await freePort()
    // Pages of this port may share memory between threads only when they are told so.
    processes.push(spawn(DRIVER, [`--port=${port}`], { stdio: 'ignore', env: { ...process.env, DISPLAY: `:${number}`, JSC_useSharedArrayBuffer: '1' } }))
    const base = `http://127.0.0.1:${port}`
    const options = { 'webkitgtk:browserOptions': { binary, args: ['--automation'] } }
    const { sessionId, capabilities } = await patiently(() => command(base, 'POST', '/session', { capabilities: { alwaysMatch: options } }))
    const session = `/session/${sessionId}`
    try {
      await command(base, 'POST', `${session}/timeouts`, { script: 230_000 })
      await command(base, 'POST', `${session}/url`, { url })
      const result = await command(base, 'POST', `${session}/execute/async`, { script: RESULT, args: [] })
      if (result.error !== undefined) throw new Error(result.error)
      return { version: capabilities.browserVersion, ...result }
    } finally {
      await command(base, 'DELETE', session)
    }
  } finally {
    for (const child of processes.reverse()) child.kill()
  }
}
