// A prediction's program as a file carries it: planned, without what only the compiler, the lanes and people need. It is for readers that have no
// compiler (src/predict); those that have one plan the graph anew.
import type { KernelName } from './kernels.js'

/**
 * Changes whenever the words of a kernel below, or what they mean, do: a plan is good for the kernels that it was made for alone
 * (test/predict/plan.test.ts holds the table to it).
 */
export const PLAN_VERSION = 1
/** Under which a file has it among its metadata. */
export const PLAN = 'equigrad-plan'

/** What the binary that only predicts exports (assembly/predict.ts). */
export const FORWARD: readonly KernelName[] = [
  'f32_gemm', 'f32_add_blocks', 'f32_pack_b', 'f32_conv', 'f32_depthwise', 'f32_pack_conv', 'f32_pad', 'f32_unary', 'f32_binary', 'f32_select', 'i32_equal',
  'f32_fake_quant', 'f32_fill', 'copy', 'copy_rows', 'length_mask', 'gather', 'f32_reduce', 'i32_arg_max', 'f32_softmax', 'f32_log_softmax', 'f32_max_pool',
  'f32_average_pool', 'qu8_quantize', 'qs8_pack_u7', 'qs8_pack_u8', 'qs8_gemm_u7', 'qs8_gemm_u8',
]

/** mul·⌈(n·per + plus) / div⌉ as [per, plus, div, mul]. */
export type PackedAffine = readonly [number, number, number, number]
/** One 32-bit word: itself (of an f32 its bits); an address as [buffer, offset], advancing in a loop by a third number; or a size. */
export type PackedWord = number | readonly [number, number] | readonly [number, number, number] | PackedAffine
/** Bytes at capacity, and where: at an offset of the arena, or of what the prologue leaves; a tensor of the file; or words. */
export type PackedBuffer =
  | readonly ['arena' | 'keep', number, number]
  | readonly ['tensor', number, string]
  | readonly ['words', number, readonly number[]]

export interface PackedInput {
  readonly name: string
  /** of one sample */
  readonly shape: readonly number[]
  /** whole numbers below this, or null */
  readonly classes: number | null
  readonly buffer: number
  /** the call that converts data, of whatever type: its word `sourceType` says which; −1 for none, data is of i32 */
  readonly read: number
}

export interface PackedPlan {
  readonly version: number
  /** most samples of one run */
  readonly capacity: number
  /** is there one input, or output, and not a record? */
  readonly one: readonly [boolean, boolean]
  readonly inputs: readonly PackedInput[]
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[]; readonly buffer: number; readonly offset: number }[]
  readonly buffers: readonly PackedBuffer[]
  /** kernel, tiles, words */
  readonly calls: readonly (readonly [KernelName, number | PackedAffine, ...PackedWord[]])[]
  /** from, to, steps */
  readonly loops: readonly (readonly [number, number, number])[]
  readonly prologue: number
  /** bytes of arena and prologue's results */
  readonly sizes: readonly [number, number]
}
