// `npm run size [-- --check]`: what the package weighs in a page, minified (terser) and gzipped (level 9): the JavaScript that is loaded at once, with the
// one binary in it. What is imported only when it is asked for (faster kernels) is not part of it. Needs dist/.
// --check: fails where a size is over what it may be. A bar is what it should be; where one is missed, `most` says what holds meanwhile.
import { rollup } from 'rollup'
import { minify } from 'terser'
import { gzipSync } from 'node:zlib'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = (name) => JSON.stringify(join(root, 'dist', name))
const all = (name) => `import * as all from ${dist(name)}; globalThis.all = all`

/** Programs that use more or less of the package: source of the entry, bytes gzipped that it should have, and may have. */
const programs = [
  { name: 'equigrad, all of it', source: all('index.js'), bar: 60_000, most: 99_900 },
  { name: 'equigrad/predict, all of it', source: all('predict.js'), bar: 25_000 },
  { name: 'equigrad/compress, all of it', source: all('compress.js') },
  { name: 'equigrad/data, all of it', source: all('data.js') },
  { name: 'sequential + dense + adam + mse', source: `import { adam, dense, mse, sequential } from ${dist('index.js')}; globalThis.all = { adam, dense, mse, sequential }`, most: 81_300 },
]

async function bundle(source) {
  const entry = { name: 'entry', resolveId: (id) => (id === 'entry' ? id : null), load: (id) => (id === 'entry' ? source : null) }
  const bundled = await rollup({ input: 'entry', plugins: [entry], treeshake: { moduleSideEffects: false }, onwarn: (w) => { throw new Error(w.message) } })
  const { output } = await bundled.generate({ format: 'es' })
  const { code } = await minify(output.find(({ isEntry }) => isEntry).code, { module: true, ecma: 2020, compress: { passes: 2 } })
  return code
}

const gzip = (bytes) => gzipSync(bytes, { level: 9 }).length
/** A binary in a program: a long text of its digits (wasm-text.mjs). */
const BINARY = /(["'`])[!#%&(-;=-[\]-_a-~]{2000,}\1/g
const row = (...cells) => console.log(cells.map((cell, i) => (i === 0 ? String(cell).padEnd(34) : String(cell).padStart(10))).join(''))
row('bytes', 'minified', 'gzip', 'of it wasm', 'bar')
const over = []
for (const { name, source, bar, most = bar } of programs) {
  const code = await bundle(source)
  const whole = gzip(code)
  row(name, code.length, whole, whole - gzip(code.replace(BINARY, '""')), bar === undefined ? '' : `${bar}${whole > bar ? ' missed' : ''}`)
  if (most !== undefined && whole > most) over.push(`${name}: ${whole} bytes, may be ${most}`)
}
if (process.argv.includes('--check') && over.length > 0) {
  console.error(over.join('\n'))
  process.exit(1)
}
