// Where the results of a prediction go: into new arrays, or into the caller's, which change only once everything has been computed.
import { describe, message } from '../core/errors.js'
import type { Output } from '../runtime/executor.js'
import { namedOnly } from './data.js'
import { Tensor } from './tensor.js'

/** The results of one call of `predict`, taken piece by piece. */
export class Results {
  readonly #parts: readonly { readonly name: string; readonly width: number; readonly data: Float32Array; readonly tensor: Tensor<ArrayBufferLike> }[]

  /**
   * @param one - is there one output, and not a record?
   * @param n - samples in all
   * @param pieces - do they come in several? Then what belongs into `out` waits in an array of its own for the last: a failed call changes nothing,
   * and `out` may be where the data is
   * @param options - of the call: `out`, an array of exactly as many elements or a record of them
   * @throws TypeError, RangeError for options that do not fit
   */
  constructor(outputs: readonly Output[], readonly one: boolean, readonly n: number, pieces: boolean, options: unknown) {
    const { out } = namedOnly('predict', 'options among', options, ['out'])
    const given = out === undefined || one ? {} : namedOnly('predict.out', 'arrays for', out, outputs.map(({ name }) => name))
    const taken: Float32Array[] = []
    this.#parts = outputs.map(({ name, width, sample }) => {
      const length = n * width
      const array = out === undefined ? out : one ? checked('predict.out', out, length, taken) : checked(`predict.out.${name}`, given[name], length, taken)
      const data = array && !pieces ? array : new Float32Array(length)
      return { name, width, data, tensor: new Tensor(array ?? data, [n, ...sample]) }
    })
  }

  /**
   * Takes the results of `count` samples from sample `from` on.
   *
   * @param view - those of an output, by its index: so many numbers
   * @throws what `set` of a typed array does, where `out` has been moved away or resized since
   */
  take(from: number, count: number, view: (index: number, length: number) => Float32Array): void {
    this.#parts.forEach(({ width, data, tensor }, i) => {
      data.set(view(i, count * width), from * width)
      if (from + count === this.n && tensor.data !== data) tensor.data.set(data)
    })
  }

  /** What the call gives: a tensor, or a record of them. */
  get given(): unknown { return this.one ? this.#parts[0]?.tensor : Object.fromEntries(this.#parts.map(({ name, tensor }) => [name, tensor])) }
}

/** An array of so many elements that touches none of those `taken`, among which it is then. */
function checked(where: string, array: unknown, length: number, taken: Float32Array[]): Float32Array {
  const refuse = (got: string): string => message(where, `a Float32Array of ${length}`, got)
  if (!(array instanceof Float32Array)) throw new TypeError(refuse(describe(array)))
  if (array.length !== length) throw new RangeError(refuse(describe(array)))
  const end = (a: Float32Array): number => a.byteOffset + a.byteLength
  if (taken.some((other) => other.buffer === array.buffer && other.byteOffset < end(array) && array.byteOffset < end(other))) throw new RangeError(refuse('one that overlaps another'))
  taken.push(array)
  return array
}
