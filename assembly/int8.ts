// A module of its own, which imports a memory: the integer product by the relaxed dot. It takes the place of the baseline's kernel of this name.
import { product } from './quantize/gemm'

export function qs8_gemm_u7(d: usize, scratch: usize, begin: i32, end: i32): void { product(d, scratch, begin, end) }
