// First values of weights, as initialisers say.
import { randomCode } from '../core/codes.js'
import { orthonormalRows } from '../core/orthogonal.js'
import { elements, type Shape } from '../core/shape.js'
import { ELEMENTS } from '../compiler/kernels.js'
import type { Init } from '../compiler/graph/value.js'
import type { Heap } from './heap.js'

/** Key of a random stream. */
type Key = readonly [number, number]

/** Fills the f32 values of a shape. */
export function initialize(heap: Heap, address: number, shape: Shape, init: Init, key: Key): void {
  const length = elements(shape)
  switch (init.kind) {
    case 'constant': fill(heap, address, length, [init.value]); return
    case 'blocks': fill(heap, address, length, init.values); return
    case 'orthogonal': orthogonal(heap, address, shape, init.gain, key); return
    case 'uniform': random(heap, address, length, 'uniform', [init.low, init.high], key); return
    case 'normal': case 'truncatedNormal': random(heap, address, length, init.kind, [init.mean, init.deviation], key)
  }
}

/** Equal stretches, each of one value. */
function fill(heap: Heap, address: number, length: number, values: readonly number[]): void {
  const part = length / values.length
  values.forEach((value, i) => { heap.run('f32_fill', { y: address + i * part * 4, length: part, value: { f32: value } }, Math.ceil(part / ELEMENTS)) })
}

function random(heap: Heap, address: number, length: number, kind: keyof typeof randomCode, [a, b]: readonly [number, number], key: Key): void {
  const words = heap.alloc(8)
  heap.i32(words.address, 2).set(key)
  heap.run('f32_random', { y: address, length, kind: randomCode[kind], key: words.address, a: { f32: a }, b: { f32: b } }, Math.ceil(length / ELEMENTS))
  heap.free(words)
}

/** Normal numbers, orthonormalised along the shorter side in f64. */
function orthogonal(heap: Heap, address: number, shape: Shape, gain: number, key: Key): void {
  const length = elements(shape)
  const columns = Number(shape[shape.length - 1] ?? 1), rows = length / columns
  const wide = rows <= columns
  const [lines, width] = wide ? [rows, columns] : [columns, rows]
  random(heap, address, length, 'normal', [0, 1], key)
  const values = heap.f32(address, length)
  const matrix = Float64Array.from(values)
  orthonormalRows(matrix, lines, width)
  for (let i = 0; i < length; i++) {
    const at = wide ? i : (i % columns) * rows + Math.floor(i / columns)
    values[i] = gain * (matrix[at] ?? 0)
  }
}
