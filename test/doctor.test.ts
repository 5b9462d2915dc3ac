// `doctor`: its short table is the same on every host, and it says so when a row differs.
import { describe, expect, it } from 'vitest'
import { doctor } from '../src/doctor/index.js'
import { expected } from '../src/doctor/expected.js'
import { trainings } from '../src/doctor/trainings.js'

describe('doctor', () => {
  it('finds every row equal on this host, on one lane and on two', async () => {
    const { rows, equal, simd, engine, lanes, memory } = await doctor()
    expect({ simd, engine, lanes, equal }).toEqual({ simd: true, engine: `Node ${process.versions.node}`, lanes: 2, equal: true })
    expect(rows.filter((row) => !row.equal)).toEqual([])
    expect(rows.map(({ name, lanes: n }) => [name, n])).toEqual([...Object.keys(trainings).map((name) => [name, 1]), ['wide', 2]])
    expect(memory).toBeGreaterThanOrEqual(2 ** 20)
  })
  it('knows what to expect of each training, and of no other', () => {
    expect(Object.keys(expected)).toEqual(Object.keys(trainings))
    for (const hash of Object.values(expected)) expect(hash).toMatch(/^[0-9a-f]{64}$/)
  })
  it('hashes what is trained: one other weight, another hash', async () => {
    const hashes = await Promise.all(Object.values(trainings).map((train) => train(1)))
    expect(new Set(hashes).size).toBe(hashes.length)
  })
})
