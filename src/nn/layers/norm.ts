// batchNormalization: each channel with mean 0 and variance 1 over the batch.
import { message, ShapeError } from '../../core/errors.js'
import { flag, number, readOptions } from '../../core/readers.js'
import { formatShape, type Shape } from '../../core/shape.js'
import type { Value } from '../../compiler/graph/value.js'
import { add, div, mul, sub } from '../../compiler/ops/binary.js'
import { mean } from '../../compiler/ops/reduce.js'
import { reshape } from '../../compiler/ops/shapes.js'
import { affine, reciprocal, sqrt, square } from '../../compiler/ops/unary.js'
import type { Initializer } from '../initializers.js'
import type { Constraint } from '../constraints.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'
import { layerOptions, weightOptions } from '../options.js'
import type { Regularizer } from '../regularizers.js'

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
  const given = readOptions('batchNormalization', options, {
    axis: number(-1, { integer: true }), momentum: number(0.99, { min: 0, max: 1 }), epsilon: number(1e-3, { above: 0 }), center: flag(true), scale: flag(true),
    ...weightOptions('beta', 'zeros'), ...weightOptions('gamma', 'ones'), ...layerOptions,
  })
  return layer('batchNormalization', given, (x, { param, average }) => {
    const axis = given.axis < 0 ? given.axis + x.shape.length : given.axis
    const channels = x.shape[axis]
    if (axis < 1 || channels === undefined || channels === 'n') {
      throw new ShapeError(message(given.name ?? 'batchNormalization', `an input whose axis ${given.axis} holds channels`, formatShape(x.shape)))
    }
    const others = x.shape.flatMap((_, i) => (i === axis ? [] : [i]))
    const spread: Shape = [channels, ...x.shape.slice(axis + 1).map(() => 1)]
    /** one number a channel, in a shape that broadcasts along the axis */
    const along = (v: Value): Value => (spread.length === 1 ? v : reshape(v, spread))
    const fans = { fanIn: channels, fanOut: channels }
    const centred = sub(x, along(average('movingMean', mean(x, others), { kind: 'constant', value: 0 }, given.momentum)))
    const variance = average('movingVariance', mean(square(centred), others), { kind: 'constant', value: 1 }, given.momentum)
    const deviation = sqrt(affine(variance, 1, given.epsilon))
    const factor = given.scale ? div(param('gamma', [channels], given.gammaInitializer(fans), given.gammaRegularizer, given.gammaConstraint), deviation) : reciprocal(deviation)
    const y = mul(centred, along(factor))
    return given.center ? add(y, along(param('beta', [channels], given.betaInitializer(fans), given.betaRegularizer, given.betaConstraint))) : y
  })
}
