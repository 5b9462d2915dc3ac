// brain.js: the first prediction of a network of the worked example's size, its own first weights in it: it has another output layer.
import brain from 'brain.js'
import { image, say, SIZES } from './inputs.mjs'

const net = new brain.NeuralNetwork({ activation: 'relu' })
net.sizes = SIZES
net.initialize()
say(net.run(image))
