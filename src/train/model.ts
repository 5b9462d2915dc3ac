// Models that train: compile, fit, evaluate and trainOnBatch over the models of the floor below.
import { BusyError, describe, EquigradError, message, ShapeError } from '../core/errors.js'
import { sha256Hex } from '../core/hash.js'
import { checkCount, checkNames, checkNumber, checkOptions, checkRecord } from '../core/options.js'
import { anything, count, flag, list, map, notNegative, number, optional, or, readFields, readOptions, share, type Reader } from '../core/readers.js'
import type { InputSpec } from '../compiler/graph/value.js'
import { dtypesOf, namedOnly, sameCount, sliceRows, toRows, type Rows } from '../model/data.js'
import { Model, numbersOf, params, viewProgram, type DataOf, type Definition, type ProgramView } from '../model/model.js'
import { inputsOf } from '../model/plan.js'
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
import { checkTrains, evaluateProgram, gradProgram, penaltyOf, shardCapacity, shardRange, Trainer, WEIGHT, type Batch, type Sources } from './trainer.js'
import type { Compiled, CompileOptions, EvaluateOptions, FitOptions, History, LossOf, MetricsOf, Scores } from './types.js'
import { notFinite } from './update.js'

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

const WEIGHT_SPEC: InputSpec = { name: WEIGHT, data: 'f32', scale: 1, offset: 0, classes: null }
const isStream = (data: unknown): data is AsyncIterable<unknown> => typeof data === 'object' && data !== null && Symbol.asyncIterator in data

/** An object that has some fields. @param what - it is, for messages */
const having = <T>(what: string, ...fields: readonly string[]): Reader<T> => (where, given) => {
  if (typeof given !== 'object' || given === null || !fields.every((name) => name in given)) throw new TypeError(message(where, what, describe(given)))
  return given as T
}

/** Options of `fit` that streams have too. */
const STREAMED = ['epochs', 'maxSteps', 'validationData', 'callbacks', 'signal']
const fitOptions = () => ({
  epochs: count(1), maxSteps: optional(count()), shuffle: flag(true), validationSplit: share(0), validationData: anything, sampleWeight: anything, classWeight: anything,
  batchSize: (where: string, given: unknown) => (given === 'full' ? Infinity : checkCount(where, or(given, 32))),
  callbacks: (where: string, given: unknown) => list(having<Callback>('a callback, an object of hooks'))(where, or(given, [])),
  signal: optional(having<AbortSignal>('the signal of an AbortController', 'aborted')),
})

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
   * Gives the model an optimizer, a loss and metrics. Training starts anew: moments at 0, step 0; the weights stay. One without weights that are
   * trained, such as `quantize` makes, can be evaluated then.
   *
   * @returns the same object, typed
   * @throws TypeError, RangeError for options that do not fit the outputs
   */
  compile<const L extends LossOf<O>, const M extends MetricsOf<O> = never>(options: CompileOptions<L, M>): Compiled<I, O, L, M>
  compile(options: CompileOptions<unknown, unknown>): unknown {
    const byOutput = <T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> => (where, given) => (this.definition.oneOutput ? { y: read(where, given) } : map(read)(where, given))
    const { lossWeights, metrics, ...given } = readOptions('compile', options, {
      optimizer: having<Optimizer>('an optimizer such as adam()', 'kernel'),
      loss: byOutput(having<Loss<never>>('a loss such as mse()', 'perSample', 'labelKind')), lossWeights: anything,
      metrics: optional(byOutput(list(having<Metric<string>>('a metric such as accuracy()', 'build', 'name'), 'a list of metrics such as [accuracy()]'))),
      shards: count(1, 65536), frozen: (where, names) => [...checkNames(where, or(names, []))],
    })
    const { loss: losses, optimizer, shards, frozen } = given
    const weights = lossWeights === undefined ? {} : readOptions('compile.lossWeights', lossWeights as object, Object.fromEntries(Object.keys(losses).map((name) => [name, optional(notNegative())])))
    const recipe: Recipe = { ...recipeGraph(this.definition.graph, { losses, metrics: metrics ?? {}, weights: weights as Readonly<Record<string, number>> }), optimizer, shards, frozen }
    const keys = params(this.definition.graph).map(({ key }) => key)
    for (const f of frozen) if (!keys.some((key) => isAmong(key, f))) throw new RangeError(message('compile.frozen', `layers or weights among ${keys.join(', ')}`, describe(f)))
    // A model that has none by itself, such as a quantised one, may still be measured.
    if (trainedParams(recipe).length > 0) checkTrains(recipe)
    else if (frozen.length > 0) throw new RangeError(message('compile.frozen', 'at least one weight that is trained', 'none'))
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
    if (trainedParams(recipe).length === 0) throw new EquigradError(message(where, 'a model with weights that are trained', 'one without', 'It can be evaluated: train what it was made of.'))
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

  /** What a file needs to go on from here, or null when the model is not compiled, or has nothing to train. */
  trainingState(): TrainingState | null {
    if (this.#recipe === undefined || trainedParams(this.#recipe).length === 0) return null
    this.store.checkFree('save')
    const trainer = this.#training('save')
    const { recipe, step, epoch, position, scale, board } = trainer
    return { recipe, step, epoch, position, scale, ...(position === 0 || board === null ? {} : { partial: board.state }), states: trainer.getState() }
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
    const given = (streamed ? y : options) ?? {}
    if (streamed && options !== undefined) throw new TypeError(message('fit', 'fit(batches, options)', 'a third argument', 'Labels of a stream are in its batches.'))
    const fields = fitOptions()
    checkOptions('fit', given, streamed ? STREAMED : Object.keys(fields))
    const { epochs, maxSteps = Infinity, validationData, callbacks, signal, batchSize, shuffle, validationSplit: split, sampleWeight, classWeight } = readFields('fit', given, fields)
    if (split > 0 && validationData !== undefined) throw new RangeError(message('fit', 'validationSplit or validationData', 'both'))
    let data = streamed ? undefined : this.#readAll('fit', x, y, sampleWeight)
    let validation = validationData === undefined ? undefined : this.#readValidation(validationData)
    if (data !== undefined && split > 0) {
      const n = sameCount('fit', data)
      const at = Math.floor(n * (1 - split))
      if (at < 1 || at >= n) throw new RangeError(message('fit.validationSplit', `a part of ${n} samples that leaves some on both sides`, String(split)))
      validation = mapRows(data, (rows) => sliceRows(rows, at, n))
      data = mapRows(data, (rows) => sliceRows(rows, 0, at))
    }
    if (classWeight !== undefined) data?.set(WEIGHT, classFactors(Object.values(recipe.labels).map((name) => data?.get(name)), classWeight, data.get(WEIGHT)))

    return this.#exclusive(async () => {
      await pacer.due()
      const trainer = this.#training('fit')
      await pacer.due()
      const feed: Feed = data === undefined
        ? streamFeed(this.store, x as AsyncIterable<unknown>, (batch, at) => this.#readStreamed(batch, at))
        : arrayFeed(this.store, data, sameCount('fit', data), { batchSize, shuffle, seed: this.seed })
      try {
        await pacer.due()
        const { epochs: scores, ...rest } = await runFit({
          store: this.store, trainer, feed, epochs, maxSteps, callbacks, signal, oneOutput: this.definition.oneOutput,
          validate: validation === undefined ? null : async () => this.#measure(recipe, validation, 256),
          keep: () => { this.#kept = new Map([...numbersOf(this.definition.graph, this.store)].map(([{ key }, numbers]) => [key, numbers.slice()])) },
          restore: () => {
            if (this.#kept === undefined) return
            for (const [{ key }, numbers] of numbersOf(this.definition.graph, this.store)) numbers.set(this.#kept.get(key) ?? numbers)
            this.store.changed()
          },
        })
        return { loss: scores.map(({ loss }) => loss), epochs: scores, ...rest }
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
    const { batchSize, sampleWeight } = readOptions('evaluate', options, { batchSize: count(256), sampleWeight: anything })
    return this.#measure(recipe, this.#readAll('evaluate', x, y, sampleWeight), batchSize)
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
    const { sums, penalty } = yield* this.#onBatch(data, (sources, batch) => stepWork(trainer, sources, batch, n))
    return this.#scores(trainer.recipe, sums, penalty, n)
  }

  /** The scores of one batch. */
  #scores(recipe: Recipe, sums: Float64Array, penalty: number, n: number): ScoreRecord {
    const board = new Scoreboard(recipe, this.definition.oneOutput)
    board.add(sums, penalty, n)
    return board.scores()
  }

  /** Work on data as one batch. */
  *#onBatch<T>(data: ReadonlyMap<string, Rows>, work: (sources: Sources, batch: Batch) => Work<T>): Work<T> {
    const feed = arrayFeed(this.store, data, sameCount('fit', data), { batchSize: Infinity, shuffle: false, seed: this.seed })
    try {
      const { sources, batch } = feed.whole()
      return yield* work(sources, batch)
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
    const { shard, sampleWeight, samples, batchSize: given } = readOptions('computeShard', options, {
      shard: number(undefined, { integer: true, min: 0, below: shards }), sampleWeight: anything, samples: optional(samplesOption), batchSize: optional(count()),
    })
    const data = this.#readAll('computeShard', x, y, sampleWeight)
    const n = sameCount('computeShard', data)
    if (samples !== undefined && samples.length !== n) throw new ShapeError(message('computeShard.samples', `${n} indices, one for each sample`, String(samples.length)))
    const batchSize = given ?? n
    const [from, to] = shardRange(batchSize, shard, shards)
    if (given !== undefined && n !== to - from) throw new ShapeError(message('computeShard', `the ${to - from} rows of shard ${shard} of ${batchSize} samples`, String(n), 'Leave batchSize out to pass the whole batch.'))
    // Where the shard's rows stand in what was given.
    const [first, last] = given === undefined ? [from, to] : [0, n]
    const own = mapRows(data, (rows) => sliceRows(rows, first, last))
    const indices = samples?.slice(first, last) ?? Int32Array.from({ length: to - from }, (_, i) => from + i)
    return this.#exclusive(() => this.store.onLanes('computeShard', () => this.#shardWork(own, indices, shard, batchSize)))
  }

  /** @param own - the rows of the shard alone */
  *#shardWork(own: ReadonlyMap<string, Rows>, samples: Int32Array, shard: number, batchSize: number): Work<Shard> {
    const trainer = this.#training('computeShard')
    const stamp = { recipe: this.recipeHash, step: trainer.step, batchSize }
    const made = samples.length === 0 ? trainer.emptyShard(shard)
      : yield* this.#onBatch(own, (sources, { rows }) => trainer.shardWork(sources, { rows, samples }, shard, batchSize))
    return { ...stamp, ...made }
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
    if (!ok) throw notFinite(`applyShards, step ${step}`, epoch, step)
    return this.#scores(recipe, sums, penalty, batchSize)
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
  #readAll(where: string, x: unknown, y: unknown, sampleWeight: unknown): Map<string, Rows> {
    const { labels, graph } = this.#compiled(where)
    const data = this.readInputs(where, x as DataOf<I>)
    const one = this.definition.oneOutput
    const given = namedOnly(where, 'labels for', one ? { y } : y, Object.keys(labels))
    const inputs = inputsOf(graph)
    for (const [output, name] of Object.entries(labels)) {
      const input = inputs.get(name)
      if (input !== undefined) data.set(name, toRows(`${where}: ${one ? 'y' : `y.${output}`}`, given[output], input.shape, input.spec))
    }
    if (sampleWeight !== undefined) {
      const rows = toRows(`${where}.sampleWeight`, sampleWeight, ['n'], WEIGHT_SPEC)
      if (rows.data.some((w) => w < 0)) throw new RangeError(message(`${where}.sampleWeight`, 'weights ≥ 0', 'one below'))
      data.set(WEIGHT, rows)
    }
    sameCount(where, data)
    return data
  }

  #readValidation(given: unknown): Map<string, Rows> {
    const where = 'fit.validationData'
    if (Array.isArray(given) && given.length === 2) return this.#readAll(where, given[0], given[1], undefined)
    const pair = having<{ readonly x: unknown; readonly y: unknown; readonly sampleWeight?: unknown }>('[x, y] or { x, y }', 'x')(where, given)
    checkOptions(where, pair, ['x', 'y', 'sampleWeight'])
    return this.#readAll(where, pair.x, pair.y, pair.sampleWeight)
  }

  #readStreamed(batch: unknown, at: number): Map<string, Rows> {
    const where = `fit: batch ${at}`
    const { x, y, sampleWeight } = readOptions(where, checkRecord(where, batch), { x: anything, y: anything, sampleWeight: anything })
    return this.#readAll(where, x, y, sampleWeight)
  }

  /** Scores of data, in pieces. */
  async #measure(recipe: Recipe, data: ReadonlyMap<string, Rows>, batchSize: number): Promise<ScoreRecord> {
    const n = sameCount('evaluate', data)
    const capacity = Math.min(batchSize, n)
    const dtypes = dtypesOf(data)
    const executor = this.#evaluators.get(`${capacity} ${[...dtypes].join(' ')}`, () =>
      new Executor(evaluateProgram(recipe, { capacity, dtypes, weighted: data.has(WEIGHT) }), this.store, { seed: this.seed }))
    executor.retain()
    const board = new Scoreboard(recipe, this.definition.oneOutput)
    const names = ['loss', ...recipe.measured.map(({ value }) => value)]
    const pacer = new Pacer()
    try {
      for (let from = 0; from < n; from += capacity) {
        const count = Math.min(capacity, n - from)
        const read = (name: string): number => this.store.view.getFloat64(executor.output(name), true)
        await this.store.onLanes('evaluate', () => this.workOn(executor, data, from, count, false, () => { board.add(names.map(read), penaltyOf(recipe, read), count) }))
        await pacer.due()
      }
      return board.scores()
    } finally {
      executor.release()
    }
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
    return viewProgram(gradProgram(recipe, layout, { weighted: false, dtypes: new Map(), capacity: shardCapacity(checkCount('program.capacity', options.capacity ?? 32), recipe.shards) }))
  }
}

/** Indices of samples in their data, one for each row. */
const samplesOption: Reader<Int32Array> = (where, given) => {
  if (!(given instanceof Int32Array) && !Array.isArray(given)) throw new TypeError(message(where, 'an Int32Array or a list of numbers', describe(given)))
  return Int32Array.from(given, (i: unknown, at) => checkNumber(`${where}[${at}]`, i, { integer: true, min: 0, max: 0x7fffffff }))
}

const mapRows = (data: ReadonlyMap<string, Rows>, change: (rows: Rows) => Rows): Map<string, Rows> => new Map([...data].map(([name, rows]) => [name, change(rows)]))
