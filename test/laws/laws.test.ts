// The laws, for every op of the table: its values against a reference in f64, its gradients and their gradients against differences, and the
// same bits whatever the order of tiles, fusion, fetches, capacity, or what memory held before.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, mul } from '../../src/compiler/ops/binary.js'
import { ops } from '../../src/compiler/ops/index.js'
import { gradients, ruleOf } from '../../src/compiler/passes/gradients.js'
import { specialise } from '../../src/compiler/passes/specialise.js'
import { verifyAt } from '../../src/compiler/passes/verify.js'
import type { Program } from '../../src/compiler/program.js'
import { apply1, constant, rewrite, type Value } from '../../src/compiler/graph/value.js'
import type { DType, Shape } from '../../src/core/shape.js'
import { count, type Plain } from '../reference/arrays.js'
import { at } from '../support/bits.js'
import { reachError } from '../support/extents.js'
import { random, shuffled } from '../support/numbers.js'
import { feed, Machine, programOf, resultDifference, type Feeds, type Fetches, type Results, type Typed } from '../support/programs.js'
import { SEED, STEP, table, type Case, type Row } from './table.js'

const SAMPLES = [0, 1, 2, 3, 5, 8, 13] as const
const CAPACITY = 13
/** Relative error of one rounding to f32, and the smallest step between two numbers. */
const U = 2 ** -24
const DENORMAL = 2 ** -149
/** Ops that no gradient passes: refused by name when one is defined. */
const WITHOUT_RULE = ['sparseXentGrad', 'total', 'maxPool2dGrad', 'quantizeLinear', 'qmatmul']
/** Elements of an operand whose differences are taken; of more these are sampled, and few of those of which each costs much. */
const CHECKED = 16
const CHECKED_OF_MANY = 3

const machine = new Machine()
/** real threads */
const machines = [2, 3, 8].map((lanes) => new Machine(lanes))
beforeAll(async () => {
  for (const m of machines) await m.ready()
  expect(machines.map(({ store }) => store.runtime.lanes)).toEqual([2, 3, 8])
})
const executors: { release(): void }[] = []
const link = (program: Program) => { const e = machine.link(program, SEED); executors.push(e); return e }
const releaseAll = () => { for (const e of executors.splice(0)) e.release() }
afterAll(releaseAll)

const sized = (shape: Shape, n: number): readonly number[] => shape.map((d) => (d === 'n' ? n : d))
const typed: Readonly<Record<DType, (data: readonly number[]) => Typed>> = {
  f32: (data) => Float32Array.from(data), f64: (data) => Float64Array.from(data), i32: (data) => Int32Array.from(data), u8: (data) => Uint8Array.from(data), i8: (data) => Int8Array.from(data),
}

/** A case with its operands as values, and numbers for them. */
class Subject {
  readonly ins: readonly Value[]
  readonly y: Value
  /** operands that may have a gradient */
  readonly floats: readonly Value[]
  readonly dy: Value

  constructor(readonly row: Row, readonly item: Case, readonly seed: number) {
    this.ins = item.operands.map(({ shape, dtype }, i) => feed(`x${i}`, shape, dtype))
    this.y = row.build(this.ins, item.attrs)
    this.floats = this.ins.filter((v) => v.dtype === 'f32')
    this.dy = feed('dy', this.y.shape)
  }

  get batched(): boolean { return [...this.ins, this.y].some(({ shape }) => shape[0] === 'n') }
  get samples(): readonly number[] { return this.batched ? SAMPLES : [1] }

  /** Numbers for the operands; and for dy and the directions r, which only gradients need. */
  numbers(n: number): { readonly ins: readonly Plain[]; readonly dy: Plain; readonly r: readonly Plain[] } {
    const next = random(this.seed + 97 * n)
    const draw = (shape: Shape, f: (next: () => number, n: number) => number): Plain => {
      const own = sized(shape, n)
      return { shape: own, data: Array.from({ length: count(own) }, () => f(next, n)) }
    }
    const uniform = (): number => Math.fround(2 * next() - 1)
    return { ins: this.item.operands.map(({ shape, draw: f }) => draw(shape, f)), dy: draw(this.y.shape, uniform), r: this.ins.map(({ shape }) => draw(shape, uniform)) }
  }

  feeds(n: number): Feeds {
    const { ins, dy, r } = this.numbers(n)
    const arrays: Record<string, Typed> = { dy: Float32Array.from(dy.data) }
    this.item.operands.forEach(({ dtype }, i) => {
      arrays[`x${i}`] = typed[dtype](ins[i]?.data ?? [])
      arrays[`r${i}`] = Float32Array.from(r[i]?.data ?? [])
    })
    return { arrays, step: STEP }
  }

  oracle(ins: readonly Plain[], n: number) { return this.row.oracle(ins, this.item.attrs, n) }

  /** The gradients of Σ y·dy by the f32 operands, by the operands' names; null where nothing depends on one. */
  first(): Readonly<Record<string, Value | null>> {
    const found = gradients([{ y: this.y, dy: this.dy }], this.floats)
    return Object.fromEntries(this.floats.map((v, i) => [nameOf(v), found[i] ?? null]))
  }

  /** The gradients of Σ r·(first gradients) by the f32 operands and by dy. */
  second(): Readonly<Record<string, Value | null>> {
    const seeds = Object.entries(this.first()).flatMap(([name, y]) => (y === null ? [] : [{ y, dy: feed(`r${name.slice(1)}`, y.shape) }]))
    const wrt = [...this.floats, this.dy]
    const found = seeds.length === 0 ? [] : gradients(seeds, wrt)
    return Object.fromEntries(wrt.map((v, i) => [nameOf(v), found[i] ?? null]))
  }
}

const nameOf = (v: Value): string => (v.source.kind === 'input' ? v.source.spec.name : '')
const present = (found: Readonly<Record<string, Value | null>>): Fetches => Object.fromEntries(Object.entries(found).flatMap(([name, v]) => (v === null ? [] : [[`d${name}`, v]])))

const subjects = table.map((row, r) => ({ name: row.name, row, items: row.cases.map((item, c) => new Subject(row, item, 1000 * r + c)) }))
const titleOf = ({ item }: Subject): string => `${item.operands.map(({ shape, dtype }) => `${dtype}[${shape.join()}]`).join(' ')} ${JSON.stringify(item.attrs)}`

/** The same of constants in place of the inputs that have no samples. */
function withConstants(fetches: Fetches, { arrays }: Feeds): Fetches {
  const values = rewrite(Object.values(fetches), {
    leaf(v) {
      const data = arrays[nameOf(v)]
      return data === undefined || v.source.kind !== 'input' || v.shape[0] === 'n' ? v : constant(v.shape, v.dtype, Array.from(data))
    },
  })
  return Object.fromEntries(Object.keys(fetches).flatMap((name, i) => { const v = values[i]; return v === undefined ? [] : [[name, v]] }))
}

/** All that a run can differ in without changing a bit. */
function expectSameBits(fetches: Fetches, samples: readonly number[], feeds: (n: number) => Feeds, title: string): void {
  const program = programOf(fetches, { capacity: CAPACITY })
  const fused = link(program)
  const plain = link(programOf(fetches, { capacity: CAPACITY, fusion: false }))
  const pinned = link(programOf(fetches, { capacity: CAPACITY, pinned: true }))
  const results = new Map<number, Results>()
  const expectSame = (got: Results, n: number, what: string): void => {
    const want = results.get(n)
    if (want === undefined) results.set(n, got)
    else { const found = resultDifference(got, want); if (found !== '') expect.fail(`${title}, n = ${n}, ${what}: ${found}`) }
  }
  for (const turn of shuffled(samples.length, 3)) {
    const n = at(samples, turn), data = feeds(n)
    expectSame(machine.run(link(programOf(fetches, { capacity: Math.max(n, 1) })), n, data), n, 'alone')
    expectSame(machine.run(fused, n, data), n, `capacity ${CAPACITY}`)
    expectSame(machine.run(fused, n, data), n, 'again')
    for (const seed of [1, 2]) expectSame(machine.run(fused, n, data, seed + 10 * n), n, `lanes ${seed}`)
    for (const m of machines) {
      const e = m.link(program, SEED)
      expectSame(m.run(e, n, data), n, `${m.lanes} lanes`)
      e.release()
    }
    expectSame(machine.run(plain, n, data), n, 'without fusion')
    expectSame(machine.run(plain, n, data, n), n, 'without fusion, lanes')
    expectSame(machine.run(pinned, n, data), n, 'every value fetched')
    expectSame(machine.run(pinned, n, data, n), n, 'every value fetched, lanes')
  }
  for (const n of samples) expectSame(machine.run(fused, n, feeds(n)), n, 'after another n')
  // What has no samples as weights have it: the same in each run, and what depends on it alone computed once, before.
  const most = Math.max(...samples), data = feeds(most)
  const kept = link(programOf(withConstants(fetches, data), { capacity: CAPACITY, prologue: true }))
  machine.run(kept, Math.min(1, most), data)
  for (const again of ['', ' again']) expectSame(machine.run(kept, most, data), most, `in a prologue${again}`)
  for (const { program: p } of [fused, plain, pinned]) {
    for (let n = 0; n <= CAPACITY; n++) {
      verifyAt(p, n)
      expect(reachError(p, n), title).toBe('')
    }
    const { lower, peak, naive } = p.report
    expect([lower <= peak, peak <= naive], title).toEqual([true, true])
  }
  releaseAll()
}

describe('the table', () => {
  test('has a row for every op', () => {
    expect([...new Set(table.map(({ op }) => op))].sort()).toEqual([...ops.keys()].sort())
  })

  test('says of every op without a rule that it has none', () => {
    expect([...ops].flatMap(([name, op]) => (ruleOf(op) === undefined ? [name] : [])).sort()).toEqual([...WITHOUT_RULE].sort())
    expect(table.filter(({ gradient }) => gradient === 'refused').map(({ op }) => op).every((op) => WITHOUT_RULE.includes(op))).toBe(true)
  })
})

describe.each(subjects)('$name', ({ row, items }) => {
  test('is what the reference says', () => {
    for (const subject of items) {
      const e = link(programOf({ y: subject.y }, { capacity: CAPACITY }))
      for (const n of subject.samples) {
        const got = machine.run(e, n, subject.feeds(n))['y']
        const want = subject.oracle(subject.numbers(n).ins, n)
        expect(got?.length, titleOf(subject)).toBe(want.length)
        want.forEach(({ y, scale }, i) => {
          const x = got?.[i] ?? NaN
          if (Number.isNaN(y) ? !Number.isNaN(x) : x !== y && !(Math.abs(x - y) <= row.units * U * scale + (row.units === 0 ? 0 : DENORMAL))) expect.fail(`${titleOf(subject)}, n = ${n}, [${i}]: ${x} instead of ${y} ± ${row.units * U * scale}`)
        })
      }
      releaseAll()
    }
  })

  test('has the same bits whatever', () => {
    for (const subject of items) expectSameBits({ y: subject.y }, subject.samples, (n) => subject.feeds(n), titleOf(subject))
  })

  if (row.gradient === 'none') {
    test('has no gradient', () => {
      for (const subject of items) {
        expect(subject.floats.length === 0 || gradients([{ y: subject.y, dy: feed('dy', subject.y.shape, subject.y.dtype) }], subject.floats).every((v) => v === null), titleOf(subject)).toBe(true)
      }
    })
    return
  }
  if (row.gradient === 'refused') {
    test('is refused, by name, when a gradient through it is defined', () => {
      for (const subject of items) expect(() => gradients([{ y: subject.y, dy: feed('dy', subject.y.shape) }], subject.floats)).toThrow(`'${row.op}'`)
    })
    return
  }

  test('has the gradient that differences show', () => {
    for (const subject of items) checkFirst(subject)
  })

  test('its gradient has the same bits whatever', () => {
    for (const subject of items) {
      const fetches = present(subject.first())
      if (Object.keys(fetches).length > 0) expectSameBits(fetches, subject.samples, (n) => subject.feeds(n), titleOf(subject))
    }
  })

  if (row.gradient === 'first') {
    test('the gradient of its gradient is refused, by name', () => {
      for (const subject of items) expect(() => subject.second()).toThrow(`'${row.op}Grad'`)
    })
    return
  }

  test('its gradient has the gradient that differences show', () => {
    for (const subject of items) checkSecond(subject)
  })
})

/** What is the same again once the mode is chosen: an op that is one of its operands, by mode. */
test.each([['byMode', {}], ['average', { momentum: 0.9 }]] as const)('%s: the gradient of what is open is, in each mode, the gradient of what was chosen', (name, attrs) => {
  const op = ops.get(name)
  if (op === undefined) throw new RangeError(`no op ${name}`)
  const [a, b] = [feed('a', [5]), feed('b', [5])]
  const open = mul(apply1(op, [mul(a, b), add(mul(b, b), b)], attrs), a)
  for (const mode of ['train', 'predict'] as const) {
    const before = specialise(gradients([{ y: open }], [a, b]).flatMap((v) => v ?? []), mode)
    const after = gradients([{ y: specialise([open], mode)[0] ?? open }], [a, b])
    const data: Feeds = { arrays: { a: Float32Array.of(1, -2, 3, 0.5, 7), b: Float32Array.of(2, 4, -1, 3, 0.25) } }
    const run = (values: readonly (Value | null)[]) => machine.run(link(programOf(present(Object.fromEntries(values.map((v, i) => [`${i}`, v]))), { capacity: 1 })), 1, data)
    const [got, want] = [run(before), run(after)]
    expect(before.length).toBe(2)
    for (const key of ['d0', 'd1']) expect(Array.from(got[key] ?? []), `${mode}, ${key}`).toEqual(Array.from(want[key] ?? []))
  }
})

/**
 * Steps of the differences. A central one errs by h²·f‴/6 and by 2⁻⁵³·f/h; a mixed one, of four values, by h²·f⁗/3 and by 2⁻⁵³·f/h². What is
 * drawn keeps both f and its derivatives below some hundreds.
 */
const FIRST_STEP = 2 ** -17
const SECOND_STEP = 2 ** -12
/**
 * What a gradient in f32 and a difference in f64 may be apart, relative to the largest element: sums of up to some hundred terms and a dozen
 * ops round by 2⁻²⁴ each: 2⁻²⁴·(100 + 12) = 7·10⁻⁶; the differences err by less than 10⁻⁵ (first: 10⁻⁸; mixed: 2⁻²⁴·f⁗/3).
 */
const DIFFERENCE_TOLERANCE = 3e-5

/** Elements of an array that are checked: all of few, some of many. */
const chosen = (length: number, seed: number): readonly number[] => (length <= CHECKED ? Array.from({ length }, (_, i) => i) : shuffled(length, seed).slice(0, length > 1000 ? CHECKED_OF_MANY : CHECKED))

const moved = (x: Plain, i: number, by: number): Plain => ({ shape: x.shape, data: x.data.map((v, j) => (j === i ? v + by : v)) })

/** Σ y·dy by the reference, or by what the rule is the gradient of. */
function objective(subject: Subject, ins: readonly Plain[], dy: Plain, n: number): number {
  const { surrogate } = subject.row
  if (surrogate !== undefined) return surrogate(ins, subject.item.attrs).reduce((sum, y, i) => sum + y * at(dy.data, i), 0)
  return subject.oracle(ins, n).reduce((sum, { y }, i) => sum + y * at(dy.data, i), 0)
}

function expectNear(subject: Subject, name: string, got: ArrayLike<number> | undefined, want: ReadonlyMap<number, number>, n: number): void {
  const largest = [...want.values()].reduce((a, b) => Math.max(a, Number.isNaN(b) ? 0 : Math.abs(b)), 1)
  for (const [i, slope] of want) {
    const x = got === undefined ? 0 : at(got, i)
    if (Number.isNaN(slope) ? !Number.isNaN(x) : !(Math.abs(x - slope) <= DIFFERENCE_TOLERANCE * largest)) expect.fail(`${titleOf(subject)}, n = ${n}, gradient by ${name}[${i}]: ${x}, differences ${slope}`)
  }
}

/** Samples for differences: of each parity, so that sums over samples have several terms. */
const DIFFERENCE_SAMPLES = [1, 3] as const

function checkFirst(subject: Subject): void {
  const found = subject.first()
  const fetches = present(found)
  const executor = Object.keys(fetches).length === 0 ? undefined : link(programOf(fetches, { capacity: CAPACITY }))
  for (const n of subject.batched ? DIFFERENCE_SAMPLES : [1]) {
    const { ins, dy } = subject.numbers(n)
    const got = executor === undefined ? {} : machine.run(executor, n, subject.feeds(n))
    for (const name of Object.keys(found)) {
      const k = Number(name.slice(1)), x = ins[k]
      if (x === undefined) continue
      const shift = (i: number, by: number) => objective(subject, ins.map((v, j) => (j === k ? moved(v, i, by) : v)), dy, n)
      const slopes = new Map(chosen(x.data.length, k).map((i) => [i, (shift(i, FIRST_STEP) - shift(i, -FIRST_STEP)) / (2 * FIRST_STEP)]))
      expectNear(subject, name, got[`d${name}`], slopes, n)
    }
  }
  releaseAll()
}

function checkSecond(subject: Subject): void {
  const found = subject.second()
  const fetches = present(found)
  const executor = Object.keys(fetches).length === 0 ? undefined : link(programOf(fetches, { capacity: CAPACITY }))
  // A gradient that is null is constant by its rule (at kinks, by data): its seed has no part in the sum.
  const live = new Set(Object.entries(subject.first()).flatMap(([name, v]) => (v === null ? [] : [name])))
  for (const n of subject.batched ? DIFFERENCE_SAMPLES : [1]) {
    const { ins, dy, r } = subject.numbers(n)
    const got = executor === undefined ? {} : machine.run(executor, n, subject.feeds(n))
    const along = (from: readonly Plain[], by: number): readonly Plain[] =>
      from.map((v, j) => (live.has(`x${j}`) ? { shape: v.shape, data: v.data.map((u, i) => u + by * at(r[j]?.data ?? [], i)) } : v))
    const mixed = (value: (t: number, s: number) => number): number => {
      const h = SECOND_STEP
      return (value(h, h) - value(h, -h) - value(-h, h) + value(-h, -h)) / (4 * h * h)
    }
    for (const name of Object.keys(found)) {
      const k = name === 'dy' ? -1 : Number(name.slice(1))
      const x = k < 0 ? dy : ins[k]
      if (x === undefined) continue
      const slopes = new Map(chosen(x.data.length, k + 1).map((i) => [i, mixed((t, s) =>
        objective(subject, along(ins.map((v, j) => (j === k ? moved(v, i, s) : v)), t), k < 0 ? moved(dy, i, s) : dy, n))]))
      expectNear(subject, name, got[`d${name}`], slopes, n)
    }
  }
  releaseAll()
}
