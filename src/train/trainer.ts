// A trainer runs steps: `grad` over each shard, `combine`, `apply`. It owns the gradient block, the sums and the optimizer's states.
import { EquigradError, message } from '../core/errors.js'
import { evaluate } from '../core/scalar.js'
import type { DType } from '../core/shape.js'
import { ELEMENTS } from '../compiler/kernels.js'
import { fromGraph } from '../compiler/graph/graph.js'
import { byName, scalar, topological, Value } from '../compiler/graph/value.js'
import { mul } from '../compiler/ops/binary.js'
import { total } from '../compiler/ops/metric.js'
import { expand, filled } from '../compiler/ops/shapes.js'
import { abs, square } from '../compiler/ops/unary.js'
import { gradients } from '../compiler/passes/gradients.js'
import { lower } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { specialiseTraining, type Average } from '../compiler/passes/specialise.js'
import type { Program } from '../compiler/program.js'
import { weightsOf } from '../model/home.js'
import { predictValues, programOf, readInputs } from '../model/plan.js'
import { Executor } from '../runtime/executor.js'
import { Executors } from '../runtime/executors.js'
import type { Block, Store, Work } from '../runtime/store.js'
import { layoutOf, placesOf, statisticsOf, type Layout } from './apply.js'
import { isFrozen, trainedParams, type Recipe } from './recipe.js'
import type { Scoreboard } from './scores.js'
import { Updater, zeroed, type Updated } from './update.js'

/** Where the rows of a training are: addresses of whole data sets in the store, by input, and their element types. */
export interface Sources {
  readonly addresses: ReadonlyMap<string, number>
  readonly dtypes: ReadonlyMap<string, DType>
}

/** The rows of one batch: which row of the sources each is, and each sample's index in the data, which random streams count by. */
export interface Batch { readonly rows: Int32Array; readonly samples: Int32Array }

interface Sums {
  /** the flat gradient block */
  readonly grad: Float32Array
  /** loss first, then what is measured */
  readonly sums: Float64Array
}

/** What one shard of a step contributes: bytes that can travel. */
export interface ShardResult extends Sums {
  readonly shard: number
  readonly rows: number
}

/** the input that sample weights come through */
export const WEIGHT = 'weight:'
const ROW = new Value(['n'], 'i32', { kind: 'input', spec: { name: '$row', data: 'i32', scale: 1, offset: 0, classes: null } })
/** Data is bound where it lies, and read by the rows of a batch. */
const ROWS = { index: ROW, external: (name: string): boolean => !name.startsWith('$') } as const
const weightInput = (): Value => new Value(['n'], 'f32', { kind: 'input', spec: { name: WEIGHT, data: 'f32', scale: 1, offset: 0, classes: null } })

/** Rows of shard `s` of `shards` of `n` rows: ⌊s·n/S⌋ to ⌊(s+1)·n/S⌋. */
export const shardRange = (n: number, s: number, shards: number): readonly [number, number] => [Math.floor((s * n) / shards), Math.floor(((s + 1) * n) / shards)]

/** Rows that the largest shard of `n` rows can have. */
export const shardCapacity = (n: number, shards: number): number => Math.ceil(n / shards)

export interface ProgramOptions { readonly capacity: number; readonly weighted: boolean; readonly dtypes: ReadonlyMap<string, DType> }

/** What training computes of a recipe, and the moving averages that it updates. */
export function trainValues(recipe: Recipe): { readonly values: Readonly<Record<string, Value>>; readonly averages: readonly Average[] } {
  const given = fromGraph(recipe.graph)
  const { values, averages } = specialiseTraining(Object.values(given), (key) => isFrozen(recipe, key))
  return { values: byName(Object.keys(given), values), averages }
}

const valueNamed = (values: Readonly<Record<string, Value>>, name: string): Value => {
  const v = values[name]
  if (v === undefined) throw new EquigradError(`recipe: no value '${name}'`)
  return v
}

/** The gradients of a loss by weights, null where nothing depends on one. */
function gradientsByKey(loss: Value, dy: Value, keys: readonly string[]): readonly (Value | null)[] {
  const leaves = weightsOf([loss])
  const wanted = keys.flatMap((key) => leaves.get(key) ?? [])
  const found = new Map(gradients([{ y: loss, dy }], wanted).map((g, i) => [wanted[i], g]))
  return keys.map((key) => { const v = leaves.get(key); return v === undefined ? null : found.get(v) ?? null })
}

/**
 * Refuses what cannot be trained, when it is compiled and not at the first step.
 *
 * @throws EquigradError for an op on the way from a weight to the loss that has no gradient, or when nothing that is trained has one
 */
export function checkTrains(recipe: Recipe): void {
  const loss = valueNamed(trainValues(recipe).values, 'loss')
  const found = gradientsByKey(loss, filled(1, loss.shape), trainedParams(recipe).map(({ key }) => key))
  if (found.every((g) => g === null)) throw new EquigradError(message('compile: loss', 'one with a gradient by a weight that is trained', 'one that is constant in all of them'))
}

/** Sums over samples of the objective and of all that is measured. */
function sumsOf(values: Readonly<Record<string, Value>>, recipe: Recipe, weight: Value | undefined): Readonly<Record<string, Value>> {
  const measured = recipe.measured.map(({ name, value }) => [value, total(valueNamed(values, value), name === 'loss' ? weight : undefined)] as const)
  return { loss: total(valueNamed(values, 'loss'), weight), ...Object.fromEntries(measured) }
}

/**
 * The program of one shard: writes the sums of its gradients into the gradient block, and its sums of losses and metrics.
 */
export function gradProgram(recipe: Recipe, layout: Layout, { weighted, ...options }: ProgramOptions): Program {
  const { values, averages } = trainValues(recipe)
  const loss = valueNamed(values, 'loss')
  const weight = weighted ? weightInput() : undefined
  // The objective of a batch is Σ loss·weight / divisor: the seed of a sample is weight / divisor.
  const share = expand(scalar('inverseDivisor'), loss.shape)
  // Gradients are asked for from the last layer to the first, as the backward pass makes them: what it needs can go early.
  const wanted = [...layout.segments].reverse()
  const found = gradientsByKey(loss, weight === undefined ? share : mul(weight, share), wanted.map(({ key }) => key))
  const sums = sumsOf(values, recipe, weight)
  const gradient = wanted.map(({ key, length }, i) => [`grad:${key}`, found[i] ?? filled(0, [length])] as const)
  return programOf({ ...sums, ...Object.fromEntries([...statisticsOf(layout, averages), ...gradient]) }, { ...options, ...ROWS, place: placesOf(layout, Object.keys(sums)) })
}

/** The penalties of a recipe's weights: what is summed, |w| or w², by name, and its factor. */
function penalties(recipe: Recipe): readonly { readonly name: string; readonly key: string; readonly factor: number; readonly of: (w: Value) => Value }[] {
  return trainedParams(recipe).flatMap(({ key, spec: { l1, l2 } }) =>
    [{ name: `l1:${key}`, key, factor: l1, of: abs }, { name: `l2:${key}`, key, factor: l2, of: square }].filter(({ factor }) => factor > 0))
}

/** The penalty that an evaluation's fetched terms amount to. */
export const penaltyOf = (recipe: Recipe, term: (name: string) => number): number => penalties(recipe).reduce((sum, { name, factor }) => sum + factor * term(name), 0)

/** The program that measures without training: sums of loss and metrics, and of the penalties' terms, in prediction's mode. */
export function evaluateProgram(recipe: Recipe, { weighted, ...options }: ProgramOptions): Program {
  const values = predictValues(recipe.graph)
  const weights = weightsOf(Object.values(values))
  const terms = penalties(recipe).flatMap(({ name, key, of }) => { const w = weights.get(key); return w === undefined ? [] : [[name, total(of(w))] as const] })
  return programOf({ ...sumsOf(values, recipe, weighted ? weightInput() : undefined), ...Object.fromEntries(terms) }, { ...options, prologue: true })
}

/** Rows [from, to) of a batch. */
export const rowsOf = ({ rows, samples }: Batch, from: number, to: number): Batch => ({ rows: rows.subarray(from, to), samples: samples.subarray(from, to) })

/** Binds a program to the rows of a batch, and tells it what it asks about them and the step. */
export function begin(executor: Executor, store: Store, { rows, samples }: Batch, step: number, sources?: Sources): void {
  const { inputs } = executor.program, n = samples.length
  for (const [name, address] of sources?.addresses ?? []) executor.bindExternal(name, address)
  executor.bind(n)
  executor.prepare()
  if (inputs['$row'] !== undefined) store.i32(executor.input('$row'), n).set(rows)
  if (inputs['$sample'] !== undefined) store.i32(executor.input('$sample'), n).set(samples)
  if (executor.hasSlot('step')) executor.setU32('step', step)
  if (executor.hasSlot('rows')) executor.setF32('rows', n)
}

export class Trainer {
  readonly recipe: Recipe
  readonly layout: Layout
  readonly #store: Store
  readonly #seed: number
  readonly #updater: Updater
  /** the gradient of one shard, and its sums; the updater's blocks when there is one shard */
  readonly #shardGrad: Block
  readonly #shardSums: Block
  readonly #programs = new Executors(4)
  /** sums: the objective, then what is measured */
  readonly sumCount: number
  step = 0
  /** samples that the sums in the block are of */
  #rows = 0
  epoch = 0
  /** samples of this epoch that steps have used */
  position = 0
  /** scores of this epoch so far; null before the first */
  board: Scoreboard | null = null
  /** factor of the learning rate, which callbacks set */
  scale = 1

  constructor(recipe: Recipe, store: Store, seed: number) {
    this.recipe = recipe
    this.#store = store
    this.#seed = seed
    this.layout = layoutOf(trainedParams(recipe), recipe.optimizer, trainValues(recipe).averages)
    this.sumCount = 1 + recipe.measured.length
    this.#updater = new Updater(this.layout, this.sumCount, store, seed)
    const { grad, sums } = this.#updater
    this.#shardGrad = recipe.shards === 1 ? grad : zeroed(store, this.layout.bytes)
    this.#shardSums = recipe.shards === 1 ? sums : zeroed(store, this.sumCount * 8)
  }

  get applyProgram(): Program { return this.#updater.program }

  /** Gives the trainer's memory back. */
  release(): void {
    this.#programs.release()
    if (this.recipe.shards > 1) for (const block of [this.#shardGrad, this.#shardSums]) this.#store.free(block)
    this.#updater.release()
  }

  /** Runs the gradient program over a shard's own rows; its sums are in the shard's blocks. `divisor` is of the whole batch. */
  *#runShard(sources: Sources, own: Batch, divisor: number, capacity: number): Work<void> {
    const { dtypes } = sources
    const executor = this.#programs.get(`${capacity} ${[...dtypes].join(' ')}`, () => new Executor(
      gradProgram(this.recipe, this.layout, { weighted: dtypes.has(WEIGHT), dtypes, capacity }), this.#store, { seed: this.#seed, grad: this.#shardGrad.address, sum: this.#shardSums.address }))
    begin(executor, this.#store, own, this.step, sources)
    executor.setF32('inverseDivisor', 1 / divisor)
    yield executor
  }

  /** One shard of a step, by its own rows of a batch of `n`: whoever computes it, wherever. */
  *shardWork(sources: Sources, own: Batch, shard: number, n: number): Work<ShardResult> {
    const rows = own.rows.length
    const { shards } = this.recipe
    yield* this.#runShard(sources, own, n, shardCapacity(n, shards))
    if (shards === 1) this.#rows = n
    const { grad, sums } = this.#own()
    return { shard, rows, grad: grad.slice(), sums: sums.slice() }
  }

  /** What a shard without rows contributes. */
  emptyShard(shard: number): ShardResult { return { shard, rows: 0, grad: new Float32Array(this.layout.bytes / 4), sums: new Float64Array(this.sumCount) } }

  /** Combines the shards of a step: the first that has rows is copied, the others are added in ascending order. */
  combine(results: readonly ShardResult[]): void {
    this.#rows = results.reduce((sum, { rows }) => sum + rows, 0)
    const [first, ...others] = results.filter((r) => r.rows > 0).sort((a, b) => a.shard - b.shard)
    if (first === undefined) throw new EquigradError('combine: expected a shard with rows')
    this.#takeFirst(first)
    for (const { grad, sums } of others) {
      const own = this.#own()
      own.grad.set(grad)
      own.sums.set(sums)
      this.#addShard()
    }
  }

  /** The gradient and the sums of one shard, in place. */
  #own(): Sums { return { grad: this.#store.f32(this.#shardGrad.address, this.layout.bytes / 4), sums: this.#store.f64(this.#shardSums.address, this.sumCount) } }

  /** Begins the step's blocks with those of a shard. */
  #takeFirst({ grad, sums }: Sums): void {
    this.#store.f32(this.#updater.grad.address, grad.length).set(grad)
    this.#store.f64(this.#updater.sums.address, sums.length).set(sums)
  }

  /** Adds the shard's blocks to the step's. */
  #addShard(): void {
    const length = this.layout.bytes / 4
    this.#store.run('f32_accumulate', { x: this.#shardGrad.address, y: this.#updater.grad.address, length }, Math.ceil(length / ELEMENTS))
    this.#store.run('f64_accumulate', { x: this.#shardSums.address, y: this.#updater.sums.address, length: this.sumCount }, Math.ceil(this.sumCount / ELEMENTS))
  }

  /**
   * The gradient of a whole batch, in the trainer's block.
   *
   * @param capacity - rows of the largest batch to come, so that one program serves them all
   */
  *gradientWork(sources: Sources, batch: Batch, capacity: number): Work<void> {
    const n = batch.rows.length
    const { shards } = this.recipe
    let first = true
    this.#rows = n
    for (let s = 0; s < shards; s++) {
      const [from, to] = shardRange(n, s, shards)
      if (from === to && !(n === 0 && s === 0)) continue
      yield* this.#runShard(sources, rowsOf(batch, from, to), n, shardCapacity(capacity, shards))
      if (shards === 1) return
      if (first) this.#takeFirst(this.#own())
      else this.#addShard()
      first = false
    }
  }

  /**
   * Updates the weights by the gradient in the block.
   *
   * @returns the step's sums, the penalty of its weights before the update; `ok` is false when something was not finite: then nothing has changed
   */
  apply(): Updated & { readonly sums: Float64Array } { return this.#store.atOnce('apply', () => this.applyWork()) }

  /** {@link apply}, for who drives it. */
  *applyWork(): Work<Updated & { readonly sums: Float64Array }> {
    const updated = yield* this.#updater.work({ step: this.step, t: this.step + 1, scale: this.scale }, this.#rows)
    if (updated.ok) this.step++
    return { ...updated, sums: this.#store.f64(this.#updater.sums.address, this.sumCount).slice() }
  }

  /** The learning rate of the next step. */
  get learningRate(): number {
    return evaluate(this.recipe.optimizer.learningRate, { step: this.step, t: this.step + 1, scale: this.scale }, this.#store.math)
  }

  /** Copies of the optimizer's states, by `state/key`. */
  getState(): Record<string, Float32Array> { return Object.fromEntries([...this.#updater.states()].map(([name, numbers]) => [name, numbers.slice()])) }

  setState(state: Readonly<Record<string, Float32Array>>): void {
    for (const [name, numbers] of this.#updater.states()) {
      const data = state[name]
      if (data !== undefined && data.length === numbers.length) numbers.set(data)
    }
  }

  /** Replays a failed step with every value of the forward pass fetched; the path of the first that is not finite. */
  diagnose(sources: Sources, batch: Batch): string | null {
    const [loss] = readInputs([valueNamed(trainValues(this.recipe).values, 'loss')], sources.dtypes, ROW)
    const made = loss === undefined ? [] : topological([loss]).flatMap(({ path, outs: [y] }) => (y?.dtype === 'f32' ? [{ path, y }] : []))
    const fetches = Object.fromEntries(made.map(({ y }, i) => [i, y]))
    const executor = new Executor(planMemory(lower({ capacity: batch.rows.length, fetches, external: ROWS.external })), this.#store, { seed: this.#seed })
    try {
      begin(executor, this.#store, batch, this.step, sources)
      executor.run()
      return made.find((_, i) => executor.copyF32(`${i}`).some((x) => x - x !== 0))?.path ?? null
    } finally {
      executor.release()
    }
  }
}
