// Sequences of different lengths in one array.
import { expect, test } from 'vitest'
import { ShapeError } from '../../src/core/errors.js'
import { padSequences } from '../../src/data/sequences.js'

test('numbers and rows, zeros behind; an empty one; typed arrays', () => {
  const a = padSequences([[1, 2, 3], [], Float32Array.of(4)])
  expect([a.shape, [...a.data], [...a.lengths]]).toEqual([[3, 3, 1], [1, 2, 3, 0, 0, 0, 4, 0, 0], [3, 0, 1]])
  const b = padSequences([[[1, 2]], [[3, 4], [5, 6]]], { length: 3 })
  expect([b.shape, [...b.data], [...b.lengths]]).toEqual([[2, 3, 2], [1, 2, 0, 0, 0, 0, 3, 4, 5, 6, 0, 0], [1, 2]])
  expect(padSequences([[]]).shape).toEqual([1, 1, 1])
})

test('longer ones lose their start or their end, or are refused', () => {
  expect([...padSequences([[1, 2, 3], [4]], { length: 2, truncate: 'start' }).data]).toEqual([2, 3, 4, 0])
  const end = padSequences([[1, 2, 3], [4]], { length: 2, truncate: 'end' })
  expect([[...end.data], [...end.lengths]]).toEqual([[1, 2, 4, 0], [2, 1]])
  expect(() => padSequences([[4], [1, 2, 3]], { length: 2 })).toThrow('padSequences[1]: expected at most 2 steps, got 3. Say which to leave out')
})

test('what is refused', () => {
  expect(() => padSequences([])).toThrow(TypeError)
  expect(() => padSequences(5 as never)).toThrow(TypeError)
  expect(() => padSequences(['ab'] as never)).toThrow('padSequences[0]')
  expect(() => padSequences([[1, NaN]])).toThrow('padSequences[0][1]: expected finite numbers, got NaN')
  expect(() => padSequences([[[1, 2]], [[1]]])).toThrow(ShapeError)
  expect(() => padSequences([[[1, 2], [1]]])).toThrow('padSequences[0][1]: expected 2 numbers, as in the first step, got 1')
  expect(() => padSequences([[1]], { length: 0 })).toThrow(RangeError)
  expect(() => padSequences([[1]], { truncate: 'middle' as never })).toThrow('truncate')
})
