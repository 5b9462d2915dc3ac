// Quantised arithmetic in plain numbers: integers exactly, and the two roundings to f32 that requantisation has.

/** The nearest whole number, a half to the even one. */
export function nearestEven(x: number): number {
  const low = Math.floor(x)
  const rest = x - low
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1
}

export const clamp = (x: number, low: number, high: number): number => Math.min(Math.max(x, low), high)

/** A product as a test states it: a [m, k], w [k, n], offset and multiplier [n]. */
export interface Product {
  readonly m: number
  readonly n: number
  readonly k: number
  readonly a: Uint8Array
  readonly w: Int8Array
  readonly offset: Int32Array
  readonly multiplier: Float32Array
  readonly relu: boolean
  /** bytes up to `high` with this zero point, or null for f32 */
  readonly to: { readonly high: number; readonly zeroPoint: number } | null
}

/** f32(s)·multiplier, as f32 or as a byte. */
export function requantized(s: number, multiplier: number, relu: boolean, to: Product['to']): number {
  const y = Math.fround(Math.fround(s) * multiplier)
  if (to === null) return relu && y < 0 ? 0 : y
  return clamp(nearestEven(y) + to.zeroPoint, relu ? to.zeroPoint : 0, to.high)
}

export function quantizedProduct({ m, n, k, a, w, offset, multiplier, relu, to }: Product): number[] {
  const y: number[] = []
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      let s = offset[j] ?? NaN
      for (let p = 0; p < k; p++) s += (a[i * k + p] ?? NaN) * (w[p * n + j] ?? NaN)
      y.push(requantized(s, multiplier[j] ?? NaN, relu, to))
    }
  }
  return y
}

/** x as a byte: one f32 product, nearest, saturated. */
export const quantized = (x: number, multiplier: number, zeroPoint: number, high: number): number =>
  (Number.isNaN(x) ? zeroPoint : clamp(nearestEven(Math.fround(Math.fround(x) * Math.fround(multiplier))) + zeroPoint, 0, high))
