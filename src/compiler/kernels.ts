// The kernel table: every WebAssembly kernel with the words of its descriptor, in order.
//
// A kernel is `name(descriptor, scratch, tileBegin, tileEnd)`. The descriptor is an array of 32-bit words in linear memory. A word is an
// address in bytes, a size, a stride, a code, or an f32. Kernels write whole tiles: a tile writes bytes that no other tile writes, the
// number of tiles depends on sizes alone, and any split of [0, tiles) gives the same bits.

/** Terms of one chunk of a sum, and of one block (law 3): part of the bits. */
export const KC = 512
export const KB = 4096
/** Rows and columns of one GEMM tile; columns of one packed panel of B. */
export const GEMM_ROWS = 32
export const GEMM_COLUMNS = 64
export const PANEL = 8
/** Most rows of a product that reads B in place, and columns of one tile of it. */
export const GEMV_ROWS = 2
export const GEMV_COLUMNS = 256
/** Rows of one tile of a convolution that has at least CONV_MANY rows, and of others; columns of one tile. */
export const CONV_MANY = 4096
export const CONV_TALL = 64
export const CONV_ROWS = 32
export const CONV_COLUMNS = 64
/**
 * Most rows, and columns, of one tile of its gradient by the kernel where sums have several blocks; both where they have one, since its outputs
 * are few.
 */
export const CONV_KERNEL_ROWS = 96
export const CONV_KERNEL_COLUMNS = 32
export const CONV_KERNEL_SMALL = 16
/** Pixels of one tile of a depthwise convolution. */
export const DEPTHWISE_PIXELS = 32
/** Channels of one tile of its gradient by the kernel, and the most taps of the kernel that it takes. */
export const DEPTHWISE_CHANNELS = 8
export const DEPTHWISE_TAPS = 64
/** Rows of the image of one tile of max pooling's gradient. */
export const POOL_ROWS = 8
/** Elements of one tile of an elementwise kernel. */
export const ELEMENTS = 4096
/** Rows of one tile of a kernel that works row by row. */
export const ROWS = 8
/** Columns of one tile of a column reduction. */
export const COLUMNS = 64
/** Elements of one piece of a segment in the optimizer's tile table. */
export const PIECE = 2048
export { SCRATCH_BYTES } from '../core/codes.js'

const fields = <const S extends string>(words: S): { readonly words: readonly Fields<S>[] } => ({ words: words.split(' ') as Fields<S>[] })
type Fields<S extends string> = S extends `${infer Head} ${infer Tail}` ? Head | Fields<Tail> : S

export const kernelTable = {
  /**
   * C = act(A·B + bias). C(i, j) = Σₖ A(i, k)·B(k, j), summed as law 3 says: chunks of KC terms, ascending from +0; chunks added ascending
   * to a block of KB terms; blocks added ascending. A(i, k) at a + i·aRow + k·aStep; B(k, j) at b + (j / 8)·bPanel + k·bStep + (j % 8)·4;
   * C(i, j) at c + i·cRow + j·4. Strides in bytes. When n % 8 ≠ 0, B is packed (zero padded panels). bias: address of n floats, or 0.
   * activation: a unary code, or −1; alpha its parameter. k = 0 gives act(+0 + bias).
   * add ≠ 0: C = act(C + A·B + bias), the finished sum added once to what is there; then k ≤ KB. Tiles: ⌈m / GEMM_ROWS⌉·⌈n / GEMM_COLUMNS⌉, columns fastest.
   * cBlock ≠ 0: each block's sums for themselves, C of block i at c + i·cBlock, without bias, activation or add; so many tiles for each of ⌈k / KB⌉
   * blocks, blocks slowest. f32_add_blocks makes of them what one tile for all blocks makes, to the bit.
   */
  f32_gemm: fields('a b c bias m n k aRow aStep bStep bPanel cRow activation alpha add cBlock'),
  /**
   * What f32_gemm computes without `add` and `cBlock`, with the same bits, for few rows of A: B(k, j) at b + k·bStep + j·bColumn is read in place.
   * bColumn = 4, or bStep = 4. Tile: GEMV_COLUMNS columns, all rows.
   */
  f32_gemv: fields('a b c bias m n k aRow aStep bStep bColumn cRow activation alpha'),
  /** y[i] = x[0·length + i] + x[1·length + i] + …, of `blocks` blocks, ascending from the first; +0 of none. Tile: ELEMENTS. */
  f32_add_blocks: fields('x y length blocks'),
  /** B(k, j) at b + k·bStep + j·bColumn → panels [⌈n/8⌉][k][8], zero padded. Tile: one panel. */
  f32_pack_b: fields('b out k n bStep bColumn'),
  /**
   * C = act(A·B + bias) for each group g, where A is a matrix of patches that is not made. Law 3 as in f32_gemm: the k terms of an output in
   * chunks of KC, blocks of KB, wherever pieces, image rows or images end.
   * With [i] = (i % inner)·step + (i / inner % mid)·midStep + (i / inner / mid)·outerStep, in bytes:
   * A(i, k) at a + g·aGroup + row[i] + term[k]; B(k, j) at b + g·bGroup + (j / 8)·bPanel + k·bStep + (j % 8)·4; C(i, j) at c + g·cGroup + i·cRow + j·4;
   * bias(j) at bias + g·cGroup + j·4, or bias = 0. m, n, k are those of one group. B is packed (f32_pack_conv), then bWidth = 0; or it is read
   * in place, from rows of bWidth ≥ 8 floats (bPanel = 32, bGroup = 4·n). activation: a unary code, or −1.
   *
   * convolution: rows are pixels (image, row, column), terms (kernel row, kernel column, channel). By the input: the same, of the dy that
   * f32_pad has dilated by the strides, and the flipped kernel: terms (row, column, filter). By the kernel: rows (kernel row, kernel column,
   * channel), terms (image, row, column). The zeros around an image, and those of a dilation, are terms like others: they are multiplied
   * and added, so that a weight of ∞ makes NaN of them.
   * Tiles: ⌈m / tileRows⌉·groups·⌈n / tileColumns⌉, columns fastest; tileRows ≤ 96, tileColumns a multiple of 16, at most 64. cBlock as in f32_gemm.
   */
  f32_conv: fields('a b c bias m n k rowInner rowMid rowStep rowMidStep rowOuterStep inner mid step midStep outerStep bStep bPanel bWidth cRow groups aGroup bGroup cGroup tileRows tileColumns activation alpha cBlock'),
  /**
   * What f32_conv computes where each group has one channel and one filter, with the same bits: y[i, c] = act(Σ x·w + bias[c]) over rows·columns ≤ KC
   * taps, ascending; x at x + pixel[i] + row·down + column·across + c·4 with pixel[i] = (i % inner)·step + (i / inner % mid)·midStep +
   * (i / inner / mid)·outerStep, w at w + (row·columns + column)·tapStep + c·4, in bytes. Tile: DEPTHWISE_PIXELS pixels of m.
   */
  f32_depthwise: fields('x w y bias m channels inner mid step midStep outerStep rows columns down across tapStep activation alpha'),
  /**
   * Its gradient by the kernel, with the bits of f32_conv: dw[row, column, c] = Σ x·dy over k pixels, one block of law 3 at a time, to dw + block·cBlock;
   * x at x + pixel[i] + row·down + column·across + c·4 with pixel[i] as in f32_depthwise, dy at dy + (i·channels + c)·4. channels ≥ DEPTHWISE_CHANNELS,
   * rows·columns ≤ DEPTHWISE_TAPS. Tile: DEPTHWISE_CHANNELS channels of one block, channels fastest.
   */
  f32_depthwise_kernel: fields('x dy dw k channels inner mid step midStep outerStep rows columns down across cBlock'),
  /** B(k, j) of group g, k = (tap, i), at w + g·groupStep + tap·tapStep + i·step + j·column → panels [g][⌈n/8⌉][k][8], zero padded. Tile: one panel. */
  f32_pack_conv: fields('w out taps inner n tapStep step column groupStep groups'),
  /**
   * y[image, top + r·rowStep, left + q·columnStep, :] = x[image, r, q, :] where that lies in y, whose other elements are +0. y: rows × columns
   * pixels; top and left may be negative. Tile: one row of y.
   */
  f32_pad: fields('x y height width channels rows columns top left rowStep columnStep images'),
  /** y[i] = f(x[i]). y may be x. Tile: ELEMENTS. */
  f32_unary: fields('x y length code alpha beta'),
  /**
   * y[o, m, i] = f(a, b) with a at o·aOuter + m·aMid + i·aInner (elements; inner strides 0 or 1), b alike, y contiguous.
   * y may be a or b when that operand is not broadcast. Tiles: outer·mid·⌈inner / ELEMENTS⌉, chunks of a row fastest.
   */
  f32_binary: fields('a b y outer mid inner aOuter aMid aInner bOuter bMid bInner code alpha beta'),
  /** y[i] = mask[i] ≠ 0 ? a[i·aStride] : b[i·bStride]; mask of u8; strides 0 or 1. A selection of bits: no arithmetic. Tile: ELEMENTS. */
  f32_select: fields('mask a b y length aStride bStride'),
  /**
   * y[o, i] = q·s + (+0), q = min(max(nearest(x / s), −levels), levels), s = range[i·rangeStride] / levels: every operation rounded to f32, nearest
   * half to even. Where s = 0, +0; of NaN, NaN. rangeStride 0 or 1. y may be x. Tiles: outer·⌈inner / ELEMENTS⌉, chunks of a row fastest.
   */
  f32_fake_quant: fields('x range y outer inner rangeStride levels'),
  /**
   * y[r, :] = convert(source[index[r], :]); index: address of i32, or 0 for r itself. sourceType and yType are dtype codes (y: f32 or i32).
   * To f32: convert, then ·scale + offset in f32 unless scale = 1 and offset = 0. To i32: from u8 or i32. Tile: ROWS rows.
   */
  gather: fields('source index y rows width sourceType yType scale offset'),
  /**
   * y[o, i] = reduce over k of x[o, k, i]. inner = 1: a row; its sum has 8 interleaved accumulators per chunk of KC, added pairwise
   * ((0+4)+(2+6))+((1+5)+(3+7)), chunks ascending; tile: ROWS rows. inner > 1: each output ascending, in chunks and blocks as in GEMM;
   * tiles: outer·⌈inner / COLUMNS⌉. mean = sum / f32(k). max of NaN is NaN; max of nothing is −∞, sum +0.
   */
  f32_reduce: fields('x y outer k inner code'),
  /** Row-wise softmax, exp(x − max) / Σ. Sums as rows of f32_reduce. y may be x. Tile: ROWS rows. */
  f32_softmax: fields('x y rows width'),
  f32_log_softmax: fields('x y rows width'),
  /** dx = y·(dy − Σ dy·y). dx may be dy. */
  f32_softmax_grad: fields('y dy dx rows width'),
  /** y = logSoftmax(x): dx = dy − exp(y)·Σ dy. dx may be dy. */
  f32_log_softmax_grad: fields('y dy dx rows width'),
  /** y[r] = log Σ exp(x[r] − max) − (x[r, labels[r]] − max). */
  f32_sparse_xent: fields('x labels y rows width'),
  /** dx[r] = (softmax(x[r]) − onehot(labels[r]))·dy[r]. dx may be x. */
  f32_sparse_xent_grad: fields('x labels dy dx rows width'),
  // Pooling of images [samples, height, width, channels]. The window of output (oy, ox) holds the pixels of poolHeight rows and poolWidth columns
  // from (oy·strideY − padTop, ox·strideX − padLeft) that lie within the image, at least one.
  /** y = the maximum of each window; NaN if there is one. Tile: one row of one sample's output, samples·outHeight. */
  f32_max_pool: fields('x y samples height width channels outHeight outWidth poolHeight poolWidth strideY strideX padTop padLeft'),
  /**
   * dx = Σ dy of the windows, ascending from +0, of which a pixel is the first NaN, else the first largest (row-major); of a NaN, NaN.
   * relu ≠ 0: then, as reluGrad of f32_binary, x > 0 ? dx : +0; of a NaN, NaN.
   * Tile: POOL_ROWS rows of one sample's image, samples·⌈height / POOL_ROWS⌉.
   */
  f32_max_pool_grad: fields('x dy dx relu samples height width channels outHeight outWidth poolHeight poolWidth strideY strideX padTop padLeft'),
  /** y = the sum of each window, its rows ascending from +0, the rows' sums ascending from +0, divided by the number of its pixels. Tiles as f32_max_pool. */
  f32_average_pool: fields('x y samples height width channels outHeight outWidth poolHeight poolWidth strideY strideX padTop padLeft'),
  /** dx = Σ dy / (pixels of the window) of the windows that hold a pixel, ascending from +0. Tile: one row of one sample's image, samples·height. */
  f32_average_pool_grad: fields('dy dx samples height width channels outHeight outWidth poolHeight poolWidth strideY strideX padTop padLeft'),
  // Integers (assembly/quantize/gemm.ts): activations of unsigned bytes, weights of signed ones, sums of i32, so the order of terms is no part of them.
  /**
   * y[i] = clamp(round(x[i]·multiplier), −zeroPoint, high − zeroPoint) + zeroPoint, a byte: one f32 product, half to even. NaN gives the zero point.
   * Tile: ELEMENTS.
   */
  qu8_quantize: fields('x y length multiplier zeroPoint high'),
  /**
   * w(k, j), s8, at w + k·n + j, with the offset (i32) and the multiplier (f32) of each column → panels of 8 columns: 8 offsets, 8 multipliers, then
   * groups of 32 bytes, zero padded: ⌈k / 2⌉ of [column][2 terms, i16], or in the module with relaxed SIMD, of _u7, ⌈k / 4⌉ of [column][4 terms, i8].
   * 64 + 32·⌈k / 2⌉ bytes hold either. Tile: one panel.
   */
  qs8_pack_u7: fields('w offset multiplier out k n'),
  qs8_pack_u8: fields('w offset multiplier out k n'),
  /**
   * s(i, j) = Σₖ A(i, k)·B(k, j) + offset(j) in i32, y = f32(s)·multiplier(j): two roundings. asFloat ≠ 0: C(i, j) = max(y, low), f32 at c + i·cRow + j·4.
   * Else clamp(round(y), low, high) + zeroPoint, half to even, a byte at c + i·cRow + j; low and high are whole f32; NaN gives low. A(i, k), u8, at a + i·aRow + k; in
   * _u7 it is at most 127. B: panels of qs8_pack_u7, of _u8. |s| < 2³¹, which the caller sees to. Tiles: as f32_gemm.
   */
  qs8_gemm_u7: fields('a b c m n k aRow cRow low high zeroPoint asFloat'),
  qs8_gemm_u8: fields('a b c m n k aRow cRow low high zeroPoint asFloat'),
  /** y[r] = index of the first largest element; of the first NaN if there is one. */
  i32_arg_max: fields('x y rows width'),
  /** y[i] = a[i] = b[i] ? 1 : 0, f32 from i32. Tile: ELEMENTS. */
  i32_equal: fields('a b y length'),
  /** y (one f64) = Σ x[i]·w[i] in f64, in chunks of KC ascending, chunks ascending; w: address of f32, or 0 for ones. One tile. */
  f32_total: fields('x w y length'),
  /**
   * y[r, j] = keep ? x[r, j]·scale : +0. keep: word j % 4 of Philox4x32-10(key, counter = (j / 4, index[r], step, 0)) ≥ threshold (u32).
   * index: address of i32 global sample indices; step, key: addresses of u32 (key: two words). y may be x. Tile: ROWS rows.
   */
  f32_dropout: fields('x y rows width threshold scale index step key'),
  /** y[i] = value. Tile: ELEMENTS. */
  f32_fill: fields('y length value'),
  /**
   * Random numbers for initialisers. Element i comes from Philox4x32-10(key, counter = (i, attempt, 0, 0)).
   * uniform: a + u·(b − a), u = (word0 >> 8)·2⁻²⁴, in f32 (rounding may give b). normal: a + b·z, z by Box-Muller in f64 of two 53-bit
   * numbers (assembly/random/fill.ts). truncatedNormal: attempts 0, 1, … until |z| < 2. key: address of two u32. Tile: ELEMENTS.
   */
  f32_random: fields('y length kind key a b'),
  /** y[i] += x[i]. Tile: ELEMENTS. */
  f32_accumulate: fields('x y length'),
  f64_accumulate: fields('x y length'),
  /** y = x, any type, length in bytes (a multiple of 4). Tile: 4·ELEMENTS bytes. */
  copy: fields('x y length'),
  /** y[r, t, :] = t < lengths[r] ? 1 : 0, bytes; lengths: i32. Tile: ROWS rows. */
  length_mask: fields('lengths y rows steps width'),
  /** y[r] = x[r], `width` bytes a row; rows lie xRow and yRow bytes apart. Tile: ROWS rows. */
  copy_rows: fields('x y rows width xRow yRow'),

  // Optimizer kernels walk a table of pieces, one piece a tile. A piece: { w: address, offset: bytes into g and the states, length, segment },
  // 4 words. A segment: { rate scale f32, decay f32, l1 f32, l2 f32, first piece, end piece }, 6 words.
  /**
   * g += (2·l2·w + l1·sign(w)), where l1 or l2 is not 0; partial[piece] = { Σ g², l2·Σ w² + l1·Σ |w| } in f64 (16 bytes a piece), each sum
   * with 8 interleaved accumulators added pairwise as in f32_reduce. norms = 0: the first is +0, or NaN when an element of g is not finite.
   */
  f32_regularize: fields('pieces segments g partial norms'),
  /**
   * One tile. Adds the partials of each segment ascending, segments ascending. ok (u32) = 1 when Σ g² and the `sumCount` f64 at `sums` are
   * finite, and the `averageCount` partials at `averages` (of what moving averages take in, which no norm counts), else 0. factor[segment] (f32): 1, or limit / norm where the segment's (norm) or the whole (globalNorm) norm exceeds limit.
   * totals: f64 { ‖g‖ (+0 where f32_regularize sums no norms), penalty }.
   */
  f32_gate: fields('segments count partial factor ok sums sumCount clip limit totals averages averageCount'),
  // Update kernels: nothing is written when *ok = 0. g' = clamp(g·factor[segment], −clipValue, clipValue), clipValue = ∞ for none;
  // r = *rate·rate scale. State elements below 2⁻¹²⁶ in magnitude become +0, before they are used. rate, decayRate: addresses of f32.
  // The order of all roundings stands in the kernels' files.
  /** momentum = 0: w −= r·g'. Else m = momentum·m − r·g'; w += nesterov ? momentum·m − r·g' : m. m: address, or 0. */
  f32_sgd: fields('pieces segments g m factor ok clipValue rate momentum nesterov'),
  /** v = rho·v + (1−rho)·g'²; d = v + ε, or max(v − a², 0) + ε with a = rho·a + (1−rho)·g' (a ≠ 0); i = r·g'/√d; momentum: m = momentum·m + i, w −= m. */
  f32_rmsprop: fields('pieces segments g v a m factor ok clipValue rate rho oneMinusRho momentum epsilon'),
  /**
   * w −= w·decay·(*decayRate·rate scale) where decay ≠ 0; m += (g' − m)·(1−β₁); v += (g'² − v)·(1−β₂); w −= m·r / (√v + ε), where
   * *rate = lr·√(1−β₂ᵗ)/(1−β₁ᵗ).
   */
  f32_adam: fields('pieces segments g m v factor ok clipValue rate decayRate oneMinusBeta1 oneMinusBeta2 epsilon'),
  /**
   * w = w·momentum + (g / *rows)·(1−momentum), below 2⁻¹²⁶ in magnitude +0; nothing is written when *ok = 0. rows: address of f32. Its
   * segments: { momentum f32, 1−momentum f32, unused, unused, first piece, end piece }.
   */
  f32_average: fields('pieces segments g ok rows'),
  /** y = x (f32) where *ok ≠ 0, else nothing is written: a constrained weight. y may be x. Tile: ELEMENTS. */
  f32_commit: fields('x y ok length'),
} as const

export type KernelName = keyof typeof kernelTable
export type KernelField<K extends KernelName> = (typeof kernelTable)[K]['words'][number]
