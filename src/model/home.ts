// Whose weights are whose. A parameter belongs to its layer; its key and its seed come from the model that first declares the layer; models that
// share layers live in one store.
import { EquigradError, message } from '../core/errors.js'
import type { Shape } from '../core/shape.js'
import { topological, Value, type Init } from '../compiler/graph/value.js'
import { Store, type ParamDeclaration } from '../runtime/store.js'

/** A store that the caller made, or how many lanes the one that is made shall have. */
export interface HomeOptions { readonly store?: Store; readonly lanes?: number | 'auto' }

/** Where models that share layers keep their weights: a store made at first need. */
export class Home {
  #store: Store | undefined
  readonly given: Store | undefined
  readonly lanes: number | 'auto' | undefined

  constructor({ store, lanes }: HomeOptions) {
    this.given = store
    this.lanes = lanes
  }

  get store(): Store { return (this.#store ??= this.given ?? new Store(this.lanes === undefined ? {} : { lanes: this.lanes })) }
}

/** A parameter with the key, the seed and the home that it was declared with. Its identity is this object. */
export interface Declaration {
  readonly key: string
  readonly shape: Shape
  readonly init: Init
  readonly seed: number
  readonly home: Home
  /** the parameter as a value of every graph it comes into */
  readonly leaf: Value
}

/** What values come from that no op makes: weights, inputs, constants and scalars. */
export const leavesOf = (values: readonly Value[]): readonly Value[] =>
  [...new Set([...topological(values).flatMap((node) => node.ins), ...values])].filter((v) => v.source.kind !== 'node')

/** The weights among them, by key. */
export const weightsOf = (values: readonly Value[]): ReadonlyMap<string, Value> =>
  new Map(leavesOf(values).flatMap((v) => (v.source.kind === 'param' && v.source.key !== null ? [[v.source.key, v] as const] : [])))

const declared = /* @__PURE__ */ new WeakMap<Value, Declaration>()

/** The declaration of a parameter's value, if a model has declared it. */
export const declarationOf = (v: Value): Declaration | undefined => declared.get(v)

/** Declares a parameter under a key. */
export function declare(v: Value, key: string, seed: number, home: Home): Declaration {
  if (v.source.kind !== 'param') throw new EquigradError('declare: expected a parameter')
  const { spec } = v.source
  const leaf = new Value(v.shape, v.dtype, { kind: 'param', spec, scope: null, key })
  const declaration: Declaration = { key, shape: v.shape, init: spec.init, seed, home, leaf }
  declared.set(v, declaration)
  declared.set(leaf, declaration)
  return declaration
}

const first = /* @__PURE__ */ new WeakMap<Declaration, Float32Array>()

/** First values of a parameter in place of what its initializer says: those of a file, or of a model that was rewritten. */
export const giveFirst = (d: Declaration, values: Float32Array): void => { first.set(d, values) }

/**
 * Parameters as a store takes them in, with the first values that they were given: whichever model that uses them comes first.
 *
 * @param given - by key, those whose values come next
 */
export function storable(declarations: Iterable<Declaration>, given: Readonly<Record<string, unknown>> = {}): readonly ParamDeclaration[] {
  return [...declarations].map((d) => {
    const values = first.get(d)
    first.delete(d)
    return { key: d.key, shape: d.shape, init: d.init, seed: d.seed, filled: Object.hasOwn(given, d.key), identity: d, ...(values === undefined ? {} : { values }) }
  })
}

/** The one home of some parameters, and of a model that may have been given a store, or lanes. */
export function commonHome(declarations: Iterable<Declaration>, options: HomeOptions = {}): Home {
  const { store: given, lanes } = options
  let home: Home | undefined
  for (const d of declarations) {
    if (home === undefined) home = d.home
    else if (home !== d.home && (home.given === undefined || home.given !== d.home.given)) {
      throw new EquigradError(message('model', 'layers whose models share a store', `'${d.key}' in another`, 'Define those models with one `store`.'))
    }
  }
  if (home !== undefined && given !== undefined && home.given !== given) throw new EquigradError(message('model.store', 'the store of the models whose layers it uses', 'another'))
  if (home !== undefined && lanes !== undefined && home.lanes !== lanes) throw new EquigradError(message('model.lanes', 'the lanes of the models whose layers it uses', String(lanes), 'Say it to the first of them.'))
  return home ?? new Home(options)
}
