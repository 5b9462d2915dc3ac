// Checks that ops share when they infer their types.
import { ShapeError } from '../../core/errors.js'
import { formatShape, type DType, type Shape } from '../../core/shape.js'
import type { Type } from '../type.js'

/** Operand i, of an element type. */
export function operand(op: string, ins: readonly Type[], i: number, dtype: DType | null = 'f32'): Type {
  const t = ins[i]
  if (t === undefined) throw new ShapeError(`${op}: expected operand ${i}`)
  if (dtype !== null && t.dtype !== dtype) throw new ShapeError(`${op}: expected ${dtype} elements, got ${t.dtype} ${formatShape(t.shape)}`)
  return t
}

export function requireF32(op: string, ...ins: readonly Type[]): void {
  ins.forEach((_, i) => operand(op, ins, i))
}

/** The width of rows: the last dimension, a number. */
export function width(op: string, shape: Shape): number {
  const d = shape[shape.length - 1]
  if (d === undefined || d === 'n') throw new ShapeError(`${op}: expected rows of a known width, got ${formatShape(shape)}`)
  return d
}
