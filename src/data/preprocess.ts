// Scaling of features: to mean 0 and variance 1 (`standardize`), or to a range (`normalize`). Fitted on the training set, applied to all sets,
// saved as JSON. Sums are f64 in ascending order of the samples, so a fit has the same bits everywhere.
import { describe, FormatError, message, ShapeError } from '../core/errors.js'
import { checkCount, checkNumber, checkOptions } from '../core/options.js'
import { checkShaped, isNumericArray, isShapedData, type NumericArray, type ShapedData } from './arrays.js'

/** A table of numbers: `{ data, shape }` with features last, rows of numbers, or a typed array (then say `features`). */
export type Table = NumericArray | ShapedData | readonly (readonly number[])[]

/** A scaled table: a Float32Array for a typed array, else `{ data, shape }`. */
export type Scaled<T extends Table> = T extends NumericArray ? Float32Array<ArrayBuffer> : { readonly data: Float32Array<ArrayBuffer>; readonly shape: readonly number[] }

/** How a table is measured. */
export interface FitOptions {
  /** how many features take turns in the data: element k belongs to feature k mod features; 1 scales all alike; default the last dimension */
  readonly features?: number
}

/** A fitted transform. */
export interface Scaler {
  /** which transform it is */
  readonly kind: 'standardize' | 'normalize'
  /** how many features take turns in the data */
  readonly features: number
  /** Scales a table; a copy in f32. */
  transform<T extends Table>(x: T): Scaled<T>
  /** Undoes `transform`, up to rounding; a copy in f32. */
  inverse<T extends Table>(x: T): Scaled<T>
  /** Plain data that {@link scalerFromJSON} reads. */
  toJSON(): ScalerJSON
}

/** A fitted {@link standardize} as plain data. */
export interface StandardizeJSON {
  /** which transform it is */
  readonly kind: 'standardize'
  /** [features] */
  readonly mean: readonly number[]
  /** [features], each ≥ 0 */
  readonly variance: readonly number[]
}
/** A fitted {@link normalize} as plain data. */
export interface NormalizeJSON {
  /** which transform it is */
  readonly kind: 'normalize'
  /** [features] */
  readonly min: readonly number[]
  /** [features], each ≥ its `min` */
  readonly max: readonly number[]
  /** [low, high], low < high */
  readonly range: readonly [number, number]
}
/** A fitted transform as plain data. */
export type ScalerJSON = StandardizeJSON | NormalizeJSON

/** A fitted {@link standardize}: (x − mean) / √variance of each feature. */
export interface StandardScaler extends Scaler {
  /** which transform it is */
  readonly kind: 'standardize'
  /** [features] */
  readonly mean: Float64Array<ArrayBuffer>
  /** [features], of the population (divided by n); 0 for a constant feature, which is scaled by 1 */
  readonly variance: Float64Array<ArrayBuffer>
  /** Plain data that {@link scalerFromJSON} reads. */
  toJSON(): StandardizeJSON
}

/** A fitted {@link normalize}: each feature from [min, max] to `range`. */
export interface RangeScaler extends Scaler {
  /** which transform it is */
  readonly kind: 'normalize'
  /** [features] */
  readonly min: Float64Array<ArrayBuffer>
  /** [features]; equal to `min` for a constant feature, which is scaled by 1 */
  readonly max: Float64Array<ArrayBuffer>
  /** what min and max become */
  readonly range: readonly [number, number]
  /** Plain data that {@link scalerFromJSON} reads. */
  toJSON(): NormalizeJSON
}

/** A transform that has not seen data. */
export interface Unfitted<S extends Scaler> {
  /** Measures the features of a table and returns the transform. */
  fit(data: Table, options?: FitOptions): S
}

/**
 * Scales each feature to mean 0 and variance 1: (x − mean) / √variance.
 *
 * @returns `fit(data, { features })`, which measures a table and returns a transform with `transform`, `inverse`, `toJSON`, `mean`, `variance`;
 *   a constant feature becomes 0
 * @throws from `fit`: RangeError for no samples or numbers that are not finite or too large to square, ShapeError for sizes that do not fit
 * @example
 * import { standardize } from 'equigrad/data'
 * const scaler = standardize().fit([[1, 10], [3, 30]])
 * console.log(scaler.transform([[2, 30]]).data) // [0, 1]
 */
export function standardize(): Unfitted<StandardScaler> {
  return {
    fit(data, options) {
      const { values, features, rows } = readTable('standardize: fit', data, options)
      const { min, max } = extremes('standardize: fit', values, features, rows)
      const mean = new Float64Array(features)
      const variance = new Float64Array(features)
      for (let k = 0, f = 0; k < values.length; k++) {
        mean[f] = (mean[f] ?? 0) + (values[k] ?? 0)
        f = f + 1 === features ? 0 : f + 1
      }
      // A constant feature has exactly that mean and no variance, whatever the sum rounded to. Adding 0 makes −0, which JSON loses, +0.
      for (let f = 0; f < features; f++) mean[f] = (min[f] === max[f] ? min[f] ?? 0 : (mean[f] ?? 0) / rows) + 0
      for (let k = 0, f = 0; k < values.length; k++) {
        const d = (values[k] ?? 0) - (mean[f] ?? 0)
        variance[f] = (variance[f] ?? 0) + d * d
        f = f + 1 === features ? 0 : f + 1
      }
      for (let f = 0; f < features; f++) {
        const v = (variance[f] ?? 0) / rows
        if (!Number.isFinite(v)) throw new RangeError(message('standardize: fit', 'a variance within f64', `feature ${f} from ${min[f]} to ${max[f]}`))
        variance[f] = v
      }
      return standardScaler(mean, variance)
    },
  }
}

/**
 * Scales each feature from its smallest and largest value to a range: low + (x − min) / (max − min) · (high − low).
 *
 * @param options - `range`: what min and max become, low < high; default [0, 1]
 * @returns `fit(data, { features })`, which measures a table and returns a transform with `transform`, `inverse`, `toJSON`, `min`, `max`;
 *   a constant feature becomes low
 * @throws TypeError for an unknown option, RangeError for a range that is not low < high; from `fit`: RangeError for no samples or numbers that
 *   are not finite, ShapeError for sizes that do not fit
 * @example
 * import { normalize } from 'equigrad/data'
 * const scaler = normalize().fit([[1, 10], [3, 30]])
 * console.log(scaler.transform([[2, 30]]).data) // [0.5, 1]
 */
export function normalize(options: { readonly range?: readonly [number, number] } = {}): Unfitted<RangeScaler> {
  checkOptions('normalize', options, ['range'])
  const range = checkRange('normalize: range', options.range ?? [0, 1])
  return {
    fit(data, fitOptions) {
      const { values, features, rows } = readTable('normalize: fit', data, fitOptions)
      const { min, max } = extremes('normalize: fit', values, features, rows)
      for (let f = 0; f < features; f++) {
        const spread = (max[f] ?? 0) - (min[f] ?? 0)
        if (!Number.isFinite(spread)) throw new RangeError(message('normalize: fit', 'max - min within f64', `feature ${f} from ${min[f]} to ${max[f]}`))
      }
      return rangeScaler(min, max, range)
    },
  }
}

/**
 * Makes a fitted transform again from what its `toJSON` gave.
 *
 * @param json - the parsed JSON
 * @returns the transform, which scales with the same bits
 * @throws FormatError when it is not such JSON
 * @example
 * import { scalerFromJSON, standardize } from 'equigrad/data'
 * const text = JSON.stringify(standardize().fit([[1], [3]]))
 * console.log(scalerFromJSON(JSON.parse(text)).transform([[3]]).data) // [1]
 */
export function scalerFromJSON(json: unknown): StandardScaler | RangeScaler {
  const where = 'scalerFromJSON'
  if (typeof json !== 'object' || json === null || !('kind' in json)) throw new FormatError(message(where, 'an object with kind', describe(json)))
  const numbers = (name: string): Float64Array<ArrayBuffer> => {
    const list: unknown = Object.entries(json).find(([k]) => k === name)?.[1]
    if (!Array.isArray(list) || list.length === 0 || !list.every((v): v is number => typeof v === 'number' && Number.isFinite(v))) {
      throw new FormatError(message(`${where}: ${name}`, 'a list of finite numbers', describe(list)))
    }
    return Float64Array.from(list)
  }
  if (json.kind === 'standardize') {
    const [mean, variance] = [numbers('mean'), numbers('variance')]
    if (mean.length !== variance.length || variance.some((v) => v < 0)) {
      throw new FormatError(message(where, 'as many variances ≥ 0 as means', `${variance.length} for ${mean.length}`))
    }
    return standardScaler(mean, variance)
  }
  if (json.kind === 'normalize') {
    const [min, max, range] = [numbers('min'), numbers('max'), numbers('range')]
    const [low = 0, high = 0] = range
    if (min.length !== max.length || min.some((v, f) => !(v <= (max[f] ?? 0)) || !Number.isFinite((max[f] ?? 0) - v))) {
      throw new FormatError(message(where, 'as many max ≥ min as min', `${max.length} for ${min.length}`))
    }
    if (range.length !== 2 || !(low < high)) throw new FormatError(message(`${where}: range`, 'low < high', `[${range.join(', ')}]`))
    return rangeScaler(min, max, [low, high])
  }
  throw new FormatError(message(`${where}: kind`, "'standardize' or 'normalize'", describe(json.kind)))
}

function checkRange(where: string, range: readonly [number, number]): readonly [number, number] {
  if (!Array.isArray(range) || range.length !== 2) throw new TypeError(message(where, '[low, high]', describe(range)))
  const low = checkNumber(where, range[0])
  return [low + 0, checkNumber(where, range[1], { above: low }) + 0]
}

function standardScaler(mean: Float64Array<ArrayBuffer>, variance: Float64Array<ArrayBuffer>): StandardScaler {
  const deviation = variance.map((v) => (v === 0 ? 1 : Math.sqrt(v)))
  const { transform, inverse } = elementwise('standardize', mean.length,
    (v, f) => (v - (mean[f] ?? 0)) / (deviation[f] ?? 1),
    (v, f) => v * (deviation[f] ?? 1) + (mean[f] ?? 0))
  return Object.freeze<StandardScaler>({
    kind: 'standardize', features: mean.length, mean, variance, transform, inverse,
    toJSON: () => ({ kind: 'standardize', mean: Array.from(mean), variance: Array.from(variance) }),
  })
}

function rangeScaler(min: Float64Array<ArrayBuffer>, max: Float64Array<ArrayBuffer>, range: readonly [number, number]): RangeScaler {
  const [low, high] = range
  const spread = min.map((v, f) => (max[f] === v ? 1 : (max[f] ?? 0) - v))
  const { transform, inverse } = elementwise('normalize', min.length,
    (v, f) => low + ((v - (min[f] ?? 0)) / (spread[f] ?? 1)) * (high - low),
    (v, f) => ((v - low) / (high - low)) * (spread[f] ?? 1) + (min[f] ?? 0))
  return Object.freeze<RangeScaler>({
    kind: 'normalize', features: min.length, min, max, range, transform, inverse,
    toJSON: () => ({ kind: 'normalize', min: Array.from(min), max: Array.from(max), range }),
  })
}

/** Both directions of a transform from what they do to a value of feature f; computed in f64, rounded once to f32. */
function elementwise(where: string, features: number, forward: (v: number, f: number) => number, backward: (v: number, f: number) => number): Pick<Scaler, 'transform' | 'inverse'> {
  function apply<T extends Table>(name: string, x: T, f: (v: number, f: number) => number): Scaled<T>
  function apply(name: string, x: Table, f: (v: number, f: number) => number): Scaled<NumericArray> | Scaled<ShapedData> {
    const { values, shape } = readTable(`${where}: ${name}`, x, { features })
    const data = new Float32Array(values.length)
    for (let k = 0, j = 0; k < values.length; k++) {
      data[k] = f(values[k] ?? 0, j)
      j = j + 1 === features ? 0 : j + 1
    }
    return shape === undefined ? data : { data, shape }
  }
  return { transform: (x) => apply('transform', x, forward), inverse: (x) => apply('inverse', x, backward) }
}

interface ReadTable { readonly values: NumericArray; readonly features: number; readonly rows: number; readonly shape: readonly number[] | undefined }

/** A table as one array; its features by the option, else by its last dimension. */
function readTable(where: string, table: Table, options: FitOptions = {}): ReadTable {
  checkOptions(where, options, ['features'])
  const said = options.features === undefined ? undefined : checkCount(`${where}: features`, options.features)
  const flat = isNumericArray(table) ? { data: table, shape: undefined } : isShapedData(table) ? table : flattenRows(where, table)
  if (flat.shape !== undefined) checkShaped(where, { data: flat.data, shape: flat.shape })
  const features = said ?? flat.shape?.at(-1)
  if (features === undefined) throw new TypeError(message(where, '{ features } or { data, shape }', 'a typed array alone', 'Say how many features a sample has; 1 scales all alike.'))
  if (features === 0 || flat.data.length % features !== 0) {
    throw new ShapeError(message(where, `a multiple of ${features} features`, `${flat.data.length} elements`))
  }
  return { values: flat.data, features, rows: flat.data.length / features, shape: flat.shape }
}

function flattenRows(where: string, table: readonly (readonly number[])[]): { data: Float64Array; shape: readonly number[] } {
  if (!Array.isArray(table)) throw new TypeError(message(where, 'a typed array, { data, shape } or rows of numbers', describe(table)))
  const width = table[0]?.length ?? 0
  const data = new Float64Array(table.length * width)
  table.forEach((row: unknown, r) => {
    if (!Array.isArray(row)) throw new TypeError(message(`${where}: row ${r}`, 'numbers', describe(row)))
    if (row.length !== width) throw new ShapeError(message(`${where}: row ${r}`, `${width} numbers`, `${row.length}`))
    row.forEach((v: unknown, c) => {
      if (typeof v !== 'number') throw new TypeError(message(`${where}: row ${r}`, 'numbers', describe(v)))
      data[r * width + c] = v
    })
  })
  return { data, shape: [table.length, width] }
}

/** Smallest and largest value of each feature; throws on no samples and on what is not finite. */
function extremes(where: string, values: NumericArray, features: number, rows: number): { min: Float64Array<ArrayBuffer>; max: Float64Array<ArrayBuffer> } {
  if (rows === 0) throw new RangeError(message(where, 'at least one sample', '0'))
  const min = new Float64Array(features)
  const max = new Float64Array(features)
  for (let k = 0, f = 0; k < values.length; k++) {
    // Adding 0 makes −0, which JSON loses, +0.
    const v = (values[k] ?? 0) + 0
    if (!Number.isFinite(v)) throw new RangeError(message(where, 'finite numbers', `${v} at element ${k}`))
    if (k < features || v < (min[f] ?? 0)) min[f] = v
    if (k < features || v > (max[f] ?? 0)) max[f] = v
    f = f + 1 === features ? 0 : f + 1
  }
  return { min, max }
}
