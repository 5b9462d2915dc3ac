// gradients: reverse-mode differentiation, from values to values, by the ops' own rules. It knows no loss and no parameter.
import { EquigradError, ShapeError } from '../../core/errors.js'
import { formatShape, sameShape } from '../../core/shape.js'
import { inScope, topological, type Op, type Value, type Vjp } from '../graph/value.js'
import { algebra } from '../algebra.js'
import { add } from '../ops/binary.js'
import { filled } from '../ops/shapes.js'

/** Where a gradient starts: `dy` is ones when left out. */
export interface Seed { readonly y: Value; readonly dy?: Value }

/** The rule of an op, if it has one. */
export const ruleOf = (op: Op): Vjp | undefined => op.vjp ?? algebra.get(op.name)

/**
 * The gradients of Σ y·dy by each of `wrt`, as values of the same vocabulary.
 *
 * @param wrt - any values: parameters, inputs, what lies between
 * @returns one for each of `wrt`, null where nothing depends on it
 * @throws EquigradError when an op on the way has no gradient
 */
export function gradients(seeds: readonly Seed[], wrt: readonly Value[]): readonly (Value | null)[] {
  const order = topological(seeds.map(({ y }) => y))
  const depends = new Set<Value>(wrt)
  for (const node of order) if (node.ins.some((v) => depends.has(v))) node.outs.forEach((v) => depends.add(v))

  const found = new Map<Value, Value>()
  const contribute = (v: Value, dv: Value): void => {
    const before = found.get(v)
    // Two uses: each sum is finished, then added (law 3).
    found.set(v, before === undefined ? dv : add(before, dv))
  }
  for (const { y, dy } of seeds) {
    if (dy !== undefined && !sameShape(dy.shape, y.shape)) throw new ShapeError(`gradients: expected a seed of shape ${formatShape(y.shape)}, got ${formatShape(dy.shape)}`)
    if (depends.has(y)) contribute(y, dy ?? filled(1, y.shape))
  }
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i]
    if (node === undefined) continue
    const dys = node.outs.map((v) => found.get(v) ?? null)
    const need = node.ins.map((v) => depends.has(v))
    if (dys.every((d) => d === null) || !need.includes(true)) continue
    const rule = ruleOf(node.op)
    if (rule === undefined) throw new EquigradError(`gradients: expected ops that have a gradient, got '${node.op.name}'${node.path === '' ? '' : ` in ${node.path}`}, which has none.`)
    const dxs = inScope(node.scope, () => rule(node, dys, need, gradients), node.path)
    node.ins.forEach((v, j) => {
      const dx = dxs[j]
      if (need[j] === true && dx !== null && dx !== undefined) contribute(v, dx)
    })
  }
  return wrt.map((v) => found.get(v) ?? null)
}
