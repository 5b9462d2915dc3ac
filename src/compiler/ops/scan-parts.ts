// What scan (scan.ts) is made of, for those that take one apart and put another together: passes, and its own gradient.
import { ShapeError } from '../../core/errors.js'
import { formatShape, isBatched, type Shape } from '../../core/shape.js'
import { apply, inScope, topological, Value, type Node, type Op } from '../graph/value.js'
import type { Attrs, Type } from '../type.js'

/** How many of a scan's operands are carries and sequences (the others are consts), its steps, and whether it begins at the last. */
export interface ScanAttrs { readonly carries: number; readonly xs: number; readonly steps: number; readonly reverse: boolean }

export function scanAttrs(attrs: Attrs): ScanAttrs {
  const count = (key: string): number => {
    const value = attrs[key]
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0) throw new ShapeError(`scan: expected a count '${key}', got ${String(value)}`)
    return value
  }
  const made = { carries: count('carries'), xs: count('xs'), steps: count('steps'), reverse: attrs['reverse'] === true }
  if (made.steps < 1) throw new ShapeError('scan: expected at least one step, got 0')
  return made
}

/** The shape of all steps together, and that of one. */
export const stackedShape = (shape: Shape, steps: number): Shape => (isBatched(shape) ? ['n', steps, ...shape.slice(1)] : [steps, ...shape])
export function stepShape(shape: Shape, steps: number): Shape {
  const axis = isBatched(shape) ? 1 : 0
  if (shape[axis] !== steps) throw new ShapeError(`scan: expected sequences of ${steps} steps, got ${formatShape(shape)}`)
  return shape.filter((_, i) => i !== axis)
}

/** An input that stands for an operand of a body. */
export const bodyInput = (name: string, { shape, dtype }: Type): Value =>
  new Value(shape, dtype, { kind: 'input', spec: { name, data: dtype, scale: 1, offset: 0, classes: null } })

/** An operand, with the input that stands for it in the body. */
export interface Operand { readonly from: Value; readonly in: Value }

/** What a scan is made of. */
export interface ScanParts {
  readonly carries: readonly (Operand & { readonly next: Value })[]
  readonly xs: readonly Operand[]
  readonly consts: readonly Operand[]
  readonly ys: readonly Value[]
  readonly steps: number
  readonly reverse: boolean
}

/** Operands [from, to) of a scan, or what takes their place. */
export const operandsOf = (node: Node, from: number, to: number, ins: readonly Value[] = node.ins): readonly Operand[] =>
  ins.slice(from, to).flatMap((v, i) => { const inner = node.body?.ins[from + i]; return inner === undefined ? [] : [{ from: v, in: inner }] })

/** Carries with what comes next, as far as there is a next one. */
export const withNext = (carries: readonly Operand[], next: readonly Value[]): ScanParts['carries'] =>
  carries.flatMap((c, i) => { const v = next[i]; return v === undefined ? [] : [{ ...c, next: v }] })

/** Applies the op `scan`; operands that no step uses are left out, and what is asked for twice is stacked once. */
export function applyScan(scan: Op, { carries, xs, consts, ys, steps, reverse }: ScanParts): { readonly carries: readonly Value[]; readonly ys: readonly Value[] } {
  const distinct = [...new Set(ys)]
  const outs = [...carries.map(({ next }) => next), ...distinct]
  const used = new Set([...outs, ...topological(outs).flatMap((node) => node.ins)])
  const [x, k] = [xs.filter((o) => used.has(o.in)), consts.filter((o) => used.has(o.in))]
  const operands = [...carries, ...x, ...k]
  const made = apply(scan, operands.map((o) => o.from), { carries: carries.length, xs: x.length, steps, reverse }, { ins: operands.map((o) => o.in), outs })
  return { carries: made.slice(0, carries.length), ys: ys.flatMap((y) => made[carries.length + distinct.indexOf(y)] ?? []) }
}

/** A scan with other operands and another body: those that it no longer uses are left out. */
export function rebuildScan(node: Node, ins: readonly Value[], outs: readonly Value[]): readonly Value[] {
  const { carries, xs, steps, reverse } = scanAttrs(node.attrs)
  const made = inScope(node.scope, () => applyScan(node.op, {
    carries: withNext(operandsOf(node, 0, carries, ins), outs),
    xs: operandsOf(node, carries, carries + xs, ins), consts: operandsOf(node, carries + xs, ins.length, ins), ys: outs.slice(carries), steps, reverse,
  }), node.path)
  return [...made.carries, ...made.ys]
}
