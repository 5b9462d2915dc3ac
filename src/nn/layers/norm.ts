// batchNormalization: each channel with mean 0 and variance 1 over the batch.
import { message, ShapeError } from '../../core/errors.js'
import { checkFlag, checkNumber, checkOptions } from '../../core/options.js'
import { formatShape, type Shape } from '../../core/shape.js'
import type { Value } from '../../compiler/graph/value.js'
import { add, div, mul, sub } from '../../compiler/ops/binary.js'
import { mean } from '../../compiler/ops/reduce.js'
import { reshape } from '../../compiler/ops/shapes.js'
import { affine, reciprocal, sqrt, square } from '../../compiler/ops/unary.js'
import { initializer, type Initializer } from '../initializers.js'
import { checkConstraint, type Constraint } from '../constraints.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'
import { checkRegularizer, type Regularizer } from '../regularizers.js'

/** Options of {@link batchNormalization}. */
export interface BatchNormalizationOptions extends LayerOptions {
  /** the dimension that keeps statistics of its own, negative from the end (default −1) */
  readonly axis?: number
  /** how slowly the moving statistics follow, 0 to 1 (default 0.99) */
  readonly momentum?: number
  /** added to the variance, > 0 (default 0.001) */
  readonly epsilon?: number
  /** is `beta` added? (default true) */
  readonly center?: boolean
  /** is `gamma` multiplied? (default true) */
  readonly scale?: boolean
  /** first values of beta (default 'zeros') */
  readonly betaInitializer?: Initializer
  /** first values of gamma (default 'ones') */
  readonly gammaInitializer?: Initializer
  /** penalty on beta (default none) */
  readonly betaRegularizer?: Regularizer
  /** penalty on gamma (default none) */
  readonly gammaRegularizer?: Regularizer
  /** what beta must satisfy after each update (default nothing) */
  readonly betaConstraint?: Constraint
  /** what gamma must satisfy after each update (default nothing) */
  readonly gammaConstraint?: Constraint
}

const NAMES = ['axis', 'momentum', 'epsilon', 'center', 'scale', 'betaInitializer', 'gammaInitializer', 'betaRegularizer', 'gammaRegularizer', 'betaConstraint', 'gammaConstraint', 'name', 'trainable']

/**
 * gamma·(x − mean) / √(variance + epsilon) + beta, channel by channel, as Keras' `BatchNormalization` (Ioffe, Szegedy: Batch normalization, 2015).
 *
 * While training, mean and (biased) variance are those of the shard's batch; each step moves `movingMean` and `movingVariance` towards them,
 * by moving·momentum + statistic·(1 − momentum). Prediction, evaluation, and a layer that is not trainable or frozen, use the moving ones.
 *
 * @param options - `axis`, `momentum`, `epsilon`, `center`, `scale`, initializers, regularizers, constraints
 * @returns a layer from [n, …] to the same shape, with weights `gamma`, `beta`, `movingMean` and `movingVariance`, one number a channel
 * @throws TypeError, RangeError for wrong options; ShapeError when the axis is not one of the input's, or that of the samples
 * @example
 * const model = sequential([dense(64), batchNormalization(), activation('relu'), dense(10)], { input: [784] })
 */
export function batchNormalization(options: BatchNormalizationOptions = {}): Layer {
  checkOptions('batchNormalization', options, NAMES)
  const given = checkNumber('batchNormalization: axis', options.axis ?? -1, { integer: true })
  const momentum = checkNumber('batchNormalization: momentum', options.momentum ?? 0.99, { min: 0, max: 1 })
  const epsilon = checkNumber('batchNormalization: epsilon', options.epsilon ?? 1e-3, { above: 0 })
  const center = checkFlag('batchNormalization: center', options.center ?? true)
  const scale = checkFlag('batchNormalization: scale', options.scale ?? true)
  const gammaInit = initializer('batchNormalization: gammaInitializer', options.gammaInitializer, 'ones')
  const betaInit = initializer('batchNormalization: betaInitializer', options.betaInitializer, 'zeros')
  const gammaRegularizer = checkRegularizer('batchNormalization: gammaRegularizer', options.gammaRegularizer)
  const betaRegularizer = checkRegularizer('batchNormalization: betaRegularizer', options.betaRegularizer)
  const gammaConstraint = checkConstraint('batchNormalization: gammaConstraint', options.gammaConstraint)
  const betaConstraint = checkConstraint('batchNormalization: betaConstraint', options.betaConstraint)
  return layer('batchNormalization', options, (x, { param, average }) => {
    const axis = given < 0 ? given + x.shape.length : given
    const channels = x.shape[axis]
    if (axis < 1 || channels === undefined || channels === 'n') {
      throw new ShapeError(message(options.name ?? 'batchNormalization', `an input whose axis ${given} holds channels`, formatShape(x.shape)))
    }
    const others = x.shape.flatMap((_, i) => (i === axis ? [] : [i]))
    const spread: Shape = [channels, ...x.shape.slice(axis + 1).map(() => 1)]
    /** one number a channel, in a shape that broadcasts along the axis */
    const along = (v: Value): Value => (spread.length === 1 ? v : reshape(v, spread))
    const fans = { fanIn: channels, fanOut: channels }
    const centred = sub(x, along(average('movingMean', mean(x, others), { kind: 'constant', value: 0 }, momentum)))
    const variance = average('movingVariance', mean(square(centred), others), { kind: 'constant', value: 1 }, momentum)
    const deviation = sqrt(affine(variance, 1, epsilon))
    const factor = scale ? div(param('gamma', [channels], gammaInit(fans), gammaRegularizer, gammaConstraint), deviation) : reciprocal(deviation)
    const y = mul(centred, along(factor))
    return center ? add(y, along(param('beta', [channels], betaInit(fans), betaRegularizer, betaConstraint))) : y
  })
}
