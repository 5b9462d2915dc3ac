// Models that only predict: a plan out of a file, and its runs.
import { describe, FormatError, message } from '../core/errors.js'
import { PLAN } from '../compiler/packed.js'
import { decodeSafetensors } from '../formats/safetensors.js'
import { asRecord, bytesOf, sameCount, sliceRows, toRows, type Dense, type Rows } from '../model/data.js'
import { Tensor } from '../model/tensor.js'
import { Pacer } from '../runtime/platform/pause.js'
import { Linked } from './link.js'
import { readPlan } from './plan.js'

/** One tensor, or several by name: data that goes in, or results. */
export type Named<T> = T | Readonly<Record<string, T>>

/** A model that only predicts. */
export interface Predictor<I = Dense, O = Tensor> {
  /**
   * The class scores, numbers or vectors that the model gives for some samples: the bits that the model gave that was saved. Other work gets turns
   * while it runs.
   *
   * @param x - samples of the input's shape, f32, f64, i32, bytes or nested arrays; for several inputs a record
   * @returns a tensor [n, …], a copy; for several outputs a record
   * @throws TypeError, RangeError, ShapeError for data that does not fit
   */
  predict(x: I): Promise<O>
  /** {@link predict}, at once. */
  predictSync(x: I): O
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

  async predict(x: I): Promise<O> {
    const job = this.#job('predict', x), pacer = new Pacer()
    while (job.next()) {
      const pause = pacer.due()
      if (pause !== undefined) await pause
    }
    return job.result()
  }

  predictSync(x: I): O {
    const job = this.#job('predictSync', x)
    while (job.next());
    return job.result()
  }

  /** The work of a prediction in pieces of the plan's capacity. */
  #job(where: string, x: I): { next(): boolean; result(): O } {
    const linked = this.#linked
    const { capacity, outputs, one } = linked.plan
    const data = this.#read(where, x)
    const n = data[0]?.rows ?? 0
    const parts = outputs.map(({ name, shape }) => {
      const width = shape.reduce((a, b) => a * b, 1)
      return { name, width, tensor: new Tensor(new Float32Array(n * width), [n, ...shape]) }
    })
    let done = 0
    return {
      next() {
        const count = Math.min(capacity, n - done)
        data.forEach((rows, i) => { linked.setInput(i, bytesOf(sliceRows(rows, done, done + count)), rows.dtype) })
        linked.run(count)
        parts.forEach(({ width, tensor }, i) => { tensor.data.set(linked.output(i, count * width), done * width) })
        done += count
        return done < n
      },
      result: () => (one[1] ? parts[0]?.tensor : Object.fromEntries(parts.map(({ name, tensor }) => [name, tensor]))) as O,
    }
  }

  /** Data for every input, checked, in the plan's order. */
  #read(where: string, x: unknown): readonly Rows[] {
    const { inputs, one } = this.#linked.plan
    const given: Readonly<Record<string, unknown>> = one[0] ? { x } : asRecord(where, x)
    const names = inputs.map(({ name }) => name)
    for (const name of Object.keys(given)) if (!names.includes(name)) throw new TypeError(message(where, `data for ${names.join(', ')}`, `'${name}'`))
    const data = new Map(inputs.map(({ name, shape, classes }) => [name, toRows(`${where}: ${one[0] ? 'x' : name}`, given[name], ['n', ...shape], { classes })]))
    sameCount(where, data)
    // Whole numbers are not converted by a kernel.
    return [...data.values()].map((rows, i) => (inputs[i]?.classes !== null && rows.dtype === 'u8' ? { ...rows, data: Int32Array.from(rows.data), dtype: 'i32' } : rows))
  }
}
