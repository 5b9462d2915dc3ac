// The golden trainings in workerd, through miniflare: no bundler, the package's files as they are under its `workerd` condition, compiled modules of its binaries.
//   node workerd.mjs SITE
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, normalize } from 'node:path'
import { Miniflare } from 'miniflare'

const [site] = process.argv.slice(2)
const home = 'node_modules/equigrad'
const { exports } = JSON.parse(readFileSync(join(site, home, 'package.json'), 'utf8'))

/** The file that an export is under these conditions, the first that fits, as Node resolves them. */
function fileOf(target) {
  if (typeof target === 'string') return join(home, target)
  for (const [condition, inner] of Object.entries(target)) {
    const found = ['workerd', 'worker', 'import', 'default'].includes(condition) ? fileOf(inner) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

/** A module and all that it names by a relative path. */
function modulesOf(path, known = new Map()) {
  if (known.has(path)) return known
  if (path.endsWith('.wasm')) return known.set(path, { type: 'CompiledWasm', path, contents: readFileSync(join(site, path)) })
  const contents = readFileSync(join(site, path), 'utf8')
  known.set(path, { type: 'ESModule', path, contents })
  for (const [, name] of contents.matchAll(/(?:\bfrom|\bimport)\s*\(?\s*["'](\.[^"']+)["']/g)) modulesOf(normalize(join(dirname(path), name)), known)
  return known
}

const [main, data, compress, doctor, predict] = ['.', './data', './compress', './doctor', './predict'].map((entry) => fileOf(exports[entry]))
const contents = `import * as base from './${main}'
import * as compress from './${compress}'
import { doctor } from './${doctor}'
import * as data from './${data}'
import { load } from './${predict}'
import { trainings } from './trainings.js'
const equigrad = { ...base, ...compress }
export default { async fetch() {
  const model = equigrad.sequential([equigrad.dense(2)], { input: [2], lanes: 3 })
  await model.predict(new Float32Array(2))
  const { equal, rows } = await doctor()
  const x = Float32Array.of(0.3, -0.7, 1.1, 0.2)
  const [whole, alone] = [model, load(equigrad.save(model))].map((m) => new Uint32Array(m.predictSync(x).data.buffer).join())
  const fast = equigrad.sequential([equigrad.dense(2)], { input: [2], store: equigrad.createStore({ fast: true }) })
  await fast.predict(x)
  const paths = [await equigrad.loadInt8(), fast.runtime.fast]
  return Response.json({ 1: await trainings(equigrad, data), runtime: model.runtime, checks: [
    ['doctor() finds the same bits', equal ? '' : JSON.stringify(rows)],
    ['equigrad/predict predicts what equigrad does', whole === alone ? '' : whole + ' and ' + alone],
    ['relaxed kernels are modules of the condition', paths.every(({ path }) => path === 'relaxed') ? '' : JSON.stringify(paths)],
  ] })
} }`
const modules = [{ type: 'ESModule', path: 'worker.js', contents }, ...[main, data, compress, doctor, predict, 'trainings.js'].reduce((known, path) => modulesOf(path, known), new Map()).values()]
const miniflare = new Miniflare({ modules, compatibilityDate: '2026-01-01' })
try {
  const response = await miniflare.dispatchFetch('http://localhost/')
  if (!response.ok) throw new Error(await response.text())
  const { version } = createRequire(import.meta.url)('workerd/package.json')
  const { checks, ...rows } = await response.json()
  console.log(JSON.stringify({ version, rows, checks }))
} finally {
  await miniflare.dispose()
}
