// Compression is a rewrite of a model's graph: the expression that a layer gets for a weight becomes another one. Model → Model.
import { describe, message, ShapeError } from '../core/errors.js'
import { elements, sameShape } from '../core/shape.js'
import { fromGraph, toGraph } from '../compiler/graph/graph.js'
import { byName, constant, rewrite, type Value } from '../compiler/graph/value.js'
import { select } from '../compiler/ops/select.js'
import { ops } from '../compiler/ops/index.js'
import { ownParams, params, type Definition, type Model } from '../model/model.js'
import { averagedKey } from '../compiler/passes/specialise.js'
import { TrainableModel } from '../train/model.js'

/**
 * The definition in which some weights are replaced by expressions of them.
 *
 * @param replace - given a weight's value and key, what takes its place: of the same shape
 * @throws ShapeError when a replacement has another shape
 */
export function rewriteWeights(definition: Definition, replace: (weight: Value, key: string) => Value): Definition {
  const values = fromGraph(definition.graph, (name) => ops.get(name))
  const fresh = rewrite(Object.values(values), {
    leaf(v) {
      if (v.source.kind !== 'param' || v.source.key === null) return v
      const w = replace(v, v.source.key)
      if (!sameShape(w.shape, v.shape) || w.dtype !== v.dtype) throw new ShapeError(message(`rewrite: ${v.source.key}`, String(v), String(w)))
      return w
    },
    node(node, ins) {
      if (node.op.name === 'average') averagedKey(node, ins)
      return undefined
    },
  })
  return { ...definition, graph: toGraph(byName(Object.keys(values), fresh), { path: () => '', key: () => '' }) }
}

/**
 * A model whose masked weights are zero and stay so, whatever optimizer trains it: each masked weight W becomes select(mask, W, 0).
 *
 * @param masks - by key of a weight, one number for each of its elements: 0 removes it, anything else keeps it
 * @returns a new model with copies of the weights; it is not compiled
 * @throws TypeError for unknown keys, ShapeError for masks of another size
 * @example
 * const kernel = model.getWeights()['dense1.kernel']
 * const pruned = mask(model, { 'dense1.kernel': Uint8Array.from(kernel.data, (w) => (Math.abs(w) > 0.05 ? 1 : 0)) })
 */
export function mask<I, O>(model: Model<I, O>, masks: Readonly<Record<string, ArrayLike<number>>>): TrainableModel<I, O> {
  const known = new Map(params(model.definition.graph).map((p) => [p.key, p]))
  for (const [key, m] of Object.entries(masks)) {
    const p = known.get(key)
    if (p === undefined) throw new TypeError(message('mask', `keys among ${[...known.keys()].join(', ')}`, describe(key)))
    if (m.length !== elements(p.shape)) throw new ShapeError(message(`mask: ${key}`, `${elements(p.shape)} numbers`, String(m.length)))
  }
  const definition = rewriteWeights(model.definition, (w, key) => {
    const m = masks[key]
    return m === undefined ? w : select(constant(w.shape, 'u8', Array.from(m, (x) => (x === 0 ? 0 : 1))), w, constant([], 'f32', [0]))
  })
  const weights: Record<string, Float32Array> = {}
  for (const [key, { data }] of Object.entries(model.getWeights())) {
    const m = masks[key]
    weights[key] = m === undefined ? data : data.map((w, i) => (m[i] === 0 ? 0 : w))
  }
  return new TrainableModel<I, O>(definition, ownParams(definition), weights)
}
