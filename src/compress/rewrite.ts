// Compression is a rewrite of a model's graph: the expression that a layer gets for a weight becomes another one. Model → Model. Each such expression
// is marked with the weight's key (compiler/ops/weight.ts), so that the next rewrite, and `strip`, find it.
import { describe, message, ShapeError } from '../core/errors.js'
import { elements, sameShape } from '../core/shape.js'
import { fromGraph, toGraph } from '../compiler/graph/graph.js'
import { byName, constant, everyNode, rewrite, type Value } from '../compiler/graph/value.js'
import { select } from '../compiler/ops/select.js'
import { layerWeights, markedKey, markedTrainable, weight } from '../compiler/ops/weight.js'
import { ownParams, type Definition, type Model } from '../model/model.js'
import { averagedKey } from '../compiler/passes/specialise.js'
import { TrainableModel } from '../train/model.js'

/** A definition's outputs as values, and a definition with others in their place. */
export const valuesOf = (definition: Definition): Readonly<Record<string, Value>> => fromGraph(definition.graph)
export const withValues = (definition: Definition, names: readonly string[], values: readonly Value[]): Definition =>
  ({ ...definition, graph: toGraph(byName(names, values), { path: () => '', key: () => '' }) })

/** Keys of the weights that expressions stand for. */
export const markedKeys = (definition: Definition): ReadonlySet<string> => new Set(everyNode(Object.values(valuesOf(definition))).flatMap((node) => markedKey(node) ?? []))

/**
 * The definition in which some weights are replaced by expressions of them.
 *
 * @param replace - given a weight's value and key, what takes its place: of the same shape
 * @param where - 'outside': of a weight that an expression stands for already, the whole expression is replaced; so do those that hold a weight to
 * something (masks, quantisation). 'inside': the parameter of that key is, and what stands around it stays; so do those that make a weight of other
 * parameters (factors, adapters)
 * @throws ShapeError when a replacement has another shape
 */
export function rewriteWeights(definition: Definition, replace: (weight: Value, key: string) => Value, where: 'outside' | 'inside' = 'outside'): Definition {
  const values = valuesOf(definition)
  const marked = markedKeys(definition)
  const replaced = (v: Value, key: string): Value => {
    const w = replace(v, key)
    if (!sameShape(w.shape, v.shape) || w.dtype !== v.dtype) throw new ShapeError(message(`rewrite: ${key}`, String(v), String(w)))
    return w
  }
  const fresh = rewrite(Object.values(values), {
    leaf(v) {
      if (v.source.kind !== 'param' || v.source.key === null) return v
      const { key } = v.source
      if (marked.has(key)) return where === 'inside' ? replaced(v, key) : v
      const w = replaced(v, key)
      return w === v ? v : weight(w, key, v.source.spec.trainable)
    },
    node(node, ins) {
      if (node.op.name === 'average') averagedKey(node, ins)
      const key = markedKey(node), [v] = ins
      return key === undefined || v === undefined || where === 'inside' ? undefined : [weight(replaced(v, key), key, markedTrainable(node))]
    },
  })
  return withValues(definition, Object.keys(values), fresh)
}

/** A model's weights by key, copied. */
export const copied = <I, O>(model: Model<I, O>): Record<string, Float32Array> => Object.fromEntries(Object.entries(model.getWeights()).map(([key, { data }]) => [key, data]))

/** The model of a definition, with first values for some or all of its weights. */
export const modelOf = <I, O>(definition: Definition, weights: Readonly<Record<string, Float32Array>>): TrainableModel<I, O> => new TrainableModel<I, O>(definition, ownParams(definition), weights)

/** Keys as they are given, all known; without them those of `known` that `usual` says. */
export function chosenKeys(where: string, given: readonly string[] | undefined, known: ReadonlyMap<string, Value>, usual: (w: Value) => boolean): readonly string[] {
  const keys: unknown = given
  if (keys === undefined) {
    const found = [...known].flatMap(([key, w]) => (usual(w) ? [key] : []))
    if (found.length === 0) throw new RangeError(message(where, 'a model with at least one such weight', `one with ${[...known.keys()].join(', ') || 'none'}`))
    return found
  }
  if (!Array.isArray(keys)) throw new TypeError(message(`${where}: weights`, 'a list of keys', describe(keys)))
  if (keys.length === 0) throw new RangeError(message(`${where}: weights`, 'at least one key', 'none'))
  return keys.map((key: unknown) => knownKey(where, key, known))
}

/** A key that is known, else a TypeError that lists them. */
export function knownKey(where: string, key: unknown, known: ReadonlyMap<string, unknown>): string {
  if (typeof key !== 'string' || !known.has(key)) throw new TypeError(message(where, `keys among ${[...known.keys()].join(', ')}`, describe(key)))
  return key
}

/** Kernels are what has at least two dimensions: biases, scales and offsets have one. */
export const isKernel = ({ shape }: Value): boolean => shape.length > 1

/**
 * A model whose masked weights are zero and stay so, whatever optimizer trains it: what layers get for a masked weight W is select(mask, W, 0). The mask
 * stands outside of what else was made of the weight (quantisation, factors, an adapter).
 *
 * @param masks - by key of a weight, one number for each of its elements: 0 removes it, anything else keeps it
 * @returns a new model with copies of the weights; it is not compiled
 * @throws TypeError for unknown keys, ShapeError for masks of another size
 * @example
 * const kernel = model.getWeights()['dense1.kernel']
 * const pruned = mask(model, { 'dense1.kernel': Uint8Array.from(kernel.data, (w) => (Math.abs(w) > 0.05 ? 1 : 0)) })
 */
export function mask<I, O>(model: Model<I, O>, masks: Readonly<Record<string, ArrayLike<number>>>): TrainableModel<I, O> {
  const known = layerWeights(Object.values(valuesOf(model.definition)))
  for (const [key, m] of Object.entries(masks)) {
    const size = elements(known.get(knownKey('mask', key, known))?.shape ?? [])
    if (m.length !== size) throw new ShapeError(message(`mask: ${key}`, `${size} numbers`, String(m.length)))
  }
  const definition = rewriteWeights(model.definition, (w, key) => {
    const m = masks[key]
    return m === undefined ? w : select(constant(w.shape, 'u8', Array.from(m, (x) => (x === 0 ? 0 : 1))), w, constant([], 'f32', [0]))
  })
  const weights = copied(model)
  for (const [key, m] of Object.entries(masks)) {
    const w = weights[key]
    if (w !== undefined) weights[key] = w.map((x, i) => (m[i] === 0 ? 0 : x))
  }
  return modelOf<I, O>(definition, weights)
}
