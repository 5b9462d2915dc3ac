// What the data folder takes for a table of numbers: a bare typed array, or one with its shape; and copying rows of it.
import { describe, message, ShapeError } from '../core/errors.js'

/** The typed arrays that numbers come in. */
export type NumericArray =
  | Float32Array | Float64Array | Int32Array | Int16Array | Int8Array | Uint8Array | Uint8ClampedArray | Uint16Array | Uint32Array

/** Numbers with their shape, samples first. */
export interface ShapedData {
  /** as many elements as the product of `shape`, the last dimension fastest */
  readonly data: NumericArray
  /** [samples, …] */
  readonly shape: readonly number[]
}

export const isNumericArray = (value: unknown): value is NumericArray =>
  ArrayBuffer.isView(value) && !(value instanceof DataView || value instanceof BigInt64Array || value instanceof BigUint64Array)

export const isShapedData = (value: unknown): value is ShapedData =>
  typeof value === 'object' && value !== null && 'data' in value && isNumericArray(value.data) && 'shape' in value && Array.isArray(value.shape)

/** The product of a shape's dimensions; throws unless each is a whole number and the data has that length. */
export function checkShaped(where: string, { data, shape }: ShapedData): void {
  let product = 1
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0) throw new RangeError(message(where, 'a shape of whole numbers', `[${shape.join(', ')}]`))
    product *= d
  }
  if (product !== data.length) {
    throw new ShapeError(message(where, `${product} elements for shape [${shape.join(', ')}]`, describe(data)))
  }
}

/** The first elements as a new array of the same type. Not `data.slice`: that of Node's Buffer, a Uint8Array too, is a view. */
export const copyOf = (data: NumericArray, length = data.length): NumericArray =>
  data instanceof Uint8Array ? Uint8Array.prototype.slice.call(data, 0, length) : data.slice(0, length)

/** Rows `rows` of data whose rows are `width` long, one after the other in a new array of the same type. */
export function gatherRows(data: NumericArray, width: number, rows: Int32Array): NumericArray {
  // Rows are a part of the data, so that it is long enough; what is copied here is overwritten.
  const out = copyOf(data, rows.length * width)
  let at = 0
  for (const row of rows) {
    out.set(data.subarray(row * width, (row + 1) * width), at)
    at += width
  }
  return out
}
