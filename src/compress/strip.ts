// strip: what compression and training made of weights, as plain weights again.
import { FormatError, message, ShapeError } from '../core/errors.js'
import { sameShape } from '../core/shape.js'
import { rewrite, topological, Value, type Node, type ParamSpec } from '../compiler/graph/value.js'
import { markedKey, markedTrainable } from '../compiler/ops/weight.js'
import { params, type Model } from '../model/model.js'
import type { TrainableModel } from '../train/model.js'
import { modelOf, valuesOf, withValues } from './rewrite.js'

/**
 * A plain model in place of one whose weights are expressions: masks, fake quantisation, factors and adapters are folded into weights under the
 * model's first keys. It predicts the same bits, since what it holds is what the kernels computed for layers, and its file has nothing but weights.
 *
 * What `lowRank` made (x·U)·V of stays: it is the smaller form, and (x·U)·V is not x·(U·V) to the bit. What stood still for an adapter is trained
 * again. The zeros of a mask are no longer held: training moves them.
 *
 * @returns a new model, not compiled
 * @throws FormatError, ShapeError when the marks in a file do not fit its weights
 * @example
 * const trained = adapter(model, { rank: 1 }).compile({ optimizer: adam(), loss: mse() })
 * await trained.fit(x, y)
 * const bytes = save(strip(trained))
 */
export function strip<I, O>(model: Model<I, O>): TrainableModel<I, O> {
  const values = valuesOf(model.definition)
  const weights = Object.fromEntries(Object.entries(model.getEffectiveWeights()).map(([key, { data }]) => [key, data]))
  const definition = withValues(model.definition, Object.keys(values), plainly(Object.values(values)))
  const keys = params(definition.graph).map(({ key }) => key)
  const twice = keys.find((key, i) => keys.indexOf(key) !== i)
  if (twice !== undefined) throw new FormatError(message('strip', 'marks with keys of their own', `two weights called '${twice}'`, 'The file is damaged.'))
  return modelOf<I, O>(definition, weights)
}

/** Values with a plain weight in place of each marked expression. */
export function plainly(values: readonly Value[]): readonly Value[] {
  // One leaf for each key, however often it is marked.
  const plain = new Map<string, Value>()
  return rewrite(values, {
    node(node) {
      const key = markedKey(node)
      if (key === undefined) return undefined
      const leaf = plain.get(key) ?? plainWeight(node, key)
      if (!sameShape(leaf.shape, node.outs[0]?.shape ?? [])) throw new ShapeError(message(`strip: ${key}`, String(leaf), String(node.outs[0])))
      plain.set(key, leaf)
      return [leaf]
    },
  })
}

/** The parameter that a marked expression was made of, or one like it where there is none any more. */
function plainWeight(node: Node, key: string): Value {
  const [expression] = node.ins
  if (expression === undefined) throw new ShapeError(message('strip', 'a marked value', 'none'))
  const inside = [expression, ...topological([expression]).flatMap(({ ins }) => ins)].flatMap((v) => (v.source.kind === 'param' ? [{ v, spec: v.source.spec, key: v.source.key }] : []))
  const own = inside.find((p) => p.key === key)
  if (own !== undefined && !sameShape(own.v.shape, expression.shape)) throw new ShapeError(message(`strip: ${key}`, String(own.v), String(expression)))
  const trainable = markedTrainable(node)
  const [like] = inside
  const spec: ParamSpec = own?.spec ?? { name: key.slice(key.lastIndexOf('.') + 1), init: { kind: 'constant', value: 0 }, trainable, l1: like?.spec.l1 ?? 0, l2: like?.spec.l2 ?? 0 }
  return new Value(expression.shape, 'f32', { kind: 'param', spec: { ...spec, trainable }, scope: null, key })
}
