// activation and dropout as layers.
import { checkNumber, checkOptions } from '../../core/options.js'
import { Value } from '../../compiler/graph/value.js'
import { dropout as dropoutOp } from '../../compiler/ops/dropout.js'
import { byMode } from '../../compiler/ops/mode.js'
import { activationOption, type Activation } from '../activations.js'
import { layer, type Layer, type LayerOptions } from '../layer.js'

/**
 * An activation as a layer of its own.
 *
 * @param given - a word, or a function of a value
 */
export function activation(given: Activation, options: Pick<LayerOptions, 'name'> = {}): Layer {
  checkOptions('activation', options, ['name'])
  const f = activationOption()('activation', given)
  return layer('activation', options, (x) => f(x))
}

/** The global index of each sample of a batch: what random streams count by. */
export const sampleIndex = (): Value => new Value(['n'], 'i32', { kind: 'input', spec: { name: '$sample', data: 'i32', scale: 1, offset: 0, classes: null } })

/**
 * While training, sets elements to 0 with probability `rate` and multiplies the rest by 1 / (1 − rate); in prediction, nothing
 * (Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, 2014; the inverted form, as in Keras and PyTorch).
 *
 * Which elements depends on the seed, the place in the model, the step and the sample's index in the data, never on its place in a batch.
 *
 * @param rate - 0 ≤ rate < 1
 */
export function dropout(rate: number, options: Pick<LayerOptions, 'name'> = {}): Layer {
  checkNumber('dropout: rate', rate, { min: 0, below: 1 })
  checkOptions('dropout', options, ['name'])
  return layer('dropout', options, (x) => byMode(dropoutOp(x, sampleIndex(), rate), x))
}
