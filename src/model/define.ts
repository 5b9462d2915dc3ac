// From values to a model's graph: layers get their names, parameters their keys, inputs the names of the record they came in.
import { EquigradError, message } from '../core/errors.js'
import { checkNumber, checkOptions, checkWord } from '../core/options.js'
import { describe } from '../core/errors.js'
import { everyNode, rewrite, Value, type Scope } from '../compiler/graph/value.js'
import { toGraph, type Graph, type Naming } from '../compiler/graph/graph.js'
import type { DType } from '../core/shape.js'

export interface InputOptions {
  /** the element type that data comes in (default 'f32'); other types are converted */
  readonly dtype?: 'f32' | 'u8' | 'f64' | 'i32'
  /** data is multiplied by this when it is read, as 1 / 255 for bytes (default 1) */
  readonly scale?: number
  /** and this is added (default 0) */
  readonly offset?: number
}

/** The largest number of elements of one sample. */
const LARGEST = 0x1000_0000

/**
 * An input of a model.
 *
 * @param shape - of one sample, such as [784] or [28, 28, 1]
 * @param options - how data is read: `{ dtype: 'u8', scale: 1 / 255 }` is part of the model, so `predict` does the same
 * @returns a value [n, …shape] of f32
 */
export function input(shape: readonly number[], options: InputOptions = {}): Value {
  if (!Array.isArray(shape)) throw new TypeError(message('input', 'the shape of one sample, such as [784]', describe(shape)))
  shape.forEach((d: unknown) => checkNumber('input: shape', d, { integer: true, min: 1, max: LARGEST }))
  if (shape.reduce((a, b) => a * b, 1) > LARGEST) throw new RangeError(message('input: shape', `at most ${LARGEST} elements a sample`, `[${shape.join(', ')}]`))
  checkOptions('input', options, ['dtype', 'scale', 'offset'])
  return new Value(['n', ...shape], 'f32', {
    kind: 'input',
    spec: {
      name: '', data: checkWord<DType>('input.dtype', options.dtype ?? 'f32', ['f32', 'u8', 'f64', 'i32']),
      scale: checkNumber('input.scale', options.scale ?? 1), offset: checkNumber('input.offset', options.offset ?? 0), classes: null,
    },
  })
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

/**
 * The graph of a model.
 *
 * @param inputs - by name, each made by `input`
 * @param outputs - by name
 * @param name - put in front of the keys of weights, with a slash; empty: nothing
 * @throws EquigradError when an input is not used, or one that is used is not declared
 */
export function defineModel(inputs: Readonly<Record<string, Value>>, outputs: Readonly<Record<string, Value>>, name: string): Graph {
  const named = new Map<Value, Value>()
  for (const [key, v] of Object.entries(inputs)) {
    if (v.source.kind !== 'input') throw new TypeError(message('model', `input(…) as '${key}'`, 'a computed value'))
    named.set(v, new Value(v.shape, v.dtype, { kind: 'input', spec: { ...v.source.spec, name: key } }))
  }
  const used = new Set<Value>()
  const fresh = rewrite(Object.values(outputs), {
    leaf(v) {
      if (v.source.kind !== 'input' || v.source.spec.name.startsWith('$')) return v
      const known = named.get(v)
      if (known === undefined) throw new EquigradError(message('model', 'every input among its inputs', `one of shape [${v.shape.join(', ')}] that is not`))
      used.add(v)
      return known
    },
  })
  for (const [key, v] of Object.entries(inputs)) if (!used.has(v)) throw new EquigradError(message('model', `an output that depends on the input '${key}'`, 'none'))
  const record: Record<string, Value> = {}
  Object.keys(outputs).forEach((key, i) => { const v = fresh[i]; if (v !== undefined) record[key] = v })
  return toGraph(record, new DefinitionNaming(name, fresh))
}
