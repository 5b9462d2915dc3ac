// The numbers of src/core/codes.ts and the tile sizes of src/compiler/kernels.ts, for the kernels (test/kernels/codes.test.ts compares them).
export namespace Unary {
  export const neg = 0, exp = 1, log = 2, sqrt = 3, square = 4, abs = 5, sign = 6, reciprocal = 7
  export const relu = 8, leakyRelu = 9, elu = 10, sigmoid = 11, tanh = 12, softplus = 13, clip = 14, affine = 15
}
export namespace Binary {
  export const add = 0, sub = 1, mul = 2, div = 3, maximum = 4, minimum = 5, first = 6, greater = 7, equal = 8
  export const reluGrad = 9, leakyReluGrad = 10, eluGrad = 11, sigmoidGrad = 12, tanhGrad = 13, logitXent = 14, clipGrad = 15
}
export namespace Reduce { export const sum = 0, max = 1, mean = 2 }
export namespace DType { export const f32 = 0, f64 = 1, i32 = 2, u8 = 3 }
export namespace Random { export const uniform = 0, normal = 1, truncatedNormal = 2 }
export namespace Clip { export const none = 0, norm = 1, globalNorm = 2 }

/** Terms of one chunk of a sum (law 3). */
export const KC: i32 = 512
/** Terms of one block of a sum (law 3). */
export const KB: i32 = 4096
/** Rows and columns of one GEMM tile; columns of one packed panel. */
export const GEMM_ROWS: i32 = 32
export const GEMM_COLUMNS: i32 = 64
export const PANEL: i32 = 8
/** Pixels of one tile of a depthwise convolution. */
export const DEPTHWISE_PIXELS: i32 = 32
/** Channels of one tile of its gradient by the kernel, and the most taps of the kernel that it takes. */
export const DEPTHWISE_CHANNELS: i32 = 8
export const DEPTHWISE_TAPS: i32 = 64
/** Rows of the image of one tile of max pooling's gradient. */
export const POOL_ROWS: i32 = 8
/** Elements of one tile of an elementwise kernel. */
export const ELEMENTS: i32 = 4096
/** Rows of one tile of a kernel that works row by row. */
export const ROWS: i32 = 8
/** Columns of one tile of a column reduction. */
export const COLUMNS: i32 = 64
/** Bytes of scratch that each lane owns. */
export const SCRATCH_BYTES: i32 = 74816
