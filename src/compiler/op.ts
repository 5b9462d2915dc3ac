// What an op is: one file in ops/ that says its shapes and its kernel calls; its gradient stands apart (vjps/), so that a bundle that only
// predicts does not carry it.
import type { LowerContext } from './program.js'
import type { Attrs, Signature, Type } from './type.js'

export interface Op {
  readonly name: string
  /** The types of the outputs; throws a ShapeError when the operands do not fit. */
  infer(ins: readonly Type[], attrs: Attrs, body: Signature | null): readonly Type[]
  /** Emits the kernel calls that compute the outputs. */
  lower(ctx: LowerContext): void
}
