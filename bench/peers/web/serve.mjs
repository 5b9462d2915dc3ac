// `npm run bench:web`: serves the page, with the headers that give it shared memory and an exact clock.
//   node bench/peers/web/serve.mjs [--port N]     0: any that is free
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = fileURLToPath(new URL('.', import.meta.url))
const modules = join(here, '..', 'node_modules')
if (!existsSync(modules)) {
  console.error('bench:web: expected the other libraries in bench/peers/node_modules, got none. Run: npm --prefix bench/peers ci')
  process.exit(1)
}
const { values: { port } } = parseArgs({ options: { port: { type: 'string', default: '8080' } } })
const { build } = await import('esbuild')
const { style } = await import('../page.mjs')

/** Page and worker, with all that they need but wasm files. */
async function scripts() {
  const { outputFiles } = await build({
    entryPoints: { page: join(here, 'page.mjs'), worker: join(here, 'worker.mjs') }, outdir: '/', bundle: true, minify: true, splitting: true, format: 'esm', platform: 'browser', target: 'es2022', write: false, logLevel: 'error',
    external: ['node:*', 'fs', 'path', 'os', 'crypto', 'util', 'stream', 'events', 'worker_threads', 'perf_hooks', 'string_decoder', 'buffer', '*/build/js/bench/product.js'],
  })
  return new Map(outputFiles.map(({ path, contents }) => [path.replaceAll('\\', '/'), contents]))
}

const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">
<title>equigrad in this browser</title><style>${style}</style></head>
<body><main><header><h1>equigrad beside other libraries, in this browser</h1>
<p class="soft">One thread, a worker for each library, results checked before they count; medians of rounds in turn. Keep this page in front.</p></header>
<section><div id="machine"></div><p class="note" style="margin: 12px 0 0" id="state"></p></section>
<div id="results"></div></main><script type="module" src="/page.js"></script></body></html>`

/** Folders that pages may fetch wasm files from. */
const WASM = { '@tensorflow/tfjs-backend-wasm': 'dist', 'onnxruntime-web': 'dist' }
function wasmFile(path) {
  const library = Object.keys(WASM).find((name) => path.startsWith(`/wasm/${name}/`))
  if (library === undefined) return null
  const folder = join(modules, library, WASM[library])
  const file = normalize(join(folder, path.slice(`/wasm/${library}/`.length)))
  return file.startsWith(folder) && /\.(wasm|mjs)$/.test(file) && existsSync(file) ? readFileSync(file) : null
}

const bundle = await scripts()
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  const isolated = { 'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp', 'cache-control': 'no-store' }
  const body = pathname === '/' ? html : bundle.get(pathname) ?? wasmFile(pathname)
  if (body === null || body === undefined) { response.writeHead(404, isolated).end(); return }
  const type = pathname === '/' ? 'text/html' : pathname.endsWith('.wasm') ? 'application/wasm' : 'text/javascript'
  response.writeHead(200, { ...isolated, 'content-type': type }).end(body)
})
server.listen(Number(port), '127.0.0.1', () => { console.log(`http://localhost:${server.address().port}/`) })
