// The microkernel of convolutions: one chunk of the sums of 4 rows × 8 columns, as in gemm/micro.ts, where the terms of a row lie in pieces.
//
//   row i of A:  offset(i) ─▶ [ inner terms ]  midStep  [ inner terms ]  …   mid pieces, then outerStep to the next mid
//                               kStep apart
//
// Order (law 3): an output has one accumulator, which starts from +0 and takes its terms in ascending k, across all pieces of the chunk, each
// multiplied, rounded, added, rounded. Why the loops look as they do: see gemm/micro.ts.
import { Unary } from '../codes'
import { Then } from '../gemm/micro'
import { activate } from '../math/activation'
import { relu } from '../math/f32x4'

/** How the operands lie. */
namespace Form {
  /** the terms of a piece are contiguous in A; B is packed */
  export const rows = 0
  /** any strides */
  export const any = 1
}

@inline
function mac(c: v128, x: v128, b: v128): v128 { return f32x4.add(c, f32x4.mul(x, b)) }

/**
 * `a`: where the piece begins that the chunk begins in, without the row's offset; the chunk begins `within` terms behind, and that piece is
 * number `piece` of its mid. `offsets`: bytes from `a` to each row. In a group of less than four rows the last one stands in for the
 * missing: a group is read before it is written, so that row is written more than once, with the same bits.
 */
@inline
function sweep(
  form: i32, a: usize, offsets: usize, step: i32, inner: i32, mid: i32, midStep: i32, outerStep: i32, piece: i32, within: i32,
  panel: usize, bStep: i32, terms: i32, rows: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  const wrap = outerStep - (mid - 1) * midStep
  for (; rows > 0; rows -= 4) {
    const r1 = rows > 1 ? 1 : 0, r2 = rows > 2 ? 2 : r1, r3 = rows > 3 ? 3 : r2
    const o0 = load<u32>(offsets), o1 = load<u32>(offsets + (r1 << 2)), o2 = load<u32>(offsets + (r2 << 2)), o3 = load<u32>(offsets + (r3 << 2))
    // Channels of one tap, most often: four rows then need one pointer.
    const adjacent = o1 == o0 + 4 && o2 == o0 + 8 && o3 == o0 + 12
    const zero = f32x4.splat(0)
    let c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    let b0: v128, b1: v128, x: v128
    let b = panel, left = terms, from = a, skip = within * step, at = piece
    let run = min(inner - within, left)
    while (left > 0) {
      const start = from + skip
      let count = run
      if (form == Form.rows) {
        let a0 = start + o0 - 16, a1 = start + o1 - 16, a2 = start + o2 - 16, a3 = start + o3 - 16
        let p = b - 128
        do {
          a0 += 16; a1 += 16; a2 += 16; a3 += 16; p += 128
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 1) break
          b0 = v128.load(p, 32); b1 = v128.load(p, 48)
          x = v128.load32_splat(a0, 4); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 4); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 4); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 2) break
          b0 = v128.load(p, 64); b1 = v128.load(p, 80)
          x = v128.load32_splat(a0, 8); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 8); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 8); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 3) break
          b0 = v128.load(p, 96); b1 = v128.load(p, 112)
          x = v128.load32_splat(a0, 12); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 12); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 12); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          count -= 4
        } while (count)
      } else if (adjacent) {
        let q = start + o0 - step, p = b - bStep
        do {
          q += step; p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          if (count == 1) break
          q += step; p += bStep
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(q, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(q, 4); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(q, 8); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(q, 12); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          count -= 2
        } while (count)
      } else {
        let a0 = start + o0, a1 = start + o1, a2 = start + o2, a3 = start + o3, p = b
        do {
          b0 = v128.load(p, 0); b1 = v128.load(p, 16)
          x = v128.load32_splat(a0, 0); c00 = mac(c00, x, b0); c01 = mac(c01, x, b1)
          x = v128.load32_splat(a1, 0); c10 = mac(c10, x, b0); c11 = mac(c11, x, b1)
          x = v128.load32_splat(a2, 0); c20 = mac(c20, x, b0); c21 = mac(c21, x, b1)
          x = v128.load32_splat(a3, 0); c30 = mac(c30, x, b0); c31 = mac(c31, x, b1)
          a0 += step; a1 += step; a2 += step; a3 += step; p += bStep
        } while (--count)
      }
      b += run * bStep
      left -= run
      if (++at == mid) { at = 0; from += wrap } else from += midStep
      skip = 0
      run = min(inner, left)
    }

    let t = s, t1 = s + r1 * sRow, t2 = s + r2 * sRow, t3 = s + r3 * sRow
    if (then & Then.addToBlock) {
      c00 = f32x4.add(v128.load(t, 0), c00); c01 = f32x4.add(v128.load(t, 16), c01)
      c10 = f32x4.add(v128.load(t1, 0), c10); c11 = f32x4.add(v128.load(t1, 16), c11)
      c20 = f32x4.add(v128.load(t2, 0), c20); c21 = f32x4.add(v128.load(t2, 16), c21)
      c30 = f32x4.add(v128.load(t3, 0), c30); c31 = f32x4.add(v128.load(t3, 16), c31)
    }
    if (then & Then.addToTotal) {
      t = c; t1 = c + r1 * cRow; t2 = c + r2 * cRow; t3 = c + r3 * cRow
      c00 = f32x4.add(v128.load(t, 0), c00); c01 = f32x4.add(v128.load(t, 16), c01)
      c10 = f32x4.add(v128.load(t1, 0), c10); c11 = f32x4.add(v128.load(t1, 16), c11)
      c20 = f32x4.add(v128.load(t2, 0), c20); c21 = f32x4.add(v128.load(t2, 16), c21)
      c30 = f32x4.add(v128.load(t3, 0), c30); c31 = f32x4.add(v128.load(t3, 16), c31)
    }
    if (then & Then.finish) {
      if (bias) {
        b0 = v128.load(bias, 0); b1 = v128.load(bias, 16)
        c00 = f32x4.add(c00, b0); c10 = f32x4.add(c10, b0); c20 = f32x4.add(c20, b0); c30 = f32x4.add(c30, b0)
        c01 = f32x4.add(c01, b1); c11 = f32x4.add(c11, b1); c21 = f32x4.add(c21, b1); c31 = f32x4.add(c31, b1)
      }
      if (activation == Unary.relu) {
        c00 = relu(c00); c01 = relu(c01); c10 = relu(c10); c11 = relu(c11)
        c20 = relu(c20); c21 = relu(c21); c30 = relu(c30); c31 = relu(c31)
      } else if (activation >= 0) {
        c00 = activate(c00, activation, alpha); c01 = activate(c01, activation, alpha)
        c10 = activate(c10, activation, alpha); c11 = activate(c11, activation, alpha)
        c20 = activate(c20, activation, alpha); c21 = activate(c21, activation, alpha)
        c30 = activate(c30, activation, alpha); c31 = activate(c31, activation, alpha)
      }
    }
    v128.store(t, c00, 0); v128.store(t, c01, 16)
    v128.store(t1, c10, 0); v128.store(t1, c11, 16)
    v128.store(t2, c20, 0); v128.store(t2, c21, 16)
    v128.store(t3, c30, 0); v128.store(t3, c31, 16)

    offsets += 16
    s += 4 * sRow
    c += 4 * cRow
  }
}

export function sweepPieces(
  a: usize, offsets: usize, inner: i32, mid: i32, midStep: i32, outerStep: i32, piece: i32, within: i32,
  b: usize, terms: i32, rows: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.rows, a, offsets, 4, inner, mid, midStep, outerStep, piece, within, b, 32, terms, rows, then, s, sRow, c, cRow, bias, activation, alpha)
}

export function sweepAny(
  a: usize, offsets: usize, step: i32, inner: i32, mid: i32, midStep: i32, outerStep: i32, piece: i32, within: i32,
  b: usize, bStep: i32, terms: i32, rows: i32, then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.any, a, offsets, step, inner, mid, midStep, outerStep, piece, within, b, bStep, terms, rows, then, s, sRow, c, cRow, bias, activation, alpha)
}
