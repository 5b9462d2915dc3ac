// scan: a body applied at every step of a sequence, as in JAX. Carries go from step to step; each step takes its slice of every sequence
// [n, T, …] ([T, …] without samples) and gives its slice of others; consts are the same at every step.
//
// A node's operands are carries, sequences, consts; its outputs the last carries, then what the steps gave. In a program it is a loop over the
// calls of one step, so neither its size nor the time it takes to plan depends on T. A slice is copied out of a sequence, or into one, by one
// kernel, whose addresses advance.
import { describe, message, ShapeError } from '../../core/errors.js'
import { dtypeBytes, elements, formatShape, isBatched, sameShape } from '../../core/shape.js'
import { apply1, constant, rewrite, topological, Value, type Op } from '../graph/value.js'
import { ELEMENTS, ROWS } from '../kernels.js'
import { sizeOf, tilesOf, type LowerContext, type Size, type View } from '../program.js'
import type { Type } from '../type.js'
import { noGradient } from '../rule.js'
import { applyScan, bodyInput, scanAttrs, stackedShape, stepShape, withNext } from './scan-parts.js'
import { scanVjp } from './scan-gradient.js'
import { select } from './select.js'
import { reshape } from './shapes.js'
import { operand } from './types.js'

const same = (a: Type | undefined, b: Type): boolean => a !== undefined && a.dtype === b.dtype && sameShape(a.shape, b.shape)
const named = (t: Type | undefined): string => (t === undefined ? 'nothing' : `${t.dtype}${formatShape(t.shape)}`)

export const scanOp: Op = {
  name: 'scan',
  infer(ins, given, body) {
    const attrs = scanAttrs(given)
    if (body === null || body.ins.length !== ins.length || body.outs.length < attrs.carries || ins.length < attrs.carries + attrs.xs) throw new ShapeError('scan: expected a body that takes its operands')
    ins.forEach((t, i) => {
      const one = i >= attrs.carries && i < attrs.carries + attrs.xs ? { shape: stepShape(t.shape, attrs.steps), dtype: t.dtype } : t
      if (!same(body.ins[i], one)) throw new ShapeError(`scan: expected a body that takes ${named(one)}, got one that takes ${named(body.ins[i])}`)
      if (i < attrs.carries && !same(body.outs[i], one)) throw new ShapeError(`scan: expected a step that gives its carry ${i} as it takes it, ${named(one)}, got ${named(body.outs[i])}`)
    })
    return body.outs.map((t, i) => (i < attrs.carries ? { shape: t.shape, dtype: t.dtype } : { shape: stackedShape(t.shape, attrs.steps), dtype: t.dtype }))
  },
  lower(ctx) {
    const { carries, xs, steps, reverse } = scanAttrs(ctx.attrs)
    // The last carries' own buffers hold the carries of every step.
    const carried = Array.from({ length: carries }, (_, i) => ctx.out(i))
    carried.forEach((y, i) => { move(ctx, ctx.in(i), y, true) })
    ctx.loop(steps, carried, () => {
      const slices = ctx.ins.slice(carries, carries + xs).map((x) => {
        const y = ctx.temp(stepShape(x.shape, steps), x.dtype)
        slice(ctx, { stack: x, one: y, steps, reverse, into: false })
        return y
      })
      const outs = ctx.body([...carried, ...slices, ...ctx.ins.slice(carries + xs)])
      outs.slice(carries).forEach((one, i) => { slice(ctx, { stack: ctx.out(carries + i), one, steps, reverse, into: true }) })
      // A carry that takes over another's value does so before that one is overwritten.
      const next = outs.slice(0, carries).map((v, i) => {
        if (!carried.some((c, j) => j !== i && c.buffer === v.buffer)) return v
        const kept = ctx.temp(v.shape, v.dtype)
        move(ctx, v, kept, false)
        return kept
      })
      next.forEach((v, i) => { const c = carried[i]; if (c !== undefined && c.buffer !== v.buffer) move(ctx, v, c, false) })
    })
  },
  vjp: scanVjp,
}

function move(ctx: LowerContext, x: View, y: View, inplace: boolean): void {
  const bytes = sizeOf(y.shape, dtypeBytes[y.dtype])
  ctx.call('copy', { x, y, length: bytes }, { tiles: tilesOf(bytes, ELEMENTS * 4), writes: ['y'], ...(inplace ? { inplace: ['x'] as const } : {}) })
}

/** One step's slice, out of a stack or into it. */
function slice(ctx: LowerContext, { stack, one, steps, reverse, into }: { readonly stack: View; readonly one: View; readonly steps: number; readonly reverse: boolean; readonly into: boolean }): void {
  const width = elements(one.shape) * dtypeBytes[one.dtype]
  const rows: Size = isBatched(one.shape) ? { per: 1 } : 1
  const moving = { buffer: stack.buffer, offset: stack.offset + (reverse ? (steps - 1) * width : 0), perStep: reverse ? -width : width }
  ctx.call('copy_rows', into ? { x: one, y: moving, rows, width, xRow: width, yRow: steps * width } : { x: moving, y: one, rows, width, xRow: steps * width, yRow: width },
    { tiles: tilesOf(rows, ROWS), writes: ['y'] })
}

/** u8 [n, T, …shape]: 1 at the steps below a sample's length, else 0. */
export const lengthMaskOp: Op = {
  name: 'lengthMask',
  infer(ins, attrs) {
    const lengths = operand('lengthMask', ins, 0, 'i32')
    const [steps, width] = [Number(attrs['steps']), Number(attrs['width'])]
    if (lengths.shape.length !== 1 || !(Number.isInteger(steps) && steps > 0 && Number.isInteger(width) && width > 0)) throw new ShapeError(`lengthMask: expected one length a sample, steps and a width, got ${formatShape(lengths.shape)}`)
    return [{ shape: [...lengths.shape, steps, width], dtype: 'u8' }]
  },
  lower(ctx) {
    const rows = sizeOf(ctx.in(0).shape)
    ctx.call('length_mask', { lengths: ctx.in(0), y: ctx.out(0), rows, steps: Number(ctx.attrs['steps']), width: Number(ctx.attrs['width']) }, { tiles: tilesOf(rows, ROWS), writes: ['y'] })
  },
  vjp: noGradient,
}

/**
 * The mask of sequences of different lengths, for `select`. A length beyond the steps means all of them.
 *
 * @param lengths - i32 [n]
 * @returns u8 [n, steps, width]: 1 at the steps below a sample's length, else 0
 * @throws ShapeError when there is not one length a sample, or steps or width is below 1
 */
export const lengthMask = (lengths: Value, steps: number, width: number): Value => apply1(lengthMaskOp, [lengths], { steps, width })

/** What a step gives: its carries for the next one, and its slices of the outputs. */
export interface StepResult {
  /** as many as there were, each of the same shape and element type */
  readonly carries: readonly Value[]
  /** one for each output: [n, …], or […] without samples; stacked they are [n, T, …] or [T, …] */
  readonly ys: readonly Value[]
}
/** One step of {@link scan}: from the carries and the slices of the sequences to the next carries and its part of the outputs. */
export type Step = (carries: readonly Value[], xs: readonly Value[]) => StepResult

/** How {@link scan} goes through its sequences. */
export interface ScanOptions {
  /** how many steps (default: from xs) */
  readonly steps?: number
  /** begin at the last step; ys stand where their xs do (default false) */
  readonly reverse?: boolean
  /** i32 [n]: at the steps from its length on, a sample's carries pass through and its ys are +0; a length beyond the steps means all */
  readonly lengths?: Value
}

/**
 * Applies `step` at each step of some sequences, in ascending order (descending if `reverse`; ys stand where their xs do).
 *
 * `step` is called once, to define what a step computes. What it uses of its surroundings (weights, other values) is the same at every step,
 * and what depends on nothing else is computed once. A dropout within draws the same elements at every step.
 *
 * @param initial - carries before the first step
 * @param xs - [n, T, …], or [T, …] without samples, all of one length
 * @returns the carries after the last step, and ys as [n, T, …] or [T, …]
 * @throws ShapeError when a step changes the shape of a carry, when lengths differ or none is known
 * @example
 * // running sums over time: [n, T, d] → [n, T, d]
 * const runningSum = layer('runningSum', {}, (x) => {
 *   const start = mul(reshapeTo(slice(x, 0, 1, { axis: 1 }), ['n', 4]), constant(0))
 *   return scan(([sum], [xt]) => { const next = add(sum, xt); return { carries: [next], ys: [next] } }, [start], [x]).ys[0]
 * })
 * const model = sequential([runningSum], { input: [7, 4] })
 */
export function scan(step: Step, initial: readonly Value[], xs: readonly Value[], options: ScanOptions = {}): StepResult {
  const first = xs[0]
  const steps = options.steps ?? (first === undefined ? undefined : first.shape[isBatched(first.shape) ? 1 : 0])
  if (typeof steps !== 'number' || !Number.isInteger(steps) || steps < 1) throw new ShapeError(message('scan', 'a sequence [n, steps, …] of at least one step', first === undefined ? 'none' : String(first)))
  const carries = initial.map((from, i) => ({ from, in: bodyInput(`carry${i}`, from) }))
  const slices = xs.map((from, i) => ({ from, in: bodyInput(`x${i}`, { shape: stepShape(from.shape, steps), dtype: from.dtype }) }))
  const given: unknown = step(carries.map((c) => c.in), slices.map((x) => x.in))
  const result = checkStep(given)
  if (result.carries.length !== carries.length) throw new ShapeError(message('scan', `a step that gives ${carries.length} carries`, String(result.carries.length)))
  const { masks, carries: next, ys } = sitOut(result, carries.map((c) => c.in), options.lengths, steps)
  slices.push(...masks)
  const { outs, consts } = closed([...next, ...ys], new Set([...carries, ...slices].map((o) => o.in)))
  return applyScan(scanOp, {
    carries: withNext(carries, outs),
    xs: slices, consts, ys: outs.slice(carries.length), steps, reverse: options.reverse === true,
  })
}

/** A step whose samples sit out beyond their lengths, and the masks that it takes: one for each width. */
function sitOut({ carries, ys }: StepResult, before: readonly Value[], lengths: Value | undefined, steps: number): StepResult & { readonly masks: readonly { readonly from: Value; readonly in: Value }[] } {
  if (lengths === undefined) return { carries, ys, masks: [] }
  checkLengths(lengths, steps)
  const masks = new Map<number, { readonly from: Value; readonly in: Value }>()
  const chosen = (a: Value, b: Value | undefined): Value => {
    if (!isBatched(a.shape) || a.dtype !== 'f32') throw new ShapeError(message('scan: lengths', 'carries and outputs [n, …] of f32', String(a)))
    // A carry of another shape is refused where the scan is applied.
    if (b !== undefined && !sameShape(a.shape, b.shape)) return a
    const width = elements(a.shape)
    const known = masks.get(width) ?? { from: lengthMask(lengths, steps, width), in: bodyInput(`mask${masks.size}`, { shape: ['n', width], dtype: 'u8' }) }
    masks.set(width, known)
    return select(reshape(known.in, a.shape), a, b ?? constant([], 'f32', [0]))
  }
  const next = carries.map((v, i) => chosen(v, before[i]))
  return { carries: next, ys: ys.map((v) => chosen(v, undefined)), masks: [...masks.values()] }
}

/** Lengths of an input must be such that none is beyond the steps; what is computed is not known here, and means all where it is beyond. */
function checkLengths(lengths: Value, steps: number): void {
  const given: unknown = lengths
  if (!(given instanceof Value) || given.dtype !== 'i32' || !sameShape(given.shape, ['n'])) {
    throw new ShapeError(message('scan: lengths', 'i32[n], one length a sample', given instanceof Value ? String(given) : describe(given), `Use input([], { below: ${steps + 1} }).`))
  }
  const most = given.source.kind === 'input' ? given.source.spec.classes : null
  if (most !== null && most > steps + 1) throw new ShapeError(message('scan: lengths', `lengths of at most ${steps} steps, input([], { below: ${steps + 1} })`, `below: ${most}`))
}

function checkStep(given: unknown): StepResult {
  const values = (v: unknown): v is readonly Value[] => Array.isArray(v) && v.every((x) => x instanceof Value)
  if (typeof given === 'object' && given !== null && 'carries' in given && 'ys' in given && values(given.carries) && values(given.ys)) return { carries: given.carries, ys: given.ys }
  throw new TypeError(message('scan', 'a step that gives { carries, ys }, lists of values', describe(given)))
}

/** Replaces what does not depend on the inputs of a step by further inputs: the consts. */
function closed(outs: readonly Value[], ins: ReadonlySet<Value>): { readonly outs: readonly Value[]; readonly consts: readonly { readonly from: Value; readonly in: Value }[] } {
  const inside = new Set<Value>(ins)
  const nodes = topological(outs)
  for (const node of nodes) if (node.ins.some((v) => inside.has(v))) node.outs.forEach((v) => inside.add(v))
  const consts = new Map<Value, Value>()
  const lifted = (v: Value): Value => {
    if (inside.has(v) || v.source.kind === 'constant' || v.source.kind === 'scalar') return v
    const known = consts.get(v)
    if (known !== undefined) return known
    const fresh = bodyInput(`const${consts.size}`, v)
    consts.set(v, fresh)
    return fresh
  }
  const wanted = new Set([...outs, ...nodes.filter((node) => node.outs.some((v) => inside.has(v))).flatMap((node) => node.ins)])
  const fresh = rewrite(outs, {
    node: (node) => (node.outs.some((v) => inside.has(v)) ? undefined : node.outs.map((v) => (wanted.has(v) ? lifted(v) : v))),
    leaf: (v) => (wanted.has(v) ? lifted(v) : v),
  })
  return { outs: fresh, consts: [...consts].map(([from, inner]) => ({ from, in: inner })) }
}
