// gradients: what several uses of a value come to, seeds, values in between, and what depends on nothing.
import { describe, expect, test } from 'vitest'
import { add, mul, sub } from '../../src/compiler/ops/binary.js'
import { argMax, sameIndex, total } from '../../src/compiler/ops/metric.js'
import { sparseXent } from '../../src/compiler/ops/loss.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { max, min, sum } from '../../src/compiler/ops/reduce.js'
import { relu, square, tanh } from '../../src/compiler/ops/unary.js'
import { inScope, topological, type Value } from '../../src/compiler/graph/value.js'
import { gradients } from '../../src/compiler/passes/gradients.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { feed, Machine, programOf, type Feeds, type Results } from '../support/programs.js'
import { columnSum } from '../reference/sums.js'

const N = 5
const machine = new Machine()

/** The values that there are, by name, for N samples. */
function evaluate(values: Readonly<Record<string, Value | null>>, feeds: Feeds, fusion = true): Results {
  const fetches = Object.fromEntries(Object.entries(values).flatMap(([name, v]) => (v === null ? [] : [[name, v]])))
  const executor = machine.link(programOf(fetches, { capacity: N, fusion }))
  try { return machine.run(executor, N, feeds) } finally { executor.release() }
}

const result = (results: Results, name: string): ArrayLike<number> => {
  const r = results[name]
  if (r === undefined) throw new RangeError(`no result '${name}'`)
  return r
}

describe('several uses of a value', () => {
  const [x, u, w] = [feed('x', ['n', 3]), feed('u', ['n', 3]), feed('w', [3, 2])]
  const [dy, dv] = [feed('dy', ['n', 2]), feed('dv', ['n', 2])]
  const feeds: Feeds = { arrays: { x: randomFloats(15, 1), u: randomFloats(15, 2), w: randomFloats(6, 3), dy: randomFloats(10, 4), dv: randomFloats(10, 5) } }
  const column = (a: string, b: string, i: number, j: number): number =>
    columnSum(N, (r) => Math.fround(at(feeds.arrays[a] ?? [], r * 3 + i) * at(feeds.arrays[b] ?? [], r * 2 + j)))

  test('each sum is finished, then they are added', () => {
    const [dw = null] = gradients([{ y: matmul(x, w), dy }, { y: matmul(u, w), dy: dv }], [w])
    const want = [0, 1, 2].flatMap((i) => [0, 1].map((j) => Math.fround(column('x', 'dy', i, j) + column('u', 'dv', i, j))))
    for (const fusion of [true, false]) expectBits(result(evaluate({ dw }, feeds, fusion), 'dw'), want)
  })

  test('a running sum would have other bits', () => {
    const running = [0, 1, 2].flatMap((i) => [0, 1].map((j) => {
      let sum = 0
      for (const [a, b] of [['x', 'dy'], ['u', 'dv']] as const) for (let r = 0; r < N; r++) sum = Math.fround(sum + Math.fround(at(feeds.arrays[a] ?? [], r * 3 + i) * at(feeds.arrays[b] ?? [], r * 2 + j)))
      return sum
    }))
    const [dw = null] = gradients([{ y: matmul(x, w), dy }, { y: matmul(u, w), dy: dv }], [w])
    expect([...Array.from(result(evaluate({ dw }, feeds), 'dw'))]).not.toEqual(running)
  })

  test('an operand that is both operands counts twice', () => {
    const [dx = null] = gradients([{ y: mul(x, x), dy: u }], [x])
    const half = (i: number): number => Math.fround(at(feeds.arrays['u'] ?? [], i) * at(feeds.arrays['x'] ?? [], i))
    expectBits(result(evaluate({ dx }, feeds), 'dx'), Array.from({ length: 15 }, (_, i) => Math.fround(half(i) + half(i))))
  })
})

describe('what is asked for', () => {
  const [x, w, other] = [feed('x', ['n', 3]), feed('w', [3, 2]), feed('other', [3, 2])]
  const h = tanh(matmul(x, w))
  const feeds: Feeds = { arrays: { x: randomFloats(15, 1), w: randomFloats(6, 3), other: randomFloats(6, 4), dy: randomFloats(5, 5) } }

  test('has null where nothing depends on it, and its place', () => {
    const found = gradients([{ y: sum(h, 1) }], [other, w, other, x])
    expect(found.map((v) => v?.shape ?? null)).toEqual([null, [3, 2], null, ['n', 3]])
  })

  test('starts at ones when no seed is given, and at the seed when it is itself asked for', () => {
    const [dh = null, dy = null] = gradients([{ y: h }], [h, x])
    expect(dy?.shape).toEqual(['n', 3])
    expectBits(result(evaluate({ dh }, feeds), 'dh'), new Array<number>(10).fill(1))
    const seed = feed('seed', ['n', 2])
    expect(gradients([{ y: h, dy: seed }], [h])).toEqual([seed])
  })

  test('may lie in between: the chain goes on from there', () => {
    const dy = feed('dy', ['n'])
    const y = sum(square(h), 1)
    const [dh = null, dw = null] = gradients([{ y, dy }], [h, w])
    if (dh === null || dw === null) throw new RangeError('both have a gradient')
    const [chained = null] = gradients([{ y: h, dy: dh }], [w])
    const results = evaluate({ dh, dw, chained, h }, feeds)
    expectBits(result(results, 'chained'), Array.from(result(results, 'dw')))
    expectBits(result(results, 'dh'), Array.from(result(results, 'h'), (v, i) => Math.fround(at(feeds.arrays['dy'] ?? [], i >> 1) * Math.fround(2 * v))))
  })

  test('of several seeds is the sum', () => {
    const [a = null] = gradients([{ y: h }, { y: sum(h, 1) }], [h])
    expectBits(result(evaluate({ a }, feeds), 'a'), new Array<number>(10).fill(2))
  })

  test('computes nothing for operands that are not asked for', () => {
    const [dw] = gradients([{ y: sum(h, 1) }], [w])
    const ops = topological(dw === undefined || dw === null ? [] : [dw]).map(({ op, attrs }) => `${op.name}${attrs['transposeB'] === true ? 'ᵀ' : ''}`)
    expect(ops).not.toContain('matmulᵀ')
  })

  test('does not pass what has no gradient by definition', () => {
    const labels = feed('labels', ['n'], 'i32')
    expect(gradients([{ y: sameIndex(argMax(h), labels) }], [w, x])).toEqual([null, null])
  })
})

describe('the largest and the smallest', () => {
  const x = feed('x', ['n', 3])
  const gradientOf = (y: Value, numbers: readonly number[], seeds: readonly number[]): ArrayLike<number> => {
    const [dx = null] = gradients([{ y, dy: feed('dy', y.shape) }], [x])
    const all = Float32Array.from({ length: N * 3 }, (_, i) => numbers[i] ?? 0), dy = Float32Array.from({ length: N * 3 }, (_, i) => seeds[i] ?? 0)
    return result(evaluate({ dx }, { arrays: { x: all, dy: dy.subarray(0, y.shape.length === 0 ? 1 : y.shape[0] === 'n' ? N : 3) } }), 'dx')
  }

  test('those that are equally large share the gradient equally', () => {
    expectBits(Array.from(gradientOf(max(x, 1), [2, 5, 5, 7, 7, 7, 1, 0, -1], [8, 6, 3])).slice(0, 9), [0, 4, 4, 2, 2, 2, 3, 0, 0])
    expectBits(Array.from(gradientOf(min(x, 1), [2, 2, 5, 7, 7, 7, 1, 0, -1], [8, 6, 3])).slice(0, 9), [4, 4, 0, 2, 2, 2, 0, 0, 3])
    expectBits(gradientOf(max(x, 0), [9, 1, 0, 9, 2, 0, 3], [8, 6, 5]), [4, 0, 1, 4, 6, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1])
    expectBits(gradientOf(max(x), [9, 1, 9], [3]), [1.5, 0, 1.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  })

  test('NaN in, NaN out, forwards and backwards, and in no other row', () => {
    const numbers = randomFloats(N * 3, 1)
    numbers[4] = NaN
    const y = result(evaluate({ y: max(x, 1), z: min(x, 1) }, { arrays: { x: numbers } }), 'y')
    expect(Array.from(y, Number.isNaN)).toEqual([false, true, false, false, false])
    expect(Array.from(gradientOf(max(x, 1), [...numbers], [1, 1, 1, 1, 1]), Number.isNaN)).toEqual([false, false, false, true, true, true, ...new Array<boolean>(9).fill(false)])
  })

  test('an axis that is none is refused', () => {
    for (const axis of [2, -3, 0.5, NaN]) expect(() => max(x, axis)).toThrow('max: expected neighbouring axes')
  })
})

describe('what cannot be', () => {
  const x = feed('x', ['n', 3])

  test('an op without a rule is refused where the gradient is defined, with its place', () => {
    const y = inScope({ kind: 'loss', name: null, parent: null }, () => total(relu(x)), 'loss:y')
    expect(() => gradients([{ y }], [x])).toThrow('gradients: expected ops that have a gradient, got \'total\' in loss:y, which has none.')
    const [dx] = gradients([{ y: sparseXent(x, feed('labels', ['n'], 'i32')) }], [x])
    if (dx === undefined || dx === null) throw new RangeError('the loss has a gradient')
    expect(() => gradients([{ y: dx }], [x])).toThrow('\'sparseXentGrad\'')
  })

  test('a seed of another shape is refused', () => {
    expect(() => gradients([{ y: relu(x), dy: feed('dy', ['n', 2]) }], [x])).toThrow('expected a seed of shape [n, 3], got [n, 2]')
  })

  test('an op without a rule that lies elsewhere is no hindrance', () => {
    expect(gradients([{ y: add(relu(x), sub(x, x)) }], [x]).length).toBe(1)
    expect(gradients([{ y: total(feed('z', ['n'])) }, { y: relu(x) }], [x]).every((v) => v !== null)).toBe(true)
  })
})
