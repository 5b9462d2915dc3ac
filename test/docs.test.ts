// Every example in the docstrings of src/, in the README and in docs/ runs as printed. The result of a line that ends in `// …` is not compared: prose may follow.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { transformWithOxc } from 'vite'
import { describe, expect, it } from 'vitest'
import * as equigrad from '../src/index.js'
import * as compress from '../src/compress/index.js'
import * as predict from '../src/predict.js'
import * as worker from '../src/worker.js'
import * as data from '../src/data/index.js'
import * as doctor from '../src/doctor/index.js'
import * as formats from '../src/formats/safetensors.js'

interface Example { readonly where: string; readonly code: string }

const sources = readdirSync('src', { recursive: true, withFileTypes: true }).filter((f) => f.isFile() && f.name.endsWith('.ts') && !f.name.includes('generated')).map((f) => join(f.parentPath, f.name))
const docstrings: readonly Example[] = sources.flatMap((file) =>
  [...readFileSync(file, 'utf8').matchAll(/@example\n((?: *\* .*\n)+?)(?= *\*\/| *\* @)/g)].map((m, i) => ({ where: `${file}, example ${i + 1}`, code: (m[1] ?? '').replace(/^ *\* ?/gm, '') })))
const readme: readonly Example[] = ['README.md', 'docs/clipping.md', 'docs/migrating.md'].flatMap((file) => [...readFileSync(file, 'utf8').matchAll(/```ts\n([\s\S]*?)```/g)].map((m, i) => ({ where: `${file}, example ${i + 1}`, code: m[1] ?? '' })))

const AsyncFunction: unknown = Object.getPrototypeOf(async () => undefined).constructor

/** What examples may name without making it: a compiled model with its data, and files. */
function surroundings(): Record<string, unknown> {
  const { sequential, dense, adam, mse } = equigrad
  const model = sequential([dense(2), dense(3)], { input: [4] }).compile({ optimizer: adam(), loss: mse() })
  const files: Readonly<Record<string, Uint8Array>> = {
    ...Object.fromEntries(['kernels', 'predict', 'int8', 'fast'].map((name) => [`${name}.wasm`, readFileSync(`build/${name}.wasm`)])), 'model.safetensors': equigrad.save(model), 'train-images-idx3-ubyte.gz': data.writeIdx(new Uint8Array(4), [1, 2, 2]),
  }
  return {
    ...equigrad, ...compress, ...data, ...doctor, ...worker, ...formats, model, x: new Float32Array(80).fill(0.5), y: new Float32Array(60),
    readFileSync: (name: string) => files[name], console: { log: () => undefined },
  }
}

async function run({ where, code }: Example): Promise<void> {
  const { code: js } = await transformWithOxc(code.replace(/^import .* from .*$/gm, ''), 'example.ts')
  // what an example declares itself is not handed in
  const own = new Set([...js.matchAll(/\b(?:const|let) (?:(\w+)|\{([^}]*)\})/g)].flatMap(([, name, pattern]) => (name === undefined ? (pattern ?? '').split(',').map((p) => (p.split(':').pop() ?? '').trim()) : [name])))
  // names that two entries have are those of the one that an example imports
  const given = Object.entries({ ...surroundings(), ...(code.includes("from 'equigrad/predict'") ? predict : {}) }).filter(([name]) => !own.has(name))
  const names = given.map(([name]) => name)
  if (typeof AsyncFunction !== 'function') throw new Error('no async functions')
  const f: unknown = Reflect.construct(AsyncFunction, [...names, js])
  if (typeof f !== 'function') throw new Error(where)
  await f(...given.map(([, value]) => value))
}

/** What an example imports is there under that name. */
function imports(code: string): readonly string[] {
  return [...code.matchAll(/^import \{ (.*) \} from '(?!node:)/gm)].flatMap((m) => (m[1] ?? '').split(', '))
}

describe.each([['docstrings', docstrings, 10], ['README and docs', readme, 2]] as const)('examples of the %s', (_, examples, least) => {
  it('are found', () => { expect(examples.length).toBeGreaterThanOrEqual(least) })
  it.each(examples)('$where', async (example) => {
    const all = { ...equigrad, ...compress, ...data, ...doctor, ...worker, ...formats }
    for (const name of imports(example.code)) expect(Object.keys(all)).toContain(name)
    await run(example)
  })
})
