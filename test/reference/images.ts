// Convolution and pooling layers of one image [height, width, channels] in plain JavaScript and f64, as Keras defines them.
import { at } from '../support/bits.js'
import { poolWindows, type Pooling } from './pool.js'

export interface Convolution {
  /** rows and columns */
  readonly kernelSize: readonly [number, number]
  readonly strides: readonly [number, number]
  readonly dilation: readonly [number, number]
  readonly padding: 'valid' | 'same'
  readonly groups: number
  readonly filters: number
}

export interface Image { readonly y: readonly number[]; readonly shape: readonly number[] }

/** Number of outputs in one direction, and zeros in front. */
function axis(size: number, kernel: number, stride: number, dilation: number, padding: 'valid' | 'same'): readonly [out: number, before: number] {
  const reach = (kernel - 1) * dilation + 1
  if (padding === 'valid') return [Math.floor((size - reach) / stride) + 1, 0]
  const out = Math.ceil(size / stride)
  return [out, Math.floor(Math.max(0, (out - 1) * stride + reach - size) / 2)]
}

/** x * kernel + bias; kernel [rows, columns, channels / groups, filters]. */
export function convolve({ y: x, shape }: Image, { kernelSize, strides, dilation, padding, groups, filters }: Convolution, kernel: readonly number[], bias: readonly number[]): Image {
  const [height, width, channels] = [at(shape, 0), at(shape, 1), at(shape, 2)]
  const [rows, top] = axis(height, kernelSize[0], strides[0], dilation[0], padding), [columns, left] = axis(width, kernelSize[1], strides[1], dilation[1], padding)
  const [seen, made] = [channels / groups, filters / groups]
  const y: number[] = []
  for (let r = 0; r < rows; r++) for (let q = 0; q < columns; q++) for (let f = 0; f < filters; f++) {
    let sum = at(bias, f)
    for (let a = 0; a < kernelSize[0]; a++) for (let b = 0; b < kernelSize[1]; b++) {
      const [h, v] = [r * strides[0] + a * dilation[0] - top, q * strides[1] + b * dilation[1] - left]
      if (h < 0 || h >= height || v < 0 || v >= width) continue
      for (let c = 0; c < seen; c++) sum += at(x, (h * width + v) * channels + Math.floor(f / made) * seen + c) * at(kernel, ((a * kernelSize[1] + b) * seen + c) * filters + f)
    }
    y.push(sum)
  }
  return { y, shape: [rows, columns, filters] }
}

/** The largest, or the mean, of each window. */
export function pool({ y: x, shape }: Image, kind: 'max' | 'average', pooling: Pooling): Image {
  const windows = poolWindows([1, ...shape], pooling).map((window) => window.map((i) => at(x, i)))
  const y = windows.map((window) => (kind === 'max' ? Math.max(...window) : window.reduce((a, b) => a + b, 0) / window.length))
  const [height, width, channels] = [at(shape, 0), at(shape, 1), at(shape, 2)]
  const out = (size: number, i: number) => axis(size, at(pooling.poolSize, i), at(pooling.strides, i), 1, pooling.padding)[0]
  return { y, shape: [out(height, 0), out(width, 1), channels] }
}
