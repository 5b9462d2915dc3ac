// Layers that only rename dimensions.
import { describe, message, ShapeError } from '../../core/errors.js'
import { checkCount, checkOptions } from '../../core/options.js'
import { elements, formatShape } from '../../core/shape.js'
import { reshape as reshapeOp } from '../../compiler/ops/shapes.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'

/**
 * One dimension per sample, in row-major order.
 *
 * @returns a layer from [n, a, b, …] to [n, a·b·…]
 */
export function flatten(options: Pick<LayerOptions, 'name'> = {}): Layer {
  checkOptions('flatten', options, ['name'])
  return layer('flatten', options, (x) => reshapeOp(x, ['n', elements(x.shape)]))
}

/**
 * The elements of each sample in another shape.
 *
 * @param shape - of one sample, without the sample dimension
 * @returns a layer from [n, …] to [n, …shape]
 */
export function reshape(shape: readonly number[], options: Pick<LayerOptions, 'name'> = {}): Layer {
  if (!Array.isArray(shape)) throw new TypeError(message('reshape: shape', 'the shape of one sample, such as [784]', describe(shape)))
  shape.forEach((d: unknown) => checkCount('reshape: shape', d))
  checkOptions('reshape', options, ['name'])
  return layer('reshape', options, (x) => {
    if (elements(x.shape) !== elements(shape)) throw new ShapeError(message(options.name ?? 'reshape', `${elements(shape)} elements a sample for ${formatShape(shape)}`, formatShape(x.shape)))
    return reshapeOp(x, ['n', ...shape])
  })
}
