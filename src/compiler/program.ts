// A program: kernel calls over buffers, as plain data. It holds regions, offsets and keys, never addresses, seeds, rates or lanes.
import type { DType, Shape } from '../core/shape.js'
import type { KernelField, KernelName } from './kernels.js'
import type { Attrs, Type } from './type.js'

/** A size that depends on the number of samples: mul·⌈(n·per + plus) / div⌉. */
export interface Affine { readonly per: number; readonly plus?: number; readonly div?: number; readonly mul?: number }
export type Size = number | Affine

/** One 32-bit word of a descriptor. */
export type Word =
  | Size
  | { readonly f32: number }
  /** address of a byte of a buffer; within a loop it may advance by so many bytes each step */
  | { readonly buffer: number; readonly offset: number; readonly perStep?: number }

/**
 * Where a buffer lives. param: the store's weights, by key. grad, sum: what a shard writes. state: the optimizer's, by name. constant: data of
 * the program. table: descriptor-like words of the program. slot: words that the host sets before a run, by name. keep: results of the
 * prologue. external: data the host binds, by name. arena: shared by all programs of a store, nothing in it survives a run.
 */
export type Region = 'param' | 'grad' | 'sum' | 'state' | 'constant' | 'table' | 'slot' | 'keep' | 'external' | 'arena'

export interface Buffer {
  readonly id: number
  /** bytes, at `n` samples */
  readonly bytes: Size
  readonly dtype: DType
  readonly region: Region
  /** offset in its region (grad, sum, keep, arena), planned where the region is keep or arena */
  readonly offset: number
  /** name in its region (param, state, slot, external) */
  readonly key?: string
  /** contents (constant) */
  readonly data?: readonly number[]
  /** contents (table) */
  readonly words?: readonly Word[]
}

/** A value in a buffer. */
export interface View extends Type { readonly buffer: number; readonly offset: number }

export interface Call {
  readonly kernel: KernelName
  readonly words: readonly Word[]
  readonly tiles: Size
  readonly reads: readonly number[]
  readonly writes: readonly number[]
  /** this call must wait until all earlier ones are done: it touches bytes that one of them wrote, or writes bytes one of them read */
  readonly barrier: boolean
  readonly path: string
}

/** Calls [from, to) run `steps` times; words that say `perStep` advance. Loops nest or lie apart; outer ones stand before inner ones. */
export interface Loop { readonly from: number; readonly to: number; readonly steps: number }

export interface MemoryReport {
  /** bytes of the arena as planned, at capacity */
  readonly peak: number
  /** bytes if nothing shared memory */
  readonly naive: number
  /** most bytes live at once: no plan can be smaller */
  readonly lower: number
}

export interface Program {
  readonly capacity: number
  readonly buffers: readonly Buffer[]
  readonly calls: readonly Call[]
  readonly loops: readonly Loop[]
  /** the first calls, which depend on weights and constants alone (so not on n either), and run again only when the weights have changed */
  readonly prologue: number
  readonly inputs: Readonly<Record<string, View>>
  readonly outputs: Readonly<Record<string, View>>
  /** bytes of the regions that a program sizes, at capacity */
  readonly sizes: { readonly arena: number; readonly keep: number }
  readonly report: MemoryReport
}

/** A program before its memory is planned: buffers of arena and keep have no offset yet, calls no barrier. */
export interface Unplanned extends Omit<Program, 'sizes' | 'report'> {
  /** buffers that hold an operand's bytes already when the call starts: writes[0] may take the place of one of these, if it dies here */
  readonly inplace: ReadonlyMap<Call, readonly number[]>
}

export interface CallOptions<K extends KernelName> {
  readonly tiles: Size
  /** fields that the kernel writes (it may read them as well when they are in `updates`) */
  readonly writes: readonly KernelField<K>[]
  /** fields read and written */
  readonly updates?: readonly KernelField<K>[]
  /** buffers that it reads, or reads and writes, through a table */
  readonly reads?: readonly View[]
  readonly touches?: readonly View[]
  /** fields whose buffer the first written one may take, if it is not needed afterwards */
  readonly inplace?: readonly KernelField<K>[]
}

/** What a lowered word may be: a view stands for its address. */
export type Operand = Word | View

/** What an op sees while it is lowered. */
export interface LowerContext {
  readonly capacity: number
  readonly attrs: Attrs
  /** operand i, or throws */
  in(i: number): View
  readonly ins: readonly View[]
  /** where output i goes */
  out(i: number): View
  /** output i is operand `view` in another shape: no bytes move */
  alias(i: number, view: View): void
  /** memory for the duration of this op's calls */
  temp(shape: Shape, dtype: DType): View
  /** a named word, or several, that the host sets before a run */
  slot(name: string, words: number): View
  /** does a view hold the same in every run until the weights change? Then what is made of it alone may be made once */
  fixed(view: View): boolean
  call<K extends KernelName>(kernel: K, words: Readonly<Record<KernelField<K>, Operand>>, options: CallOptions<K>): void
  /**
   * Calls that run `steps` times. Those among them that compute the same at every step run once, before.
   *
   * @param carried - buffers that bring something from one step to the next
   */
  loop(steps: number, carried: readonly View[], emit: () => void): void
  /** Emits the calls of this scan's body, given its operands; gives its outputs. */
  body(ins: readonly View[]): readonly View[]
}

export const isView = (o: Operand): o is View => typeof o === 'object' && 'buffer' in o && 'shape' in o

/** A size at a number of samples. */
export function sizeAt(size: Size, n: number): number {
  if (typeof size === 'number') return size
  const { per, plus = 0, div = 1, mul = 1 } = size
  return mul * Math.ceil((n * per + plus) / div)
}

/** Does a call do something else for another number of samples? */
export const dependsOnSamples = ({ tiles, words }: Call): boolean => [tiles, ...words].some((w) => typeof w === 'object' && 'per' in w && w.per !== 0)

/** The product of a shape's dimensions, times k, as a size. */
export function sizeOf(shape: Shape, k = 1): Size {
  let product = k
  for (const d of shape) if (d !== 'n') product *= d
  return shape[0] === 'n' ? { per: product } : product
}

/** mul·⌈size / div⌉ of a plain size. */
export function tilesOf(size: Size, div: number, mul = 1): Size {
  return typeof size === 'number' ? mul * Math.ceil(size / div) : { per: size.per, div, mul }
}
