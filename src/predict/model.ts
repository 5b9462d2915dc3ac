// Models that only predict: a plan out of a file, and its runs.
import { describe, FormatError, message } from '../core/errors.js'
import { elements } from '../core/shape.js'
import { PLAN } from '../compiler/packed.js'
import { decodeSafetensors } from '../formats/safetensors.js'
import { bytesOf, namedOnly, sameCount, sliceRows, toRows, type Dense, type Rows } from '../model/data.js'
import { Results } from '../model/results.js'
import type { Tensor } from '../model/tensor.js'
import { Pacer } from '../runtime/platform/pause.js'
import { Linked } from './link.js'
import { readPlan } from './plan.js'

/** One tensor, or several by name: data that goes in, or results. */
export type Named<T> = T | Readonly<Record<string, T>>

/** An array for each tensor of a result: one, or by name. */
export type ArrayOf<O> = O extends Tensor<infer B> ? Float32Array<B> : { readonly [K in keyof O]: O[K] extends Tensor<infer B> ? Float32Array<B> : never }

/** How `predict` is to go about it. */
export interface PredictOptions<O = Tensor> {
  /**
   * where the results go (default: new arrays): a Float32Array of exactly as many elements, shared memory or not; for several outputs a record. It may be
   * where the data is. A call that fails leaves it as it was.
   */
  readonly out?: ArrayOf<O>
}

/** A model that only predicts. */
export interface Predictor<I = Dense, O = Tensor> {
  /**
   * The class scores, numbers or vectors that the model gives for some samples: the bits that the model gave that was saved. Other work gets turns
   * while it runs.
   *
   * @param x - samples of the input's shape, f32, f64, i32, bytes or nested arrays; for several inputs a record
   * @param options - `out`: an array for the results, which nothing is allocated for then
   * @returns a tensor [n, …], a copy, or over `out`; for several outputs a record
   * @throws TypeError, RangeError, ShapeError for data or an array that does not fit
   */
  predict(x: I, options?: PredictOptions<O>): Promise<O>
  /** {@link predict}, at once. */
  predictSync(x: I, options?: PredictOptions<O>): O
}

/**
 * The model in a file that `save` of `equigrad` made, for prediction alone.
 *
 * @param bytes - the whole file; f32 and int8 models alike
 * @returns a model that predicts the same bits
 * @throws FormatError for anything that is not such a file
 * @example
 * import { load } from 'equigrad/predict'
 * const model = load(readFileSync('model.safetensors'))
 * const { data, shape } = model.predictSync(x)
 */
export function load<I = Dense, O = Tensor>(bytes: Uint8Array): Predictor<I, O> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(message('load', 'the bytes of a file as Uint8Array', describe(bytes)))
  const { tensors, metadata } = decodeSafetensors(bytes)
  const json = metadata[PLAN]
  if (json === undefined) throw new FormatError(message('load', 'a file with a plan for prediction', 'one without', 'Load it with equigrad and save it again.'))
  return new PlannedModel<I, O>(new Linked(readPlan(json, tensors), tensors))
}

class PlannedModel<I, O> implements Predictor<I, O> {
  readonly #linked: Linked

  constructor(linked: Linked) { this.#linked = linked }

  async predict(x: I, options: PredictOptions<O> = {}): Promise<O> {
    const job = this.#job(x, options), pacer = new Pacer()
    while (job.next()) {
      const pause = pacer.due()
      if (pause !== undefined) await pause
    }
    return job.results.given as O
  }

  predictSync(x: I, options: PredictOptions<O> = {}): O {
    const job = this.#job(x, options)
    while (job.next());
    return job.results.given as O
  }

  /** The work of a prediction in pieces of the plan's capacity. */
  #job(x: I, options: object): { next(): boolean; readonly results: Results } {
    const linked = this.#linked
    const { capacity, one } = linked.plan
    const data = this.#read(x)
    const n = data[0]?.rows ?? 0
    const outputs = linked.plan.outputs.map(({ name, shape }) => ({ name, sample: shape, width: elements(shape) }))
    const results = new Results(outputs, one[1], n, n > capacity, options)
    let done = 0
    return {
      results,
      next() {
        const count = Math.min(capacity, n - done)
        data.forEach((rows, i) => { linked.setInput(i, bytesOf(sliceRows(rows, done, done + count)), rows.dtype) })
        linked.run(count)
        results.take(done, count, (i, length) => linked.output(i, length))
        done += count
        return done < n
      },
    }
  }

  /** Data for every input, checked, in the plan's order. */
  #read(x: unknown): readonly Rows[] {
    const { inputs, one } = this.#linked.plan
    const given = namedOnly('predict', 'data for', one[0] ? { x } : x, inputs.map(({ name }) => name))
    const data = new Map(inputs.map(({ name, shape, classes }) => [name, toRows(`predict: ${one[0] ? 'x' : name}`, given[name], ['n', ...shape], { classes })]))
    sameCount('predict', data)
    // Whole numbers are not converted by a kernel.
    return [...data.values()].map((rows, i) => (inputs[i]?.classes !== null && rows.dtype === 'u8' ? { ...rows, data: Int32Array.from(rows.data), dtype: 'i32' } : rows))
  }
}
