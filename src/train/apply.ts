// The `apply` program of a training: L1/L2, the finite check, clipping and the update, over the flat block by a table of its segments.
import { clipCode } from '../core/codes.js'
import { elements } from '../core/shape.js'
import { PIECE, type KernelName } from '../compiler/kernels.js'
import { Assembler } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { verify } from '../compiler/passes/verify.js'
import type { Average } from '../compiler/passes/specialise.js'
import type { Operand, Program, View, Word } from '../compiler/program.js'
import type { OptimizerData } from '../optim/optimizer.js'
import type { TrainedParam } from './recipe.js'

/** A trained weight in the flat block: where its gradient and states lie, and what is special about it. */
export interface Segment {
  readonly key: string
  /** bytes into the gradient block and each state; a multiple of 64 */
  readonly offset: number
  /** elements */
  readonly length: number
  readonly decay: number
  readonly l1: number
  readonly l2: number
}

/** A weight that follows a statistic; the gradient block holds the statistic, times the samples it is of. */
export interface AverageSegment {
  readonly key: string
  /** bytes into the gradient block; a multiple of 64 */
  readonly offset: number
  /** elements */
  readonly length: number
  readonly momentum: number
}

export interface Layout {
  readonly segments: readonly Segment[]
  /** after the segments of trained weights: no state repeats them, no norm counts them */
  readonly averages: readonly AverageSegment[]
  /** of each state */
  readonly stateBytes: number
  /** of the gradient block */
  readonly bytes: number
}

/** Segments in the order of the definition, each aligned to 64 bytes. */
export function layoutOf(params: readonly TrainedParam[], optimizer: OptimizerData, averages: readonly Average[] = []): Layout {
  let bytes = 0
  const place = (length: number): number => { const offset = bytes; bytes += Math.ceil((length * 4) / 64) * 64; return offset }
  const segments = params.map(({ key, shape, spec }): Segment => {
    const length = elements(shape)
    const offset = place(length)
    const decay = optimizer.decay.exclude.some((end) => key.endsWith(end)) ? 0 : optimizer.decay.rate
    return { key, offset, length, decay, l1: spec.l1, l2: spec.l2 }
  })
  const stateBytes = bytes
  const moved = averages.map(({ key, stat, momentum }): AverageSegment => ({ key, offset: place(elements(stat.shape)), length: elements(stat.shape), momentum }))
  return { segments, averages: moved, stateBytes, bytes }
}

/** The tables that kernels walk: pieces of weights and the rows of their segments. */
function tablesOf(asm: Assembler, segments: readonly { readonly key: string; readonly offset: number; readonly length: number; readonly row: readonly Word[] }[]): { readonly pieces: View; readonly segments: View; readonly count: number } {
  const pieces: Word[] = []
  const rows: Word[] = []
  segments.forEach(({ key, offset, length, row }, s) => {
    const w = asm.named([length], 'f32', 'param', key)
    const first = pieces.length / 4
    for (let from = 0; from < length; from += PIECE) pieces.push({ buffer: w.buffer, offset: from * 4 }, offset + from * 4, Math.min(PIECE, length - from), s)
    rows.push(...row, first, pieces.length / 4)
  })
  const table = (words: readonly Word[]): View => asm.buffer([words.length], 'i32', 'table', { words })
  return { pieces: table(pieces), segments: table(rows), count: pieces.length / 4 }
}

/**
 * The program that turns sums into an update.
 *
 * @param sumCount - f64 sums that must be finite as well
 */
export function applyProgram({ segments, averages, stateBytes, bytes }: Layout, optimizer: OptimizerData, sumCount: number): Program {
  const asm = new Assembler(1)
  const grad = asm.named([bytes / 4], 'f32', 'grad', '')
  const sums = asm.named([sumCount], 'f64', 'sum', '')
  const { pieces: pieceTable, segments: segmentTable, count } = tablesOf(asm, segments.map(({ key, offset, length, decay, l1, l2 }) =>
    ({ key, offset, length, row: [{ f32: 1 }, { f32: decay }, { f32: l1 }, { f32: l2 }] })))
  const partial = asm.buffer([2 * count], 'f64', 'arena')
  const factor = asm.buffer([segments.length], 'f32', 'arena')
  const ok = asm.buffer([1], 'i32', 'arena')
  const totals = asm.buffer([2], 'f64', 'arena')
  const { kind, limit } = optimizer.clipping
  asm.call('regularize', 'f32_regularize', { pieces: pieceTable, segments: segmentTable, g: grad, partial }, { tiles: count, writes: ['partial'], updates: ['g'] })
  // Moving averages have tables of their own: their sums are checked like gradients, and neither penalised, clipped nor updated by the optimizer.
  const moved = averages.length === 0 ? null : tablesOf(asm, averages.map(({ key, offset, length, momentum }) => ({ key, offset, length, row: [{ f32: momentum }, { f32: 1 - momentum }, 0, 0] })))
  const checked = moved === null ? null : asm.buffer([2 * moved.count], 'f64', 'arena')
  if (moved !== null && checked !== null) {
    asm.call('averages', 'f32_regularize', { pieces: moved.pieces, segments: moved.segments, g: grad, partial: checked }, { tiles: moved.count, writes: ['partial'], updates: ['g'] })
  }
  asm.call('gate', 'f32_gate', {
    segments: segmentTable, count: segments.length, partial, factor, ok, sums, sumCount, clip: kind === 'norm' ? clipCode.norm : kind === 'globalNorm' ? clipCode.globalNorm : clipCode.none,
    limit: { f32: kind === 'value' || kind === 'none' ? 0 : limit }, totals, averages: checked ?? 0, averageCount: moved?.count ?? 0,
  }, { tiles: 1, writes: ['factor', 'ok', 'totals'] })

  const operands: Record<string, Operand> = {
    pieces: pieceTable, segments: segmentTable, g: grad, factor, ok, clipValue: { f32: kind === 'value' ? limit : Infinity },
    ...optimizer.flags,
  }
  for (const name of optimizer.states) operands[name] = asm.named([stateBytes / 4], 'f32', 'state', name)
  for (const name of Object.keys(optimizer.scalars)) operands[name] = asm.named([1], 'f32', 'slot', name)
  for (const [name, value] of Object.entries(optimizer.constants)) operands[name] = { f32: value }
  update(asm, optimizer, operands, count)
  if (moved !== null) asm.call('averages', 'f32_average', { pieces: moved.pieces, segments: moved.segments, g: grad, ok, rows: asm.named([1], 'f32', 'slot', 'rows') }, { tiles: moved.count, writes: [] })
  return verify(planMemory({ capacity: 1, buffers: asm.buffers, calls: asm.calls, loops: [], prologue: 0, inputs: {}, outputs: { ok, totals }, inplace: asm.inplace }))
}

/** The optimizer's own kernel: its fields by name, from the optimizer's description. */
function update(asm: Assembler, { kernel, states }: OptimizerData, operands: Readonly<Record<string, Operand>>, tiles: number): void {
  type K = Extract<KernelName, typeof kernel>
  asm.call<K>(kernel, kernel, operands as Parameters<typeof asm.call<K>>[2], { tiles, writes: [], updates: states as Parameters<typeof asm.call<K>>[3]['updates'] & object })
}
