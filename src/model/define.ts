// From values to a model's graph: layers get their names, parameters their keys, inputs the names of the record they came in.
import { describe, EquigradError, message } from '../core/errors.js'
import { checkNumber, checkWord } from '../core/options.js'
import { anything, count, number, optional, or, readOptions } from '../core/readers.js'
import { commonHome, declarationOf, declare, type Declaration, type Home, type HomeOptions } from './home.js'
import { byName, everyNode, rewrite, Value, type Scope } from '../compiler/graph/value.js'
import { toGraph, type Graph, type Naming } from '../compiler/graph/graph.js'

/** How an input reads its data. */
export interface InputOptions {
  /** the element type that data comes in (default 'f32'); other types are converted */
  readonly dtype?: 'f32' | 'u8' | 'f64' | 'i32'
  /** data is multiplied by this when it is read, as 1 / 255 for bytes (default 1) */
  readonly scale?: number
  /** and this is added (default 0) */
  readonly offset?: number
  /** whole numbers from 0 to below this, such as lengths or tokens: the value is of i32, `dtype` is 'i32' (default) or 'u8', and nothing is scaled */
  readonly below?: number
}

/** The largest number of elements of one sample. */
const LARGEST = 0x1000_0000

/**
 * An input of a model.
 *
 * @param shape - of one sample, such as [784] or [28, 28, 1]
 * @param options - how data is read: `{ dtype: 'u8', scale: 1 / 255 }` is part of the model, so `predict` does the same
 * @returns a value [n, …shape] of f32, or of i32 for whole numbers (`below`)
 * @throws TypeError, RangeError for a shape or options that make no sense
 * @example
 * const frames = input([50, 2]), lengths = input([], { below: 51 })
 */
export function input(shape: readonly number[], options: InputOptions = {}): Value {
  if (!Array.isArray(shape)) throw new TypeError(message('input', 'the shape of one sample, such as [784]', describe(shape)))
  shape.forEach((d: unknown) => checkNumber('input: shape', d, { integer: true, min: 1, max: LARGEST }))
  if (shape.reduce((a, b) => a * b, 1) > LARGEST) throw new RangeError(message('input: shape', `at most ${LARGEST} elements a sample`, `[${shape.join(', ')}]`))
  const { dtype, scale, offset, below } = readOptions('input', options, { dtype: anything, scale: optional(number()), offset: optional(number()), below: optional(count()) })
  const whole = below !== undefined
  if (whole && (scale ?? offset) !== undefined) throw new RangeError(message('input', 'below, or scale and offset', 'both', 'Whole numbers are not scaled.'))
  const data = whole ? checkWord('input.dtype', or(dtype, 'i32'), ['i32', 'u8']) : checkWord('input.dtype', or(dtype, 'f32'), ['f32', 'u8', 'f64', 'i32'])
  return new Value(['n', ...shape], whole ? 'i32' : 'f32', { kind: 'input', spec: { name: '', data, scale: scale ?? 1, offset: offset ?? 0, classes: below ?? null } })
}

/** An input of a shape, or of a shape with how data is read. */
export function inputOf(given: readonly number[] | (InputOptions & { readonly shape: readonly number[] })): Value {
  if ('shape' in given) { const { shape, ...options } = given; return input(shape, options) }
  return input(given)
}

/** An input under a name. */
export function namedInput(name: string, { shape, dtype, source }: Value): Value {
  if (!/^[^$:/]+$/.test(name)) throw new TypeError(message('model', 'names of inputs without $, : or /', describe(name)))
  return new Value(shape, dtype, source.kind === 'input' ? { kind: 'input', spec: { ...source.spec, name } } : source)
}

/** Names layers by kind and place, in the order in which the definition uses them; given names must be unique. */
class DefinitionNaming implements Naming {
  readonly #names = new Map<Scope, string>()
  readonly #prefix: string

  constructor(model: string, outputs: readonly Value[]) {
    this.#prefix = model === '' ? '' : `${model}/`
    const counts = new Map<string, number>()
    const taken = new Set<string>()
    for (const node of everyNode(outputs)) {
      for (const scope of outermostFirst(node.scope)) {
        if (this.#names.has(scope)) continue
        const count = (counts.get(scope.kind) ?? 0) + 1
        if (scope.name === null) counts.set(scope.kind, count)
        const inner = scope.parent === null ? '' : `${this.#names.get(scope.parent) ?? ''}/`
        const name = `${inner}${scope.name ?? `${scope.kind}${count}`}`
        if (taken.has(name)) throw new EquigradError(message('model', 'layers with names of their own', `two called '${name}'`, 'Give one another `name`.'))
        taken.add(name)
        this.#names.set(scope, name)
      }
    }
  }

  path(scope: Scope | null): string { return scope === null ? '' : this.#names.get(scope) ?? '' }
  key(scope: Scope | null, param: string): string { return `${this.#prefix}${this.path(scope)}.${param}` }
}

function outermostFirst(scope: Scope | null): readonly Scope[] {
  return scope === null ? [] : [...outermostFirst(scope.parent), scope]
}

/** A definition: the graph, and the parameters in it with whom they belong to. */
export interface Defined { readonly graph: Graph; readonly declarations: readonly Declaration[]; readonly home: Home }

/**
 * The graph of a model, and its parameters.
 *
 * @param inputs - by name, each made by `input`
 * @param outputs - by name
 * @param options - `name`: put in front of the keys of new weights, with a slash, unless empty; `seed`: of new weights; `store` or `lanes`
 * @throws EquigradError when an input is not used, one that is used is not declared, or two weights have one key
 */
export function defineModel(inputs: Readonly<Record<string, Value>>, outputs: Readonly<Record<string, Value>>, options: HomeOptions & { readonly name: string; readonly seed: number }): Defined {
  const named = new Map<Value, Value>()
  for (const [key, v] of Object.entries(inputs)) {
    if (!(v instanceof Value) || v.source.kind !== 'input') throw new TypeError(message('model', `input(…) as '${key}'`, v instanceof Value ? 'a computed value' : describe(v)))
    if (named.has(v)) throw new TypeError(message('model', `an input of its own as '${key}'`, 'one that has another name too'))
    named.set(v, namedInput(key, v))
  }
  const naming = new DefinitionNaming(options.name, Object.values(outputs))
  const params: Value[] = []
  const used = new Set<Value>()
  rewrite(Object.values(outputs), {
    leaf(v) {
      if (v.source.kind === 'param') params.push(v)
      if (v.source.kind !== 'input' || v.source.spec.name.startsWith('$')) return v
      if (!named.has(v)) throw new EquigradError(message('model', 'every input among its inputs', `one of shape [${v.shape.join(', ')}] that is not`))
      used.add(v)
      return v
    },
  })
  for (const [key, v] of Object.entries(inputs)) if (!used.has(v)) throw new EquigradError(message('model', `an output that depends on the input '${key}'`, 'none'))
  const home = commonHome(params.flatMap((v) => declarationOf(v) ?? []), options)
  // New parameters are declared only when all is checked: a definition that fails leaves no trace.
  const byKey = new Map<string, Value>()
  for (const v of params) {
    if (v.source.kind !== 'param') continue
    const declaration = declarationOf(v)
    const key = declaration?.key ?? naming.key(v.source.scope, v.source.spec.name)
    const other = byKey.get(key)
    if (other !== undefined && other !== v && (declaration === undefined || declarationOf(other) !== declaration)) {
      throw new EquigradError(message('model', 'weights with keys of their own', `two called '${key}'`, 'Give one of the models, or layers, a `name`.'))
    }
    byKey.set(key, v)
  }
  const declarations = [...byKey].map(([key, v]) => declarationOf(v) ?? declare(v, key, options.seed, home))
  const ready = rewrite(Object.values(outputs), { leaf: (v) => (v.source.kind === 'param' ? declarationOf(v)?.leaf : named.get(v)) ?? v })
  return { graph: toGraph(byName(Object.keys(outputs), ready), naming), declarations, home }
}
