// stochasticClip: random weight clipping with loss check. Groups of weights, drawn at random, are clipped; what raises the loss too much is undone.
import { describe, EquigradError, message } from '../core/errors.js'
import { checkCount, checkGiven, checkNames, checkNumber, checkSeed, checkWord } from '../core/options.js'
import { philox, randomKey, type RandomKey } from '../core/random.js'
import { fromGraph, toGraph } from '../compiler/graph/graph.js'
import { byName, constant, type Value } from '../compiler/graph/value.js'
import { select } from '../compiler/ops/select.js'
import { asRecord, params, type DataOf, type Definition, type Weight } from '../model/model.js'
import { stopwatch } from '../runtime/platform/clock.js'
import { Pacer } from '../runtime/platform/pause.js'
import { TrainableModel, type Compiled, type LabelsOf } from '../train/model.js'
import { isAmong, type Recipe } from '../train/recipe.js'
import { columnCount, IncrementalLoss, type Change } from './incremental.js'
import { copied, markedKeys, modelOf, rewriteWeights } from './rewrite.js'
import { plainly, strip } from './strip.js'

/** How far and how {@link stochasticClip} clips. */
export interface ClipOptions {
  /** how much of the weights shall lie within ±bound at the end, above 0 to 1: with the bound 0 the sparsity. Those that do already count. */
  readonly fraction: number
  /** the largest magnitude that a clipped weight keeps, ≥ 0: with 0 it is pruned (default 0) */
  readonly bound?: number
  /** how many candidates are drawn at once, each of a column of its own, and share a pass over the data (default 8) */
  readonly candidates?: number
  /** weights of a candidate: of one column of one weight, at most an eighth of it (default 64) */
  readonly group?: number
  /**
   * 'magnitude': each weight of a candidate is the smaller of two that were drawn, so small weights are tried sooner; 'uniform': all that
   * are not clipped yet are drawn alike (default 'magnitude')
   */
  readonly draw?: 'magnitude' | 'uniform'
  /**
   * 'greedy': a candidate stays when the loss rises by no more than the tolerance; 'annealed': with the probability exp(−rise / tolerance), and
   * always when it does not rise (default 'greedy')
   */
  readonly accept?: 'greedy' | 'annealed'
  /**
   * what one candidate may add to the loss at first, relative to the loss before everything, ≥ 0: half as much again after 25 misses, a tenth less
   * after a hit; 0 stays 0 (default 0.0001)
   */
  readonly tolerance?: number
  /** candidates that are tried at most (default 20 000) */
  readonly budget?: number
  /** of the draws, a whole number ≥ 0 (default 0) */
  readonly seed?: number
  /** weights by key, or layers by name, that may be clipped (default: all that are trained and have two dimensions or more) */
  readonly keys?: readonly string[]
  /** ends the search after the pass that runs; the result is what was reached until then */
  readonly signal?: AbortSignal
  /** called after each pass */
  readonly onProgress?: (progress: ClipProgress) => void
}

/** How far a search has come. */
export interface ClipProgress {
  /** candidates tried, and those that stayed */
  readonly tried: number
  /** candidates that stayed */
  readonly accepted: number
  /** weights within the bound, and how many shall be */
  readonly clipped: number
  /** weights that shall be within the bound at the end */
  readonly target: number
  /** mean loss on the data now */
  readonly loss: number
  /** what the next candidate may add to the loss */
  readonly tolerance: number
}

/** What became of the candidates of one weight. */
export interface ClipLayer {
  /** candidates tried */
  readonly tried: number
  /** candidates that stayed */
  readonly accepted: number
  /** numbers in the weight, and those within the bound at the end */
  readonly weights: number
  /** numbers within the bound at the end */
  readonly clipped: number
}

/** What became of the candidates of all weights, and of the loss. */
export interface ClipStatistics extends ClipLayer {
  /** by key of a weight; its numbers add up to those of the whole */
  readonly layers: Readonly<Record<string, ClipLayer>>
  /** mean loss on the data, without penalties of weights */
  readonly loss: { readonly before: number; readonly after: number }
  /** what the next candidate might have added to the loss */
  readonly tolerance: number
  /** why the search ended: enough weights are clipped, the budget is used up, or the signal */
  readonly stopped: 'fraction' | 'budget' | 'aborted'
  /** time of the search in seconds, and candidates tried in one: measured, so not the same twice */
  readonly seconds: number
  /** candidates tried in one second: measured */
  readonly candidatesPerSecond: number
}

/** What {@link stochasticClip} gives. */
export interface Clipped<I, O> {
  /** a new model, not compiled; clipped weights are held where they are by a mask, whatever trains it */
  readonly model: TrainableModel<I, O>
  /** what became of the candidates */
  readonly statistics: ClipStatistics
}

const OPTIONS = ['fraction', 'bound', 'candidates', 'group', 'draw', 'accept', 'tolerance', 'budget', 'seed', 'keys', 'signal', 'onProgress']
/** Misses after which the tolerance grows, by how much, and what a hit leaves of it. */
const MISSES = 25
const GROWTH = 1.5
const SHRINKAGE = 0.9
/** A candidate has at most this part of a column: more would take whole units at once. */
const PART = 8

/**
 * Clips weights at random, as long as the loss allows: random weight clipping with loss check.
 *
 * A candidate is a group of weights of one column (the inputs of one unit, or one filter). It is clipped to ±bound, 0 by default, which prunes it; the loss on the
 * data is computed again, from the changed weight on; and it stays or is undone, bit for bit, by what the loss has become. Losses are compared as sums
 * of f64. The same model, data, options and seed give the same result. Without training it comes much further than removing the smallest weights at
 * once, but costs far more time. It does not pay where one trains afterwards anyway, unless very few weights are to be left: an epoch after removing the
 * smallest gives more in less time.
 *
 * @param model - compiled; it stays as it is
 * @param data - samples and labels that the loss is computed on: some thousands, of those that it was trained on; not those that it is judged by
 * @param options - `fraction`, `bound`, `accept`, `tolerance`, `budget`, …
 * @returns a new model with the same layers, as far as the search came, and what became of the candidates
 * @throws TypeError, RangeError, ShapeError for options or data that do not fit; EquigradError for a model that is not compiled, a weight that the
 * loss does not depend on, or a loss that is not finite
 * @example
 * const { model: sparse, statistics } = await stochasticClip(model, { x, y }, { fraction: 0.5, budget: 200 })
 * console.log(statistics.clipped / statistics.weights, statistics.loss.after)
 */
export async function stochasticClip<I, O, L, M>(model: Compiled<I, O, L, M>, data: { readonly x: DataOf<I>; readonly y: LabelsOf<L> }, options: ClipOptions): Promise<Clipped<I, O>> {
  const given = checkClipOptions(options)
  if (!(model instanceof TrainableModel)) throw new TypeError(message('stochasticClip', 'a model', describe(model)))
  const own = model as TrainableModel<I, O>
  const { x, y, ...rest } = asRecord('stochasticClip: data', data)
  for (const name of Object.keys(rest)) throw new TypeError(message('stochasticClip: data', '{ x, y }', `'${name}' besides`))
  const read = own.readSamples('stochasticClip', x, y)
  // What a fit does to the model meanwhile does not matter. Where an expression stands for a weight, what is searched is what layers get.
  const before = copied(own), plain = strip(own)
  const keys = keysOf(plain, options.keys)
  const weights = plain.getWeights()
  const loss = new IncrementalLoss({ ...read, recipe: plainRecipe(read.recipe), weights, keys, seed: own.seed })
  if (!(Math.abs(loss.loss) < Infinity)) throw new EquigradError(message('stochasticClip', 'a finite loss before anything is clipped', String(loss.loss)))
  const search = new Search(loss, keys.map((key) => columnsOf(key, weights[key], given.bound)), given)
  const statistics = await search.run()
  return { model: heldModel<I, O>(own.definition, before, loss, keys, given.bound), statistics }
}

/** A recipe with plain weights in place of expressions. */
function plainRecipe(recipe: Recipe): Recipe {
  const values = fromGraph(recipe.graph)
  return { ...recipe, graph: toGraph(byName(Object.keys(values), plainly(Object.values(values))), { path: () => '', key: () => '' }) }
}

type Settings = Required<Omit<ClipOptions, 'keys' | 'signal' | 'onProgress'>> & Pick<ClipOptions, 'signal' | 'onProgress'>

function checkClipOptions(options: ClipOptions): Settings {
  const where = 'stochasticClip'
  checkGiven(where, options, OPTIONS)
  const { bound = 0, candidates = 8, group = 64, draw = 'magnitude', accept = 'greedy', tolerance = 1e-4, budget = 20000, seed = 0, signal, onProgress } = options
  if (signal !== undefined && (typeof signal !== 'object' || signal === null || typeof signal.aborted !== 'boolean')) throw new TypeError(message(`${where}.signal`, 'the signal of an AbortController', describe(signal)))
  if (onProgress !== undefined && typeof onProgress !== 'function') throw new TypeError(message(`${where}.onProgress`, 'a function', describe(onProgress)))
  return {
    fraction: checkNumber(`${where}.fraction`, options.fraction, { above: 0, max: 1 }),
    bound: Math.fround(checkNumber(`${where}.bound`, bound, { min: 0 })),
    candidates: checkCount(`${where}.candidates`, candidates, 1024), group: checkCount(`${where}.group`, group),
    draw: checkWord(`${where}.draw`, draw, ['magnitude', 'uniform']), accept: checkWord(`${where}.accept`, accept, ['greedy', 'annealed']),
    tolerance: checkNumber(`${where}.tolerance`, tolerance, { min: 0 }), budget: checkCount(`${where}.budget`, budget), seed: checkSeed(`${where}.seed`, seed),
    ...(signal === undefined ? {} : { signal }), ...(onProgress === undefined ? {} : { onProgress }),
  }
}

/** Keys of the weights that may be clipped. */
function keysOf<I, O>({ definition }: TrainableModel<I, O>, wanted: readonly string[] | undefined): readonly string[] {
  const trained = params(definition.graph).filter(({ spec }) => spec.trainable)
  if (wanted === undefined) {
    const kernels = trained.filter(({ shape }) => shape.length >= 2).map(({ key }) => key)
    if (kernels.length === 0) throw new EquigradError(message('stochasticClip', 'a model with a weight of two dimensions or more', 'one without', 'Name others with `keys`.'))
    return kernels
  }
  const names = checkNames('stochasticClip.keys', wanted)
  if (names.length === 0) throw new RangeError(message('stochasticClip.keys', 'at least one weight', 'none'))
  for (const name of names) {
    if (!trained.some(({ key }) => isAmong(key, name))) throw new TypeError(message('stochasticClip.keys', `layers, or weights that are trained, among ${trained.map(({ key }) => key).join(', ')}`, describe(name)))
  }
  return trained.flatMap(({ key }) => (names.some((name) => isAmong(key, name)) ? [key] : []))
}

/** Random words of a stream, one after the other. */
class Draws {
  readonly #words = new Uint32Array(4)
  #drawn = 0

  constructor(readonly key: RandomKey) {}

  /** A u32. */
  word(): number {
    const lane = this.#drawn & 3
    if (lane === 0) philox(this.key, (this.#drawn / 4) >>> 0, Math.floor(this.#drawn / 17179869184), 0, 0, this.#words)
    this.#drawn++
    return this.#words[lane] ?? 0
  }

  /** A whole number from 0 to below `n`. */
  below(n: number): number { return Math.floor((this.word() * n) / 4294967296) }
}

/** A weight as columns, each with the rows that are not within the bound yet. */
class Columns {
  /** column by column */
  readonly #open: Int32Array
  readonly #counts: Int32Array
  readonly rows: number
  open = 0
  tried = 0
  accepted = 0

  constructor(readonly key: string, readonly columns: number, readonly weights: Float32Array, readonly bound: number) {
    this.rows = weights.length / columns
    this.#open = new Int32Array(weights.length)
    this.#counts = new Int32Array(columns)
    for (let i = 0; i < weights.length; i++) {
      if (Math.abs(weights[i] ?? 0) <= bound) continue
      const column = i % columns
      const count = this.#counts[column] ?? 0
      this.#open[column * this.rows + count] = Math.floor(i / columns)
      this.#counts[column] = count + 1
      this.open++
    }
  }

  at(row: number, column: number): number { return this.weights[row * this.columns + column] ?? 0 }

  /** Different columns, each drawn with the probability of its open weights among those that are left. */
  draw(count: number, draws: Draws): readonly number[] {
    const left = Int32Array.from(this.#counts)
    let open = this.open
    const found: number[] = []
    while (found.length < count && open > 0) {
      let at = draws.below(open), column = 0
      for (; at >= (left[column] ?? 0); column++) at -= left[column] ?? 0
      found.push(column)
      open -= left[column] ?? 0
      left[column] = 0
    }
    return found
  }

  /** Moves `size` open rows of a column, drawn at random, to the front of its list; gives them. */
  rowsOf(column: number, size: number, rule: Settings['draw'], draws: Draws): Int32Array {
    const from = column * this.rows, count = this.#counts[column] ?? 0
    const open = this.#open.subarray(from, from + count)
    const magnitude = (i: number): number => Math.abs(this.at(open[i] ?? 0, column))
    const drawn = Math.min(size, count)
    for (let i = 0; i < drawn; i++) {
      let at = i + draws.below(count - i)
      if (rule === 'magnitude') {
        const other = i + draws.below(count - i)
        if (magnitude(other) < magnitude(at)) at = other
      }
      const row = open[at] ?? 0
      open[at] = open[i] ?? 0
      open[i] = row
    }
    return open.slice(0, drawn)
  }

  /** The first `size` rows in a column's list are within the bound now. */
  close(column: number, size: number): void {
    const from = column * this.rows, count = this.#counts[column] ?? 0
    this.#open.copyWithin(from, from + size, from + count)
    this.#counts[column] = count - size
    this.open -= size
  }

  statistics(): ClipLayer {
    return { tried: this.tried, accepted: this.accepted, weights: this.weights.length, clipped: this.weights.length - this.open }
  }
}

function columnsOf(key: string, weight: Weight | undefined, bound: number): Columns {
  if (weight === undefined) throw new EquigradError(`stochasticClip: no weight '${key}'`)
  return new Columns(key, columnCount(weight.shape), weight.data.slice(), bound)
}

const sumOf = (layers: readonly ClipLayer[], of: keyof ClipLayer): number => layers.reduce((sum, layer) => sum + layer[of], 0)

/** The search: draws, tries, counts. */
class Search {
  readonly #draws: Draws
  readonly #total: number
  readonly #target: number
  readonly #before: number
  #open: number
  #tried = 0
  #accepted = 0
  #misses = 0
  #tolerance: number

  constructor(readonly loss: IncrementalLoss, readonly layers: readonly Columns[], readonly settings: Settings) {
    this.#draws = new Draws(randomKey(settings.seed, 'clip'))
    this.#total = layers.reduce((sum, { weights }) => sum + weights.length, 0)
    this.#open = layers.reduce((sum, { open }) => sum + open, 0)
    this.#target = Math.round(settings.fraction * this.#total)
    this.#before = loss.loss
    this.#tolerance = settings.tolerance * Math.abs(loss.loss)
  }

  get #clipped(): number { return this.#total - this.#open }

  async run(): Promise<ClipStatistics> {
    const { signal, budget } = this.settings
    const seconds = stopwatch()
    const pacer = new Pacer()
    let stopped: ClipStatistics['stopped'] | undefined
    while (stopped === undefined) {
      if (this.#clipped >= this.#target) stopped = 'fraction'
      else if (this.#tried >= budget) stopped = 'budget'
      else if (signal?.aborted === true) stopped = 'aborted'
      else {
        this.#pass()
        const pause = pacer.due()
        if (pause !== undefined) await pause
      }
    }
    return this.#statistics(stopped, seconds())
  }

  /** Some candidates of one weight, drawn together. */
  #pass(): void {
    const { candidates, budget, group, draw, onProgress } = this.settings
    const layer = this.#drawLayer()
    let room = this.#target - this.#clipped
    const changes: Change[] = []
    for (const column of layer.draw(Math.min(candidates, budget - this.#tried), this.#draws)) {
      if (room === 0) break
      const rows = layer.rowsOf(column, Math.min(group, Math.ceil(layer.rows / PART), room), draw, this.#draws)
      room -= rows.length
      changes.push({ column, rows, values: Float32Array.from(rows, (row) => clip(layer.at(row, column), layer.bound)) })
    }
    this.loss.pass(layer.key, changes, (loss, i) => {
      const change = changes[i]
      const stays = this.#stays(loss)
      layer.tried++
      if (stays && change !== undefined) this.#accept(layer, change)
      return stays
    })
    onProgress?.({ tried: this.#tried, accepted: this.#accepted, clipped: this.#clipped, target: this.#target, loss: this.loss.loss, tolerance: this.#tolerance })
  }

  /** A weight, with the probability of what is open in it. */
  #drawLayer(): Columns {
    let at = this.#draws.below(this.#open)
    for (const layer of this.layers) {
      if (at < layer.open) return layer
      at -= layer.open
    }
    throw new EquigradError('stochasticClip: nothing is left to be clipped')
  }

  /** Is a candidate to stay? Counts it, and moves the tolerance. */
  #stays(loss: number): boolean {
    const rise = loss - this.loss.loss
    const probability = this.settings.accept === 'annealed' && this.#tolerance > 0 ? this.loss.exp(-rise / this.#tolerance) : 0
    const drawn = this.settings.accept === 'annealed' ? this.#draws.word() / 4294967296 : 0
    const stays = this.settings.accept === 'greedy' ? rise <= this.#tolerance : rise <= 0 || drawn < probability
    this.#tried++
    if (stays) {
      this.#tolerance *= SHRINKAGE
      this.#misses = 0
    } else if (++this.#misses === MISSES) {
      this.#tolerance *= GROWTH
      this.#misses = 0
    }
    return stays
  }

  #accept(layer: Columns, { column, rows, values }: Change): void {
    rows.forEach((row, i) => { layer.weights[row * layer.columns + column] = values[i] ?? 0 })
    layer.close(column, rows.length)
    layer.accepted++
    this.#accepted++
    this.#open -= rows.length
  }

  #statistics(stopped: ClipStatistics['stopped'], seconds: number): ClipStatistics {
    const layers = this.layers.map((layer): [string, ClipLayer] => [layer.key, layer.statistics()])
    const all = layers.map(([, layer]) => layer)
    return {
      tried: sumOf(all, 'tried'), accepted: sumOf(all, 'accepted'), weights: sumOf(all, 'weights'), clipped: sumOf(all, 'clipped'), layers: Object.fromEntries(layers),
      loss: { before: this.#before, after: this.loss.loss }, tolerance: this.#tolerance, stopped, seconds, candidatesPerSecond: seconds > 0 ? this.#tried / seconds : 0,
    }
  }
}

const clip = (w: number, bound: number): number => (bound === 0 ? 0 : Math.min(Math.max(w, -bound), bound))

/** The model with the weights that were reached; what layers get for those that are clipped becomes select(mask, W, what they are). */
function heldModel<I, O>(model: Definition, before: Readonly<Record<string, Float32Array>>, loss: IncrementalLoss, keys: readonly string[], bound: number): TrainableModel<I, O> {
  const reached = new Map(keys.map((key) => [key, loss.weights(key).slice()]))
  const marked = markedKeys(model)
  const definition = rewriteWeights(model, (w, key) => { const data = reached.get(key); return data === undefined ? w : held(w, data, bound) })
  // A plain weight shows what it has become; within an expression the mask alone holds it.
  const weights = Object.fromEntries(Object.entries(before).map(([key, data]) => [key, marked.has(key) ? data : reached.get(key) ?? data]))
  return modelOf<I, O>(definition, weights)
}

/** With the bound 0 all that is zero is held; else what lies at the bound. */
function held(w: Value, data: Float32Array, bound: number): Value {
  const free = Array.from(data, (x) => (Math.abs(x) === bound ? 0 : 1))
  if (!free.includes(0)) return w
  const values = bound === 0 ? constant([], 'f32', [0]) : constant(w.shape, 'f32', Array.from(data, (x, i) => (free[i] === 0 ? x : 0)))
  return select(constant(w.shape, 'u8', free), w, values)
}
