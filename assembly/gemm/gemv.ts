// f32_gemv: C = act(A·B + bias) for so few rows that B, read once, is what takes the time: in place, since a packing reads and writes it first.
//
// Order (law 3), that of f32_gemm: a chunk's sums ascend from +0, each product rounded, each sum rounded; chunks are added to a block, blocks to
// the total. The sums of a strip rest in scratch, in the L1 cache, where a row of B passes by them; where columns of B are contiguous, in registers.
import { GEMV_COLUMNS, KB, KC } from '../codes'
import { activate } from '../math/activation'

/** Columns that pass at a time, of one tile or of several: of longer rows of B more lies side by side, and their sums still fit in the L1 cache. */
const STRIP: i32 = 4 * GEMV_COLUMNS
/** Places in scratch of a strip's chunk, block and total. */
const BLOCK: usize = <usize>STRIP << 2
const TOTAL: usize = BLOCK << 1
/** of a chunk of A that does not lie side by side, a copy */
const TERMS: usize = BLOCK + TOTAL

export function f32_gemv(d: usize, scratch: usize, begin: i32, end: i32): void {
  const m = load<i32>(d, 16), n = load<i32>(d, 20), aRow = load<i32>(d, 28), cRow = load<i32>(d, 44)
  let a = <usize>load<u32>(d, 0), c = <usize>load<u32>(d, 8)
  const first = begin * GEMV_COLUMNS, last = min(n, end * GEMV_COLUMNS)
  for (let i = 0; i < m; i++, a += aRow, c += cRow) {
    for (let j = first; j < last; j += STRIP) rowOfStrip(d, scratch, a, c + (<usize>j << 2), j, min(STRIP, last - j))
  }
}

/** `columns` sums of one row, all terms. */
function rowOfStrip(d: usize, scratch: usize, a: usize, c: usize, j: i32, columns: i32): void {
  const k = load<i32>(d, 24), aStep = load<i32>(d, 32), bStep = load<i32>(d, 36), bColumn = load<i32>(d, 40)
  const b = <usize>load<u32>(d, 4) + j * bColumn
  let p = 0
  do {
    const count = min(KC, k - p), next = p + count
    const x = sideBySide(a + p * aStep, aStep, count, scratch + TERMS), from = b + p * bStep
    memory.fill(scratch, 0, columns << 2)
    if (bColumn == 4) alongRows(scratch, x, from, bStep, count, columns)
    else alongColumns(scratch, x, from, bColumn, count, columns)
    join(scratch + BLOCK, scratch, columns, p % KB == 0)
    if (next % KB == 0 || next == k) join(scratch + TOTAL, scratch + BLOCK, columns, p < KB)
    p = next
  } while (p < k)
  finish(d, scratch + TOTAL, j, columns)
  memory.copy(c, scratch + TOTAL, columns << 2)
}

/** Where terms of A lie side by side: there, or in a copy. */
function sideBySide(a: usize, aStep: i32, terms: i32, copy: usize): usize {
  if (aStep == 4) return a
  for (let i: usize = 0, stop = <usize>terms << 2; i < stop; i += 4, a += aStep) store<f32>(copy + i, load<f32>(a))
  return copy
}

/** to = from, or to += from. */
function join(to: usize, from: usize, columns: i32, opens: bool): void {
  const stop = to + (<usize>columns << 2)
  for (; to < stop; to += 16, from += 16) v128.store(to, opens ? v128.load(from) : f32x4.add(v128.load(to), v128.load(from)))
}

/** The bias and the activation, once, on finished sums; a last vector has lanes that are not stored. */
function finish(d: usize, sums: usize, j: i32, columns: i32): void {
  const activation = load<i32>(d, 48), alpha = load<f32>(d, 52)
  let bias = <usize>load<u32>(d, 12)
  if (bias) {
    bias += <usize>j << 2
    for (let i: usize = 0, stop = <usize>columns << 2; i < stop; i += 4) store<f32>(sums + i, load<f32>(sums + i) + load<f32>(bias + i))
  }
  if (activation < 0) return
  for (const stop = sums + (<usize>columns << 2); sums < stop; sums += 16) v128.store(sums, activate(v128.load(sums), activation, alpha))
}

/** A row of B is contiguous: four rows pass by the sums at a time, two vectors of each: with four, Node 20 lacks registers (half as fast). */
function alongRows(sums: usize, x: usize, b: usize, bStep: i32, terms: i32, columns: i32): void {
  const pairs = <usize>(columns & ~7) << 2, vectors = <usize>(columns & ~3) << 2
  for (; terms >= 4; terms -= 4) {
    const x0 = load<f32>(x, 0), x1 = load<f32>(x, 4), x2 = load<f32>(x, 8), x3 = load<f32>(x, 12)
    const s0 = f32x4.splat(x0), s1 = f32x4.splat(x1), s2 = f32x4.splat(x2), s3 = f32x4.splat(x3)
    const b1 = b + bStep, b2 = b1 + bStep, b3 = b2 + bStep
    let i: usize = 0
    for (; i < pairs; i += 32) {
      const to = sums + i
      let c0 = v128.load(to, 0), c1 = v128.load(to, 16), q = b + i
      c0 = plus(c0, s0, q, 0); c1 = plus(c1, s0, q, 16)
      q = b1 + i
      c0 = plus(c0, s1, q, 0); c1 = plus(c1, s1, q, 16)
      q = b2 + i
      c0 = plus(c0, s2, q, 0); c1 = plus(c1, s2, q, 16)
      q = b3 + i
      c0 = plus(c0, s3, q, 0); c1 = plus(c1, s3, q, 16)
      v128.store(to, c0, 0); v128.store(to, c1, 16)
    }
    for (; i < vectors; i += 16) {
      let sum = v128.load(sums + i)
      sum = plus(sum, s0, b + i, 0)
      sum = plus(sum, s1, b1 + i, 0)
      sum = plus(sum, s2, b2 + i, 0)
      sum = plus(sum, s3, b3 + i, 0)
      v128.store(sums + i, sum)
    }
    for (const stop = <usize>columns << 2; i < stop; i += 4) {
      let sum = load<f32>(sums + i)
      sum += x0 * load<f32>(b + i)
      sum += x1 * load<f32>(b1 + i)
      sum += x2 * load<f32>(b2 + i)
      sum += x3 * load<f32>(b3 + i)
      store<f32>(sums + i, sum)
    }
    x += 16
    b = b3 + bStep
  }
  for (; terms > 0; terms--, x += 4, b += bStep) {
    const x0 = load<f32>(x)
    for (let i: usize = 0, stop = <usize>columns << 2; i < stop; i += 4) store<f32>(sums + i, load<f32>(sums + i) + x0 * load<f32>(b + i))
  }
}

/** c + x·b of the four floats of B at p. */
@inline
function plus(c: v128, x: v128, p: usize, offset: usize): v128 { return f32x4.add(c, f32x4.mul(x, v128.load(p + offset))) }

/**
 * A column of B is contiguous. Products of four terms are made as they lie, then squares of 4×4 of them transposed in registers; 16 columns, whose
 * sums do not wait for each other.
 */
function alongColumns(sums: usize, x: usize, b: usize, bColumn: i32, terms: i32, columns: i32): void {
  const whole = <usize>(terms & ~7) << 2, right = <usize>(4 * bColumn)
  let j = 0
  for (; j + 16 <= columns; j += 16) {
    const zero = f32x4.splat(0)
    let c0 = zero, c1 = zero, c2 = zero, c3 = zero
    for (let i: usize = 0; i < whole; i += 32) {
      const p = b + i, q = x + i
      const x0 = v128.load(q, 0), x1 = v128.load(q, 16)
      c0 = fourTerms(fourTerms(c0, x0, p, bColumn, 0), x1, p, bColumn, 16)
      c1 = fourTerms(fourTerms(c1, x0, p + right, bColumn, 0), x1, p + right, bColumn, 16)
      c2 = fourTerms(fourTerms(c2, x0, p + 2 * right, bColumn, 0), x1, p + 2 * right, bColumn, 16)
      c3 = fourTerms(fourTerms(c3, x0, p + 3 * right, bColumn, 0), x1, p + 3 * right, bColumn, 16)
    }
    v128.store(sums, c0, 0); v128.store(sums, c1, 16); v128.store(sums, c2, 32); v128.store(sums, c3, 48)
    oneByOne(sums, x + whole, b + whole, bColumn, terms & 7, 16)
    sums += 64
    b += 4 * right
  }
  oneByOne(sums, x, b, bColumn, terms, columns - j)
}

/** Four terms of the sums of four columns, ascending. */
@inline
function fourTerms(c: v128, x: v128, p: usize, bColumn: i32, offset: usize): v128 {
  const r0 = f32x4.mul(x, v128.load(p + offset)), r1 = f32x4.mul(x, v128.load(p + bColumn + offset))
  const r2 = f32x4.mul(x, v128.load(p + 2 * bColumn + offset)), r3 = f32x4.mul(x, v128.load(p + 3 * bColumn + offset))
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7)
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7)
  c = f32x4.add(c, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5))
  c = f32x4.add(c, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7))
  c = f32x4.add(c, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5))
  return f32x4.add(c, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7))
}

/** Terms of columns that go on from `sums`, one float at a time. */
function oneByOne(sums: usize, x: usize, b: usize, bColumn: i32, terms: i32, columns: i32): void {
  if (terms == 0) return
  for (; columns > 0; columns--, sums += 4, b += bColumn) {
    let sum = load<f32>(sums)
    for (let i: usize = 0, stop = <usize>terms << 2; i < stop; i += 4) sum += load<f32>(x + i) * load<f32>(b + i)
    store<f32>(sums, sum)
  }
}
