// Constants from numbers, as users give them.
import { describe, message, ShapeError } from '../../core/errors.js'
import { elements, formatShape, type DType } from '../../core/shape.js'
import { constant, type Scalar, type Value } from '../graph/value.js'

/** A number, an array, or arrays in arrays. */
export type Numbers = number | readonly Numbers[] | Float32Array | Float64Array | Int32Array | Uint8Array
type TypedNumbers = Exclude<Numbers, number | readonly Numbers[]>

const isTyped = (given: unknown): given is TypedNumbers => given instanceof Float32Array || given instanceof Float64Array || given instanceof Int32Array || given instanceof Uint8Array
const dtypeOf = (given: TypedNumbers): DType => (given instanceof Int32Array ? 'i32' : given instanceof Uint8Array ? 'u8' : 'f32')

/** The numbers of nested arrays in order, and their shape; all rows of one level must be alike. */
function flattened(given: unknown): { readonly shape: readonly number[]; readonly data: readonly number[] } {
  if (typeof given === 'number') return { shape: [], data: [given] }
  if (isTyped(given)) return { shape: [given.length], data: Array.from(given) }
  if (!Array.isArray(given)) throw new TypeError(message('constant', 'a number, nested arrays of numbers, or a typed array', describe(given)))
  const parts = Array.from(given, flattened)
  const first = parts[0]?.shape ?? []
  const odd = parts.find(({ shape }) => formatShape(shape) !== formatShape(first))
  if (odd !== undefined) throw new ShapeError(message('constant', `rows of one shape, ${formatShape(first)}`, formatShape(odd.shape)))
  return { shape: [parts.length, ...first], data: parts.flatMap(({ data }) => data) }
}

/**
 * A value that is the same in every run, and is saved with the model.
 *
 * @param values - a number gives a scalar; arrays give the shape they have; an Int32Array gives i32, a Uint8Array u8 (a mask for `select`), all else f32
 * @param shape - if it is another than that of the arrays, of as many elements
 * @returns a value of that shape, without samples
 * @throws TypeError for what is no number, RangeError for NaN, ShapeError for rows of several lengths or a shape that does not fit
 * @example
 * const weighted = loss('weighted', (output, y) => mul(square(sub(output, y)), constant([1, 10])))
 * sequential([dense(2)], { input: [4] }).compile({ optimizer: adam(), loss: weighted })
 */
export function constantOf(values: number): Scalar
/** A constant of the shape that its arrays have, or of `shape`. */
export function constantOf(values: Numbers, shape?: readonly number[]): Value
export function constantOf(values: Numbers, shape?: readonly number[]): Value {
  const dtype = isTyped(values) ? dtypeOf(values) : 'f32'
  const { shape: own, data } = flattened(values)
  const chosen = shape ?? own
  if (!Array.isArray(chosen) || chosen.some((d: unknown) => typeof d !== 'number' || !Number.isInteger(d) || d < 0)) throw new TypeError(message('constant: shape', 'a shape such as [2, 3]', describe(shape)))
  if (elements(chosen) !== data.length) throw new ShapeError(message('constant', `${data.length} elements`, `the shape ${formatShape(chosen)}`))
  if (data.some(Number.isNaN)) throw new RangeError(message('constant', 'numbers', 'NaN'))
  return constant(chosen, dtype, dtype === 'f32' ? data.map(Math.fround) : data)
}
