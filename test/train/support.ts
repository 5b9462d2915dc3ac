// Small models, data and hashes that the tests of training share.
import { sha256Hex } from '../../src/core/hash.js'
import { dense, dropout, sequential, sparseCategoricalCrossentropy, accuracy, adam, type Optimizer, type Weight } from '../../src/index.js'
import { at } from '../support/bits.js'
import { random } from '../support/numbers.js'

export const FEATURES = 4
export const CLASSES = 3

/** Points around three centres, and which centre each is from. */
export function blobs(n: number, seed = 1): { readonly x: Float32Array<ArrayBuffer>; readonly y: Int32Array<ArrayBuffer> } {
  const next = random(seed)
  const x = new Float32Array(n * FEATURES)
  const y = new Int32Array(n)
  for (let i = 0; i < n; i++) {
    const label = Math.floor(next() * CLASSES)
    y[i] = label
    for (let j = 0; j < FEATURES; j++) x[i * FEATURES + j] = (j === label ? 1 : 0) + 0.8 * (next() - 0.5)
  }
  return { x, y }
}

type Weights = Readonly<Record<string, Weight>>

/** SHA-256 of all weights, in order, with their keys. */
export const hashOf = (model: { getWeights(): Weights }): string => hashWeights(model.getWeights())
export const hashWeights = (weights: Weights): string =>
  sha256Hex(...Object.entries(weights).flatMap(([key, { data }]) => [key, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)]))
export const hashFloats = (data: Float32Array): string => sha256Hex(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))

/** The numbers of one weight. */
export function weight(model: { getWeights(): Weights }, key: string): Float32Array {
  const found = model.getWeights()[key]
  if (found === undefined) throw new Error(`no weight ${key} among ${Object.keys(model.getWeights()).join()}`)
  return found.data
}

export interface NetOptions { readonly seed?: number; readonly rate?: number; readonly optimizer?: Optimizer; readonly shards?: number; readonly frozen?: readonly string[] }

/** Two dense layers with dropout between them (rate 0: none), not compiled. */
export function net({ seed = 1, rate = 0.25 }: NetOptions = {}) {
  return sequential([dense(8, { activation: 'relu' }), ...(rate > 0 ? [dropout(rate)] : []), dense(CLASSES, { activation: 'softmax' })], { input: [FEATURES], seed })
}

/** The same, compiled for class numbers. */
export function classifier(options: NetOptions = {}) {
  const { optimizer = adam({ learningRate: 0.01 }), shards = 1, frozen = [] } = options
  return net(options).compile({ optimizer, loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards, frozen })
}

/** Batches of arrays, in order, made anew each time they are iterated. */
export function stream(x: Float32Array, y: Int32Array, size: number, width = FEATURES): AsyncIterable<{ readonly x: Float32Array; readonly y: Int32Array }> {
  return {
    async *[Symbol.asyncIterator]() {
      for (let from = 0; from < y.length; from += size) {
        await Promise.resolve()
        yield { x: x.slice(from * width, (from + size) * width), y: y.slice(from, from + size) }
      }
    },
  }
}

/** The error that a call gives, thrown or rejected. */
export async function errorOf(call: () => unknown): Promise<Error> {
  try { await call() } catch (error) {
    if (error instanceof Error) return error
    throw error
  }
  throw new Error('expected an error, got none')
}

export const first = <T>(list: readonly T[]): T => {
  const value = list[0]
  if (value === undefined) throw new Error('expected an element, got none')
  return value
}
export const last = (list: ArrayLike<number>): number => at(list, list.length - 1)
