// Pooling of images [n, height, width, channels] over windows, as Keras defines it: padding 'same' gives ⌈size / stride⌉ windows, half of what is
// missing in front, and what lies outside the image counts for nothing.
import { describe, message, ShapeError } from '../../core/errors.js'
import { formatShape, type Dim, type Shape } from '../../core/shape.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import { POOL_ROWS } from '../kernels.js'
import type { Attrs } from '../type.js'
import { sizeOf, tilesOf, type Size } from '../program.js'
import { rule1 } from '../rule.js'
import { operand } from './types.js'

/** 'valid': windows that lie within the image; 'same': as many as there are positions, by the stride, beyond the edges too. */
export type Padding = 'valid' | 'same'

/** How windows lie: [rows, columns] each. */
export interface PoolOptions {
  readonly poolSize: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly padding: Padding
}

/** One direction: windows of `pool` elements, `stride` apart, over `size`. */
interface Axis { readonly size: number; readonly pool: number; readonly stride: number; readonly out: number; readonly pad: number }

/** Images and their windows. */
interface Geometry { readonly samples: Dim; readonly y: Axis; readonly x: Axis; readonly channels: number }

const positive = (d: unknown): d is number => typeof d === 'number' && Number.isInteger(d) && d >= 1 && d <= 0x7fffffff

function pair(name: string, attrs: Attrs, key: string): readonly [number, number] {
  const given = attrs[key]
  const [a, b] = Array.isArray(given) ? given : []
  if (!Array.isArray(given) || given.length !== 2 || !positive(a) || !positive(b)) throw new ShapeError(message(`${name}: ${key}`, 'two whole numbers ≥ 1', describe(given)))
  return [a, b]
}

function axis(name: string, size: number, pool: number, stride: number, padding: unknown): Axis {
  if (padding === 'valid') {
    if (size < pool) throw new ShapeError(message(name, `an image of at least ${pool} pixels in each direction of the window`, String(size), 'Pool less, or with padding \'same\'.'))
    return { size, pool, stride, out: Math.floor((size - pool) / stride) + 1, pad: 0 }
  }
  if (padding !== 'same') throw new ShapeError(message(`${name}: padding`, '\'valid\' or \'same\'', describe(padding)))
  const out = Math.ceil(size / stride)
  return { size, pool, stride, out, pad: Math.floor(Math.max(0, (out - 1) * stride + pool - size) / 2) }
}

function geometry(name: string, image: Shape, attrs: Attrs): Geometry {
  const [samples, height, width, channels] = image
  if (image.length !== 4 || samples === undefined || !positive(height) || !positive(width) || !positive(channels)) {
    throw new ShapeError(message(name, 'images of [n, height, width, channels]', formatShape(image)))
  }
  const [poolHeight, poolWidth] = pair(name, attrs, 'poolSize')
  const [strideY, strideX] = pair(name, attrs, 'strides')
  return { samples, channels, y: axis(name, height, poolHeight, strideY, attrs['padding']), x: axis(name, width, poolWidth, strideX, attrs['padding']) }
}

const imageOf = ({ samples, y, x, channels }: Geometry): Shape => [samples, y.size, x.size, channels]
const outputOf = ({ samples, y, x, channels }: Geometry): Shape => [samples, y.out, x.out, channels]

/** The words that all pooling kernels end in. */
const wordsOf = ({ samples, y, x, channels }: Geometry) => ({
  samples: sizeOf([samples]), height: y.size, width: x.size, channels, outHeight: y.out, outWidth: x.out,
  poolHeight: y.pool, poolWidth: x.pool, strideY: y.stride, strideX: x.stride, padTop: y.pad, padLeft: x.pad,
})

/** So many tiles for each sample. */
const tilesEach = ({ samples }: Geometry, tiles: number): Size => tilesOf(sizeOf([samples]), 1, tiles)

/** The geometry of a gradient by its dy and the image's size among the attributes. */
function gradientGeometry(name: string, dy: Shape, attrs: Attrs): Geometry {
  const [height, width] = pair(name, attrs, 'image')
  const g = geometry(name, [dy[0] ?? 'n', height, width, dy[3] ?? 0], attrs)
  checkGradient(name, g, dy)
  return g
}

function checkGradient(name: string, g: Geometry, dy: Shape): void {
  const want = outputOf(g)
  if (dy.length !== 4 || want.some((d, i) => d !== dy[i])) throw new ShapeError(message(name, `a gradient of ${formatShape(want)}`, formatShape(dy)))
}

export const maxPool2dOp: Op = {
  name: 'maxPool2d',
  infer: (ins, attrs) => [{ shape: outputOf(geometry('maxPool2d', operand('maxPool2d', ins, 0).shape, attrs)), dtype: 'f32' }],
  lower(ctx) {
    const g = geometry('maxPool2d', ctx.in(0).shape, ctx.attrs)
    ctx.call('f32_max_pool', { x: ctx.in(0), y: ctx.out(0), ...wordsOf(g) }, { tiles: tilesEach(g, g.y.out), writes: ['y'] })
  },
  vjp: /* @__PURE__ */ rule1((dy, x, _, attrs) => apply1(maxPool2dGradOp, [x, dy], attrs)),
}

/** With `relu: true` (`fuse` says it), what reluGrad of the same x makes of that. */
export const maxPool2dGradOp: Op = {
  name: 'maxPool2dGrad',
  infer(ins, attrs) {
    const g = geometry('maxPool2dGrad', operand('maxPool2dGrad', ins, 0).shape, attrs)
    checkGradient('maxPool2dGrad', g, operand('maxPool2dGrad', ins, 1).shape)
    return [{ shape: imageOf(g), dtype: 'f32' }]
  },
  lower(ctx) {
    const g = geometry('maxPool2dGrad', ctx.in(0).shape, ctx.attrs)
    const relu = ctx.attrs['relu'] === true ? 1 : 0
    ctx.call('f32_max_pool_grad', { x: ctx.in(0), dy: ctx.in(1), dx: ctx.out(0), relu, ...wordsOf(g) }, { tiles: tilesEach(g, Math.ceil(g.y.size / POOL_ROWS)), writes: ['dx'] })
  },
}

export const averagePool2dOp: Op = {
  name: 'averagePool2d',
  infer: (ins, attrs) => [{ shape: outputOf(geometry('averagePool2d', operand('averagePool2d', ins, 0).shape, attrs)), dtype: 'f32' }],
  lower(ctx) {
    const g = geometry('averagePool2d', ctx.in(0).shape, ctx.attrs)
    ctx.call('f32_average_pool', { x: ctx.in(0), y: ctx.out(0), ...wordsOf(g) }, { tiles: tilesEach(g, g.y.out), writes: ['y'] })
  },
  vjp: /* @__PURE__ */ rule1((dy, x, _, attrs) => apply1(averagePool2dGradOp, [dy], { ...attrs, image: x.shape.slice(1, 3).map(Number) })),
}

export const averagePool2dGradOp: Op = {
  name: 'averagePool2dGrad',
  infer: (ins, attrs) => [{ shape: imageOf(gradientGeometry('averagePool2dGrad', operand('averagePool2dGrad', ins, 0).shape, attrs)), dtype: 'f32' }],
  lower(ctx) {
    const g = gradientGeometry('averagePool2dGrad', ctx.in(0).shape, ctx.attrs)
    ctx.call('f32_average_pool_grad', { dy: ctx.in(0), dx: ctx.out(0), ...wordsOf(g) }, { tiles: tilesEach(g, g.y.size), writes: ['dx'] })
  },
  // Averages are linear: the gradient of their gradient is the pooling itself.
  vjp: /* @__PURE__ */ rule1((g, _, __, { image: _image, ...attrs }) => apply1(averagePool2dOp, [g], attrs)),
}

const attrsOf = ({ poolSize, strides, padding }: PoolOptions): Attrs => ({ poolSize: [...poolSize], strides: [...strides], padding })

/** The largest of each window of images [n, height, width, channels]. Its gradient goes to the first largest in row-major order. */
export const maxPool2d = (x: Value, options: PoolOptions): Value => apply1(maxPool2dOp, [x], attrsOf(options))
/** The mean of each window of images [n, height, width, channels], over the pixels that lie within the image. */
export const averagePool2d = (x: Value, options: PoolOptions): Value => apply1(averagePool2dOp, [x], attrsOf(options))
