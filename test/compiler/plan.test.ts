// planMemory, fuse and verify: memory is shared without a bit changing, barriers stand where addresses meet and nowhere else, and what is
// corrupted is refused.
import { describe, expect, test } from 'vitest'
import { accuracy, adam, dense, sequential, sparseCategoricalCrossentropy } from '../../src/index.js'
import { constant, type Value } from '../../src/compiler/graph/value.js'
import { kernelTable } from '../../src/compiler/kernels.js'
import { add, mul } from '../../src/compiler/ops/binary.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { maxPool2d } from '../../src/compiler/ops/pool.js'
import { sum } from '../../src/compiler/ops/reduce.js'
import { expand } from '../../src/compiler/ops/shapes.js'
import { relu, tanh } from '../../src/compiler/ops/unary.js'
import { gradients } from '../../src/compiler/passes/gradients.js'
import { Assembler } from '../../src/compiler/passes/lower.js'
import { planMemory } from '../../src/compiler/passes/plan.js'
import { verify } from '../../src/compiler/passes/verify.js'
import { sizeAt, type Buffer, type Call, type Program, type Word } from '../../src/compiler/program.js'
import { randomDag } from '../support/dags.js'
import { reachError } from '../support/extents.js'
import { neededAtOnce } from '../support/memory.js'
import { randomFloats } from '../support/numbers.js'
import { feed, Machine, programOf, resultDifference, type Feeds, type Results } from '../support/programs.js'

const CAPACITY = 6
const DAGS = Array.from({ length: 120 }, (_, seed) => seed)
const machine = new Machine()

function runOnce(program: Program, n: number, feeds: Feeds, lanes: number | null = null): Results {
  const executor = machine.link(program)
  try { return machine.run(executor, n, feeds, lanes) } finally { executor.release() }
}

/** The same program with memory of its own for every buffer, and a barrier before every call. */
function apart(p: Program): Program {
  let end = 0
  const buffers = p.buffers.map((b): Buffer => {
    if (b.region !== 'arena') return b
    const offset = end
    end += Math.ceil(sizeAt(b.bytes, p.capacity) / 64) * 64
    return { ...b, offset }
  })
  return { ...p, buffers, calls: p.calls.map((call) => ({ ...call, barrier: true })), sizes: { ...p.sizes, arena: end } }
}

/** Do two buffers share a byte, at capacity? */
function meet(p: Program, i: number, j: number): boolean {
  const [a, b] = [p.buffers[i], p.buffers[j]]
  if (a === undefined || b === undefined || a.region !== b.region) return false
  if (a.region !== 'arena' && a.region !== 'grad' && a.region !== 'sum' && a.region !== 'keep') return i === j
  return a.offset < b.offset + sizeAt(b.bytes, p.capacity) && b.offset < a.offset + sizeAt(a.bytes, p.capacity)
}

const someMeet = (p: Program, a: readonly number[], b: readonly number[]): boolean => a.some((i) => b.some((j) => meet(p, i, j)))
const hazard = (p: Program, earlier: Call, later: Call): boolean =>
  someMeet(p, earlier.writes, later.reads) || someMeet(p, earlier.writes, later.writes) || someMeet(p, earlier.reads, later.writes)

describe('planMemory', () => {
  test.each(DAGS)('random graph %i: the bits of a plan that shares nothing, on one lane and on many', (seed) => {
    const { fetches, feeds } = randomDag(seed)
    const program = programOf(fetches, { capacity: CAPACITY })
    for (const n of [0, 1, 4, CAPACITY]) {
      const want = runOnce(apart(program), n, feeds(n))
      for (const lanes of [null, 1, 2]) expect(resultDifference(runOnce(program, n, feeds(n), lanes), want)).toBe('')
      expect(reachError(program, n)).toBe('')
    }
    const { lower, peak, naive } = program.report
    expect([lower <= peak, peak <= naive, peak === program.sizes.arena, neededAtOnce(program) === lower, peak <= 1.1 * lower]).toEqual([true, true, true, true, true])
  })

  test.each(DAGS)('random graph %i: a barrier where addresses meet, and nowhere else', (seed) => {
    const program = programOf(randomDag(seed).fetches, { capacity: CAPACITY })
    let since: Call[] = []
    program.calls.forEach((call) => {
      const needed = since.some((earlier) => hazard(program, earlier, call))
      expect(call.barrier).toBe(needed)
      since = needed ? [call] : [...since, call]
    })
  })

  test('an output takes the place of an operand that dies there', () => {
    const x = feed('x', ['n', 4])
    const chained = programOf({ y: tanh(relu(x)) }, { capacity: 16 })
    expect(chained.report).toEqual({ peak: 256, naive: 256 * 3, lower: 256 })
    // Here relu(x) is needed again.
    const r = relu(x)
    expect(programOf({ y: add(tanh(r), r) }, { capacity: 16 }).report.peak).toBe(512)
    // And here it is asked for.
    expect(programOf({ y: tanh(r), r }, { capacity: 16 }).report.peak).toBe(512)
  })

  test('memory of what is dead is used again, and then there is a barrier', () => {
    const asm = new Assembler(1)
    const place = (name: string) => asm.buffer([64], 'f32', 'arena', { key: name })
    const [a, b, c, d] = [place('a'), place('b'), place('c'), place('d')]
    const fill = (y: typeof a, value: number) => asm.call('', 'f32_fill', { y, length: 64, value: { f32: value } }, { tiles: 1, writes: ['y'] })
    fill(a, 1)
    asm.call('', 'f32_reduce', { x: a, y: b, outer: 1, k: 64, inner: 1, code: 0 }, { tiles: 1, writes: ['y'] })
    fill(c, 3)
    fill(d, 4)
    const plan = planMemory({ capacity: 1, buffers: asm.buffers, calls: asm.calls, loops: [], prologue: 0, inputs: {}, outputs: { b, c, d }, inplace: asm.inplace })
    expect(plan.buffers.map(({ offset }) => offset)).toEqual([0, 256, 0, 512])
    expect(plan.calls.map(({ barrier }) => barrier)).toEqual([false, true, true, false])
    expect(plan.report).toEqual({ peak: 768, naive: 1024, lower: 768 })
  })

  test('the arena of the worked example is within 5 % of its lower bound', () => {
    const model = sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: [784], seed: 1 })
      .compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
    for (const kind of ['grad', 'predict'] as const) {
      const { report } = model.program(kind, { capacity: 128 }).program
      expect(report.peak).toBeLessThanOrEqual(1.05 * report.lower)
      expect(report.peak).toBeLessThan(report.naive)
    }
  })
})

describe('fuse', () => {
  const [x, w, b] = [feed('x', ['n', 7]), feed('w', [7, 9]), feed('b', [9])]
  const product = matmul(x, w)
  const biased = add(product, b)
  const y = relu(biased)
  const feeds: Feeds = { arrays: { x: randomFloats(35, 1), w: randomFloats(63, 2), b: randomFloats(9, 3), z: randomFloats(45, 4), p: randomFloats(5, 5) } }
  const kernels = (p: Program): string => p.calls.map(({ kernel }) => kernel).join(' ')

  test('bias and activation become part of the product', () => {
    const program = programOf({ y }, { capacity: 5 })
    expect(kernels(program)).toBe('f32_pack_b f32_gemm')
    expect(kernels(programOf({ y }, { capacity: 5, fusion: false }))).toBe('f32_pack_b f32_gemm f32_binary f32_unary')
    expect(resultDifference(runOnce(program, 5, feeds), runOnce(programOf({ y }, { capacity: 5, fusion: false }), 5, feeds))).toBe('')
  })

  test('what is fetched is not fused away, and has no other bits', () => {
    const all = programOf({ y, biased, product }, { capacity: 5 })
    expect(kernels(all)).toBe('f32_pack_b f32_gemm f32_binary f32_unary')
    expect(kernels(programOf({ y, biased }, { capacity: 5 }))).toBe('f32_pack_b f32_gemm f32_unary')
    const results = runOnce(all, 5, feeds)
    for (const fetches of [{ y }, { biased }, { product }, { y, biased }]) {
      const got = runOnce(programOf(fetches, { capacity: 5 }), 5, feeds)
      expect(resultDifference(got, Object.fromEntries(Object.entries(results).filter(([name]) => name in got).map(([name, v]) => [name, v])))).toBe('')
    }
  })

  test('what is used twice stays', () => {
    expect(kernels(programOf({ y: add(relu(product), product) }, { capacity: 5 }))).toBe('f32_pack_b f32_gemm f32_unary f32_binary')
  })

  test('the gradient of a relu becomes part of that of the pooling behind it, and of no other', () => {
    const image = feed('i', ['n', 4, 6, 3])
    const options = { poolSize: [2, 2], strides: [2, 2], padding: 'valid' } as const
    const passed = relu(image), pooled = maxPool2d(passed, options)
    const of = (...outputs: readonly Value[]): Readonly<Record<string, Value>> => ({ dx: gradients(outputs.map((v) => ({ y: v })), [image])[0] ?? image })
    expect(kernels(programOf(of(pooled), { capacity: 5 }))).toBe('f32_unary f32_binary f32_max_pool_grad')
    const data: Feeds = { arrays: { i: randomFloats(5 * 72, 1) } }
    for (const fetches of [of(pooled), of(pooled, passed), of(maxPool2d(relu(passed), options)), { ...of(pooled), passed, pooled }]) {
      expect(resultDifference(runOnce(programOf(fetches, { capacity: 5 }), 5, data), runOnce(programOf(fetches, { capacity: 5, fusion: false }), 5, data))).toBe('')
    }
  })

  test('a column that a longer row is added to is no product with a bias', () => {
    const column = matmul(x, feed('v', [7, 1]))
    const fetches = { y: add(column, b) }
    const data: Feeds = { arrays: { ...feeds.arrays, v: randomFloats(7, 6) } }
    expect(resultDifference(runOnce(programOf(fetches, { capacity: 5 }), 5, data), runOnce(programOf(fetches, { capacity: 5, fusion: false }), 5, data))).toBe('')
  })

  test('a sum over more samples than a block, added to something: the same bits for any capacity', () => {
    const [u, v, z] = [feed('u', ['n', 3]), feed('v', ['n', 9]), feed('z', [3, 9])]
    const fetches = { y: add(z, matmul(u, v, { transposeA: true })) }
    for (const n of [5, 4096, 4100]) {
      const data: Feeds = { arrays: { u: randomFloats(3 * n, 1), v: randomFloats(9 * n, 2), z: randomFloats(27, 3) } }
      const want = runOnce(programOf(fetches, { capacity: n, fusion: false }), n, data)
      for (const capacity of [n, 4096, 4100, 9000].filter((c) => c >= n)) expect(resultDifference(runOnce(programOf(fetches, { capacity }), n, data, n), want)).toBe('')
    }
  })
})

const replaced = <T>(list: readonly T[], i: number, item: T): readonly T[] => list.map((other, j) => (i === j ? item : other))
const withCall = (p: Program, i: number, change: Partial<Call>): Program => ({ ...p, calls: p.calls.map((call, j) => (i === j ? { ...call, ...change } : call)) })
const withBuffer = (p: Program, i: number, change: Partial<Buffer>): Program => ({ ...p, buffers: p.buffers.map((b, j) => (i === j ? { ...b, ...change } : b)) })

describe('verify', () => {
  const programs = DAGS.slice(0, 12).map((seed) => ({ seed, ...randomDag(seed) })).map((dag) => ({ ...dag, program: programOf(dag.fetches, { capacity: CAPACITY }) }))
  const every = (check: (p: Program) => void) => { for (const { program } of programs) check(program) }
  const refused = (p: Program, what: string) => expect(() => verify(p), what).toThrow(/^program, call/)

  test('accepts what the planner made, and what shares nothing', () => every((p) => { verify(p); verify(apart(p)) }))

  test('refuses every program without one of its barriers', () => every((p) => p.calls.forEach(({ barrier }, i) => { if (barrier) refused(withCall(p, i, { barrier: false }), `barrier ${i}`) })))

  test('refuses a smaller arena, and a buffer beyond it or before it', () => every((p) => {
    refused({ ...p, sizes: { ...p.sizes, arena: p.sizes.arena - 64 } }, 'arena')
    p.buffers.forEach(({ region, bytes }, i) => {
      if (region !== 'arena' || sizeAt(bytes, p.capacity) === 0 || !p.calls.some(({ reads, writes }) => [...reads, ...writes].includes(i))) return
      refused(withBuffer(p, i, { offset: p.sizes.arena }), `buffer ${i} beyond`)
      refused(withBuffer(p, i, { offset: -64 }), `buffer ${i} before`)
      refused(withBuffer(p, i, { bytes: p.sizes.arena + 64 }), `buffer ${i} too large`)
    })
  }))

  test('of a plan with a buffer elsewhere, it refuses those that give other bits', () => {
    let [wrong, right] = [0, 0]
    for (const { program: p, feeds } of programs) {
      const want = runOnce(apart(p), CAPACITY, feeds(CAPACITY))
      const offsets = [...new Set(p.buffers.flatMap(({ region, offset }) => (region === 'arena' ? [offset, offset + 64, Math.max(0, offset - 64)] : [])))]
      p.buffers.forEach(({ region }, i) => {
        if (region !== 'arena') return
        for (const offset of offsets) {
          const moved = withBuffer(p, i, { offset })
          try { verify(moved) } catch { wrong++; continue }
          right++
          expect(resultDifference(runOnce(moved, CAPACITY, feeds(CAPACITY), offset), want), `buffer ${i} at ${offset}`).toBe('')
        }
      })
    }
    expect([wrong > 100, right > 100]).toEqual([true, true])
  })

  test('refuses a program that lacks a call, or runs two dependent ones the wrong way round', () => every((p) => {
    p.calls.forEach((call, i) => {
      if (call.writes.some((b) => call.reads.includes(b))) return
      refused({ ...p, calls: p.calls.filter((_, j) => j !== i) }, `without call ${i}`)
      const later = p.calls[i + 1]
      if (later === undefined || !later.reads.some((b) => call.writes.includes(b))) return
      refused({ ...p, calls: replaced(replaced(p.calls, i, later), i + 1, call) }, `calls ${i} and ${i + 1} swapped`)
    })
  }))

  test('refuses descriptors that are not the kernel\'s, and addresses outside their buffers', () => every((p) => p.calls.forEach((call, i) => {
    const { words } = call
    refused(withCall(p, i, { words: words.slice(1) }), 'a word less')
    refused(withCall(p, i, { words: [...words, 0] }), 'a word more')
    refused(withCall(p, i, { tiles: -1 }), 'tiles −1')
    refused(withCall(p, i, { tiles: 1.5 }), 'tiles 1.5')
    words.forEach((word, j) => {
      if (typeof word !== 'object' || !('buffer' in word)) return
      const change = (w: Word) => withCall(p, i, { words: replaced(words, j, w) })
      refused(change({ ...word, buffer: p.buffers.length }), 'no such buffer')
      refused(change({ ...word, offset: -4 }), 'before the buffer')
      refused(change({ ...word, offset: sizeAt(p.buffers[word.buffer]?.bytes ?? 0, p.capacity) + 4 }), 'behind the buffer')
    })
  })))

  test('refuses an output that nothing wrote', () => every((p) => {
    const [name, view] = Object.entries(p.outputs)[0] ?? []
    if (name === undefined || view === undefined) throw new RangeError('a program has outputs')
    const fresh: Buffer = { id: p.buffers.length, bytes: 64, dtype: 'f32', region: 'arena', offset: 0 }
    refused({ ...p, buffers: [...p.buffers, fresh], outputs: { ...p.outputs, [name]: { ...view, buffer: fresh.id } } }, 'output')
  }))

  test('sizes in descriptors reach no further than their buffers, and the account of that notices when one grows', () => every((p) => {
    const sizes = new Set(['m', 'n', 'k', 'rows', 'width', 'length', 'outer', 'mid', 'inner'])
    p.calls.forEach((call, i) => call.words.forEach((word, j) => {
      const names: readonly string[] = kernelTable[call.kernel].words
      if (!sizes.has(names[j] ?? '') || typeof word !== 'number') return
      const grown = withCall(p, i, { words: replaced(call.words, j, word + 8) })
      expect(reachError(grown, p.capacity), `call ${i}, ${names[j] ?? ''}`).not.toBe('')
    }))
  }))

  test('what a prologue leaves in the arena is not there in the next run', () => {
    const w = feed('w', [4, 4])
    const p = programOf({ y: sum(relu(w), 0) }, { capacity: 1 })
    verify(p)
    refused({ ...p, prologue: p.calls.length - 1 }, 'a prologue that writes to the arena')
    refused({ ...p, prologue: p.calls.length }, 'a prologue that writes to the arena, and nothing else')
  })

  test('refuses a prologue that depends on samples, whose results are written to, or which ends where there is nothing', () => {
    const weight = constant([3, 2], 'f32', [...randomFloats(6, 1)])
    const p = programOf({ y: matmul(feed('x', ['n', 3]), weight), z: feed('z', [4]) }, { capacity: 5, prologue: true })
    expect([p.prologue, p.calls.map(({ kernel }) => kernel)]).toEqual([1, ['f32_pack_b', 'f32_gemm']])
    const kept = p.calls[0]?.writes[0] ?? -1
    refused({ ...p, prologue: 2 }, 'a product over samples')
    refused({ ...p, prologue: 3 }, 'beyond the end')
    refused(withCall(p, 0, { tiles: { per: 1 } }), 'tiles by samples')
    refused(withCall(p, 0, { reads: [p.inputs['z']?.buffer ?? -1] }), 'an input in the prologue')
    refused(withCall(p, 1, { writes: [...(p.calls[1]?.writes ?? []), kept], barrier: true }), 'what is kept is written to')
  })

  test('refuses loops that are empty, lie across each other, or have no steps', () => {
    const p = programOf({ y: tanh(relu(matmul(feed('x', ['n', 3]), feed('w', [3, 3])))), z: relu(feed('z', [3])) }, { capacity: 3 })
    expect(p.calls.length).toBeGreaterThanOrEqual(4)
    for (const loops of [
      [{ from: 1, to: 1, steps: 2 }], [{ from: 0, to: p.calls.length + 1, steps: 2 }], [{ from: -1, to: 2, steps: 2 }], [{ from: 0, to: 2, steps: 0 }], [{ from: 0, to: 2, steps: 1.5 }],
      [{ from: 0, to: 2, steps: 1 }, { from: 1, to: 3, steps: 1 }], [{ from: 2, to: 3, steps: 1 }, { from: 0, to: 1, steps: 1 }],
    ]) refused({ ...p, loops }, JSON.stringify(loops))
  })
})

describe('a prologue', () => {
  const x = randomFloats(9 * 3, 1)
  /** Several runs of one program give what a program without a prologue gives, whatever was run before. */
  const expectSame = (fetches: (x: Value) => Record<string, Value>, calls: number): void => {
    const made = fetches(feed('x', ['n', 3]))
    const [kept, plain] = [programOf(made, { capacity: 9, prologue: true }), programOf(made, { capacity: 9 })]
    expect(kept.prologue).toBe(calls)
    const executor = machine.link(kept)
    for (const n of [2, 9, 9, 1, 4, 0, 9]) {
      const feeds: Feeds = { arrays: { x: x.subarray(0, n * 3) } }
      expect(resultDifference(machine.run(executor, n, feeds), runOnce(plain, n, feeds)), `${n} samples`).toBe('')
    }
    executor.release()
  }
  const w = constant([3, 3], 'f32', [...randomFloats(9, 2)])
  const row = constant([3], 'f32', [1, 2, 3])

  test('runs once for all numbers of samples, so it holds nothing that has any', () => {
    expectSame((v) => ({ y: mul(v, expand(row, ['n', 3])) }), 0)
    expectSame((v) => ({ y: mul(v, relu(expand(tanh(row), ['n', 3]))) }), 1)
  })

  test('leaves nothing that a later call adds to', () => {
    expectSame((v) => ({ y: add(expand(row, ['n', 3]), matmul(v, w)) }), 1)
    // the sum over samples is added to a weight, in place
    expectSame((v) => ({ y: add(tanh(w), matmul(v, v, { transposeA: true })) }), 1)
  })

  test('holds a whole chain of weights, and what of it is asked for', () => {
    const t = tanh(w)
    expectSame((v) => ({ y: matmul(v, t), z: t, s: sum(t, 0) }), 3)
  })
})
