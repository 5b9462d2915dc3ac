// Dividing data into training, validation and test sets, permutations, and one-hot labels.
import { describe, message, ShapeError } from '../core/errors.js'
import { checkCount, checkNumber, checkOptions, checkSeed } from '../core/options.js'
import { permutation, randomKey } from '../core/random.js'
import { checkShaped, copyOf, gatherRows, isNumericArray, isShapedData, type NumericArray, type ShapedData } from './arrays.js'

/** Samples: a typed array, `{ data, shape }` with samples first, or an array with one entry (a number, a string, a row) a sample. */
export type Samples = NumericArray | ShapedData | readonly unknown[]

/** Options of {@link split}. */
export interface SplitOptions {
  /** size of the test set: below 1 a fraction of all samples, from 1 a number of samples; default 0.2 */
  readonly test?: number
  /** size of the validation set, in the same way; default 0: none */
  readonly validation?: number
  /** mix before dividing; else the test set is the end, the validation set before it; default true */
  readonly shuffle?: boolean
  /** of the mixing, a whole number from 0; default 0 */
  readonly seed?: number
  /** give every label (y: one number or string a sample) its share in each part; default false */
  readonly stratify?: boolean
  /** number of samples, where neither x nor y has a shape and y is not one number a sample */
  readonly samples?: number
}

/** Copies of the rows that belong together; a part may be empty (0 samples) when its size is 0. */
export interface Part<X, Y> {
  /** the inputs, in the form and type given */
  readonly x: X
  /** the targets, in the form and type given */
  readonly y: Y
}

/** What {@link split} gives. */
export interface Split<X, Y> {
  /** what is in neither of the others: at least one sample */
  readonly train: Part<X, Y>
  /** 0 samples unless `validation` was asked for */
  readonly validation: Part<X, Y>
  /** 0 samples when `test` is 0 */
  readonly test: Part<X, Y>
}

/**
 * Divides samples and their labels into a training, a validation and a test set.
 *
 * @param x - the inputs: a typed array, `{ data, shape }`, or an array of rows
 * @param y - the targets, as many samples, in any of these forms
 * @param options - `test` (default 0.2), `validation` (default 0), `shuffle` (default true), `seed` (default 0), `stratify` (default false), `samples`
 * @returns `train`, `validation` and `test`, each `{ x, y }`: copies in the form and type given
 * @throws TypeError for a wrong kind or an unknown option, RangeError for sizes that leave no training sample, ShapeError when x and y differ in samples
 * @example
 * import { digits, split } from 'equigrad/data'
 * const { images, labels, shape } = digits({ samples: 1000 })
 * const { train, test } = split({ data: images, shape }, labels, { test: 0.25, stratify: true })
 * console.log(train.x.shape, test.y.length) // [750, 28, 28] 250
 */
export function split<X extends Samples, Y extends Samples>(x: X, y: Y, options?: SplitOptions): Split<X, Y>
export function split(x: Samples, y: Samples, options: SplitOptions = {}): Split<Samples, Samples> {
  checkOptions('split', options, ['test', 'validation', 'shuffle', 'seed', 'stratify', 'samples'])
  const { shuffle = true, stratify = false } = options
  checkFlag('split: shuffle', shuffle)
  checkFlag('split: stratify', stratify)
  const seed = checkSeed('split: seed', options.seed ?? 0)
  const n = sampleCount(x, y, options.samples)
  const test = partSize('split: test', options.test ?? 0.2, n)
  const validation = partSize('split: validation', options.validation ?? 0, n)
  if (test + validation >= n) {
    throw new RangeError(message('split', 'sizes that leave a sample to train on', `test ${test} and validation ${validation} of ${n} samples`))
  }
  const order = shuffle ? permutation(n, randomKey(seed, 'split')) : permuteNothing(n)
  const groups = stratify ? groupByLabel(y, n) : new Int32Array(n)
  const parts = assign(order, groups, test, validation)
  const part = (rows: Int32Array): Part<Samples, Samples> => ({ x: take(x, n, rows), y: take(y, n, rows) })
  return { train: part(parts.train), validation: part(parts.validation), test: part(parts.test) }
}

const checkFlag = (where: string, value: unknown): void => {
  if (typeof value !== 'boolean') throw new TypeError(message(where, 'true or false', describe(value)))
}

const permuteNothing = (n: number): Int32Array => new Int32Array(n).map((_, i) => i)

function partSize(where: string, size: unknown, n: number): number {
  const value = checkNumber(where, size, { min: 0 })
  if (value >= 1) return checkNumber(where, value, { integer: true, max: n })
  const count = Math.floor(value * n + 0.5)
  if (value > 0 && count === 0) throw new RangeError(message(where, 'at least one sample', `${value} of ${n} samples`))
  return count
}

/** Samples by the shapes, else by what was said, else by y as one label a sample. */
function sampleCount(x: Samples, y: Samples, said: number | undefined): number {
  const known: number[] = said === undefined ? [] : [checkCount('split: samples', said)]
  for (const [name, data] of [['x', x], ['y', y]] as const) {
    if (isShapedData(data)) {
      checkShaped(`split: ${name}`, data)
      known.push(data.shape[0] ?? 0)
    } else if (Array.isArray(data)) known.push(data.length)
    else if (!isNumericArray(data)) throw new TypeError(message(`split: ${name}`, 'a typed array, { data, shape } or an array', describe(data)))
  }
  const n = known[0] ?? (isNumericArray(y) ? y.length : 0)
  if (n === 0) throw new RangeError(message('split', 'at least one sample', '0'))
  if (known.some((k) => k !== n)) throw new ShapeError(message('split', 'the same number of samples in x and y', known.join(' and ')))
  for (const [name, data] of [['x', x], ['y', y]] as const) {
    if (isNumericArray(data) && (data.length === 0 || data.length % n !== 0)) {
      throw new ShapeError(message(`split: ${name}`, `a multiple of ${n} elements for ${n} samples`, `${data.length}`, 'Give { data, shape } or samples.'))
    }
  }
  return n
}

/** The group of each sample: labels numbered in the order they first appear. */
function groupByLabel(y: Samples, n: number): Int32Array {
  const labels: ArrayLike<unknown> = isShapedData(y) ? y.data : y
  if (labels.length !== n) throw new ShapeError(message('split: stratify', 'one label a sample', `${labels.length} for ${n}`, 'Pass labels, not one-hot rows.'))
  const numbers = new Map<unknown, number>()
  const groups = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const label = labels[i]
    if (typeof label === 'object') throw new TypeError(message('split: stratify', 'numbers or strings as labels', describe(label), 'Pass labels, not one-hot rows.'))
    const group = numbers.get(label) ?? numbers.size
    numbers.set(label, group)
    groups[i] = group
  }
  return groups
}

/**
 * Shares `total` out in proportion to `sizes`: everyone gets the whole part, the rest goes to the largest remainders (first come first).
 * In whole numbers, so that no rounding decides: total · size stays below 2⁵³ for arrays that exist.
 */
function quotas(sizes: readonly number[], total: number): number[] {
  const all = sizes.reduce((a, b) => a + b, 0)
  if (all === 0) return sizes.map(() => 0)
  const shares = sizes.map((s) => Math.floor((total * s) / all))
  const remainder = sizes.map((s, g) => total * s - (shares[g] ?? 0) * all)
  const byRemainder = sizes.map((_, g) => g).sort((a, b) => (remainder[b] ?? 0) - (remainder[a] ?? 0) || a - b)
  const left = total - shares.reduce((a, b) => a + b, 0)
  for (const g of byRemainder.slice(0, left)) shares[g] = (shares[g] ?? 0) + 1
  return shares
}

/** Rows of each part in the given order: from the end, each group fills its share of the test set, then of the validation set. */
function assign(order: Int32Array, groups: Int32Array, test: number, validation: number): Record<'train' | 'validation' | 'test', Int32Array> {
  const sizes: number[] = []
  for (const g of groups) sizes[g] = (sizes[g] ?? 0) + 1
  const testLeft = quotas(sizes, test)
  const validationLeft = quotas(sizes.map((s, g) => s - (testLeft[g] ?? 0)), validation)
  const parts = { train: new Int32Array(order.length - test - validation), validation: new Int32Array(validation), test: new Int32Array(test) }
  const end = { train: parts.train.length, validation, test }
  for (let k = order.length - 1; k >= 0; k--) {
    const row = order[k] ?? 0
    const g = groups[row] ?? 0
    const toTest = testLeft[g] ?? 0
    const toValidation = validationLeft[g] ?? 0
    const name = toTest > 0 ? 'test' : toValidation > 0 ? 'validation' : 'train'
    if (name === 'test') testLeft[g] = toTest - 1
    else if (name === 'validation') validationLeft[g] = toValidation - 1
    parts[name][--end[name]] = row
  }
  return parts
}

const isList = (data: Samples): data is readonly unknown[] => Array.isArray(data)

function take(data: Samples, n: number, rows: Int32Array): Samples {
  if (isList(data)) return Array.from(rows, (i) => copyEntry(data[i]))
  if (isNumericArray(data)) return gatherRows(data, data.length / n, rows)
  return { data: gatherRows(data.data, data.data.length / n, rows), shape: [rows.length, ...data.shape.slice(1)] }
}

function copyEntry(entry: unknown): unknown {
  if (Array.isArray(entry)) return entry.map(copyEntry)
  return isNumericArray(entry) ? copyOf(entry) : entry
}

/**
 * A random order of 0 … n − 1 (Fisher–Yates with Philox), the same everywhere for a seed.
 *
 * @param n - how many, 1 or more
 * @param seed - a whole number from 0; default 0
 * @returns an Int32Array [n]
 * @throws TypeError or RangeError for arguments that are not such numbers
 * @example
 * import { shuffled } from 'equigrad/data'
 * console.log(shuffled(5, 1)) // the numbers 0 to 4 in another order
 */
export function shuffled(n: number, seed = 0): Int32Array<ArrayBuffer> {
  return permutation(checkCount('shuffled: n', n), randomKey(checkSeed('shuffled: seed', seed), 'shuffle'))
}

/**
 * Turns labels into rows with a one at the label and zeros elsewhere.
 *
 * @param labels - whole numbers from 0 to classes − 1, one a sample
 * @param classes - length of a row; default the largest label + 1
 * @returns `data` [samples · classes] and `shape` [samples, classes]
 * @throws RangeError for a label that is not such a number
 * @example
 * import { oneHot } from 'equigrad/data'
 * console.log(oneHot([0, 2], 3).data) // [1, 0, 0, 0, 0, 1]
 */
export function oneHot(labels: NumericArray | readonly number[], classes?: number): { readonly data: Float32Array<ArrayBuffer>; readonly shape: readonly [number, number] } {
  if (!Array.isArray(labels) && !isNumericArray(labels)) throw new TypeError(message('oneHot: labels', 'an array of whole numbers', describe(labels)))
  let width = classes === undefined ? 0 : checkCount('oneHot: classes', classes)
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]
    const max = classes === undefined ? 0x7ffffffe : classes - 1
    if (typeof label !== 'number' || !Number.isInteger(label) || label < 0 || label > max) {
      throw new RangeError(message(`oneHot: labels[${i}]`, `a whole number from 0 to ${max}`, describe(label)))
    }
    if (classes === undefined && label >= width) width = label + 1
  }
  const n = labels.length
  if (width === 0) throw new RangeError(message('oneHot', 'at least one label, or classes', 'none'))
  const data = new Float32Array(n * width)
  for (let i = 0; i < n; i++) data[i * width + (labels[i] ?? 0)] = 1
  return { data, shape: [n, width] }
}
