// What a gradient rule is.
import type { Node, Value } from '../graph/value.js'

/** How a rule differentiates what is inside its op: the pass itself, which rules may not import. */
export type Gradients = (seeds: readonly { readonly y: Value; readonly dy: Value }[], wrt: readonly Value[]) => readonly (Value | null)[]

/**
 * The gradient of an op, in ops: given the gradients of the outputs (null where there is none), those of the operands (null where none is
 * needed or the op is constant there).
 *
 * @param need - which operands' gradients are asked for
 */
export type Vjp = (node: Node, dys: readonly (Value | null)[], need: readonly boolean[], gradients: Gradients) => readonly (Value | null)[]
