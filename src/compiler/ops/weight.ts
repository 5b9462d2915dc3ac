// weight: the mark of an expression that stands for a weight, with the weight's key, and whether that weight was trained. It computes nothing. A rewrite finds the weight by it, and
// `strip` puts a plain weight back; `specialise` removes it, so that no other pass meets one.
import { describe, message, ShapeError } from '../../core/errors.js'
import { formatShape, isBatched } from '../../core/shape.js'
import { apply1, rewrite, topological, Value, type Node, type Op } from '../graph/value.js'
import type { Attrs } from '../type.js'
import { rule1 } from '../rule.js'
import { operand } from './types.js'

const keyOf = (attrs: Attrs): string => {
  const key = attrs['key']
  if (typeof key !== 'string' || key === '') throw new ShapeError(message('weight: key', 'the key of a weight', describe(key)))
  return key
}

export const weightOp: Op = {
  name: 'weight',
  infer(ins, attrs) {
    const { shape } = operand('weight', ins, 0)
    keyOf(attrs)
    if (typeof attrs['trainable'] !== 'boolean') throw new ShapeError(message('weight: trainable', 'true or false', describe(attrs['trainable'])))
    if (isBatched(shape)) throw new ShapeError(message('weight', 'a value without samples', formatShape(shape)))
    return [{ shape, dtype: 'f32' }]
  },
  lower: (ctx) => ctx.alias(0, ctx.in(0)),
  vjp: /* @__PURE__ */ rule1((dy) => dy),
}

/** `expression`, marked as what layers get for the weight of this key; `trainable`: was that trained before an expression stood for it? */
export const weight = (expression: Value, key: string, trainable: boolean): Value => apply1(weightOp, [expression], { key, trainable })

/** The key that a node marks its operand with, if it is a mark; and whether the weight was trained. */
export const markedKey = (node: Node): string | undefined => (node.op === weightOp ? keyOf(node.attrs) : undefined)
export const markedTrainable = (node: Node): boolean => node.attrs['trainable'] === true

/**
 * The weights as layers get them, by key, in the order of the definition: what is marked, and parameters that are not part of a marked expression.
 */
export function layerWeights(outputs: readonly Value[]): ReadonlyMap<string, Value> {
  // A leaf in place of each marked expression hides what it is made of.
  const marks = new Map<Value, readonly [string, Value]>()
  const cut = rewrite(outputs, {
    node(node, ins) {
      const key = markedKey(node), [v] = ins
      if (key === undefined || v === undefined) return undefined
      const standIn = new Value(v.shape, v.dtype, { kind: 'scalar', name: key })
      marks.set(standIn, [key, node.outs[0] ?? v])
      return [standIn]
    },
  })
  const found = new Map<string, Value>()
  for (const v of [...topological(cut).flatMap((node) => node.ins), ...cut]) {
    const mark = marks.get(v)
    if (mark !== undefined) found.set(...mark)
    else if (v.source.kind === 'param' && v.source.key !== null) found.set(v.source.key, v)
  }
  return found
}
