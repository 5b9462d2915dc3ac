// What surrounds the integer product in the baseline binary: f32 to bytes, the packing of weights, and the product of widened bytes.
import { ELEMENTS } from '../codes'
import { product } from './gemm'
import { pack } from './pack'

/** q = clamp(nearest(x·multiplier), −zeroPoint, high − zeroPoint) + zeroPoint, half to even. NaN gives the zero point: bytes have none. */
export function qu8_quantize(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), y = <usize>load<u32>(d, 4), length = load<i32>(d, 8), multiplier = load<f32>(d, 12)
  const zeroPoint = load<i32>(d, 16), high = load<i32>(d, 20)
  const last = min(length, end * ELEMENTS)
  const m = f32x4.splat(multiplier), low = f32x4.splat(<f32>-zeroPoint), top = f32x4.splat(<f32>(high - zeroPoint)), zero = i32x4.splat(zeroPoint)
  let i = begin * ELEMENTS
  for (; i + 16 <= last; i += 16) {
    const p = x + (<usize>i << 2)
    const q01 = i16x8.narrow_i32x4_s(quantized(v128.load(p, 0), m, low, top, zero), quantized(v128.load(p, 16), m, low, top, zero))
    const q23 = i16x8.narrow_i32x4_s(quantized(v128.load(p, 32), m, low, top, zero), quantized(v128.load(p, 48), m, low, top, zero))
    v128.store(y + i, i8x16.narrow_i16x8_u(q01, q23))
  }
  for (; i < last; i++) store<u8>(y + i, <u8>i32x4.extract_lane(quantized(v128.load32_splat(x + (<usize>i << 2)), m, low, top, zero), 0))
}

@inline
function quantized(x: v128, m: v128, low: v128, top: v128, zero: v128): v128 {
  return i32x4.add(i32x4.trunc_sat_f32x4_s(f32x4.min(f32x4.max(f32x4.nearest(f32x4.mul(x, m)), low), top)), zero)
}

/** The packing for each product: a module with relaxed SIMD packs for its own. */
export function qs8_pack_u7(d: usize, scratch: usize, begin: i32, end: i32): void { pack(d, begin, end) }
export function qs8_pack_u8(d: usize, scratch: usize, begin: i32, end: i32): void { pack(d, begin, end) }

/** Of activations in [0, 127]: the one that a module with relaxed SIMD may take the place of. */
export function qs8_gemm_u7(d: usize, scratch: usize, begin: i32, end: i32): void { product(d, scratch, begin, end) }

/** Of activations in [0, 255]. */
export function qs8_gemm_u8(d: usize, scratch: usize, begin: i32, end: i32): void { product(d, scratch, begin, end) }
