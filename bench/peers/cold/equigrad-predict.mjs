// equigrad/predict: the first prediction of the worked example, out of a saved model.
import { readFileSync } from 'node:fs'
import { load } from '../../../dist/predict.js'
import { image, say } from './inputs.mjs'

say(load(readFileSync(process.env.MODEL)).predictSync(image).data)
