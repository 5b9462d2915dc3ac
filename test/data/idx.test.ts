// IDX files: every type, plain and gzipped, what is refused; and MNIST itself where it lies beside the checkout.
import { existsSync, readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { FormatError, ShapeError } from '../../src/core/errors.js'
import { readIdx, writeIdx, type IdxSource } from '../../src/data/idx.js'

const arrays: Record<string, IdxSource> = {
  u8: Uint8Array.of(0, 1, 127, 128, 254, 255),
  i8: Int8Array.of(0, 1, 127, -128, -1, 5),
  i16: Int16Array.of(0, 1, 32767, -32768, -1, 258),
  i32: Int32Array.of(0, 1, 2147483647, -2147483648, -1, 16909060),
  f32: Float32Array.of(0, -0, 1.5, -3.4e38, 1e-45, Infinity),
  f64: Float64Array.of(0, -0, 0.1, -1e308, 5e-324, -Infinity),
}

describe('reading what was written', () => {
  test.each(Object.entries(arrays))('%s', (name, data) => {
    const bytes = writeIdx(data, [2, 3])
    for (const file of [bytes, new Uint8Array(gzipSync(bytes)), gzipSync(bytes, { level: 0 })]) {
      const back = readIdx(file)
      expect(back.shape).toEqual([2, 3])
      expect([...back.data]).toEqual([...data])
      expect(back.data.constructor).toBe(name === 'i8' || name === 'i16' ? Int32Array : data.constructor)
    }
  })

  test('the exact bytes', () => {
    expect([...writeIdx(Int16Array.of(1, -2), [2, 1])]).toEqual([0, 0, 0x0b, 2, 0, 0, 0, 2, 0, 0, 0, 1, 0, 1, 0xff, 0xfe])
    expect([...writeIdx(Float32Array.of(1))]).toEqual([0, 0, 0x0d, 1, 0, 0, 0, 1, 0x3f, 0x80, 0, 0])
  })

  test('no elements, no dimensions, an unaligned view; the result is a copy', () => {
    expect(readIdx(writeIdx(new Uint8Array(0), [0, 28, 28]))).toEqual({ data: new Uint8Array(0), shape: [0, 28, 28] })
    expect(readIdx(writeIdx(Int32Array.of(7), []))).toEqual({ data: Int32Array.of(7), shape: [] })
    const bytes = new Uint8Array([9, ...writeIdx(Uint8Array.of(4, 5))])
    const { data } = readIdx(bytes.subarray(1))
    bytes.fill(0)
    expect([...data]).toEqual([4, 5])
  })

  test('what cannot be written', () => {
    expect(() => writeIdx(Uint8Array.of(1, 2), [3])).toThrow(ShapeError)
    expect(() => writeIdx(Uint8Array.of(1, 2), [-2, -1])).toThrow(RangeError)
    expect(() => writeIdx(new Uint8Array(0), [0, 4294967296])).toThrow(RangeError)
    // @ts-expect-error no such type in IDX
    expect(() => writeIdx(Uint16Array.of(1))).toThrow(TypeError)
  })
})

describe('attacks', () => {
  const good = writeIdx(Float64Array.of(1, 2, 3, 4), [2, 2])
  const zipped = new Uint8Array(gzipSync(good))
  const bent = (bytes: Uint8Array, at: number, ...values: number[]): Uint8Array => { const b = bytes.slice(); b.set(values, at); return b }
  const attacks: Record<string, Uint8Array> = {
    'a wrong magic': bent(good, 0, 1),
    'an unknown type': bent(good, 2, 0x0a),
    'trailing bytes': new Uint8Array([...good, 0]),
    'dimensions beyond 2^53': bent(good, 4, 255, 255, 255, 255, 255, 255, 255, 255),
    '255 dimensions of 2^32 - 1': (() => { const b = new Uint8Array(4 + 4 * 255).fill(255); b.set([0, 0, 8, 255]); return b })(),
    'text': new TextEncoder().encode('<html>404</html>'),
    'a gzip that promises 4 GB': bent(zipped, zipped.length - 4, 255, 255, 255, 255),
    'a gzip that promises a byte more': bent(zipped, zipped.length - 4, good.length + 1),
    'a gzip with another checksum': bent(zipped, zipped.length - 8, 1, 2, 3, 4),
    'a gzip inside a gzip': new Uint8Array(gzipSync(zipped)),
    'two gzips': new Uint8Array([...zipped, ...gzipSync(writeIdx(Float64Array.of(5, 6)))]),
  }
  test.each(Object.entries(attacks))('%s', (_, bytes) => {
    expect(() => readIdx(bytes)).toThrow(FormatError)
  })

  test('every truncation, plain and gzipped', () => {
    for (const whole of [good, zipped]) for (let n = 0; n < whole.length; n++) expect(() => readIdx(whole.subarray(0, n)), `${n} bytes`).toThrow(FormatError)
  })

  test('flipped bytes: an array or a FormatError, never another error', () => {
    let state = 7
    const next = (n: number): number => { state = (Math.imul(state, 1664525) + 1013904223) >>> 0; return Math.floor(state / 4294967296 * n) }
    for (let round = 0; round < 20_000; round++) {
      const bytes = (round % 2 === 0 ? good : zipped).slice()
      for (let k = next(3); k >= 0; k--) bytes[next(bytes.length)] = next(256)
      try { readIdx(bytes) } catch (error) { expect(error).toBeInstanceOf(FormatError) }
    }
  })

  test('not bytes', () => {
    // @ts-expect-error not bytes
    expect(() => readIdx([0, 0, 8, 1])).toThrow(TypeError)
  })
})

describe('MNIST', () => {
  const folder = new URL('../../../shared/data/mnist/', import.meta.url)
  test('shapes and labels', () => {
    if (!existsSync(folder)) {
      console.warn(`skipped: no MNIST at ${folder.pathname}; a synthetic file of the same shape instead`)
      const bytes = gzipSync(writeIdx(new Uint8Array(100 * 784).map((_, k) => k % 251), [100, 28, 28]))
      expect(readIdx(bytes).shape).toEqual([100, 28, 28])
      return
    }
    const images = readIdx(readFileSync(new URL('t10k-images-idx3-ubyte.gz', folder)))
    const labels = readIdx(readFileSync(new URL('t10k-labels-idx1-ubyte.gz', folder)))
    expect(images.shape).toEqual([10000, 28, 28])
    expect(labels.shape).toEqual([10000])
    const counts = new Array<number>(10).fill(0)
    for (const label of labels.data) counts[label] = (counts[label] ?? 0) + 1
    expect(counts).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009])
    expect(readIdx(readFileSync(new URL('train-images-idx3-ubyte.gz', folder))).shape).toEqual([60000, 28, 28])
  })
})
