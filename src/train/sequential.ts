// sequential: layers one after the other, the sugar of the front door.
import { describe, message, ShapeError } from '../core/errors.js'
import { Value } from '../compiler/graph/value.js'
import { inputOf, type InputOptions } from '../model/define.js'
import { checkModelOptions, MODEL_OPTIONS, type ModelOptions } from '../model/model.js'
import type { Layer } from '../nn/layer.js'
import { functional } from './functional.js'
import type { TrainableModel } from './model.js'

/** What a model of layers in a row is given. */
export interface SequentialOptions extends ModelOptions {
  /** the shape of one sample, such as [784], or with how data is read: `{ shape: [784], dtype: 'u8', scale: 1 / 255 }`, or `input(…)` */
  readonly input: readonly number[] | (InputOptions & { readonly shape: readonly number[] }) | Value
}

/**
 * A model of layers one after the other.
 *
 * @param layers - at least one
 * @param options - `input`; `seed` (default 0); `name`; `store`; `lanes` (default 1)
 * @returns a model that predicts; `compile` makes it train
 * @throws ShapeError that names the layer whose input does not fit
 * @example
 * const model = sequential([dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: [784], seed: 1 })
 */
export function sequential(layers: readonly Layer[], options: SequentialOptions): TrainableModel<Value, Value> {
  if (!Array.isArray(layers) || layers.length === 0) throw new TypeError(message('sequential', 'a list of layers', describe(layers)))
  layers.forEach((layer: unknown, i) => { if (typeof layer !== 'function') throw new TypeError(message(`sequential: layer ${i}`, 'a layer such as dense(10)', describe(layer))) })
  const given = checkModelOptions('sequential', options, [...MODEL_OPTIONS, 'input'])
  const x = firstOf(options.input)
  const y = layers.reduce<Value>((value, layer) => layer(value), x)
  if (y.dtype !== 'f32') throw new ShapeError(message('sequential', 'layers that end in f32 values', y.dtype))
  return functional(x, y, given)
}

function firstOf(given: SequentialOptions['input']): Value {
  if (given instanceof Value) return given
  if (!Array.isArray(given) && (typeof given !== 'object' || given === null || !('shape' in given))) throw new TypeError(message('sequential.input', 'a shape such as [784], or { shape, dtype, scale }', describe(given)))
  return inputOf(given)
}
