// Elementwise kernels over other types than f32: a choice of bits by a mask of bytes, and a comparison of integers.
import { ELEMENTS } from '../codes'

/** All ones in the lanes whose byte, of four at an address, is not 0. */
// @ts-ignore: decorator
@inline function laneMask(bytes: v128): v128 {
  return i32x4.ne(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(bytes)), i32x4.splat(0))
}

/** Operands of stride 0 are splatted into scratch, as in f32_binary. */
export function f32_select(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const aStride = load<i32>(descriptor, 20)
  const bStride = load<i32>(descriptor, 24)
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 16), tileEnd * ELEMENTS) - first
  let mask = load<usize>(descriptor, 0) + first
  let a = load<usize>(descriptor, 4) + (<usize>(first * aStride) << 2)
  let b = load<usize>(descriptor, 8) + (<usize>(first * bStride) << 2)
  let y = load<usize>(descriptor, 12) + (<usize>first << 2)
  if (!aStride) {
    v128.store(scratch, v128.load_splat<u32>(a))
    a = scratch
  }
  if (!bStride) {
    v128.store(scratch, v128.load_splat<u32>(b), 16)
    b = scratch + 16
  }
  const vectorEnd = mask + (n & ~3)
  const end = mask + n
  while (mask < vectorEnd) {
    v128.store(y, v128.bitselect(v128.load(a), v128.load(b), laneMask(v128.load_zero<u32>(mask))))
    mask += 4
    a += aStride << 4
    b += bStride << 4
    y += 16
  }
  while (mask < end) {
    store<u32>(y, load<u8>(mask) ? load<u32>(a) : load<u32>(b))
    mask++
    a += aStride << 2
    b += bStride << 2
    y += 4
  }
}

export function i32_equal(descriptor: usize, scratch: usize, tileBegin: i32, tileEnd: i32): void {
  const first = tileBegin * ELEMENTS
  const n = min(load<i32>(descriptor, 12), tileEnd * ELEMENTS) - first
  let a = load<usize>(descriptor, 0) + (<usize>first << 2)
  let b = load<usize>(descriptor, 4) + (<usize>first << 2)
  let y = load<usize>(descriptor, 8) + (<usize>first << 2)
  const vectorEnd = y + (<usize>(n & ~3) << 2)
  const end = y + (<usize>n << 2)
  while (y < vectorEnd) {
    v128.store(y, v128.and(i32x4.eq(v128.load(a), v128.load(b)), f32x4.splat(1)))
    a += 16
    b += 16
    y += 16
  }
  while (y < end) {
    store<f32>(y, load<i32>(a) == load<i32>(b) ? 1 : 0)
    a += 4
    b += 4
    y += 4
  }
}
