// Trainings whose results are pinned to the bit (table.json), between them every layer, activation, loss, optimizer and way to feed data.
// Plain JavaScript on a namespace passed in, so that the source, the package and any runtime run the same lines. A test says what no row touches.
import { checkAlone, numbers, row } from './row.js'
import { balanced, forces, functions, initial, long, penalties, soft, stopped, tagged, tuned } from './more.js'

/** Classes; adam, dropout, shuffling, validation, clipping; saved and loaded half-way. */
async function classes(equigrad) {
  const { sequential, dense, dropout, adam, sparseCategoricalCrossentropy, accuracy, save, load } = equigrad
  const n = 150
  const x = numbers(n * 20, 1)
  const y = Int32Array.from({ length: n }, (_, i) => Math.floor((x[i * 20] + x[i * 20 + 1] + 2) * 1.249))
  const model = sequential([dense(16, { activation: 'relu' }), dropout(0.25), dense(5, { activation: 'softmax' })], { input: [20], seed: 1 })
    .compile({ optimizer: adam({ learningRate: 0.01, globalClipNorm: 1 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const options = { batchSize: 32, validationSplit: 0.2 }
  const first = await model.fit(x, y, { ...options, epochs: 3 })
  const again = load(save(model))
  const second = await again.fit(x, y, { ...options, epochs: 3 })
  const p = await again.predict(x)
  checkAlone(again, x, 20, p)
  return row(equigrad, again, [first.epochs, first.validation, second.epochs, second.validation, [await again.evaluate(x, y)]], p)
}

/** Regression; Nesterov momentum, L2, a cosine with warm-up, two shards, weights of samples. */
async function regression(equigrad) {
  const { sequential, dense, sgd, cosineDecay, l2, l1, mse, mae } = equigrad
  const n = 101
  const x = numbers(n * 7, 2)
  const y = Float32Array.from({ length: n * 2 }, (_, i) => x[(i >> 1) * 7 + (i & 1)] * x[(i >> 1) * 7 + 3] + 0.25)
  const sampleWeight = numbers(n, 3).map((w) => w + 1)
  const model = sequential([
    dense(33, { activation: 'tanh', kernelRegularizer: l2(1e-3), kernelInitializer: 'heUniform' }),
    dense(9, { activation: 'sigmoid', biasRegularizer: l1(1e-4) }),
    dense(2),
  ], { input: [7], seed: 2 })
    .compile({ optimizer: sgd({ learningRate: cosineDecay(0.1, { steps: 60, warmup: 10, floor: 0.01 }), momentum: 0.9, nesterov: true }), loss: mse(), metrics: [mae()], shards: 2 })
  const h = await model.fit(x, y, { epochs: 6, batchSize: 10, sampleWeight })
  return row(equigrad, model, [h.epochs], await model.predict(x))
}

/** The worked example in small: bytes of built-in digits, one-hot labels; centred RMSprop, elu, leakyRelu; n not divisible by the batch. */
async function figures(equigrad, { digits, oneHot }) {
  const { sequential, dense, elu, leakyRelu, rmsprop, binaryCrossentropy, binaryAccuracy, exponentialDecay } = equigrad
  const { images, labels } = digits({ samples: 230, seed: 5 })
  const y = oneHot(labels, 10)
  const model = sequential([
    dense(24, { activation: elu(), kernelInitializer: 'heNormal' }), dense(20, { activation: leakyRelu(0.1) }), dense(10, { activation: 'sigmoid' }),
  ], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 3 })
    .compile({ optimizer: rmsprop({ learningRate: exponentialDecay(0.003, { steps: 20, factor: 0.9 }), momentum: 0.5, centered: true }), loss: binaryCrossentropy(), metrics: [binaryAccuracy()] })
  const h = await model.fit(images, y, { epochs: 3, batchSize: 48 })
  const p = await model.predict(images)
  checkAlone(model, images, 784, p)
  return row(equigrad, model, [h.epochs], p)
}

/** A stream, frozen and masked weights, reshaped samples; AdamW with a step schedule; absolute error. */
async function stream(equigrad) {
  const { sequential, dense, flatten, mask, truncatedNormal, adamW, stepDecay, mae } = equigrad
  const n = 40
  const x = numbers(n * 12, 4)
  const y = Float32Array.from({ length: n }, (_, i) => x[i * 12] - 0.5 * x[i * 12 + 11])
  const plain = sequential([flatten(), dense(8, { activation: 'tanh', kernelInitializer: truncatedNormal(0, 0.3) }), dense(8, { activation: 'relu' }), dense(1)], { input: [3, 4], seed: 4 })
  const model = mask(plain, { 'dense1.kernel': Array.from({ length: 96 }, (_, i) => i % 3) })
    .compile({ optimizer: adamW({ learningRate: stepDecay(0.01, { every: 25, factor: 0.5 }), exclude: ['bias'], clipValue: 0.5 }), loss: mae(), frozen: ['dense2.bias'] })
  const batches = {
    async* [Symbol.asyncIterator]() {
      for (let i = 0, size = 1; i < n; i += size, size = size % 5 + 1) yield { x: x.slice(i * 12, (i + size) * 12), y: y.slice(i, i + size) }
    },
  }
  const h = await model.fit(batches, { epochs: 4 })
  return row(equigrad, model, [h.epochs], await model.predict(x))
}

/** Probabilities that are no softmax, so normalised and clipped; the whole data as one batch, not mixed. */
async function full(equigrad, { oneHot }) {
  const { sequential, dense, activation, sgd, categoricalCrossentropy } = equigrad
  const n = 70
  const x = numbers(n * 5, 6)
  const y = oneHot(Array.from({ length: n }, (_, i) => (x[i * 5] > 0 ? 2 : i % 2)), 3)
  const model = sequential([dense(6, { activation: 'elu' }), activation('tanh'), dense(3), activation('sigmoid')], { input: [5], seed: 5 })
    .compile({ optimizer: sgd({ learningRate: 0.5, clipNorm: 1 }), loss: categoricalCrossentropy() })
  const h = await model.fit(x, y, { epochs: 25, batchSize: 'full', shuffle: false })
  return row(equigrad, model, [h.epochs], await model.predict(x))
}

/** Two inputs, two outputs with losses of their own, a layer used twice, a model called in another; saved and loaded half-way. */
async function branches(equigrad) {
  const { functional, input, sequential, dense, dropout, concatenate, slice, adam, sparseCategoricalCrossentropy, mse, accuracy, save, load } = equigrad
  const n = 45
  const [a, b] = [numbers(n * 6, 7), numbers(n * 6, 8)]
  const kind = Int32Array.from({ length: n }, (_, i) => (a[i * 6] > b[i * 6] ? 1 : 0))
  const size = Float32Array.from({ length: n }, (_, i) => a[i * 6 + 1] - b[i * 6 + 2])
  const [left, right] = [input([6]), input([6])]
  const eye = dense(7, { activation: 'tanh', name: 'eye' })
  const store = sequential([dense(4, { activation: 'elu', name: 'part' })], { input: [3], name: 'inner', seed: 8 })
  const h = dropout(0.2)(concatenate([eye(left), eye(right), store.call(slice(left, 1, 4))]))
  const model = functional({ left, right }, { kind: dense(2)(h), size: dense(1)(h) }, { seed: 7 })
    .compile({ optimizer: adam({ learningRate: 0.01 }), loss: { kind: sparseCategoricalCrossentropy({ fromLogits: true }), size: mse() }, metrics: { kind: [accuracy()] }, lossWeights: { size: 0.25 } })
  const first = await model.fit({ left: a, right: b }, { kind, size }, { epochs: 3, batchSize: 8 })
  const again = load(save(model))
  const second = await again.fit({ left: a, right: b }, { kind, size }, { epochs: 3, batchSize: 8 })
  return row(equigrad, again, [first.epochs, second.epochs], (await again.predict({ left: a, right: b })).kind)
}

/** One's own step: a gradient penalty, so gradients of gradients. */
async function own(equigrad) {
  const { sequential, dense, step, gradients, add, mean, sum, square, sqrt, sub, affine, rmsprop, mse, save, load } = equigrad
  const n = 21
  const x = numbers(n * 3, 9)
  const y = Float32Array.from({ length: n }, (_, i) => x[i * 3] * x[i * 3 + 2])
  const model = sequential([dense(9, { activation: 'tanh' }), dense(1)], { input: [3], seed: 9 })
  const train = step(model, { x: [3], y: [1] }, (v) => {
    const out = model.call(v.x)
    const [dx] = gradients(out, [v.x])
    const penalty = mean(square(affine(sqrt(sum(square(dx), 1)), 1, -1)))
    const loss = add(mean(square(sub(out, v.y))), affine(penalty, 0.1, 0))
    return { loss, penalty, update: rmsprop({ learningRate: 0.01 }).minimize(loss, model.weights) }
  })
  const history = []
  for (let i = 0; i < 30; i++) history.push(await train({ x, y }))
  // The step's own state shows in what it does next alone: that of a training which goes on from here is read.
  const copy = load(save(model)).compile({ optimizer: rmsprop({ learningRate: 0.01 }), loss: mse() })
  await copy.fit(x, y, { epochs: 2, batchSize: 8 })
  return row(equigrad, model, [history], await model.predict(x), [copy])
}

/** Images: pooling of every kind, batch normalisation on channels and features, its averages through shards and a file. */
async function pooled(equigrad) {
  const { sequential, dense, flatten, maxPool2d, averagePool2d, globalAveragePool2d, batchNormalization, activation, adam, mse, save, load } = equigrad
  const n = 45
  const x = numbers(n * 75, 8)
  const y = Float32Array.from({ length: n }, (_, i) => x[i * 75] + x[i * 75 + 37] * x[i * 75 + 74])
  const model = sequential([
    dense(6), batchNormalization({ momentum: 0.9 }), activation('relu'), maxPool2d({ poolSize: 3, strides: 1, padding: 'same' }), averagePool2d({ padding: 'same' }), dense(5, { activation: 'elu' }), globalAveragePool2d(), flatten(),
    batchNormalization({ scale: false, axis: 1 }), dense(1),
  ], { input: [5, 5, 3], seed: 6 }).compile({ optimizer: adam({ learningRate: 0.01, globalClipNorm: 1 }), loss: mse(), shards: 2 })
  const first = await model.fit(x, y, { epochs: 3, batchSize: 16 })
  const again = load(save(model))
  const second = await again.fit(x, y, { epochs: 3, batchSize: 16 })
  const p = await again.predict(x)
  checkAlone(again, x, 75, p)
  return row(equigrad, again, [first.epochs, second.epochs, [await again.evaluate(x, y)]], p)
}

/** Convolutions with strides, dilation, groups and padding, depthwise too, over bytes of images. */
async function convolved(equigrad, { digits }) {
  const { sequential, conv2d, depthwiseConv2d, maxPool2d, flatten, dense, reshape, adam, sparseCategoricalCrossentropy, accuracy } = equigrad
  const { images, labels } = digits({ samples: 40, seed: 6 })
  const model = sequential([
    reshape([28, 28, 1]), conv2d(6, 3, { strides: 2, padding: 'same', activation: 'relu' }), depthwiseConv2d(3, { activation: 'tanh' }), conv2d(8, 3, { groups: 2, dilation: 2 }),
    maxPool2d(), flatten(), dense(10, { activation: 'softmax' }),
  ], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 10 })
    .compile({ optimizer: adam({ learningRate: 0.005 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const h = await model.fit(images, labels, { epochs: 3, batchSize: 16 })
  const p = await model.predict(images)
  checkAlone(model, images, 784, p)
  return row(equigrad, model, [h.epochs], p)
}

/** Time: all three recurrent layers, sequences and last states, forwards and backwards. */
async function recurrent(equigrad) {
  const { sequential, simpleRNN, gru, lstm, dense, rmsprop, mse } = equigrad
  const n = 30
  const x = numbers(n * 9 * 2, 11)
  const y = Float32Array.from({ length: n }, (_, i) => x[i * 18] + x[i * 18 + 17])
  const model = sequential([simpleRNN(5, { returnSequences: true }), gru(4, { returnSequences: true, reverse: true }), lstm(6), dense(1)], { input: [9, 2], seed: 11 })
    .compile({ optimizer: rmsprop({ learningRate: 0.01 }), loss: mse() })
  const h = await model.fit(x, y, { epochs: 4, batchSize: 8 })
  const p = await model.predict(x)
  checkAlone(model, x, 18, p)
  return row(equigrad, model, [h.epochs], p)
}

/** Sequences of many lengths; a cell of one's own; then long ones in parts, the states carried on by a step of one's own. */
async function lengths(equigrad, { padSequences }) {
  const { functional, input, rnn, gru, lstm, dense, step, mean, square, sub, add, affine, tanh, adam, mae } = equigrad
  const n = 24
  const numbersOf = numbers(n * 7, 12)
  const padded = padSequences(Array.from({ length: n }, (_, i) => numbersOf.slice(i * 7, i * 7 + (i % 7) + 1)), { length: 7 })
  const y = Float32Array.from({ length: n }, (_, i) => numbersOf[i * 7 + (i % 7)])
  const [x, steps] = [input([7, 1]), input([], { below: 8 })]
  const leak = rnn({ states: [5], step: (v, [h]) => { const next = tanh(add(affine(h, 0.8, 0), v)); return { output: affine(next, 2, 0), states: [next] } } })
  const h = leak(gru(5, { returnSequences: true, resetAfter: false })(x, { lengths: steps }), { lengths: steps })
  const model = functional({ x, steps }, dense(1)(h), { seed: 12 }).compile({ optimizer: adam({ learningRate: 0.01 }), loss: mae() })
  const first = await model.fit({ x: padded, steps: padded.lengths }, y, { epochs: 4, batchSize: 7 })

  const [part, h0, c0] = [input([7, 1]), input([6]), input([6])]
  const { output, states } = lstm(6, { returnSequences: true }).withStates(part, { initialStates: [h0, c0] })
  const net = functional({ part, h0, c0 }, { y: dense(1)(output), h0: states[0], c0: states[1] }, { name: 'carried', seed: 13 })
  const train = step(net, { part: [7, 1], wanted: [7, 1], h0: [6], c0: [6] }, (v) => {
    const out = net.call({ part: v.part, h0: v.h0, c0: v.c0 })
    const loss = mean(square(sub(out.y, v.wanted)))
    return { loss, h0: out.h0, c0: out.c0, update: adam({ learningRate: 0.01 }).minimize(loss, net.weights) }
  })
  let carried = { h0: new Float32Array(n * 6), c0: new Float32Array(n * 6) }
  const history = []
  for (let i = 0; i < 10; i++) {
    const { loss, h0: nextH, c0: nextC } = await train({ part: numbersOf, wanted: numbersOf.map((v) => v * v), ...carried })
    carried = { h0: nextH.data, c0: nextC.data }
    history.push({ loss })
  }
  const both = { getWeights: () => ({ ...model.getWeights(), ...net.getWeights() }) }
  return row(equigrad, both, [first.epochs, history], await model.predict({ x: padded, steps: padded.lengths }), [model])
}

/** Constraints of every kind, a loss and a metric of one's own; then a step of one's own with two updates, batch statistics and dropout. */
async function constrained(equigrad) {
  const { sequential, dense, conv2d, depthwiseConv2d, batchNormalization, activation, dropout, flatten, maxNorm, nonNeg, unitNorm, minMaxNorm, clip, loss, metric, max, min, abs, sub, add, mul, mean, softplus, neg, constant, sgd, adam, step, save, load } = equigrad
  const n = 34
  const x = numbers(n * 75, 12)
  const y = Float32Array.from({ length: n * 2 }, (_, i) => x[(i >> 1) * 75 + (i & 1)] - 0.5 * x[(i >> 1) * 75 + 40])
  const model = sequential([
    conv2d(5, 3, { kernelConstraint: maxNorm(0.6, { axis: [0, 1, 2] }), biasConstraint: 'nonNeg' }), depthwiseConv2d(2, { activation: 'tanh', kernelConstraint: minMaxNorm({ min: 0.4, max: 0.9, rate: 0.75, axis: [0, 1] }) }),
    batchNormalization({ momentum: 0.8, gammaConstraint: nonNeg(), betaConstraint: (w) => clip(w, -0.05, 0.05) }), flatten(), dense(2, { kernelConstraint: unitNorm({ axis: 0 }) }),
  ], { input: [5, 5, 3], seed: 12 })
    .compile({ optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), loss: loss('smooth', (out, t) => mul(softplus(sub(abs(sub(out, t)), constant(0.1))), constant([1, 2]))), metrics: [metric('worst', (out, t) => max(abs(sub(out, t)), -1)), metric('least', (out) => min(out, 1))], shards: 2 })
  const first = await model.fit(x, y, { epochs: 3, batchSize: 8 })
  const again = load(save(model))
  const second = await again.fit(x, y, { epochs: 3, batchSize: 8 })
  const p = await again.predict(x)
  checkAlone(again, x, 75, p)

  const store = equigrad.createStore()
  const part = (name, width, seed) => sequential([dense(7), batchNormalization({ momentum: 0.7 }), activation('relu'), dropout(0.2), dense(width, { kernelConstraint: maxNorm(1) })], { input: [3], name, seed, store })
  const [g, d] = [part('g', 3, 13), part('d', 1, 14)]
  const both = step([g, d], { z: [3], real: [3] }, ({ z, real }) => {
    const fake = d.call(dropout(0.1)(g.call(z)))
    const [forG, forD] = [mean(softplus(neg(fake))), add(mean(softplus(neg(d.call(real)))), mean(softplus(fake)))]
    return { forG, forD, g: adam({ learningRate: 0.01 }).minimize(forG, g.weights), d: sgd({ learningRate: 0.05, momentum: 0.5, globalClipNorm: 1 }).minimize(forD, d.weights) }
  })
  const history = []
  for (let i = 0; i < 12; i++) history.push(await both({ z: numbers(33, 20 + i), real: numbers(33, 60 + i).map((v) => v * 0.25 + 1) }))
  const weights = { ...again.getWeights(), ...g.getWeights(), ...d.getWeights() }
  return row(equigrad, { getWeights: () => weights }, [first.epochs, second.epochs, history], p, [again])
}

/** Shards of each step, by two models in turn, last first, sent as bytes; samples in an order of their own, the last batch short, with an empty shard. */
async function shards(equigrad) {
  const { sequential, dense, dropout, batchNormalization, adam, sparseCategoricalCrossentropy, accuracy, l2, encodeShard, decodeShard } = equigrad
  const n = 52
  const x = numbers(n * 6, 14)
  const y = Int32Array.from({ length: n }, (_, i) => (x[i * 6] > 0 ? 1 : 0) + (x[i * 6 + 1] > 0 ? 1 : 0))
  const sampleWeight = numbers(n, 15).map((w) => w + 1)
  const make = () => sequential([dense(11, { activation: 'relu', kernelRegularizer: l2(1e-3) }), batchNormalization({ momentum: 0.8 }), dropout(0.3), dense(3, { activation: 'softmax' })], { input: [6], seed: 14 })
    .compile({ optimizer: adam({ learningRate: 0.01, globalClipNorm: 1 }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()], shards: 4 })
  const models = [make(), make()]
  const history = []
  for (let epoch = 0; epoch < 4; epoch++) {
    for (let from = 0; from < n; from += 7) {
      const samples = Array.from({ length: Math.min(7, n - from) }, (_, i) => ((from + i) * 11) % n)
      const batch = [Float32Array.from(samples.flatMap((s) => Array.from(x.subarray(s * 6, (s + 1) * 6)))), Int32Array.from(samples, (s) => y[s])]
      const sums = []
      for (let shard = 3; shard >= 0; shard--) sums.push(encodeShard(await models[(shard + epoch) % 2].computeShard(...batch, { shard, samples, sampleWeight: Float32Array.from(samples, (s) => sampleWeight[s]) })))
      for (const model of models) history.push(await model.applyShards(sums.map(decodeShard)))
    }
  }
  const [first, second] = models
  if (first.stateHash() !== second.stateHash()) throw new Error('replicas that applied the same shards differ')
  return row(equigrad, first, [history], await second.predict(x), models)
}

/** Random weight clipping with loss check, both rules and bounds, of a net and of its clipped one; then training that keeps what was clipped. */
async function clipped(equigrad, { digits }) {
  const { sequential, dense, conv2d, flatten, reshape, stochasticClip, sgd, sparseCategoricalCrossentropy, save, load } = equigrad
  const { images: x, labels: y } = digits({ samples: 60, seed: 15 })
  const compile = (model) => model.compile({ optimizer: sgd({ learningRate: 0.1, momentum: 0.9 }), loss: sparseCategoricalCrossentropy() })
  const model = compile(sequential([reshape([28, 28, 1]), conv2d(3, 5, { strides: 4, activation: 'relu' }), flatten(), dense(21, { activation: 'tanh' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 15 }))
  const first = await model.fit(x, y, { epochs: 4, batchSize: 20 })
  const bounded = await stochasticClip(model, { x, y }, { fraction: 0.7, bound: 0.1, group: 5, accept: 'annealed', budget: 400, seed: 1 })
  const pruned = await stochasticClip(compile(bounded.model), { x, y }, { fraction: 0.5, group: 8, candidates: 5, tolerance: 0.001, budget: 600, seed: 2 })
  const again = load(save(compile(pruned.model)))
  const second = await again.fit(x, y, { epochs: 3, batchSize: 20 })
  const p = await again.predict(x)
  checkAlone(again, x, 784, p)
  const counts = [bounded, pruned].map(({ statistics: { tried, accepted, clipped, loss, tolerance } }) => ({ tried, accepted, clipped, tolerance, ...loss }))
  return row(equigrad, again, [first.epochs, counts, second.epochs], p)
}

/** Weights as expressions: quantised training, masks by magnitude, factors, adapters, each alone and on top of one another; saved half-way, stripped. */
async function expressions(equigrad) {
  const { sequential, dense, conv2d, flatten, fakeQuantize, mask, magnitudeMask, lowRank, adapter, strip, adam, adamW, sgd, rmsprop, mse, save, load } = equigrad
  const n = 50
  const x = numbers(n * 16, 14)
  const y = Float32Array.from({ length: n * 3 }, (_, i) => x[Math.floor(i / 3) * 16 + i % 3] * x[Math.floor(i / 3) * 16 + 9])
  const base = sequential([conv2d(5, 3, { activation: 'relu' }), flatten(), dense(12, { activation: 'tanh' }), dense(3)], { input: [4, 4, 1], seed: 15 })
  const history = []
  const train = async (model, optimizer, options = {}) => {
    const compiled = model.compile({ optimizer, loss: mse(), ...options })
    history.push((await compiled.fit(x, y, { epochs: 2, batchSize: 16 })).epochs)
    const again = load(save(compiled))
    history.push((await again.fit(x, y, { epochs: 2, batchSize: 16 })).epochs)
    return again
  }
  history.push((await base.compile({ optimizer: adam({ learningRate: 0.01 }), loss: mse() }).fit(x, y, { epochs: 3 })).epochs)
  const quantised = await train(fakeQuantize(base, { bits: 4 }), adam({ learningRate: 0.01 }))
  const clipped = fakeQuantize(base, { weights: ['dense1.kernel'], granularity: 'perTensor', clip: 0.25 })
  const pruned = await train(mask(clipped, magnitudeMask(base, { sparsity: 0.5, scope: 'global' })), sgd({ learningRate: 0.05, momentum: 0.9, nesterov: true }), { shards: 2 })
  const { model: small, report } = lowRank(base, { 'dense1.kernel': 4, 'dense2.kernel': { energy: 0.8 } })
  history.push([report])
  const factorised = await train(small, adamW({ learningRate: 0.01 }))
  const adapted = await train(adapter(pruned, { rank: 2, alpha: 3, weights: ['dense1.kernel'], trainBiases: true }), rmsprop({ learningRate: 0.01 }))
  const all = { quantised, pruned, factorised, adapted, stripped: strip(adapted), plain: strip(quantised) }
  const weights = Object.fromEntries(Object.entries(all).flatMap(([name, model]) => Object.entries(model.getWeights()).map(([key, w]) => [`${name}/${key}`, w])))
  const predictions = await Promise.all(Object.values(all).map((model) => model.predict(x)))
  predictions.forEach((p, i) => checkAlone(Object.values(all)[i], x, 16, p))
  return row(equigrad, { getWeights: () => weights }, history, { data: Float32Array.from(predictions.flatMap(({ data }) => Array.from(data))) }, [quantised, pruned, factorised, adapted])
}

/** Integers of 7 and of 8 bits, a file of them, an activation between that is none of theirs; and what a convolution leaves in f32. */
async function quantised(equigrad) {
  const { sequential, dense, conv2d, flatten, quantize, adam, mse, save, load } = equigrad
  const n = 60
  const x = numbers(n * 36, 14)
  const y = Float32Array.from({ length: n * 3 }, (_, i) => x[Math.floor(i / 3) * 36 + (i % 3)] * x[Math.floor(i / 3) * 36 + 20])
  const model = sequential([
    conv2d(2, 3, { activation: 'relu' }), flatten(), dense(41, { activation: 'relu' }), dense(37, { activation: 'relu' }), dense(19, { activation: 'tanh' }), dense(3),
  ], { input: [6, 6, 1], seed: 14 }).compile({ optimizer: adam({ learningRate: 0.01 }), loss: mse() })
  const h = await model.fit(x, y, { epochs: 3, batchSize: 16 })
  const seven = load(save(await quantize(model, { calibration: x })))
  const p = await seven.predict(x)
  checkAlone(seven, x, 36, p)
  const eight = await quantize(model, { calibration: x, activations: 8, observer: 'percentile' })
  const all = new Float32Array([...p.data, ...(await eight.predict(x)).data, ...(await (await quantize(model, { calibration: x, observer: 'minMax' })).predict(x)).data])
  return row(equigrad, model, [h.epochs], { data: all })
}

/** The same functions, whose models run on so many lanes, however little there is to do. */
function onLanes(equigrad, lanes) {
  const busy = (model) => { model.store.worth = { call: 0, program: 0 }; return model }
  const options = (given) => (given.store === undefined ? { ...given, lanes } : given)
  return {
    ...equigrad,
    sequential: (layers, given) => busy(equigrad.sequential(layers, options(given))),
    functional: (inputs, outputs, given = {}) => busy(equigrad.functional(inputs, outputs, options(given))),
    load: (bytes, given = {}) => busy(equigrad.load(bytes, options(given))),
    createStore: () => equigrad.createStore({ lanes }),
  }
}

const rows = {
  classes, regression, figures, stream, full, branches, own, pooled, convolved, recurrent, lengths, constrained, shards, clipped, expressions, quantised,
  balanced, initial, soft, stopped, long, functions, penalties, forces, tagged, tuned,
}

/** All rows of the table, by name, on so many lanes; or those of some names. */
export async function trainings(given, data, lanes = 1, names = Object.keys(rows)) {
  const equigrad = lanes === 1 ? given : onLanes(given, lanes)
  const made = {}
  for (const name of names) made[name] = await rows[name](equigrad, data)
  return made
}
