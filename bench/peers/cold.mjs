// W7, cold start: from the start of a process to its first prediction, less what an empty process takes. Programs of cold/, in turn.
import { spawn } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { SIZES, weights } from './cold/inputs.mjs'
import { savedModel } from './cold/saved.mjs'
import { f32Model } from './onnx.mjs'
import { median } from './statistics.mjs'
import { titleOf } from './version.mjs'
import { example } from './workloads.mjs'

const require = createRequire(import.meta.url)
const program = (name) => fileURLToPath(new URL(`cold/${name}`, import.meta.url))
/** Where a program's library keeps its wasm files; '' where it has none. */
export const wasmOf = (name) => ({ 'tfjs-wasm': '@tensorflow/tfjs-backend-wasm', 'onnxruntime-web': 'onnxruntime-web' })[name]
/** What computes in each: those with SIMD are what a cold start of ours is held against. */
export const runsOn = {
  equigrad: 'WebAssembly SIMD', 'equigrad-predict': 'WebAssembly SIMD', 'tfjs-wasm': 'WebAssembly SIMD', 'jax-js': 'WebAssembly SIMD', 'onnxruntime-web': 'WebAssembly SIMD',
  'tfjs-cpu': 'plain JavaScript', 'brain.js': 'plain JavaScript', torch: 'native',
}
const isOurs = (name) => name.startsWith('equigrad')
/** f32 sums in another order. */
const TOLERANCE = 1e-5
/** Programs whose prediction is of no weights of ours: they say that they predicted, not what. */
const OWN_WEIGHTS = ['empty', 'empty_first.py', 'brain.js', 'torch_first.py']

/** Starts a program; resolves to the seconds until it said its prediction, once it has ended and takes nothing from the next. */
function startOnce(name, { node, python, model, saved }) {
  const library = wasmOf(name)
  const env = { ...process.env, MODEL: name === 'equigrad-predict' ? saved : model, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', ...(library === undefined ? {} : { WASM: `${dirname(require.resolve(library))}/` }) }
  const isPython = name.endsWith('.py')
  return new Promise((resolve, reject) => {
    const from = performance.now()
    const child = spawn(isPython ? python : node, [program(isPython ? name : `${name}.mjs`)], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = '', complaint = '', said
    child.stderr.on('data', (more) => { complaint += more })
    child.stdout.on('data', (more) => {
      text += more
      const line = text.split('\n').slice(0, -1).find((l) => l.startsWith('{"probabilities"'))
      if (line === undefined || said !== undefined) return
      said = { seconds: (performance.now() - from) / 1000, ...JSON.parse(line) }
      child.kill('SIGKILL')
    })
    child.on('error', reject)
    child.on('close', () => {
      if (said === undefined) reject(new Error(complaint.trim().split('\n').findLast((l) => /error/i.test(l)) ?? 'it said nothing'))
      else resolve(said)
    })
  })
}

/** @param {readonly string[]} names @param {{ readonly rounds: number, readonly dir: string, readonly node: string, readonly python: string, readonly say: (text: string) => void }} options @returns {Promise<import('./report.mjs').Table>} */
export async function coldStarts(names, { rounds, dir, node, python, say }) {
  const model = join(dir, 'example.onnx'), saved = join(dir, 'example.safetensors')
  writeFileSync(saved, await savedModel())
  writeFileSync(model, f32Model(example, weights))
  const programs = ['empty', 'empty_first.py', ...names.map((name) => (name === 'torch' ? 'torch_first.py' : name))]
  const runs = new Map(programs.map((name) => [name, []])), failed = new Map()
  let expected
  for (let r = 0; r < rounds + 1; r++) for (const name of programs) {
    say(`W7: cold start of ${name}, ${r} of ${rounds}`)
    if (failed.has(name)) continue
    try {
      const run = await startOnce(name, { node, python, model, saved })
      if (name === 'equigrad') expected = run.probabilities
      else if (!OWN_WEIGHTS.includes(name)) check(run.probabilities, expected)
      if (r > 0) runs.get(name).push(run) // the first reads its files from the disk
    } catch (error) { failed.set(name, error.message) }
  }
  const title = (name) => titleOf(name.replace('_first.py', ''))
  // Less the empty process of the same round, so that what else the machine did in it is taken off too.
  const milliseconds = (name, key) => runs.get(name).map((run, r) => 1000 * (run[key] - runs.get(name.endsWith('.py') ? 'empty_first.py' : 'empty')[r][key]))
  const less = (name, key) => median(milliseconds(name, key))
  const found = programs.filter((name) => !name.startsWith('empty') && !failed.has(name))
  return {
    id: 'W7', title: `cold start: first prediction of ${SIZES.join('-')}`, columns: [{ name: 'cold start', unit: 'ms' }, { name: 'of processor time', unit: 'ms' }],
    note: `From the start of a process to its first prediction, less an empty process of the same round (Node ${(1000 * median(runs.get('empty').map(({ seconds }) => seconds))).toFixed(0)} ms); medians of ${rounds}, less is better. ${besideFastest(found, less)}`,
    rows: found.map((name) => ({ name: title(name), values: [less(name, 'seconds'), less(name, 'cpuSeconds')], note: runsOn[name.replace('_first.py', '')] })),
    failed: [...failed].map(([name, reason]) => ({ name: title(name), reason })),
  }
}

/** What counts: ours as parts of the fastest other library with SIMD kernels, by name. */
function besideFastest(names, less) {
  const [fastest] = names.filter((name) => !isOurs(name) && runsOn[name] === runsOn.equigrad).sort((a, b) => less(a, 'cpuSeconds') - less(b, 'cpuSeconds'))
  if (fastest === undefined) return ''
  const part = (name, key) => (less(name, key) / less(fastest, key)).toFixed(2)
  const parts = names.filter(isOurs).map((name) => `${titleOf(name)} ${part(name, 'seconds')} of its time and ${part(name, 'cpuSeconds')} of its processor time`)
  return `The fastest of the others with SIMD is ${titleOf(fastest)}: ${parts.join(', ')}.`
}

function check(found, expected) {
  if (found.length !== expected.length || found.some((p, i) => !(Math.abs(p - expected[i]) <= TOLERANCE))) throw new Error('its prediction is another')
}
