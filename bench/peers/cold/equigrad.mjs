// equigrad: the first prediction of the worked example.
import { dense, sequential } from '../../../dist/index.js'
import { image, say, SIZES, weights } from './inputs.mjs'

const [, first, second, classes] = SIZES
const model = sequential([dense(first, { activation: 'relu' }), dense(second, { activation: 'relu' }), dense(classes, { activation: 'softmax' })], { input: [SIZES[0]] })
model.setWeights(Object.fromEntries(weights.map((weight, i) => [`dense${(i >> 1) + 1}.${i % 2 === 0 ? 'kernel' : 'bias'}`, weight])))
say(model.predictSync(image).data)
