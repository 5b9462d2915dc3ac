// `npm run bench:count`: what a training step of each network costs, counted: instructions of WebAssembly by kernel, calls, tiles, words, bytes. No
// clock is asked, so a busy machine changes nothing. It fails where something has grown against bench/counts.json; `-- --update` writes that anew.
import { readFileSync, writeFileSync } from 'node:fs'
import { createStore } from '../src/index.js'
import { SCRATCH_BYTES } from '../src/compiler/kernels.js'
import { sizeAt, type Program } from '../src/compiler/program.js'
import { params } from '../src/model/model.js'
import { Executor } from '../src/runtime/executor.js'
import type { Store } from '../src/runtime/store.js'
import { layoutOf } from '../src/train/apply.js'
import { TrainableModel } from '../src/train/model.js'
import { trainedParams } from '../src/train/recipe.js'
import { gradProgram, Trainer } from '../src/train/trainer.js'
import { Calls } from '../test/support/calls.js'
import { COUNTER, instrumented } from './instrument.js'
import { BATCH, compiled, samples } from './step.js'
import { workloads, type Workload } from './workloads.js'

const FILE = 'bench/counts.json'
/** What may be more before it counts as grown, and less before the table is to be written anew. */
const MORE = 1.01, LESS = 0.98

type Counts = Readonly<Record<string, number>>

/** Every module that is compiled from here on counts; the sum over all instances. */
function counting(): () => bigint {
  const { Module, Instance } = WebAssembly
  const counters: WebAssembly.Global[] = []
  WebAssembly.Module = class extends Module {
    constructor(bytes: BufferSource) { super(instrumented(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes instanceof ArrayBuffer ? bytes : bytes.buffer))) }
  }
  WebAssembly.Instance = class extends Instance {
    constructor(module: WebAssembly.Module, imports?: WebAssembly.Imports) {
      super(module, imports)
      const counter = this.exports[COUNTER]
      if (counter instanceof WebAssembly.Global) counters.push(counter)
    }
  }
  return () => counters.reduce((sum, { value }) => sum + BigInt(value as bigint), 0n)
}

/** What a program holds, by sizes alone. */
function sizes(prefix: string, program: Program): Counts {
  return {
    [`${prefix}: calls`]: program.calls.length, [`${prefix}: tiles`]: program.calls.reduce((sum, { tiles }) => sum + sizeAt(tiles, BATCH), 0),
    [`${prefix}: words`]: program.calls.reduce((sum, { words }) => sum + words.length, 0), [`${prefix}: bytes of arena`]: program.sizes.arena,
  }
}

/** One step at batch size BATCH: each kernel's instructions in the gradient program, those of the update and of going through a program. */
function countStep(workload: Workload, instructions: () => bigint): Counts {
  const model: unknown = compiled(workload)
  const state = model instanceof TrainableModel ? model.trainingState() : null
  if (state === null) throw new Error('not a model of ours')
  const { recipe } = state
  const store = createStore()
  store.declare(params(recipe.graph).map(({ key, shape, spec }) => ({ key, shape, init: spec.init, seed: 0, identity: spec })))
  const { x, y } = samples(BATCH), rows = Int32Array.from({ length: BATCH }, (_, i) => i)
  const addresses = new Map([['x', place(store, x)], ['labels:y', place(store, y)]])
  const dtypes = new Map([['x', 'u8'], ['labels:y', 'i32']] as const)
  const count = (f: () => void): number => {
    const before = instructions()
    f()
    return Number(instructions() - before)
  }

  const trainer = new Trainer(recipe, store, 0)
  const step = (): void => {
    trainer.gradient({ addresses, dtypes }, { rows, samples: rows }, BATCH)
    trainer.apply()
  }
  step()
  const whole = count(step)

  const layout = layoutOf(trainedParams(recipe), recipe.optimizer)
  const program = gradProgram(recipe, layout, { weighted: false, dtypes, capacity: BATCH })
  const executor = new Executor(program, store, { seed: 0, grad: store.alloc(layout.bytes).address, sum: store.alloc(64).address })
  for (const [name, address] of addresses) executor.bindExternal(name, address)
  executor.bind(BATCH)
  executor.prepare()
  store.i32(executor.input('$row'), BATCH).set(rows)
  executor.setF32('inverseDivisor', 1 / BATCH)
  const kernels = new Map<string, number>()
  const calls = new Calls(executor, store).all
  program.calls.forEach(({ kernel }, i) => {
    kernels.set(kernel, (kernels.get(kernel) ?? 0) + count(() => { calls[i]?.run() }))
  })
  const inKernels = [...kernels.values()].reduce((a, b) => a + b, 0)
  return {
    'instructions of a step': whole, ...Object.fromEntries([...kernels].map(([name, n]) => [`instructions in ${name}`, n])), 'instructions in the update and between kernels': whole - inKernels,
    ...sizes('gradient', program), ...sizes('update', trainer.applyProgram), 'bytes of scratch': SCRATCH_BYTES,
  }
}

function place(store: Store, data: Uint8Array | Int32Array): number {
  const block = store.alloc(data.byteLength)
  store.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), block.address)
  return block.address
}

/** What has grown, and what is so much less that the table should say so. */
function compared(name: string, counts: Counts, before: Counts): readonly string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(counts)])]
  return keys.flatMap((key) => {
    const [is, was] = [counts[key] ?? 0, before[key] ?? 0]
    if (is > was * MORE) return [`GREW  ${name}, ${key}: ${is}, was ${was}`]
    return is < was * LESS ? [`LESS  ${name}, ${key}: ${is}, was ${was}`] : []
  })
}

const instructions = counting()
const tables = Object.fromEntries(workloads.map((workload) => [workload.name, countStep(workload, instructions)]))
for (const [name, counts] of Object.entries(tables)) {
  console.log(`${name}, batch ${BATCH}`)
  for (const [key, value] of Object.entries(counts)) console.log(`${value.toLocaleString('en-US').padStart(14)}  ${key}`)
}
if (process.argv.includes('--update')) writeFileSync(FILE, `${JSON.stringify(tables, null, 1)}\n`)
else {
  const before = JSON.parse(readFileSync(FILE, 'utf8')) as Readonly<Record<string, Counts>>
  const found = Object.entries(tables).flatMap(([name, counts]) => compared(name, counts, before[name] ?? {}))
  for (const line of found) console.log(line)
  console.log(found.length === 0 ? 'nothing has grown' : `${found.length} differences; if they are meant, npm run bench:count -- --update`)
  process.exitCode = found.length === 0 ? 0 : 1
}
