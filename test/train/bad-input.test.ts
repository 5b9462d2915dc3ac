// What does not fit is refused before anything has changed: the right class of error, one form of message, the weights and the training as before.
import { describe, expect, it } from 'vitest'
import {
  accuracy, activation, adam, adamW, add, argMax, batchNormalization, BusyError, concatenate, constant, conv2d, cosineDecay, createStore, dense, depthwiseConv2d, dropout, EquigradError, flatten, functional, gradients, input, loss, lstm, matmul, maxPool2d, mse,
  mul, reshape, sequential, sgd, ShapeError, slice, sparseCategoricalCrossentropy, sparseXent, split, sum, type Layer,
} from '../../src/index.js'
import { blobs, classifier, errorOf, hashOf, net } from './support.js'

const { x, y } = blobs(40)
type Loose = (...args: readonly unknown[]) => unknown
/** A method or function as JavaScript may call it: with anything. */
const loose = (f: unknown): Loose => {
  if (typeof f !== 'function') throw new Error('not a function')
  return (...args) => Reflect.apply(f, undefined, args) as unknown
}
const method = (object: object, name: string): Loose => {
  const f: unknown = Reflect.get(object, name)
  if (typeof f !== 'function') throw new Error(`no ${name}`)
  return (...args) => Reflect.apply(f, object, args) as unknown
}

/** `<where>: expected …, got ….` and perhaps a remedy. */
const FORM = /^.+: expected .+, got .+\.( .+[.?])?$/s

interface Refusal { readonly what: string; readonly error: typeof TypeError | typeof RangeError | typeof EquigradError; readonly text: RegExp; readonly run: () => unknown }
async function expectRefused({ error, text, run }: Refusal): Promise<void> {
  const got = await errorOf(run)
  expect(got, got.stack ?? '').toBeInstanceOf(error)
  expect(got.constructor.name === error.name || got instanceof EquigradError, `${got.constructor.name}: ${got.message}`).toBe(true)
  expect(got.message).toMatch(FORM)
  expect(got.message).toMatch(text)
}

/** One model for all refusals: none may change it. */
const model = classifier()
model.trainOnBatchSync(x, y)
const hash = hashOf(model)
const fit = method(model, 'fit')
const evaluate = method(model, 'evaluate')
const predict = method(model, 'predict')
const batch = method(model, 'trainOnBatch')
const batchSync = method(model, 'trainOnBatchSync')
const swapped = <T extends { slice(): T }>(array: T, change: (copy: T) => void): T => { const copy = array.slice(); change(copy); return copy }
const nan = swapped(x, (c) => { c[17] = NaN })
const rows = Array.from({ length: 3 }, (_, i) => [i, 1, 2, 3])

const data: readonly Refusal[] = [
  { what: 'too few numbers', error: ShapeError, text: /x: expected a multiple of 4 numbers, samples of \[4\], got 159/, run: () => fit(x.slice(1), y) },
  { what: 'another shape stated', error: ShapeError, text: /x: expected a shape of \[n, 4\], got \[32, 5\]/, run: () => predict({ data: x, shape: [32, 5] }) },
  { what: 'a shape that the data has not', error: ShapeError, text: /expected 164 numbers for the shape \[41, 4\], got 160/, run: () => predict({ data: x, shape: [41, 4] }) },
  { what: 'a shape with a fraction', error: ShapeError, text: /shape \[1\.5/, run: () => predict({ data: new Float32Array(6), shape: [1.5, 4] }) },
  { what: 'negative dimensions', error: ShapeError, text: /\[-1, -4\]/, run: () => predict({ data: x.slice(0, 4), shape: [-1, -4] }) },
  { what: 'a flat list', error: ShapeError, text: /x\[0\]: expected an array \(samples are \[4\]\), got a number/, run: () => predict([1, 2, 3, 4]) },
  { what: 'a row too short', error: ShapeError, text: /x\[1\]: expected 4 entries, got 3/, run: () => predict([[1, 2, 3, 4], [1, 2, 3]]) },
  { what: 'a row too deep', error: ShapeError, text: /x\[0\]\[2\]: expected a number, got an array/, run: () => predict([[1, 2, [3], 4]]) },
  { what: 'a hole', error: TypeError, text: /x\[0\]\[1\]: expected a number, got undefined/, run: () => { const row = [1, 2, 3, 4]; Reflect.deleteProperty(row, 1); return predict([row, row, row, row]) } },
  { what: 'a hole among the rows', error: TypeError, text: /x\[1\]: expected a number, got undefined/, run: () => { const all = [...rows]; Reflect.deleteProperty(all, 1); return predict(all) } },
  { what: 'words among the numbers', error: TypeError, text: /x\[0\]\[1\]: expected a number, got "2"/, run: () => predict([[1, '2', 3, 4]]) },
  { what: 'null among the numbers', error: TypeError, text: /x\[0\]\[3\]: expected a number, got null/, run: () => predict([[1, 2, 3, null]]) },
  { what: 'a word', error: TypeError, text: /expected a Float32Array, .*, got "abc"/, run: () => predict('abc') },
  { what: 'nothing', error: TypeError, text: /got undefined/, run: () => predict() },
  { what: 'null', error: TypeError, text: /got null/, run: () => fit(null, y) },
  { what: 'no labels', error: TypeError, text: /y: expected a Float32Array, .*, got undefined/, run: () => fit(x) },
  { what: 'an object', error: TypeError, text: /got an object/, run: () => predict({ x }) },
  { what: 'bytes without a view', error: TypeError, text: /got a ArrayBuffer/, run: () => predict(x.buffer) },
  { what: 'an array of a type that is not read', error: TypeError, text: /got BigInt64Array of 4/, run: () => predict(new BigInt64Array(4)) },
  { what: 'a type that is not read, stated', error: TypeError, text: /got an object/, run: () => predict({ data: new Uint16Array(4), shape: [1, 4] }) },
  { what: 'empty data', error: RangeError, text: /x: expected at least one sample, got none/, run: () => fit(new Float32Array(), new Int32Array()) },
  { what: 'an empty list', error: RangeError, text: /at least one sample, got none/, run: () => predict([]) },
  { what: 'no samples, stated', error: RangeError, text: /at least one sample, got none/, run: () => predict({ data: new Float32Array(), shape: [0, 4] }) },
  { what: 'counts that differ', error: ShapeError, text: /expected as many samples everywhere: 40 in 'x', got 39 in 'labels:y'/, run: () => fit(x, y.slice(1)) },
  { what: 'counts that differ, in evaluate', error: ShapeError, text: /^evaluate: /, run: () => evaluate(x, y.slice(1)) },
  { what: 'counts that differ, in trainOnBatch', error: ShapeError, text: /^trainOnBatch: /, run: () => batch(x, y.slice(1)) },
  { what: 'counts that differ, in trainOnBatchSync', error: ShapeError, text: /^trainOnBatch/, run: () => batchSync(x, y.slice(1)) },
  { what: 'NaN', error: RangeError, text: /^fit: x, sample 4: expected finite numbers, got NaN\. Remove or replace missing values first\.$/, run: () => fit(nan, y) },
  { what: 'NaN in predict', error: RangeError, text: /got NaN/, run: () => predict(nan) },
  { what: 'NaN in evaluate', error: RangeError, text: /got NaN/, run: () => evaluate(nan, y) },
  { what: '∞', error: RangeError, text: /sample 0: expected finite numbers, got -Infinity/, run: () => fit(swapped(x, (c) => { c[3] = -Infinity }), y) },
  { what: 'NaN in a list', error: RangeError, text: /got NaN/, run: () => predict([[1, NaN, 1, 1]]) },
  { what: 'a double that is infinite as f32', error: RangeError, text: /expected finite numbers, got 1e\+39/, run: () => predict(Float64Array.of(1, 1e39, 1, 1)) },
  { what: 'NaN in validation data', error: RangeError, text: /^fit\.validationData: x, sample 4/, run: () => fit(x, y, { validationData: [nan, y] }) },
  { what: 'a label too large', error: RangeError, text: /y\[7\]: expected a whole number from 0 to 2, got 3/, run: () => fit(x, swapped(y, (c) => { c[7] = 3 })) },
  { what: 'a negative label', error: RangeError, text: /y\[0\]: expected a whole number from 0 to 2, got -1/, run: () => evaluate(x, swapped(y, (c) => { c[0] = -1 })) },
  { what: 'a label too large, of bytes', error: RangeError, text: /got 255/, run: () => fit(x, new Uint8Array(40).fill(255)) },
  { what: 'float labels for a sparse loss', error: TypeError, text: /y: expected whole numbers .*, got Float32Array of 40\. For one-hot labels use categoricalCrossentropy\.$/, run: () => fit(x, Float32Array.from(y)) },
  { what: 'double labels for a sparse loss', error: TypeError, text: /got Float64Array of 40/, run: () => fit(x, Float64Array.from(y)) },
  { what: 'a fraction for a sparse loss', error: RangeError, text: /y\[1\]: expected a whole number, got 0\.5/, run: () => evaluate(x.slice(0, 8), [1, 0.5]) },
  { what: 'NaN for a sparse loss', error: RangeError, text: /y\[1\]: expected a whole number, got NaN/, run: () => evaluate(x.slice(0, 8), [1, NaN]) },
  { what: 'one-hot labels for a sparse loss', error: ShapeError, text: /y\[0\]: expected a number, got an array/, run: () => evaluate(x.slice(0, 4), [[0, 1, 0]]) },
  { what: 'a bad label in validation data', error: RangeError, text: /^fit\.validationData: y\[0\]/, run: () => fit(x, y, { validationData: { x, y: new Int32Array(40).fill(9) } }) },
  { what: 'NaN weights', error: RangeError, text: /^fit\.sampleWeight\[3\]: expected finite numbers, got NaN/, run: () => fit(x, y, { sampleWeight: new Float32Array(40).map((_, i) => (i === 3 ? NaN : 1)) }) },
  { what: '∞ weights', error: RangeError, text: /^evaluate\.sampleWeight/, run: () => evaluate(x, y, { sampleWeight: new Float32Array(40).fill(Infinity) }) },
  { what: 'negative weights', error: RangeError, text: /^fit\.sampleWeight: expected weights ≥ 0/, run: () => fit(x, y, { sampleWeight: new Float32Array(40).fill(-1) }) },
  { what: 'too few weights', error: ShapeError, text: /got 39 in 'weight:'/, run: () => batch(x, y, { sampleWeight: new Float32Array(39) }) },
  { what: 'a class weight below 0', error: RangeError, text: /^fit\.classWeight\[1\]/, run: () => fit(x, y, { classWeight: { 1: -1 } }) },
  { what: 'a class weight of no class', error: TypeError, text: /^fit\.classWeight: expected class numbers from 0 as keys, got 'cat'/, run: () => fit(x, y, { classWeight: { cat: 1 } }) },
  { what: 'weights that are none', error: TypeError, text: /^fit\.sampleWeight/, run: () => fit(x, y, { sampleWeight: 'all' }) },
]

const options: readonly Refusal[] = [
  ...[0, -1, 1.5, NaN, Infinity, 2 ** 31].map((batchSize): Refusal => ({ what: `batchSize ${batchSize}`, error: RangeError, text: /^fit\.batchSize: expected an integer ≥ 1 ≤ 2147483647, got /, run: () => fit(x, y, { batchSize }) })),
  ...[0, -2, 0.5, NaN].map((batchSize): Refusal => ({ what: `evaluate's batchSize ${batchSize}`, error: RangeError, text: /^evaluate\.batchSize/, run: () => evaluate(x, y, { batchSize }) })),
  { what: 'batchSize in a word', error: TypeError, text: /^fit\.batchSize: .*got "32"/, run: () => fit(x, y, { batchSize: '32' }) },
  { what: 'batchSize "Full"', error: TypeError, text: /^fit\.batchSize/, run: () => fit(x, y, { batchSize: 'Full' }) },
  ...[0, -1, 2.5, NaN].map((epochs): Refusal => ({ what: `epochs ${epochs}`, error: RangeError, text: /^fit\.epochs: expected an integer ≥ 1/, run: () => fit(x, y, { epochs }) })),
  { what: 'epochs in a word', error: TypeError, text: /^fit\.epochs/, run: () => fit(x, y, { epochs: '3' }) },
  ...[1, 1.5, -0.1, NaN].map((validationSplit): Refusal => ({ what: `validationSplit ${validationSplit}`, error: RangeError, text: /^fit\.validationSplit: expected a finite number ≥ 0 < 1/, run: () => fit(x, y, { validationSplit }) })),
  { what: 'a split that leaves nothing to train', error: RangeError, text: /^fit\.validationSplit: expected a part of 40 samples that leaves some on both sides, got 0\.99/, run: () => fit(x, y, { validationSplit: 0.99 }) },
  { what: 'both kinds of validation', error: RangeError, text: /^fit: expected validationSplit or validationData, got both/, run: () => fit(x, y, { validationSplit: 0.1, validationData: [x, y] }) },
  ...[null, 5, 'x', [x], [x, y, y]].map((validationData): Refusal => ({ what: `validationData ${String(validationData).slice(0, 9)}`, error: TypeError, text: /^fit\.validationData: expected \[x, y\]/, run: () => fit(x, y, { validationData }) })),
  { what: 'a misspelt key of validationData', error: TypeError, text: /Did you mean 'sampleWeight'\?$/, run: () => fit(x, y, { validationData: { x, y, sampleweight: [] } }) },
  { what: 'a word for shuffle', error: TypeError, text: /^fit\.shuffle: expected true or false, got "no"/, run: () => fit(x, y, { shuffle: 'no' }) },
  { what: 'a controller for its signal', error: TypeError, text: /^fit\.signal: expected the signal of an AbortController, got a AbortController/, run: () => fit(x, y, { signal: new AbortController() }) },
  { what: 'one callback for a list', error: TypeError, text: /^fit\.callbacks: expected a list/, run: () => fit(x, y, { callbacks: { onEpochEnd: () => undefined } }) },
  { what: 'a function for a callback', error: TypeError, text: /^fit\.callbacks\[0\]: .*got a function/, run: () => fit(x, y, { callbacks: [() => undefined] }) },
  { what: 'null for a callback', error: TypeError, text: /^fit\.callbacks\[1\]: .*got null/, run: () => fit(x, y, { callbacks: [{}, null] }) },
  { what: 'options that are none', error: TypeError, text: /^fit: expected an object of options, got 5/, run: () => fit(x, y, 5) },
  ...['epochs', 'maxSteps', 'batchSize', 'shuffle', 'validationSplit', 'validationData', 'sampleWeight', 'classWeight', 'callbacks', 'signal'].map((key): Refusal => ({ what: `null for ${key}`, error: TypeError, text: /got null/, run: () => fit(x, y, { [key]: null }) })),
  { what: 'options of evaluate that are none', error: TypeError, text: /^evaluate: expected an object of options, got null/, run: () => evaluate(x, y, null) },
  { what: 'a third argument with a stream', error: TypeError, text: /^fit: expected fit\(batches, options\), got a third argument/, run: () => fit(streamOfNone, undefined, { epochs: 3 }) },
  ...['batchSize', 'shuffle', 'validationSplit', 'sampleWeight', 'classWeight'].map((key): Refusal => ({ what: `${key} with a stream`, error: TypeError, text: new RegExp(`^fit: expected options among .*, got '${key}'`), run: () => fit(streamOfNone, { [key]: 0.5 }) })),
  ...([[fit, 'epoch', 'epochs'], [fit, 'batchsize', 'batchSize'], [fit, 'validation_split', 'validationSplit'], [fit, 'callback', 'callbacks'], [evaluate, 'batch_size', 'batchSize'], [batch, 'sampleWeights', 'sampleWeight'], [batchSync, 'sample_weight', 'sampleWeight']] as const)
    .map(([call, key, meant]): Refusal => ({ what: `the option ${key}`, error: TypeError, text: new RegExp(`got '${key}'\\. Did you mean '${meant}'\\?$`), run: () => call(x, y, { [key]: 1 }) })),
]
const streamOfNone = { async *[Symbol.asyncIterator](): AsyncGenerator<never> { await Promise.resolve() } }

const weights: readonly Refusal[] = [
  { what: 'an unknown key', error: TypeError, text: /^setWeights: expected keys among dense1\.kernel, .*, got "dense9\.kernel"/, run: () => method(model, 'setWeights')({ 'dense9.kernel': { data: new Float32Array(1), shape: [1] } }) },
  { what: 'another shape', error: ShapeError, text: /^setWeights: dense1\.bias: expected \[8\], got \[1, 8\] with 8 numbers/, run: () => method(model, 'setWeights')({ 'dense1.bias': { data: new Float32Array(8), shape: [1, 8] } }) },
  { what: 'too few numbers', error: ShapeError, text: /with 7 numbers/, run: () => method(model, 'setWeights')({ 'dense1.bias': { data: new Float32Array(7), shape: [8] } }) },
  { what: 'a list', error: TypeError, text: /^setWeights: dense1\.bias: expected a Float32Array/, run: () => method(model, 'setWeights')({ 'dense1.bias': { data: [1], shape: [8] } }) },
  { what: 'no shape', error: TypeError, text: /^setWeights: dense1\.bias: expected a shape, got undefined/, run: () => method(model, 'setWeights')({ 'dense1.bias': { data: new Float32Array(8) } }) },
  { what: 'a bare array', error: TypeError, text: /^setWeights: dense1\.bias: expected/, run: () => method(model, 'setWeights')({ 'dense1.bias': new Float32Array(8) }) },
  { what: 'null', error: TypeError, text: /^setWeights: expected .*got null/, run: () => method(model, 'setWeights')(null) },
  { what: 'NaN, after one that fits', error: RangeError, text: /^setWeights: dense2\.bias: expected finite numbers/, run: () => method(model, 'setWeights')({ 'dense1.bias': { data: new Float32Array(8), shape: [8] }, 'dense2.bias': { data: Float32Array.of(1, NaN, 1), shape: [3] } }) },
]

const layers = (units: unknown, given?: unknown): unknown => loose(dense)(units, ...(given === undefined ? [] : [given]))
const build = (list: unknown, given: unknown = { input: [4] }): unknown => loose(sequential)(list, given)
const store = createStore()
const definitions: readonly Refusal[] = [
  ...[0, -3, 1.5, 2 ** 31, NaN, Infinity].map((units): Refusal => ({ what: `units ${units}`, error: RangeError, text: /^dense: units: expected an integer ≥ 1 ≤ 2147483647, got /, run: () => layers(units) })),
  ...['8', undefined, null, [8], 8n].map((units): Refusal => ({ what: `units of ${typeof units} ${String(units)}`, error: TypeError, text: /^dense: units: expected an integer/, run: () => layers(units) })),
  ...[1, 1.5, -0.1, NaN].map((rate): Refusal => ({ what: `a dropout rate of ${rate}`, error: RangeError, text: /^dropout: rate: expected a finite number ≥ 0 < 1, got /, run: () => dropout(rate) })),
  { what: 'a word for a rate', error: TypeError, text: /^dropout: rate/, run: () => loose(dropout)('0.5') },
  { what: 'an activation that is none', error: RangeError, text: /^dense\.activation: expected one of 'linear', 'relu', .*, got "rleu"\. Did you mean 'relu'\?$/, run: () => layers(3, { activation: 'rleu' }) },
  { what: 'an activation of another kind', error: TypeError, text: /^dense\.activation: expected an activation, got 5/, run: () => layers(3, { activation: 5 }) },
  { what: 'an activation layer that is none', error: RangeError, text: /^activation: expected one of/, run: () => loose(activation)('gelu') },
  { what: 'an activation that gives no value', error: TypeError, text: /^dense: expected a layer that gives a value, got 3/, run: () => build([layers(3, { activation: () => 3 })]) },
  { what: 'a flag that is none', error: TypeError, text: /^dense\.useBias: expected true or false, got 0/, run: () => layers(3, { useBias: 0 }) },
  { what: 'trainable that is none', error: TypeError, text: /^dense\.trainable: expected true or false, got "no"/, run: () => layers(3, { trainable: 'no' }) },
  ...[5, '', 'a/b'].map((name): Refusal => ({ what: `the layer name ${JSON.stringify(name)}`, error: TypeError, text: /^dense\.name: expected a string/, run: () => layers(3, { name }) })),
  ...([['dense', (o: object) => layers(3, o), 'actvation', 'activation'], ['dense', (o: object) => layers(3, o), 'use_bias', 'useBias'], ['dropout', (o: object) => loose(dropout)(0.5, o), 'nam', 'name'],
    ['flatten', (o: object) => loose(flatten)(o), 'Name', 'name'], ['reshape', (o: object) => loose(reshape)([4], o), 'name_', 'name'], ['input', (o: object) => loose(input)([4], o), 'dtyp', 'dtype'],
    ['sequential', (o: object) => build([dense(2)], { input: [4], ...o }), 'sead', 'seed']] as const)
    .map(([where, call, key, meant]): Refusal => ({ what: `the option ${key} of ${where}`, error: TypeError, text: new RegExp(`^${where}: expected options among .*, got '${key}'\\. Did you mean '${meant}'\\?$`), run: () => call({ [key]: 1 }) })),
  // null is no default: whoever writes it means something.
  ...([['dense', (o: object) => layers(3, o), ['activation', 'useBias', 'kernelInitializer', 'biasInitializer', 'kernelRegularizer', 'kernelConstraint', 'trainable', 'name']],
    ['conv2d', (o: object) => loose(conv2d)(4, 3, o), ['strides', 'padding', 'dilation', 'groups', 'activation']], ['maxPool2d', (o: object) => loose(maxPool2d)(o), ['poolSize', 'strides', 'padding']],
    ['lstm', (o: object) => loose(lstm)(3, o), ['activation', 'recurrentActivation', 'returnSequences', 'unitForgetBias']], ['batchNormalization', (o: object) => loose(batchNormalization)(o), ['momentum', 'epsilon', 'center']],
    ['adamW', (o: object) => loose(adamW)(o), ['learningRate', 'beta1', 'beta2', 'epsilon', 'weightDecay', 'exclude', 'clipNorm', 'clipValue']], ['sgd', (o: object) => loose(sgd)(o), ['learningRate', 'momentum', 'nesterov']],
    ['cosineDecay', (o: object) => loose(cosineDecay)(0.1, { steps: 3, ...o }), ['floor', 'warmup', 'warmupFrom']], ['compile', (o: object) => method(net(), 'compile')({ optimizer: adam(), loss: mse(), ...o }), ['metrics', 'lossWeights', 'shards', 'frozen']],
    ['input', (o: object) => loose(input)([4], o), ['dtype', 'scale', 'offset', 'below']]] as const)
    .flatMap(([where, call, keys]) => keys.map((key): Refusal => ({ what: `null for ${key} of ${where}`, error: TypeError, text: /got null/, run: () => call({ [key]: null }) }))),
  { what: 'no layers', error: TypeError, text: /^sequential: expected a list of layers, got \[\]/, run: () => build([]) },
  { what: 'a layer that is not in a list', error: TypeError, text: /^sequential: expected a list of layers, got a function/, run: () => build(dense(3)) },
  { what: 'something that is no layer', error: TypeError, text: /^sequential: layer 1: expected a layer such as dense\(10\), got "relu"/, run: () => build([dense(3), 'relu']) },
  { what: 'null for a layer', error: TypeError, text: /^sequential: layer 0: .*got null/, run: () => build([null]) },
  { what: 'data for a value', error: TypeError, text: /^dense: expected a value, such as input\(\[784\]\), got Float32Array of 160/, run: () => loose(dense(3))(x) },
  { what: 'no options', error: TypeError, text: /^sequential: expected an object of options, got undefined/, run: () => loose(sequential)([dense(3)]) },
  { what: 'no input', error: TypeError, text: /^sequential\.input: expected a shape such as \[784\].*, got undefined/, run: () => build([dense(3)], {}) },
  { what: 'a number for a shape', error: TypeError, text: /^sequential\.input: .*got 4/, run: () => build([dense(3)], { input: 4 }) },
  ...[[0], [-1], [1.5], [NaN], [2 ** 29], [4, 0], [2 ** 20, 2 ** 20]].map((shape): Refusal => ({ what: `the input shape [${shape.join()}]`, error: RangeError, text: /^input: shape: expected /, run: () => build([dense(3)], { input: shape }) })),
  ...[['a'], [null], [[4]], [4, '4']].map((shape): Refusal => ({ what: `the input shape ${JSON.stringify(shape)}`, error: TypeError, text: /^input: shape: expected an integer/, run: () => build([dense(3)], { input: shape }) })),
  { what: 'an input without dimensions', error: ShapeError, text: /^dense: expected an input of \[n, …, features\], got \[n\]/, run: () => build([dense(3)], { input: [] }) },
  { what: 'an input dtype that is none', error: RangeError, text: /^input\.dtype: expected one of .*got "u16"/, run: () => build([dense(3)], { input: { shape: [4], dtype: 'u16' } }) },
  { what: 'a scale of NaN', error: RangeError, text: /^input\.scale: expected a finite number, got NaN/, run: () => build([dense(3)], { input: { shape: [4], scale: NaN } }) },
  ...[-1, 0.5, 2 ** 53, NaN].map((seed): Refusal => ({ what: `the seed ${seed}`, error: RangeError, text: /^sequential\.seed: expected an integer ≥ 0/, run: () => build([dense(3)], { input: [4], seed }) })),
  { what: 'a seed in a word', error: TypeError, text: /^sequential\.seed/, run: () => build([dense(3)], { input: [4], seed: '1' }) },
  { what: 'a store that is none', error: TypeError, text: /^sequential\.store: expected a store made by createStore, got an object/, run: () => build([dense(3)], { input: [4], store: {} }) },
  { what: 'a name with a slash', error: TypeError, text: /^sequential\.name/, run: () => build([dense(3)], { input: [4], name: 'a/b' }) },
  { what: 'a shape that reshape cannot have', error: ShapeError, text: /^reshape: expected 6 elements a sample for \[2, 3\], got \[n, 4\]/, run: () => build([reshape([2, 3])]) },
  { what: 'a shape of reshape that is none', error: TypeError, text: /^reshape: shape: expected the shape of one sample/, run: () => loose(reshape)(4) },
  ...[0, 2.5, -1].map((filters): Refusal => ({ what: `${filters} filters`, error: RangeError, text: /^conv2d: filters: expected an integer ≥ 1/, run: () => loose(conv2d)(filters, 3) })),
  ...[undefined, '3', [3], [3, 3, 3], null].map((size): Refusal => ({ what: `the kernel size ${JSON.stringify(size)}`, error: TypeError, text: /^conv2d: kernelSize: expected a number, or two: \[down, across\], got /, run: () => loose(conv2d)(4, size) })),
  ...[0, [3, 0], [1.5, 3]].map((size): Refusal => ({ what: `the kernel size ${JSON.stringify(size)}`, error: RangeError, text: /^depthwiseConv2d: kernelSize: expected an integer ≥ 1/, run: () => loose(depthwiseConv2d)(size) })),
  { what: 'strides of 0', error: RangeError, text: /^conv2d\.strides: expected an integer ≥ 1/, run: () => conv2d(4, 3, { strides: 0 }) },
  { what: 'a padding that is none', error: RangeError, text: /^conv2d\.padding: expected one of 'valid', 'same', got "sme"\. Did you mean 'same'\?$/, run: () => loose(conv2d)(4, 3, { padding: 'sme' }) },
  { what: 'an option of another layer', error: TypeError, text: /^depthwiseConv2d: expected options among .*, got 'groups'/, run: () => loose(depthwiseConv2d)(3, { groups: 2 }) },
  { what: 'groups that do not divide the filters', error: RangeError, text: /^conv2d\.groups: expected a number that divides 4 filters, got 3/, run: () => conv2d(4, 3, { groups: 3 }) },
  { what: 'groups that do not divide the channels', error: ShapeError, text: /conv2d: expected channels that 2 groups divide, got 3/, run: () => build([conv2d(4, 3, { groups: 2 })], { input: [8, 8, 3] }) },
  { what: 'no image for a convolution', error: ShapeError, text: /conv2d: expected images \[n, height, width, channels\], got \[n, 28, 28\]\. Put reshape/, run: () => build([conv2d(4, 3)], { input: [28, 28] }) },
  { what: 'a kernel larger than its images', error: ShapeError, text: /conv2d: expected images of at least 5 pixels across for a kernel of \[3, 5\], got 4/, run: () => build([conv2d(4, [3, 5])], { input: [8, 4, 1] }) },
  { what: 'a dilated kernel larger than its images', error: ShapeError, text: /at least 7 pixels down for a kernel of \[3, 3\], dilated by 3, got 6/, run: () => build([depthwiseConv2d(3, { dilation: 3 })], { input: [6, 9, 2] }) },
  { what: 'weights that no memory can hold', error: EquigradError, text: /^store: expected \d+ bytes of WebAssembly memory, got a limit below that/, run: () => sequential([dense(2 ** 31 - 1)], { input: [4], store }).getWeights() },
  { what: 'weights shared over inputs of two widths', error: ShapeError, text: /expected \[4, 3\] for its 'kernel', as where it was used before, got \[3, 3\]/, run: () => { const shared: Layer = dense(3); return sequential([shared, shared], { input: [4] }) } },
]

const fresh = () => net()
const compile = (given: unknown): unknown => { const made = fresh(); return method(made, 'compile')(given) }
const good = { optimizer: adam(), loss: sparseCategoricalCrossentropy() }
const compiles: readonly Refusal[] = [
  { what: 'nothing', error: TypeError, text: /^compile: expected an object of options, got undefined/, run: () => compile(undefined) },
  { what: 'no loss', error: TypeError, text: /^compile\.loss: expected a loss such as mse\(\), got undefined/, run: () => compile({ optimizer: adam() }) },
  { what: 'a word for a loss', error: TypeError, text: /^compile\.loss: .*got "mse"/, run: () => compile({ ...good, loss: 'mse' }) },
  { what: 'a loss not called', error: TypeError, text: /^compile\.loss: .*got a function/, run: () => compile({ ...good, loss: mse }) },
  { what: 'no optimizer', error: TypeError, text: /^compile\.optimizer: expected an optimizer such as adam\(\), got undefined/, run: () => compile({ loss: mse() }) },
  { what: 'a word for an optimizer', error: TypeError, text: /^compile\.optimizer: .*got "adam"/, run: () => compile({ ...good, optimizer: 'adam' }) },
  { what: 'an optimizer not called', error: TypeError, text: /^compile\.optimizer/, run: () => compile({ ...good, optimizer: adam }) },
  { what: 'one metric for a list', error: TypeError, text: /^compile\.metrics: expected a list of metrics/, run: () => compile({ ...good, metrics: accuracy() }) },
  { what: 'a word for a metric', error: TypeError, text: /^compile\.metrics\[0\]: expected a metric such as accuracy\(\), got "accuracy"/, run: () => compile({ ...good, metrics: ['accuracy'] }) },
  { what: 'a metric twice', error: TypeError, text: /^compile: metrics: expected metrics with names of their own, got two called 'accuracy'\. Give one a `name`\.$/, run: () => compile({ ...good, metrics: [accuracy(), accuracy()] }) },
  { what: 'a metric called loss', error: TypeError, text: /two called 'loss'/, run: () => compile({ ...good, metrics: [accuracy({ name: 'loss' })] }) },
  ...[0, -1, 1.5, 65537, NaN].map((shards): Refusal => ({ what: `shards ${shards}`, error: RangeError, text: /^compile\.shards: expected an integer ≥ 1 ≤ 65536/, run: () => compile({ ...good, shards }) })),
  { what: 'frozen that is no list', error: TypeError, text: /^compile\.frozen: expected a list of strings, got "dense1"/, run: () => compile({ ...good, frozen: 'dense1' }) },
  { what: 'frozen that is no layer', error: RangeError, text: /^compile\.frozen: expected layers or weights among dense1\.kernel, .*, got "dense7"/, run: () => compile({ ...good, frozen: ['dense7'] }) },
  { what: 'lossWeights of no output', error: TypeError, text: /^compile\.lossWeights: expected options among y, got 'z'/, run: () => compile({ ...good, lossWeights: { z: 1 } }) },
  { what: 'lossWeights below 0', error: RangeError, text: /^compile\.lossWeights\.y: expected a finite number ≥ 0, got -1/, run: () => compile({ ...good, lossWeights: { y: -1 } }) },
  { what: 'lossWeights of null', error: TypeError, text: /^compile\.lossWeights: expected an object of options, got null/, run: () => compile({ ...good, lossWeights: null }) },
  { what: 'a misspelt option', error: TypeError, text: /^compile: .*got 'metric'\. Did you mean 'metrics'\?$/, run: () => compile({ ...good, metric: [] }) },
  { what: 'another misspelt option', error: TypeError, text: /Did you mean 'optimizer'\?$/, run: () => compile({ ...good, optimiser: adam() }) },
  { what: 'exclude that is no list', error: TypeError, text: /^adamW\.exclude: expected a list of strings, got "bias"/, run: async () => loose((await import('../../src/index.js')).adamW)({ exclude: 'bias' }) },
  { what: 'a learning rate in a word', error: TypeError, text: /^adam\.learningRate: expected a number, or a schedule .*got "fast"/, run: () => loose(adam)({ learningRate: 'fast' }) },
  { what: 'a flag that is none', error: TypeError, text: /^sgd\.nesterov: expected true or false, got 1/, run: () => loose(sgd)({ nesterov: 1 }) },
]

const early: readonly Refusal[] = [
  ...['fit', 'evaluate', 'trainOnBatch', 'trainOnBatchSync'].map((name): Refusal => ({ what: `${name} before compile`, error: EquigradError, text: /expected a compiled model, got one that is not\. Call compile\(\{ optimizer, loss \}\) first\.$/, run: () => method(fresh(), name)(x, y) })),
  { what: 'its program before compile', error: EquigradError, text: /^program: expected a compiled model/, run: () => fresh().program('grad') },
  { what: 'class labels for an output without classes', error: ShapeError, text: /expected an output of \[n, …, classes\]/, run: () => sequential([dense(1), reshape([])], { input: [4] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() }) },
]

describe.each([['data', data], ['options of training', options], ['weights', weights]] as const)('refused: %s', (_, list) => {
  it.each(list)('$what', async (refusal) => {
    await expectRefused(refusal)
    expect(hashOf(model)).toBe(hash)
    expect([model.step, model.epoch]).toEqual([1, 0])
  })
})

/** Two inputs, two outputs. */
const branching = () => {
  const [left, right] = [input([4]), input([2])]
  const h = concatenate([dense(3, { name: 'left' })(left), right])
  return functional({ left, right }, { kind: dense(3, { name: 'kind' })(h), size: dense(1, { name: 'size' })(h) }, { seed: 1 })
}
const losses = { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }
const branched = branching().compile({ optimizer: adam(), loss: losses, metrics: { kind: [accuracy()] } })
const both = { left: x, right: new Float32Array(80) }
const answers = { kind: y, size: new Float32Array(40) }
const ofTwo = (name: string, ...args: readonly unknown[]) => () => method(branched, name)(...args)
const compileTwo = (given: object) => () => method(branching(), 'compile')({ optimizer: adam(), loss: losses, ...given })
const pair = () => [input([4]), input([2])] as const
const graphs: readonly Refusal[] = [
  { what: 'labels for one of two outputs', error: TypeError, text: /^fit: y\.size: expected a Float32Array, .*, got undefined/, run: ofTwo('fit', both, { kind: y }) },
  { what: 'labels for an output that is not there', error: TypeError, text: /^fit: expected labels for kind, size, got 'age'/, run: ofTwo('fit', both, { ...answers, age: y }) },
  { what: 'labels without names', error: TypeError, text: /^fit: expected a record of data by name, got Int32Array of 40/, run: ofTwo('fit', both, y) },
  { what: 'labels for one of two outputs, in evaluate', error: TypeError, text: /^evaluate: y\.kind: expected .*, got undefined/, run: ofTwo('evaluate', both, { size: answers.size }) },
  { what: 'labels for one of two outputs, to validate on', error: TypeError, text: /^fit\.validationData: y\.size: /, run: ofTwo('fit', both, answers, { validationData: [both, { kind: y }] }) },
  { what: 'data for one of two inputs', error: TypeError, text: /^predict: right: expected a Float32Array, .*, got undefined/, run: ofTwo('predict', { left: x }) },
  { what: 'data for an input that is not there', error: TypeError, text: /^predict: expected data for left, right, got 'middle'/, run: ofTwo('predict', { ...both, middle: x }) },
  { what: 'data without names', error: TypeError, text: /^predict: expected a record of data by name, got Float32Array of 160/, run: ofTwo('predict', x) },
  { what: 'inputs of different counts', error: ShapeError, text: /^fit: expected as many samples everywhere: 40 in 'left', got 39 in 'right'/, run: ofTwo('fit', { left: x, right: new Float32Array(78) }, answers) },
  { what: 'labels of different counts', error: ShapeError, text: /^fit: expected as many samples everywhere: 40 in 'left', got 39 in 'labels:size'/, run: ofTwo('fit', both, { kind: y, size: new Float32Array(39) }) },
  { what: 'a record of losses that lacks one', error: TypeError, text: /^compile: loss: expected a loss for each output: kind, size, got none for 'size'/, run: compileTwo({ loss: { kind: losses.kind } }) },
  { what: 'no record of losses', error: TypeError, text: /^compile\.loss\.kind: expected a loss such as mse\(\), got "mse"/, run: compileTwo({ loss: mse() }) },
  { what: 'a loss of an output that is not there', error: TypeError, text: /^compile: loss: expected outputs among kind, size, got 'age'/, run: compileTwo({ loss: { ...losses, age: mse() } }) },
  { what: 'metrics of an output that is not there', error: TypeError, text: /^compile: metrics: expected outputs among kind, size, got 'age'/, run: compileTwo({ metrics: { age: [accuracy()] } }) },
  { what: 'metrics in a list for two outputs', error: TypeError, text: /^compile\.metrics: expected a record of data by name, got an array of 1/, run: compileTwo({ metrics: [accuracy()] }) },
  { what: 'a weight of an output that is not there', error: TypeError, text: /^compile\.lossWeights: expected options among kind, size, got 'sizes'\. Did you mean 'size'\?$/, run: compileTwo({ lossWeights: { sizes: 1 } }) },
  { what: 'an input that is not used', error: EquigradError, text: /^model: expected an output that depends on the input 'b', got none/, run: () => { const [a, b] = pair(); return functional({ a, b }, dense(1)(a)) } },
  { what: 'an input that is not declared', error: EquigradError, text: /^model: expected every input among its inputs, got one of shape \[n, 2\] that is not/, run: () => { const [a, b] = pair(); return functional({ a }, concatenate([a, b])) } },
  { what: 'one input under two names', error: TypeError, text: /^model: expected an input of its own as 'b', got one that has another name too/, run: () => { const [a] = pair(); return functional({ a, b: a }, dense(1)(a)) } },
  { what: 'a computed value for an input', error: TypeError, text: /^model: expected input\(…\) as 'a', got a computed value/, run: () => { const [a] = pair(); const h = dense(2)(a); return functional({ a: h }, dense(1)(h)) } },
  { what: 'data for a value in a record', error: TypeError, text: /^functional: inputs\.a: expected a value, got Float32Array of 160/, run: () => loose(functional)({ a: x }, pair()[0]) },
  { what: 'an empty record', error: TypeError, text: /^functional: outputs: expected at least one value, got none/, run: () => functional(pair()[0], {}) },
  { what: 'an output that is a sum over the samples', error: ShapeError, text: /^functional: y: expected an output of f32 values for each sample, got f32\[4\]/, run: () => { const [a] = pair(); return functional(a, sum(a, 0)) } },
  { what: 'an output of whole numbers', error: ShapeError, text: /^functional: y: expected an output of f32 values for each sample, got i32\[n\]/, run: () => { const [a] = pair(); return functional(a, argMax(a)) } },
  { what: 'a name of an input with a colon', error: TypeError, text: /^model: expected names of inputs without \$, : or \/, got "a:b"/, run: () => { const [a] = pair(); return functional({ 'a:b': a }, dense(1)(a)) } },
  { what: 'a merge of widths that differ', error: ShapeError, text: /^add: expected shapes that broadcast, got \[n, 4\] and \[n, 2\]/, run: () => { const [a, b] = pair(); return add(a, b) } },
  { what: 'a merge of sequences of different lengths', error: ShapeError, text: /^concat: expected shapes that differ along axis 2 alone, got \[n, 3, 2\] and \[n, 4, 2\]/, run: () => concatenate([input([3, 2]), input([4, 2])]) },
  { what: 'a merge along the samples', error: ShapeError, text: /^concatenate: expected an axis of \[n, 4\] that is not the samples', got 0/, run: () => concatenate([...pair()], { axis: 0 }) },
  { what: 'a product of shapes that do not fit', error: ShapeError, text: /^matmul: expected shapes that fit, got \[n, 4\] · \[3, 2\]/, run: () => matmul(pair()[0], constant([[1, 2], [3, 4], [5, 6]])) },
  { what: 'parts that do not make up the whole', error: ShapeError, text: /^split: expected widths that make up the last dimension of \[n, 4\], got \[1, 2\]/, run: () => split(pair()[0], [1, 2]) },
  { what: 'a part beyond the end', error: ShapeError, text: /^slice: expected 0 ≤ from < to ≤ 4 along axis 1 of \[n, 4\], got 3 to 5/, run: () => slice(pair()[0], 3, 5) },
  { what: 'a layer within a layer whose input does not fit', error: ShapeError, text: /^reshape: expected 6 elements a sample for \[2, 3\], got \[n, 4\]/, run: () => reshape([2, 3])(pair()[0]) },
  { what: 'two layers of one name', error: EquigradError, text: /^model: expected layers with names of their own, got two called 'one'\. Give one another `name`\.$/, run: () => { const [a] = pair(); return functional(a, dense(2, { name: 'one' })(dense(2, { name: 'one' })(a))) } },
  { what: 'two models whose weights have one key, in one model', error: EquigradError, text: /^model: expected weights with keys of their own, got two called 'dense1\.kernel'\. Give one of the models, or layers, a `name`\.$/, run: () => { const [a] = pair(); const shared = createStore(); const part = () => sequential([dense(2)], { input: [4], store: shared }); return functional(a, add(part().call(a), part().call(a))) } },
  { what: 'two models whose weights have one key, in one store', error: EquigradError, text: /^store: expected weights with keys of their own, got a second 'dense1\.kernel'\. Give the model a `name`\.$/, run: () => { const shared = createStore(); const part = () => sequential([dense(2)], { input: [4], store: shared }); part().prepare(); part().prepare() } },
  { what: 'layers of models in different stores', error: EquigradError, text: /^model: expected layers whose models share a store, got 'b\/dense1\.kernel' in another\. Define those models with one `store`\.$/, run: () => { const [a] = pair(); const part = (name: string) => sequential([dense(2)], { input: [4], name }); return functional(a, add(part('a').call(a), part('b').call(a))) } },
  { what: 'a model called on a value of another shape', error: ShapeError, text: /^call: x: expected f32\[n, 4\], got f32\[n, 2\]/, run: () => net().call(pair()[1]) },
  { what: 'a model called on one of its two inputs', error: TypeError, text: /^call: right: expected a value, got undefined/, run: () => loose((v: unknown) => method(branching(), 'call')(v))({ left: pair()[0] }) },
  { what: 'a kernel larger than an image that another layer made', error: ShapeError, text: /^conv2d: expected images of at least 3 pixels down for a kernel of \[3, 3\], got 2/, run: () => build([conv2d(2, 2, { strides: 2 }), conv2d(2, 3)], { input: [4, 8, 1] }) },
  { what: 'groups that do not divide the channels that another layer made', error: ShapeError, text: /^conv2d: expected channels that 4 groups divide, got 6/, run: () => build([conv2d(6, 1), conv2d(8, 1, { groups: 4 })], { input: [4, 4, 1] }) },
  { what: 'a gradient in a loss through an op without one', error: EquigradError, text: /^gradients: expected ops that have a gradient, got 'sparseXentGrad' in loss:y, which has none\.$/, run: () => compile({ optimizer: adam(), loss: loss('penalised', (a, b) => sum(mul(gradients(sparseXent(a, argMax(b)), [a])[0], b), 1)) }) },
  { what: 'a constraint that is none', error: RangeError, text: /^dense\.biasConstraint: expected one of 'maxNorm', 'nonNeg', .*, got "nonneg"\. Did you mean 'nonNeg'\?$/, run: () => layers(3, { biasConstraint: 'nonneg' }) },
  { what: 'a constraint of another kind', error: TypeError, text: /^conv2d\.kernelConstraint: expected a constraint such as maxNorm\(2\), or a function of a weight, got 2/, run: () => loose(conv2d)(4, 3, { kernelConstraint: 2 }) },
  { what: 'a constraint that gives another shape', error: ShapeError, text: /^batchNormalization: constraint of 'gamma': expected a constraint that gives a value as its weight, f32\[4\], got f32\[\]/, run: () => build([batchNormalization({ gammaConstraint: (w) => sum(w) })]) },
]

describe.each([['definitions', definitions], ['compile', compiles], ['graphs', graphs]] as const)('refused: %s', (_, list) => {
  it.each(list)('$what', expectRefused)
})

describe('refused: too early', () => {
  it.each(early)('$what', expectRefused)
})

describe('after all of it', () => {
  it('the model trains as one that never saw it', async () => {
    const other = classifier()
    other.trainOnBatchSync(x, y)
    for (const refusal of [...data, ...options, ...weights]) await errorOf(refusal.run)
    expect(await model.fit(x, y, { epochs: 2 })).toEqual(await other.fit(x, y, { epochs: 2 }))
    expect(hashOf(model)).toBe(hashOf(other))
  })

  it('a model of two outputs trains as one that never saw any of it', async () => {
    const other = branching().compile({ optimizer: adam(), loss: losses, metrics: { kind: [accuracy()] } })
    for (const refusal of graphs) await errorOf(refusal.run)
    expect([branched.step, branched.epoch]).toEqual([0, 0])
    expect(await branched.fit(both, answers, { epochs: 2 })).toEqual(await other.fit(both, answers, { epochs: 2 }))
    expect(hashOf(branched)).toBe(hashOf(other))
  })

  it('a compile that is refused leaves the one before', async () => {
    const twice = classifier()
    await twice.fit(x, y)
    for (const bad of [{ ...good, shards: 0 }, { ...good, loss: 'mse' }, { ...good, metrics: [accuracy(), accuracy()] }, { ...good, frozen: ['nothing'] }]) await errorOf(() => method(twice, 'compile')(bad))
    await twice.fit(x, y)
    const once = classifier()
    await once.fit(x, y, { epochs: 2 })
    expect(hashOf(twice)).toBe(hashOf(once))
  })

  it('a store whose memory could not grow serves others', async () => {
    const small = sequential([dense(3)], { input: [4], store, name: 'small' })
    expect((await small.predict(x)).shape).toEqual([40, 3])
    expect(BusyError.prototype).toBeInstanceOf(EquigradError)
  })
})
