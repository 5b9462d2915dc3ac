// Pooling layers over images [n, height, width, channels].
import { message, ShapeError } from '../../core/errors.js'
import { checkOptions } from '../../core/options.js'
import { optional, readOptions, word } from '../../core/readers.js'
import { formatShape } from '../../core/shape.js'
import type { Value } from '../../compiler/graph/value.js'
import { averagePool2d as averagePool2dOp, maxPool2d as maxPool2dOp, type Padding, type PoolOptions } from '../../compiler/ops/pool.js'
import { mean } from '../../compiler/ops/reduce.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'
import { layerOptions, pair } from '../options.js'

/** Options of {@link maxPool2d} and {@link averagePool2d}. */
export interface Pool2dOptions extends Pick<LayerOptions, 'name'> {
  /** rows and columns of a window, or one number for both (default 2) */
  readonly poolSize?: number | readonly [number, number]
  /** rows and columns from one window to the next (default `poolSize`) */
  readonly strides?: number | readonly [number, number]
  /** 'valid': windows within the image; 'same': ⌈size / stride⌉ windows, what lies outside counts for nothing (default 'valid') */
  readonly padding?: Padding
}

function pool(kind: 'maxPool2d' | 'averagePool2d', options: Pool2dOptions, op: (x: Value, options: PoolOptions) => Value): Layer {
  const { poolSize, strides = poolSize, padding } = readOptions(kind, options, { poolSize: pair(2), strides: optional(pair()), padding: word<Padding>(['valid', 'same'], 'valid'), name: layerOptions.name })
  return layer(kind, options, (x) => op(x, { poolSize, strides, padding }))
}

/**
 * The largest value of each window, channel by channel, as Keras' `MaxPooling2D`. Its gradient goes to the first largest in row-major order.
 *
 * @returns a layer from [n, height, width, channels] to [n, rows, columns, channels]
 * @throws ShapeError for inputs that are no images, or smaller than a window (padding 'valid')
 * @example
 * const model = sequential([maxPool2d({ poolSize: 2 }), flatten(), dense(10)], { input: [28, 28, 1] })
 */
export const maxPool2d = (options: Pool2dOptions = {}): Layer => pool('maxPool2d', options, maxPool2dOp)

/**
 * The mean of each window, channel by channel, as Keras' `AveragePooling2D`: what lies outside the image is left out of the mean.
 *
 * @returns a layer from [n, height, width, channels] to [n, rows, columns, channels]
 * @throws ShapeError for inputs that are no images, or smaller than a window (padding 'valid')
 */
export const averagePool2d = (options: Pool2dOptions = {}): Layer => pool('averagePool2d', options, averagePool2dOp)

/**
 * The mean of each channel over the whole image, as Keras' `GlobalAveragePooling2D`.
 *
 * @returns a layer from [n, height, width, channels] to [n, channels]
 * @throws ShapeError for inputs that are no images
 */
export function globalAveragePool2d(options: Pick<LayerOptions, 'name'> = {}): Layer {
  checkOptions('globalAveragePool2d', options, ['name'])
  return layer('globalAveragePool2d', options, (x) => {
    if (x.shape.length !== 4) throw new ShapeError(message(options.name ?? 'globalAveragePool2d', 'images [n, height, width, channels]', formatShape(x.shape)))
    return mean(x, [1, 2])
  })
}
