// Data as users pass it, as rows of numbers in their own element type. What can be refused is refused here, before anything has changed.
import { describe, message, ShapeError } from '../core/errors.js'
import { checkRecord } from '../core/options.js'
import { arrayOf, elements, formatShape, type DType, type Shape } from '../core/shape.js'
import type { InputSpec } from '../compiler/graph/value.js'

/** Nested arrays of numbers, as deep as the shape. */
export type Nested = readonly number[] | readonly Nested[]
/** The typed arrays that data comes in. */
export type Typed = Float32Array | Float64Array | Uint8Array | Int32Array
/** Numbers for an input or output: typed arrays (the number of samples follows from the shape), nested arrays, or both parts given. */
export type Dense = Typed | Nested | { readonly data: Typed; readonly shape: readonly number[] }

/** Samples one after the other, in one typed array. */
export interface Rows {
  readonly data: Typed
  readonly dtype: DType
  readonly rows: number
  /** elements of one sample */
  readonly width: number
}

/** What of an input's spec data must fit. */
type DataSpec = Pick<InputSpec, 'classes'> & Partial<InputSpec>

const dtypeOf = (data: unknown): DType | undefined => (['f32', 'f64', 'i32', 'u8'] as const).find((dtype) => data instanceof arrayOf[dtype])
const isTyped = (data: unknown): data is Typed => dtypeOf(data) !== undefined

const isDense = (data: unknown): data is { readonly data: Typed; readonly shape: readonly number[] } =>
  typeof data === 'object' && data !== null && 'data' in data && 'shape' in data && isTyped(data.data) && Array.isArray(data.shape)

const FORMS = 'a Float32Array, Float64Array, Int32Array, Uint8Array, nested arrays of numbers, or { data, shape }'

/**
 * Reads data for an input of a shape.
 *
 * @param where - what the data is, for messages
 * @param shape - of the input, with `n` in front
 * @param unchecked - leaves f32 numbers that may not be finite to the caller and {@link checkFinite}
 */
export function toRows(where: string, data: unknown, shape: Shape, spec: DataSpec, unchecked = false): Rows {
  const width = elements(shape)
  const typed = isTyped(data) ? data : isDense(data) ? checked(where, data, shape) : Array.isArray(data) ? flat(where, data, shape, spec) : undefined
  if (typed === undefined) throw new TypeError(message(where, FORMS, describe(data)))
  if (typed.length === 0) throw new RangeError(message(where, 'at least one sample', 'none'))
  if (typed.length % width !== 0) throw new ShapeError(message(where, `a multiple of ${width} numbers, samples of ${formatShape(shape.slice(1))}`, `${typed.length}`))
  const rows: Rows = { data: typed, dtype: dtypeOf(typed) ?? 'f32', rows: typed.length / width, width }
  if (spec.classes !== null) checkClasses(where, rows, spec.classes)
  else if (rows.dtype === 'f64' || (typed instanceof Float32Array && !unchecked && !allFinite(typed))) checkFinite(where, rows, 0, rows.rows)
  return rows
}

function checked(where: string, given: { readonly data: Typed; readonly shape: readonly number[] }, shape: Shape): Typed {
  const product = given.shape.reduce((a, b) => a * b, 1)
  if (given.shape.some((d) => !Number.isInteger(d) || d < 0) || product !== given.data.length) throw new ShapeError(message(where, `${product} numbers for the shape ${formatShape(given.shape)}`, `${given.data.length}`))
  if (elements(given.shape.slice(1)) !== elements(shape)) throw new ShapeError(message(where, `a shape of ${formatShape(shape)}`, formatShape(given.shape)))
  return given.data
}

/** Nested arrays, flattened: class numbers to i32, others to f64, so that no digit is lost before the kernel converts them. */
function flat(where: string, data: readonly unknown[], shape: Shape, spec: DataSpec): Typed {
  const out: number[] = []
  const visit = (level: unknown, depth: number, path: string): void => {
    if (Array.isArray(level)) {
      const wanted = depth === 0 ? undefined : shape[depth]
      if (depth >= shape.length) throw new ShapeError(message(`${where}${path}`, 'a number', 'an array', `Samples are ${formatShape(shape.slice(1))}.`))
      if (wanted !== undefined && level.length !== wanted) throw new ShapeError(message(`${where}${path}`, `${wanted} entries`, `${level.length}`))
      // not forEach: it would skip holes
      for (let i = 0; i < level.length; i++) visit(level[i], depth + 1, `${path}[${i}]`)
    } else if (typeof level === 'number') {
      if (depth !== shape.length && !(depth === 1 && elements(shape) === 1)) throw new ShapeError(message(`${where}${path}`, `an array (samples are ${formatShape(shape.slice(1))})`, 'a number'))
      out.push(level)
    } else throw new TypeError(message(`${where}${path}`, 'a number', describe(level)))
  }
  visit(data, 0, '')
  if (spec.classes === null) return Float64Array.from(out)
  const wrong = out.findIndex((x) => !Number.isInteger(x) || Math.abs(x) > 0x7fffffff)
  if (wrong >= 0) throw new RangeError(message(`${where}[${wrong}]`, 'a whole number', describe(out[wrong])))
  return Int32Array.from(out)
}

/** Are all finite? Four chains, of which none waits for a comparison: 0·x is 0 for these and NaN for others. */
function allFinite(data: Float32Array): boolean {
  let [a, b, c, d] = [0, 0, 0, 0]
  const whole = data.length & ~3
  for (let i = 0; i < whole; i += 4) {
    a += (data[i] ?? 0) * 0
    b += (data[i + 1] ?? 0) * 0
    c += (data[i + 2] ?? 0) * 0
    d += (data[i + 3] ?? 0) * 0
  }
  for (let i = whole; i < data.length; i++) a += (data[i] ?? 0) * 0
  return a + b + c + d === 0
}

const sampleAt = (where: string, i: number, width: number): string => (width === 1 ? `${where}[${i}]` : `${where}, sample ${Math.floor(i / width)}`)

function checkClasses(where: string, { data, dtype, width }: Rows, classes: number): void {
  if (dtype !== 'i32' && dtype !== 'u8') throw new TypeError(message(where, 'whole numbers (Int32Array, Uint8Array, or plain ones)', describe(data), 'For one-hot labels use categoricalCrossentropy.'))
  for (let i = 0; i < data.length; i++) {
    const label = data[i] ?? 0
    if (label < 0 || label >= classes) throw new RangeError(message(sampleAt(where, i, width), `a whole number from 0 to ${classes - 1}`, String(label)))
  }
}

/** Throws for the first number of rows [from, to) that is not finite as f32, which the kernels compute in: 1e39 is infinite there. */
export function checkFinite(where: string, { data, width }: Rows, from: number, to: number): void {
  for (let i = from * width; i < to * width; i++) {
    const x = Math.fround(data[i] ?? 0)
    if (x - x !== 0) throw new RangeError(message(sampleAt(where, i, width), 'finite numbers', String(data[i]), 'Remove or replace missing values first.'))
  }
}

/** The rows of some samples, in order: a view where they follow one another. */
export function sliceRows({ data, dtype, width }: Rows, from: number, to: number): Rows {
  return { data: data.subarray(from * width, to * width), dtype, rows: to - from, width }
}

/** The element types of data, by name. */
export const dtypesOf = (data: ReadonlyMap<string, Rows>): Map<string, DType> => new Map([...data].map(([name, { dtype }]) => [name, dtype]))

/** The bytes of rows. */
export const bytesOf = ({ data }: Rows): Uint8Array => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)

/** The entries of a record, of which none may have another name. @param what - they are, for messages */
export function namedOnly(where: string, what: string, given: unknown, names: readonly string[]): Readonly<Record<string, unknown>> {
  const record = checkRecord(where, given)
  for (const name of Object.keys(record)) if (!names.includes(name)) throw new TypeError(message(where, `${what} ${names.join(', ')}`, `'${name}'`))
  return record
}

/** Throws unless all have as many samples. */
export function sameCount(where: string, data: ReadonlyMap<string, Rows>): number {
  let first: { readonly name: string; readonly rows: number } | undefined
  for (const [name, { rows }] of data) {
    if (first === undefined) first = { name, rows }
    else if (rows !== first.rows) throw new ShapeError(message(where, `as many samples everywhere: ${first.rows} in '${first.name}'`, `${rows} in '${name}'`))
  }
  return first?.rows ?? 0
}
