// What compile, fit and evaluate take and give, as types that know the outputs of a model, its losses and its metrics.
import type { Value } from '../compiler/graph/value.js'
import type { DataOf, Model } from '../model/model.js'
import type { Loss } from '../nn/losses.js'
import type { Metric } from '../nn/metrics.js'
import type { Optimizer } from '../optim/optimizer.js'
import type { Callback } from './callbacks.js'
import type { Shard, ShardOptions } from './shards.js'

/** The loss of a model: one, or a record with one for each output. */
export type LossOf<O> = O extends Value ? Loss<never> : { readonly [K in keyof O]: Loss<never> }
/** The metrics of a model: a list, or a record of lists by output. */
export type MetricsOf<O> = O extends Value ? readonly Metric<string>[] : { readonly [K in keyof O]?: readonly Metric<string>[] }
/** Labels for a loss, or a record of them. */
export type LabelsOf<L> = L extends Loss<infer Y> ? Y : { readonly [K in keyof L]: L[K] extends Loss<infer Y> ? Y : never }
type Named<M> = [M] extends [never] ? unknown : M extends readonly [] ? unknown : M extends readonly Metric<infer N>[] ? { readonly [K in N]: number } : unknown
/** Scores: the loss, and each metric by its name; for several outputs those of each. */
export type Scores<L, M> = { readonly loss: number } & (L extends Loss<never> ? Named<M>
  : { readonly [K in keyof L]: { readonly loss: number } & (K extends keyof M ? Named<M[K]> : unknown) })

/** How a model is trained and measured. */
export interface CompileOptions<L, M> {
  /** what updates the weights, such as `adam()` */
  readonly optimizer: Optimizer
  /** what training minimises, such as `mse()`; for several outputs a record with one for each */
  readonly loss: L
  /** what is reported beside the loss; for several outputs a record of lists (default none) */
  readonly metrics?: M
  /** factors of the outputs' losses in the objective, by output (default 1) */
  readonly lossWeights?: Readonly<Record<string, number>>
  /** into how many parts each batch is cut, whose gradients are added in order: part of what is computed (default 1) */
  readonly shards?: number
  /** layers by name, or weights by key, that are not trained (default none) */
  readonly frozen?: readonly string[]
}

/** How `fit` trains. */
export interface FitOptions<X, Y> {
  /** times that all samples are seen (default 1) */
  readonly epochs?: number
  /**
   * most steps of this call (default: no limit). Then `history.stopped` is 'maxSteps', and the next `fit` on the same data goes on in the epoch where
   * this one stopped, to the bit, from a saved and loaded model too; the scores of an epoch come with the call that ends it. What callbacks remember is theirs.
   */
  readonly maxSteps?: number
  /** samples of one step, or 'full' for all (default 32) */
  readonly batchSize?: number | 'full'
  /** mix the samples anew for each epoch, by the seed (default true) */
  readonly shuffle?: boolean
  /** the last part of the samples, 0 to below 1, kept for validation (default 0) */
  readonly validationSplit?: number
  /** data that each epoch is measured on at its end, in place of `validationSplit` (default none) */
  readonly validationData?: readonly [X, Y] | { readonly x: X; readonly y: Y; readonly sampleWeight?: Float32Array | readonly number[] }
  /** one factor of the loss for each sample */
  readonly sampleWeight?: Float32Array | readonly number[]
  /** a factor ≥ 0 of the loss for each class number, 1 for those not named, beside `sampleWeight`; not of the validation (Keras' `class_weight`). For one output with class numbers as labels. */
  readonly classWeight?: Readonly<Record<number, number>>
  /** hooks, called in this order (default none) */
  readonly callbacks?: readonly Callback[]
  /** ends training after the step that runs; `history.stopped` is then 'aborted' */
  readonly signal?: AbortSignal
}

/** A batch of a stream. */
export interface StreamBatch<X, Y> {
  /** samples */
  readonly x: X
  /** their labels, as the loss takes them */
  readonly y: Y
  /** one factor of the loss for each sample (default 1) */
  readonly sampleWeight?: Float32Array | readonly number[]
}

/** What `fit` gives: scores of the epochs that this call completed. */
export interface History<L, M> {
  /** the loss of each epoch */
  readonly loss: readonly number[]
  /** the scores of each epoch: means over its samples, each taken before the update of its batch */
  readonly epochs: readonly Scores<L, M>[]
  /** the scores of each epoch on the validation data; empty where there is none */
  readonly validation: readonly Scores<L, M>[]
  /** why training ended before its last epoch: 'aborted', 'maxSteps', 'earlyStopping', a callback's reason; or null */
  readonly stopped: string | null
}

/** How scores are taken. */
export interface EvaluateOptions {
  /** samples of one run (default 256) */
  readonly batchSize?: number
  /** one factor of the loss for each sample (default 1) */
  readonly sampleWeight?: Float32Array | readonly number[]
}

/** A model with an optimizer and a loss. */
export interface Compiled<I, O, L, M> extends Model<I, O> {
  /** Compiles anew: see TrainableModel. */
  compile<const L2 extends LossOf<O>, const M2 extends MetricsOf<O> = never>(options: CompileOptions<L2, M2>): Compiled<I, O, L2, M2>
  /**
   * Trains on arrays.
   *
   * @param x - samples of the input's shape
   * @param y - labels as the loss takes them
   * @returns the scores of each epoch; `stopped` says why it ended early
   * @throws before the first step: TypeError, RangeError, ShapeError for data or options that do not fit; NonFiniteError, with the weights
   * after the last completed step
   */
  fit(x: DataOf<I>, y: LabelsOf<L>, options?: FitOptions<DataOf<I>, LabelsOf<L>>): Promise<History<L, M>>
  /** Trains on a stream of batches, iterated anew for each epoch; `validationSplit`, `batchSize` and `shuffle` need arrays. */
  fit(batches: AsyncIterable<StreamBatch<DataOf<I>, LabelsOf<L>>>, options?: Omit<FitOptions<DataOf<I>, LabelsOf<L>>, 'batchSize' | 'shuffle' | 'validationSplit' | 'sampleWeight' | 'classWeight'>): Promise<History<L, M>>
  /** The scores on some samples, in prediction's mode. */
  evaluate(x: DataOf<I>, y: LabelsOf<L>, options?: EvaluateOptions): Promise<Scores<L, M>>
  /** One step on one batch; its scores before the update. */
  trainOnBatch(x: DataOf<I>, y: LabelsOf<L>, options?: Pick<EvaluateOptions, 'sampleWeight'>): Promise<Scores<L, M>>
  /** Updates completed since compile. */
  readonly step: number
  /** Epochs completed since compile. */
  readonly epoch: number
  /** {@link trainOnBatch}, at once; throws while another training call holds the store. */
  trainOnBatchSync(x: DataOf<I>, y: LabelsOf<L>, options?: Pick<EvaluateOptions, 'sampleWeight'>): Scores<L, M>
  /**
   * What one shard of a batch contributes to the next step: here, in a worker, on another machine, or later. Changes nothing.
   *
   * Which replica computes it does not matter: its bits are those that `trainOnBatch` adds up, if weights, data and `samples` are the same.
   *
   * @param x - the whole batch; or with `batchSize` only the rows of this shard (`shardRows` says which)
   * @param y - labels as the loss takes them
   * @param options - `shard`: which of those that `compile` was told, from 0; `sampleWeight`; `samples`; `batchSize`
   * @returns sums of gradients, losses and metrics, to be applied here or sent as bytes (`encodeShard`). Something not finite in it shows when it is applied.
   * @throws TypeError, RangeError, ShapeError for data or options that do not fit
   * @example
   * const shards = [await model.computeShard(x, y, { shard: 0 })]
   * const { loss } = await model.applyShards(shards)
   */
  computeShard(x: DataOf<I>, y: LabelsOf<L>, options: ShardOptions): Promise<Shard>
  /**
   * The step that some shards make together: the same bits as one `trainOnBatch`, in whatever order and from whomever they came.
   *
   * @param shards - each one that has rows, once, all of one batch
   * @returns the scores of the whole batch before the update
   * @throws with nothing changed: TypeError, RangeError, ShapeError, EquigradError for a shard that is missing, there twice, of another step, batch or training;
   * NonFiniteError where a loss, gradient or statistic is not finite
   * @example
   * const bytes = encodeShard(await model.computeShard(x, y, { shard: 0 })) // over a network
   * const { loss } = await model.applyShards([decodeShard(bytes)])
   */
  applyShards(shards: readonly Shard[]): Promise<Scores<L, M>>
  /** SHA-256 of what a step computes: model, loss, metrics, optimizer, seed and shards, without names. Replicas whose hashes are equal train together. */
  readonly recipeHash: string
  /**
   * SHA-256 of where training stands: weights, the optimizer's states, the step and the rate's factor. Replicas at one step must have the same.
   * It reads all weights and states, so it is not for every step.
   *
   * @example
   * const before = model.stateHash()
   * await model.trainOnBatch(x, y)
   * const moved = model.stateHash() !== before // true
   */
  stateHash(): string
}
