// The safetensors container (https://github.com/huggingface/safetensors, "Format"): tensors by name, and a table of strings.
//
//   ┌ u64 LE ┬ JSON, padded with spaces ──────────────────────────────────────────────────┬ bytes ──────────────┐
//   │ length │ {"__metadata__":{…},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},…} │ one tensor after another │
//   └────────┴──────────────────────────────────────────────────────────────────────────────┴───────────────────────────┘
//
// What is refused: anything that two readers could understand differently. Duplicate keys, holes, overlaps, bytes that no tensor owns, offsets
// that disagree with shape and dtype, anything in an entry that the format does not name.
import { describe, FormatError, message, ShapeError } from '../core/errors.js'
import { arrayOf, dtypeBytes, type DType } from '../core/shape.js'

/** A tensor as a file holds it: its elements in row-major order. */
export type FileTensor =
  | { readonly dtype: 'f32'; readonly shape: readonly number[]; readonly data: Float32Array }
  | { readonly dtype: 'f64'; readonly shape: readonly number[]; readonly data: Float64Array }
  | { readonly dtype: 'i32'; readonly shape: readonly number[]; readonly data: Int32Array }
  | { readonly dtype: 'u8'; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly dtype: 'i8'; readonly shape: readonly number[]; readonly data: Int8Array }

/** What a file holds. */
export interface Safetensors {
  readonly tensors: Readonly<Record<string, FileTensor>>
  readonly metadata: Readonly<Record<string, string>>
}

const METADATA = '__metadata__'
/** The reference implementation's limit, in bytes. */
const MAX_HEADER = 100_000_000
/** Element types in the order of their data: larger alignment first, so that every tensor is aligned without holes; then as the reference ranks them. In a file they are in capitals. */
const DTYPES: readonly DType[] = ['f64', 'f32', 'i32', 'i8', 'u8']

// ---- writing -------------------------------------------------------------------------------------------------------------------

/**
 * Writes tensors and strings as one safetensors file. The same content gives the same bytes, in whatever order it was put together.
 *
 * @param tensors - by name: `dtype` ('f32', 'f64', 'i32', 'u8' or 'i8'), `shape`, and `data`, the typed array of that dtype in row-major order
 * @param metadata - strings by name; default none
 * @returns the file's bytes; NaNs are written as 7fc00000 and 7ff8000000000000, since their bits differ by platform
 * @throws TypeError for a wrong kind of value, RangeError for a name or shape that a file cannot hold, ShapeError when data and shape differ in size
 * @example
 * import { decodeSafetensors, encodeSafetensors } from './safetensors.js'
 * const bytes = encodeSafetensors({ bias: { dtype: 'f32', shape: [2], data: new Float32Array([1, 2]) } }, { made: 'here' })
 * console.log(decodeSafetensors(bytes).tensors.bias?.data) // [1, 2]
 */
export function encodeSafetensors(tensors: Readonly<Record<string, FileTensor>>, metadata: Readonly<Record<string, string>> = {}): Uint8Array<ArrayBuffer> {
  for (const [name, tensor] of Object.entries(tensors)) checkTensor(name, tensor)
  const entries = Object.entries(tensors).sort(([a, ta], [b, tb]) => DTYPES.indexOf(ta.dtype) - DTYPES.indexOf(tb.dtype) || byCodePoint(a, b))
  const fields: string[] = []
  const strings = Object.entries(metadata).sort(([a], [b]) => byCodePoint(a, b))
  for (const [key, value] of strings) checkText('metadata', key, value)
  if (strings.length > 0) fields.push(`"${METADATA}":{${strings.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`)
  let offset = 0
  for (const [name, tensor] of entries) {
    const end = offset + tensor.data.byteLength
    fields.push(`${JSON.stringify(name)}:{"dtype":"${tensor.dtype.toUpperCase()}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${end}]}`)
    offset = end
  }
  const json = new TextEncoder().encode(`{${fields.join(',')}}`)
  const headerBytes = Math.ceil(json.length / 8) * 8
  if (headerBytes > MAX_HEADER) throw new RangeError(message('encodeSafetensors', `a header of at most ${MAX_HEADER} bytes`, `${headerBytes}`))
  const out = new Uint8Array(8 + headerBytes + offset)
  const view = new DataView(out.buffer)
  view.setUint32(0, headerBytes, true)
  out.fill(0x20, 8, 8 + headerBytes)
  out.set(json, 8)
  let at = 8 + headerBytes
  for (const [, tensor] of entries) {
    writeData(view, at, tensor)
    at += tensor.data.byteLength
  }
  return out
}

function writeData(view: DataView, at: number, { dtype, data }: FileTensor): void {
  const bytes = new Uint8Array(view.buffer, at, data.byteLength)
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
  littleEndian(bytes, dtype)
  if (dtype === 'f32') data.forEach((v, k) => { if (v !== v) view.setUint32(at + 4 * k, 0x7fc00000, true) })
  if (dtype === 'f64') data.forEach((v, k) => { if (v !== v) view.setBigUint64(at + 8 * k, 0x7ff8000000000000n, true) })
}

/** The host's typed arrays are little-endian, as files are, on all that runs JavaScript today; elsewhere elements are turned round. */
function littleEndian(bytes: Uint8Array, dtype: DType): void {
  if (new Uint8Array(Uint16Array.of(1).buffer)[0] === 1) return
  for (let at = 0; at < bytes.length; at += dtypeBytes[dtype]) bytes.subarray(at, at + dtypeBytes[dtype]).reverse()
}

const codePoints = (text: string): number[] => Array.from(text, (c) => c.codePointAt(0) ?? 0)
/** Compares by code points, which is the order of UTF-8 bytes and of the reference's strings, but not of UTF-16. */
function byCodePoint(a: string, b: string): number {
  const left = codePoints(a), right = codePoints(b)
  const at = left.findIndex((c, i) => c !== right[i])
  return at < 0 ? left.length - right.length : (left[at] ?? 0) - (right[at] ?? -1)
}

/** Half of a surrogate pair: UTF-8 cannot say it. */
const loneSurrogate = /[\ud800-\udfff]/u

function checkText(what: string, key: string, value: unknown): void {
  if (typeof value !== 'string') throw new TypeError(message(`encodeSafetensors: ${what} ${describe(key)}`, 'a string', describe(value)))
  if (loneSurrogate.test(key) || loneSurrogate.test(value)) throw new RangeError(message(`encodeSafetensors: ${what} ${describe(key)}`, 'well-formed Unicode', 'a lone surrogate'))
}

function checkTensor(name: string, tensor: FileTensor): void {
  const where = `encodeSafetensors: tensor ${describe(name)}`
  checkText('tensor', name, '')
  if (typeof tensor !== 'object' || tensor === null || !Array.isArray(tensor.shape)) throw new TypeError(message(where, '{ dtype, shape, data }', describe(tensor)))
  if (name === METADATA) throw new RangeError(message(where, `another name than ${METADATA}`, 'it', 'The format keeps it for the strings.'))
  const { dtype, shape, data } = tensor
  if (!DTYPES.includes(dtype) || !(data instanceof arrayOf[dtype])) throw new TypeError(message(where, "dtype 'f32', 'f64', 'i32', 'u8' or 'i8' and its typed array", `${describe(dtype)} and ${describe(data)}`))
  const count = product(shape)
  if (count === undefined) throw new RangeError(message(where, 'a shape of whole numbers from 0, whose product is below 2^53', `[${shape.join(', ')}]`))
  if (count !== data.length) throw new ShapeError(message(where, `${count} elements for shape [${shape.join(', ')}]`, describe(data)))
}

/** Elements of a shape; undefined when a dimension is not a whole number, or on the way to the product 2⁵³ is passed. */
function product(shape: readonly number[]): number | undefined {
  let count = 1
  for (const d of shape) {
    if (!Number.isSafeInteger(d) || d < 0) return undefined
    count *= d
    if (count > Number.MAX_SAFE_INTEGER) return undefined
  }
  return count
}

// ---- reading -------------------------------------------------------------------------------------------------------------------

/**
 * Reads a safetensors file.
 *
 * @param bytes - the whole file
 * @returns `tensors` by name, in the order of their data, each `{ dtype, shape, data }` with a copy of its elements, and `metadata`, strings by name
 * @throws FormatError, with the byte where it showed where one can be named, for whatever is not exactly such a file or holds another dtype than F32, F64, I32, U8, I8
 * @example
 * import { decodeSafetensors } from './safetensors.js'
 * import { readFileSync } from 'node:fs'
 * const { tensors, metadata } = decodeSafetensors(readFileSync('model.safetensors'))
 * console.log(Object.keys(tensors), metadata)
 */
export function decodeSafetensors(bytes: Uint8Array): Safetensors {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(message('decodeSafetensors', 'a Uint8Array', describe(bytes)))
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (bytes.length < 8) throw bad('8 bytes of header length', `${bytes.length} bytes`, 0, 'The file is truncated.')
  const headerBytes = view.getUint32(0, true) + view.getUint32(4, true) * 4294967296
  if (headerBytes > MAX_HEADER) throw bad(`a header of at most ${MAX_HEADER} bytes`, `${headerBytes}`, 0, 'Is this a safetensors file?')
  const start = 8 + headerBytes
  if (bytes.length < start) throw bad(`${headerBytes} bytes of header`, `${bytes.length - 8}`, bytes.length, 'The file is truncated.')
  const { [METADATA]: metadata = {}, ...entries } = readHeader(bytes.subarray(8, start))
  if (!isRecord(metadata)) throw bad(`an object for ${describe(METADATA)}`, describe(metadata))
  for (const [key, value] of Object.entries(metadata)) if (!isText(key) || !isText(value)) throw bad(`well-formed strings as metadata ${describe(key)}`, describe(value))
  const infos = Object.entries(entries).map(([name, entry]) => readInfo(name, entry))
  infos.sort((a, b) => a.begin - b.begin || a.end - b.end)
  let end = 0
  for (const info of infos) {
    if (info.begin !== end) throw bad(`tensor ${describe(info.name)} to begin at byte ${end} of the data`, `${info.begin}`, start + end, info.begin < end ? 'Tensors overlap.' : 'There is a hole.')
    end = info.end
  }
  if (bytes.length - start < end) throw bad(`${end} bytes of data`, `${bytes.length - start}`, bytes.length, 'The file is truncated.')
  if (bytes.length - start > end) throw bad(`${end} bytes of data`, `${bytes.length - start}`, start + end, 'There are bytes after the end.')
  // fromEntries defines own properties: a tensor may be called __proto__.
  return {
    tensors: Object.fromEntries(infos.map((info) => [info.name, readData(view, start, info)])),
    metadata: metadata as Readonly<Record<string, string>>,
  }
}

const bad = (expected: string, got: string, offset?: number, remedy?: string): FormatError =>
  new FormatError(message('decodeSafetensors', expected, got, remedy), offset)

/** begin and end count from the first byte after the header. */
interface TensorInfo { readonly name: string; readonly dtype: DType; readonly shape: readonly number[]; readonly begin: number; readonly end: number }

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isText = (value: unknown): value is string => typeof value === 'string' && !loneSurrogate.test(value)
const isNumbers = (value: unknown): value is readonly number[] => Array.isArray(value) && value.every((v) => typeof v === 'number')

function readInfo(name: string, entry: unknown): TensorInfo {
  const title = `tensor ${describe(name)}`
  if (!isText(name)) throw bad('names of well-formed Unicode', describe(name))
  if (!isRecord(entry)) throw bad(`an object for ${title}`, describe(entry))
  const { dtype: type, shape, data_offsets: offsets, ...rest } = entry
  for (const key of Object.keys(rest)) throw bad(`dtype, shape and data_offsets in ${title}`, describe(key))
  const dtype = DTYPES.find((d) => d.toUpperCase() === type)
  if (dtype === undefined) throw bad(`dtype F32, F64, I32, U8 or I8 of ${title}`, describe(type), undefined, 'Convert the file to F32.')
  if (!isNumbers(shape)) throw bad(`a list of whole numbers for the shape of ${title}`, describe(shape))
  const [begin = 0, end = 0] = isNumbers(offsets) ? offsets : []
  if (!isNumbers(offsets) || offsets.length !== 2 || begin > end) throw bad(`data_offsets [begin, end] of ${title}`, describe(offsets))
  const count = product([...shape, dtypeBytes[dtype]])
  if (count === undefined) throw bad(`${title} below 2^53 bytes`, `shape ${describe(shape)}`)
  if (count !== end - begin) throw bad(`${count} bytes for ${title}, ${dtype} of shape ${describe(shape)}`, `${end - begin}`)
  return { name, dtype, shape, begin, end }
}

function readData(view: DataView, start: number, { dtype, shape, begin, end }: TensorInfo): FileTensor {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start + begin, end - begin).slice()
  littleEndian(bytes, dtype)
  return { dtype, shape, data: new arrayOf[dtype](bytes.buffer) } as FileTensor
}

/** The header's JSON: objects of two levels, strings, lists and whole numbers. */
function readHeader(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let text: string
  let header: unknown
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
    header = JSON.parse(text)
  } catch {
    throw bad('a header of JSON in UTF-8', 'other bytes', 8)
  }
  if (!text.startsWith('{') || !isRecord(header)) throw bad("a header that begins with '{'", describe(text.slice(0, 1)), 8)
  // JSON.parse keeps the last of equal keys in silence, and rounds numbers. What stands outside of strings shows both: a colon for each key.
  const bare = withoutStrings(text)
  for (const literal of bare.match(/[^\s{}[\]:,]+/g) ?? []) {
    if (!/^(0|[1-9]\d*)$/.test(literal) || Number(literal) > Number.MAX_SAFE_INTEGER) throw bad('whole numbers below 2^53 in the header', literal.slice(0, 40))
  }
  const keys = [header, ...Object.values(header)].reduce<number>((sum, level) => sum + (isRecord(level) ? Object.keys(level).length : 0), 0)
  if (bare.split(':').length - 1 !== keys) throw bad('each key of the header once, in objects of two levels', 'others')
  return header
}

/** Valid JSON without its strings. */
function withoutStrings(text: string): string {
  let bare = ''
  let from = 0
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', from)) {
    bare += text.slice(from, at)
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++
    from = at + 1
  }
  return bare + text.slice(from)
}
