// Shapes and element types: the smallest vocabulary that every floor shares.

/** A dimension: a number, or `'n'`, the number of samples, which is bound when a program runs. Only the first may be `'n'`. */
export type Dim = number | 'n'
/** The dimensions of a value, the samples' first. */
export type Shape = readonly Dim[]

/** Element types of values. `f64` holds sums, `i32` labels and indices, `u8` images, masks and quantised activations, `i8` quantised weights. */
export type DType = 'f32' | 'f64' | 'i32' | 'u8' | 'i8'

export const dtypeBytes: Readonly<Record<DType, number>> = { f32: 4, f64: 8, i32: 4, u8: 1, i8: 1 }
/** The typed arrays of element types. */
export const arrayOf = { f32: Float32Array, f64: Float64Array, i32: Int32Array, u8: Uint8Array, i8: Int8Array } as const satisfies Readonly<Record<DType, unknown>>

/** Is the first dimension the number of samples? */
export const isBatched = (shape: Shape): boolean => shape[0] === 'n'

/** Elements of a shape, of one sample where its first dimension is `n`. */
export function elements(shape: Shape): number {
  let product = 1
  for (const d of shape) if (d !== 'n') product *= d
  return product
}

export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i])

export const formatShape = (shape: Shape): string => `[${shape.join(', ')}]`
