// The IDX format of MNIST and its relatives (Y. LeCun, http://yann.lecun.com/exdb/mnist/): two zero bytes, a type code, the number of
// dimensions, each dimension as a big-endian u32, then the elements, big endian, the last dimension fastest. Often inside gzip (RFC 1952).
import { gunzipSync } from 'fflate'
import { describe, FormatError, message, ShapeError } from '../core/errors.js'

/** What an IDX file holds. 8- and 16-bit signed integers arrive as `Int32Array`, which the rest of this package computes with. */
export interface IdxData {
  /** the elements, the last dimension fastest */
  readonly data: Uint8Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>
  /** such as [60000, 28, 28] */
  readonly shape: readonly number[]
}

/** Type codes (third byte) and their bytes an element. */
const U8 = 0x08
const I8 = 0x09
const I16 = 0x0b
const I32 = 0x0c
const F32 = 0x0d
const F64 = 0x0e
const elementBytes: Readonly<Record<number, number>> = { [U8]: 1, [I8]: 1, [I16]: 2, [I32]: 4, [F32]: 4, [F64]: 8 }

const hex = (byte: number | undefined): string => (byte === undefined ? 'nothing' : `0x${byte.toString(16).padStart(2, '0')}`)

/**
 * Reads an IDX file such as MNIST's, plain or gzipped.
 *
 * @param bytes - the whole file; gzip is recognised by its first bytes
 * @returns `data` (a copy; u8, i32, f32 or f64 by the file's type) and `shape`
 * @throws FormatError when the bytes are not such a file: a wrong magic or type, truncated, with trailing bytes, a damaged gzip
 * @example
 * import { readIdx } from 'equigrad/data'
 * import { readFileSync } from 'node:fs'
 * const images = readIdx(readFileSync('train-images-idx3-ubyte.gz'))
 * console.log(images.shape) // [60000, 28, 28]
 */
export function readIdx(bytes: Uint8Array): IdxData {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(message('readIdx', 'a Uint8Array', describe(bytes)))
  const plain = bytes[0] === 0x1f && bytes[1] === 0x8b ? gunzip(bytes) : bytes
  const view = new DataView(plain.buffer, plain.byteOffset, plain.byteLength)
  if (plain.length < 4) throw new FormatError(message('readIdx', 'at least 4 bytes', `${plain.length}`, 'The file is truncated.'), plain.length)
  if (plain[0] !== 0 || plain[1] !== 0) {
    throw new FormatError(message('readIdx', 'two zero bytes first', `${hex(plain[0])} ${hex(plain[1])}`, 'Is this an IDX file?'), 0)
  }
  const code = view.getUint8(2)
  const size = elementBytes[code]
  if (size === undefined) throw new FormatError(message('readIdx', 'a type code of 0x08, 0x09, 0x0b, 0x0c, 0x0d or 0x0e', hex(code)), 2)
  const rank = view.getUint8(3)
  const start = 4 + 4 * rank
  if (plain.length < start) {
    throw new FormatError(message('readIdx', `${start} bytes of header for ${rank} dimensions`, `${plain.length}`, 'The file is truncated.'), plain.length)
  }
  const shape = Array.from({ length: rank }, (_, d) => view.getUint32(4 + 4 * d))
  const count = shape.includes(0) ? 0 : shape.reduce((a, b) => a * b, 1)
  if (!(count * size <= Number.MAX_SAFE_INTEGER)) {
    throw new FormatError(message('readIdx', 'a size below 2^53 bytes', `shape [${shape.join(', ')}]`, 'The header is damaged.'), 4)
  }
  if (plain.length < start + count * size) {
    throw new FormatError(message('readIdx', `${start + count * size} bytes for shape [${shape.join(', ')}]`, `${plain.length}`, 'The file is truncated.'), plain.length)
  }
  if (plain.length > start + count * size) {
    throw new FormatError(message('readIdx', `${start + count * size} bytes for shape [${shape.join(', ')}]`, `${plain.length}`, 'There are bytes after the end.'), start + count * size)
  }
  return { data: readElements(view, start, count, code), shape }
}

function readElements(view: DataView, start: number, count: number, code: number): IdxData['data'] {
  switch (code) {
    case U8: {
      const data = new Uint8Array(count)
      data.set(new Uint8Array(view.buffer, view.byteOffset + start, count))
      return data
    }
    case I8: return new Int32Array(count).map((_, k) => view.getInt8(start + k))
    case I16: return new Int32Array(count).map((_, k) => view.getInt16(start + 2 * k))
    case I32: return new Int32Array(count).map((_, k) => view.getInt32(start + 4 * k))
    case F32: return new Float32Array(count).map((_, k) => view.getFloat32(start + 4 * k))
    default: return new Float64Array(count).map((_, k) => view.getFloat64(start + 8 * k))
  }
}

/** Most that DEFLATE can grow: 258 bytes from 2 bits, so 1032 times. */
const MAX_INFLATION = 1032

/** Inflates one gzip member and holds it to the length and the CRC in its trailer, which fflate does not. */
function gunzip(bytes: Uint8Array): Uint8Array {
  const damaged = (got: string): FormatError => new FormatError(message('readIdx', 'a whole gzip file of one member', got, 'Download it again.'))
  // magic and header 10, trailer 8
  if (bytes.length < 18) throw damaged(`${bytes.length} bytes`)
  const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8, 8)
  const crc = trailer.getUint32(0, true)
  const length = trailer.getUint32(4, true)
  // fflate allocates what the trailer says: an impossible length must not cost gigabytes.
  if (length > bytes.length * MAX_INFLATION) throw damaged(`a trailer that promises ${length} bytes from ${bytes.length}`)
  let plain: Uint8Array
  try {
    plain = gunzipSync(bytes)
  } catch (error) {
    throw damaged(error instanceof Error ? `'${error.message}'` : 'an error')
  }
  if (plain.length !== length) throw damaged(`${plain.length} bytes where its trailer says ${length}`)
  if (crc32(plain) !== crc) throw damaged('another checksum than its trailer says')
  return plain
}

/** CRC-32 of RFC 1952 §8, a byte at a time by a table. */
function crc32(bytes: Uint8Array): number {
  const table = new Int32Array(256).map((_, n) => {
    let c = n
    for (let k = 0; k < 8; k++) c = (c & 1) === 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
    return c
  })
  let crc = -1
  for (let i = 0; i < bytes.length; i++) crc = (table[(crc ^ (bytes[i] ?? 0)) & 255] ?? 0) ^ (crc >>> 8)
  return ~crc >>> 0
}

/** What an IDX file can be written from. */
export type IdxSource = Uint8Array | Int8Array | Int16Array | Int32Array | Float32Array | Float64Array

/**
 * Writes an IDX file, not gzipped.
 *
 * @param data - the elements, the last dimension fastest; the array's type becomes the file's
 * @param shape - up to 255 dimensions, each from 0 to 2³² − 1; default [data.length]
 * @returns the file's bytes
 * @throws TypeError for another kind of array, RangeError for a dimension out of range, ShapeError when data and shape differ in size
 * @example
 * import { readIdx, writeIdx } from 'equigrad/data'
 * const bytes = writeIdx(new Uint8Array([1, 2, 3, 4, 5, 6]), [2, 3])
 * console.log(readIdx(bytes).shape) // [2, 3]
 */
export function writeIdx(data: IdxSource, shape: readonly number[] = [data.length]): Uint8Array<ArrayBuffer> {
  const code = codeOf(data)
  if (code === undefined) {
    throw new TypeError(message('writeIdx', 'a Uint8Array, Int8Array, Int16Array, Int32Array, Float32Array or Float64Array', describe(data)))
  }
  if (shape.length > 255) throw new RangeError(message('writeIdx', 'at most 255 dimensions', `${shape.length}`))
  let count = 1
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0 || d > 0xffffffff) throw new RangeError(message('writeIdx', 'dimensions from 0 to 2^32 - 1', describe(d)))
    count *= d
  }
  if (count !== data.length) throw new ShapeError(message('writeIdx', `${count} elements for shape [${shape.join(', ')}]`, describe(data)))
  const start = 4 + 4 * shape.length
  const out = new Uint8Array(start + data.byteLength)
  const view = new DataView(out.buffer)
  out[2] = code
  out[3] = shape.length
  shape.forEach((d, k) => { view.setUint32(4 + 4 * k, d) })
  const size = data.BYTES_PER_ELEMENT
  for (let k = 0; k < data.length; k++) {
    const v = data[k] ?? 0
    const at = start + k * size
    if (code === U8) view.setUint8(at, v)
    else if (code === I8) view.setInt8(at, v)
    else if (code === I16) view.setInt16(at, v)
    else if (code === I32) view.setInt32(at, v)
    else if (code === F32) view.setFloat32(at, v)
    else view.setFloat64(at, v)
  }
  return out
}

function codeOf(data: IdxSource): number | undefined {
  if (data instanceof Uint8Array) return U8
  if (data instanceof Int8Array) return I8
  if (data instanceof Int16Array) return I16
  if (data instanceof Int32Array) return I32
  if (data instanceof Float32Array) return F32
  return data instanceof Float64Array ? F64 : undefined
}
