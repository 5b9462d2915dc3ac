// Metrics: one value per sample, in ops; reported as their mean over samples, whose sum is in f64.
import { describe, message } from '../core/errors.js'
import { number, readOptions, type Reader } from '../core/readers.js'
import { constant, type Value } from '../compiler/graph/value.js'
import { equal, greater } from '../compiler/ops/binary.js'
import { argMax, sameIndex } from '../compiler/ops/metric.js'
import { ownPerSample, perSampleMean } from './samples.js'

/** A metric reported under the name `N`. */
export interface Metric<N extends string> {
  /** its key in scores */
  readonly name: N
  /** the metric of each sample [n] */
  build(output: Value, y: Value): Value
}

/** How outputs become classes, and the metric's name. */
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
/**
 * The same under a name of its own.
 *
 * @param options - `name`, `threshold` (default 0.5)
 */
export function accuracy<const N extends string>(options: AccuracyOptions<N> & { readonly name: N }): Metric<N>
export function accuracy(options: AccuracyOptions<string> = {}): Metric<string> {
  const { name, threshold } = accuracyOptions('accuracy', options)
  return {
    name,
    build(output, y) {
      if (y.dtype === 'i32') return perSampleMean(sameIndex(argMax(output), y))
      if (output.shape[output.shape.length - 1] === 1) return binary(output, y, threshold)
      return perSampleMean(sameIndex(argMax(output), argMax(y)))
    },
  }
}

/**
 * A metric of one's own: a function of an output and its labels, built of ops. It is reported as the mean over all samples, with their sum in f64.
 *
 * @param name - under which it is reported; not 'loss'
 * @param perElement - given the output [n, …] and the labels (f32 of the output's shape, or class numbers, i32 [n, …], where the loss takes such),
 * gives f32 [n] or [n, …]; of the latter the mean of each sample is taken
 * @returns a metric for `compile`
 * @throws TypeError for a wrong name or no function; when it is compiled, TypeError or ShapeError for a function that gives something else
 * @example
 * const bias = metric('bias', (output, y) => sub(output, y))
 * sequential([dense(1)], { input: [4] }).compile({ optimizer: adam(), loss: mse(), metrics: [bias] })
 */
export function metric<const N extends string>(name: N, perElement: (output: Value, y: Value) => Value): Metric<N> {
  checkOwn('metric', name, perElement)
  return { name, build: (output, y) => ownPerSample(`metric '${name}'`, perElement(output, y)) }
}

/** Checks what a loss or metric of one's own is made of. */
export function checkOwn(kind: string, name: unknown, perElement: unknown): void {
  checkName(`${kind}: name`, name)
  if (typeof perElement !== 'function') throw new TypeError(message(`${kind} '${name}'`, 'a function of output and labels', describe(perElement)))
}

const checkName: Reader<string> = (where, given) => {
  if (typeof given !== 'string' || given === '') throw new TypeError(message(where, 'a string that is not empty', describe(given)))
  return given
}

const accuracyOptions = (kind: string, options: AccuracyOptions<string>): { readonly name: string; readonly threshold: number } =>
  readOptions(kind, options, { name: (where, given = kind) => checkName(where, given), threshold: number(0.5) })

const binary = (output: Value, y: Value, threshold: number): Value => perSampleMean(equal(greater(output, constant([], 'f32', [threshold])), y))

/**
 * The share of yes/no outputs that are right, each on its own.
 *
 * @param options - `name` (default 'binaryAccuracy'), `threshold` (default 0.5)
 */
export function binaryAccuracy(options?: { readonly threshold?: number }): Metric<'binaryAccuracy'>
/**
 * The same under a name of its own.
 *
 * @param options - `name`, `threshold` (default 0.5)
 */
export function binaryAccuracy<const N extends string>(options: AccuracyOptions<N> & { readonly name: N }): Metric<N>
export function binaryAccuracy(options: AccuracyOptions<string> = {}): Metric<string> {
  const { name, threshold } = accuracyOptions('binaryAccuracy', options)
  return { name, build: (output, y) => binary(output, y, threshold) }
}
