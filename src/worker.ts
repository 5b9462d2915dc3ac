// equigrad/worker: a model in a worker, behind the API of one that is here. Calls and their results are messages; hooks of callbacks run where they
// were given, so that earlyStopping, progress and one's own are the same as without a worker.
import {
  BusyError, EquigradError, FormatError, load, NonFiniteError, RuntimeError, save, ShapeError, Tensor,
  type Callback, type Compiled, type DataOf, type EvaluateOptions, type FitEvent, type FitOptions, type History, type LabelsOf, type Scores, type TrainableModel, type TensorOf, type Value,
} from './index.js'

/** A worker as a page has it, a worker's own global, or a MessagePort. */
export interface Port {
  /** Sends a message to the other end; buffers in `transfer` move there and are empty here afterwards. */
  postMessage(message: unknown, transfer: Transferable[]): void
  /** Calls `listener` for each event of a type: 'message', with what was sent as `data`, and of a worker 'error'. */
  addEventListener(type: string, listener: (event: Event) => void): void
}

const HOOKS = ['onTrainBegin', 'onEpochBegin', 'onBatchEnd', 'onEpochEnd', 'onTrainEnd'] as const satisfies readonly (keyof Callback)[]
type Hook = (typeof HOOKS)[number]

/** What a hook of the page asks for, in order. */
type Wish = readonly ['stop', string] | readonly ['scale', number] | readonly ['keep'] | readonly ['restore']
type Seen = Omit<FitEvent, 'stop' | 'scaleLearningRate' | 'keep' | 'restore'>

/** Calls: from the page. `model` says which of the worker's. */
interface Call { readonly id: number; readonly model: number; readonly method: string; readonly args: readonly unknown[]; readonly hooks: readonly Hook[]; readonly aborted: boolean }
type ToModel = { readonly call: Call } | { readonly abort: number } | { readonly hooked: number; readonly wishes: readonly Wish[]; readonly failed: boolean }
/** Where training stands, with every answer. */
interface Stand { readonly step: number; readonly epoch: number }
type ToPage = { readonly id: number } & ({ readonly value: unknown; readonly stand: Stand } | { readonly error: Failure } | { readonly hook: Hook; readonly event: Seen; readonly stand: Stand })
interface Failure { readonly name: string; readonly message: string; readonly epoch?: number; readonly step?: number; readonly layer?: string | null; readonly offset?: number }

const MARK = 'equigrad'
/** Starts to listen for our messages; others on the same port are left alone. */
function listen<T>(port: Port, heard: (message: T) => void): void {
  port.addEventListener('message', (event) => {
    const data: unknown = 'data' in event ? event.data : undefined
    if (typeof data === 'object' && data !== null && MARK in data) heard(data[MARK] as T)
  })
  if ('start' in port && typeof port.start === 'function') port.start()
}

/** The buffers of typed arrays in a value, each once; shared ones need no transfer. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) { if (value.buffer instanceof ArrayBuffer) found.add(value.buffer) } else if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) buffersOf(part, found)
  return found
}

// --- the worker's end ------------------------------------------------------------------------------------------------------------------------

function failureOf(error: unknown): Failure {
  if (!(error instanceof Error)) return { name: 'Error', message: String(error) }
  const { name, message } = error
  if (error instanceof NonFiniteError) return { name, message, epoch: error.epoch, step: error.step, layer: error.layer }
  return error instanceof FormatError && error.offset !== undefined ? { name, message, offset: error.offset } : { name, message }
}

/** Tensors lose their class on the way. */
const plain = (value: unknown): unknown => (value instanceof Tensor ? { tensor: value.data, shape: value.shape }
  : typeof value === 'object' && value !== null && !ArrayBuffer.isView(value) && Object.values(value).some((v) => v instanceof Tensor) ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)])) : value)

/** The worker's own global, whose type here is that of a page. */
function ownPort(): Port {
  const { postMessage, addEventListener } = globalThis as { readonly postMessage?: unknown; readonly addEventListener?: unknown }
  if (typeof postMessage !== 'function' || typeof addEventListener !== 'function') throw new RuntimeError('serveModels: expected to be called in a worker of a page, got another host. Pass the port that messages come through.')
  return { postMessage: (message, transfer) => { Reflect.apply(postMessage, globalThis, [message, transfer]) }, addEventListener: (type, listener) => { Reflect.apply(addEventListener, globalThis, [type, listener]) } }
}

/**
 * Answers calls of {@link inWorker}: the whole of a worker's file.
 *
 * @param port - where calls come from (default: the worker's page)
 * @example
 * const { port1, port2 } = new MessageChannel()
 * serveModels(port2) // in the worker: serveModels()
 * const away = await inWorker(port1, model)
 * port1.close()
 */
export function serveModels(port: Port = ownPort()): void {
  const models: TrainableModel<Value, Value>[] = []
  const aborts = new Map<number, AbortController>()
  const waiting = new Map<number, (reply: { readonly wishes: readonly Wish[]; readonly failed: boolean }) => void>()
  const say = (message: ToPage, transfer: Transferable[] = []): void => { port.postMessage({ [MARK]: message }, transfer) }
  const standOf = (model: TrainableModel<Value, Value> | undefined): Stand => ({ step: model?.step ?? 0, epoch: model?.epoch ?? 0 })

  /** A callback that asks the page, and does what its hooks wished. */
  function asking(id: number, model: TrainableModel<Value, Value>, hooks: readonly Hook[]): Callback {
    const ask = async (hook: Hook, event: FitEvent): Promise<void> => {
      const { stop, scaleLearningRate, keep, restore, ...seen } = event
      const { wishes, failed } = await new Promise<{ readonly wishes: readonly Wish[]; readonly failed: boolean }>((resolve) => {
        waiting.set(id, resolve)
        say({ id, hook, event: seen, stand: standOf(model) })
      })
      for (const wish of wishes) {
        if (wish[0] === 'stop') stop(wish[1])
        else if (wish[0] === 'scale') scaleLearningRate(wish[1])
        else if (wish[0] === 'keep') keep()
        else restore()
      }
      // The page throws its hook's own error.
      if (failed) throw new EquigradError('a callback failed')
    }
    return Object.fromEntries(hooks.map((hook) => [hook, (event: FitEvent) => ask(hook, event)]))
  }

  async function answer({ id, model: at, method, args, hooks, aborted }: Call): Promise<unknown> {
    if (method === 'open') { models.push(load(args[0] as Uint8Array, args[1] as { lanes?: number | 'auto' })); return models.length - 1 }
    const model = models[at]
    if (model === undefined) throw new EquigradError(`worker: expected one of ${models.length} models, got ${at}`)
    const [x, y, options] = args
    switch (method) {
      case 'fit': {
        const controller = new AbortController()
        aborts.set(id, controller)
        if (aborted) controller.abort()
        try { return await model.fit(x, y, { ...(options as FitOptions<unknown, unknown>), callbacks: hooks.length === 0 ? [] : [asking(id, model, hooks)], signal: controller.signal }) } finally { aborts.delete(id) }
      }
      case 'predict': return plain(await model.predict(x as DataOf<Value>))
      case 'evaluate': return await model.evaluate(x, y, options as EvaluateOptions)
      case 'trainOnBatch': return await model.trainOnBatch(x, y, options as Pick<EvaluateOptions, 'sampleWeight'>)
      case 'save': return save(model, x as { training?: boolean })
      case 'stateHash': return model.stateHash()
      default: throw new EquigradError(`worker: expected a call that it knows, got ${method}. Use one version of equigrad on both sides.`)
    }
  }

  listen<ToModel>(port, (message) => {
    if ('abort' in message) { aborts.get(message.abort)?.abort(); return }
    if ('hooked' in message) { const go = waiting.get(message.hooked); waiting.delete(message.hooked); go?.(message); return }
    const { call } = message
    answer(call).then(
      (value) => { say({ id: call.id, value, stand: standOf(models[call.method === 'open' ? models.length - 1 : call.model]) }, [...buffersOf(value)]) },
      (error: unknown) => { say({ id: call.id, error: failureOf(error) }) },
    )
  })
}

// --- the page's end ---------------------------------------------------------------------------------------------------------------------------

const errors: Readonly<Record<string, new (message: string) => Error>> = { TypeError, RangeError, SyntaxError, EquigradError, ShapeError, RuntimeError, BusyError }
function errorOf({ name, message, epoch = 0, step = 0, layer = null, offset }: Failure): Error {
  if (name === 'NonFiniteError') return new NonFiniteError(message, epoch, step, layer)
  if (name === 'FormatError') return new FormatError(message, offset)
  return new (errors[name] ?? Error)(message)
}

const isTensor = (v: unknown): v is { readonly tensor: Float32Array; readonly shape: readonly number[] } => typeof v === 'object' && v !== null && 'tensor' in v
const revived = (v: unknown): unknown => (isTensor(v) ? new Tensor(v.tensor as Float32Array<ArrayBuffer>, v.shape) : typeof v === 'object' && v !== null && Object.values(v).some(isTensor) ? Object.fromEntries(Object.entries(v).map(([k, x]) => [k, revived(x)])) : v)

/** How arrays get to the worker. */
export interface Transfer {
  /** whether they move instead of being copied: then they are empty here afterwards (default false); shared ones do neither */
  readonly transfer?: boolean
}

/** Calls so far, of all models: those that share a port hear one another's answers, and know theirs by the number. */
let calls = 0

interface Pending { readonly done: (value: unknown) => void; readonly failed: (error: unknown) => void; readonly callbacks: readonly Callback[] }

/**
 * A model that lives in a worker. Its methods take, return and throw what those of {@link Compiled} do; what cannot be sent is a TypeError, a worker
 * that fails a RuntimeError.
 */
export class WorkerModel<I, O, L, M> {
  readonly #port: Port
  readonly #pending = new Map<number, Pending>()
  #model = 0
  #stand: Stand = { step: 0, epoch: 0 }
  #dead: Error | undefined

  /** Use {@link inWorker}. */
  constructor(port: Port) {
    this.#port = port
    listen<ToPage>(port, (message) => { this.#heard(message) })
    port.addEventListener('error', (event) => { this.#die('message' in event && typeof event.message === 'string' && event.message !== '' ? event.message : 'its file could not be loaded') })
  }

  #die(why: string): void {
    this.#dead = new RuntimeError(`worker: expected a worker that runs, got one that failed (${why}). Its file must call serveModels() and be loaded as a module.`)
    for (const { failed } of this.#pending.values()) failed(this.#dead)
    this.#pending.clear()
  }

  #heard(message: ToPage): void {
    const pending = this.#pending.get(message.id)
    if (pending === undefined) return
    if ('stand' in message) this.#stand = message.stand
    if ('hook' in message) { void this.#hooked(message.id, message.hook, message.event, pending); return }
    this.#pending.delete(message.id)
    if ('error' in message) pending.failed(errorOf(message.error))
    else pending.done(revived(message.value))
  }

  /** Runs the page's hooks, and sends back what they wished. */
  async #hooked(id: number, hook: Hook, seen: Seen, { callbacks, failed }: Pending): Promise<void> {
    const wishes: Wish[] = []
    const event: FitEvent = {
      ...seen, stop: (reason = 'callback') => { wishes.push(['stop', reason]) }, scaleLearningRate: (factor) => { wishes.push(['scale', factor]) },
      keep: () => { wishes.push(['keep']) }, restore: () => { wishes.push(['restore']) },
    }
    let bad = false
    try { for (const callback of callbacks) await callback[hook]?.(event) } catch (error) { bad = true; failed(error) }
    this.#send({ hooked: id, wishes, failed: bad })
  }

  #send(message: ToModel, transfer: Transferable[] = []): void { this.#port.postMessage({ [MARK]: message }, transfer) }

  #call(method: string, args: readonly unknown[], { transfer = false, callbacks = [], signal }: Transfer & { readonly callbacks?: readonly Callback[]; readonly signal?: AbortSignal | undefined } = {}): Promise<unknown> {
    if (this.#dead !== undefined) return Promise.reject(this.#dead)
    const id = calls++
    const hooks = HOOKS.filter((hook) => callbacks.some((callback) => callback[hook] !== undefined))
    const result = new Promise<unknown>((done, failed) => { this.#pending.set(id, { done, failed, callbacks }) })
    try {
      this.#send({ call: { id, model: this.#model, method, args, hooks, aborted: signal?.aborted ?? false } }, transfer ? [...buffersOf(args)] : [])
    } catch (error) {
      this.#pending.delete(id)
      return Promise.reject(new TypeError(`${method}: expected what can be sent to a worker, got something else (${error instanceof Error ? error.message : String(error)}). Pass arrays; streams and functions stay here.`))
    }
    signal?.addEventListener('abort', () => { this.#send({ abort: id }) }, { once: true })
    return result
  }

  /**
   * Puts a saved model in this one's place; {@link inWorker} does.
   *
   * @param bytes - a file of `save`; it moves to the worker and is empty here afterwards
   * @param options - `lanes`: a count from 1, or 'auto' (default 1)
   * @throws FormatError for anything that is not such a file
   */
  async open(bytes: Uint8Array<ArrayBuffer>, options: { readonly lanes?: number | 'auto' }): Promise<this> {
    this.#model = Number(await this.#call('open', [bytes, options], { transfer: true }))
    return this
  }

  /** Updates completed, as of the last answer or event. */
  get step(): number { return this.#stand.step }
  /** Epochs completed, as of the last answer or event. */
  get epoch(): number { return this.#stand.epoch }

  /**
   * Trains, as {@link Compiled.fit} does. `callbacks` run here and are waited for, `signal` ends training after a step.
   *
   * @param x - samples of the input's shape, arrays alone
   * @param y - labels of the same number of samples
   * @param options - as of `fit`, and `transfer`
   * @throws TypeError for a stream
   */
  async fit(x: DataOf<I>, y: LabelsOf<L>, { callbacks = [], signal, transfer = false, ...options }: FitOptions<DataOf<I>, LabelsOf<L>> & Transfer = {}): Promise<History<L, M>> {
    if (typeof x === 'object' && x !== null && Symbol.asyncIterator in x) throw new TypeError('fit: expected arrays, got a stream. Train on it where it is, or pass batch by batch to trainOnBatch.')
    return await this.#call('fit', [x, y, options], { callbacks, signal, transfer }) as History<L, M>
  }

  /**
   * Predicts, as {@link Compiled.predict} does.
   *
   * @param x - samples of the input's shape
   * @returns a tensor [n, …]; for several outputs a record
   */
  async predict(x: DataOf<I>, { transfer = false }: Transfer = {}): Promise<TensorOf<O>> { return await this.#call('predict', [x], { transfer }) as TensorOf<O> }

  /**
   * Loss and metrics over some data, as {@link Compiled.evaluate} gives them.
   *
   * @param x - samples of the input's shape
   * @param y - labels of the same number of samples
   */
  async evaluate(x: DataOf<I>, y: LabelsOf<L>, { transfer = false, ...options }: EvaluateOptions & Transfer = {}): Promise<Scores<L, M>> { return await this.#call('evaluate', [x, y, options], { transfer }) as Scores<L, M> }

  /**
   * One update, as {@link Compiled.trainOnBatch} makes it.
   *
   * @param x - samples of the input's shape, one batch
   * @param y - labels of the same number of samples
   * @returns loss and metrics before the update
   */
  async trainOnBatch(x: DataOf<I>, y: LabelsOf<L>, { transfer = false, ...options }: Pick<EvaluateOptions, 'sampleWeight'> & Transfer = {}): Promise<Scores<L, M>> {
    return await this.#call('trainOnBatch', [x, y, options], { transfer }) as Scores<L, M>
  }

  /**
   * The model's file: `load` makes a model of it that is here.
   *
   * @param options - `training`: with the optimizer's state and where training stands (default true)
   */
  async save(options: { readonly training?: boolean } = {}): Promise<Uint8Array<ArrayBuffer>> { return await this.#call('save', [options]) as Uint8Array<ArrayBuffer> }

  /** A hash of weights, optimizer and position, as {@link Compiled.stateHash} gives it: 64 hexadecimal digits. */
  async stateHash(): Promise<string> { return String(await this.#call('stateHash', [])) }
}

/**
 * Opens a copy of a compiled model in a worker: training and prediction run there, with the same bits, and this thread is free.
 *
 * @param port - a worker whose file calls `serveModels()`: `new Worker(new URL('./trainer.js', import.meta.url), { type: 'module' })`
 * @param model - stays as it is
 * @param options - `lanes`: of the copy (default 1)
 * @throws RuntimeError, with every call that waits, when the worker fails; what the model itself throws
 * @example
 * const { port1, port2 } = new MessageChannel()
 * serveModels(port2) // in the worker
 * const away = await inWorker(port1, model)
 * const { loss } = await away.fit(x, y, { epochs: 2, callbacks: [progress()] })
 * port1.close()
 */
export async function inWorker<I, O, L, M>(port: Port, model: Compiled<I, O, L, M>, options: { readonly lanes?: number | 'auto' } = {}): Promise<WorkerModel<I, O, L, M>> {
  return await new WorkerModel<I, O, L, M>(port).open(save(model), options)
}
