// Broadcasting: the shape two shapes span, and the three loops that walk them.
import { ShapeError } from '../../core/errors.js'
import { formatShape, type Dim, type Shape } from '../../core/shape.js'
import { ELEMENTS } from '../kernels.js'
import { sizeOf, type Size } from '../program.js'

/** The shape that two shapes span together. */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length)
  return Array.from({ length: rank }, (_, i): Dim => {
    const da = a[i - rank + a.length] ?? 1
    const db = b[i - rank + b.length] ?? 1
    if (da !== db && da !== 1 && db !== 1) throw new ShapeError(`${op}: expected shapes that broadcast, got ${formatShape(a)} and ${formatShape(b)}`)
    const d = da === 1 ? db : da
    if (d === 'n' && i > 0) throw new ShapeError(`${op}: expected the sample dimension in front, got ${formatShape(a)} and ${formatShape(b)}. Reshape one of them.`)
    return d
  })
}

/** Three loops, outer, mid, inner, with the strides of both operands (in elements; 0 where an operand repeats). */
export interface Loops {
  readonly sizes: readonly [Size, Size, Size]
  readonly a: readonly [number, number, number]
  readonly b: readonly [number, number, number]
  readonly tiles: Size
}

/** Joins neighbouring dimensions in which each operand either repeats or runs on, until at most three are left. */
export function broadcastLoops(op: string, a: Shape, b: Shape): Loops {
  const shape = broadcastShapes(op, a, b)
  const groups: { dims: Dim[]; a: boolean; b: boolean }[] = []
  shape.forEach((d, i) => {
    if (d === 1) return
    const ina = (a[i - shape.length + a.length] ?? 1) === d
    const inb = (b[i - shape.length + b.length] ?? 1) === d
    const before = groups[groups.length - 1]
    if (before !== undefined && before.a === ina && before.b === inb) before.dims.push(d)
    else groups.push({ dims: [d], a: ina, b: inb })
  })
  if (groups.length > 3) throw new ShapeError(`${op}: expected at most three runs of dimensions, got ${formatShape(a)} and ${formatShape(b)}. Reshape or expand one first.`)
  while (groups.length < 3) groups.unshift({ dims: [], a: true, b: true })
  const strides = (of: 'a' | 'b'): readonly [number, number, number] => {
    let stride = 1
    const out: [number, number, number] = [0, 0, 0]
    for (let i = 2; i >= 0; i--) {
      const group = groups[i]
      if (group === undefined || !group[of]) continue
      out[i as 0 | 1 | 2] = stride
      for (const d of group.dims) if (d !== 'n') stride *= d
    }
    return out
  }
  const size = (i: number): Size => sizeOf(groups[i]?.dims ?? [])
  const sizes: readonly [Size, Size, Size] = [size(0), size(1), size(2)]
  const [outer, mid, inner] = sizes
  let tiles: Size
  if (typeof inner !== 'number') tiles = { per: inner.per, div: ELEMENTS }
  else {
    const chunks = Math.ceil(inner / ELEMENTS)
    if (typeof mid !== 'number') tiles = { per: mid.per, mul: chunks }
    else tiles = typeof outer === 'number' ? outer * mid * chunks : { per: outer.per, mul: mid * chunks }
  }
  return { sizes, a: strides('a'), b: strides('b'), tiles }
}
