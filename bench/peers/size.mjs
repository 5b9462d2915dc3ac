// W7, sizes: what an installation lays on the disk, and what a page that predicts the worked example has to fetch.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { runsOn } from './cold.mjs'
import { titleOf } from './version.mjs'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '..', '..')

/** The package that one installs, and the wasm files that its page fetches. */
const libraries = {
  equigrad: { wasm: [] },
  'equigrad-predict': { wasm: [] },
  'tfjs-wasm': { package: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-wasm'], wasm: ['@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm'] },
  'tfjs-cpu': { package: ['@tensorflow/tfjs-core', '@tensorflow/tfjs-backend-cpu'], wasm: [] },
  'onnxruntime-web': { package: ['onnxruntime-web'], wasm: ['onnxruntime-web/dist/ort-wasm-simd-threaded.wasm', 'onnxruntime-web/dist/ort-wasm-simd-threaded.mjs'] },
  'jax-js': { package: ['@jax-js/jax'], wasm: [] },
  'brain.js': { package: ['brain.js'], wasm: [] },
}

/** Bytes of a folder's files. */
const bytesIn = (dir) => readdirSync(dir, { withFileTypes: true, recursive: true }).filter((f) => f.isFile()).reduce((sum, f) => sum + statSync(join(f.parentPath ?? f.path, f.name)).size, 0)

/** Folders of packages and of all that they depend on, as npm lays them. */
function closure(names) {
  const found = new Set()
  const visit = (name, from) => {
    for (let dir = from; ; dir = dirname(dir)) {
      const folder = join(dir, 'node_modules', name)
      if (existsSync(join(folder, 'package.json'))) {
        if (found.has(folder)) return
        found.add(folder)
        const { dependencies = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
        for (const dependency of Object.keys(dependencies)) visit(dependency, folder)
        return
      }
      if (dir === here || dir === dirname(dir)) return
    }
  }
  for (const name of names) visit(name, join(here, '.'))
  return [...found]
}

const installed = (name) => (name.startsWith('equigrad')
  ? JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))[0].unpackedSize
  // a nested package lies in its parent's folder, which counts it already
  : closure(libraries[name].package).filter((dir, _, all) => !all.some((other) => dir !== other && dir.startsWith(`${other}/`))).reduce((sum, dir) => sum + bytesIn(dir), 0))

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length

async function download(name) {
  const { outputFiles: [{ contents }] } = await build({
    entryPoints: [join(here, 'cold', `${name}.mjs`)], bundle: true, minify: true, format: 'esm', platform: 'browser', target: 'es2022', write: false, logLevel: 'silent',
    external: ['node:*', 'fs', 'path', 'os', 'crypto', 'util', 'worker_threads', 'perf_hooks', 'string_decoder', 'buffer', 'stream', 'events'], define: { 'process.env.NODE_ENV': '"production"' }, legalComments: 'none',
  })
  return gzip(contents) + libraries[name].wasm.reduce((sum, file) => sum + gzip(readFileSync(join(here, 'node_modules', file))), 0)
}

/** @param {readonly string[]} names @returns {Promise<import('./report.mjs').Table>} */
export async function sizes(names) {
  const rows = [], failed = []
  for (const name of names.filter((n) => n in libraries)) {
    try { rows.push({ name: titleOf(name), values: [installed(name) / 1e6, (await download(name)) / 1e3], note: runsOn[name] }) } catch (error) { failed.push({ name: titleOf(name), reason: error.message.split('\n').slice(0, 2).join(' ') }) }
  }
  return {
    id: 'W7', title: 'size', note: 'Installed: the package and all that it depends on, as npm lays it on the disk. Download: a minified page that predicts the worked example, gzipped, with the wasm files that it fetches. Less is better.',
    columns: [{ name: 'installed', unit: 'MB' }, { name: 'download', unit: 'kB' }], rows, failed,
  }
}
