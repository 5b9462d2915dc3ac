// functional: a model from values to values; several inputs and outputs are records with names.
import { message, ShapeError } from '../core/errors.js'
import { Value } from '../compiler/graph/value.js'
import { defineModel } from '../model/define.js'
import { checkModelOptions, MODEL_OPTIONS, ONE, ONE_OUTPUT, valuesOf, type ModelOptions, type Values } from '../model/model.js'
import { TrainableModel } from './model.js'

/**
 * A model of the values between some inputs and some outputs. Layers that occur twice share their weights, also with other models.
 *
 * @param inputs - made by `input`: one, or a record of them by name
 * @param outputs - computed from them: one, or a record by name
 * @param options - `seed` (default 0), `name`, `store`, `lanes` (default 1)
 * @returns a model that predicts; `compile` makes it train
 * @throws EquigradError when an input is not used or not declared, or when two weights have one key
 * @example
 * const image = input([28, 28]), age = input([1])
 * const h = concatenate([dense(16, { activation: 'relu' })(flatten()(image)), age])
 * const net = functional({ image, age }, { kind: dense(10)(h), size: dense(1)(h) }, { seed: 1 })
 */
export function functional<const I extends Values, const O extends Values>(inputs: I, outputs: O, options: ModelOptions = {}): TrainableModel<I, O> {
  const { name, seed, ...home } = checkModelOptions('functional', options, MODEL_OPTIONS)
  const ins = valuesOf('functional: inputs', inputs, ONE), outs = valuesOf('functional: outputs', outputs, ONE_OUTPUT)
  for (const [key, v] of Object.entries(outs)) if (v.dtype !== 'f32' || v.shape[0] !== 'n') throw new ShapeError(message(`functional: ${key}`, 'an output of f32 values for each sample', String(v)))
  const defined = defineModel(ins, outs, { name, seed, ...home })
  return new TrainableModel<I, O>({ graph: defined.graph, seed, name, oneInput: inputs instanceof Value, oneOutput: outputs instanceof Value }, defined)
}
