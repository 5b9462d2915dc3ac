// The networks whose training steps are measured.
import { conv2d, dense, flatten, maxPool2d, reshape, type Layer } from '../src/index.js'

export interface Workload {
  readonly name: string
  /** on images of 28×28 bytes */
  readonly layers: () => readonly [Layer, ...Layer[]]
  /** f32 operations of a sample and step: forward and both backward products, without the gradient of the images */
  readonly flop: number
  /** steps of one timed round: some tenths of a second */
  readonly steps: number
}

/** Multiplications and additions of the three products of a layer, or of two where there is no gradient by its input. */
export const products = (terms: number, outputs: number, count = 3): number => 2 * terms * outputs * count

export const workloads: readonly Workload[] = [
  {
    name: 'the worked example 784-64-64-10', steps: 60,
    layers: () => [dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })],
    flop: products(784, 64, 2) + products(64, 64) + products(64, 10),
  },
  {
    name: '784-512-512-10', steps: 10,
    layers: () => [dense(512, { activation: 'relu' }), dense(512, { activation: 'relu' }), dense(10, { activation: 'softmax' })],
    flop: products(784, 512, 2) + products(512, 512) + products(512, 10),
  },
  {
    name: 'a small CNN: conv 3×3×16, pool, conv 3×3×32, pool, dense 10', steps: 10,
    layers: () => [
      reshape([28, 28, 1]), conv2d(16, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), conv2d(32, 3, { padding: 'same', activation: 'relu' }), maxPool2d(), flatten(),
      dense(10, { activation: 'softmax' }),
    ],
    flop: products(9, 28 * 28 * 16, 2) + products(9 * 16, 14 * 14 * 32) + products(7 * 7 * 32, 10),
  },
]
