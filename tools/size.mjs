// `npm run size`: what the package weighs in a page, minified (terser) and gzipped (level 9), kernels included. Needs dist/.
import { rollup } from 'rollup'
import { minify } from 'terser'
import { gzipSync } from 'node:zlib'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = (name) => JSON.stringify(join(root, 'dist', name))

/** Programs that use more or less of the package: [name, source of the entry]. */
const programs = [
  ['equigrad, all of it', `import * as all from ${dist('index.js')}; globalThis.all = all`],
  ['equigrad/data, all of it', `import * as all from ${dist('data.js')}; globalThis.all = all`],
  ['equigrad/predict, all of it', `import * as all from ${dist('predict.js')}; globalThis.all = all`],
  ['index and data', `import * as all from ${dist('index.js')}; import * as data from ${dist('data.js')}; globalThis.all = { ...all, ...data }`],
  ['sequential + dense + adam + mse', `import { adam, dense, mse, sequential } from ${dist('index.js')}; globalThis.all = { adam, dense, mse, sequential }`],
]

async function bundle(source) {
  const entry = { name: 'entry', resolveId: (id) => (id === 'entry' ? id : null), load: (id) => (id === 'entry' ? source : null) }
  const bundled = await rollup({ input: 'entry', plugins: [entry], treeshake: { moduleSideEffects: false }, onwarn: (w) => { throw new Error(w.message) } })
  const { output } = await bundled.generate({ format: 'es', inlineDynamicImports: true })
  const { code } = await minify(output[0].code, { module: true, ecma: 2020, compress: { passes: 2 } })
  return Buffer.from(code)
}

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length
const row = (name, minified, gzipped) => console.log(name.padEnd(34) + String(minified).padStart(10) + String(gzipped).padStart(10))
row('bytes', 'minified', 'gzip')
for (const [name, source] of programs) {
  const code = await bundle(source)
  row(name, code.length, gzip(code))
}
const wasm = readFileSync(join(root, 'dist', 'kernels.wasm'))
row('of these, the kernels (wasm)', wasm.length, gzip(wasm))
