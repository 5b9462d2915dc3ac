// f32_gemm and f32_pack_b against law 3, written out in plain JavaScript: equal bits, whatever the layout, the tiles and the other sizes.
import { describe, expect, it } from 'vitest'
import { GEMM_COLUMNS, GEMM_ROWS, GEMV_COLUMNS, KB, KC, PANEL } from '../../src/compiler/kernels.js'
import { NO_ACTIVATION, unaryCode } from '../../src/core/codes.js'
import { runEveryWay } from '../support/bits.js'
import { KernelBox, type Block } from '../support/kernel.js'

const fround = Math.fround

/** Half a unit in the last place of 1: the largest relative error of one f32 rounding. */
const UNIT_ROUNDOFF = 2 ** -24

/** A matrix with its logical shape; element (i, j) at i·columns + j. */
interface Matrix { readonly rows: number; readonly columns: number; readonly data: Float32Array }

/** How the operands lie in memory. Only speed may depend on it. */
interface Layout {
  /** A(i, k) row by row, column by column (TN), or so with columns a multiple of 2 KB apart, or 12 bytes apart */
  readonly a: 'rows' | 'columns' | 'colliding' | 'spread'
  /** B packed from rows, packed from its transpose (NT), packed from floats 12 bytes apart, or not packed */
  readonly b: 'rows' | 'transposed' | 'spread' | 'inPlace'
  /** floats between the rows of C */
  readonly gap: number
}
const NN: Layout = { a: 'rows', b: 'rows', gap: 0 }
const NT: Layout = { a: 'rows', b: 'transposed', gap: 3 }
const TN: Layout = { a: 'columns', b: 'rows', gap: 1 }
const COLLIDING: Layout = { a: 'colliding', b: 'rows', gap: 1 }
const IN_PLACE: Layout = { a: 'rows', b: 'inPlace', gap: 0 }
const layouts = [NN, NT, TN, { a: 'spread', b: 'spread', gap: 2 }] as const

interface Epilogue { readonly bias?: Float32Array | undefined; readonly activation?: number; readonly alpha?: number; readonly addTo?: Float32Array | undefined }
/** Runs all tiles, in any order and in any pieces. */
type Order = (run: (begin: number, end: number) => void, tiles: number) => void
const ascending: Order = (run, tiles) => run(0, tiles)

/** Deterministic floats in (−1, 1) of very different magnitudes, with some zeros of both signs. */
function random(seed: number): () => number {
  let state = seed >>> 0
  const word = () => {
    state = (state + 0x9e3779b9) >>> 0
    const x = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
    const y = Math.imul(x ^ (x >>> 13), 0xc2b2ae35)
    return (y ^ (y >>> 16)) >>> 0
  }
  return () => {
    const w = word()
    if (w % 31 === 0) return w & 32 ? 0 : -0
    return fround((word() / 2 ** 31 - 1) * 2 ** -(w % 7))
  }
}
function matrix(rows: number, columns: number, seed: number): Matrix {
  return { rows, columns, data: Float32Array.from({ length: rows * columns }, random(seed)) }
}
const at = (x: Float32Array, i: number): number => x[i] ?? Number.NaN

/** Law 3: chunks of KC from +0, each product and each sum rounded; chunks ascending to a block of KB; blocks ascending. */
function reference(a: Matrix, b: Matrix, bias?: Float32Array): Float32Array {
  const k = a.columns, n = b.columns
  const c = new Float32Array(a.rows * n)
  for (let i = 0; i < a.rows; i++) for (let j = 0; j < n; j++) {
    let total = 0
    for (let block = 0; block < k; block += KB) {
      let blockSum = 0
      for (let chunk = block; chunk < Math.min(block + KB, k); chunk += KC) {
        let sum = 0
        for (let p = chunk; p < Math.min(chunk + KC, block + KB, k); p++) sum = fround(sum + fround(at(a.data, i * k + p) * at(b.data, p * n + j)))
        blockSum = chunk === block ? sum : fround(blockSum + sum)
      }
      total = block === 0 ? blockSum : fround(total + blockSum)
    }
    c[i * n + j] = bias ? fround(total + at(bias, j)) : total
  }
  return c
}

/** Floats between the rows, and between the terms, of A. */
const stridesOfA = (layout: Layout['a'], m: number, k: number): readonly [row: number, column: number] =>
  layout === 'columns' ? [1, m] : layout === 'colliding' ? [1, 512 * Math.max(1, Math.ceil(m / 512))] : layout === 'spread' ? [3 * k, 3] : [k, 1]

/** The element (i, j) of `x` at i·row + j·column (floats) of a block. */
function place(box: KernelBox, x: Matrix, row: number, column: number): Block {
  const size = x.rows * x.columns === 0 ? 0 : (x.rows - 1) * row + (x.columns - 1) * column + 1
  const data = new Float32Array(size).fill(Number.NaN)
  for (let i = 0; i < x.rows; i++) for (let j = 0; j < x.columns; j++) data[i * row + j * column] = at(x.data, i * x.columns + j)
  return box.put(data)
}

function pack(box: KernelBox, b: Matrix, layout: Layout['b'], order = ascending): Block {
  const [row, column] = layout === 'transposed' ? [1, b.rows] : layout === 'spread' ? [3 * b.columns, 3] : [b.columns, 1]
  const panels = Math.ceil(b.columns / PANEL)
  const source = place(box, b, row, column), out = box.alloc(panels * b.rows * PANEL * 4)
  order(box.kernel('f32_pack_b', { b: source.address, out: out.address, k: b.rows, n: b.columns, bStep: 4 * row, bColumn: 4 * column }), panels)
  return out
}

const GUARD = 64

/** C by the kernel; fails if a byte beside C changed. */
function gemm(box: KernelBox, a: Matrix, b: Matrix, layout: Layout, epilogue: Epilogue = {}, order = ascending): Float32Array {
  const m = a.rows, k = a.columns, n = b.columns
  const [row, column] = stridesOfA(layout.a, m, k)
  const cRow = n + layout.gap
  const c = box.alloc(m * cRow * 4 + 2 * GUARD)
  if (epilogue.addTo) {
    const all = new Float32Array(box.memory.buffer, c.address + GUARD, m * cRow)
    for (let i = 0; i < m; i++) all.set(epilogue.addTo.subarray(i * n, (i + 1) * n), i * cRow)
  }
  const run = box.kernel('f32_gemm', {
    a: place(box, a, row, column).address, aRow: 4 * row, aStep: 4 * column,
    b: (layout.b === 'inPlace' ? box.put(b.data) : pack(box, b, layout.b)).address,
    bStep: layout.b === 'inPlace' ? 4 * n : 4 * PANEL, bPanel: layout.b === 'inPlace' ? 4 * PANEL : 4 * PANEL * k,
    c: c.address + GUARD, cRow: 4 * cRow, m, n, k,
    bias: epilogue.bias ? box.put(epilogue.bias).address : 0,
    activation: epilogue.activation ?? NO_ACTIVATION, alpha: { f32: epilogue.alpha ?? 0 }, add: epilogue.addTo ? 1 : 0, cBlock: 0,
  })
  const behindScratch = box.alloc(GUARD)
  order(run, Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS))

  const result = new Float32Array(m * n)
  const words = new Uint32Array(result.buffer)
  const whole = new Uint32Array(box.memory.buffer.slice(c.address, c.address + c.bytes))
  let untouched = box.i32(behindScratch).every((word) => word === -1)
  whole.forEach((word, index) => {
    const i = Math.floor((index - GUARD / 4) / cRow), j = index - GUARD / 4 - i * cRow
    if (i >= 0 && i < m && j < n) words[i * n + j] = word
    else untouched &&= word === 0xffffffff
  })
  if (!untouched) throw new Error(`f32_gemm wrote beside C: m ${m}, n ${n}, k ${k}`)
  return result
}

/** Equal bits, all NaNs being one. */
function expectSame(actual: Float32Array, expected: Float32Array, what: string): void {
  const index = actual.length === expected.length ? actual.findIndex((x, i) => !Object.is(x, expected[i])) : -2
  if (index !== -1) expect.fail(`${what}: element ${index} is ${actual[index]}, expected ${expected[index]}`)
}
const show = (m: number, n: number, k: number, layout: Layout) => `m ${m}, n ${n}, k ${k}, A ${layout.a}, B ${layout.b}`

function compare(sizes: readonly (readonly [m: number, n: number, k: number])[], use: readonly Layout[] = layouts): void {
  let box = new KernelBox()
  for (const [m, n, k] of sizes) {
    if (box.memory.buffer.byteLength > 2 ** 24) box = new KernelBox()
    const a = matrix(m, k, 1 + m + 100 * k), b = matrix(k, n, 2 + n + 100 * k)
    const expected = reference(a, b)
    for (const layout of use) expectSame(gemm(box, a, b, layout), expected, show(m, n, k, layout))
    if (n % PANEL === 0) expectSame(gemm(box, a, b, IN_PLACE), expected, show(m, n, k, IN_PLACE))
  }
}
const upTo = (last: number) => Array.from({ length: last + 1 }, (_, i) => i)

describe('f32_pack_b', () => {
  /** The packed panels, in a B of n columns. */
  const panelsOf = (b: Matrix): Float32Array => {
    const expected = new Float32Array(Math.ceil(b.columns / PANEL) * b.rows * PANEL)
    for (let p = 0; p < b.rows; p++) for (let j = 0; j < b.columns; j++) {
      expected[(Math.floor(j / PANEL) * b.rows + p) * PANEL + j % PANEL] = at(b.data, p * b.columns + j)
    }
    return expected
  }

  it('lays B out in zero padded panels, from any strides', () => {
    for (const layout of ['rows', 'transposed', 'spread'] as const) {
      const box = new KernelBox()
      for (const n of upTo(20)) for (const k of [0, 1, 2, 3, 4, 5, 7, 8, 20]) {
        const b = matrix(k, n, n + 100 * k)
        expectSame(box.f32(pack(box, b, layout)), panelsOf(b), `n ${n}, k ${k}, ${layout}`)
      }
    }
  })

  it('writes the panels it is asked for, and no other', () => {
    const box = new KernelBox(), k = 5, b = matrix(k, 45, 3), expected = panelsOf(b)
    for (const layout of ['rows', 'transposed', 'spread'] as const) for (let begin = 0; begin <= 6; begin++) for (let end = begin; end <= 6; end++) {
      const untouched = new Float32Array(expected.length).fill(Number.NaN)
      untouched.set(expected.subarray(begin * k * PANEL, end * k * PANEL), begin * k * PANEL)
      expectSame(box.f32(pack(box, b, layout, (run) => run(begin, end))), untouched, `panels ${begin} to ${end}, ${layout}`)
    }
  })
})

/** C by the kernel of few rows, B in place by rows or by columns; fails if a byte beside C changed. */
function gemv(box: KernelBox, a: Matrix, b: Matrix, layout: Layout, epilogue: Epilogue = {}, order = ascending): Float32Array {
  const m = a.rows, k = a.columns, n = b.columns
  const [row, column] = stridesOfA(layout.a, m, k)
  const [bRow, bColumn] = layout.b === 'transposed' ? [1, k] : [n, 1]
  const c = box.alloc(m * n * 4 + 2 * GUARD)
  const run = box.kernel('f32_gemv', {
    a: place(box, a, row, column).address, aRow: 4 * row, aStep: 4 * column, b: place(box, b, bRow, bColumn).address, bStep: 4 * bRow, bColumn: 4 * bColumn,
    c: c.address + GUARD, cRow: 4 * n, m, n, k, bias: epilogue.bias ? box.put(epilogue.bias).address : 0,
    activation: epilogue.activation ?? NO_ACTIVATION, alpha: { f32: epilogue.alpha ?? 0 },
  })
  order(run, Math.ceil(n / GEMV_COLUMNS))
  const words = box.i32(c), guard = GUARD / 4
  if (![...words.subarray(0, guard), ...words.subarray(guard + m * n)].every((word) => word === -1)) throw new Error(`f32_gemv wrote beside C: m ${m}, n ${n}, k ${k}`)
  return box.f32(c).slice(guard, guard + m * n)
}

describe('f32_gemv', () => {
  const check = (sizes: readonly (readonly [m: number, n: number, k: number])[]): void => {
    let box = new KernelBox()
    for (const [m, n, k] of sizes) for (const layout of layouts) {
      if (box.memory.buffer.byteLength > 2 ** 24) box = new KernelBox()
      const a = matrix(m, k, 1 + m + 100 * k), b = matrix(k, n, 2 + n + 100 * k)
      expectSame(gemv(box, a, b, layout), reference(a, b), show(m, n, k, layout))
    }
  }

  it('sums as law 3 says at every small size', () => {
    for (const m of [1, 2, 3]) for (const k of upTo(10)) check([...upTo(9), 15, 16, 17, 19, 20, 33].map((n) => [m, n, k] as const))
  })

  it('sums as law 3 says around the edges of tiles, chunks and blocks', () => {
    check([GEMV_COLUMNS - 1, GEMV_COLUMNS, GEMV_COLUMNS + 1, 2 * GEMV_COLUMNS + 19, 4 * GEMV_COLUMNS, 9 * GEMV_COLUMNS + 21].map((n) => [2, n, 13] as const))
    for (const k of [KC - 1, KC, KC + 1, 2 * KC + 3, KB - 1, KB, KB + 1, 2 * KB, 2 * KB + KC + 5]) check([[1, 1, k], [1, 18, k], [2, 37, k]])
  })

  it('gives the bits of f32_gemm with a bias and any activation, whatever the tiles', () => {
    const box = new KernelBox(), n = 2 * GEMV_COLUMNS + 7, a = matrix(2, 600, 5), b = matrix(600, n, 6), bias = matrix(1, n, 7).data
    for (const activation of [NO_ACTIVATION, ...Object.values(unaryCode)]) for (const layout of [NN, NT]) {
      const epilogue = { bias, activation, alpha: 0.3 }
      const expected = gemm(box, a, b, NN, epilogue)
      for (const order of [ascending, (run, tiles) => { for (let t = tiles; t-- > 0;) run(t, t + 1) }] satisfies Order[]) expectSame(gemv(box, a, b, layout, epilogue, order), expected, `activation ${activation}, B ${layout.b}`)
    }
  })
})

describe('f32_gemm', () => {
  it('sums as law 3 says at every small size', () => {
    for (const k of upTo(20)) compare(upTo(20).flatMap((m) => upTo(20).map((n) => [m, n, k] as const)), [layouts[k % 2 ? 0 : 1], layouts[k % 3 ? 2 : 3]])
  }, 60_000)

  it('sums as law 3 says around the edges of tiles', () => {
    const edges = [31, 32, 33, 63, 64, 65]
    compare(edges.flatMap((m) => [...edges, 127, 129].map((n) => [m, n, 1 + (m * n) % 13] as const)))
  })

  it('sums as law 3 says around the edges of chunks and blocks', () => {
    for (const k of [KC - 1, KC, KC + 1, 2 * KC + 3, KB - 1, KB, KB + 1, KB + KC + 5]) {
      compare([[1, 1, k], [3, 7, k], [4, 8, k], [6, 9, k]])
    }
    compare([[5, 9, 2 * KB], [5, 9, 2 * KB + 1], [2, 8, 3 * KB + KC + 1]])
  })

  it('sums more than a block in tiles wider than its scratch', () => {
    compare([[GEMM_ROWS + 1, GEMM_COLUMNS + 1, KB + KC + 5]], [NN])
    compare([[GEMM_ROWS, GEMM_COLUMNS, KB + KC + 5]], [TN])
  })

  it('sums the same where terms of a transposed A collide in the cache, and are copied', () => {
    for (const n of [24, 31, 32, 33, 40, 64, 71]) compare([0, 1, 2, 3, 4, 5, 15, 16, 17, 20, 31, 33].map((m) => [m, n, 1 + (m * n) % 9] as const), [COLLIDING])
    compare([[1, 32, 0], [6, 35, KC - 1], [19, 33, KC], [17, 40, KC + 1], [35, 67, 2 * KC + 3], [5, 65, KB + 2]], [COLLIDING])
    const box = new KernelBox(), a = matrix(37, KC + 2, 30), b = matrix(KC + 2, 66, 31), bias = matrix(1, 66, 32).data, addTo = matrix(37, 66, 33).data
    for (const epilogue of [{ bias, activation: unaryCode.tanh }, { addTo }]) expectSame(gemm(box, a, b, COLLIDING, epilogue), gemm(box, a, b, NN, epilogue), Object.keys(epilogue).join())
  })

  it('gives a row the same bits alone as among others', () => {
    const box = new KernelBox(), a = matrix(37, 300, 5), b = matrix(300, 21, 6)
    const all = gemm(box, a, b, NN)
    for (const i of [0, 3, 4, 31, 32, 36]) {
      const row: Matrix = { rows: 1, columns: 300, data: a.data.slice(i * 300, (i + 1) * 300) }
      expectSame(gemm(box, row, b, NN), all.slice(i * 21, (i + 1) * 21), `row ${i}`)
    }
  })

  it('does not depend on the order or the split of the tiles', () => {
    const box = new KernelBox(), next = random(7)
    const draw = (n: number) => Math.floor(Math.abs(next()) * n)
    const shuffled: Order = (run, tiles) => {
      const order = upTo(tiles - 1)
      for (let i = tiles - 1; i > 0; i--) {
        const j = draw(i + 1), x = order[i] ?? 0
        order[i] = order[j] ?? 0
        order[j] = x
      }
      for (const tile of order) run(tile, tile + 1)
    }
    const pieces: Order = (run, tiles) => {
      for (let begin = 0; begin < tiles;) {
        const end = Math.min(tiles, begin + draw(5))
        run(begin, end)
        begin = end
      }
    }
    for (const [m, n, k] of [[133, 203, 40], [70, 130, KC + 9], [40, 72, KB + 7], [105, 130, 2 * KC]] as const) {
      const a = matrix(m, k, 8), b = matrix(k, n, 9), expected = gemm(box, a, b, NN)
      for (const order of [shuffled, pieces]) for (const layout of [NN, TN, COLLIDING]) {
        expectSame(gemm(box, a, b, layout, {}, order), expected, show(m, n, k, layout))
      }
    }
  })

  it('gives blocks tiles of their own, whose sums add up to the same bits', () => {
    for (const [m, n, k] of [[35, 70, 7], [9, 17, KB], [35, 70, KB + 1], [5, 9, 2 * KB + KC + 3]] as const) for (const layout of [NN, TN, COLLIDING]) {
      const box = new KernelBox(), a = matrix(m, k, 18), b = matrix(k, n, 19), blocks = Math.ceil(k / KB)
      const [row, column] = stridesOfA(layout.a, m, k)
      const parts = box.alloc(4 * m * n * blocks), sum = box.alloc(4 * m * n)
      runEveryWay(box, 'f32_gemm', {
        a: place(box, a, row, column).address, aRow: 4 * row, aStep: 4 * column, b: pack(box, b, layout.b).address, bStep: 4 * PANEL, bPanel: 4 * PANEL * k, c: parts.address, cRow: 4 * n, cBlock: 4 * m * n,
        m, n, k, bias: 0, activation: NO_ACTIVATION, alpha: 0, add: 0,
      }, Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS) * blocks, [parts])
      runEveryWay(box, 'f32_add_blocks', { x: parts.address, y: sum.address, length: m * n, blocks }, 1, [sum])
      expectSame(box.f32(sum), reference(a, b), show(m, n, k, layout))
    }
  })

  it('hands NaN and infinities on, and only to the sums that they belong to', () => {
    const box = new KernelBox(), m = 6, n = 11, k = KC + 3
    for (const special of [Number.NaN, Infinity, -Infinity]) for (const p of [0, 3, KC - 1, KC, KC + 2]) {
      const a = matrix(m, k, 10), b = matrix(k, n, 11)
      a.data[2 * k + p] = special
      b.data[p * n + 9] = special
      const expected = reference(a, b)
      expect(expected.some(Number.isNaN) || expected.includes(special)).toBe(true)
      expect(Number.isFinite(expected[0])).toBe(true)
      for (const layout of layouts) expectSame(gemm(box, a, b, layout), expected, `${special} at ${p}, ${show(m, n, k, layout)}`)
      const relu = gemm(box, a, b, NN, { activation: unaryCode.relu })
      expectSame(relu, expected.map((x) => (x <= 0 ? 0 : x)), `relu, ${special} at ${p}`)
    }
  })

  it('adds the bias once, to the finished sum', () => {
    const box = new KernelBox()
    for (const [m, n, k] of [[5, 13, 0], [9, 16, 30], [7, 70, KC + 1], [4, 9, KB + KC + 1]] as const) {
      const a = matrix(m, k, 12), b = matrix(k, n, 13), bias = matrix(1, n, 14).data
      for (const layout of layouts) expectSame(gemm(box, a, b, layout, { bias }), reference(a, b, bias), show(m, n, k, layout))
    }
  })

  it('adds the finished sum, once, to what is there', () => {
    const box = new KernelBox()
    for (const [m, n, k] of [[5, 13, 0], [9, 16, 30], [7, 70, KC + 1], [33, 65, 2 * KC + 3], [4, 9, KB]] as const) {
      const a = matrix(m, k, 25), b = matrix(k, n, 26), addTo = matrix(m, n, 27).data
      const sums = reference(a, b), expected = addTo.map((x, i) => Math.fround(x + (sums[i] ?? NaN)))
      for (const layout of layouts) expectSame(gemm(box, a, b, layout, { addTo }), expected, show(m, n, k, layout))
    }
  })

  it('applies an activation as the unary kernel does', () => {
    const codes = [unaryCode.relu, unaryCode.leakyRelu, unaryCode.elu, unaryCode.sigmoid, unaryCode.tanh, unaryCode.softplus]
    const alpha = 0.3
    for (const activation of codes) for (const withBias of [false, true]) for (const [m, n, k] of [[6, 19, 0], [33, 24, 17], [5, 12, KC + 2]] as const) {
      const box = new KernelBox()
      const a = matrix(m, k, 15), b = matrix(k, n, 16), bias = withBias ? matrix(1, n, 17).data : undefined
      const x = box.put(gemm(box, a, b, NN, { bias }))
      box.kernel('f32_unary', { x: x.address, y: x.address, length: m * n, code: activation, alpha: { f32: alpha }, beta: { f32: 0 } })(0, 1)
      for (const layout of layouts) expectSame(gemm(box, a, b, layout, { bias, activation, alpha }), box.f32(x), `code ${activation}, ${show(m, n, k, layout)}`)
    }
  })

  it('is close to the exact product', () => {
    const box = new KernelBox()
    for (const [m, n, k] of [[9, 17, 20], [5, 8, 784], [3, 9, KB + KC + 5]] as const) {
      const a = matrix(m, k, 18), b = matrix(k, n, 19), c = gemm(box, a, b, NN)
      // A term is rounded once as a product, then by each addition that it takes part in: the rest of its chunk, its block, the total.
      const roundings = 1 + Math.min(k, KC) + Math.ceil(Math.min(k, KB) / KC) + Math.ceil(k / KB)
      const gamma = (roundings * UNIT_ROUNDOFF) / (1 - roundings * UNIT_ROUNDOFF)
      for (let i = 0; i < m; i++) for (let j = 0; j < n; j++) {
        let exact = 0, magnitude = 0
        for (let p = 0; p < k; p++) {
          const term = at(a.data, i * k + p) * at(b.data, p * n + j)
          exact += term
          magnitude += Math.abs(term)
        }
        expect(Math.abs(at(c, i * n + j) - exact)).toBeLessThanOrEqual(gamma * magnitude)
      }
    }
  })
})
