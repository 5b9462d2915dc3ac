// What an op is: one file in ops/ that says its shapes and its kernel calls; its gradient stands apart (`vjp`), so that a bundle that only
// predicts does not carry it.
import type { DType, Shape } from '../core/shape.js'
import type { Attrs, Node, Value } from './graph/value.js'
import type { LowerContext } from './program.js'

export interface Type { readonly shape: Shape; readonly dtype: DType }

export interface Op {
  readonly name: string
  /** The types of the outputs; throws a ShapeError when the operands do not fit. */
  infer(ins: readonly Type[], attrs: Attrs): readonly Type[]
  /** Emits the kernel calls that compute the outputs. */
  lower(ctx: LowerContext): void
}

/**
 * The gradient of an op, in ops: given the gradients of the outputs (null where there is none), those of the operands (null where none is
 * needed or the op is constant there).
 *
 * @param need - which operands' gradients are asked for
 */
export type Vjp = (node: Node, dys: readonly (Value | null)[], need: readonly boolean[]) => readonly (Value | null)[]
