// Metrics: one value per sample, in ops; reported as their mean over samples, whose sum is in f64.
import { describe, message } from '../core/errors.js'
import { checkNumber, checkOptions } from '../core/options.js'
import { constant, type Value } from '../compiler/graph/value.js'
import { equal, greater } from '../compiler/ops/binary.js'
import { argMax, sameIndex } from '../compiler/ops/metric.js'
import { perSampleMean } from './samples.js'

/** A metric reported under the name `N`. */
export interface Metric<N extends string> {
  readonly name: N
  /** the metric of each sample [n] */
  build(output: Value, y: Value): Value
}

export interface AccuracyOptions<N extends string> {
  /** reported under this name (default 'accuracy') */
  readonly name?: N
  /** yes above this, for binary outputs (default 0.5) */
  readonly threshold?: number
}

/**
 * The share of samples that are classified rightly. Which accuracy it is follows from the labels, as in Keras' `'accuracy'`: class numbers
 * (sparse), one yes/no output (binary, above `threshold`), else a distribution (categorical).
 *
 * @example
 * model.compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
 */
export function accuracy(options?: { readonly threshold?: number }): Metric<'accuracy'>
export function accuracy<const N extends string>(options: AccuracyOptions<N> & { readonly name: N }): Metric<N>
export function accuracy(options: AccuracyOptions<string> = {}): Metric<string> {
  checkOptions('accuracy', options, ['name', 'threshold'])
  const threshold = checkNumber('accuracy.threshold', options.threshold ?? 0.5)
  return {
    name: nameOf('accuracy', options.name),
    build(output, y) {
      if (y.dtype === 'i32') return perSampleMean(sameIndex(argMax(output), y))
      if (output.shape[output.shape.length - 1] === 1) return binary(output, y, threshold)
      return perSampleMean(sameIndex(argMax(output), argMax(y)))
    },
  }
}

function nameOf(kind: string, given: string | undefined): string {
  if (given !== undefined && (typeof given !== 'string' || given === '')) throw new TypeError(message(`${kind}.name`, 'a string that is not empty', describe(given)))
  return given ?? kind
}

const binary = (output: Value, y: Value, threshold: number): Value => perSampleMean(equal(greater(output, constant([], 'f32', [threshold])), y))

/**
 * The share of yes/no outputs that are right, each on its own.
 *
 * @param options - `name` (default 'binaryAccuracy'), `threshold` (default 0.5)
 */
export function binaryAccuracy(options?: { readonly threshold?: number }): Metric<'binaryAccuracy'>
export function binaryAccuracy<const N extends string>(options: AccuracyOptions<N> & { readonly name: N }): Metric<N>
export function binaryAccuracy(options: AccuracyOptions<string> = {}): Metric<string> {
  checkOptions('binaryAccuracy', options, ['name', 'threshold'])
  const threshold = checkNumber('binaryAccuracy.threshold', options.threshold ?? 0.5)
  return { name: nameOf('binaryAccuracy', options.name), build: (output, y) => binary(output, y, threshold) }
}
