// Values are immutable expressions. Layers, losses, gradients and one's own ops all build them by calling ops; a Graph (graph.ts) is what a
// set of them looks like as plain data. Nothing here knows memory, or a single op.
import { ShapeError } from '../../core/errors.js'
import { formatShape, type DType, type Shape } from '../../core/shape.js'
import type { LowerContext } from '../program.js'
import type { Attrs, Signature, Type } from '../type.js'

/** How a parameter gets its first values: plain data. `constant` fills; the others draw from the parameter's own stream. */
export type Init =
  | { readonly kind: 'constant'; readonly value: number }
  /** equal stretches, each filled with one of these */
  | { readonly kind: 'blocks'; readonly values: readonly number[] }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | { readonly kind: 'normal' | 'truncatedNormal'; readonly mean: number; readonly deviation: number }
  /** rows, or columns if they are fewer, of length `gain` and at right angles; the last dimension counts as columns */
  | { readonly kind: 'orthogonal'; readonly gain: number }

/** A trained weight as its layer declares it. Its key is given by the model that declares the layer. */
export interface ParamSpec {
  readonly name: string
  readonly init: Init
  readonly trainable: boolean
  readonly l1: number
  readonly l2: number
  /** what takes the weight's place after each update, by the weight: `in0` and `out0` of a graph of constants besides; absent where none does */
  readonly constraint?: Graph
}

/**
 * How an input is read. The value it stands for is f32 or i32; data comes in the element type it has and is converted by a `read` op that
 * each program puts in front.
 */
export interface InputSpec {
  readonly name: string
  /** the element type that the data is meant to have */
  readonly data: DType
  /** as data is converted to f32: f32(x)·scale + offset */
  readonly scale: number
  readonly offset: number
  /** whole numbers (labels, lengths) lie in [0, classes); null where any number may be */
  readonly classes: number | null
}

/** A value of a graph, which is plain data. Its role says where it comes from; what is fetched or a gradient is a fact of a program. */
export type GraphValue = { readonly id: number; readonly shape: Shape; readonly dtype: DType } & (
  | { readonly role: 'temp' }
  | { readonly role: 'param'; readonly key: string; readonly spec: ParamSpec }
  | { readonly role: 'input'; readonly spec: InputSpec }
  | { readonly role: 'constant'; readonly data: readonly number[] }
  | { readonly role: 'scalar'; readonly name: string }
)

export interface GraphNode {
  readonly op: string
  readonly path: string
  readonly ins: readonly number[]
  readonly outs: readonly number[]
  readonly attrs: Attrs
  /** what a step of a scan computes; its outputs are called in0, in1, … (what it takes) and out0, out1, … (what it gives) */
  readonly body?: Graph
}

export interface Graph {
  readonly values: readonly GraphValue[]
  readonly nodes: readonly GraphNode[]
  /** names of what the graph gives */
  readonly outputs: Readonly<Record<string, number>>
}

/** A place in the definition: the layer that a node belongs to, inside that of a layer that calls it. */
export interface Scope { readonly kind: string; readonly name: string | null; readonly parent: Scope | null }

/**
 * The values inside a scan: what each step gives, by what it takes. `ins` are inputs that stand for the operands of one step; nothing else from
 * outside is used within but constants and scalars.
 */
export interface Body { readonly ins: readonly Value[]; readonly outs: readonly Value[] }

/** An operation: one file in ops/ says its shapes, its kernel calls and its gradient. */
export interface Op {
  readonly name: string
  /** The types of the outputs; throws a ShapeError when the operands do not fit. */
  infer(ins: readonly Type[], attrs: Attrs, body: Signature | null): readonly Type[]
  /** Emits the kernel calls that compute the outputs. */
  lower(ctx: LowerContext): void
  /** Absent where there is no gradient, and in the ops that gradients themselves are made of (algebra.ts has those). */
  readonly vjp?: Vjp
}

/** How a rule differentiates what is inside its op: the pass itself, which rules may not import. */
export type Gradients = (seeds: readonly { readonly y: Value; readonly dy: Value }[], wrt: readonly Value[]) => readonly (Value | null)[]

/**
 * The gradient of an op, in ops, by its outputs where that is possible: given the gradients of the outputs (null where there is none), those of
 * the operands (null where none is needed or the op is constant there).
 *
 * @param need - which operands' gradients are asked for
 */
export type Vjp = (node: Node, dys: readonly (Value | null)[], need: readonly boolean[], gradients: Gradients) => readonly (Value | null)[]

/** An operation applied to values. */
export interface Node {
  readonly op: Op
  readonly ins: readonly Value[]
  readonly attrs: Attrs
  readonly body: Body | null
  readonly scope: Scope | null
  /** the path, once a model has named it */
  readonly path: string
  readonly outs: readonly Value[]
}

export type Source =
  | { readonly kind: 'node'; readonly node: Node; readonly output: number }
  | { readonly kind: 'param'; readonly spec: ParamSpec; readonly scope: Scope | null; readonly key: string | null }
  | { readonly kind: 'input'; readonly spec: InputSpec }
  /** the same for every run: u8, i8, i32 or f32 elements */
  | { readonly kind: 'constant'; readonly data: readonly number[] }
  /** an f32 that the host sets before each run */
  | { readonly kind: 'scalar'; readonly name: string }

/** A value of a graph: its shape (`n` for samples), its element type and where it comes from. */
export class Value implements Type {
  constructor(
    /** its dimensions, `n` in front where there is one for each sample */
    readonly shape: Shape,
    /** its element type */
    readonly dtype: DType,
    /** the op, parameter, input or constant that it comes from */
    readonly source: Source,
  ) { Object.freeze(this) }

  /** Its element type and shape, such as `f32[n, 3]`. */
  toString(): string { return `${this.dtype}${formatShape(this.shape)}` }
}

declare const scalarBrand: unique symbol
/** A value of one element, shape []: fetched from a step as a number. */
export interface Scalar extends Value {
  /** only for types: no other value is a scalar */
  readonly [scalarBrand]: true
}

let current: { readonly scope: Scope | null; readonly path: string } = { scope: null, path: '' }

/** Runs `define` with its nodes belonging to `scope` (or to a named path). Synchronous. */
export function inScope<T>(scope: Scope | null, define: () => T, path = ''): T {
  const before = current
  current = { scope, path }
  try { return define() } finally { current = before }
}

export const currentScope = (): Scope | null => current.scope

/** Runs what may throw a ShapeError, which then names the layer that is being defined. */
export function located<T>(define: () => T): T {
  try {
    return define()
  } catch (error) {
    if (!(error instanceof ShapeError)) throw error
    const place = current.path !== '' ? current.path : scopeName(current.scope)
    const named = place === '' || error.message.startsWith(`${place}: `) || error.message.startsWith(`${place}/`)
    const ended = /[.?]$/.test(error.message)
    throw named && ended ? error : new ShapeError(`${named ? '' : `${place}: `}${error.message}${ended ? '' : '.'}`)
  }
}

/** Ops that were applied. Names are unique, so a graph that was made here finds its ops without a list of all, which every bundle would carry. */
const applied = new Map<string, Op>()
export const appliedOp = (name: string): Op | undefined => applied.get(name)

/** Applies an op: infers the types of its outputs, or throws a ShapeError that names the layer. */
export function apply(op: Op, ins: readonly Value[], attrs: Attrs = {}, body: Body | null = null): readonly Value[] {
  applied.set(op.name, op)
  const types = located(() => op.infer(ins, attrs, body))
  const outs: Value[] = []
  const node: Node = { op, ins: [...ins], attrs, body, scope: current.scope, path: current.path, outs }
  for (const [output, t] of types.entries()) outs.push(new Value(t.shape, t.dtype, { kind: 'node', node, output }))
  return outs
}

/** Applies an op of one output. */
export function apply1(op: Op, ins: readonly Value[], attrs: Attrs = {}): Value {
  const y = apply(op, ins, attrs)[0]
  if (y === undefined) throw new ShapeError(`${op.name} has no output`)
  return y
}

const scopeName = (scope: Scope | null): string =>
  scope === null ? '' : `${scope.parent === null ? '' : `${scopeName(scope.parent)}/`}${scope.name ?? scope.kind}`

export const scalar = (name: string): Value => new Value([], 'f32', { kind: 'scalar', name })
export const constant = (shape: Shape, dtype: DType, data: readonly number[]): Value => new Value(shape, dtype, { kind: 'constant', data })

/** Values by names that stand in the same order. */
export const byName = (names: Iterable<string>, values: readonly Value[]): Readonly<Record<string, Value>> =>
  Object.fromEntries([...names].flatMap((name, i) => { const v = values[i]; return v === undefined ? [] : [[name, v]] }))

/** Nodes that `outputs` need, each after those it needs (depth first from the first output, operands in order): the order of every pass. */
export function topological(outputs: Iterable<Value>): readonly Node[] {
  const order: Node[] = []
  const state = new Map<Node, 'open' | 'done'>()
  const stack: Node[] = []
  const push = (v: Value): void => { if (v.source.kind === 'node' && state.get(v.source.node) === undefined) stack.push(v.source.node) }
  for (const output of outputs) {
    push(output)
    while (stack.length > 0) {
      const node = stack[stack.length - 1]
      if (node === undefined) break
      const seen = state.get(node)
      if (seen === undefined) {
        state.set(node, 'open')
        for (let i = node.ins.length - 1; i >= 0; i--) {
          const v = node.ins[i]
          if (v !== undefined) push(v)
        }
      } else {
        stack.pop()
        if (seen === 'open') { state.set(node, 'done'); order.push(node) }
      }
    }
  }
  return order
}

/** {@link topological}, with the nodes inside a scan before the scan itself. */
export function everyNode(outputs: Iterable<Value>): readonly Node[] {
  return topological(outputs).flatMap((node) => (node.body === null ? [node] : [...everyNode(node.body.outs), node]))
}

/**
 * Rebuilds what `outputs` need, replacing nodes and leaves on the way.
 *
 * @param node - given a node and its rebuilt operands, the values that take its outputs' place, or undefined to keep the op
 * @param leaf - given a leaf, the value that takes its place
 */
export function rewrite(outputs: readonly Value[], change: {
  readonly node?: (node: Node, ins: readonly Value[]) => readonly Value[] | undefined
  readonly leaf?: (value: Value) => Value
}): readonly Value[] {
  const done = new Map<Value, Value>()
  const get = (v: Value): Value => {
    const known = done.get(v)
    if (known !== undefined) return known
    const fresh = v.source.kind === 'node' ? v : change.leaf?.(v) ?? v
    done.set(v, fresh)
    return fresh
  }
  for (const node of topological(outputs)) {
    const ins = node.ins.map(get)
    const replaced = change.node?.(node, ins)
    const outs = replaced ?? (ins.every((v, i) => v === node.ins[i]) ? node.outs : inScope(node.scope, () => apply(node.op, ins, node.attrs, node.body), node.path))
    node.outs.forEach((v, i) => {
      const fresh = outs[i]
      if (fresh !== undefined) done.set(v, fresh)
    })
  }
  return outputs.map(get)
}
