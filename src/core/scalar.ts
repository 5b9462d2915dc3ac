// Scalars that change from step to step (learning rates, bias corrections) as expressions: plain data, so that they can be printed, saved,
// hashed and sent, and evaluated in f64 by exact operations alone (law 2).

/**
 * What the host may not compute by its own `Math`, since engines differ in the last bit: a kernel binary's own f64 functions.
 */
export interface ExactMath {
  exp(x: number): number
  pow(x: number, y: number): number
  /** NaN unless |x| < {@link COS_END} */
  cos(x: number): number
}

/** One after the largest whole number whose cosine is computed. */
export const COS_END = 1647099

/** The variables that an expression may name. */
export interface ScalarVariables {
  /** updates completed before this one, from 0 */
  readonly step: number
  /** step + 1, as optimizers count in their formulas */
  readonly t: number
  /** a factor that callbacks may set (1 by default) */
  readonly scale: number
}

/** How many operands each operator takes, and what it computes of them. */
export const operators: Readonly<Record<'add' | 'sub' | 'mul' | 'div' | 'min' | 'max' | 'pow' | 'exp' | 'cos' | 'sqrt' | 'floor' | 'ifLess', readonly [number, (at: (operand: number) => number, math: ExactMath) => number]>> = {
  add: [2, (at) => at(1) + at(2)], sub: [2, (at) => at(1) - at(2)], mul: [2, (at) => at(1) * at(2)], div: [2, (at) => at(1) / at(2)],
  min: [2, (at) => Math.min(at(1), at(2))], max: [2, (at) => Math.max(at(1), at(2))], pow: [2, (at, math) => math.pow(at(1), at(2))],
  exp: [1, (at, math) => math.exp(at(1))], cos: [1, (at, math) => math.cos(within(at(1)))], sqrt: [1, (at) => Math.sqrt(at(1))], floor: [1, (at) => Math.floor(at(1))],
  ifLess: [4, (at) => (at(1) < at(2) ? at(3) : at(4))],
}
type Operator = keyof typeof operators

function within(x: number): number {
  if (!(Math.abs(x) < COS_END)) throw new RangeError(`scalar: expected the cosine of a number within ±${COS_END}, got ${x}. Let it start again after whole periods, with 'floor'.`)
  return x
}

/** A number, a variable's name, or `[operator, …operands]`; `['ifLess', a, b, x, y]` is `a < b ? x : y`. */
export type Expression = number | keyof ScalarVariables | readonly [Operator, ...Expression[]]

/** The value of an expression, in f64. Both branches of `ifLess` are not computed, only the one taken. A cosine of COS_END or more, or of less than −COS_END, is refused. */
export function evaluate(s: Expression, variables: ScalarVariables, math: ExactMath): number {
  if (typeof s === 'number') return s
  if (typeof s === 'string') return variables[s]
  const at = (i: number): number => {
    const operand = s[i]
    if (operand === undefined) throw new RangeError(`scalar: '${s[0]}' lacks its operand ${i}`)
    return evaluate(operand as Expression, variables, math)
  }
  return operators[s[0]][1](at, math)
}
