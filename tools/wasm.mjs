// Compiles assembly/ to WebAssembly and writes it, deflated and in base64, as a TypeScript module.
//   node tools/wasm.mjs                                    the package's binary
//   node tools/wasm.mjs --entry assembly/x.ts --out FILE   another entry, plain wasm only (for kernel work)
import asc from 'assemblyscript/asc'
import { deflateRawSync } from 'node:zlib'
import { mkdirSync, readFileSync, statSync, writeFileSync, existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
process.chdir(root)
const option = (name, fallback) => { const i = process.argv.indexOf(name); return i < 0 ? fallback : process.argv[i + 1] }
const entry = option('--entry', undefined)
const out = option('--out', 'build/kernels.wasm')
const generated = 'src/runtime/binary.generated.ts'

const sources = (dir) => readdirSync(dir, { recursive: true, withFileTypes: true }).filter((f) => f.isFile()).map((f) => join(f.parentPath, f.name))
const newest = Math.max(...[...sources('assembly'), 'asconfig.json', 'tools/wasm.mjs'].map((f) => statSync(f).mtimeMs))
if (!entry && existsSync(generated) && existsSync(out) && Math.min(statSync(generated).mtimeMs, statSync(out).mtimeMs) > newest) process.exit(0)

mkdirSync(dirname(out), { recursive: true })
const args = ['--config', 'asconfig.json', '--target', 'baseline', '--outFile', out, ...(entry ? [entry, '--textFile', out.replace(/\.wasm$/, '.wat')] : [])]
const { error, stderr } = await asc.main(entry ? args : args)
if (error) { console.error(String(stderr)); console.error(String(error.message)); process.exit(1) }
const wasm = readFileSync(out)
if (!entry) {
  const deflated = deflateRawSync(wasm, { level: 9 })
  writeFileSync(generated, `// Made by tools/wasm.mjs from assembly/: the baseline binary, deflated, in base64.\n` +
    `export const byteLength = ${wasm.length}\nexport const deflated =\n  '${deflated.toString('base64')}'\n`)
  console.error(`wasm ${wasm.length} bytes, deflated ${deflated.length}`)
}
