// The safetensors container (https://github.com/huggingface/safetensors, "Format"): tensors by name, and a table of strings.
//
//   ┌ u64 LE ┬ JSON, padded with spaces ──────────────────────────────────────────────────┬ bytes ──────────────┐
//   │ length │ {"__metadata__":{…},"name":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},…} │ one tensor after another │
//   └────────┴──────────────────────────────────────────────────────────────────────────────┴───────────────────────────┘
//
// What is refused: anything that two readers could understand differently. Duplicate keys, holes, overlaps, bytes that no tensor owns, offsets
// that disagree with shape and dtype, anything in an entry that the format does not name.
import { describe, FormatError, message, ShapeError } from '../core/errors.js'
import { dtypeBytes, type DType } from '../core/shape.js'

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
const fileNames: Readonly<Record<DType, string>> = { f32: 'F32', f64: 'F64', i32: 'I32', u8: 'U8', i8: 'I8' }
/** Types that the format knows and this package does not compute with. */
const foreign = ['BOOL', 'F4', 'F6_E2M3', 'F6_E3M2', 'F8_E5M2', 'F8_E4M3', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'I16', 'U16', 'F16', 'BF16', 'U32', 'C64', 'I64', 'U64']
/** Order of the data: larger alignment first, so that every tensor is aligned without holes; then as the reference ranks types. */
const rank: Readonly<Record<DType, number>> = { f64: 0, f32: 1, i32: 2, i8: 3, u8: 4 }

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
  const entries = Object.entries(tensors).sort(([a, ta], [b, tb]) => rank[ta.dtype] - rank[tb.dtype] || byCodePoint(a, b))
  const fields: string[] = []
  const strings = Object.entries(metadata).sort(([a], [b]) => byCodePoint(a, b))
  for (const [key, value] of strings) checkText('metadata', key, value)
  if (strings.length > 0) fields.push(`"${METADATA}":{${strings.map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(',')}}`)
  let offset = 0
  for (const [name, tensor] of entries) {
    const end = offset + tensor.data.byteLength
    fields.push(`${JSON.stringify(name)}:{"dtype":"${fileNames[tensor.dtype]}","shape":[${tensor.shape.join(',')}],"data_offsets":[${offset},${end}]}`)
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
  switch (dtype) {
    case 'f32':
      for (let k = 0; k < data.length; k++) {
        const v = data[k] ?? 0
        if (v === v) view.setFloat32(at + 4 * k, v, true)
        else view.setUint32(at + 4 * k, 0x7fc00000, true)
      }
      break
    case 'f64':
      for (let k = 0; k < data.length; k++) {
        const v = data[k] ?? 0
        if (v === v) view.setFloat64(at + 8 * k, v, true)
        else { view.setUint32(at + 8 * k, 0, true); view.setUint32(at + 8 * k + 4, 0x7ff80000, true) }
      }
      break
    case 'i32':
      for (let k = 0; k < data.length; k++) view.setInt32(at + 4 * k, data[k] ?? 0, true)
      break
    case 'u8':
      new Uint8Array(view.buffer, view.byteOffset + at, data.length).set(data)
      break
    case 'i8':
      new Int8Array(view.buffer, view.byteOffset + at, data.length).set(data)
  }
}

/** Compares by code points, which is the order of UTF-8 bytes and of the reference's strings, but not of UTF-16. */
function byCodePoint(a: string, b: string): number {
  const left = Array.from(a)
  const right = Array.from(b)
  for (let k = 0; k < left.length && k < right.length; k++) {
    const d = (left[k]?.codePointAt(0) ?? 0) - (right[k]?.codePointAt(0) ?? 0)
    if (d !== 0) return d
  }
  return left.length - right.length
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
  const fits = dtype === 'f32' ? data instanceof Float32Array : dtype === 'f64' ? data instanceof Float64Array
    : dtype === 'i32' ? data instanceof Int32Array : dtype === 'u8' ? data instanceof Uint8Array : dtype === 'i8' && data instanceof Int8Array
  if (!fits) throw new TypeError(message(where, "dtype 'f32', 'f64', 'i32', 'u8' or 'i8' and its typed array", `${describe(dtype)} and ${describe(data)}`))
  const count = product(shape)
  if (count === undefined) throw new RangeError(message(where, 'a shape of whole numbers from 0, whose product is below 2^53', `[${shape.join(', ')}]`))
  if (count !== tensor.data.length) throw new ShapeError(message(where, `${count} elements for shape [${shape.join(', ')}]`, describe(data)))
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
  const entries = readHeader(bytes.subarray(8, start))

  const metadata: [string, string][] = []
  const infos: TensorInfo[] = []
  for (const [name, entry] of entries) {
    if (!(entry instanceof Map)) throw bad(`an object for ${describe(name)}`, kindOf(entry))
    if (name !== METADATA) { infos.push(readInfo(name, entry)); continue }
    for (const [key, value] of entry) {
      if (typeof value !== 'string') throw bad(`a string for metadata ${describe(key)}`, kindOf(value))
      metadata.push([key, value])
    }
  }
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
    metadata: Object.fromEntries(metadata),
  }
}

const bad = (expected: string, got: string, offset?: number, remedy?: string): FormatError =>
  new FormatError(message('decodeSafetensors', expected, got, remedy), offset)

/** begin and end count from the first byte after the header. */
interface TensorInfo { readonly name: string; readonly dtype: DType; readonly shape: readonly number[]; readonly begin: number; readonly end: number }

function readInfo(name: string, entry: ReadonlyMap<string, Json>): TensorInfo {
  const title = `tensor ${describe(name)}`
  for (const key of entry.keys()) {
    if (key !== 'dtype' && key !== 'shape' && key !== 'data_offsets') throw bad(`dtype, shape and data_offsets in ${title}`, describe(key))
  }
  const dtype = readDType(title, entry.get('dtype'))
  const shape = wholeNumbers(`the shape of ${title}`, entry.get('shape'))
  const offsets = wholeNumbers(`the data_offsets of ${title}`, entry.get('data_offsets'))
  const [begin = 0, end = 0] = offsets
  if (offsets.length !== 2 || begin > end) throw bad(`data_offsets [begin, end] of ${title}`, `[${offsets.slice(0, 4).join(', ')}]`)
  const count = product(shape)
  if (count === undefined || count * dtypeBytes[dtype] > Number.MAX_SAFE_INTEGER) throw bad(`${title} below 2^53 bytes`, `shape [${shape.slice(0, 8).join(', ')}]`)
  if (count * dtypeBytes[dtype] !== end - begin) {
    throw bad(`${count * dtypeBytes[dtype]} bytes for ${title}, ${dtype} [${shape.slice(0, 8).join(', ')}]`, `${end - begin}`)
  }
  return { name, dtype, shape, begin, end }
}

function readDType(title: string, value: Json | undefined): DType {
  switch (value) {
    case 'F32': return 'f32'
    case 'F64': return 'f64'
    case 'I32': return 'i32'
    case 'U8': return 'u8'
    case 'I8': return 'i8'
    default:
      throw bad(`dtype F32, F64, I32, U8 or I8 of ${title}`, typeof value === 'string' ? describe(value) : kindOf(value), undefined,
        typeof value === 'string' && foreign.includes(value) ? 'Convert the file to F32.' : '')
  }
}

function wholeNumbers(title: string, value: Json | undefined): number[] {
  if (!Array.isArray(value)) throw bad(`a list for ${title}`, kindOf(value))
  return value.map((v: Json) => {
    if (typeof v !== 'number') throw bad(`whole numbers for ${title}`, kindOf(v))
    return v
  })
}

/** The host's typed arrays are little-endian, as files are, on all that runs JavaScript today; elsewhere elements are turned round. */
const isLittleEndian = (): boolean => new Uint8Array(Uint16Array.of(1).buffer)[0] === 1

function readData(view: DataView, start: number, { dtype, shape, begin, end }: TensorInfo): FileTensor {
  const bytes = new Uint8Array(view.buffer, view.byteOffset + start + begin, end - begin).slice()
  const size = dtypeBytes[dtype]
  if (size > 1 && !isLittleEndian()) for (let at = 0; at < bytes.length; at += size) bytes.subarray(at, at + size).reverse()
  const { buffer } = bytes
  switch (dtype) {
    case 'f32': return { dtype, shape, data: new Float32Array(buffer) }
    case 'f64': return { dtype, shape, data: new Float64Array(buffer) }
    case 'i32': return { dtype, shape, data: new Int32Array(buffer) }
    case 'u8': return { dtype, shape, data: bytes }
    case 'i8': return { dtype, shape, data: new Int8Array(buffer) }
  }
}

// ---- the header's JSON ---------------------------------------------------------------------------------------------------------
// JSON.parse keeps the last of duplicate keys in silence and rounds large numbers: so a reader of its own, for the part of JSON that a header uses.

/** Objects are maps, so that no key is special; numbers are whole and below 2⁵³. */
type Json = string | number | Json[] | Map<string, Json>

/** Objects and arrays within one another: the format needs three. */
const MAX_DEPTH = 4

const kindOf = (value: Json | undefined): string =>
  value === undefined ? 'nothing' : value instanceof Map ? 'an object' : Array.isArray(value) ? 'a list' : typeof value === 'string' ? describe(value) : `${value}`

function readHeader(bytes: Uint8Array): Map<string, Json> {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw bad('a header in UTF-8', 'other bytes', 8)
  }
  if (text[0] !== '{') throw bad("a header that begins with '{'", describe(text.slice(0, 1)), 8)
  const reader = new JsonReader(text)
  const value = reader.value(0)
  reader.space()
  if (reader.at !== text.length) throw reader.unexpected('only spaces after the header')
  return value instanceof Map ? value : new Map<string, Json>()
}

class JsonReader {
  at = 0
  constructor(readonly text: string) {}

  unexpected(expected: string): FormatError {
    const got = this.at < this.text.length ? describe(this.text.slice(this.at, this.at + 12)) : 'its end'
    return bad(`${expected} at character ${this.at} of the header`, got)
  }

  /** White space of RFC 8259. */
  space(): void {
    while (this.at < this.text.length && ' \t\n\r'.includes(this.text.charAt(this.at))) this.at++
  }

  /** Is this the next character that is not a space? Then it is taken. */
  takes(character: string): boolean {
    this.space()
    if (this.text.charAt(this.at) !== character) return false
    this.at++
    return true
  }

  value(depth: number): Json {
    if (depth > MAX_DEPTH) throw this.unexpected(`at most ${MAX_DEPTH} levels`)
    if (this.takes('{')) return this.object(depth)
    if (this.takes('[')) return this.list(depth)
    return this.text.charAt(this.at) === '"' ? this.string() : this.whole()
  }

  object(depth: number): Map<string, Json> {
    const map = new Map<string, Json>()
    if (this.takes('}')) return map
    do {
      this.space()
      const key = this.string()
      if (map.has(key)) throw this.unexpected(`each key once, but ${describe(key)} came again`)
      if (!this.takes(':')) throw this.unexpected("':'")
      map.set(key, this.value(depth + 1))
    } while (this.takes(','))
    if (!this.takes('}')) throw this.unexpected("',' or '}'")
    return map
  }

  list(depth: number): Json[] {
    const list: Json[] = []
    if (this.takes(']')) return list
    do list.push(this.value(depth + 1)); while (this.takes(','))
    if (!this.takes(']')) throw this.unexpected("',' or ']'")
    return list
  }

  string(): string {
    if (this.text.charAt(this.at) !== '"') throw this.unexpected('a string')
    let end = this.at + 1
    while (end < this.text.length && this.text.charAt(end) !== '"') end += this.text.charAt(end) === '\\' ? 2 : 1
    if (end >= this.text.length) throw this.unexpected('a string that ends')
    let value: unknown
    try {
      value = JSON.parse(this.text.slice(this.at, end + 1))
    } catch {
      throw this.unexpected('a string without control characters and wrong escapes')
    }
    if (typeof value !== 'string' || loneSurrogate.test(value)) throw this.unexpected('a string of well-formed Unicode')
    this.at = end + 1
    return value
  }

  whole(): number {
    let end = this.at
    while (end < this.text.length && '0123456789+-.eE'.includes(this.text.charAt(end))) end++
    const digits = this.text.slice(this.at, end)
    const value = Number(digits)
    if (!/^(?:0|[1-9][0-9]{0,15})$/.test(digits) || value > Number.MAX_SAFE_INTEGER) {
      throw this.unexpected('a string, a list, an object or a whole number below 2^53')
    }
    this.at = end
    return value
  }
}
