// A Graph is a set of values as plain data: what is saved, sent and hashed. `toGraph` writes values down, `fromGraph` makes them again.
import { FormatError, ShapeError } from '../../core/errors.js'
import { sha256Hex, toJson } from '../../core/hash.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { apply, appliedOp, inScope, rewrite, topological, Value, type Body, type Graph, type GraphNode, type GraphValue, type InputSpec, type Op, type ParamSpec, type Scope } from './value.js'

export type { Graph, GraphNode, GraphValue } from './value.js'

type FindOp = (name: string) => Op | undefined

/** How a model calls the places and parameters of its definition. */
export interface Naming {
  path(scope: Scope | null): string
  key(scope: Scope | null, param: string): string
}

/** Writes values down. Nodes stand in topological order; a random op without a stream gets `path#ordinal`. */
export const toGraph = (outputs: Readonly<Record<string, Value>>, naming: Naming): Graph => write(outputs, naming, new Map())

function write(outputs: Readonly<Record<string, Value>>, naming: Naming, ordinals: Map<string, number>): Graph {
  const values: GraphValue[] = []
  const ids = new Map<Value, number>()
  const id = (v: Value): number => {
    const known = ids.get(v)
    if (known !== undefined) return known
    const fresh = values.length
    ids.set(v, fresh)
    values.push(describe(v, fresh, naming))
    return fresh
  }
  const nodes = topological(Object.values(outputs)).map((node): GraphNode => {
    const path = node.path === '' ? naming.path(node.scope) : node.path
    let attrs = node.attrs
    if (attrs['stream'] === '') {
      const ordinal = ordinals.get(path) ?? 0
      ordinals.set(path, ordinal + 1)
      attrs = { ...attrs, stream: `${path}#${ordinal}` }
    }
    const ins = node.ins.map(id)
    const body = node.body === null ? {} : { body: write(numbered(node.body), naming, ordinals) }
    return { op: node.op.name, path, ins, outs: node.outs.map(id), attrs, ...body }
  })
  const named: Record<string, number> = {}
  for (const [name, v] of Object.entries(outputs)) named[name] = id(v)
  return { values, nodes, outputs: named }
}

/** What a body takes and gives, by names. */
const numbered = ({ ins, outs }: Body): Readonly<Record<string, Value>> =>
  Object.fromEntries([...ins.map((v, i): [string, Value] => [`in${i}`, v]), ...outs.map((v, i): [string, Value] => [`out${i}`, v])])

/** What a graph states that takes in0, in1, … and gives out0, out1, … by them, by constants and by scalars alone. */
function bodyOf(graph: Graph, op: FindOp): Body {
  const values = fromGraph(graph, op)
  const listed = (prefix: string): readonly Value[] => {
    const found: Value[] = []
    for (let v = values[`${prefix}0`]; v !== undefined; v = values[`${prefix}${found.length}`]) found.push(v)
    return found
  }
  const body = { ins: listed('in'), outs: listed('out') }
  const taken = new Set(body.ins)
  const strange = graph.values.length > 0 && [...new Set([...body.outs, ...topological(body.outs).flatMap((node) => node.ins)])]
    .some((v) => v.source.kind === 'param' || (v.source.kind === 'input' && !taken.has(v)))
  if (body.ins.length + body.outs.length !== Object.keys(values).length || taken.size !== body.ins.length || body.ins.some((v) => v.source.kind !== 'input') || strange) {
    throw new FormatError('graph: a body that does not fit together')
  }
  return body
}

/**
 * A weight under its constraint, as a value.
 *
 * @throws FormatError when the constraint does not make one value of the weight's type of one
 */
export function constrained(weight: Value, constraint: Graph, op: FindOp = appliedOp): Value {
  const { ins: [w, ...others], outs: [y, ...more] } = bodyOf(constraint, op)
  if (w === undefined || y === undefined || others.length + more.length > 0 || [w, y].some((v) => v.dtype !== weight.dtype || !sameShape(v.shape, weight.shape))) {
    throw new FormatError(`graph: a constraint that does not fit a weight ${String(weight)}`)
  }
  return rewrite([y], { leaf: (v) => (v === w ? weight : v) })[0] ?? y
}

function describe(v: Value, id: number, naming: Naming): GraphValue {
  const type = { id, shape: v.shape, dtype: v.dtype }
  switch (v.source.kind) {
    case 'node': return { ...type, role: 'temp' }
    case 'param': return { ...type, role: 'param', key: v.source.key ?? naming.key(v.source.scope, v.source.spec.name), spec: v.source.spec }
    case 'input': return { ...type, role: 'input', spec: v.source.spec }
    case 'constant': return { ...type, role: 'constant', data: v.source.data }
    case 'scalar': return { ...type, role: 'scalar', name: v.source.name }
  }
}

/**
 * Makes the values of a graph again.
 *
 * @param op - finds an op by its name: among those that were applied, as all of a graph that was made here were; one from a file needs the list of all
 * @throws FormatError when the graph does not fit together: shapes are inferred again and compared
 */
export function fromGraph(graph: Graph, op: FindOp = appliedOp): Readonly<Record<string, Value>> {
  const made = new Map<number, Value>()
  const get = (id: number): Value => {
    const v = made.get(id)
    if (v === undefined) throw new FormatError(`graph: value ${id} is used before it is made`)
    return v
  }
  for (const v of graph.values) {
    if (v.role === 'param') {
      const weight = new Value(v.shape, v.dtype, { kind: 'param', spec: v.spec, scope: null, key: v.key })
      if (v.spec.constraint !== undefined) constrained(weight, v.spec.constraint, op)
      made.set(v.id, weight)
    } else if (v.role === 'input') made.set(v.id, new Value(v.shape, v.dtype, { kind: 'input', spec: v.spec }))
    else if (v.role === 'constant') made.set(v.id, new Value(v.shape, v.dtype, { kind: 'constant', data: v.data }))
    else if (v.role === 'scalar') made.set(v.id, new Value(v.shape, v.dtype, { kind: 'scalar', name: v.name }))
  }
  for (const node of graph.nodes) {
    const found = op(node.op)
    if (found === undefined) throw new FormatError(`graph: unknown op '${node.op}'. It was saved by a newer version, or the file is damaged.`)
    let outs: readonly Value[]
    try {
      outs = inScope(null, () => apply(found, node.ins.map(get), node.attrs, node.body === undefined ? null : bodyOf(node.body, op)), node.path)
    } catch (error) {
      if (error instanceof ShapeError) throw new FormatError(`graph: ${error.message}`)
      throw error
    }
    node.outs.forEach((id, i) => {
      const v = outs[i]
      const stated = graph.values[id]
      if (v === undefined || stated === undefined || stated.role !== 'temp' || stated.dtype !== v.dtype || !sameShape(stated.shape, v.shape)) {
        throw new FormatError(`graph: '${node.op}' gives ${v === undefined ? 'nothing' : String(v)} where the graph states ${stated === undefined ? 'nothing' : `${stated.dtype}${formatShape(stated.shape)}`}`)
      }
      made.set(id, v)
    })
  }
  const outputs: Record<string, Value> = {}
  for (const [name, id] of Object.entries(graph.outputs)) outputs[name] = get(id)
  return outputs
}

/** What a graph computes, as SHA-256 without paths and keys of weights: equal graphs, equal bits. */
export const graphHash = (graph: Graph): string => sha256Hex(toJson(anonymous(graph)))

const namelessSpec = (spec: ParamSpec | InputSpec): object =>
  ({ ...spec, name: '', ...('constraint' in spec && spec.constraint !== undefined ? { constraint: anonymous(spec.constraint) } : {}) })

/** A graph without its names. */
function anonymous(graph: Graph): unknown {
  const nodes = graph.nodes.map(({ op, ins, outs, attrs, body }) =>
    [op, ins, outs, Object.entries(attrs).filter(([name]) => op !== 'weight' || name !== 'key').sort(([a], [b]) => (a < b ? -1 : 1)), ...(body === undefined ? [] : [anonymous(body)])])
  const values = graph.values.map((v) => [v.id, v.shape, v.dtype, v.role, 'spec' in v ? namelessSpec(v.spec) : null, 'data' in v ? v.data : null, 'name' in v ? v.name : null])
  return [values, nodes, Object.values(graph.outputs)]
}
