// step: what one writes oneself, traced once. Values that are returned are fetched, an update is made; both in one program over one shard.
import { describe, EquigradError, message, NonFiniteError, ShapeError } from '../core/errors.js'
import { checkOptions, checkWord } from '../core/options.js'
import { evaluate } from '../core/scalar.js'
import { elements, isBatched, type DType } from '../core/shape.js'
import { constant, topological, Value, type Scalar } from '../compiler/graph/value.js'
import { total } from '../compiler/ops/metric.js'
import { expand } from '../compiler/ops/shapes.js'
import { fuse } from '../compiler/passes/fuse.js'
import { gradients as gradientsOf } from '../compiler/passes/gradients.js'
import { lower } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import type { Mode } from '../compiler/passes/specialise.js'
import { verify } from '../compiler/passes/verify.js'
import { input, type InputOptions } from '../model/define.js'
import { bytesOf, toRows, type Dense, type Rows } from '../model/data.js'
import { commonHome, declarationOf, type Declaration } from '../model/home.js'
import { inMode } from '../model/mode.js'
import { Model, readInputs, sameCount, type AnyModel } from '../model/model.js'
import { Tensor } from '../model/tensor.js'
import type { OptimizerData, Update } from '../optim/optimizer.js'
import { Executor } from '../runtime/executor.js'
import type { Block, Store } from '../runtime/store.js'
import { applyProgram, layoutOf, type Layout } from './apply.js'

/** The shape of one sample, or with how data is read. */
export type StepInput = readonly number[] | (InputOptions & { readonly shape: readonly number[] })
type Fetched<R> = { readonly [K in keyof R as R[K] extends Update ? never : K]: R[K] extends Scalar ? number : Tensor }

/** A step: takes data for its inputs, gives what was returned: scalars as numbers, others as tensors. */
export type Step<S, R> = (feeds: { readonly [K in keyof S]: Dense }) => Promise<Fetched<R>>

export interface StepOptions {
  /** how models that are called compute: with dropout, as in training, or not (default 'train' for a step that updates, else 'predict') */
  readonly mode?: Mode
}

/**
 * The gradients of a value by others, as values: for steps of one's own, and gradients of them again.
 *
 * @param y - of any shape; the gradient is that of the sum of its elements
 * @param wrt - inputs, weights (`model.weights.values`), or values between
 * @returns one for each of `wrt`, of its shape; zeros where y does not depend on it
 * @throws EquigradError that names an op on the way that has no gradient
 * @example
 * const net = sequential([dense(3, { activation: 'tanh' }), dense(1)], { input: [4] })
 * const saliency = step(net, { x: [4] }, ({ x }) => ({ dx: gradients(sum(net.call(x)), [x])[0] }))
 */
export function gradients<const W extends readonly Value[]>(y: Value, wrt: W): { readonly [K in keyof W]: Value } {
  const found = gradientsOf([{ y }], wrt)
  return wrt.map((v, i) => found[i] ?? expand(constant([], 'f32', [0]), v.shape)) as { readonly [K in keyof W]: Value }
}

/** What a trace found. */
interface Traced {
  readonly inputs: ReadonlyMap<string, Value>
  readonly fetches: ReadonlyMap<string, Value>
  readonly update: Update | null
  readonly declarations: readonly Declaration[]
}

/**
 * A step of one's own over models: traced once, run as often as wanted.
 *
 * @param models - those that it calls: they give the store and the seed
 * @param inputs - by name, the shape of one sample, or how data is read
 * @param trace - builds values from the inputs; returns a record of what is wanted, with at most one update (`adam().minimize(loss, model.weights)`)
 * @returns a function of data; with an update it throws a NonFiniteError, with nothing changed, when a loss or gradient is not finite
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
  checkOptions('step', options, ['mode'])
  const list: readonly unknown[] = Array.isArray(models) ? models : [models]
  const known = list.map((m) => {
    if (!(m instanceof Model)) throw new TypeError(message('step: models', 'a model, or a list of models', describe(models)))
    return m
  })
  const first = known[0]
  if (first === undefined) throw new TypeError(message('step: models', 'at least one model', 'none'))
  if (typeof trace !== 'function') throw new TypeError(message('step', 'a function of values', describe(trace)))
  const wanted = options.mode === undefined ? undefined : checkWord<Mode>('step.mode', options.mode, ['train', 'predict'])
  const traceIn = (mode: Mode): Traced => traced(inputs, (values) => inMode(mode, () => trace(values as { readonly [K in keyof S]: Value })))
  let found = traceIn(wanted ?? 'predict')
  if (wanted === undefined && found.update !== null) found = traceIn('train')
  const declared = new Set(known.flatMap((m) => [...m.declarations.values()]))
  for (const d of found.declarations) if (!declared.has(d)) throw new EquigradError(message('step: models', `the models of all weights that it uses`, `none with '${d.key}'`, 'List that model as well.'))
  const { store } = commonHome(declared, undefined)
  known.forEach((m) => { m.prepare() })
  const runner = new Runner(found, store, first.seed)
  return async (feeds) => (await runner.run(feeds)) as Fetched<R>
}

/** Traces a function of inputs and sorts out what it returns. */
function traced(inputs: Readonly<Record<string, StepInput>>, trace: (values: Readonly<Record<string, Value>>) => Readonly<Record<string, Value | Update>>): Traced {
  const leaves = new Map<string, Value>()
  const values: Record<string, Value> = {}
  for (const [name, given] of Object.entries(inputs)) {
    if (!/^[^$:/]+$/.test(name)) throw new TypeError(message('step: inputs', 'names without $, : or /', describe(name)))
    const leaf = 'shape' in given ? input(given.shape, withoutShape(given)) : input(given)
    const named = new Value(leaf.shape, leaf.dtype, leaf.source.kind === 'input' ? { kind: 'input', spec: { ...leaf.source.spec, name } } : leaf.source)
    leaves.set(name, named)
    values[name] = named
  }
  const returned: unknown = trace(values)
  if (typeof returned !== 'object' || returned === null || Array.isArray(returned) || returned instanceof Value) throw new TypeError(message('step', 'a record of values to be returned', describe(returned)))
  const fetches = new Map<string, Value>()
  let update: Update | null = null
  for (const [name, v] of Object.entries(returned) as [string, unknown][]) {
    if (v instanceof Value) {
      if (v.dtype !== 'f32') throw new ShapeError(message(`step: ${name}`, 'a value of f32', String(v)))
      fetches.set(name, v)
    } else if (isUpdate(v)) {
      if (update !== null) throw new EquigradError(message('step', 'at most one update', 'two', 'Make a step for each, and run them in turn.'))
      update = v
    } else throw new TypeError(message(`step: ${name}`, 'a value or an update', describe(v)))
  }
  if (fetches.size === 0 && update === null) throw new TypeError(message('step', 'something to be returned', 'nothing'))
  const all = [...fetches.values(), ...(update === null ? [] : [update.loss, ...update.weights.values])]
  const declarations = [...leavesOf(all)].flatMap((v) => {
    if (v.source.kind === 'input' && !v.source.spec.name.startsWith('$') && leaves.get(v.source.spec.name) !== v) throw new EquigradError(message('step', 'its own inputs', `an input of another trace, ${String(v)}`))
    if (v.source.kind !== 'param') return []
    const d = declarationOf(v)
    if (d === undefined) throw new EquigradError(message('step', 'layers that belong to a model', `a layer with a weight '${v.source.spec.name}' that belongs to none`, 'Put it into sequential or functional, and call the model.'))
    return [d]
  })
  return { inputs: leaves, fetches, update, declarations }
}

const withoutShape = ({ shape: _, ...rest }: InputOptions & { readonly shape: readonly number[] }): InputOptions => rest
const isUpdate = (v: unknown): v is Update => typeof v === 'object' && v !== null && 'update' in v && 'optimizer' in v
const leavesOf = (values: readonly Value[]): ReadonlySet<Value> =>
  new Set([...topological(values).flatMap((node) => node.ins), ...values].filter((v) => v.source.kind !== 'node'))

/** Few programs are kept: for capacities that are powers of two. */
const PROGRAMS = 4

/** What an update keeps from step to step. */
interface Training { readonly layout: Layout; readonly grad: Block; readonly sums: Block; readonly apply: Executor; readonly optimizer: OptimizerData }

/** Runs a traced step on a store. */
class Runner {
  readonly #traced: Traced
  readonly #store: Store
  readonly #seed: number
  readonly #programs = new Map<string, Executor>()
  readonly #training: Training | null
  steps = 0

  constructor(found: Traced, store: Store, seed: number) {
    this.#traced = found
    this.#store = store
    this.#seed = seed
    this.#training = found.update === null ? null : this.#prepare(found.update)
    // What cannot be built is refused when the step is defined.
    this.#program(1, new Map([...found.inputs].map(([name, v]) => [name, v.source.kind === 'input' ? v.source.spec.data : 'f32'])))
  }

  #prepare({ weights, optimizer }: Update): Training {
    const params = weights.values.map((v) => {
      if (v.source.kind !== 'param' || v.source.key === null) throw new TypeError(message('step: minimize', 'weights of models', String(v)))
      return { key: v.source.key, shape: v.shape, spec: v.source.spec }
    })
    const layout = layoutOf(params, optimizer)
    const block = (bytes: number): Block => {
      const b = this.#store.alloc(bytes)
      this.#store.bytes.fill(0, b.address, b.address + b.bytes)
      return b
    }
    const grad = block(layout.bytes)
    const sums = block(8)
    const states = new Map(optimizer.states.map((name) => [name, block(layout.bytes)]))
    const apply = new Executor(applyProgram(layout, optimizer, 1), this.#store, {
      seed: this.#seed, grad: grad.address, sum: sums.address, state: (name) => states.get(name)?.address ?? 0,
    })
    return { layout, grad, sums, apply, optimizer }
  }

  #program(capacity: number, dtypes: ReadonlyMap<string, DType>): Executor {
    const key = `${capacity} ${[...dtypes].join(' ')}`
    const known = this.#programs.get(key)
    if (known !== undefined) return known
    if (this.#programs.size >= PROGRAMS) for (const [old, executor] of this.#programs) { executor.release(); this.#programs.delete(old); break }
    const fetches = new Map([...this.#traced.fetches].map(([name, v]) => [`out:${name}`, v]))
    const place: Record<string, { readonly region: 'grad' | 'sum'; readonly offset: number }> = {}
    const { update } = this.#traced
    if (update !== null && this.#training !== null) {
      const { values } = update.weights
      const found = gradients(update.loss, values)
      fetches.set('loss:', total(update.loss))
      place['loss:'] = { region: 'sum', offset: 0 }
      this.#training.layout.segments.forEach(({ key: name, offset }, i) => {
        const g = found[i]
        if (g !== undefined) fetches.set(`grad:${name}`, g)
        place[`grad:${name}`] = { region: 'grad', offset }
      })
    }
    const names = [...fetches.keys()]
    const ready = fuse(readInputs([...fetches.values()], dtypes, null))
    const program = verify(planMemory(lower({ capacity, fetches: Object.fromEntries(names.flatMap((name, i) => { const v = ready[i]; return v === undefined ? [] : [[name, v]] })), place })))
    const executor = new Executor(program, this.#store, {
      seed: this.#seed, ...(this.#training === null ? {} : { grad: this.#training.grad.address, sum: this.#training.sums.address }),
    })
    this.#programs.set(key, executor)
    return executor
  }

  run(feeds: Readonly<Record<string, unknown>>): Promise<Readonly<Record<string, number | Tensor>>> {
    const data = new Map<string, Rows>()
    try {
      for (const name of Object.keys(feeds)) if (!this.#traced.inputs.has(name)) throw new TypeError(message('step', `data for ${[...this.#traced.inputs.keys()].join(', ')}`, `'${name}'`))
      for (const [name, v] of this.#traced.inputs) if (v.source.kind === 'input') data.set(name, toRows(`step: ${name}`, feeds[name], v.shape, v.source.spec))
      sameCount('step', data)
    } catch (error) { return Promise.reject(error instanceof Error ? error : new Error(String(error))) }
    return this.#training === null ? Promise.resolve(this.#once(data)) : this.#store.exclusive(() => Promise.resolve(this.#once(data)))
  }

  #once(data: ReadonlyMap<string, Rows>): Readonly<Record<string, number | Tensor>> {
    const n = sameCount('step', data)
    let capacity = 1
    while (capacity < n) capacity *= 2
    const executor = this.#program(capacity, new Map([...data].map(([name, { dtype }]) => [name, dtype])))
    const { inputs, outputs } = executor.program
    executor.bind(n)
    executor.prepare()
    for (const [name, rows] of data) if (inputs[name] !== undefined) this.#store.bytes.set(bytesOf(rows), executor.input(name))
    if (inputs['$sample'] !== undefined) this.#store.i32(executor.input('$sample'), n).set(Int32Array.from({ length: n }, (_, i) => i))
    if (executor.hasSlot('step')) executor.setU32('step', this.steps)
    executor.run()
    const out: Record<string, number | Tensor> = {}
    for (const [name, { shape }] of this.#traced.fetches) {
      const view = outputs[`out:${name}`]
      if (view === undefined) continue
      const numbers = this.#store.f32(executor.addressOf(view), elements(shape) * (isBatched(shape) ? n : 1)).slice()
      out[name] = shape.length === 0 ? numbers[0] ?? NaN : new Tensor(numbers, shape.map((d) => (d === 'n' ? n : d)))
    }
    this.#update()
    return out
  }

  #update(): void {
    if (this.#training === null) { this.steps++; return }
    const { apply, optimizer } = this.#training
    apply.bind(1)
    apply.prepare()
    for (const [name, s] of Object.entries(optimizer.scalars)) apply.setF32(name, evaluate(s, { step: this.steps, t: this.steps + 1, scale: 1 }, this.#store.math))
    apply.run()
    if (this.#store.view.getUint32(apply.output('ok'), true) !== 1) {
      throw new NonFiniteError(message(`step ${this.steps}`, 'finite numbers', 'a loss or gradient that is not finite', 'Nothing has changed. A lower learning rate, clipping or scaled inputs may help.'), 0, this.steps, null)
    }
    this.steps++
    this.#store.changed()
  }
}
