// First values of weights. An initializer is a word, or a function made by one of those below. Values are drawn from a stream of the weight's
// own key, so they depend on nothing else.
import { checkNumber } from '../core/options.js'
import { wordOr, type Reader } from '../core/readers.js'
import type { Init } from '../compiler/graph/value.js'

/** Inputs and outputs of one unit, as they count for variance scaling. */
export interface Fans {
  /** numbers that a unit reads */
  readonly fanIn: number
  /** units that read a number */
  readonly fanOut: number
}
/** How first values are drawn, by the inputs and outputs of a unit. */
export type InitializerFunction = (fans: Fans) => Init
/** The initialisers of the library by their words (Glorot, Bengio 2010; He et al. 2015; Saxe et al. 2014). */
export type InitializerName = 'glorotUniform' | 'glorotNormal' | 'heUniform' | 'heNormal' | 'orthogonal' | 'zeros' | 'ones'
/** First values of a weight: a word, or a function such as `normal(0, 0.05)`. */
export type Initializer = InitializerName | InitializerFunction

/** Standard deviation of a normal variable truncated at two deviations: Keras divides by it, so that the drawn values have the wanted one. */
const TRUNCATED_DEVIATION = 0.87962566103423978

const scaledUniform = (variance: number): Init => { const limit = Math.sqrt(3 * variance); return { kind: 'uniform', low: -limit, high: limit } }
const scaledNormal = (variance: number): Init => ({ kind: 'truncatedNormal', mean: 0, deviation: Math.sqrt(variance) / TRUNCATED_DEVIATION })

const named: Readonly<Record<InitializerName, InitializerFunction>> = {
  // Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks, 2010: variance 2 / (fanIn + fanOut)
  glorotUniform: ({ fanIn, fanOut }) => scaledUniform(2 / (fanIn + fanOut)),
  glorotNormal: ({ fanIn, fanOut }) => scaledNormal(2 / (fanIn + fanOut)),
  // He, Zhang, Ren, Sun: Delving deep into rectifiers, 2015: variance 2 / fanIn
  heUniform: ({ fanIn }) => scaledUniform(2 / fanIn),
  heNormal: ({ fanIn }) => scaledNormal(2 / fanIn),
  orthogonal: () => ({ kind: 'orthogonal', gain: 1 }),
  zeros: () => ({ kind: 'constant', value: 0 }),
  ones: () => ({ kind: 'constant', value: 1 }),
}

/** Every value the same. */
export const constantInitializer = (value: number): InitializerFunction => {
  checkNumber('constantInitializer', value)
  return () => ({ kind: 'constant', value })
}

/** Uniform in [low, high) (Keras' `RandomUniform`: −0.05, 0.05). */
export function uniform(low = -0.05, high = 0.05): InitializerFunction {
  checkNumber('uniform.low', low)
  checkNumber('uniform.high', high, { min: low })
  return () => ({ kind: 'uniform', low, high })
}

/**
 * A random orthogonal matrix (Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of learning in deep linear neural networks,
 * 2013): rows, or columns if they are fewer, of length `gain` at right angles to each other; dimensions but the last count as rows.
 *
 * @param gain - (default 1)
 */
export function orthogonal(gain = 1): InitializerFunction {
  checkNumber('orthogonal', gain)
  return () => ({ kind: 'orthogonal', gain })
}

/** Normal (Keras' `RandomNormal`: mean 0, deviation 0.05). */
export function normal(mean = 0, deviation = 0.05): InitializerFunction {
  checkNumber('normal.mean', mean)
  checkNumber('normal.deviation', deviation, { min: 0 })
  return () => ({ kind: 'normal', mean, deviation })
}

/** Normal, drawn again beyond two deviations (Keras' `TruncatedNormal`: mean 0, deviation 0.05). */
export function truncatedNormal(mean = 0, deviation = 0.05): InitializerFunction {
  checkNumber('truncatedNormal.mean', mean)
  checkNumber('truncatedNormal.deviation', deviation, { min: 0 })
  return () => ({ kind: 'truncatedNormal', mean, deviation })
}

/** What an option says: the function of a word, or the function itself. */
export const initializerOption = (fallback: InitializerName): Reader<InitializerFunction> => wordOr('an initializer', named, fallback)
