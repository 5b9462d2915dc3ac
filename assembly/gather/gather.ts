// gather: rows of a data set, chosen by index, converted to what a graph reads.
//
// To f32: u8 and i32 are rounded to nearest even, f64 too; then x·scale, rounded, + offset, rounded, unless scale = 1 and offset = 0.
// To i32: u8 is widened, i32 copied. The host admits no other pair.
import { DType, ROWS } from '../codes'

export function gather(d: usize, scratch: usize, begin: i32, end: i32): void {
  const source = load<usize>(d, 0), index = load<usize>(d, 4)
  const width = load<i32>(d, 16), type = load<i32>(d, 20)
  const sourceRow = <usize>width * bytesOf(type), yRow = <usize>width << 2
  const first = begin * ROWS, last = min(load<i32>(d, 12), end * ROWS)
  let y = load<usize>(d, 8) + <usize>first * yRow
  let touched: u32 = 0
  for (let r = first; r < last; r++, y += yRow) {
    const row = index ? load<u32>(index + (<usize>r << 2)) : <u32>r
    const x = source + <usize>row * sourceRow
    if (index && r + 1 < last) touched = touch(source + <usize>load<u32>(index + (<usize>r << 2), 4) * sourceRow, sourceRow, touched)
    if (load<i32>(d, 24) == DType.i32) toIntegers(x, y, width, type)
    else toFloats(x, y, width, type, load<f32>(d, 28), load<f32>(d, 32))
  }
  if (first < last) store<u32>(scratch, touched)
}

/** Bytes of a cache line. */
const LINE: usize = 64

/**
 * Reads a byte of each line of the next row, so that it is on its way while this one is converted: rows lie in any order, and most of what their
 * conversion takes is waiting for the first lines of each. What is read goes to scratch: an engine may leave out a load that nothing uses.
 */
function touch(x: usize, bytes: usize, touched: u32): u32 {
  for (let at: usize = 0; at < bytes; at += LINE) touched ^= load<u8>(x + at)
  return touched
}

function bytesOf(type: i32): usize { return type == DType.u8 ? 1 : type == DType.f64 ? 8 : 4 }

function toIntegers(x: usize, y: usize, width: i32, type: i32): void {
  if (type == DType.u8) widen(x, y, width)
  else memory.copy(y, x, <usize>width << 2)
}

function toFloats(x: usize, y: usize, width: i32, type: i32, scale: f32, offset: f32): void {
  // A u8 times 1, plus 0, is itself: no case apart.
  if (type == DType.u8) return widenScaled(x, y, width, scale, offset)
  if (type == DType.f64) demote(x, y, width)
  else if (type == DType.i32) convert(x, y, width)
  else memory.copy(y, x, <usize>width << 2)
  // −0·1 + 0 would be +0: what is not scaled stays as it is.
  if (scale != 1 || offset != 0) affine(y, width, scale, offset)
}

/** u8 → i32, sixteen bytes at a time. */
function widen(x: usize, y: usize, width: i32): void {
  for (; width >= 16; width -= 16, x += 16, y += 64) {
    const low = v128.load8x8_u(x), high = v128.load8x8_u(x, 8)
    v128.store(y, i32x4.extend_low_i16x8_u(low))
    v128.store(y, i32x4.extend_high_i16x8_u(low), 16)
    v128.store(y, i32x4.extend_low_i16x8_u(high), 32)
    v128.store(y, i32x4.extend_high_i16x8_u(high), 48)
  }
  for (; width > 0; width--, x++, y += 4) store<i32>(y, load<u8>(x))
}

/** u8 → f32·scale + offset, sixteen bytes at a time. */
function widenScaled(x: usize, y: usize, width: i32, scale: f32, offset: f32): void {
  const a = f32x4.splat(scale), b = f32x4.splat(offset)
  for (; width >= 16; width -= 16, x += 16, y += 64) {
    const low = v128.load8x8_u(x), high = v128.load8x8_u(x, 8)
    v128.store(y, scaled(i32x4.extend_low_i16x8_u(low), a, b))
    v128.store(y, scaled(i32x4.extend_high_i16x8_u(low), a, b), 16)
    v128.store(y, scaled(i32x4.extend_low_i16x8_u(high), a, b), 32)
    v128.store(y, scaled(i32x4.extend_high_i16x8_u(high), a, b), 48)
  }
  for (; width > 0; width--, x++, y += 4) store<f32>(y, <f32>load<u8>(x) * scale + offset)
}

// @ts-ignore: decorator
@inline function scaled(x: v128, scale: v128, offset: v128): v128 {
  return f32x4.add(f32x4.mul(f32x4.convert_i32x4_s(x), scale), offset)
}

function convert(x: usize, y: usize, width: i32): void {
  for (; width >= 4; width -= 4, x += 16, y += 16) v128.store(y, f32x4.convert_i32x4_s(v128.load(x)))
  for (; width > 0; width--, x += 4, y += 4) store<f32>(y, <f32>load<i32>(x))
}

function demote(x: usize, y: usize, width: i32): void {
  for (; width >= 4; width -= 4, x += 32, y += 16) {
    const low = f32x4.demote_f64x2_zero(v128.load(x)), high = f32x4.demote_f64x2_zero(v128.load(x, 16))
    v128.store(y, v128.shuffle<f32>(low, high, 0, 1, 4, 5))
  }
  for (; width > 0; width--, x += 8, y += 4) store<f32>(y, <f32>load<f64>(x))
}

function affine(y: usize, width: i32, scale: f32, offset: f32): void {
  const a = f32x4.splat(scale), b = f32x4.splat(offset)
  for (; width >= 4; width -= 4, y += 16) v128.store(y, f32x4.add(f32x4.mul(v128.load(y), a), b))
  for (; width > 0; width--, y += 4) store<f32>(y, load<f32>(y) * scale + offset)
}
