// The safetensors container: what is written is what the specification says (read back by hand here), and what is malformed is refused.
import { describe, expect, test } from 'vitest'
import { EquigradError, FormatError, ShapeError } from '../../src/core/errors.js'
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../../src/formats/safetensors.js'

const f32 = (shape: number[], ...values: number[]): FileTensor => ({ dtype: 'f32', shape, data: Float32Array.from(values) })

const sample = (): Record<string, FileTensor> => ({
  labels: { dtype: 'u8', shape: [3], data: Uint8Array.of(1, 2, 255) },
  'dense/b.bias': f32([2], -0, 1.5),
  'dense/a.kernel': f32([2, 2], 1, 2, 3, -4e-45),
  steps: { dtype: 'i32', shape: [1, 2], data: Int32Array.of(-1, 0x7fffffff) },
  moment: { dtype: 'f64', shape: [], data: Float64Array.of(0.1) },
  empty: f32([0, 4]),
})

/** A file from a header's text, so that a test can write what the encoder would not. */
function file(header: string, dataBytes = 0, headerLength?: number): Uint8Array {
  const json = new TextEncoder().encode(header)
  const bytes = new Uint8Array(8 + json.length + dataBytes)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerLength ?? json.length), true)
  bytes.set(json, 8)
  return bytes
}

const entry = (dtype: string, shape: string, offsets: string): string => `{"dtype":${dtype},"shape":${shape},"data_offsets":${offsets}}`

/** A reader from the specification's text alone. */
function readByHand(bytes: Uint8Array): Record<string, { dtype: string; shape: number[]; bytes: number[] }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  const length = Number(view.getBigUint64(0, true))
  const header: unknown = JSON.parse(new TextDecoder().decode(bytes.subarray(8, 8 + length)))
  const out: Record<string, { dtype: string; shape: number[]; bytes: number[] }> = {}
  for (const [name, value] of Object.entries(Object(header))) {
    if (name === '__metadata__') continue
    const { dtype, shape, data_offsets: [begin, end] } = Object(value)
    out[name] = { dtype, shape, bytes: [...bytes.subarray(8 + length + begin, 8 + length + end)] }
  }
  return out
}

describe('writing', () => {
  test('the exact bytes of a small file', () => {
    const header = '{"__metadata__":{"a":"1"},"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    const bytes = encodeSafetensors({ w: f32([1], 1) }, { a: '1' })
    expect(bytes.length % 4).toBe(0)
    expect([...bytes.subarray(0, 8)]).toEqual([80, 0, 0, 0, 0, 0, 0, 0])
    expect(new TextDecoder().decode(bytes.subarray(8, 88))).toBe(header.padEnd(80, ' '))
    expect([...bytes.subarray(88)]).toEqual([0, 0, 0x80, 0x3f])
  })

  test('a reader made from the specification finds each tensor, aligned, without holes', () => {
    const bytes = encodeSafetensors(sample(), { format: 'pt' })
    const found = readByHand(bytes)
    expect(Object.keys(found)).toEqual(['moment', 'dense/a.kernel', 'dense/b.bias', 'empty', 'steps', 'labels'])
    expect(found['dense/b.bias']).toEqual({ dtype: 'F32', shape: [2], bytes: [0, 0, 0, 0x80, 0, 0, 0xc0, 0x3f] })
    expect(found['dense/a.kernel']?.bytes.slice(12)).toEqual([3, 0, 0, 0x80])
    expect(found['steps']).toEqual({ dtype: 'I32', shape: [1, 2], bytes: [255, 255, 255, 255, 255, 255, 255, 127] })
    expect(found['labels']).toEqual({ dtype: 'U8', shape: [3], bytes: [1, 2, 255] })
    expect(found['empty']).toEqual({ dtype: 'F32', shape: [0, 4], bytes: [] })
    expect(new DataView(bytes.buffer).getUint32(0, true) % 8).toBe(0)
  })

  test('the order of the records does not matter', () => {
    const reversed = Object.fromEntries(Object.entries(sample()).reverse())
    expect(encodeSafetensors(reversed, { b: '2', a: '1' })).toEqual(encodeSafetensors(sample(), { a: '1', b: '2' }))
    // UTF-16 would put the emoji before the private-use character
    const order = Object.keys(decodeSafetensors(encodeSafetensors({ '\u{1f600}': f32([1], 1), '\ue000': f32([1], 2), 10: f32([1], 3), 9: f32([1], 4) })).tensors)
    expect(order.filter((name) => name.length > 1 || name > '9')).toEqual(['10', '\ue000', '\u{1f600}'])
  })

  test('NaNs are written with one pattern', () => {
    const odd = new Float32Array(1)
    new Uint32Array(odd.buffer)[0] = 0xffc12345
    const odd64 = new Float64Array(1)
    new Uint32Array(odd64.buffer).set([7, 0xfff80001])
    const found = readByHand(encodeSafetensors({ a: { dtype: 'f32', shape: [1], data: odd }, b: { dtype: 'f64', shape: [1], data: odd64 } }))
    expect(found['a']?.bytes).toEqual([0, 0, 0xc0, 0x7f])
    expect(found['b']?.bytes).toEqual([0, 0, 0, 0, 0, 0, 0xf8, 0x7f])
  })

  test('what a file cannot hold is refused', () => {
    expect(() => encodeSafetensors({ __metadata__: f32([1], 1) })).toThrow(RangeError)
    expect(() => encodeSafetensors({ a: f32([2], 1) })).toThrow(ShapeError)
    expect(() => encodeSafetensors({ a: f32([-1], 1) })).toThrow(RangeError)
    expect(() => encodeSafetensors({ a: f32([1.5], 1) })).toThrow(RangeError)
    expect(() => encodeSafetensors({ '\ud800': f32([1], 1) })).toThrow(RangeError)
    expect(() => encodeSafetensors({}, { a: '\udfff' })).toThrow(RangeError)
    // @ts-expect-error the array is of another type
    expect(() => encodeSafetensors({ a: { dtype: 'f32', shape: [1], data: new Float64Array(1) } })).toThrow(TypeError)
    // @ts-expect-error no such type
    expect(() => encodeSafetensors({ a: { dtype: 'f16', shape: [1], data: new Uint16Array(1) } })).toThrow(TypeError)
    // @ts-expect-error not a string
    expect(() => encodeSafetensors({}, { a: 1 })).toThrow(TypeError)
  })
})

/**
 * Written by the reference implementation (Python, safetensors 0.8.0): save_file({'z': np.arange(6, dtype=np.float32).reshape(2, 3),
 * 'a': np.arange(3, dtype=np.uint8), 'm': np.array([1.5]), 'i': np.array([1, -2], np.int32)}, path, {'one': '1'})
 */
const reference = Buffer.from([
  '+AAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJvbmUiOiIxIn0sIm0iOnsiZHR5cGUiOiJGNjQiLCJzaGFwZSI6WzFdLCJkYXRhX29mZnNldHMiOlswLDhdfSwieiI6eyJkdHlwZSI6IkYz',
  'MiIsInNoYXBlIjpbMiwzXSwiZGF0YV9vZmZzZXRzIjpbOCwzMl19LCJpIjp7ImR0eXBlIjoiSTMyIiwic2hhcGUiOlsyXSwiZGF0YV9vZmZzZXRzIjpbMzIsNDBdfSwiYSI6eyJkdHlw',
  'ZSI6IlU4Iiwic2hhcGUiOlszXSwiZGF0YV9vZmZzZXRzIjpbNDAsNDNdfX0gIAAAAAAAAPg/AAAAAAAAgD8AAABAAABAQAAAgEAAAKBAAQAAAP7///8AAQI=',
].join(''), 'base64')

test('a file of the reference implementation is read, and written again byte for byte', () => {
  const { tensors, metadata } = decodeSafetensors(reference)
  expect(metadata).toEqual({ one: '1' })
  expect(tensors).toEqual({
    z: f32([2, 3], 0, 1, 2, 3, 4, 5), a: { dtype: 'u8', shape: [3], data: Uint8Array.of(0, 1, 2) },
    m: { dtype: 'f64', shape: [1], data: Float64Array.of(1.5) }, i: { dtype: 'i32', shape: [2], data: Int32Array.of(1, -2) },
  })
  expect([...encodeSafetensors(tensors, metadata)]).toEqual([...reference])
})

describe('reading', () => {
  test('gives back what was written', () => {
    const metadata = { 'a "key"': 'line\nbreak', ключ: '\u{1f600}', empty: '' }
    const back = decodeSafetensors(encodeSafetensors(sample(), metadata))
    expect(back.metadata).toEqual(metadata)
    expect(back.tensors).toEqual(sample())
    expect(Object.is(back.tensors['dense/b.bias']?.data[0], -0)).toBe(true)
    expect(decodeSafetensors(encodeSafetensors({}))).toEqual({ tensors: {}, metadata: {} })
    expect(encodeSafetensors(back.tensors, back.metadata)).toEqual(encodeSafetensors(sample(), metadata))
  })

  test('a name may be __proto__', () => {
    const { tensors } = decodeSafetensors(encodeSafetensors(Object.fromEntries([['__proto__', f32([1], 7)]])))
    expect(Object.keys(tensors)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(tensors)).toBe(Object.prototype)
  })

  test('copies from anywhere in a buffer, unaligned', () => {
    const bytes = encodeSafetensors(sample())
    const shifted = new Uint8Array(bytes.length + 3)
    shifted.set(bytes, 3)
    const back = decodeSafetensors(shifted.subarray(3))
    expect(back.tensors).toEqual(sample())
    shifted.fill(0)
    expect(back.tensors).toEqual(sample())
  })

  test('other white space, other orders and unpadded headers are fine', () => {
    const bytes = file(`{ "b" :\n${entry('"U8"', '[ 1 ]', '[1,2]')},\t"a":${entry('"U8"', '[]', '[0,1]')} }`, 2)
    bytes.set([5, 6], bytes.length - 2)
    expect(decodeSafetensors(bytes).tensors).toEqual({ a: { dtype: 'u8', shape: [], data: Uint8Array.of(5) }, b: { dtype: 'u8', shape: [1], data: Uint8Array.of(6) } })
  })
})

describe('attacks', () => {
  const one = (dtype: string, shape: string, offsets: string): string => `{"a":${entry(dtype, shape, offsets)}}`
  const two = (first: string, second: string): string => `{"a":${first},"b":${second}}`
  const attacks: Record<string, Uint8Array> = {
    nothing: new Uint8Array(0),
    'seven bytes': new Uint8Array(7),
    'a header longer than 100 MB': file('{}', 0, 100_000_001),
    'a header of 2^64 - 1': new Uint8Array(16).fill(255),
    'a header longer than the file': file('{}', 0, 3),
    'no header': file(''),
    'a header that does not begin with {': file(' {}'),
    'a list as header': file('[]'),
    'not UTF-8': (() => { const b = file('{"x":0}'); b[10] = 0xff; return b })(),
    'a byte order mark': file('\ufeff{}'),
    'JSON that stops': file('{"a":'),
    'JSON with more behind': file('{}{}'),
    'a trailing comma': file(`{"a":${entry('"U8"', '[0]', '[0,0]')},}`),
    'a control character in a string': file('{"__metadata__":{"a":"\n"}}'),
    'a wrong escape': file('{"__metadata__":{"a":"\\x"}}'),
    'a lone surrogate': file('{"__metadata__":{"a":"\\ud800"}}'),
    'a string without end': file('{"__metadata__":{"a":"\\"}}'),
    'deep nesting': file('{"a":'.padEnd(50_000, '[')),
    'deep nesting of objects': file('{"a":'.repeat(10_000)),
    'a tensor twice': file(two(entry('"U8"', '[0]', '[0,0]'), entry('"U8"', '[0]', '[0,0]')).replace('"b"', '"a"')),
    'a tensor twice, escaped': file(two(entry('"U8"', '[0]', '[0,0]'), entry('"U8"', '[0]', '[0,0]')).replace('"b"', '"\\u0061"')),
    'metadata twice': file('{"__metadata__":{},"__metadata__":{}}'),
    'a metadata key twice': file('{"__metadata__":{"a":"1","a":"2"}}'),
    'metadata that is a number': file('{"__metadata__":{"a":1}}'),
    'metadata that is a string': file('{"__metadata__":"a"}'),
    'an entry that is a list': file('{"a":[]}'),
    'an entry that is null': file('{"a":null}'),
    'an entry with another key': file('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":0}}'),
    'an entry with a key twice': file('{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}'),
    'no dtype': file('{"a":{"shape":[0],"data_offsets":[0,0]}}'),
    'no shape': file('{"a":{"dtype":"U8","data_offsets":[0,0]}}'),
    'no offsets': file('{"a":{"dtype":"U8","shape":[0]}}'),
    'an unknown dtype': file(one('"F31"', '[0]', '[0,0]')),
    'a dtype we do not compute with': file(one('"BF16"', '[1]', '[0,2]'), 2),
    'a dtype named like a method': file(one('"toString"', '[0]', '[0,0]')),
    'a dtype in small letters': file(one('"f32"', '[1]', '[0,4]'), 4),
    'a dtype that is a number': file(one('1', '[1]', '[0,4]'), 4),
    'a negative dimension': file(one('"U8"', '[-1]', '[0,0]')),
    'two negative dimensions': file(one('"U8"', '[-1,-1]', '[0,1]'), 1),
    'a fractional dimension': file(one('"U8"', '[1.0]', '[0,1]'), 1),
    'an exponent': file(one('"U8"', '[1e0]', '[0,1]'), 1),
    'a leading zero': file(one('"U8"', '[01]', '[0,1]'), 1),
    'a string as dimension': file(one('"U8"', '["1"]', '[0,1]'), 1),
    'a list as dimension': file(one('"U8"', '[[1]]', '[0,1]'), 1),
    'a dimension of 2^53': file(one('"U8"', '[9007199254740992]', '[0,0]')),
    'a dimension of 2^64': file(one('"U8"', '[18446744073709551616]', '[0,0]')),
    'a product beyond 2^53': file(one('"U8"', '[94906267,94906267]', '[0,0]')),
    'a product of 2^64, which wraps to 0': file(one('"U8"', '[4294967296,4294967296]', '[0,0]')),
    'bytes beyond 2^53': file(one('"F64"', '[4503599627370496]', '[0,0]')),
    'a shape of 0 after an overflow': file(one('"U8"', '[9007199254740991,9007199254740991,0]', '[0,0]')),
    'too few bytes for the shape': file(one('"F32"', '[2]', '[0,4]'), 4),
    'too many bytes for the shape': file(one('"F32"', '[1]', '[0,8]'), 8),
    'offsets that go back': file(one('"U8"', '[1]', '[1,0]'), 1),
    'negative offsets': file(one('"U8"', '[1]', '[-1,0]'), 1),
    'one offset': file(one('"U8"', '[0]', '[0]')),
    'three offsets': file(one('"U8"', '[0]', '[0,0,0]')),
    'offsets beyond the file': file(one('"U8"', '[2]', '[0,2]'), 1),
    'a terabyte': file(one('"U8"', '[1099511627776]', '[0,1099511627776]'), 8),
    'data that no tensor owns, at the end': file(one('"U8"', '[1]', '[0,1]'), 2),
    'data that no tensor owns, at the start': file(one('"U8"', '[1]', '[1,2]'), 2),
    'data without tensors': file('{}', 1),
    'a hole': file(two(entry('"U8"', '[1]', '[0,1]'), entry('"U8"', '[1]', '[2,3]')), 3),
    'an overlap': file(two(entry('"U8"', '[2]', '[0,2]'), entry('"U8"', '[2]', '[1,3]')), 3),
    'the same bytes twice': file(two(entry('"U8"', '[1]', '[0,1]'), entry('"U8"', '[1]', '[0,1]')), 1),
    'an empty tensor inside another': file(two(entry('"U8"', '[2]', '[0,2]'), entry('"U8"', '[0]', '[1,1]')), 2),
  }
  test.each(Object.entries(attacks))('%s', (_, bytes) => {
    expect(() => decodeSafetensors(bytes)).toThrow(FormatError)
  })

  test('every truncation', () => {
    const bytes = encodeSafetensors(sample(), { a: 'b' })
    for (let n = 0; n < bytes.length; n++) expect(() => decodeSafetensors(bytes.subarray(0, n)), `${n} bytes`).toThrow(FormatError)
  })

  test('flipped and random bytes: a tensor or a FormatError, never another error', () => {
    const bytes = encodeSafetensors(sample(), { a: 'b' })
    let state = 1
    const next = (n: number): number => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n) }
    let refused = 0
    for (let round = 0; round < 20_000; round++) {
      const bent = bytes.slice()
      for (let k = next(3); k >= 0; k--) bent[next(bent.length)] = next(256)
      try {
        decodeSafetensors(bent)
      } catch (error) {
        expect(error).toBeInstanceOf(FormatError)
        refused++
      }
    }
    expect(refused).toBeGreaterThan(1000)
  })

  test('errors say where, what and the byte', () => {
    const bytes = encodeSafetensors(sample())
    try {
      decodeSafetensors(bytes.subarray(0, bytes.length - 1))
      expect.unreachable()
    } catch (error) {
      if (!(error instanceof FormatError)) throw error
      expect(error).toBeInstanceOf(EquigradError)
      expect(error.offset).toBe(bytes.length - 1)
      expect(error.message).toMatch(/^decodeSafetensors: expected \d+ bytes of data, got \d+\. The file is truncated\.$/)
    }
    // @ts-expect-error not bytes
    expect(() => decodeSafetensors('x')).toThrow(TypeError)
  })
})
