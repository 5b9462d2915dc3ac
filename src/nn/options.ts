// Options that layers share, as they are read.
import { describe, message } from '../core/errors.js'
import { checkCount, checkFlag } from '../core/options.js'
import { optional, or, type Reader } from '../core/readers.js'
import { constraintOption, type ConstraintFunction } from './constraints.js'
import { initializerOption, type InitializerFunction, type InitializerName } from './initializers.js'
import { regularizerOption, type Regularizer } from './regularizers.js'

/** Of every layer. */
export const layerOptions = {
  name(where: string, given: unknown): string | undefined {
    if (given !== undefined && (typeof given !== 'string' || given === '' || given.includes('/'))) throw new TypeError(message(where, 'a string that is not empty, without a slash', describe(given)))
    return given
  },
  trainable: (where: string, given: unknown) => checkFlag(where, or(given, true)),
}

type WeightOptions<N extends string> = Readonly<Record<`${N}Initializer`, Reader<InitializerFunction>> & Record<`${N}Regularizer`, Reader<Regularizer | undefined>> & Record<`${N}Constraint`, Reader<ConstraintFunction | undefined>>>

/** Of a weight: of `kernel`, kernelInitializer, kernelRegularizer and kernelConstraint. */
export const weightOptions = <const N extends string>(name: N, fallback: InitializerName): WeightOptions<N> => ({
  [`${name}Initializer`]: initializerOption(fallback), [`${name}Regularizer`]: optional(regularizerOption), [`${name}Constraint`]: optional(constraintOption),
}) as WeightOptions<N>

/** A number for both, or one down and one across. */
export const pair = (fallback?: unknown): Reader<readonly [number, number]> => (where, given) => {
  const value = or(given, fallback)
  if (typeof value === 'number') { checkCount(where, value); return [value, value] }
  if (!Array.isArray(value) || value.length !== 2) throw new TypeError(message(where, 'a number, or two: [down, across]', describe(value)))
  return [checkCount(where, value[0]), checkCount(where, value[1])]
}
