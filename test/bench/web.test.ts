// The page of bench:web in Chromium. The other libraries are no part of the main install: without them (npm --prefix bench/peers ci), without dist/
// (npm run build), Chromium or test/runtimes' playwright-core it is left out, by its name.
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, expect, it } from 'vitest'

const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))
const playwright = path('test/runtimes/node_modules/playwright-core/index.mjs')
const chromium = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => file !== undefined && existsSync(file))
const missing = [['bench/peers/node_modules', path('bench/peers/node_modules')], ['dist/', path('dist/index.js')], ['playwright-core', playwright]].filter(([, file]) => !existsSync(file!)).map(([name]) => name)
if (chromium === undefined) missing.push('Chromium')

interface Row { readonly workload: string; readonly peer: string; readonly failed?: string; readonly rate?: { readonly median: number } }
interface Page { on(event: 'pageerror', f: (error: Error) => void): void; goto(url: string): Promise<unknown>; evaluate<T>(f: string): Promise<T> }
interface Browser { newPage(): Promise<Page>; close(): Promise<void> }

let server: ChildProcess | undefined, browser: Browser | undefined
afterAll(async () => { await browser?.close(); server?.kill() })

it.skipIf(missing.length > 0)(`the page measures four libraries${missing.length > 0 ? ` (absent: ${missing.join(', ')})` : ''}`, async () => {
  server = spawn(process.execPath, [path('bench/peers/web/serve.mjs'), '--port', '0'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise<string>((resolve, reject) => { server!.stdout!.once('data', (line) => { resolve(String(line).trim()) }); server!.once('exit', () => { reject(new Error('no server')) }) })
  const { chromium: engine } = await import(playwright) as { chromium: { launch(options: unknown): Promise<Browser> } }
  browser = await engine.launch({ executablePath: chromium, headless: true, args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] })
  const page = await browser.newPage()
  const errors: string[] = []
  page.on('pageerror', (error) => { errors.push(String(error)) })
  await page.goto(`${url}?rounds=1`)
  const { rows } = await page.evaluate<{ rows: readonly Row[] }>('globalThis.result')
  expect(errors).toEqual([])
  expect(rows.filter(({ failed }) => failed !== undefined)).toEqual([])
  expect(rows.map(({ workload, peer }) => `${workload}: ${peer}`)).toEqual([
    ...['equigrad', 'tfjs-wasm', 'jax-js'].map((peer) => `W1: ${peer}`), ...['W4 batch 1', 'W4 batch 64'].flatMap((w) => ['equigrad', 'tfjs-wasm', 'jax-js', 'onnxruntime-web'].map((peer) => `${w}: ${peer}`)),
  ])
  expect(rows.every(({ rate }) => rate!.median > 0)).toBe(true)
  expect(await page.evaluate<number>("document.querySelectorAll('svg.bars').length")).toBe(3)
}, 180_000)
