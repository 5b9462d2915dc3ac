// Plain arrays for slow references: numbers in row-major order with a shape, in f64.
import { at } from '../support/bits.js'

export interface Plain { readonly shape: readonly number[]; readonly data: readonly number[] }

/** An element of a reference, and the magnitude of what goes into it: rounding errors are measured against that. */
export interface Element { readonly y: number; readonly scale: number }

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1)

/** The shape that two shapes span, aligned at the right. */
export function spanned(a: readonly number[], b: readonly number[]): readonly number[] {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i) => {
    const [x, y] = [a[i - rank + a.length] ?? 1, b[i - rank + b.length] ?? 1]
    return x === 1 ? y : x
  })
}

/** Coordinates of element i of a shape. */
function coordinates(shape: readonly number[], i: number): number[] {
  const out = shape.map(() => 0)
  for (let d = shape.length - 1, rest = i; d >= 0; d--) { out[d] = rest % at(shape, d); rest = Math.floor(rest / at(shape, d)) }
  return out
}

/** Where an element of `shape` is in an array of coordinates; dimensions of 1 repeat. */
const place = (shape: readonly number[], where: readonly number[]): number =>
  shape.reduce((index, d, i) => index * d + (d === 1 ? 0 : at(where, i + where.length - shape.length)), 0)

/** x, repeated to a shape. */
export function repeated(x: Plain, shape: readonly number[]): Plain {
  const length = count(shape)
  if (x.data.length === 1) return { shape, data: new Array<number>(length).fill(at(x.data, 0)) }
  if (x.shape.length === shape.length && x.shape.every((d, i) => d === shape[i])) return x
  return { shape, data: Array.from({ length }, (_, i) => at(x.data, place(x.shape, coordinates(shape, i)))) }
}

/** For each output of a reduction over `axes`, the elements of x that go into it, ascending. */
export function reducedBy(x: Plain, axes: readonly number[]): { readonly shape: readonly number[]; readonly terms: readonly (readonly number[])[] } {
  const shape = x.shape.filter((_, i) => !axes.includes(i))
  const terms: number[][] = Array.from({ length: count(shape) }, () => [])
  x.data.forEach((value, i) => {
    const kept = coordinates(x.shape, i).filter((_, axis) => !axes.includes(axis))
    terms[place(shape, kept)]?.push(value)
  })
  return { shape, terms }
}

/** Rows along the last axis. */
export function rowsOf(x: Plain): readonly (readonly number[])[] {
  const width = x.shape[x.shape.length - 1] ?? 1
  return Array.from({ length: count(x.shape.slice(0, -1)) }, (_, r) => x.data.slice(r * width, (r + 1) * width))
}

/** Positions [from, to) along an axis. */
export function sliced(x: Plain, axis: number, from: number, to: number): Plain {
  const shape = x.shape.map((d, i) => (i === axis ? to - from : d))
  return { shape, data: Array.from({ length: count(shape) }, (_, i) => at(x.data, place(x.shape, coordinates(shape, i).map((c, d) => (d === axis ? c + from : c))))) }
}

/** Values one after the other along an axis. */
export function joined(xs: readonly Plain[], axis: number): Plain {
  const first = xs[0] ?? { shape: [], data: [] }
  const shape = first.shape.map((d, i) => (i === axis ? xs.reduce((sum, x) => sum + at(x.shape, axis), 0) : d))
  return {
    shape, data: Array.from({ length: count(shape) }, (_, i) => {
      const where = coordinates(shape, i)
      let c = at(where, axis)
      const part = xs.find((x) => { if (c < at(x.shape, axis)) return true; c -= at(x.shape, axis); return false }) ?? first
      return at(part.data, place(part.shape, where.map((w, d) => (d === axis ? c : w))))
    }),
  }
}
