// The worked example as a saved model, for programs that load one.
import { dense, save, sequential } from '../../../dist/index.js'
import { SIZES, weights } from './inputs.mjs'

export function savedModel() {
  const [, first, second, classes] = SIZES
  const model = sequential([dense(first, { activation: 'relu' }), dense(second, { activation: 'relu' }), dense(classes, { activation: 'softmax' })], { input: [SIZES[0]] })
  model.setWeights(Object.fromEntries(weights.map((weight, i) => [`dense${(i >> 1) + 1}.${i % 2 === 0 ? 'kernel' : 'bias'}`, weight])))
  return save(model)
}
