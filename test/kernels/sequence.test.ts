// length_mask and copy_rows against plain JavaScript, byte for byte: lengths of none, all and more than all steps, rows that lie apart.
import { expect, test } from 'vitest'
import { ROWS } from '../../src/compiler/kernels.js'
import { at, runEveryWay } from '../support/bits.js'
import { KernelBox, type Block } from '../support/kernel.js'
import { random } from '../support/numbers.js'

const bytesOf = (box: KernelBox, { address, bytes }: Block): Uint8Array => new Uint8Array(box.memory.buffer.slice(address, address + bytes))
const expectBytes = (got: Uint8Array, want: (i: number) => number, what: string): void => {
  const wrong = got.findIndex((byte, i) => byte !== want(i))
  if (wrong >= 0) expect.fail(`${what}: byte ${wrong} is ${got[wrong]}, not ${want(wrong)}`)
}

const COUNTS = [0, 1, 7, 8, 9, 17, 64, 67]

test('length_mask: 1 at the steps below a length, whatever the length', () => {
  for (const rows of COUNTS) {
    for (const [steps, width] of [[1, 1], [1, 17], [2, 3], [7, 1], [13, 16], [16, 5], [257, 4]] as const) {
      const box = new KernelBox()
      const next = random(rows + steps)
      const edges = [0, 1, steps - 1, steps, steps + 1, -1, 2 ** 31 - 1, -(2 ** 31)]
      const lengths = Int32Array.from({ length: rows }, (_, r) => (r < edges.length ? at(edges, r) : Math.floor(next() * (steps + 1))))
      const y = box.alloc(rows * steps * width)
      runEveryWay(box, 'length_mask', { lengths: box.put(lengths).address, y: y.address, rows, steps, width }, Math.ceil(rows / ROWS), [y])
      expectBytes(bytesOf(box, y), (i) => (Math.floor(i / width) % steps < at(lengths, Math.floor(i / (steps * width))) ? 1 : 0), `${rows} rows of ${steps} × ${width}`)
    }
  }
})

test('copy_rows: any bytes, rows apart in x, in y, or in both; what lies between the rows of y stays', () => {
  for (const rows of COUNTS) {
    for (const [width, xRow, yRow] of [[1, 1, 1], [3, 7, 3], [4, 4, 12], [5, 5, 6], [16, 48, 64], [64, 64, 64], [68, 100, 72], [1028, 1028, 2056]] as const) {
      const box = new KernelBox()
      const next = random(rows * width + 1)
      const x = Uint8Array.from({ length: rows * xRow }, () => Math.floor(next() * 256))
      const y = box.alloc(rows * yRow)
      runEveryWay(box, 'copy_rows', { x: box.put(x).address, y: y.address, rows, width, xRow, yRow }, Math.ceil(rows / ROWS), [y])
      expectBytes(bytesOf(box, y), (i) => (i % yRow < width ? at(x, Math.floor(i / yRow) * xRow + (i % yRow)) : 0xff), `${rows} rows of ${width}, ${xRow} and ${yRow} apart`)
    }
  }
})

test('copy_rows: the steps of a sequence [n, T, d], one after the other, make it again, in either direction', () => {
  const [n, steps, width] = [9, 5, 12]
  const x = Uint8Array.from({ length: n * steps * width }, (_, i) => i % 251)
  for (const order of [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0]]) {
    const box = new KernelBox()
    const [source, one, whole] = [box.put(x), box.alloc(n * width), box.alloc(x.length)]
    for (const t of order) {
      box.kernel('copy_rows', { x: source.address + t * width, y: one.address, rows: n, width, xRow: steps * width, yRow: width })(0, 2)
      expectBytes(bytesOf(box, one), (i) => at(x, (Math.floor(i / width) * steps + t) * width + (i % width)), `step ${t}`)
      box.kernel('copy_rows', { x: one.address, y: whole.address + t * width, rows: n, width, xRow: width, yRow: steps * width })(0, 2)
    }
    expectBytes(bytesOf(box, whole), (i) => at(x, i), order.join())
  }
})
