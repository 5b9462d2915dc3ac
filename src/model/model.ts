// A model that predicts: a graph, a seed and a store. The train floor's models extend it.
import { BusyError, EquigradError, describe, message, ShapeError } from '../core/errors.js'
import { checkCount, checkGiven, checkOptions, checkSeed } from '../core/options.js'
import { elements, formatShape, type DType } from '../core/shape.js'
import { fromGraph, graphHash, type Graph, type GraphValue } from '../compiler/graph/graph.js'
import { byName, topological, Value, type InputSpec } from '../compiler/graph/value.js'
import { layerWeights } from '../compiler/ops/weight.js'
import { fuse } from '../compiler/passes/fuse.js'
import { lower } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { printProgram, programHash } from '../compiler/passes/print.js'
import { specialise } from '../compiler/passes/specialise.js'
import { verify } from '../compiler/passes/verify.js'
import type { Program } from '../compiler/program.js'
import type { Type } from '../compiler/type.js'
import type { Weights } from '../optim/optimizer.js'
import { Executor } from '../runtime/executor.js'
import { Executors } from '../runtime/executors.js'
import { extend, INT8, int8Runtime, type Int8Runtime } from '../runtime/int8.js'
import { Pacer } from '../runtime/platform/pause.js'
import { checkLanes, Store, type Runtime, type Work } from '../runtime/store.js'
import type { Defined } from './define.js'
import { declare, giveFirst, Home, storable, type Declaration, type HomeOptions } from './home.js'
import { inspect, sameType, type Layers } from './inspect.js'
import { asRecord, bytesOf, checkFinite, namedOnly, sameCount, sliceRows, toRows, type Dense, type Rows } from './data.js'
import { inputsOf, predictProgram } from './plan.js'
import { Results } from './results.js'
import type { Tensor } from './tensor.js'

export { asRecord, sameCount } from './data.js'
export { readInputs } from './plan.js'

/** One value, or a record of values by name. */
export type Values = Value | { readonly [name: string]: Value }
/** Data for the inputs of a model: for one input as it is, for several a record by name. */
export type DataOf<I> = I extends Value ? Dense : { readonly [K in keyof I]: Dense }
/** What a model predicts: for one output a tensor, for several a record by name. */
export type TensorOf<O, B extends ArrayBufferLike = ArrayBuffer> = O extends Value ? Tensor<B> : { readonly [K in keyof O]: Tensor<B> }
/** Arrays that results go into: for one output an array, for several a record by name. */
export type ArrayOf<O, B extends ArrayBufferLike> = O extends Value ? Float32Array<B> : { readonly [K in keyof O]: Float32Array<B> }

/** A weight: its numbers row by row, and its shape. */
export interface Weight {
  /** its numbers, as many as the product of `shape` */
  readonly data: Float32Array
  /** its dimensions, such as [784, 10] */
  readonly shape: readonly number[]
}

/** What every model may be given. */
export interface ModelOptions {
  /** put in front of the keys of weights: needed where models with layers of the same names share a store (default none) */
  readonly name?: string
  /** seed of all that is random in this model, a whole number ≥ 0 (default 0) */
  readonly seed?: number
  /** where its weights live (default: a store of its own) */
  readonly store?: Store
  /**
   * threads that share out the work, 1 to 256, or 'auto': as many as there are processors, at most 8 (default 1). They change no bit. Models that
   * share a store share its lanes: with `store`, say it to `createStore`.
   */
  readonly lanes?: number | 'auto'
}
export const MODEL_OPTIONS = ['name', 'seed', 'store', 'lanes'] as const

/** What a model is made of: plain data. */
export interface Definition {
  readonly graph: Graph
  readonly seed: number
  readonly name: string
  /** is there one input, or output, and not a record? */
  readonly oneInput: boolean
  readonly oneOutput: boolean
}

/** How `predict` is to go about it. */
export interface PredictOptions<O, B extends ArrayBufferLike = ArrayBuffer> {
  /**
   * where the results go (default: new arrays): a Float32Array of exactly as many elements, shared memory or not; for several outputs a record. It may be
   * where the data is. A call that fails leaves it as it was.
   */
  readonly out?: ArrayOf<O, B>
}

/** Any model that this package made, trained or not. */
export interface AnyModel {
  /** what it is made of: plain data */
  readonly definition: Definition
}

/** How a program reads for people: its text, its hash, its memory. */
export interface ProgramView {
  /** the program, a line for each call, and its memory plan */
  readonly text: string
  /** SHA-256 of the plan */
  readonly hash: string
  /** the program itself, as data */
  readonly program: Program
  /** `text` */
  toString(): string
}

export const viewProgram = (program: Program): ProgramView => {
  const text = printProgram(program)
  return { text, hash: programHash(program), program, toString: () => text }
}

/** Rows of a run that one program takes: one row has a small program of its own. */
const CAPACITIES = [1, 32, 256] as const
const ONE = 'x'
const ONE_OUTPUT = 'y'

/** Names of a record of values, or the one name that a single value has. */
export const inputRecord = (values: Values): { readonly record: Readonly<Record<string, Value>>; readonly one: boolean } =>
  values instanceof Value ? { record: { [ONE]: values }, one: true } : { record: values, one: false }
export const outputRecord = (values: Values): { readonly record: Readonly<Record<string, Value>>; readonly one: boolean } =>
  values instanceof Value ? { record: { [ONE_OUTPUT]: values }, one: true } : { record: values, one: false }

/** A value, or a record of at least one. */
export function checkValues(where: string, given: Values): Values {
  if (given instanceof Value) return given
  const entries = Object.entries(asRecord(where, given))
  if (entries.length === 0) throw new TypeError(message(where, 'at least one value', 'none'))
  for (const [key, v] of entries) if (!(v instanceof Value)) throw new TypeError(message(`${where}.${key}`, 'a value', describe(v)))
  return given
}

/** A model that predicts: its graph, its seed and the store of its weights. `sequential`, `functional` and `load` make models. */
export class Model<I, O> {
  /** only for types: what goes in and comes out */
  declare readonly io?: readonly [I, O]
  /** what it is made of: its graph, seed and name, plain data */
  readonly definition: Definition
  /** the parameters, with whom they belong to, by key */
  readonly declarations: ReadonlyMap<string, Declaration>
  readonly #home: Home
  #ready = false
  #disposed = false
  #inputs: ReadonlyMap<string, Type & { readonly spec: InputSpec }> | undefined
  readonly #predictors = new Executors(CAPACITIES.length * 2)

  /**
   * @param defined - who the weights belong to, and where they live
   * @param weights - first values by key, in place of what the initializers say
   */
  constructor(definition: Definition, defined: Pick<Defined, 'declarations' | 'home'>, weights?: Readonly<Record<string, Float32Array>>) {
    this.definition = definition
    this.declarations = new Map(defined.declarations.map((d) => [d.key, d]))
    this.#home = defined.home
    for (const d of defined.declarations) { const values = weights?.[d.key]; if (values !== undefined) giveFirst(d, values) }
  }

  /** Seed of all that is random in it. */
  get seed(): number { return this.definition.seed }
  /** What is in front of its weights' keys; '' for nothing. */
  get name(): string { return this.definition.name }

  /** SHA-256 of what the model computes, without names of layers. */
  get hash(): string { return graphHash(this.definition.graph) }

  /** Where this model runs: on how many lanes, and why; and how it multiplies integers. Lanes are there from the first call on that may wait for them. */
  get runtime(): Runtime & { readonly int8: Int8Runtime } {
    const { store } = this.#home
    const late = store.runtime.lanes > 1 && int8Runtime().path === 'relaxed' && !store.modules.includes(INT8)
    return { ...store.runtime, int8: late ? { path: 'i16', reason: 'int8: the lanes had started before the faster kernels came (loadInt8)' } : int8Runtime() }
  }

  /** The model's outputs, as values of its own named graph. */
  protected values(): Readonly<Record<string, Value>> { return fromGraph(this.definition.graph) }

  /** The store, made and filled with first values at first need. */
  protected get store(): Store { return this.#filled() }

  /** The same; weights that are given are not drawn before they are set. */
  #filled(given: Readonly<Record<string, Weight>> = {}): Store {
    if (this.#disposed) throw new EquigradError(message('model', 'a model in use', 'one that was disposed of'))
    const { store } = this.#home
    if (this.#ready) return extend(store)
    store.declare(storable(this.declarations.values(), given))
    store.changed()
    this.#ready = true
    return extend(store)
  }

  /** Makes the store and the first values now, which happens by itself at first need. */
  prepare(): void { void this.store }

  /** The weights that are trained, as values, for `minimize` and `gradients`. */
  get weights(): Weights {
    return { values: params(this.definition.graph).flatMap(({ key, spec }) => { const d = this.declarations.get(key); return d !== undefined && spec.trainable ? [d.leaf] : [] }) }
  }

  /**
   * Applies the model to values: within another model, or in a step. Its weights are shared, its layers keep their names.
   *
   * @param x - a value, or a record of values, as the model's inputs
   * @returns the outputs, a value or a record of values
   * @throws ShapeError when a value has not the shape of its input
   */
  call(x: I): O { return this.inspect(x).output }

  /**
   * {@link call}, with the outputs of the layers as values: to fetch them in a step, to differentiate by them, or to put others in their place.
   *
   * @param x - a value, or a record of values, as the model's inputs
   * @param options - `feeds`: values by name of a layer, which take the place of its output
   * @returns `output`; `layer(name)`: the output of a layer (of its last use), as `summary` calls it; their `names`
   * @throws TypeError for unknown names, ShapeError when a value has not the shape of what it stands for
   * @example
   * const net = sequential([conv2d(4, 3, { activation: 'relu' }), flatten(), dense(10)], { input: [8, 8, 1] })
   * const evidence = step(net, { x: [8, 8, 1], mask: [10] }, ({ x, mask }) => {
   *   const { output, layer } = net.inspect(x)
   *   const features = layer('conv2d1')
   *   return { features, by: gradients(sum(mul(output, mask)), [features])[0] }
   * })
   * const rest = step(net, { x: [8, 8, 1], features: [6, 6, 4] }, ({ x, features }) => ({ y: net.inspect(x, { feeds: { conv2d1: features } }).output }))
   */
  inspect(x: I, options: { readonly feeds?: Readonly<Record<string, Value>> } = {}): Inspected<O> {
    checkOptions('inspect', options, ['feeds'])
    const given: Readonly<Record<string, unknown>> = this.definition.oneInput ? { [ONE]: x } : asRecord('call', x)
    const inputs = this.inputs()
    for (const name of Object.keys(given)) if (!inputs.has(name)) throw new TypeError(message('call', `values for ${[...inputs.keys()].join(', ')}`, `'${name}'`))
    const taken = new Map([...inputs].map(([name, type]) => [name, sameType(`call: ${name}`, type, given[name])]))
    const { outputs, ...layers } = inspect(this.values(), options.feeds ?? {}, (v) => {
      if (v.source.kind === 'param') return this.declarations.get(v.source.key ?? '')?.leaf ?? v
      return v.source.kind === 'input' ? taken.get(v.source.spec.name) ?? v : v
    })
    return { output: (this.definition.oneOutput ? outputs[ONE_OUTPUT] : outputs) as O, ...layers }
  }

  /** Inputs by name, with how each is read. */
  protected inputs(): ReadonlyMap<string, Type & { readonly spec: InputSpec }> {
    return this.#inputs ??= inputsOf(this.definition.graph)
  }

  /**
   * The class scores, numbers or vectors that the model gives for some samples. Each row is the same alone or among others.
   *
   * @param x - samples of the input's shape
   * @param options - `out`: an array for the results, which nothing is allocated for then
   * @returns a tensor [n, …], a copy, or over `out`; for several outputs a record
   * @throws TypeError, RangeError, ShapeError for data or an array that does not fit
   * @example
   * const out = new Float32Array(20 * 3) // x: 20 samples, the model has 3 outputs
   * for (const frame of [x, x]) console.log((await model.predict(frame, { out })).argMax())
   */
  async predict<B extends ArrayBufferLike = ArrayBuffer>(x: DataOf<I>, options: PredictOptions<O, B> = {}): Promise<TensorOf<O, B>> {
    const job = this.#predictJob(x, options)
    const pacer = new Pacer()
    try {
      while (await this.store.onLanes('predict', job.next)) {
        const pause = pacer.due()
        if (pause !== undefined) await pause
      }
      return job.results.given as TensorOf<O, B>
    } finally {
      job.release()
    }
  }

  /** {@link predict}, at once. */
  predictSync<B extends ArrayBufferLike = ArrayBuffer>(x: DataOf<I>, options: PredictOptions<O, B> = {}): TensorOf<O, B> {
    const job = this.#predictJob(x, options)
    try {
      while (this.store.atOnce('predictSync', job.next));
      return job.results.given as TensorOf<O, B>
    } finally {
      job.release()
    }
  }

  /** The work of a prediction in pieces of a program's capacity. */
  #predictJob(x: DataOf<I>, options: object): { readonly next: () => Work<boolean>; readonly results: Results; release(): void } {
    const data = this.readInputs('predict', x, true)
    const n = [...data.values()][0]?.rows ?? 0
    const capacity = CAPACITIES.find((c) => n <= c) ?? CAPACITIES[CAPACITIES.length - 1] ?? 1
    const executor = this.#predictor(capacity, data)
    const results = new Results(executor.outputs, this.definition.oneOutput, n, n > capacity, options)
    let done = 0
    executor.retain()
    return {
      results,
      release: () => { executor.release() },
      next: () => {
        const count = Math.min(capacity, n - done)
        return this.workOn(executor, data, done, count, true, () => {
          results.take(done, count, (i, length) => this.store.f32(executor.output(executor.outputs[i]?.name ?? ''), length))
          done += count
          return done < n
        })
      },
    }
  }

  /**
   * Copies rows into a program's inputs, has it run, and reads what it leaves; without rows nothing is done.
   *
   * @param unchecked - is f32 data still to be looked through? That is done where it has been copied to.
   */
  protected *workOn<T>(executor: Executor, data: ReadonlyMap<string, Rows>, from: number, count: number, unchecked: boolean, read: () => T): Work<T> {
    executor.bind(count)
    executor.prepare()
    for (const [name, rows] of data) {
      const address = executor.input(name)
      this.store.bytes.set(bytesOf(sliceRows(rows, from, from + count)), address)
      if (unchecked && rows.dtype === 'f32' && !this.store.sumIsFinite(address, count * rows.width)) checkFinite(`predict: ${this.#said(name)}`, rows, from, from + count)
    }
    yield executor
    return read()
  }

  #predictor(capacity: number, data: ReadonlyMap<string, Rows>): Executor {
    let key = String(capacity)
    for (const [name, { dtype }] of data) key += ` ${name}:${dtype}`
    return this.#predictors.get(key, () =>
      new Executor(this.predictProgram(capacity, new Map([...data].map(([name, { dtype }]) => [name, dtype]))), this.store, { seed: this.seed }))
  }

  /** What an input is called in messages. */
  #said(name: string): string { return this.definition.oneInput ? 'x' : name }

  /** Data for every input, by name, checked but for f32 numbers that are not finite where they are left to `workOn`. */
  protected readInputs(where: string, x: DataOf<I>, unchecked = false): Map<string, Rows> {
    const inputs = this.inputs()
    const given = namedOnly(where, 'data for', this.definition.oneInput ? { [ONE]: x } : x, [...inputs.keys()])
    const data = new Map<string, Rows>()
    for (const [name, { shape, spec }] of inputs) data.set(name, toRows(`${where}: ${this.#said(name)}`, given[name], shape, spec, unchecked))
    sameCount(where, data)
    return data
  }

  /** The program that predicts, for data of these element types. */
  protected predictProgram(capacity: number, dtypes: ReadonlyMap<string, DType>): Program {
    return predictProgram(this.definition.graph, capacity, dtypes)
  }

  /**
   * A program of this model, to look at: it prints readably and hashes stably.
   *
   * @param kind - 'predict'; models that train have 'grad' and 'apply' too
   * @param options - `capacity`: the most samples of one run (default 256)
   */
  program(kind: 'predict' | 'grad' | 'apply', options: { readonly capacity?: number } = {}): ProgramView {
    checkOptions('program', options, ['capacity'])
    if (kind !== 'predict') throw new EquigradError(message('program', 'a compiled model', `'${kind}' of one that is not`, 'Call compile first.'))
    const dtypes = new Map([...this.inputs()].map(([name, { spec }]) => [name, spec.data]))
    return viewProgram(this.predictProgram(checkCount('program.capacity', options.capacity ?? 256), dtypes))
  }

  /**
   * Copies of all weights, by key (`layer.kernel`, `layer.bias`, …).
   */
  getWeights(): Record<string, Weight> {
    const { store } = this
    store.checkFree('getWeights')
    const weights: Record<string, Weight> = {}
    for (const { key, shape } of params(this.definition.graph)) {
      const { address, length } = store.param(key)
      weights[key] = { data: store.f32(address, length).slice(), shape: shape.map(Number) }
    }
    return weights
  }

  /**
   * Copies of what layers compute with, by key. They are the weights, but for those that an expression stands for since the model was masked,
   * fake-quantised, factorised or adapted: of these, what it gives.
   */
  getEffectiveWeights(): Record<string, Weight> {
    const found = layerWeights(Object.values(this.values()))
    const computed = [...found].filter(([, v]) => v.source.kind === 'node')
    const weights = this.getWeights()
    if (computed.length > 0) Object.assign(weights, this.#computed(new Map(computed)))
    return Object.fromEntries([...found.keys()].flatMap((key): [string, Weight][] => { const w = weights[key]; return w === undefined ? [] : [[key, w]] }))
  }

  /** Values that are made of weights and constants alone, by the kernels that a prediction computes them with. */
  #computed(values: ReadonlyMap<string, Value>): Record<string, Weight> {
    const fetches = byName(values.keys(), fuse(specialise([...values.values()], 'predict')))
    const executor = new Executor(verify(planMemory(lower({ capacity: 1, fetches }))), this.store, { seed: this.seed })
    try {
      executor.bind(1)
      executor.prepare()
      executor.run()
      return Object.fromEntries([...values].map(([key, { shape }]) => [key, { data: this.store.f32(executor.output(key), elements(shape)).slice(), shape: shape.map(Number) }]))
    } finally {
      executor.release()
    }
  }

  /**
   * Sets weights, some or all; nothing changes when one of them does not fit.
   *
   * @param weights - by key, each with the shape it has
   * @throws TypeError for unknown keys, ShapeError, RangeError for values that are not finite, BusyError while training
   */
  setWeights(weights: Readonly<Record<string, Weight>>): void {
    const given = asRecord('setWeights', weights)
    const store = this.#ready || this.#disposed ? this.store : this.#home.store
    store.checkFree('setWeights')
    if (store.training) throw new BusyError(message('setWeights', 'a store that no training call holds', 'one where fit is running', 'Wait for it.'))
    const known = new Map(params(this.definition.graph).map((p) => [p.key, p]))
    for (const [key, weight] of Object.entries(given)) {
      const { data, shape } = asRecord(`setWeights: ${key}`, weight)
      const p = known.get(key)
      if (p === undefined) throw new TypeError(message('setWeights', `keys among ${[...known.keys()].join(', ')}`, describe(key)))
      if (!(data instanceof Float32Array)) throw new TypeError(message(`setWeights: ${key}`, 'a Float32Array', describe(data)))
      if (!Array.isArray(shape)) throw new TypeError(message(`setWeights: ${key}`, 'a shape', describe(shape)))
      if (shape.length !== p.shape.length || shape.some((d: unknown, i) => d !== p.shape[i]) || data.length !== elements(p.shape)) throw new ShapeError(message(`setWeights: ${key}`, formatShape(p.shape), `${formatShape(shape)} with ${data.length} numbers`))
      if (data.some((x) => x - x !== 0)) throw new RangeError(message(`setWeights: ${key}`, 'finite numbers', 'one that is not'))
    }
    if (!this.#ready) this.#filled(weights)
    for (const [key, { data }] of Object.entries(weights)) store.f32(store.param(key).address, data.length).set(data)
    store.changed()
  }

  /** Lets go of the model's memory before the garbage collector would (`using model = …`). Never needed; using it afterwards throws. */
  [Symbol.dispose](): void {
    this.#disposed = true
    this.#predictors.clear()
  }

  /**
   * The layers with the shapes of their outputs and the number of their weights, as a table.
   */
  summary(): string { return summarize(this.definition) }
}

/** The outputs of a model that was called on values, and of its layers. */
export interface Inspected<O> extends Layers {
  /** its output, or a record of several */
  readonly output: O
}

/** The parameters of a graph that comes from elsewhere (a file, a rewrite), as new ones. */
export function ownParams(definition: Definition, options: HomeOptions = {}): Pick<Defined, 'declarations' | 'home'> {
  const home = new Home(options)
  const values = fromGraph(definition.graph)
  const leaves = new Set([...topological(Object.values(values)).flatMap((node) => node.ins), ...Object.values(values)])
  return { home, declarations: [...leaves].flatMap((v) => (v.source.kind === 'param' && v.source.key !== null ? [declare(v, v.source.key, definition.seed, home)] : [])) }
}

/** The parameters of a graph, in the order of its definition. */
export const params = (graph: Graph): readonly Extract<GraphValue, { role: 'param' }>[] =>
  graph.values.flatMap((v) => (v.role === 'param' ? [v] : []))



function summarize({ graph, name }: Definition): string {
  const counted = new Map<string, number>()
  const paths = new Set(graph.nodes.map((node) => node.path))
  for (const p of params(graph)) {
    // A key may go on after the weight's own name: factors and adapters of `dense1.kernel` are `dense1.kernel.u` and so on.
    const key = p.key.slice(name === '' ? 0 : name.length + 1)
    let path = key.slice(0, key.lastIndexOf('.'))
    while (!paths.has(path) && path.includes('.')) path = path.slice(0, path.lastIndexOf('.'))
    counted.set(path, (counted.get(path) ?? 0) + elements(p.shape))
  }
  const rows: (readonly [string, string, string])[] = []
  for (const v of graph.values) if (v.role === 'input' && !v.spec.name.startsWith('$')) rows.push([`${v.spec.name} (input)`, formatShape(v.shape), ''])
  const shapes = new Map<string, string>()
  for (const node of graph.nodes) {
    const out = graph.values[node.outs[node.outs.length - 1] ?? 0]
    if (node.path !== '' && out !== undefined) shapes.set(node.path, formatShape(out.shape))
  }
  for (const [path, shape] of shapes) rows.push([path, shape, (counted.get(path) ?? 0).toLocaleString('en-US')])
  const widths = [0, 1, 2].map((i) => Math.max(...[['layer', 'output', 'weights'], ...rows].map((r) => (r[i] ?? '').length)))
  const line = (cells: readonly string[]): string => cells.map((c, i) => (i === 2 ? c.padStart(widths[i] ?? 0) : c.padEnd(widths[i] ?? 0))).join('  ').trimEnd()
  const trained = params(graph).reduce((sum, p) => sum + elements(p.shape), 0)
  const rule = '─'.repeat(widths.reduce((a, b) => a + b, 4))
  return [line(['layer', 'output', 'weights']), rule, ...rows.map(line), rule, `${trained.toLocaleString('en-US')} weights, ${(trained * 4).toLocaleString('en-US')} bytes`].join('\n')
}

/** A store, or nothing. */
export function checkStore(where: string, store: unknown): void {
  if (store !== undefined && !(store instanceof Store)) throw new TypeError(message(`${where}.store`, 'a store made by createStore', describe(store)))
}

/** Where a model's weights shall live, checked: a store, or how many lanes its own is to have. */
export function checkHome(where: string, { store, lanes }: Pick<ModelOptions, 'store' | 'lanes'>): HomeOptions {
  checkStore(where, store)
  if (lanes === undefined) return store === undefined ? {} : { store }
  if (store !== undefined) throw new RangeError(message(where, 'store or lanes', 'both', 'Lanes belong to a store: createStore({ lanes }).'))
  return { lanes: checkLanes(`${where}.lanes`, lanes) }
}

/** Checks of what every model is given. */
export function checkModelOptions(where: string, options: ModelOptions, known: readonly string[]): { readonly name: string; readonly seed: number } & HomeOptions {
  checkGiven(where, options, known)
  const { name = '', seed = 0 } = options
  if (typeof name !== 'string' || name.includes('/')) throw new TypeError(message(`${where}.name`, 'a string without a slash', describe(name)))
  return { name, seed: checkSeed(`${where}.seed`, seed), ...checkHome(where, options) }
}
