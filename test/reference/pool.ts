// Pooling windows, written out: which pixels each output is of.
import { at } from '../support/bits.js'

export interface Pooling { readonly poolSize: readonly number[]; readonly strides: readonly number[]; readonly padding: 'valid' | 'same' }

/** Elements of each window in one direction, ascending, of those that lie within `size`: Keras' windows. */
export function poolAxis(size: number, pool: number, stride: number, padding: 'valid' | 'same'): readonly (readonly number[])[] {
  const out = padding === 'same' ? Math.ceil(size / stride) : Math.floor((size - pool) / stride) + 1
  const missing = padding === 'same' ? Math.max(0, (out - 1) * stride + pool - size) : 0
  return Array.from({ length: out }, (_, o) => Array.from({ length: pool }, (_, k) => o * stride - Math.floor(missing / 2) + k).filter((i) => i >= 0 && i < size))
}

/** For each output [n, rows, columns, channels], the elements of the images that its window holds, row by row. */
export function poolWindows(image: readonly number[], { poolSize, strides, padding }: Pooling): readonly (readonly number[])[] {
  const [n, height, width, channels] = [at(image, 0), at(image, 1), at(image, 2), at(image, 3)]
  const rows = poolAxis(height, at(poolSize, 0), at(strides, 0), padding), columns = poolAxis(width, at(poolSize, 1), at(strides, 1), padding)
  return Array.from({ length: n }, (_, s) => s).flatMap((s) => rows.flatMap((ys) => columns.flatMap((xs) =>
    Array.from({ length: channels }, (_, c) => ys.flatMap((y) => xs.map((x) => ((s * height + y) * width + x) * channels + c))))))
}
