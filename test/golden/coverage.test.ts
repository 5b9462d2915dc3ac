// The golden trainings miss nothing: every op, gradient rule and kernel, every function that the package exports to build models, every word that an
// option may be occurs in one. What there is comes from the code's own registries, and what occurs is watched while the trainings run.
import { readdirSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { describe, expect, it, vi } from 'vitest'
import * as data from '../../src/data/index.js'
import * as compress from '../../src/compress/index.js'
import * as base from '../../src/index.js'
import { kernelTable } from '../../src/compiler/kernels.js'
import { ops } from '../../src/compiler/ops/index.js'
import { ruleOf } from '../../src/compiler/passes/gradients.js'
import { noGradient } from '../../src/compiler/rule.js'
import type { Vjp } from '../../src/compiler/graph/value.js'
import { CLIPPING, type OptimizerData } from '../../src/optim/optimizer.js'
import { Store } from '../../src/runtime/store.js'
import { trainings } from './trainings.js'

const equigrad = { ...base, ...compress }

/** What has been seen. Words are those of options, by the list that they are chosen from. */
const seen = vi.hoisted(() => ({ inferred: new Set<string>(), lowered: new Set<string>(), rules: new Set<string>(), kernels: new Set<string>(), called: new Set<string>(), clipping: new Set<string>(), words: new Map<string, Set<unknown>>() }))

type Options = typeof import('../../src/core/options.js')
type Binary = typeof import('../../src/runtime/binary.js')
vi.mock('../../src/core/options.js', async (original) => {
  const real = await original<Options>()
  const checkWord: Options['checkWord'] = (where, given, words) => {
    const list = [...words].sort().join(' ')
    const known = seen.words.get(list) ?? new Set()
    seen.words.set(list, known.add(given))
    return real.checkWord(where, given, words)
  }
  return { ...real, checkWord }
})
vi.mock('../../src/runtime/binary.js', async (original) => {
  const real = await original<Binary>()
  const kernelNumber: Binary['kernelNumber'] = (name) => { seen.kernels.add(name); return real.kernelNumber(name) }
  return { ...real, kernelNumber }
})

// Kernels that programs link are asked for by number; some are run at once, by name.
const { run } = Store.prototype
vi.spyOn(Store.prototype, 'run').mockImplementation(function (this: Store, name, ...rest) { seen.kernels.add(name); run.call(this, name, ...rest) })
for (const [name, op] of ops) {
  const { infer, lower } = op
  vi.spyOn(op, 'infer').mockImplementation((...args) => { seen.inferred.add(name); return infer(...args) })
  vi.spyOn(op, 'lower').mockImplementation((...args) => { seen.lowered.add(name); lower(...args) })
}
const rules: string[] = []
for (const [name, op] of ops) {
  const rule = ruleOf(op)
  if (rule === undefined || rule === noGradient) continue
  rules.push(name)
  const vjp: Vjp = (...args) => { seen.rules.add(name); return rule(...args) }
  Object.assign(op, { vjp })
}

const isClass = (given: object): boolean => /^class\b/.test(Function.prototype.toString.call(given))
const functionsOf = (face: object): readonly string[] => Object.entries(face).filter(([, v]) => typeof v === 'function' && !isClass(v)).map(([name]) => name)

/** A face whose functions tell when they are called. */
function watched(face: object): object {
  const tell = (name: string, call: (...args: unknown[]) => unknown) => (...args: unknown[]): unknown => {
    seen.called.add(name)
    const made = call(...args)
    if (typeof made === 'object' && made !== null && 'clipping' in made) seen.clipping.add((made as OptimizerData).clipping.kind)
    return made
  }
  const functions = new Set(functionsOf(face))
  return Object.fromEntries(Object.entries(face).map(([name, v]: [string, unknown]) => [name, functions.has(name) ? tell(name, v as (...args: unknown[]) => unknown) : v]))
}

/** What the modules of a folder export. */
async function exportsOf(folder: string): Promise<ReadonlySet<unknown>> {
  const root = fileURLToPath(new URL(`../../src/${folder}/`, import.meta.url))
  const files = readdirSync(root, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const modules = await Promise.all(files.map((file) => import(/* @vite-ignore */ pathToFileURL(`${root}${file}`).href) as Promise<object>))
  return new Set(modules.flatMap((m) => Object.values(m) as unknown[]))
}

/** Chosen away before anything is lowered: it is enough that it is in a graph. */
const NEVER_LOWERED = ['byMode', 'average', 'weight']
const sorted = (names: Iterable<string>): string[] => [...names].sort()

describe('in some golden training occurs', async () => {
  await trainings(watched(equigrad), watched(data))
  const missing = (all: Iterable<string>, found: ReadonlySet<string>): string[] => sorted(all).filter((name) => !found.has(name))

  it('every op', () => { expect(missing(ops.keys(), seen.inferred)).toEqual([]) })
  it('every op that is lowered', () => { expect(missing([...ops.keys()].filter((name) => !NEVER_LOWERED.includes(name)), seen.lowered)).toEqual([]) })
  it('every gradient rule, but that there is none', () => { expect(missing(rules, seen.rules)).toEqual([]) })
  it('every kernel', () => { expect(missing(Object.keys(kernelTable), seen.kernels)).toEqual([]) })
  it('every word of an option', () => {
    expect([...seen.words].flatMap(([list, found]) => list.split(' ').filter((word) => !found.has(word)).map((word) => `'${word}' of ${list}`))).toEqual([])
  })
  it('every way to clip gradients, and none', () => {
    const kinds = CLIPPING.map((key) => equigrad.sgd({ [key]: 1 }).clipping.kind)
    expect(missing([...kinds, equigrad.sgd().clipping.kind], seen.clipping)).toEqual([])
  })
  it.each(['nn', 'optim', 'compiler', 'compress', 'model', 'train', 'data'])('every function that the package exports of %s/', async (folder) => {
    const own = await exportsOf(folder)
    const face: Readonly<Record<string, unknown>> = { ...equigrad, ...data }
    const all = functionsOf(face).filter((name) => own.has(face[name]))
    expect(all.length).toBeGreaterThan(0)
    expect(missing(all, seen.called)).toEqual([])
  })
})
