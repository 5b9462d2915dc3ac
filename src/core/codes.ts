// Numbers that the host and the kernels agree on; assembly/codes.ts says the same to the kernels (a test compares the two).

/** f32_unary: y = f(x). `alpha` and `beta` are the two f32 parameters of a call. */
export const unaryCode = {
  neg: 0, exp: 1, log: 2, sqrt: 3, square: 4, abs: 5, sign: 6, reciprocal: 7,
  /** relu(x) = x > 0 ? x : +0, NaN stays NaN */
  relu: 8,
  /** x > 0 ? x : alpha·x */
  leakyRelu: 9,
  /** x > 0 ? x : alpha·(exp(x) − 1) */
  elu: 10,
  sigmoid: 11, tanh: 12,
  /** log(1 + exp(x)) */
  softplus: 13,
  /** min(max(x, alpha), beta), NaN stays NaN */
  clip: 14,
  /** alpha·x + beta */
  affine: 15,
} as const
export type UnaryName = keyof typeof unaryCode

/** f32_binary: y = f(a, b). The gradients take b = dy. */
export const binaryCode = {
  add: 0, sub: 1, mul: 2, div: 3, maximum: 4, minimum: 5,
  /** a, in the shape that a and b span together */
  first: 6,
  /** 1 where it holds, else 0; with NaN 0 */
  greater: 7, equal: 8,
  /** gradients by the output: a = y, b = dy; y > 0 ? dy : +0. Where y is NaN, so is every gradient. */
  reluGrad: 9,
  /** y > 0 ? dy : alpha·dy */
  leakyReluGrad: 10,
  /** y > 0 ? dy : dy·(y + alpha) */
  eluGrad: 11,
  /** dy·(y·(1 − y)) */
  sigmoidGrad: 12,
  /** dy·(1 − y·y) */
  tanhGrad: 13,
  /** binary cross-entropy of a logit a against a target b: relu(a) − a·b + log(1 + exp(−|a|)) */
  logitXent: 14,
  /** a = x, b = dy: alpha <= x <= beta ? dy : +0 */
  clipGrad: 15,
} as const
export type BinaryName = keyof typeof binaryCode

/** Activations that a GEMM applies to its finished sums: the code of the unary op, or none. */
export const NO_ACTIVATION = -1

export const reduceCode = { sum: 0, max: 1, mean: 2 } as const

/** Element types as the gather kernel reads and writes them. */
export const dtypeCode = { f32: 0, f64: 1, i32: 2, u8: 3 } as const

/** f32_random: what is drawn. uniform in [a, b) (b by rounding); normal with mean a and standard deviation b; truncated at two standard deviations. */
export const randomCode = { uniform: 0, normal: 1, truncatedNormal: 2 } as const

/** What f32_gate clips by. */
export const clipCode = { none: 0, norm: 1, globalNorm: 2 } as const

/** Bytes of scratch that each lane owns. */
export const SCRATCH_BYTES = 43008
