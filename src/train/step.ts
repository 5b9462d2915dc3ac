// step: what one writes oneself, traced, not run sample by sample. Values that are returned are fetched, updates are made; all in one program over
// one shard, and one that applies the updates together.
import { describe, EquigradError, message, ShapeError } from '../core/errors.js'
import { checkRecord } from '../core/options.js'
import { optional, readOptions, word } from '../core/readers.js'
import { elements, isBatched, type DType } from '../core/shape.js'
import { inTrace, type Mode } from '../compiler/graph/trace.js'
import { byName, Value, type Scalar } from '../compiler/graph/value.js'
import { total } from '../compiler/ops/metric.js'
import { filled } from '../compiler/ops/shapes.js'
import { gradients as gradientsOf } from '../compiler/passes/gradients.js'
import type { LowerOptions } from '../compiler/passes/lower.js'
import { specialise, specialiseTraining } from '../compiler/passes/specialise.js'
import type { Program } from '../compiler/program.js'
import { inputOf, namedInput, type InputOptions } from '../model/define.js'
import { bytesOf, dtypesOf, namedOnly, sameCount, toRows, type Dense, type Rows } from '../model/data.js'
import { commonHome, declarationOf, leavesOf, type Declaration } from '../model/home.js'
import { Model, type AnyModel } from '../model/model.js'
import { programOf } from '../model/plan.js'
import { Tensor } from '../model/tensor.js'
import type { Update } from '../optim/optimizer.js'
import { Executor } from '../runtime/executor.js'
import { Executors } from '../runtime/executors.js'
import type { Store, Work } from '../runtime/store.js'
import { layoutOfAll, placesOf, statisticsOf, type Layout, type Trained } from './apply.js'
import { begin } from './trainer.js'
import { notFinite, Updater } from './update.js'

/** The shape of one sample, or with how data is read. */
export type StepInput = readonly number[] | (InputOptions & { readonly shape: readonly number[] })
type Fetched<R> = { readonly [K in keyof R as R[K] extends Update ? never : K]: R[K] extends Scalar ? number : Tensor }

/** A step: takes data for its inputs, gives what was returned: scalars as numbers, others as tensors. */
export type Step<S, R> = (feeds: { readonly [K in keyof S]: Dense }) => Promise<Fetched<R>>

/** How a step of one's own computes. */
export interface StepOptions {
  /**
   * how models and layers compute: as in training, with dropout and the statistics of the batch, or as in prediction (default 'train' for a step
   * that updates, else 'predict')
   */
  readonly mode?: Mode
}

/**
 * The gradients of a value by others, as values: for steps of one's own, and gradients of them again.
 *
 * @param y - f32 of any shape; the gradient is that of the sum of its elements
 * @param wrt - inputs, weights (`model.weights.values`), or values between
 * @returns one for each of `wrt`, of its shape; zeros where y does not depend on it
 * @throws EquigradError that names an op on the way that has no gradient; TypeError for what is no value
 * @example
 * const net = sequential([dense(3, { activation: 'tanh' }), dense(1)], { input: [4] })
 * const saliency = step(net, { x: [4] }, ({ x }) => ({ dx: gradients(sum(net.call(x)), [x])[0] }))
 */
export function gradients<const W extends readonly Value[]>(y: Value, wrt: W): { readonly [K in keyof W]: Value } {
  const isFloats = (v: unknown): boolean => v instanceof Value && v.dtype === 'f32'
  if (!isFloats(y)) throw new TypeError(message('gradients', 'a value of f32 to differentiate', textOf(y)))
  if (!Array.isArray(wrt)) throw new TypeError(message('gradients', 'a list of values to differentiate by', textOf(wrt)))
  wrt.forEach((v: unknown, i) => { if (!isFloats(v)) throw new TypeError(message(`gradients: by ${i}`, 'a value of f32', textOf(v))) })
  const found = gradientsOf([{ y }], wrt)
  return wrt.map((v: Value, i) => found[i] ?? filled(0, v.shape)) as { readonly [K in keyof W]: Value }
}

const textOf = (v: unknown): string => (v instanceof Value ? String(v) : describe(v))

/** What a trace found. */
interface Traced {
  readonly mode: Mode
  readonly inputs: ReadonlyMap<string, Value>
  readonly fetches: ReadonlyMap<string, Value>
  readonly updates: readonly Update[]
  readonly declarations: readonly Declaration[]
}

/**
 * A step of one's own over models: traced when it is defined, run as often as wanted.
 *
 * A step in training's mode computes with the statistics of its batch where there is `batchNormalization`; one with updates moves the averages of
 * the models whose weights it updates, as `fit` does, and of no other model. Dropout draws by the seed, the step and the sample's place in its data.
 * Several updates are computed from the same forward pass and made together: all of them, or none.
 *
 * @param models - those that it calls: they give the store, and the first of them the seed
 * @param inputs - by name, the shape of one sample, or how data is read
 * @param trace - builds values from the inputs; returns a record of what is wanted: values, and updates (`adam().minimize(loss, model.weights)`) of
 * weights of their own. It may be called twice, once in each mode, so it must not do anything else.
 * @param options - `mode`
 * @returns a function of data; with an update it throws a NonFiniteError, with nothing changed, when a loss, gradient or statistic is not finite
 * @throws when it is defined: ShapeError, EquigradError for an op without a gradient, TypeError for what is no value
 * @example
 * const mlp = sequential([dense(8, { activation: 'tanh' }), dense(1)], { input: [4] })
 * const train = step(mlp, { x: [4], y: [1] }, ({ x, y }) => {
 *   const loss = mean(square(sub(mlp.call(x), y)))
 *   return { loss, update: adam().minimize(loss, mlp.weights) }
 * })
 * const { loss } = await train({ x: new Float32Array(40), y: new Float32Array(10) })
 */
export function step<const S extends { readonly [name: string]: StepInput }, R extends { readonly [name: string]: Value | Update }>(
  models: AnyModel | readonly AnyModel[], inputs: S, trace: (values: { readonly [K in keyof S]: Value }) => R, options: StepOptions = {},
): Step<S, R> {
  const { mode: wanted } = readOptions('step', options, { mode: optional(word<Mode>(['train', 'predict'])) })
  const list: readonly unknown[] = Array.isArray(models) ? models : [models]
  const known = list.map((m) => {
    if (!(m instanceof Model)) throw new TypeError(message('step: models', 'a model, or a list of models', describe(models)))
    return m
  })
  const first = known[0]
  if (first === undefined) throw new TypeError(message('step: models', 'at least one model', 'none'))
  checkRecord('step: inputs', inputs, 'a record of shapes by name')
  if (typeof trace !== 'function') throw new TypeError(message('step', 'a function of values', describe(trace)))
  const traceIn = (mode: Mode): Traced => traced(inputs, mode, (values) => trace(values as { readonly [K in keyof S]: Value }))
  let found = traceIn(wanted ?? 'train')
  if (wanted === undefined && found.updates.length === 0) found = traceIn('predict')
  const declared = new Set(known.flatMap((m) => [...m.declarations.values()]))
  for (const d of found.declarations) if (!declared.has(d)) throw new EquigradError(message('step: models', `the models of all weights that it uses`, `none with '${d.key}'`, 'List that model as well.'))
  const { store } = commonHome(declared)
  known.forEach((m) => { m.prepare() })
  const updated = new Set(found.updates.flatMap(({ weights }) => weights.values))
  const moved = new Set(known.filter((m) => [...m.declarations.values()].some(({ leaf }) => updated.has(leaf))).flatMap((m) => [...m.declarations.keys()]))
  const runner = new Runner(found, moved, store, first.seed)
  return async (feeds) => (await runner.run(feeds)) as Fetched<R>
}

/** Traces a function of inputs and sorts out what it returns. */
function traced(given: Readonly<Record<string, StepInput>>, mode: Mode, trace: (values: Readonly<Record<string, Value>>) => Readonly<Record<string, Value | Update>>): Traced {
  const inputs = new Map(Object.entries(given).map(([name, spec]) => [name, namedInput(name, inputOf(spec))]))
  const returned: unknown = inTrace('step', mode, () => trace(Object.fromEntries(inputs)))
  if (returned instanceof Value) throw new TypeError(message('step', 'a record of values to be returned', String(returned)))
  const fetches = new Map<string, Value>()
  const updates: Update[] = []
  for (const [name, v] of Object.entries(checkRecord('step', returned, 'a record of values to be returned'))) {
    if (isUpdate(v)) updates.push(v)
    else if (!(v instanceof Value)) throw new TypeError(message(`step: ${name}`, 'a value or an update', describe(v)))
    else if (v.dtype !== 'f32') throw new ShapeError(message(`step: ${name}`, 'a value of f32', String(v)))
    else fetches.set(name, v)
  }
  if (fetches.size === 0 && updates.length === 0) throw new TypeError(message('step', 'something to be returned', 'nothing'))
  const all = [...fetches.values(), ...updates.flatMap(({ loss, weights }) => [loss, ...weights.values])]
  return { mode, inputs, fetches, updates, declarations: leavesOf(all).flatMap((v) => declared(v, inputs)) }
}

/** The declaration of a leaf that is a weight; what a step cannot be fed is refused. */
function declared(v: Value, inputs: ReadonlyMap<string, Value>): readonly Declaration[] {
  if (v.source.kind === 'input' && !v.source.spec.name.startsWith('$') && inputs.get(v.source.spec.name) !== v) throw new EquigradError(message('step', 'its own inputs', `an input of another trace, ${String(v)}`))
  if (v.source.kind !== 'param') return []
  const d = declarationOf(v)
  if (d === undefined) throw new EquigradError(message('step', 'layers that belong to a model', `a layer with a weight '${v.source.spec.name}' that belongs to none`, 'Put it into sequential or functional, and call the model.'))
  return [d]
}

const isUpdate = (v: unknown): v is Update => typeof v === 'object' && v !== null && 'update' in v && 'optimizer' in v

/** The weights that each update trains: trainable ones of models, each in one update. */
function trainedBy(updates: readonly Update[]): readonly Trained[] {
  const taken = new Set<string>()
  return updates.map(({ weights, optimizer }) => ({
    optimizer, params: weights.values.map((v) => {
      if (!(v instanceof Value) || v.source.kind !== 'param' || v.source.key === null || !v.source.spec.trainable) throw new TypeError(message('step: minimize', 'weights of models that are trained', textOf(v)))
      const { key, spec } = v.source
      if (taken.has(key)) throw new EquigradError(message('step: minimize', 'each weight once, in one update', `'${key}' twice`, 'Add the losses, or give each update weights of its own.'))
      taken.add(key)
      return { key, shape: v.shape, spec }
    }),
  }))
}

/** All that a step computes, as one program's fetches, and where what updates need of it goes. */
interface Plan { readonly fetches: ReadonlyMap<string, Value>; readonly place: NonNullable<LowerOptions['place']>; readonly layout: Layout | null }

/** @param moved - keys of the weights of models that are updated: averages among them move */
function planOf({ mode, fetches, updates }: Traced, moved: ReadonlySet<string>): Plan {
  const trained = trainedBy(updates)
  const open = new Map([...fetches].map(([name, v]): [string, Value] => [`out:${name}`, v]))
  updates.forEach(({ loss, weights: { values } }, i) => {
    open.set(`loss:${i}`, total(loss))
    // All by the same forward pass: an update changes weights only when every gradient is there. Asked for from the last layer to the first, as the
    // backward pass makes them, so that what it needs can go early.
    gradients(loss, values).map((g, at) => [`grad:${trained[i]?.params[at]?.key ?? ''}`, g] as const).reverse().forEach(([name, g]) => open.set(name, g))
  })
  const { values, averages } = mode === 'train' ? specialiseTraining([...open.values()]) : { values: specialise([...open.values()], mode), averages: [] }
  const settled = new Map(Object.entries(byName(open.keys(), values)))
  if (updates.length === 0) return { fetches: settled, place: {}, layout: null }
  const layout = layoutOfAll(trained, averages.filter(({ key }) => moved.has(key)))
  for (const [name, v] of statisticsOf(layout, averages)) settled.set(name, v)
  return { fetches: settled, place: placesOf(layout, updates.map((_, i) => `loss:${i}`)), layout }
}

/** Runs a traced step on a store. */
class Runner {
  readonly #traced: Traced
  readonly #plan: Plan
  readonly #store: Store
  readonly #seed: number
  /** few: capacities are powers of two */
  readonly #programs = new Executors(4)
  readonly #updater: Updater | null
  /** steps completed: what random streams and schedules count by */
  #steps = 0

  constructor(found: Traced, moved: ReadonlySet<string>, store: Store, seed: number) {
    this.#traced = found
    this.#plan = planOf(found, moved)
    this.#store = store
    this.#seed = seed
    // What cannot be built is refused when the step is defined, before it has taken any memory.
    this.#compile(1, new Map([...found.inputs].map(([name, v]) => [name, v.source.kind === 'input' ? v.source.spec.data : 'f32'])))
    const { layout } = this.#plan
    this.#updater = layout === null ? null : new Updater(layout, found.updates.length, store, seed)
  }

  #compile(capacity: number, dtypes: ReadonlyMap<string, DType>): Program {
    const { fetches, place } = this.#plan
    return programOf(Object.fromEntries(fetches), { capacity, dtypes, place })
  }

  #executor(capacity: number, dtypes: ReadonlyMap<string, DType>): Executor {
    return this.#programs.get(`${capacity} ${[...dtypes].join(' ')}`, () =>
      new Executor(this.#compile(capacity, dtypes), this.#store, { seed: this.#seed, ...(this.#updater === null ? {} : { grad: this.#updater.grad.address, sum: this.#updater.sums.address }) }))
  }

  async run(feeds: unknown): Promise<Readonly<Record<string, number | Tensor>>> {
    const data = this.#read(feeds)
    const once = (): Promise<Readonly<Record<string, number | Tensor>>> => this.#store.onLanes('step', () => this.#work(data))
    return await (this.#updater === null ? once() : this.#store.exclusive(once))
  }

  #read(given: unknown): ReadonlyMap<string, Rows> {
    const { inputs } = this.#traced
    const feeds = namedOnly('step', 'data for', given, [...inputs.keys()])
    const data = new Map<string, Rows>()
    for (const [name, v] of inputs) if (v.source.kind === 'input') data.set(name, toRows(`step: ${name}`, feeds[name], v.shape, v.source.spec))
    sameCount('step', data)
    return data
  }

  *#work(data: ReadonlyMap<string, Rows>): Work<Readonly<Record<string, number | Tensor>>> {
    const n = sameCount('step', data)
    let capacity = 1
    while (capacity < n) capacity *= 2
    const executor = this.#executor(capacity, dtypesOf(data))
    const { inputs, outputs } = executor.program
    const inOrder = Int32Array.from({ length: n }, (_, i) => i)
    begin(executor, this.#store, { rows: inOrder, samples: inOrder }, this.#steps)
    for (const [name, rows] of data) if (inputs[name] !== undefined) this.#store.bytes.set(bytesOf(rows), executor.input(name))
    yield executor
    const out: Record<string, number | Tensor> = {}
    for (const [name, { shape }] of this.#traced.fetches) {
      const view = outputs[`out:${name}`]
      if (view === undefined) continue
      const numbers = this.#store.f32(executor.addressOf(view), elements(shape) * (isBatched(shape) ? n : 1)).slice()
      out[name] = shape.length === 0 ? numbers[0] ?? NaN : new Tensor(numbers, shape.map((d) => (d === 'n' ? n : d)))
    }
    yield* this.#update(n)
    return out
  }

  *#update(rows: number): Work<void> {
    const updated = this.#updater === null ? null : yield* this.#updater.work({ step: this.#steps, t: this.#steps + 1, scale: 1 }, rows)
    if (updated?.ok === false) {
      throw notFinite(`step ${this.#steps}`, 0, this.#steps)
    }
    this.#steps++
  }
}
