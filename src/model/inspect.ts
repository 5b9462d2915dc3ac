// A model's graph with a view into it: the outputs of its layers as values, others in their place.
import { describe, message, ShapeError } from '../core/errors.js'
import { formatShape, sameShape } from '../core/shape.js'
import { apply, byName, inScope, rewrite, topological, Value, type Node } from '../compiler/graph/value.js'
import { specialiseTraced } from '../compiler/passes/specialise.js'
import type { Type } from '../compiler/type.js'

/** The outputs of layers. */
export interface Layers {
  /** layers by name, in the order of the graph */
  readonly names: readonly string[]
  /** the output of a layer; a TypeError for a name that is none */
  layer(name: string): Value
}

/**
 * The values of a graph on other leaves.
 *
 * @param values - outputs by name
 * @param feeds - by name of a layer, what takes the place of its output
 * @param leaf - given a leaf, the value that takes its place
 */
export function inspect(values: Readonly<Record<string, Value>>, feeds: Readonly<Record<string, unknown>>, leaf: (v: Value) => Value): Layers & { readonly outputs: Readonly<Record<string, Value>> } {
  const layers = layerOutputs(Object.values(values))
  const named = (name: string): Value => {
    const v = layers.get(name)
    if (v === undefined) throw new TypeError(message('inspect', `a layer among ${[...layers.keys()].join(', ')}`, describe(name)))
    return v
  }
  const fed = new Map(Object.entries(feeds).map(([name, value]) => [named(name), sameType(`inspect: ${name}`, named(name), value)]))
  const replaced = (node: Node, ins: readonly Value[]): readonly Value[] | undefined => {
    if (!node.outs.some((v) => fed.has(v))) return undefined
    const outs = inScope(node.scope, () => apply(node.op, ins, node.attrs, node.body), node.path)
    return node.outs.flatMap((v, i) => fed.get(v) ?? outs[i] ?? [])
  }
  const [outputs, inner] = [Object.values(values), [...layers.values()]]
  const called = rewrite(specialiseTraced(rewrite([...outputs, ...inner], { node: replaced })), { leaf })
  const found = new Map([...layers.keys()].map((name, i) => [name, called[outputs.length + i]]))
  return { outputs: byName(Object.keys(values), called), names: [...layers.keys()], layer: (name) => found.get(name) ?? named(name) }
}

/** The output of each layer, of those within it as well: what its last node gives. A layer that is used twice has that of its last use. */
function layerOutputs(outputs: readonly Value[]): ReadonlyMap<string, Value> {
  const found = new Map<string, Value>()
  for (const node of topological(outputs)) {
    const y = node.outs[0]
    const parts = node.path.split('/')
    if (node.path !== '' && y !== undefined) parts.forEach((_, i) => found.set(parts.slice(0, i + 1).join('/'), y))
  }
  return found
}

/** What was given, if it is a value of a type. */
export function sameType(where: string, wanted: Type, given: unknown): Value {
  if (!(given instanceof Value)) throw new TypeError(message(where, 'a value', describe(given)))
  if (given.dtype !== wanted.dtype || !sameShape(given.shape, wanted.shape)) throw new ShapeError(message(where, `${wanted.dtype}${formatShape(wanted.shape)}`, String(given)))
  return given
}
