// 2-D convolution of images [n, height, width, channels] with a kernel [rows, columns, channels / groups, filters], and its two gradients.
// The three are one trilinear form Σ x·w·dy, seen from each of its sides, so the gradients of each are the other two. `fuse` gives the
// convolution a bias and an activation: after gradients, whose rules need not know of them.
import { NO_ACTIVATION, unaryCode, type UnaryName } from '../../core/codes.js'
import { ShapeError } from '../../core/errors.js'
import { formatShape, sameShape, type Dim, type Shape } from '../../core/shape.js'
import { CONV_COLUMNS, CONV_KERNEL_COLUMNS, CONV_KERNEL_ROWS, CONV_KERNEL_SMALL, CONV_MANY, CONV_ROWS, CONV_TALL, DEPTHWISE_CHANNELS, DEPTHWISE_PIXELS, DEPTHWISE_TAPS, KB, KC, PANEL } from '../kernels.js'
import { apply1, type Op, type Value } from '../graph/value.js'
import type { Attrs, Type } from '../type.js'
import { sizeAt, sizeOf, tilesOf, type LowerContext, type View } from '../program.js'
import { rule2 } from '../rule.js'
import { byBlocks, FEW } from './blocks.js'
import { operand } from './types.js'

/** Down, across. */
type Pair = readonly [number, number]

/** All sizes of a convolution. Channels and filters are those of all groups. */
interface Geometry {
  readonly images: Dim
  readonly image: Pair
  readonly kernel: Pair
  readonly out: Pair
  readonly channels: number
  readonly filters: number
  readonly strides: Pair
  /** pixels from one row or column of the kernel to the next */
  readonly dilation: Pair
  /** zeros above and at the left of the image */
  readonly before: Pair
  readonly groups: number
}

/** Whole numbers among the attributes. */
function whole(op: string, attrs: Attrs, name: string, length: number, min: number): readonly number[] {
  const list = attrs[name]
  if (!Array.isArray(list) || list.length !== length || !list.every((v: unknown) => Number.isInteger(v) && Number(v) >= min)) {
    throw new ShapeError(`${op}: expected ${length} whole numbers ≥ ${min} for ${name}, got ${Array.isArray(list) ? formatShape(list) : typeof list}`)
  }
  return list.map(Number)
}
function pair(op: string, attrs: Attrs, name: string): Pair {
  const [down = 1, across = 1] = whole(op, attrs, name, 2, 1)
  return [down, across]
}

/** The four dimensions of images or of a kernel: only the first may be n. */
function four(op: string, what: string, { shape }: Type): readonly [Dim, number, number, number] {
  const [first, a, b, c] = shape
  if (shape.length !== 4 || first === undefined || typeof a !== 'number' || typeof b !== 'number' || typeof c !== 'number') {
    throw new ShapeError(`${op}: expected ${what}, got ${formatShape(shape)}`)
  }
  return [first, a, b, c]
}
const IMAGES = 'images [n, height, width, channels]'
const KERNEL = 'a kernel [rows, columns, channels / groups, filters]'

function geometry(op: string, attrs: Attrs, sizes: Pick<Geometry, 'images' | 'image' | 'kernel' | 'channels' | 'filters'>, kernelChannels: number): Geometry {
  const { image, kernel, channels, filters } = sizes
  const [strides, dilation] = [pair(op, attrs, 'strides'), pair(op, attrs, 'dilation')]
  const [top = 0, bottom = 0, left = 0, right = 0] = whole(op, attrs, 'pads', 4, 0)
  const groups = Number(attrs['groups'])
  if (!(Number.isInteger(groups) && groups >= 1)) throw new ShapeError(`${op}: expected a number of groups ≥ 1, got ${String(attrs['groups'])}`)
  if (!(kernel[0] >= 1 && kernel[1] >= 1)) throw new ShapeError(`${op}: expected a kernel of at least one pixel, got ${formatShape(kernel)}`)
  if (channels < 1 || channels % groups !== 0) throw new ShapeError(`${op}: expected channels that ${groups} groups divide, got ${channels}`)
  if (filters < 1 || filters % groups !== 0) throw new ShapeError(`${op}: expected filters that ${groups} groups divide, got ${filters}`)
  if (kernelChannels !== channels / groups) throw new ShapeError(`${op}: expected a kernel of ${channels / groups} channels for ${channels} in ${groups} group${groups === 1 ? '' : 's'}, got ${kernelChannels}`)
  const along = (i: 0 | 1, pads: number): number => {
    const [reach, size] = [(kernel[i] - 1) * dilation[i] + 1, image[i] + pads]
    if (image[i] < 1 || size < reach) throw new ShapeError(`${op}: expected images of at least ${reach} pixels ${i === 0 ? 'down' : 'across'} for a kernel of ${formatShape(kernel)}${dilation[i] === 1 ? '' : `, dilated by ${dilation[i]}`}, got ${size}. Use padding 'same' or a smaller kernel.`)
    return Math.floor((size - reach) / strides[i]) + 1
  }
  return { ...sizes, strides, dilation, groups, before: [top, left], out: [along(0, top + bottom), along(1, left + right)] }
}

const imagesShape = ({ images, out, filters }: Geometry): Shape => [images, ...out, filters]

function forwardGeometry(ins: readonly Type[], attrs: Attrs): Geometry {
  const [images, height, width, channels] = four('conv2d', IMAGES, operand('conv2d', ins, 0))
  const [rows, columns, perGroup, filters] = four('conv2d', KERNEL, operand('conv2d', ins, 1))
  if (rows === 'n') throw new ShapeError(`conv2d: expected ${KERNEL}, got one for each sample`)
  return geometry('conv2d', attrs, { images, image: [height, width], kernel: [rows, columns], channels, filters }, perGroup)
}

function inputGeometry(ins: readonly Type[], attrs: Attrs): Geometry {
  const dy = operand('conv2dInput', ins, 0)
  const [images] = four('conv2dInput', IMAGES, dy)
  const [rows, columns, perGroup, filters] = four('conv2dInput', KERNEL, operand('conv2dInput', ins, 1))
  if (rows === 'n') throw new ShapeError(`conv2dInput: expected ${KERNEL}, got one for each sample`)
  const g = geometry('conv2dInput', attrs, { images, image: pair('conv2dInput', attrs, 'size'), kernel: [rows, columns], channels: perGroup * Number(attrs['groups']), filters }, perGroup)
  if (!sameShape(imagesShape(g), dy.shape)) throw new ShapeError(`conv2dInput: expected a gradient of shape ${formatShape(imagesShape(g))}, got ${formatShape(dy.shape)}`)
  return g
}

function kernelGeometry(ins: readonly Type[], attrs: Attrs): Geometry {
  const [x, dy] = [operand('conv2dKernel', ins, 0), operand('conv2dKernel', ins, 1)]
  const [images, height, width, channels] = four('conv2dKernel', IMAGES, x)
  const [, , , filters] = four('conv2dKernel', IMAGES, dy)
  const g = geometry('conv2dKernel', attrs, { images, image: [height, width], kernel: pair('conv2dKernel', attrs, 'size'), channels, filters }, channels / Number(attrs['groups']))
  if (!sameShape(imagesShape(g), dy.shape)) throw new ShapeError(`conv2dKernel: expected a gradient of shape ${formatShape(imagesShape(g))}, got ${formatShape(dy.shape)}`)
  return g
}

/** Images in memory as a kernel passes over them. */
interface Frame { readonly view: View; readonly size: Pair; readonly channels: number }

/**
 * The part of `x` that is used, with zeros around it and, where it is dilated, between its pixels: a copy, if it is not `x` as it is.
 *
 * @param size - of the result, if it is a copy
 * @param before - zeros above and at the left; negative where rows or columns are left out
 * @param step - from one pixel of `x` to the next
 */
function framed(ctx: LowerContext, x: View, size: Pair, before: Pair, step: Pair): Frame {
  const [images, height, width, channels] = four('conv2d', IMAGES, x)
  if (before[0] === 0 && before[1] === 0 && step[0] === 1 && step[1] === 1 && size[0] <= height && size[1] <= width) return { view: x, size: [height, width], channels }
  const view = ctx.temp([images, ...size, channels], 'f32')
  ctx.call('f32_pad', { x, y: view, height, width, channels, rows: size[0], columns: size[1], top: before[0], left: before[1], rowStep: step[0], columnStep: step[1], images: sizeOf([images]) },
    { tiles: sizeOf([images, size[0]]), writes: ['y'] })
  return { view, size, channels }
}

/** A walk in three levels: its sizes, and its steps in bytes. */
interface Walk { readonly inner: number; readonly mid: number; readonly step: number; readonly midStep: number; readonly outerStep: number }

/** From where the kernel stands on one pixel of the output to the next, row by row, image by image. */
const pixels = ({ size: [height, width], channels }: Frame, out: Pair, strides: Pair): Walk =>
  ({ inner: out[1], mid: out[0], step: strides[1] * channels * 4, midStep: strides[0] * width * channels * 4, outerStep: height * width * channels * 4 })

/** Bytes on the image from one row of a kernel to the next, and from one of its columns to the next. */
const reaches = ({ size: [, width], channels }: Frame, dilation: Pair) => ({ down: dilation[0] * width * channels * 4, across: dilation[1] * channels * 4 })

/** From one element of a kernel to the next, as they lie on the image: a kernel's row is contiguous there unless it is dilated, or of one group among several. */
function taps(x: Frame, kernel: Pair, dilation: Pair, groups: number): Walk {
  const { channels } = x
  const { down, across } = reaches(x, dilation)
  if (groups === 1 && (dilation[1] === 1 || kernel[1] === 1)) return { inner: kernel[1] * channels, mid: kernel[0], step: 4, midStep: down, outerStep: 0 }
  return { inner: channels / groups, mid: kernel[1], step: 4, midStep: across, outerStep: down }
}

const rowWords = ({ inner, mid, step, midStep, outerStep }: Walk) => ({ rowInner: inner, rowMid: mid, rowStep: step, rowMidStep: midStep, rowOuterStep: outerStep })

/** How a kernel is packed: bytes from one tap to the next, from one of its inner terms to the next, from one column of B to the next, from one group to the next. */
interface Packing { readonly w: View; readonly tapStep: number; readonly step: number; readonly column: number; readonly groupStep: number }

/** y = act(x * w + bias): what both the convolution and its gradient by the input are. */
function correlate(ctx: LowerContext, x: Frame, y: View, { out, kernel, strides, dilation, groups }: Pick<Geometry, 'out' | 'kernel' | 'strides' | 'dilation' | 'groups'>, packing: Packing, bias?: View): void {
  const [images, , , filters] = four('conv2d', IMAGES, y)
  const [inner, n] = [x.channels / groups, filters / groups]
  const k = kernel[0] * kernel[1] * inner
  const m = sizeOf([images, ...out])
  const activation = ctx.attrs['activation']
  const end = { activation: typeof activation === 'string' ? unaryCode[activation as UnaryName] : NO_ACTIVATION, alpha: { f32: Number(ctx.attrs['alpha'] ?? 0) } }
  if (inner === 1 && n === 1 && groups > 1 && k <= KC) {
    ctx.call('f32_depthwise', {
      x: x.view, w: packing.w, y, bias: bias ?? 0, m, channels: x.channels, ...pixels(x, out, strides), rows: kernel[0], columns: kernel[1], ...reaches(x, dilation),
      tapStep: packing.tapStep, ...end,
    }, { tiles: tilesOf(m, DEPTHWISE_PIXELS), writes: ['y'] })
    return
  }
  const tileRows = sizeAt(m, ctx.capacity) >= CONV_MANY ? CONV_TALL : CONV_ROWS
  const panels = Math.ceil(n / PANEL)
  const packed = ctx.temp([groups, panels * PANEL, k], 'f32')
  ctx.call('f32_pack_conv', { ...packing, out: packed, taps: kernel[0] * kernel[1], inner, n, groups }, { tiles: groups * panels, writes: ['out'] })
  ctx.call('f32_conv', {
    a: x.view, b: packed, c: y, bias: bias ?? 0, m, n, k, ...rowWords(pixels(x, out, strides)), ...taps(x, kernel, dilation, groups),
    bStep: PANEL * 4, bPanel: k * PANEL * 4, bWidth: 0, cRow: filters * 4, groups, aGroup: inner * 4, bGroup: panels * k * PANEL * 4, cGroup: n * 4,
    tileRows, tileColumns: CONV_COLUMNS, ...end, cBlock: 0,
  }, { tiles: tilesOf(m, tileRows, groups * Math.ceil(n / CONV_COLUMNS)), writes: ['c'] })
}

/** Pixels that a kernel reaches over, down and across, from the first output to the last. */
const reach = ({ out, kernel, strides, dilation }: Geometry): Pair =>
  [(out[0] - 1) * strides[0] + (kernel[0] - 1) * dilation[0] + 1, (out[1] - 1) * strides[1] + (kernel[1] - 1) * dilation[1] + 1]

export const conv2dOp: Op = {
  name: 'conv2d',
  infer(ins, attrs) {
    const g = forwardGeometry(ins, attrs)
    if (ins.length > 2 && !sameShape(operand('conv2d', ins, 2).shape, [g.filters])) throw new ShapeError(`conv2d: expected a bias of shape [${g.filters}], got ${formatShape(operand('conv2d', ins, 2).shape)}`)
    return [{ shape: imagesShape(g), dtype: 'f32' }]
  },
  lower(ctx) {
    const g = forwardGeometry(ctx.ins, ctx.attrs)
    const x = framed(ctx, ctx.in(0), reach(g), g.before, [1, 1])
    const { filters, groups, channels } = g
    correlate(ctx, x, ctx.out(0), g, { w: ctx.in(1), tapStep: (channels / groups) * filters * 4, step: filters * 4, column: 4, groupStep: (filters / groups) * 4 }, ctx.ins[2])
  },
  vjp: /* @__PURE__ */ rule2((dy, x, w, _, attrs) => convInput(attrs, dy, w, x.shape), (dy, x, w, _, attrs) => convKernel(attrs, x, dy, w.shape)),
}

export const conv2dInputOp: Op = {
  name: 'conv2dInput',
  infer(ins, attrs) {
    const { images, image, channels } = inputGeometry(ins, attrs)
    return [{ shape: [images, ...image, channels], dtype: 'f32' }]
  },
  lower(ctx) {
    // dx(h) = Σ dy(r)·w(i) over h = r·stride + i·dilation − before: a convolution of dy, its pixels `stride` apart, with the kernel turned about.
    const g = inputGeometry(ctx.ins, ctx.attrs)
    const { image, kernel, dilation, groups, filters, channels } = g
    const over: Pair = [(kernel[0] - 1) * dilation[0], (kernel[1] - 1) * dilation[1]]
    const dy = framed(ctx, ctx.in(0), [image[0] + over[0], image[1] + over[1]], [over[0] - g.before[0], over[1] - g.before[1]], g.strides)
    const tap = (channels / groups) * filters * 4
    const w = ctx.in(1)
    const last: View = { ...w, offset: w.offset + (kernel[0] * kernel[1] - 1) * tap }
    correlate(ctx, dy, ctx.out(0), { out: image, kernel, strides: [1, 1], dilation, groups }, { w: last, tapStep: -tap, step: 4, column: filters * 4, groupStep: (filters / groups) * 4 })
  },
  // dx of (dy, w): g has the shape of x.
  vjp: /* @__PURE__ */ rule2((g, _, w, __, attrs) => conv(attrs, g, w), (g, dy, w, _, attrs) => convKernel(attrs, g, dy, w.shape)),
}

/** Rows of a tile, at most so many, in fours, so that tiles are about equal. */
const evenly = (rows: number, most: number): number => Math.ceil(rows / Math.ceil(rows / most) / 4) * 4

export const conv2dKernelOp: Op = {
  name: 'conv2dKernel',
  infer(ins, attrs) {
    const { kernel, channels, groups, filters } = kernelGeometry(ins, attrs)
    return [{ shape: [...kernel, channels / groups, filters], dtype: 'f32' }]
  },
  lower(ctx) {
    const g = kernelGeometry(ctx.ins, ctx.attrs)
    const { images, out, kernel, strides, dilation, groups, filters, channels } = g
    const x = framed(ctx, ctx.in(0), reach(g), g.before, [1, 1])
    const k = sizeOf([images, ...out])
    const [m, n] = [kernel[0] * kernel[1] * (channels / groups), filters / groups]
    if (groups === channels && n === 1 && channels >= DEPTHWISE_CHANNELS && m <= DEPTHWISE_TAPS && m * channels <= FEW) {
      const { c, cBlock, tiles, finish } = byBlocks(ctx, ctx.out(0), k, Math.ceil(channels / DEPTHWISE_CHANNELS))
      ctx.call('f32_depthwise_kernel', {
        x: x.view, dy: ctx.in(1), dw: c, k, channels, ...pixels(x, out, strides), rows: kernel[0], columns: kernel[1], ...reaches(x, dilation), cBlock,
      }, { tiles, writes: ['dw'] })
      finish()
      return
    }
    // dy is read in place: it is as large as the output of the convolution, and read but a few times. Rows of less than a panel are widened.
    let dy = ctx.in(1)
    if (filters < PANEL) {
      const wide = ctx.temp([images, ...out, PANEL], 'f32')
      ctx.call('f32_pack_b', { b: dy, out: wide, k, n: filters, bStep: filters * 4, bColumn: 4 }, { tiles: 1, writes: ['out'] })
      dy = wide
    }
    const bWidth = Math.max(filters, PANEL)
    // Blocks make tiles enough; otherwise small tiles do.
    const long = sizeAt(k, ctx.capacity) > KB
    const tileColumns = long ? CONV_KERNEL_COLUMNS : CONV_KERNEL_SMALL
    const tileRows = long ? evenly(m, CONV_KERNEL_ROWS) : CONV_KERNEL_SMALL
    const { c, cBlock, tiles, finish } = byBlocks(ctx, ctx.out(0), k, Math.ceil(m / tileRows) * groups * Math.ceil(n / tileColumns))
    ctx.call('f32_conv', {
      a: x.view, b: dy, c, bias: 0, m, n, k, ...rowWords(taps(x, kernel, dilation, groups)), ...pixels(x, out, strides),
      bStep: bWidth * 4, bPanel: PANEL * 4, bWidth, cRow: filters * 4, groups, aGroup: (channels / groups) * 4, bGroup: n * 4, cGroup: n * 4,
      tileRows, tileColumns, activation: NO_ACTIVATION, alpha: { f32: 0 }, cBlock,
    }, { tiles, writes: ['c'] })
    finish()
  },
  // dw of (x, dy): g has the shape of w.
  vjp: /* @__PURE__ */ rule2((g, x, dy, _, attrs) => convInput(attrs, dy, g, x.shape), (g, x, _, __, attrs) => conv(attrs, x, g)),
}

export interface ConvOptions {
  /** pixels from one output to the next, down and across (default [1, 1]) */
  readonly strides?: Pair
  /** pixels from one row or column of the kernel to the next (default [1, 1]) */
  readonly dilation?: Pair
  /** zeros around the image: top, bottom, left, right (default none) */
  readonly pads?: readonly [number, number, number, number]
  /** channels and filters are cut into as many groups, each of which sees its own (default 1) */
  readonly groups?: number
}

/**
 * The convolution (without turning the kernel about, as everywhere in this field) of images with a kernel, in the order of summation of
 * law 3: over kernel rows, columns and channels, as the product of the image's patches with the kernel.
 *
 * @param x - [n, height, width, channels]
 * @param w - [rows, columns, channels / groups, filters]
 * @returns [n, height', width', filters], where height' = ⌊(height + top + bottom − (rows − 1)·dilation − 1) / stride⌋ + 1
 * @throws ShapeError when the shapes do not fit
 */
export const conv2d = (x: Value, w: Value, { strides = [1, 1], dilation = [1, 1], pads = [0, 0, 0, 0], groups = 1 }: ConvOptions = {}): Value =>
  apply1(conv2dOp, [x, w], { strides, dilation, pads, groups })

/** What the three ops share of their attributes. */
const shared = (attrs: Attrs): Attrs =>
  Object.fromEntries(Object.entries(attrs).filter(([name]) => name === 'strides' || name === 'dilation' || name === 'pads' || name === 'groups'))

/** Height and width of images, or rows and columns of a kernel. */
const sizeAttr = (shape: Shape, from: 0 | 1): readonly number[] => shape.slice(from, from + 2).map(Number)

/** conv2d of the same attributes. */
const conv = (attrs: Attrs, x: Value, w: Value): Value => apply1(conv2dOp, [x, w], shared(attrs))
/** The gradient of conv2d by images of shape `like`. */
const convInput = (attrs: Attrs, dy: Value, w: Value, like: Shape): Value => apply1(conv2dInputOp, [dy, w], { ...shared(attrs), size: sizeAttr(like, 1) })
/** The gradient of conv2d by a kernel of shape `like`. */
const convKernel = (attrs: Attrs, x: Value, dy: Value, like: Shape): Value => apply1(conv2dKernelOp, [x, dy], { ...shared(attrs), size: sizeAttr(like, 0) })
