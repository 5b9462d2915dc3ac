// gather against plain JavaScript, bit for bit: every pair of types, every width around a vector, scaled and not.
import { describe, expect, test } from 'vitest'
import { ROWS } from '../../src/compiler/kernels.js'
import { dtypeCode } from '../../src/core/codes.js'
import { at, expectBits, runEveryWay } from '../support/bits.js'
import { KernelBox } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const fround = Math.fround
const WIDTHS = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33, 255, 256, 257] as const
const SOURCE_ROWS = 11

/** Values where a conversion rounds, overflows, or must keep a sign. */
const SPECIAL = {
  f32: [NaN, -0, 0, Infinity, -Infinity, 2 ** -149, -(2 ** -130), 3.4028234663852886e38],
  f64: [NaN, -0, 1 + 2 ** -24, 1 + 2 ** -24 + 2 ** -50, 1 + 3 * 2 ** -24, 1e300, -1e300, 2 ** -150, 1.5 * 2 ** -149, Infinity],
  i32: [16777217, 16777219, -16777217, 2147483647, -2147483648, 0, -1],
  u8: [0, 255, 1, 128],
} as const
const make = {
  f32: (next: () => number) => fround(next() * 200 - 100),
  f64: (next: () => number) => next() * 200 - 100,
  i32: (next: () => number) => Math.floor((next() - 0.5) * 2 ** 32),
  u8: (next: () => number) => Math.floor(next() * 256),
} as const
const array = {
  f32: (x: readonly number[]) => Float32Array.from(x),
  f64: (x: readonly number[]) => Float64Array.from(x),
  i32: (x: readonly number[]) => Int32Array.from(x),
  u8: (x: readonly number[]) => Uint8Array.from(x),
} as const
type Source = keyof typeof array

/** Mostly random numbers, some special ones. */
function values(type: Source, n: number): Float32Array | Float64Array | Int32Array | Uint8Array {
  const next = random(n + 1)
  const special = SPECIAL[type]
  const value = () => next() < 0.3 ? at(special, Math.floor(next() * special.length)) : make[type](next)
  return array[type](Array.from({ length: n }, value))
}

interface Case { readonly from: Source; readonly to: 'f32' | 'i32'; readonly scale: number; readonly offset: number }
const cases: readonly Case[] = [
  { from: 'u8', to: 'f32', scale: 1, offset: 0 },
  { from: 'u8', to: 'f32', scale: fround(1 / 255), offset: 0 },
  { from: 'u8', to: 'f32', scale: fround(1 / 127.5), offset: -1 },
  { from: 'f32', to: 'f32', scale: 1, offset: 0 },
  { from: 'f32', to: 'f32', scale: fround(0.3), offset: fround(-0.1) },
  { from: 'f32', to: 'f32', scale: 1, offset: fround(0.1) },
  { from: 'f64', to: 'f32', scale: 1, offset: 0 },
  { from: 'f64', to: 'f32', scale: fround(1.7), offset: 3 },
  { from: 'i32', to: 'f32', scale: 1, offset: 0 },
  { from: 'i32', to: 'f32', scale: fround(1 / 3), offset: 1 },
  { from: 'u8', to: 'i32', scale: 1, offset: 0 },
  { from: 'i32', to: 'i32', scale: 1, offset: 0 },
]

function check({ from, to, scale, offset }: Case, width: number, rows: number, index: Int32Array | undefined): void {
  const box = new KernelBox()
  const source = values(from, SOURCE_ROWS * width)
  const y = box.alloc(rows * width * 4)
  runEveryWay(box, 'gather', {
    source: box.put(source).address, index: index ? box.put(index).address : 0, y: y.address, rows, width,
    sourceType: dtypeCode[from], yType: dtypeCode[to], scale: { f32: scale }, offset: { f32: offset },
  }, Math.ceil(rows / ROWS), [y])

  const convert = (x: number) => {
    if (to === 'i32' || (scale === 1 && offset === 0)) return fround(x)
    return fround(fround(fround(x) * scale) + offset)
  }
  const row = (r: number) => index ? at(index, r) : r
  const want = Array.from({ length: rows * width }, (_, i) => at(source, row(Math.floor(i / width)) * width + i % width))
  if (to === 'i32') expectBits(box.i32(y), Int32Array.from(want), `width ${width}`)
  else expectBits(box.f32(y), want.map(convert), `width ${width}`)
}

describe('gather', () => {
  test.each(cases)('$from → $to ·$scale + $offset', (c) => {
    const next = random(7)
    for (const width of WIDTHS) check(c, width, 13, Int32Array.from({ length: 13 }, () => Math.floor(next() * SOURCE_ROWS)))
    for (const rows of [0, 1, 7, 8, 9]) check(c, 5, rows, undefined)
  })

  test('reads the rows it is told, in their order', () => {
    const box = new KernelBox()
    const y = box.alloc(12)
    box.kernel('gather', {
      source: box.put(Int32Array.from([10, 11, 12])).address, index: box.put(Int32Array.from([2, 0, 2])).address, y: y.address, rows: 3, width: 1,
      sourceType: dtypeCode.i32, yType: dtypeCode.i32, scale: { f32: 1 }, offset: { f32: 0 },
    })(0, 1)
    expect([...box.i32(y)]).toEqual([12, 10, 12])
  })
})
