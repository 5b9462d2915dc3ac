// Models that train: compile, fit, evaluate and trainOnBatch over the models of the floor below.
import { BusyError, describe, EquigradError, message, NonFiniteError, ShapeError } from '../core/errors.js'
import { sha256Hex } from '../core/hash.js'
import { checkCount, checkFlag, checkGiven, checkNames, checkNumber, checkOptions } from '../core/options.js'
import type { DType } from '../core/shape.js'
import type { InputSpec, Value } from '../compiler/graph/value.js'
import { sliceRows, toRows, type Rows } from '../model/data.js'
import { asRecord, Model, params, sameCount, viewProgram, type DataOf, type Definition, type ProgramView } from '../model/model.js'
import type { Loss } from '../nn/losses.js'
import type { Metric } from '../nn/metrics.js'
import type { Optimizer } from '../optim/optimizer.js'
import { Executor } from '../runtime/executor.js'
import { Executors } from '../runtime/executors.js'
import { Pacer } from '../runtime/platform/pause.js'
import type { Work } from '../runtime/store.js'
import type { Defined } from '../model/define.js'
import type { Callback, ScoreRecord } from './callbacks.js'
import { classFactors } from './class-weight.js'
import { arrayFeed, streamFeed, type Feed } from './feed.js'
import { runFit, stepWork } from './fit.js'
import { recipeGraph, isAmong, trainedParams, type Recipe } from './recipe.js'
import { Scoreboard, type BoardState } from './scores.js'
import { checkShards, recipeHash, type Shard, type ShardOptions } from './shards.js'
import { checkTrains, evaluateProgram, gradProgram, penaltyOf, shardCapacity, shardRange, Trainer, WEIGHT } from './trainer.js'

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

/** What saving needs of a training, and loading gives back. */
export interface TrainingState {
  readonly recipe: Recipe
  readonly step: number
  readonly epoch: number
  readonly position: number
  readonly scale: number
  /** sums over the part of the epoch that is done, if there is one */
  readonly partial?: BoardState
  readonly states: Readonly<Record<string, Float32Array>>
}

const FIT_OPTIONS = ['epochs', 'maxSteps', 'batchSize', 'shuffle', 'validationSplit', 'validationData', 'sampleWeight', 'classWeight', 'callbacks', 'signal']
const WEIGHT_SPEC: InputSpec = { name: WEIGHT, data: 'f32', scale: 1, offset: 0, classes: null }
const isStream = (data: unknown): data is AsyncIterable<unknown> => typeof data === 'object' && data !== null && Symbol.asyncIterator in data

/** A model that can be compiled and trained. `compile` gives it the types of its labels and scores: see {@link Compiled}. */
export class TrainableModel<I, O> extends Model<I, O> {
  #recipe: Recipe | undefined
  #resume: TrainingState | undefined
  #trainer: Trainer | undefined
  #recipeHash: string | undefined
  #kept: Map<string, Float32Array> | undefined
  /** training calls that run or wait */
  #busy = 0
  readonly #evaluators = new Executors(4)

  constructor(definition: Definition, defined: Pick<Defined, 'declarations' | 'home'>, weights?: Readonly<Record<string, Float32Array>>, training?: TrainingState) {
    super(definition, defined, weights)
    this.#recipe = training?.recipe
    this.#resume = training
  }

  /**
   * Gives the model an optimizer, a loss and metrics. Training starts anew: moments at 0, step 0; the weights stay.
   *
   * @returns the same object, typed
   * @throws TypeError, RangeError for options that do not fit the outputs
   */
  compile<const L extends LossOf<O>, const M extends MetricsOf<O> = never>(options: CompileOptions<L, M>): Compiled<I, O, L, M>
  compile(options: CompileOptions<unknown, unknown>): unknown {
    checkGiven('compile', options, ['optimizer', 'loss', 'metrics', 'lossWeights', 'shards', 'frozen'])
    const { optimizer, loss, metrics, lossWeights = {}, shards = 1, frozen = [] } = options
    if (typeof optimizer !== 'object' || optimizer === null || !('kernel' in optimizer)) throw new TypeError(message('compile.optimizer', 'an optimizer such as adam()', describe(optimizer)))
    const one = this.definition.oneOutput
    const losses: Readonly<Record<string, unknown>> = one ? { y: loss } : asRecord('compile.loss', loss)
    const measures: Readonly<Record<string, unknown>> = metrics === undefined ? {} : one ? { y: metrics } : asRecord('compile.metrics', metrics)
    for (const [name, l] of Object.entries(losses)) if (!isLoss(l)) throw new TypeError(message(`compile.loss${one ? '' : `.${name}`}`, 'a loss such as mse()', describe(l)))
    for (const [name, list] of Object.entries(measures)) {
      if (!Array.isArray(list) || !list.every(isMetric)) throw new TypeError(message(`compile.metrics${one ? '' : `.${name}`}`, 'a list of metrics such as [accuracy()]', describe(list)))
    }
    checkOptions('compile.lossWeights', lossWeights, Object.keys(losses))
    Object.entries(lossWeights).forEach(([name, w]) => checkNumber(`compile.lossWeights.${name}`, w, { min: 0 }))
    checkCount('compile.shards', shards, 65536)
    checkNames('compile.frozen', frozen)
    const recipe: Recipe = {
      ...recipeGraph(this.definition.graph, {
        losses: losses as Readonly<Record<string, Loss<never>>>, metrics: measures as Readonly<Record<string, readonly Metric<string>[]>>, weights: lossWeights,
      }), optimizer, shards, frozen: [...frozen],
    }
    for (const f of frozen) {
      if (!params(this.definition.graph).some(({ key }) => isAmong(key, f))) throw new RangeError(message('compile.frozen', `layers or weights among ${params(this.definition.graph).map(({ key }) => key).join(', ')}`, describe(f)))
    }
    if (trainedParams(recipe).length === 0) throw new RangeError(message('compile', 'at least one weight that is trained', 'none'))
    checkTrains(recipe)
    if (this.#busy > 0) throw new BusyError(message('compile', 'a model that no training call holds', 'one where fit or trainOnBatch is running', 'Wait for it.'))
    this.#reset()
    this.#recipe = recipe
    return this
  }

  #reset(): void {
    this.#trainer?.release()
    this.#evaluators.release()
    this.#trainer = undefined
    this.#recipeHash = undefined
    this.#resume = undefined
  }

  /** Lets go of the model's memory, and that of its training, before the garbage collector would. Using it afterwards throws. */
  override [Symbol.dispose](): void {
    super[Symbol.dispose]()
    this.#trainer = undefined
    this.#evaluators.clear()
  }

  /** A training call of this model, when its turn comes. */
  async #exclusive<T>(work: () => Promise<T>): Promise<T> {
    this.#busy++
    try { return await this.store.exclusive(work) } finally { this.#busy-- }
  }

  #compiled(where: string): Recipe {
    if (this.#recipe === undefined) throw new EquigradError(message(where, 'a compiled model', 'one that is not', 'Call compile({ optimizer, loss }) first.'))
    return this.#recipe
  }

  /** The trainer, made at first need; a loaded model's goes on where it was saved. */
  #training(where: string): Trainer {
    const recipe = this.#compiled(where)
    if (this.#trainer !== undefined) return this.#trainer
    const trainer = new Trainer(recipe, this.store, this.seed)
    const from = this.#resume
    if (from !== undefined) {
      trainer.setState(from.states)
      Object.assign(trainer, { step: from.step, epoch: from.epoch, position: from.position, scale: from.scale })
      if (from.partial !== undefined) trainer.board = new Scoreboard(recipe, this.definition.oneOutput, from.partial)
      this.#resume = undefined
    }
    this.#trainer = trainer
    return trainer
  }

  /** What a file needs to go on from here, or null when the model is not compiled. */
  trainingState(): TrainingState | null {
    if (this.#recipe === undefined) return null
    this.store.checkFree('save')
    const { recipe, step, epoch, position, scale, board } = this.#training('save')
    return { recipe, step, epoch, position, scale, ...(position === 0 || board === null ? {} : { partial: board.state }), states: this.#training('save').getState() }
  }

  /** The recipe, and samples with their labels, checked, by the names of its inputs: for what measures the loss in its own way. */
  readSamples(where: string, x: unknown, y: unknown): { readonly recipe: Recipe; readonly data: ReadonlyMap<string, Rows> } {
    return { recipe: this.#compiled(where), data: this.#readAll(where, x, y, undefined) }
  }

  /** Updates completed since compile. */
  get step(): number { return this.#trainer?.step ?? this.#resume?.step ?? 0 }
  /** Epochs completed since compile. */
  get epoch(): number { return this.#trainer?.epoch ?? this.#resume?.epoch ?? 0 }

  /**
   * Trains on arrays, or on a stream of batches: see {@link Compiled.fit}, which has the types.
   *
   * @throws EquigradError for a model that is not compiled
   */
  fit(x: unknown, y?: unknown, options?: FitOptions<unknown, unknown>): Promise<History<unknown, unknown>>
  async fit(x: unknown, y?: unknown, options?: FitOptions<unknown, unknown>): Promise<unknown> {
    // What is read and made before the first step takes longer than a step.
    const pacer = new Pacer()
    const recipe = this.#compiled('fit')
    const streamed = isStream(x)
    const given: FitOptions<unknown, unknown> = (streamed ? y as FitOptions<unknown, unknown> | undefined : options) ?? {}
    if (streamed && options !== undefined) throw new TypeError(message('fit', 'fit(batches, options)', 'a third argument', 'Labels of a stream are in its batches.'))
    checkOptions('fit', given, streamed ? FIT_OPTIONS.filter((o) => !['batchSize', 'shuffle', 'validationSplit', 'sampleWeight', 'classWeight'].includes(o)) : FIT_OPTIONS)
    const epochs = checkCount('fit.epochs', given.epochs ?? 1)
    const maxSteps = given.maxSteps === undefined ? Infinity : checkCount('fit.maxSteps', given.maxSteps)
    const { callbacks = [], signal } = given
    if (!Array.isArray(callbacks)) throw new TypeError(message('fit.callbacks', 'a list of callbacks', describe(callbacks)))
    callbacks.forEach((c: unknown, i) => { if (typeof c !== 'object' || c === null) throw new TypeError(message(`fit.callbacks[${i}]`, 'a callback, an object of hooks', describe(c))) })
    if (signal !== undefined && (typeof signal !== 'object' || signal === null || typeof signal.aborted !== 'boolean')) throw new TypeError(message('fit.signal', 'the signal of an AbortController', describe(signal)))
    const shuffle = checkFlag('fit.shuffle', given.shuffle ?? true)
    const split = checkNumber('fit.validationSplit', given.validationSplit ?? 0, { min: 0, below: 1 })
    if (split > 0 && given.validationData !== undefined) throw new RangeError(message('fit', 'validationSplit or validationData', 'both'))
    const full = streamed ? undefined : this.#readAll('fit', x, y, given.sampleWeight)
    let validation = given.validationData === undefined ? undefined : this.#readValidation(given.validationData)
    let data = full
    if (full !== undefined && split > 0) {
      const n = sameCount('fit', full)
      const at = Math.floor(n * (1 - split))
      if (at < 1 || at >= n) throw new RangeError(message('fit.validationSplit', `a part of ${n} samples that leaves some on both sides`, String(split)))
      data = mapRows(full, (rows) => sliceRows(rows, 0, at))
      validation = mapRows(full, (rows) => sliceRows(rows, at, n))
    }
    if (data !== undefined && given.classWeight !== undefined) {
      const labels = Object.fromEntries(Object.entries(recipe.labels).map(([output, name]) => [output, data?.get(name)]))
      data = new Map([...data, [WEIGHT, classFactors(labels, given.classWeight, data.get(WEIGHT))]])
    }
    const n = data === undefined ? 0 : sameCount('fit', data)
    const batchSize = given.batchSize === 'full' ? n : Math.min(checkCount('fit.batchSize', given.batchSize ?? 32), streamed ? 0x7fffffff : n)

    return this.#exclusive(async () => {
      await pacer.due()
      const trainer = this.#training('fit')
      await pacer.due()
      const feed: Feed = data === undefined
        ? streamFeed(this.store, x as AsyncIterable<unknown>, (batch, at) => this.#readStreamed(batch, at))
        : arrayFeed(this.store, data, n, { batchSize, shuffle, seed: this.seed })
      try {
        await pacer.due()
        const { epochs: scores, validation: validated, stopped } = await runFit({
          store: this.store, trainer, feed, epochs, maxSteps, callbacks, signal, oneOutput: this.definition.oneOutput,
          validate: validation === undefined ? null : async () => this.#measure(recipe, validation, 256),
          keep: () => { this.#kept = new Map(params(this.definition.graph).map(({ key }) => { const p = this.store.param(key); return [key, this.store.f32(p.address, p.length).slice()] })) },
          restore: () => {
            if (this.#kept === undefined) return
            for (const [key, weights] of this.#kept) this.store.f32(this.store.param(key).address, weights.length).set(weights)
            this.store.changed()
          },
        })
        return { loss: scores.map(({ loss }) => loss), epochs: scores, validation: validated, stopped }
      } finally {
        feed.release()
      }
    })
  }

  /**
   * The scores on some samples: see {@link Compiled.evaluate}.
   *
   * @throws EquigradError for a model that is not compiled
   */
  evaluate(x: unknown, y: unknown, options?: EvaluateOptions): Promise<Scores<unknown, unknown>>
  async evaluate(x: unknown, y: unknown, options: EvaluateOptions = {}): Promise<unknown> {
    const recipe = this.#compiled('evaluate')
    checkOptions('evaluate', options, ['batchSize', 'sampleWeight'])
    const batchSize = checkCount('evaluate.batchSize', options.batchSize ?? 256)
    return this.#measure(recipe, this.#readAll('evaluate', x, y, options.sampleWeight), batchSize)
  }

  /**
   * One step on one batch: see {@link Compiled.trainOnBatch}.
   *
   * @throws EquigradError for a model that is not compiled
   */
  trainOnBatch(x: unknown, y: unknown, options?: Pick<EvaluateOptions, 'sampleWeight'>): Promise<Scores<unknown, unknown>>
  async trainOnBatch(x: unknown, y: unknown, options: Pick<EvaluateOptions, 'sampleWeight'> = {}): Promise<unknown> {
    const data = this.#readBatch(x, y, options)
    return this.#exclusive(() => this.store.onLanes('trainOnBatch', () => this.#stepWork(data)))
  }

  /**
   * One step, at once: see {@link Compiled.trainOnBatchSync}.
   *
   * @throws EquigradError for a model that is not compiled; BusyError while another training call holds the store
   */
  trainOnBatchSync(x: unknown, y: unknown, options?: Pick<EvaluateOptions, 'sampleWeight'>): Scores<unknown, unknown>
  trainOnBatchSync(x: unknown, y: unknown, options: Pick<EvaluateOptions, 'sampleWeight'> = {}): unknown {
    const data = this.#readBatch(x, y, options)
    return this.store.exclusiveSync('trainOnBatchSync', () => this.store.atOnce('trainOnBatchSync', () => this.#stepWork(data)))
  }

  #readBatch(x: unknown, y: unknown, options: Pick<EvaluateOptions, 'sampleWeight'>): Map<string, Rows> {
    this.#compiled('trainOnBatch')
    checkOptions('trainOnBatch', options, ['sampleWeight'])
    return this.#readAll('trainOnBatch', x, y, options.sampleWeight)
  }

  *#stepWork(data: ReadonlyMap<string, Rows>): Work<ScoreRecord> {
    const trainer = this.#training('trainOnBatch')
    const n = sameCount('trainOnBatch', data)
    const feed = arrayFeed(this.store, data, n, { batchSize: n, shuffle: false, seed: this.seed })
    try {
      const board = new Scoreboard(trainer.recipe, this.definition.oneOutput)
      for (const { sources, batch } of feed.batches(0, 0)) {
        const { sums, penalty } = yield* stepWork(trainer, sources, batch, n)
        board.add(sums, penalty, n)
      }
      return board.scores()
    } finally {
      feed.release()
    }
  }

  /**
   * What one shard contributes to the next step: see {@link Compiled.computeShard}.
   *
   * @throws EquigradError for a model that is not compiled
   */
  computeShard(x: unknown, y: unknown, options: ShardOptions): Promise<Shard>
  async computeShard(x: unknown, y: unknown, options: ShardOptions): Promise<Shard> {
    const { shards } = this.#compiled('computeShard')
    checkGiven('computeShard', options, ['shard', 'sampleWeight', 'samples', 'batchSize'])
    const shard = checkNumber('computeShard.shard', options.shard, { integer: true, min: 0, below: shards })
    const data = this.#readAll('computeShard', x, y, options.sampleWeight)
    const given = sameCount('computeShard', data)
    const batchSize = checkCount('computeShard.batchSize', options.batchSize ?? given)
    const [from, to] = shardRange(batchSize, shard, shards)
    const whole = options.batchSize === undefined
    if (!whole && given !== to - from) throw new ShapeError(message('computeShard', `the ${to - from} rows of shard ${shard} of ${batchSize} samples`, String(given), 'Leave batchSize out to pass the whole batch.'))
    const all = options.samples === undefined ? undefined : checkSamples(options.samples, given)
    const samples = all === undefined ? Int32Array.from({ length: to - from }, (_, i) => from + i) : whole ? all.slice(from, to) : all
    const own = whole ? mapRows(data, (rows) => sliceRows(rows, from, to)) : data
    return this.#exclusive(() => this.store.onLanes('computeShard', () => this.#shardOf(own, samples, shard, batchSize)))
  }

  /** @param own - the rows of the shard alone */
  *#shardOf(own: ReadonlyMap<string, Rows>, samples: Int32Array, shard: number, batchSize: number): Work<Shard> {
    const trainer = this.#training('computeShard')
    const stamp = { recipe: this.recipeHash, step: trainer.step, batchSize }
    const feed = arrayFeed(this.store, own, samples.length, { batchSize: samples.length, shuffle: false, seed: this.seed })
    try {
      for (const { sources, batch } of feed.batches(0, 0)) return { ...stamp, ...(yield* trainer.ownShardWork(sources, { rows: batch.rows, samples }, shard, batchSize)) }
      return { ...stamp, ...trainer.emptyShard(shard) }
    } finally {
      feed.release()
    }
  }

  /**
   * The step that some shards make together: see {@link Compiled.applyShards}.
   *
   * @throws EquigradError for a model that is not compiled
   */
  applyShards(shards: readonly Shard[]): Promise<Scores<unknown, unknown>>
  async applyShards(shards: readonly Shard[]): Promise<unknown> {
    this.#compiled('applyShards')
    return this.#exclusive(() => Promise.resolve(this.#applyShards(shards)))
  }

  #applyShards(given: unknown): ScoreRecord {
    const trainer = this.#training('applyShards')
    const { recipe, layout, sumCount, step, epoch } = trainer
    const { shards, batchSize } = checkShards(given, { recipe: this.recipeHash, step, shards: recipe.shards, gradLength: layout.bytes / 4, sumCount })
    trainer.combine(shards)
    const { ok, sums, penalty } = trainer.apply()
    if (!ok) throw new NonFiniteError(message(`applyShards, step ${step}`, 'finite numbers', 'a loss, gradient or statistic that is not finite', 'Nothing has changed. A lower learning rate, clipping or scaled inputs may help.'), epoch, step, null)
    const board = new Scoreboard(recipe, this.definition.oneOutput)
    board.add(sums, penalty, batchSize)
    return board.scores()
  }

  /** SHA-256 of what a step computes, without names. */
  get recipeHash(): string {
    const { recipe, layout } = this.#training('recipeHash')
    return this.#recipeHash ??= recipeHash(recipe, layout, this.seed)
  }

  /** SHA-256 of weights, states, step and the rate's factor. */
  stateHash(): string {
    const trainer = this.#training('stateHash')
    const arrays: readonly (Float32Array | Float64Array)[] = [
      ...Object.values(this.getWeights()).map(({ data }) => data), ...Object.values(trainer.getState()), Float64Array.of(trainer.step, trainer.scale),
    ]
    return sha256Hex(...arrays.map(({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)))
  }

  /** Inputs, labels and weights of samples, checked, by the names of the recipe's inputs. */
  #readAll(where: string, x: unknown, y: unknown, sampleWeight: Float32Array | readonly number[] | undefined): Map<string, Rows> {
    const recipe = this.#compiled(where)
    const data = this.readInputs(where, x as DataOf<I>)
    const one = this.definition.oneOutput
    const given: Readonly<Record<string, unknown>> = one ? { y } : asRecord(where, y)
    for (const name of Object.keys(given)) if (recipe.labels[name] === undefined) throw new TypeError(message(where, `labels for ${Object.keys(recipe.labels).join(', ')}`, `'${name}'`))
    for (const v of recipe.graph.values) {
      if (v.role !== 'input') continue
      const output = Object.keys(recipe.labels).find((o) => recipe.labels[o] === v.spec.name)
      if (output !== undefined) data.set(v.spec.name, toRows(`${where}: ${one ? 'y' : `y.${output}`}`, given[output], v.shape, v.spec))
    }
    if (sampleWeight !== undefined) {
      const rows = toRows(`${where}.sampleWeight`, sampleWeight, ['n'], WEIGHT_SPEC)
      if (rows.data.some((w) => w < 0)) throw new RangeError(message(`${where}.sampleWeight`, 'weights ≥ 0', 'one below'))
      data.set(WEIGHT, rows)
    }
    sameCount(where, data)
    return data
  }

  #readValidation(given: NonNullable<FitOptions<unknown, unknown>['validationData']>): Map<string, Rows> {
    if (typeof given !== 'object' || given === null) throw new TypeError(message('fit.validationData', '[x, y] or { x, y }', describe(given)))
    if ('x' in given) {
      checkOptions('fit.validationData', given, ['x', 'y', 'sampleWeight'])
      return this.#readAll('fit.validationData', given.x, given.y, given.sampleWeight)
    }
    if (!Array.isArray(given) || given.length !== 2) throw new TypeError(message('fit.validationData', '[x, y] or { x, y }', describe(given)))
    return this.#readAll('fit.validationData', given[0], given[1], undefined)
  }

  #readStreamed(batch: unknown, at: number): { readonly data: Map<string, Rows>; readonly n: number } {
    const where = `fit: batch ${at}`
    checkOptions(where, asRecord(where, batch), ['x', 'y', 'sampleWeight'])
    const { x, y, sampleWeight } = batch as StreamBatch<unknown, unknown>
    const data = this.#readAll(where, x, y, sampleWeight)
    return { data, n: sameCount(where, data) }
  }

  /** Scores of data, in pieces. */
  async #measure(recipe: Recipe, data: ReadonlyMap<string, Rows>, batchSize: number): Promise<ScoreRecord> {
    const n = sameCount('evaluate', data)
    const capacity = Math.min(batchSize, n)
    const executor = this.#evaluator(recipe, capacity, data)
    executor.retain()
    const board = new Scoreboard(recipe, this.definition.oneOutput)
    const names = ['loss', ...recipe.measured.map(({ value }) => value)]
    const pacer = new Pacer()
    try {
      for (let from = 0; from < n; from += capacity) {
        const count = Math.min(capacity, n - from)
        const read = (name: string): number => this.store.view.getFloat64(executor.output(name), true)
        await this.store.onLanes('evaluate', () => this.workOn(executor, data, from, count, false, () => { board.add(names.map(read), penaltyOf(recipe, read), count) }))
        const pause = pacer.due()
        if (pause !== undefined) await pause
      }
      return board.scores()
    } finally {
      executor.release()
    }
  }

  #evaluator(recipe: Recipe, capacity: number, data: ReadonlyMap<string, Rows>): Executor {
    const dtypes = dtypesOf(data)
    return this.#evaluators.get(`${capacity} ${[...dtypes].join(' ')}`, () =>
      new Executor(evaluateProgram(recipe, { capacity, dtypes, weighted: data.has(WEIGHT) }), this.store, { seed: this.seed }))
  }

  /**
   * A program of this model, to look at.
   *
   * @param kind - 'predict'; of a compiled model also 'grad', the gradient of one shard, and 'apply', the update
   * @param options - `capacity`: the most samples of one run (default 256 for 'predict'; 32 for 'grad', of the whole batch)
   * @throws EquigradError for 'grad' or 'apply' of a model that is not compiled
   */
  override program(kind: 'predict' | 'grad' | 'apply', options: { readonly capacity?: number } = {}): ProgramView {
    if (kind === 'predict') return super.program(kind, options)
    checkOptions('program', options, ['capacity'])
    const trainer = this.#training('program')
    if (kind === 'apply') return viewProgram(trainer.applyProgram)
    const { recipe, layout } = trainer
    const dtypes = new Map(recipe.graph.values.flatMap((v): [string, DType][] => (v.role === 'input' ? [[v.spec.name, v.spec.data]] : [])))
    return viewProgram(gradProgram(recipe, layout, { weighted: false, dtypes, capacity: shardCapacity(checkCount('program.capacity', options.capacity ?? 32), recipe.shards) }))
  }
}

/** Indices of samples in their data, one for each row. */
function checkSamples(given: unknown, count: number): Int32Array {
  if (!(given instanceof Int32Array) && !Array.isArray(given)) throw new TypeError(message('computeShard.samples', 'an Int32Array or a list of numbers', describe(given)))
  if (given.length !== count) throw new ShapeError(message('computeShard.samples', `${count} indices, one for each sample`, String(given.length)))
  return Int32Array.from(given, (i: unknown, at) => checkNumber(`computeShard.samples[${at}]`, i, { integer: true, min: 0, max: 0x7fffffff }))
}

const mapRows = (data: ReadonlyMap<string, Rows>, change: (rows: Rows) => Rows): Map<string, Rows> => new Map([...data].map(([name, rows]) => [name, change(rows)]))
const dtypesOf = (data: ReadonlyMap<string, Rows>): Map<string, DType> => new Map([...data].map(([name, { dtype }]) => [name, dtype]))

const isLoss = (given: unknown): boolean => typeof given === 'object' && given !== null && 'perSample' in given && 'labelKind' in given
const isMetric = (given: unknown): boolean => typeof given === 'object' && given !== null && 'build' in given && 'name' in given
