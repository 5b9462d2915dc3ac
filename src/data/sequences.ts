// Sequences of different lengths, side by side in one array.
import { describe, message, ShapeError } from '../core/errors.js'
import { checkCount, checkOptions, checkWord } from '../core/options.js'
import { isNumericArray, type NumericArray } from './arrays.js'

/** A sequence: one number a step, or one row of numbers a step. */
export type Sequence = readonly number[] | readonly (readonly number[])[] | NumericArray

/** Options of {@link padSequences}. */
export interface PadOptions {
  /** steps of all sequences, ≥ 1 (default: of the longest) */
  readonly length?: number
  /** which steps go of a sequence that is longer: those at its 'start' or its 'end' (default: it is refused) */
  readonly truncate?: 'start' | 'end'
}

/** Sequences of one length, zeros at the end of those that were shorter. */
export interface Padded {
  /** row by row, zeros where a sequence has ended */
  readonly data: Float32Array
  /** [sequences, steps, numbers of a step] */
  readonly shape: readonly [number, number, number]
  /** steps of each sequence that count: for a recurrent layer's `lengths` */
  readonly lengths: Int32Array
}

/**
 * Puts sequences of different lengths into one array, zeros behind the shorter ones.
 *
 * @param sequences - at least one; steps of numbers, or of rows of as many numbers everywhere
 * @param options - `length` (default: the longest), `truncate`
 * @returns `data` of `shape` [n, T, d], and the `lengths` [n] for `lstm(…)(x, { lengths })`
 * @throws TypeError for what is no sequence, ShapeError for rows of different widths, RangeError for one that is too long
 * @example
 * import { padSequences } from 'equigrad/data'
 * const { data, shape, lengths } = padSequences([[1, 2, 3], [4]])
 * console.log(shape, [...data], [...lengths]) // [2, 3, 1] [1, 2, 3, 4, 0, 0] [3, 1]
 */
export function padSequences(sequences: readonly Sequence[], options: PadOptions = {}): Padded {
  checkOptions('padSequences', options, ['length', 'truncate'])
  if (!Array.isArray(sequences) || sequences.length === 0) throw new TypeError(message('padSequences', 'a list of at least one sequence', describe(sequences)))
  const all = sequences.map((s: unknown, i) => steps(`padSequences[${i}]`, s))
  const width = all.find((s) => s.length > 0)?.[0]?.length ?? 1
  all.forEach((s, i) => s.forEach((row, t) => { if (row.length !== width) throw new ShapeError(message(`padSequences[${i}][${t}]`, `${width} numbers, as in the first step`, String(row.length))) }))
  const length = checkCount('padSequences.length', options.length ?? Math.max(1, ...all.map((s) => s.length)))
  const side = options.truncate === undefined ? null : checkWord('padSequences.truncate', options.truncate, ['start', 'end'])
  const data = new Float32Array(all.length * length * width)
  const lengths = new Int32Array(all.length)
  all.forEach((s, i) => {
    if (s.length > length && side === null) throw new RangeError(message(`padSequences[${i}]`, `at most ${length} steps`, String(s.length), 'Say which to leave out with `truncate`.'))
    const kept = s.length <= length ? s : side === 'start' ? s.slice(s.length - length) : s.slice(0, length)
    kept.forEach((row, t) => { data.set(row, (i * length + t) * width) })
    lengths[i] = kept.length
  })
  return { data, shape: [all.length, length, width], lengths }
}

/** A sequence as rows. */
function steps(where: string, given: unknown): readonly (readonly number[])[] {
  if (!Array.isArray(given) && !isNumericArray(given)) throw new TypeError(message(where, 'an array of numbers, or of rows of numbers', describe(given)))
  const list: readonly unknown[] = Array.isArray(given) ? given : Array.from(given)
  return list.map((step, t) => (Array.isArray(step) ? step : [step]).map((x: unknown) => {
    if (typeof x !== 'number' || !Number.isFinite(x)) throw new TypeError(message(`${where}[${t}]`, 'finite numbers', describe(x)))
    return x
  }))
}
