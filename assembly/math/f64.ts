// Scalar f64 functions for the host: schedules, initialisers and bias corrections must not use Math (law 2). AssemblyScript's NativeMath
// is a port of musl's, below 1 ulp, and the same bits on every engine; asconfig.json chooses its forms without tables (by another name for
// ASC_SHRINK_LEVEL, which nothing else here looks at): the tables were a quarter of what a page downloads of the kernels.
export function f64_exp(x: f64): f64 { return NativeMath.exp(x) }
export function f64_log(x: f64): f64 { return NativeMath.log(x) }
export function f64_pow(x: f64, y: f64): f64 { return NativeMath.pow(x, y) }
export function f64_sin(x: f64): f64 { return NativeMath.sin(x) }
export function f64_cos(x: f64): f64 { return NativeMath.cos(x) }
