// The `apply` program of a training: L1/L2, the finite check, clipping, the update and constraints, over the flat block by a table of its
// segments. It may hold several updates, each of an optimizer over weights of its own: all are made, or none.
import { clipCode } from '../core/codes.js'
import { EquigradError } from '../core/errors.js'
import { elements, type Shape } from '../core/shape.js'
import { constrained, type Graph } from '../compiler/graph/graph.js'
import { scalar, Value } from '../compiler/graph/value.js'
import { ELEMENTS, PIECE, type KernelName } from '../compiler/kernels.js'
import { mul } from '../compiler/ops/binary.js'
import { Assembler, lowerInto } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { verify } from '../compiler/passes/verify.js'
import { specialise, type Average } from '../compiler/passes/specialise.js'
import type { Operand, Program, View, Word } from '../compiler/program.js'
import type { OptimizerData } from '../optim/optimizer.js'
import type { TrainedParam } from './recipe.js'

/** A weight's place in the flat block. */
interface Stretch {
  readonly key: string
  readonly shape: Shape
  /** bytes into the gradient block; a multiple of 64 */
  readonly offset: number
  /** elements */
  readonly length: number
}

/** A trained weight: where its gradient and states lie, and what is special about it. */
export interface Segment extends Stretch {
  readonly decay: number
  readonly l1: number
  readonly l2: number
  readonly constraint: Graph | undefined
}

/** A weight that follows a statistic; the gradient block holds the statistic, times the samples it is of. */
export interface AverageSegment extends Stretch { readonly momentum: number }

/** An optimizer over its stretch of the gradient block, which its states repeat. */
export interface Group {
  readonly optimizer: OptimizerData
  readonly segments: readonly Segment[]
  /** bytes into the gradient block */
  readonly start: number
  /** of its gradients, and of each state */
  readonly bytes: number
  /** in front of the names of its states and scalars: '' for the only one */
  readonly prefix: string
}

export interface Layout {
  readonly groups: readonly Group[]
  /** those of all groups */
  readonly segments: readonly Segment[]
  /** after the segments of trained weights: no state repeats them, no norm counts them */
  readonly averages: readonly AverageSegment[]
  /** of the gradient block */
  readonly bytes: number
}

/** Weights that one optimizer trains. */
export interface Trained { readonly params: readonly TrainedParam[]; readonly optimizer: OptimizerData }

/** Segments in the order of the updates and of each definition, each aligned to 64 bytes. */
export function layoutOfAll(trained: readonly Trained[], averages: readonly Average[]): Layout {
  let bytes = 0
  const place = (key: string, shape: Shape): Stretch => {
    const length = elements(shape), offset = bytes
    bytes += Math.ceil((length * 4) / 64) * 64
    return { key, shape, offset, length }
  }
  const groups = trained.map(({ params, optimizer }, i): Group => {
    const start = bytes
    const segments = params.map(({ key, shape, spec }): Segment => ({
      ...place(key, shape), decay: optimizer.decay.exclude.some((end) => key.endsWith(end)) ? 0 : optimizer.decay.rate, l1: spec.l1, l2: spec.l2, constraint: spec.constraint,
    }))
    return { optimizer, segments, start, bytes: bytes - start, prefix: trained.length === 1 ? '' : `${i}.` }
  })
  const moved = averages.map(({ key, stat, momentum }): AverageSegment => ({ ...place(key, stat.shape), momentum }))
  return { groups, segments: groups.flatMap(({ segments }) => segments), averages: moved, bytes }
}

/** {@link layoutOfAll} of one update. */
export const layoutOf = (params: readonly TrainedParam[], optimizer: OptimizerData, averages: readonly Average[] = []): Layout => layoutOfAll([{ params, optimizer }], averages)

/** What a shard writes for moving averages, by the fetch's name: each statistic counts by its samples, so that shards add up. */
export function statisticsOf({ averages }: Layout, found: readonly Average[]): readonly (readonly [string, Value])[] {
  return averages.map(({ key }) => {
    const average = found.find((a) => a.key === key)
    if (average === undefined) throw new EquigradError(`apply: no moving average '${key}'`)
    return [`grad:${key}`, mul(average.stat, scalar('rows'))]
  })
}

/** The tables that a kernel walks: pieces of weights and the rows of their segments; the weights that it so reaches. */
interface Tables { readonly pieces: View; readonly segments: View; readonly count: number; readonly weights: readonly View[] }

/** @param start - bytes that offsets in the table count from */
function tablesOf(asm: Assembler, stretches: readonly Stretch[], start: number, rowOf: (i: number) => readonly Word[]): Tables {
  const pieces: Word[] = []
  const rows: Word[] = []
  const weights = stretches.map(({ key, shape, offset, length }, s) => {
    const w = asm.named(shape, 'f32', 'param', key)
    const first = pieces.length / 4
    for (let from = 0; from < length; from += PIECE) pieces.push({ buffer: w.buffer, offset: from * 4 }, offset - start + from * 4, Math.min(PIECE, length - from), s)
    rows.push(...rowOf(s), first, pieces.length / 4)
    return w
  })
  const table = (words: readonly Word[]): View => asm.buffer([words.length], 'i32', 'table', { words })
  return { pieces: table(pieces), segments: table(rows), count: pieces.length / 4, weights }
}

/**
 * The program that turns sums into updates.
 *
 * @param sumCount - f64 sums that must be finite as well
 */
export function applyProgram({ groups, averages, bytes }: Layout, sumCount: number): Program {
  const asm = new Assembler(1)
  const grad = asm.named([bytes / 4], 'f32', 'grad', '')
  const sums = asm.named([sumCount], 'f64', 'sum', '')
  const parts = groups.map((group) => {
    const { segments, start } = group
    const tables = tablesOf(asm, segments, start, (i) => { const s = segments[i]; return [{ f32: 1 }, { f32: s?.decay ?? 0 }, { f32: s?.l1 ?? 0 }, { f32: s?.l2 ?? 0 }] })
    return { ...group, tables, g: { ...grad, offset: start } }
  })
  const updated = parts.reduce((sum, { tables }) => sum + tables.count, 0)
  // Moving averages have tables of their own: their sums are checked like gradients, and neither penalised, clipped nor updated by an optimizer.
  const moved = averages.length === 0 ? null : tablesOf(asm, averages, 0, (i) => { const m = averages[i]?.momentum ?? 0; return [{ f32: m }, { f32: 1 - m }, 0, 0] })
  // The partial sums of all, one after the other: each gate looks at every one, so that all gates say the same and updates are made together.
  const shared = parts.length > 1
  const partial = asm.buffer([2 * (updated + (shared ? moved?.count ?? 0 : 0))], 'f64', 'arena')
  let before = 0
  const own = (count: number): View => { const at = { ...partial, offset: before * 16 }; before += count; return at }
  const placed = parts.map((part) => ({ ...part, partial: own(part.tables.count) }))
  // Clipping by a norm needs Σ g²; all else only whether g is finite.
  const regularize = (path: string, { pieces, segments, count, weights }: Tables, g: View, to: View, norms: boolean): void =>
    asm.call(path, 'f32_regularize', { pieces, segments, g, partial: to, norms: norms ? 1 : 0 }, { tiles: count, writes: ['partial'], updates: ['g'], reads: weights })
  for (const { tables, g, optimizer, partial: to } of placed) regularize('regularize', tables, g, to, optimizer.clipping.kind === 'norm' || optimizer.clipping.kind === 'globalNorm')
  const checked = moved === null ? null : shared ? own(moved.count) : asm.buffer([2 * moved.count], 'f64', 'arena')
  if (moved !== null && checked !== null) regularize('averages', moved, grad, checked, false)
  const others = shared ? { averages: partial, averageCount: before } : { averages: checked ?? 0, averageCount: moved?.count ?? 0 }
  const gated = placed.map(({ tables, optimizer, segments, partial: from, ...rest }) => ({ ...rest, tables, optimizer, segments, ...gate(asm, { tables, clipping: optimizer.clipping, partial: from, sums, sumCount, ...others }) }))
  for (const { tables, optimizer, prefix, bytes: size, g, factor, ok } of gated) {
    update(asm, optimizer, { pieces: tables.pieces, segments: tables.segments, g, factor, ok }, { prefix, size, tables })
  }
  for (const { segments, ok } of gated) constrain(asm, segments, ok)
  const [first] = gated
  if (moved !== null && first !== undefined) {
    asm.call('averages', 'f32_average', { pieces: moved.pieces, segments: moved.segments, g: grad, ok: first.ok, rows: asm.named([1], 'f32', 'slot', 'rows') }, { tiles: moved.count, writes: [], touches: moved.weights })
  }
  return verify(planMemory({ capacity: 1, buffers: asm.buffers, calls: asm.calls, loops: asm.loops, prologue: 0, inputs: {}, outputs: first === undefined ? {} : { ok: first.ok, totals: first.totals }, inplace: asm.inplace }))
}

interface Gate { readonly factor: View; readonly ok: View; readonly totals: View }

/** Norms, factors and the ok word of a group. */
function gate(asm: Assembler, { tables, clipping: { kind, limit }, ...rest }: { readonly tables: Tables; readonly clipping: OptimizerData['clipping']; readonly partial: View; readonly sums: View; readonly sumCount: number; readonly averages: Operand; readonly averageCount: number }): Gate {
  const count = tables.weights.length
  const factor = asm.buffer([count], 'f32', 'arena')
  const ok = asm.buffer([1], 'i32', 'arena')
  const totals = asm.buffer([2], 'f64', 'arena')
  asm.call('gate', 'f32_gate', {
    segments: tables.segments, count, factor, ok, totals, clip: kind === 'norm' ? clipCode.norm : kind === 'globalNorm' ? clipCode.globalNorm : clipCode.none,
    limit: { f32: kind === 'value' || kind === 'none' ? 0 : limit }, ...rest,
  }, { tiles: 1, writes: ['factor', 'ok', 'totals'] })
  return { factor, ok, totals }
}

/** The optimizer's own kernel: its fields by name, from the optimizer's description. */
function update(asm: Assembler, { kernel, clipping, states, scalars, constants, flags }: OptimizerData, common: Readonly<Record<string, Operand>>, { prefix, size, tables }: { readonly prefix: string; readonly size: number; readonly tables: Tables }): void {
  type K = Extract<KernelName, typeof kernel>
  const operands: Record<string, Operand> = { ...common, clipValue: { f32: clipping.kind === 'value' ? clipping.limit : Infinity }, ...flags }
  for (const name of states) operands[name] = asm.named([size / 4], 'f32', 'state', `${prefix}${name}`)
  for (const name of Object.keys(scalars)) operands[name] = asm.named([1], 'f32', 'slot', `${prefix}${name}`)
  for (const [name, value] of Object.entries(constants)) operands[name] = { f32: value }
  asm.call<K>(kernel, kernel, operands as Parameters<typeof asm.call<K>>[2], { tiles: tables.count, writes: [], updates: states as Parameters<typeof asm.call<K>>[3]['updates'] & object, touches: tables.weights })
}

/** What each constraint makes of its updated weight takes the weight's place, where the step is ok. */
function constrain(asm: Assembler, segments: readonly Segment[], ok: View): void {
  for (const { key, shape, length, constraint } of segments) {
    if (constraint === undefined) continue
    const weight = new Value(shape, 'f32', { kind: 'param', spec: { name: key, init: { kind: 'constant', value: 0 }, trainable: true, l1: 0, l2: 0 }, scope: null, key })
    const [y] = lowerInto(asm, specialise([constrained(weight, constraint)], 'train'))
    if (y !== undefined) asm.call(`constraint: ${key}`, 'f32_commit', { x: y, y: asm.named(shape, 'f32', 'param', key), ok, length }, { tiles: Math.ceil(length / ELEMENTS), writes: ['y'] })
  }
}
