// A module of its own, which imports a memory: the integer product by the relaxed dot, and the packing for it. They take the places of the baseline's kernels
// of these names, both or none.
import { product } from './quantize/gemm'
import { pack } from './quantize/pack'

export function qs8_pack_u7(d: usize, scratch: usize, begin: i32, end: i32): void { pack(d, begin, end) }
export function qs8_gemm_u7(d: usize, scratch: usize, begin: i32, end: i32): void { product(d, scratch, begin, end) }
