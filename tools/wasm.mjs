// Compiles assembly/ to WebAssembly and writes each module, as a text, into a TypeScript module src/runtime/NAME.generated.ts.
//   node tools/wasm.mjs                                    the package's modules that are older than their sources
//   node tools/wasm.mjs --entry assembly/x.ts --out FILE   another entry, plain wasm only (for kernel work)
import asc from 'assemblyscript/asc'
import { gzipSync } from 'node:zlib'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { renumbered } from './wasm-locals.mjs'
import { ordered } from './wasm-order.mjs'
import { textOf } from './wasm-text.mjs'

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'))

/**
 * The modules, by name: `kernels` runs everywhere; `predict` is those of its kernels that a prediction needs; `int8` imports the memory of one and replaces what it exports; `peak` stands alone, and is in the
 * command line only.
 */
const modules = {
  kernels: { entry: 'assembly/index.ts', target: 'kernels' },
  int8: { entry: 'assembly/int8.ts', target: 'relaxed' },
  predict: { entry: 'assembly/predict.ts', target: 'kernels' },
  fast: { entry: 'assembly/fast.ts', target: 'relaxed' },
  peak: { entry: 'bench/assembly/peak.ts', target: 'kernels' },
}

async function compile(entry, target, out) {
  mkdirSync(dirname(out), { recursive: true })
  const text = out.replace(/\.wasm$/, '.wat')
  const { error, stderr } = await asc.main([entry, '--config', 'asconfig.json', '--target', target, '--outFile', out, '--textFile', text])
  if (error) { console.error(String(stderr)); console.error(String(error.message)); process.exit(1) }
  const { wasm, wat } = ordered(readFileSync(out), readFileSync(text, 'utf8'))
  writeFileSync(out, wasm)
  writeFileSync(text, wat)
  return wasm
}

const option = (name) => { const i = process.argv.indexOf(name); return i < 0 ? undefined : process.argv[i + 1] }
const own = option('--entry')
if (own !== undefined) {
  await compile(own, option('--target') ?? 'kernels', option('--out') ?? 'build/own.wasm')
  process.exit(0)
}

const time = (file) => (existsSync(file) ? statSync(file).mtimeMs : 0)
const filesOf = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name))
const sources = ['assembly', 'bench/assembly'].flatMap(filesOf)
const newest = Math.max(...[...sources, 'asconfig.json', 'tools/wasm.mjs', 'tools/wasm-locals.mjs', 'tools/wasm-order.mjs', 'tools/wasm-text.mjs'].map(time))
for (const [name, { entry, target }] of Object.entries(modules)) {
  const [out, generated] = [`build/${name}.wasm`, `src/runtime/${name}.generated.ts`]
  if (Math.min(time(out), time(generated)) > newest) continue
  const wasm = renumbered(await compile(entry, target, out))
  writeFileSync(out, wasm)
  writeFileSync(generated, `// Made by tools/wasm.mjs from ${entry}.\nexport const wasm = {\n  length: ${wasm.length},\n  text: '${textOf(wasm)}',\n}\n`)
  console.error(`${name}.wasm ${wasm.length} bytes, gzipped ${gzipSync(wasm, { level: 9 }).length}`)
}
