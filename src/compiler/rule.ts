// What gradient rules are made of: ops of one output have a rule for each operand.
import type { Value, Vjp } from './graph/value.js'
import type { Attrs } from './type.js'

/** dx of x, by the gradient of the output, the operand and the output. */
type By1 = (dy: Value, x: Value, y: Value, attrs: Attrs) => Value | null
/** da, or db, of a and b. */
type By2 = (dy: Value, a: Value, b: Value, y: Value, attrs: Attrs) => Value | null

/** The rule of an op of one operand. */
export const rule1 = (by: By1): Vjp => ({ ins: [x], outs: [y], attrs }, [dy]) =>
  (x === undefined || y === undefined || dy === undefined || dy === null ? [null] : [by(dy, x, y, attrs)])

/** The rule of an op of two operands, or of more that have no gradient; `byB` is left out where the second has none. */
export const rule2 = (byA: By2, byB?: By2): Vjp => ({ ins: [a, b], outs: [y], attrs }, [dy], need) => {
  if (a === undefined || b === undefined || y === undefined || dy === undefined || dy === null) return [null, null]
  return [need[0] === true ? byA(dy, a, b, y, attrs) : null, need[1] === true && byB !== undefined ? byB(dy, a, b, y, attrs) : null]
}

/** Data, indices and counts have no gradient. */
export const noGradient: Vjp = (node) => node.ins.map(() => null)
