// What predict gives: numbers of their own, or the caller's array, with their shape.
import { checkCount } from '../core/options.js'

/** Numbers with their shape: what `predict` gives, and a step of what is no scalar. `B`: what their bytes lie in, shared memory where the caller's array does. */
export class Tensor<B extends ArrayBufferLike = ArrayBuffer> {
  /**
   * @param data - row by row
   * @param shape - samples in front
   */
  constructor(
    /** its elements, row by row: as many as the product of `shape` */
    readonly data: Float32Array<B>,
    /** its dimensions; from `predict` [samples, …] */
    readonly shape: readonly number[],
  ) {}

  /** Elements of the last dimension. */
  get #width(): number { return this.shape[this.shape.length - 1] ?? 1 }

  /** The index of the first largest element of each row. */
  argMax(): Int32Array {
    const width = this.#width
    return Int32Array.from({ length: this.data.length / width }, (_, r) => {
      let best = 0
      for (let j = 1; j < width; j++) if ((this.data[r * width + j] ?? 0) > (this.data[r * width + best] ?? 0)) best = j
      return best
    })
  }

  /**
   * The k largest elements of each row, in descending order; equal ones in the order they stand in.
   *
   * @param k - 1 to the width
   * @returns indices and values, k for each row
   */
  topK(k: number): { readonly indices: Int32Array; readonly values: Float32Array } {
    const width = this.#width
    checkCount('topK', k, width)
    const rows = this.data.length / width
    const indices = new Int32Array(rows * k)
    const values = new Float32Array(rows * k)
    for (let r = 0; r < rows; r++) {
      const row = this.data.subarray(r * width, (r + 1) * width)
      const order = Array.from(row, (_, j) => j).sort((a, b) => (row[b] ?? 0) - (row[a] ?? 0) || a - b)
      for (let i = 0; i < k; i++) {
        const j = order[i] ?? 0
        indices[r * k + i] = j
        values[r * k + i] = row[j] ?? 0
      }
    }
    return { indices, values }
  }
}
