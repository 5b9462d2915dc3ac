// What the types of the front door allow and refuse: this file only has to compile (`tsc --noEmit`); each @ts-expect-error must hold an error.
import {
  abs, accuracy, activation, adam, adamW, batchNormalization, binaryAccuracy, binaryCrossentropy, categoricalCrossentropy, clip, constant, conv2d, cosineDecay, createStore,
  decodeShard, dense, depthwiseConv2d, dropout, earlyStopping, elu, encodeShard, flatten, functional, gradients, gru, input, l1l2, l2, layer, leakyRelu, load, loss, lstm, mae, max,
  maxNorm, mean, metric, minMaxNorm, mse, neg, nonNeg, orthogonal, progress, reshape, rmsprop, save, sequential, sgd, shardRows, sparseCategoricalCrossentropy, sparseXent, square,
  step, stepDecay, sub, sum, truncatedNormal, unitNorm, type Callback, type FitEvent, type Scalar, type Shard, type Tensor, type TrainableModel, type Value, type Weight,
} from '../../src/index.js'
import { adapter, fakeQuantize, lowRank, magnitudeMask, mask, stochasticClip, strip } from '../../src/compress/index.js'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends (<T>() => T extends B ? 1 : 2) ? true : false
/** Compiles when the two types are the same. */
const same = <A, B>(equal: Equal<A, B>): void => { void equal }

declare const x: Float32Array
declare const y: Uint8Array
declare const floats: Float32Array
declare const bytes: Uint8Array

export async function sequentialModel(): Promise<void> {
  const model = sequential([
    dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' }),
  ], { input: [784], seed: 1 }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const history = await model.fit(x, y, { epochs: 10, batchSize: 128, validationSplit: 0.1 })
  const { loss, accuracy: acc } = await model.evaluate(x, y)
  same<typeof loss, number>(true)
  same<typeof acc, number>(true)
  const va = history.validation.at(-1)?.accuracy
  same<typeof va, number | undefined>(true)
  const first = history.epochs[0]?.loss
  same<typeof first, number | undefined>(true)
  same<typeof history.loss, readonly number[]>(true)
  same<typeof history.stopped, string | null>(true)
  const p = await model.predict(x)
  same<typeof p, Tensor>(true)
  same<ReturnType<typeof p.argMax>, Int32Array>(true)
  p.topK(3).indices.at(0)
  const shared = new Float32Array(new SharedArrayBuffer(40))
  const into = await model.predict(x, { out: shared })
  same<typeof into, Tensor<SharedArrayBuffer>>(true)
  const atOnce = model.predictSync(x)
  same<typeof atOnce, Tensor>(true)
  void [into, atOnce]
  // @ts-expect-error results are f32
  model.predictSync(x, { out: new Float64Array(10) })
  // @ts-expect-error misspelt option
  await model.predict(x, { into: shared })
  void [loss, acc, va, first]
  same<typeof model.step, number>(true)
  same<typeof model.epoch, number>(true)

  // labels of every kind that the loss takes
  await model.fit(x, [1, 2, 3])
  await model.fit(x, new Int32Array(3))
  await model.fit([[1, 2]], y)
  await model.fit({ data: bytes, shape: [1, 784] }, y, { batchSize: 'full', shuffle: false })
  await model.fit(x, y, { validationData: [x, y] })
  await model.fit(x, y, { validationData: { x, y, sampleWeight: [1] }, sampleWeight: floats, signal: new AbortController().signal })
  await model.fit(batches(), { epochs: 2, validationData: [x, y] })
  const on = await model.trainOnBatch(x, y, { sampleWeight: floats })
  same<typeof on.accuracy, number>(true)
  same<typeof on, ReturnType<typeof model.trainOnBatchSync>>(true)
  void on

  // @ts-expect-error float labels for a sparse loss
  await model.fit(x, new Float32Array(3))
  // @ts-expect-error double labels for a sparse loss
  await model.evaluate(x, new Float64Array(3))
  // @ts-expect-error one-hot labels for a sparse loss
  model.trainOnBatchSync(x, [[0, 1]])
  // @ts-expect-error words for labels
  await model.fit(x, ['cat'])
  // @ts-expect-error float labels to validate on
  await model.fit(x, y, { validationData: [x, new Float32Array(3)] })
  // @ts-expect-error a metric not compiled
  void (await model.evaluate(x, y)).precision
  // @ts-expect-error a metric not compiled, in history
  void history.epochs[0]?.mae
  // @ts-expect-error misspelt option
  await model.fit(x, y, { epoch: 10 })
  // @ts-expect-error misspelt option
  await model.fit(x, y, { batchsize: 10 })
  // @ts-expect-error a word that is none
  await model.fit(x, y, { batchSize: 'all' })
  // @ts-expect-error misspelt option
  await model.evaluate(x, y, { batch_size: 10 })
  // @ts-expect-error no labels
  await model.fit(x)
  // @ts-expect-error labels for predict
  await model.predict(x, y)
  // @ts-expect-error a word for data
  await model.predict('x')
  // @ts-expect-error a record for one input
  await model.predict({ image: x })
  // @ts-expect-error one callback for a list
  await model.fit(x, y, { callbacks: earlyStopping() })
  // @ts-expect-error a controller for its signal
  await model.fit(x, y, { signal: new AbortController() })
  // @ts-expect-error batchSize of a stream is in the stream
  await model.fit(batches(), { batchSize: 3 })
  // @ts-expect-error a stream is not shuffled
  await model.fit(batches(), { shuffle: true })
  // @ts-expect-error labels of a stream are in its batches
  await model.fit(batches(), y, { epochs: 1 })
  // @ts-expect-error batches of float labels
  await model.fit(floatBatches())
  // @ts-expect-error predictions are read only in shape
  p.shape = [1]
  // @ts-expect-error scores cannot be set
  history.epochs[0] = { loss: 1, accuracy: 1 }
}

declare function batches(): AsyncIterable<{ readonly x: Float32Array; readonly y: Uint8Array; readonly sampleWeight?: Float32Array }>
declare function floatBatches(): AsyncIterable<{ readonly x: Float32Array; readonly y: Float32Array }>

export async function metrics(): Promise<void> {
  const make = () => sequential([dense(1, { activation: 'sigmoid' })], { input: [3] })
  const many = make().compile({ optimizer: sgd(), loss: binaryCrossentropy(), metrics: [accuracy(), binaryAccuracy(), accuracy({ name: 'strict', threshold: 0.9 }), binaryAccuracy({ name: 'lax' }), mse(), mae()] })
  const scores = await many.evaluate(x, floats)
  same<keyof typeof scores, 'loss' | 'accuracy' | 'binaryAccuracy' | 'strict' | 'lax' | 'mse' | 'mae'>(true)
  same<typeof scores.strict, number>(true)
  void scores
  const named = make().compile({ optimizer: sgd(), loss: binaryCrossentropy(), metrics: [binaryAccuracy({ name: 'lax' })] })
  // @ts-expect-error it is called lax
  void (await named.evaluate(x, floats)).binaryAccuracy
  const threshold = make().compile({ optimizer: sgd(), loss: binaryCrossentropy(), metrics: [accuracy({ threshold: 0.2 })] })
  same<keyof Awaited<ReturnType<typeof threshold.evaluate>>, 'loss' | 'accuracy'>(true)
  void threshold
  const none = make().compile({ optimizer: sgd(), loss: mse() })
  const only = await none.evaluate(x, floats)
  same<keyof typeof only, 'loss'>(true)
  // @ts-expect-error no metric was compiled
  void only.accuracy
  const empty = make().compile({ optimizer: sgd(), loss: mse(), metrics: [] })
  // @ts-expect-error no metric was compiled
  void (await empty.evaluate(x, floats)).accuracy
  // numbers for numbers
  await none.fit(x, [[1], [2]])
  await none.fit(x, { data: bytes, shape: [3, 1] })
  await none.fit(x, new Float64Array(3))
  // @ts-expect-error words for numbers
  await none.fit(x, ['1'])
  const again = none.compile({ optimizer: rmsprop(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  same<keyof Awaited<ReturnType<typeof again.evaluate>>, 'loss' | 'accuracy'>(true)
  void again
  const categorical = make().compile({ optimizer: adam(), loss: categoricalCrossentropy({ fromLogits: true }) })
  await categorical.fit(x, floats)
}

export function compiling(): void {
  const model = sequential([dense(3)], { input: [3] })
  // @ts-expect-error not compiled: fit takes its labels from the loss
  void model.fit(x, y, { epoch: 3 })
  // @ts-expect-error no loss
  model.compile({ optimizer: adam() })
  // @ts-expect-error no optimizer
  model.compile({ loss: mse() })
  // @ts-expect-error words are no losses
  model.compile({ optimizer: adam(), loss: 'mse' })
  // @ts-expect-error words are no optimizers
  model.compile({ optimizer: 'adam', loss: mse() })
  // @ts-expect-error words are no metrics
  model.compile({ optimizer: adam(), loss: mse(), metrics: ['accuracy'] })
  // @ts-expect-error one metric for a list
  model.compile({ optimizer: adam(), loss: mse(), metrics: accuracy() })
  // @ts-expect-error a loss that is not called
  model.compile({ optimizer: adam(), loss: mse })
  // @ts-expect-error misspelt option
  model.compile({ optimizer: adam(), loss: mse(), metric: [accuracy()] })
  // @ts-expect-error a record of losses for one output
  model.compile({ optimizer: adam(), loss: { y: mse() } })
  // @ts-expect-error one name for a list
  model.compile({ optimizer: adam(), loss: mse(), frozen: 'dense1' })
  model.compile({ optimizer: adam(), loss: mse(), frozen: ['dense1'], shards: 2, lossWeights: { y: 2 } })
}

export function definitions(): void {
  dense(3, { activation: leakyRelu(0.1), kernelInitializer: truncatedNormal(), kernelRegularizer: l1l2({ l1: 0.1 }), biasRegularizer: l2(), useBias: true, name: 'a', trainable: false })
  dense(3, { activation: (v) => elu(1)(v), kernelInitializer: 'heNormal', biasInitializer: ({ fanIn }) => ({ kind: 'constant', value: 1 / fanIn }) })
  sequential([flatten(), reshape([2, 2]), activation('relu'), dropout(0.5)], { input: { shape: [4], dtype: 'u8', scale: 1 / 255 }, store: createStore(), name: 'n' })
  sequential([dense(3)], { input: input([4], { dtype: 'i32' }) })
  // @ts-expect-error a word for units
  dense('8')
  // @ts-expect-error no units
  dense()
  // @ts-expect-error misspelt activation
  dense(3, { activation: 'rleu' })
  // @ts-expect-error misspelt initializer
  dense(3, { kernelInitializer: 'glorot_uniform' })
  // @ts-expect-error Keras' spelling
  dense(3, { use_bias: false })
  // @ts-expect-error dropout has no weights
  dropout(0.5, { trainable: false })
  // @ts-expect-error a word for a rate
  dropout('0.5')
  // @ts-expect-error a layer that is not in a list
  sequential(dense(3), { input: [4] })
  // @ts-expect-error no options
  sequential([dense(3)])
  // @ts-expect-error no input
  sequential([dense(3)], {})
  // @ts-expect-error a number for a shape
  sequential([dense(3)], { input: 4 })
  // @ts-expect-error words in a shape
  sequential([dense(3)], { input: ['a'] })
  // @ts-expect-error an element type that is not read
  sequential([dense(3)], { input: { shape: [4], dtype: 'u16' } })
  // @ts-expect-error a store that is none
  sequential([dense(3)], { input: [4], store: {} })
  // @ts-expect-error misspelt option
  sequential([dense(3)], { input: [4], sead: 1 })
  // @ts-expect-error something that is no layer
  sequential([dense(3), 'relu'], { input: [4] })
}

export function recurrent(): void {
  const x1 = input([20, 3]), lengths = input([], { below: 21 }), h = input([8]), c = input([8])
  const cell = lstm(8, { returnSequences: true, recurrentInitializer: orthogonal(), reverse: false })
  const y = cell(x1, { lengths, initialStates: [h, c] })
  same<typeof y, Value>(true)
  void y
  const { output, states } = cell.withStates(x1)
  same<typeof states, readonly [Value, ...Value[]]>(true)
  void [output, states]
  sequential([cell, gru(3), dense(1)].slice(1), { input: [20, 3] })
  const several = layer('several', {}, ({ a, b }: { readonly a: Value; readonly b: Value }) => [a, b] as const)
  const made = several({ a: h, b: c })
  same<typeof made, readonly [Value, Value]>(true)
  void made
  // @ts-expect-error misspelt option
  cell(x1, { length: lengths })
  // @ts-expect-error one state for a list
  cell(x1, { initialStates: h })
  // @ts-expect-error a layer of two values is none of one
  sequential([several], { input: [3] })
  // @ts-expect-error missing value
  several({ a: h })
  // @ts-expect-error a word for a bound
  input([], { below: '21' })
}

export function optimizers(): void {
  sgd({ learningRate: stepDecay(0.1, { every: 3 }), momentum: 0.9, nesterov: true, clipNorm: 1 })
  adamW({ learningRate: cosineDecay(0.1, { steps: 100, warmup: 5 }), exclude: ['bias'], weightDecay: 0.1 })
  // @ts-expect-error Keras' spelling
  sgd({ learning_rate: 0.1 })
  // @ts-expect-error sgd has no beta
  sgd({ beta1: 0.9 })
  // @ts-expect-error adam has no decay
  adam({ weightDecay: 0.1 })
  // @ts-expect-error one word for a list
  adamW({ exclude: 'bias' })
  // @ts-expect-error no steps
  cosineDecay(0.1)
  // @ts-expect-error no every
  stepDecay(0.1, { factor: 0.5 })
}

export function callbacks(): void {
  const one: Callback = { onEpochEnd(event) { same<typeof event, FitEvent>(true); event.stop('why'); event.scaleLearningRate(0.5) } }
  const waiting: Callback = { async onBatchEnd({ scores }) { await Promise.resolve(scores['loss']) } }
  const both: readonly Callback[] = [one, waiting, earlyStopping({ monitor: 'loss', patience: 3 }), progress((line) => line.length)]
  void both
  // @ts-expect-error misspelt hook
  const misspelt: Callback = { onEpochend() { /* never called */ } }
  void misspelt
  // @ts-expect-error events are read only
  const writing: Callback = { onEpochEnd(event) { event.step = 3 } }
  void writing
  // @ts-expect-error a word that is none
  earlyStopping({ mode: 'auto' })
}

export async function saving(): Promise<void> {
  const model = sequential([dense(3)], { input: [3] })
  const compiled = model.compile({ optimizer: adam(), loss: mse() })
  same<ReturnType<typeof save>, Uint8Array<ArrayBuffer>>(true)
  save(model)
  save(compiled, { training: false })
  const loaded = load(save(compiled), { store: createStore() })
  const p = await loaded.predict(x)
  same<typeof p, Tensor>(true)
  const typed = loaded.compile({ optimizer: adam(), loss: mse(), metrics: [mae()] })
  same<keyof Awaited<ReturnType<typeof typed.evaluate>>, 'loss' | 'mae'>(true)
  void [p, typed]
  // @ts-expect-error misspelt option
  save(model, { optimizer: false })
  // @ts-expect-error the bytes, not their name
  load('model.safetensors')
  compiled.setWeights(compiled.getWeights())
  // @ts-expect-error a list for an array
  compiled.setWeights({ 'dense1.bias': { data: [1], shape: [3] } })
}

export async function ownLossesAndMetrics(): Promise<void> {
  const make = () => sequential([dense(3)], { input: [3] })
  const values = make().compile({ optimizer: adam(), loss: loss('mine', (output, y) => square(sub(output, y))), metrics: [metric('worst', (output, y) => max(abs(sub(output, y)), -1)), mae()] })
  const scores = await values.evaluate(x, floats)
  same<keyof typeof scores, 'loss' | 'worst' | 'mae'>(true)
  same<typeof scores.worst, number>(true)
  await values.fit(x, [[1, 2, 3]])
  void scores
  const sparse = make().compile({ optimizer: adam(), loss: loss('focal', (output, y) => sparseXent(output, y), { labels: 'classes' }), metrics: [loss('other', (output, y) => sparseXent(output, y), { labels: 'classes' })] })
  await sparse.fit(x, [1, 2])
  same<keyof Awaited<ReturnType<typeof sparse.evaluate>>, 'loss' | 'other'>(true)
  // @ts-expect-error float labels for class numbers
  await sparse.fit(x, floats)
  // @ts-expect-error one-hot labels for class numbers
  await sparse.evaluate(x, [[0, 1, 0]])
  // @ts-expect-error words for numbers
  await values.fit(x, ['1'])
  // @ts-expect-error a metric not compiled
  void (await values.evaluate(x, floats)).mine
  // @ts-expect-error labels that are none
  loss('mine', (output) => output, { labels: 'numbers' })
  // @ts-expect-error a number for a value
  loss('mine', () => 3)
  // @ts-expect-error no name
  metric((output: Value) => output)
  // @ts-expect-error class numbers are in the loss
  metric('mine', (output) => output, { labels: 'classes' })
}

export function constraints(): void {
  dense(3, { kernelConstraint: 'unitNorm', biasConstraint: nonNeg() })
  conv2d(3, 3, { kernelConstraint: maxNorm(2, { axis: [0, 1, 2] }), biasConstraint: (w) => clip(w, -1, 1) })
  depthwiseConv2d(3, { kernelConstraint: minMaxNorm({ min: 0.5, max: 2, rate: 0.5, axis: [0, 1] }) })
  batchNormalization({ gammaConstraint: unitNorm({ axis: 0 }), betaConstraint: 'nonNeg' })
  // @ts-expect-error a word that is none
  dense(3, { kernelConstraint: 'max_norm' })
  // @ts-expect-error a constraint not called
  dense(3, { kernelConstraint: maxNorm })
  // @ts-expect-error Keras' spelling
  maxNorm({ max_value: 2 })
  // @ts-expect-error it has no limit of this name
  minMaxNorm({ low: 1 })
  // @ts-expect-error a number for a value
  dense(3, { kernelConstraint: () => 3 })
}

export async function steps(): Promise<void> {
  const [g, d] = [sequential([dense(3)], { input: [3], name: 'g' }), sequential([dense(1)], { input: [3], name: 'd' })]
  const train = step([g, d], { z: [3], real: [3] }, ({ z, real }) => {
    const [forG, forD] = [mean(neg(d.call(g.call(z)))), mean(d.call(real))]
    return { forG, made: g.call(z), g: adam().minimize(forG, g.weights), d: adam().minimize(forD, d.weights) }
  })
  const got = await train({ z: x, real: x })
  same<keyof typeof got, 'forG' | 'made'>(true)
  same<typeof got.forG, number>(true)
  same<typeof got.made, Tensor>(true)
  void got
  step(g, { z: [3] }, ({ z }) => { const [a, b] = gradients(sum(g.call(z)), [z, z]); same<typeof a, Value>(true); return { a, b } })
  same<ReturnType<typeof constant>, Value>(true)
  const one = constant(3)
  same<typeof one, Scalar>(true)
  void one
  // @ts-expect-error an input that is missing
  await train({ z: x })
  // @ts-expect-error an input that is not there
  await train({ z: x, real: x, more: x })
  // @ts-expect-error a number among what is returned
  step(g, { z: [3] }, () => ({ three: 3 }))
  // @ts-expect-error a vector for a scalar loss
  adam().minimize(g.call(input([3])), g.weights)
  // @ts-expect-error a mode that is none
  step(g, { z: [3] }, ({ z }) => ({ z }), { mode: 'fit' })
  // @ts-expect-error words for numbers
  constant('1')
}

export async function shards(): Promise<void> {
  const model = sequential([dense(3)], { input: [4] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards: 2 })
  const one = await model.computeShard(x, y, { shard: 0 })
  same<typeof one, Shard>(true)
  const other = await model.computeShard(x, [1, 2], { shard: 1, samples: [7, 8], sampleWeight: floats, batchSize: 4 })
  const scores = await model.applyShards([one, decodeShard(encodeShard(other))])
  same<typeof scores.accuracy, number>(true)
  same<typeof scores, Awaited<ReturnType<typeof model.trainOnBatch>>>(true)
  same<ReturnType<typeof shardRows>, readonly [number, number]>(true)
  same<[typeof model.hash, typeof model.recipeHash, ReturnType<typeof model.stateHash>], [string, string, string]>(true)
  void [scores, shardRows(10, 1, 2)]
  // @ts-expect-error which shard is not said
  await model.computeShard(x, y, {})
  // @ts-expect-error no options
  await model.computeShard(x, y)
  // @ts-expect-error float labels for a sparse loss
  await model.computeShard(x, new Float32Array(3), { shard: 0 })
  // @ts-expect-error misspelt option
  await model.computeShard(x, y, { shard: 0, sample: [1] })
  // @ts-expect-error one shard for a list
  await model.applyShards(one)
  // @ts-expect-error bytes for shards
  await model.applyShards([encodeShard(one)])
  // @ts-expect-error a metric not compiled
  void (await model.applyShards([one])).mae
  // @ts-expect-error a shard is read only
  one.rows = 3
  const plain = sequential([dense(3)], { input: [4] })
  // @ts-expect-error not compiled
  await plain.computeShard(x, new Float32Array(3), { shard: '0' })
}

export async function clipped(): Promise<void> {
  const model = sequential([dense(3)], { input: [4] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy({ fromLogits: true }) })
  const { model: sparse, statistics } = await stochasticClip(model, { x, y }, { fraction: 0.5, accept: 'annealed', signal: new AbortController().signal, onProgress: ({ loss }) => { same<typeof loss, number>(true); void loss } })
  same<typeof statistics.stopped, 'fraction' | 'budget' | 'aborted'>(true)
  const p = await sparse.compile({ optimizer: sgd(), loss: mse() }).predict(x)
  same<typeof p, Tensor>(true)
  void [p, statistics]
  // @ts-expect-error no fraction
  await stochasticClip(model, { x, y }, {})
  // @ts-expect-error a misspelt option
  await stochasticClip(model, { x, y }, { fraction: 0.5, budjet: 3 })
  // @ts-expect-error a rule that is none
  await stochasticClip(model, { x, y }, { fraction: 0.5, accept: 'always' })
  // @ts-expect-error labels of numbers for a loss of classes
  await stochasticClip(model, { x, y: floats }, { fraction: 0.5 })
}

export async function expressionsOfWeights(): Promise<void> {
  const [left, right] = [input([3]), input([3])]
  const two = functional({ left, right }, { a: dense(2)(left), b: dense(1)(right) })
  // what goes in and comes out stays typed
  const small = lowRank(two, { 'dense1.kernel': 1, 'dense2.kernel': { energy: 0.9 } })
  same<typeof small.model, typeof two>(true)
  const error = small.report['dense1.kernel']?.relativeError
  same<typeof error, number | undefined>(true)
  const tuned = adapter(small.model, { rank: 1, alpha: 2, weights: ['dense1.kernel.u'], trainBiases: true }).compile({ optimizer: adam(), loss: { a: mse(), b: mae() } })
  await tuned.fit({ left: x, right: x }, { a: floats, b: floats })
  const plain = strip(fakeQuantize(mask(tuned, magnitudeMask(tuned, { sparsity: 0.5, scope: 'global' })), { bits: 4, granularity: 'perTensor', clip: 1 }))
  same<typeof plain, typeof two>(true)
  const p = await plain.predict({ left: x, right: x })
  same<typeof p.a, Tensor>(true)
  const masks = magnitudeMask(two, { sparsity: 0.5 })
  same<typeof masks, Record<string, Uint8Array>>(true)
  const effective = tuned.getEffectiveWeights()
  same<typeof effective, Record<string, Weight>>(true)
  const compiled = sequential([dense(3)], { input: [3] }).compile({ optimizer: adam(), loss: mse() })
  const again = fakeQuantize(compiled)
  same<typeof again, TrainableModel<Value, Value>>(true)
  void [error, p, masks, effective, again]
  // @ts-expect-error no rank
  adapter(two, {})
  // @ts-expect-error a word that is none
  fakeQuantize(two, { granularity: 'perRow' })
  // @ts-expect-error misspelt
  fakeQuantize(two, { bit: 4 })
  // @ts-expect-error no sparsity
  magnitudeMask(two, {})
  // @ts-expect-error a part of what
  lowRank(two, { 'dense1.kernel': { part: 0.5 } })
  // @ts-expect-error the model is within
  small.compile({ optimizer: adam(), loss: { a: mse(), b: mae() } })
  // @ts-expect-error one key, not a list
  fakeQuantize(two, { weights: 'dense1.kernel' })
}

export function lanes(): void {
  const model = sequential([dense(3)], { input: [4], lanes: 2 })
  same<typeof model.runtime.lanes, number>(true)
  same<typeof model.runtime.int8.path, 'relaxed' | 'i16'>(true)
  functional(input([2]), dense(1)(input([2])), { lanes: 'auto' })
  void [model, createStore({ lanes: 3 }), load(bytes, { lanes: 'auto' })]
  // @ts-expect-error a word that is none
  sequential([dense(3)], { input: [4], lanes: 'all' })
  // @ts-expect-error misspelt option
  createStore({ lane: 2 })
}

export async function severalOutputs(): Promise<void> {
  const [left, right] = [input([3]), input([3])]
  const two = functional({ left, right }, { kind: dense(3)(left), size: dense(1)(right) })
  const model = two.compile({ optimizer: adam(), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, metrics: { size: [mae()] } })
  await model.fit({ left: x, right: x }, { kind: y, size: floats }, { validationData: [{ left: x, right: x }, { kind: y, size: floats }] })
  const scores = await model.evaluate({ left: x, right: x }, { kind: y, size: floats })
  same<typeof scores.size.mae, number>(true)
  void scores
  // @ts-expect-error an output without a loss
  two.compile({ optimizer: adam(), loss: { size: mse() } })
  // @ts-expect-error a metric for an output that is not there
  two.compile({ optimizer: adam(), loss: { kind: mse(), size: mse() }, metrics: { sizes: [mae()] } })
  // @ts-expect-error one loss for two outputs
  two.compile({ optimizer: adam(), loss: mse() })
  // @ts-expect-error an output without labels
  await model.fit({ left: x, right: x }, { size: floats })
  // @ts-expect-error labels for an output that is not there
  await model.fit({ left: x, right: x }, { kind: y, size: floats, colour: y })
  // @ts-expect-error an output without labels, to measure
  await model.evaluate({ left: x, right: x }, { kind: y })
  // @ts-expect-error an output without labels, in a batch
  await model.trainOnBatch({ left: x, right: x }, { kind: y })
  // @ts-expect-error an output without labels, to validate on
  await model.fit({ left: x, right: x }, { kind: y, size: floats }, { validationData: [{ left: x, right: x }, { kind: y }] })
  // @ts-expect-error float labels for the output that has classes
  await model.fit({ left: x, right: x }, { kind: floats, size: floats })
  // @ts-expect-error an input without data
  await model.fit({ left: x }, { kind: y, size: floats })
  // @ts-expect-error an input without data, to predict
  await model.predict({ left: x })
  // @ts-expect-error one array for two inputs
  await model.predict(x)
  // @ts-expect-error an output that is not there
  void (await model.predict({ left: x, right: x })).colour
  // @ts-expect-error a metric of the other output
  void scores.kind.mae
}
