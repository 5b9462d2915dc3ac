// From values per element to one per sample.
import { describe, message, ShapeError } from '../core/errors.js'
import { isBatched } from '../core/shape.js'
import { Value } from '../compiler/graph/value.js'
import { mean } from '../compiler/ops/reduce.js'

/** The mean over all but the samples. */
export function perSampleMean(x: Value): Value {
  return x.shape.length === 1 ? x : mean(x, x.shape.slice(1).map((_, i) => i + 1))
}

/**
 * The mean over all but the samples of what a function of one's own gave.
 *
 * @param where - the loss or metric, for messages
 * @throws TypeError when it is no value, ShapeError when it is not f32 [n, …]
 */
export function ownPerSample(where: string, given: unknown): Value {
  if (!(given instanceof Value)) throw new TypeError(message(where, 'a function that gives a value', describe(given)))
  if (given.dtype !== 'f32' || !isBatched(given.shape)) throw new ShapeError(message(where, 'a function that gives numbers for each sample, f32[n, …]', String(given), isBatched(given.shape) ? '' : 'Do not reduce over the samples.'))
  return perSampleMean(given)
}
