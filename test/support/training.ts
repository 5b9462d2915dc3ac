// A trainer on its own store, for tests that look at single steps and shards.
import { elements, type DType } from '../../src/core/shape.js'
import { sequential, type Layer, type Loss, type Metric, type Optimizer, type SequentialOptions } from '../../src/index.js'
import { params } from '../../src/model/model.js'
import { Store } from '../../src/runtime/store.js'
import { recipeGraph } from '../../src/train/recipe.js'
import { rowsOf, shardRange, Trainer, WEIGHT, type Batch, type ShardResult, type Sources } from '../../src/train/trainer.js'
import { at } from './bits.js'
import { randomFloats } from './numbers.js'
import type { Typed } from './programs.js'

export interface TrainingOptions {
  readonly layers: readonly Layer[]
  readonly input: SequentialOptions['input']
  readonly loss: Loss<never>
  readonly optimizer: Optimizer
  readonly metrics?: readonly Metric<string>[]
  readonly shards?: number
  readonly seed?: number
}

export interface Data { readonly x: Typed; readonly y: Typed; readonly sampleWeight?: Float32Array }

const dtypeOf = (data: Typed): DType => (data instanceof Float32Array ? 'f32' : data instanceof Float64Array ? 'f64' : data instanceof Int32Array ? 'i32' : 'u8')

interface Driven { readonly store: Store; readonly trainer: Trainer }

/** The gradient of a whole batch in the trainer's block, at once. */
export const gradientOf = ({ store, trainer }: Driven, sources: Sources, batch: Batch, capacity: number): void => { store.atOnce('gradient', () => trainer.gradientWork(sources, batch, capacity)) }

/** One shard of a step, at once. */
export function shardOf({ store, trainer }: Driven, sources: Sources, batch: Batch, shard: number): ShardResult {
  const n = batch.rows.length
  return store.atOnce('shard', () => trainer.shardWork(sources, rowsOf(batch, ...shardRange(n, shard, trainer.recipe.shards)), shard, n))
}

export class Training {
  readonly store = new Store()
  readonly trainer: Trainer
  readonly keys: readonly string[]

  constructor({ layers, input, loss, optimizer, metrics = [], shards = 1, seed = 0 }: TrainingOptions) {
    const { graph } = sequential(layers, { input, seed }).definition
    const declared = params(graph)
    this.keys = declared.map(({ key }) => key)
    this.store.declare(declared.map(({ key, shape, spec }) => ({ key, shape, init: spec.init, seed, identity: spec })))
    // Weights and biases of one size, so that no gradient is trivial.
    declared.forEach(({ key, shape }, i) => this.weight(key).set(randomFloats(elements(shape), 100 + i, -0.8, 0.8)))
    this.store.changed()
    this.trainer = new Trainer({ ...recipeGraph(graph, { losses: { y: loss }, metrics: { y: metrics }, weights: {} }), optimizer, shards, frozen: [] }, this.store, seed)
  }

  /** The numbers of a weight, in place. */
  weight(key: string): Float32Array {
    const { address, length } = this.store.param(key)
    return this.store.f32(address, length)
  }

  /** Copies of all weights. */
  weights(): Record<string, number[]> { return Object.fromEntries(this.keys.map((key) => [key, Array.from(this.weight(key))])) }

  /** Copies data into the store. */
  sources({ x, y, sampleWeight }: Data): Sources {
    const named = new Map<string, Typed>([['x', x], ['labels:y', y]])
    if (sampleWeight !== undefined) named.set(WEIGHT, sampleWeight)
    const addresses = new Map<string, number>()
    for (const [name, data] of named) {
      const block = this.store.alloc(data.byteLength)
      this.store.bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), block.address)
      addresses.set(name, block.address)
    }
    return { addresses, dtypes: new Map([...named].map(([name, data]) => [name, dtypeOf(data)])) }
  }

  /** The gradient of a whole batch, at once. */
  gradient(sources: Sources, batch: Batch, capacity: number): void { gradientOf(this, sources, batch, capacity) }

  /** One shard of a step, at once. */
  shard(sources: Sources, batch: Batch, shard: number): ShardResult { return shardOf(this, sources, batch, shard) }

  /** The gradient of each weight in a shard's block. */
  gradients({ grad }: ShardResult): Record<string, number[]> {
    return Object.fromEntries(this.trainer.layout.segments.map(({ key, offset, length }) => [key, Array.from(grad.subarray(offset / 4, offset / 4 + length))]))
  }
}

/** A batch of samples, each of which is its own row. */
export const batchOf = (samples: readonly number[]): Batch => ({ rows: Int32Array.from(samples), samples: Int32Array.from(samples) })

/** An element of a record that is there. */
export function entry(record: Readonly<Record<string, readonly number[]>>, key: string, i: number): number {
  const list = record[key]
  if (list === undefined) throw new RangeError(`no '${key}'`)
  return at(list, i)
}
