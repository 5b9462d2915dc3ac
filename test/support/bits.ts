// What every test of a kernel asks: equal bits with the reference, equal bits for any order and split of the tiles, and no other byte touched.
import { expect } from 'vitest'
import { KB, KC, type KernelField, type KernelName } from '../../src/compiler/kernels.js'
import type { Block, KernelBox, Word } from './kernel.js'
import { runTiles } from './numbers.js'

/** Lengths around vectors, unrolled loops, chunks of KC and blocks of KB. */
export const AWKWARD = [0, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 255, 257, KC - 1, KC, KC + 1, KB - 1, KB, KB + 1] as const

/** Orders of tiles that each case tries, besides the ascending one. */
const ORDERS = [1, 2, 3] as const

/** x[i]; a test that reads beyond an array is wrong. */
export function at(x: ArrayLike<number>, i: number): number {
  const value = x[i]
  if (value === undefined) throw new RangeError(`index ${i} of ${x.length}`)
  return value
}

/** Asserts equal bits; NaN equals NaN, whatever its payload (law 1). */
export function expectBits(got: ArrayLike<number>, want: ArrayLike<number>, what = ''): void {
  expect(got.length, `${what}: length`).toBe(want.length)
  for (let i = 0; i < want.length; i++) {
    if (!Object.is(at(got, i), at(want, i))) expect.fail(`${what} [${i}]: expected ${at(want, i)}, got ${at(got, i)}`)
  }
}

const bytesOf = (box: KernelBox): Buffer => Buffer.from(new Uint8Array(box.memory.buffer).slice().buffer)

/**
 * Runs all tiles of a kernel in one ascending call, then, from the same memory, in random orders and splits, and asserts that the blocks
 * `outputs` have the same bytes each time and that nothing else in memory changed. Leaves the results of the ascending call.
 */
export function runEveryWay<K extends KernelName>(
  box: KernelBox, name: K, words: Readonly<Record<KernelField<K>, Word>>, tiles: number, outputs: readonly Block[],
): void {
  const mark = box.alloc(0).address
  const run = box.kernel(name, words)
  const own = box.alloc(0).address
  const before = bytesOf(box)
  const memory = () => Buffer.from(box.memory.buffer)

  const expectElsewhere = () => {
    const copy = bytesOf(box)
    for (const { address, bytes } of outputs) before.copy(copy, address, address, address + bytes)
    expect(copy.subarray(0, mark).equals(before.subarray(0, mark)), `${name} wrote outside its outputs, below them`).toBe(true)
    expect(copy.subarray(own).equals(before.subarray(own)), `${name} wrote outside its outputs, above its scratch`).toBe(true)
  }

  run(0, 0)
  expect(bytesOf(box).equals(before), `${name} wrote something for no tile`).toBe(true)
  run(0, tiles)
  expectElsewhere()
  const results = outputs.map(({ address, bytes }) => bytesOf(box).subarray(address, address + bytes))
  for (const seed of ORDERS) {
    for (const { address, bytes } of outputs) before.copy(memory(), address, address, address + bytes)
    runTiles(run, tiles, seed)
    outputs.forEach(({ address, bytes }, i) => {
      const same = results[i]?.equals(memory().subarray(address, address + bytes))
      expect(same, `${name}: output ${i} depends on the order of its tiles`).toBe(true)
    })
  }
  expectElsewhere()
}
