// Convolutions of images [n, height, width, channels].
import { message, ShapeError } from '../../core/errors.js'
import { checkCount } from '../../core/options.js'
import { count, flag, readOptions, word, type Read } from '../../core/readers.js'
import { formatShape } from '../../core/shape.js'
import type { Value } from '../../compiler/graph/value.js'
import { add } from '../../compiler/ops/binary.js'
import { conv2d as conv2dOp } from '../../compiler/ops/conv.js'
import { reshape } from '../../compiler/ops/shapes.js'
import { activationOption, type Activation } from '../activations.js'
import type { Initializer } from '../initializers.js'
import type { Constraint } from '../constraints.js'
import { layer, type Layer, type LayerContext, type LayerOptions } from '../layer.js'
import { layerOptions, pair, weightOptions } from '../options.js'
import type { Regularizer } from '../regularizers.js'

/** One number for both, or [down, across]. */
export type Pair = number | readonly [number, number]

interface SharedOptions extends LayerOptions {
  /** pixels from one output to the next, ≥ 1 (default 1) */
  readonly strides?: Pair
  /** 'valid': the kernel stays within the image; 'same': zeros around it, so that the output has ⌈size / stride⌉ pixels, the odd one at the end (default 'valid') */
  readonly padding?: 'valid' | 'same'
  /** pixels from one row or column of the kernel to the next, ≥ 1 (default 1; Keras' `dilation_rate`) */
  readonly dilation?: Pair
  /** applied to the output (default 'linear') */
  readonly activation?: Activation
  /** is a bias added? (default true) */
  readonly useBias?: boolean
  /** first values of the bias (default 'zeros') */
  readonly biasInitializer?: Initializer
  /** penalty on the bias (default none) */
  readonly biasRegularizer?: Regularizer
  /** first values of the kernel (default 'glorotUniform') */
  readonly kernelInitializer?: Initializer
  /** penalty on the kernel (default none) */
  readonly kernelRegularizer?: Regularizer
  /** what the kernel must satisfy after each update (default nothing) */
  readonly kernelConstraint?: Constraint
  /** what the bias must satisfy after each update (default nothing) */
  readonly biasConstraint?: Constraint
}

/** Options of {@link conv2d}. */
export interface Conv2dOptions extends SharedOptions {
  /** channels and filters are cut into as many groups, each of which sees its own; divides both (default 1) */
  readonly groups?: number
}

/** Options of {@link depthwiseConv2d}. */
export interface DepthwiseConv2dOptions extends SharedOptions {
  /** filters of each channel, ≥ 1 (default 1) */
  readonly depthMultiplier?: number
}

const shared = () => ({
  strides: pair(1), padding: word(['valid', 'same'], 'valid'), dilation: pair(1), activation: activationOption(), useBias: flag(true),
  ...weightOptions('kernel', 'glorotUniform'), ...weightOptions('bias', 'zeros'), ...layerOptions,
})
type Shared = Read<ReturnType<typeof shared>>

/** Zeros before and after: as many as the last of ⌈size / stride⌉ outputs reaches over, the odd one after. */
function same(size: number, kernel: number, stride: number, dilation: number): readonly [number, number] {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + (kernel - 1) * dilation + 1 - size, 0)
  return [Math.floor(total / 2), total - Math.floor(total / 2)]
}

/** What a kernel is for images of `channels` channels: its weight, that weight as the op takes it, its filters and groups. */
interface Kernel { readonly w: Value; readonly filters: number; readonly groups: number }

/** Builds the layer from what its kernel is. */
function convolution(kind: string, kernelSize: Pair, given: Shared, kernelOf: (channels: number, size: readonly [number, number], where: string, param: LayerContext['param']) => Kernel): Layer {
  const size = pair()(`${kind}: kernelSize`, kernelSize)
  const { strides, dilation, padding } = given
  return layer(kind, given, (x, { param }) => {
    const where = given.name ?? kind
    const [, height, width, channels] = x.shape
    if (x.shape.length !== 4 || typeof height !== 'number' || typeof width !== 'number' || typeof channels !== 'number') {
      throw new ShapeError(message(where, 'images [n, height, width, channels]', formatShape(x.shape), 'Put reshape([height, width, 1]) before it where there is no dimension of channels.'))
    }
    const { w, filters, groups } = kernelOf(channels, size, where, param)
    const pads = padding === 'valid' ? [0, 0, 0, 0] as const : [...same(height, size[0], strides[0], dilation[0]), ...same(width, size[1], strides[1], dilation[1])] as const
    const y = conv2dOp(x, w, { strides, dilation, pads, groups })
    // Keras takes the fans of a bias of `filters` elements to be equal.
    return given.activation(given.useBias ? add(y, param('bias', [filters], given.biasInitializer({ fanIn: filters, fanOut: filters }), given.biasRegularizer, given.biasConstraint)) : y)
  })
}

/**
 * activation(x * kernel + bias), as Keras' `Conv2D` (PyTorch keeps images as [n, channels, height, width], its kernel as [filters, channels, rows, columns]).
 *
 * @param filters - channels of the output, ≥ 1
 * @param kernelSize - rows and columns of the kernel, ≥ 1
 * @returns a layer from [n, height, width, channels] to [n, height', width', filters], with weights `kernel` [rows, columns, channels / groups, filters]
 * and `bias` [filters]; height' = ⌈height / stride⌉ for 'same', else ⌊(height − (rows − 1)·dilation − 1) / stride⌋ + 1
 * @throws TypeError, RangeError for wrong options; ShapeError when the input is no image, is smaller than the kernel, or does not divide into the groups
 * @example
 * const model = sequential([conv2d(16, 3, { padding: 'same', activation: 'relu' }), flatten(), dense(10)], { input: [28, 28, 1] })
 */
export function conv2d(filters: number, kernelSize: Pair, options: Conv2dOptions = {}): Layer {
  checkCount('conv2d: filters', filters)
  const given = readOptions('conv2d', options, { ...shared(), groups: count(1) }), { groups } = given
  if (filters % groups !== 0) throw new RangeError(message('conv2d.groups', `a number that divides ${filters} filters`, String(groups)))
  return convolution('conv2d', kernelSize, given, (channels, [rows, columns], where, param) => {
    if (channels % groups !== 0) throw new ShapeError(message(where, `channels that ${groups} groups divide`, String(channels)))
    // Inputs and outputs of one unit: the receptive field times channels (of a group) and filters, as in Keras.
    const fans = { fanIn: rows * columns * (channels / groups), fanOut: rows * columns * filters }
    return { w: param('kernel', [rows, columns, channels / groups, filters], given.kernelInitializer(fans), given.kernelRegularizer, given.kernelConstraint), filters, groups }
  })
}

/**
 * A convolution of each channel for itself, as Keras' `DepthwiseConv2D`: output c·depthMultiplier + m is that of channel c and its kernel m.
 *
 * @param kernelSize - rows and columns of the kernel, ≥ 1
 * @returns a layer from [n, height, width, channels] to [n, height', width', channels·depthMultiplier], with weights `kernel`
 * [rows, columns, channels, depthMultiplier] and `bias` [channels·depthMultiplier]
 * @throws TypeError, RangeError for wrong options; ShapeError when the input is no image or is smaller than the kernel
 * @example
 * const model = sequential([depthwiseConv2d(3, { padding: 'same' }), conv2d(32, 1, { activation: 'relu' })], { input: [14, 14, 16] })
 */
export function depthwiseConv2d(kernelSize: Pair, options: DepthwiseConv2dOptions = {}): Layer {
  const given = readOptions('depthwiseConv2d', options, { ...shared(), depthMultiplier: count(1) }), multiplier = given.depthMultiplier
  return convolution('depthwiseConv2d', kernelSize, given, (channels, [rows, columns], _, param) => {
    const filters = channels * multiplier
    // Keras reads the fans off the weight's shape, as of a convolution from `channels` to `depthMultiplier`.
    const fans = { fanIn: rows * columns * channels, fanOut: rows * columns * multiplier }
    const w = param('kernel', [rows, columns, channels, multiplier], given.kernelInitializer(fans), given.kernelRegularizer, given.kernelConstraint)
    return { w: reshape(w, [rows, columns, 1, filters]), filters, groups: channels }
  })
}
