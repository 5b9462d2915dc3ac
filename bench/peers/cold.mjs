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
import { example } from './workloads.mjs'

const require = createRequire(import.meta.url)
const program = (name) => fileURLToPath(new URL(`cold/${name}`, import.meta.url))
/** Where a program's library keeps its wasm files; '' where it has none. */
export const wasmOf = (name) => ({ 'tfjs-wasm': '@tensorflow/tfjs-backend-wasm', 'onnxruntime-web': 'onnxruntime-web' })[name]
/** f32 sums in another order. */
const TOLERANCE = 1e-5

/** Starts a program; resolves to the seconds until it said its prediction. */
function startOnce(name, { node, python, model, saved }) {
  const library = wasmOf(name)
  const env = { ...process.env, MODEL: name === 'equigrad-predict' ? saved : model, OMP_NUM_THREADS: '1', OPENBLAS_NUM_THREADS: '1', ...(library === undefined ? {} : { WASM: `${dirname(require.resolve(library))}/` }) }
  const isPython = name.endsWith('.py')
  return new Promise((resolve, reject) => {
    const from = performance.now()
    const child = spawn(isPython ? python : node, [program(isPython ? name : `${name}.mjs`)], { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let text = '', complaint = ''
    child.stderr.on('data', (more) => { complaint += more })
    child.stdout.on('data', (more) => {
      text += more
      const line = text.split('\n').slice(0, -1).find((l) => l.startsWith('{"probabilities"'))
      if (line !== undefined) resolve({ seconds: (performance.now() - from) / 1000, ...JSON.parse(line) })
    })
    child.on('error', reject)
    child.on('exit', () => { reject(new Error(complaint.trim().split('\n').findLast((l) => /error/i.test(l)) ?? 'it said nothing')) })
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
      else if (wasmOf(name) !== undefined || name === 'jax-js' || name === 'equigrad-predict' || name === 'tfjs-cpu') check(run.probabilities, expected)
      if (r > 0) runs.get(name).push(run) // the first reads its files from the disk
    } catch (error) { failed.set(name, error.message) }
  }
  const of = (name, key) => median(runs.get(name).map((run) => run[key]))
  const less = (name, key) => 1000 * (of(name, key) - of(name.endsWith('.py') ? 'empty_first.py' : 'empty', key))
  return {
    id: 'W7', title: `cold start: first prediction of ${SIZES.join('-')}`, columns: [{ name: 'cold start', unit: 'ms' }, { name: 'of processor time', unit: 'ms' }],
    note: `From the start of a process to its first prediction, less an empty process (Node ${(1000 * of('empty', 'seconds')).toFixed(0)} ms); medians of ${rounds}, less is better.`,
    rows: programs.filter((name) => !name.startsWith('empty') && !failed.has(name)).map((name) => ({ name: name.replace('_first.py', ''), values: [less(name, 'seconds'), less(name, 'cpuSeconds')] })),
    failed: [...failed].map(([name, reason]) => ({ name: name.replace('_first.py', ''), reason })),
  }
}

function check(found, expected) {
  if (found.length !== expected.length || found.some((p, i) => !(Math.abs(p - expected[i]) <= TOLERANCE))) throw new Error('its prediction is another')
}
