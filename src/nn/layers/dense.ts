// dense: the fully connected layer.
import { message, ShapeError } from '../../core/errors.js'
import { checkCount } from '../../core/options.js'
import { flag, readOptions } from '../../core/readers.js'
import { formatShape } from '../../core/shape.js'
import { add } from '../../compiler/ops/binary.js'
import { matmul } from '../../compiler/ops/matmul.js'
import { activationOption, type Activation } from '../activations.js'
import type { Initializer } from '../initializers.js'
import type { Constraint } from '../constraints.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'
import { layerOptions, weightOptions } from '../options.js'
import type { Regularizer } from '../regularizers.js'

/** Options of {@link dense}. */
export interface DenseOptions extends LayerOptions {
  /** applied to the output (default 'linear') */
  readonly activation?: Activation
  /** is a bias added? (default true) */
  readonly useBias?: boolean
  /** first values of the kernel (default 'glorotUniform') */
  readonly kernelInitializer?: Initializer
  /** first values of the bias (default 'zeros') */
  readonly biasInitializer?: Initializer
  /** penalty on the kernel (default none) */
  readonly kernelRegularizer?: Regularizer
  /** penalty on the bias (default none) */
  readonly biasRegularizer?: Regularizer
  /** what the kernel must satisfy after each update (default nothing) */
  readonly kernelConstraint?: Constraint
  /** what the bias must satisfy after each update (default nothing) */
  readonly biasConstraint?: Constraint
}

/**
 * activation(x·kernel + bias) over the last dimension, as Keras' `Dense` (PyTorch's `Linear` keeps its weight as [out, in]).
 *
 * @param units - outputs per sample, ≥ 1
 * @returns a layer from [n, …, d] to [n, …, units], with weights `kernel` [d, units] and `bias` [units]
 * @throws TypeError, RangeError for wrong options; ShapeError when the input's last dimension is not a number
 * @example
 * const model = sequential([dense(64, { activation: 'relu' }), dense(10)], { input: [784] })
 */
export function dense(units: number, options: DenseOptions = {}): Layer {
  checkCount('dense: units', units)
  const given = readOptions('dense', options, { activation: activationOption(), useBias: flag(true), ...weightOptions('kernel', 'glorotUniform'), ...weightOptions('bias', 'zeros'), ...layerOptions })
  return layer('dense', given, (x, { param }) => {
    const fanIn = x.shape[x.shape.length - 1]
    if (x.shape.length < 2 || fanIn === undefined || fanIn === 'n') throw new ShapeError(message(given.name ?? 'dense', 'an input of [n, …, features]', formatShape(x.shape)))
    const fans = { fanIn, fanOut: units }
    const y = matmul(x, param('kernel', [fanIn, units], given.kernelInitializer(fans), given.kernelRegularizer, given.kernelConstraint))
    return given.activation(given.useBias ? add(y, param('bias', [units], given.biasInitializer(fans), given.biasRegularizer, given.biasConstraint)) : y)
  })
}
