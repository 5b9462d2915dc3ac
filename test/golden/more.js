// More golden trainings: rows of trainings.js, each for what those there leave out.
import { checkAlone, numbers, row } from './row.js'

/** Classes that are not equally many, weighed by sample and by an own loss with a weight a class; plain descent under a constant rate with a warm-up; trained on from a sync batch. */
export async function balanced(equigrad) {
  const { sequential, dense, sgd, constantSchedule, sparseCategoricalCrossentropy, loss, metric, accuracy, l1l2, sparseXent, sameIndex, argMax, mul, sum, constant, softmax, toFloat, equal, expand, reshapeTo, save, load } = equigrad
  const n = 90
  const x = numbers(n * 8, 31)
  const y = Int32Array.from({ length: n }, (_, i) => (x[i * 8] > 0.6 ? 2 : x[i * 8 + 1] > 0.4 ? 1 : 0))
  const counts = [0, 1, 2].map((c) => y.reduce((sum, label) => sum + (label === c ? 1 : 0), 0))
  const byClass = counts.map((count) => n / (3 * count))
  const sampleWeight = Float32Array.from(y, (label) => byClass[label])
  const optimizer = sgd({ learningRate: constantSchedule(0.2, { warmup: 8, warmupFrom: 0.01 }), clipValue: 0.3 })
  const model = sequential([dense(12, { activation: 'tanh', kernelRegularizer: l1l2({ l1: 1e-4, l2: 1e-3 }) }), dense(3, { activation: 'softmax' })], { input: [8], seed: 31 })
    .compile({ optimizer, loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const first = await model.fit(x, y, { epochs: 4, batchSize: 16, sampleWeight })
  const score = await model.evaluate(x, y, { sampleWeight, batchSize: 13 })

  const weigh = (labels) => sum(mul(equal(expand(reshapeTo(toFloat(labels), ['n', 1]), ['n', 3]), constant([0, 1, 2])), constant(byClass)), -1)
  const own = loss('weighed', (logits, labels) => mul(sparseXent(logits, labels), weigh(labels)), { labels: 'classes' })
  const second = sequential([dense(12, { activation: 'relu', kernelInitializer: 'glorotNormal', biasInitializer: 'ones' }), dense(3)], { input: [8], seed: 32 })
    .compile({ optimizer, loss: own, metrics: [metric('right', (logits, labels) => sameIndex(argMax(softmax(logits)), labels))] })
  const h = await second.fit(x, y, { epochs: 3, batchSize: 16 })
  const again = load(save(second))
  const steps = [again.trainOnBatchSync(x.slice(0, 80), y.slice(0, 10)), await again.trainOnBatch(x, y, { sampleWeight })]
  const weights = { ...model.getWeights(), ...Object.fromEntries(Object.entries(again.getWeights()).map(([key, w]) => [`own/${key}`, w])) }
  return row(equigrad, { getWeights: () => weights }, [first.epochs, [score], h.epochs, steps], await model.predict(x), [model, again])
}

/** First values of every kind, and constraints by their names; a net that is wide enough to draw many of each. */
export async function initial(equigrad) {
  const { sequential, activation, dense, batchNormalization, lstm, uniform, normal, truncatedNormal, orthogonal, constantInitializer, rmsprop, mse, elu, leakyRelu } = equigrad
  const n = 33
  const x = numbers(n * 5 * 6, 33)
  const y = Float32Array.from({ length: n * 4 }, (_, i) => x[(i >> 2) * 30 + (i & 3)])
  const given = { unitForgetBias: false, kernelInitializer: 'orthogonal', recurrentInitializer: orthogonal(0.7), biasInitializer: constantInitializer(0.05) }
  const model = sequential([
    lstm(13, given),
    dense(17, { activation: 'leakyRelu', kernelInitializer: uniform(-0.3, 0.4), kernelConstraint: 'maxNorm' }),
    dense(19, { activation: elu(0.7), kernelInitializer: normal(0.01, 0.3), biasInitializer: truncatedNormal(0, 0.1), kernelConstraint: 'unitNorm' }),
    dense(23, { activation: leakyRelu(), kernelInitializer: 'heUniform', biasInitializer: 'ones', kernelConstraint: 'minMaxNorm' }),
    dense(9, { activation: 'sigmoid', kernelInitializer: 'glorotNormal', useBias: false }),
    batchNormalization({ betaInitializer: uniform(), gammaInitializer: normal(1, 0.1), center: true }), activation(leakyRelu(0.1)),
    dense(4, { kernelInitializer: 'heNormal', biasConstraint: 'nonNeg', biasInitializer: 'zeros' }),
  ], { input: [5, 6], seed: 33 }).compile({ optimizer: rmsprop({ learningRate: 0.002, rho: 0.8, epsilon: 1e-5 }), loss: mse() })
  const before = await model.predict(x)
  const h = await model.fit(x, y, { epochs: 4, batchSize: 11 })
  const p = await model.predict(x)
  return row(equigrad, model, [h.epochs], { data: new Float32Array([...before.data, ...p.data]) })
}

/** Distributions as labels, from logits of doubles; the share of the likeliest class; AdamW on the whole data as one batch. */
export async function soft(equigrad) {
  const { sequential, dense, adamW, categoricalCrossentropy, accuracy, cosineDecay, softmax } = equigrad
  const n = 52
  const x = Float64Array.from(numbers(n * 7, 34), (v) => v * 3 + 0.1)
  const raw = numbers(n * 4, 35).map((v) => v + 1.25)
  const y = raw.map((v, i) => { const from = i - (i % 4); return v / (raw[from] + raw[from + 1] + raw[from + 2] + raw[from + 3]) })
  const model = sequential([dense(16, { activation: (v) => softmax(v) }), dense(4)], { input: { shape: [7], dtype: 'f64', scale: 0.5, offset: -0.25 }, seed: 34 })
    .compile({ optimizer: adamW({ learningRate: cosineDecay(0.05, { steps: 30 }), weightDecay: 0.01, clipNorm: 0.5 }), loss: categoricalCrossentropy({ fromLogits: true }), metrics: [accuracy()] })
  const h = await model.fit(x, y, { epochs: 40, batchSize: 'full' })
  return row(equigrad, model, [h.epochs, [await model.evaluate(x, y)]], await model.predict(x))
}

/** Yes or no from logits, of whole numbers; a threshold; plain momentum; a model that stops early and takes back its best weights, at a rate that a callback lowers. */
export async function stopped(equigrad, { split, shuffled, standardize, normalize, scalerFromJSON, readIdx, writeIdx }) {
  const { sequential, dense, sgd, binaryCrossentropy, accuracy, binaryAccuracy, earlyStopping, progress } = equigrad
  const n = 96
  const table = numbers(n * 6, 36).map((v, i) => v * (1 + (i % 6)))
  const labels = Float32Array.from({ length: n }, (_, i) => (table[i * 6] + 0.3 * table[i * 6 + 1] * table[i * 6 + 2] > 0 ? 1 : 0))
  const file = readIdx(writeIdx(table, [n, 6]))
  const parts = split({ data: file.data, shape: file.shape }, labels, { test: 0.25, validation: 0.2, stratify: true, seed: 3 })
  const scaler = scalerFromJSON(JSON.parse(JSON.stringify(standardize().fit(parts.train.x))))
  const range = normalize({ range: [-1, 1] }).fit(parts.train.x)
  const whole = (part) => Int32Array.from([...scaler.transform(part.x).data, ...range.transform(part.x).data], (v) => Math.trunc(v * 64))
  const inputOf = (part) => { const all = whole(part), rows = part.y.length; return Int32Array.from({ length: rows * 12 }, (_, i) => all[(i % 12 < 6 ? 0 : rows * 6) + Math.floor(i / 12) * 6 + (i % 6)]) }
  const model = sequential([dense(24, { activation: 'relu' }), dense(1)], { input: { shape: [12], dtype: 'i32', scale: 1 / 64 }, seed: 36 })
    .compile({ optimizer: sgd({ learningRate: 0.3, momentum: 0.8 }), loss: binaryCrossentropy({ fromLogits: true }), metrics: [accuracy({ threshold: 0 }), binaryAccuracy({ name: 'sure', threshold: 1 })] })
  const lines = []
  const slower = { onEpochEnd(event) { if (event.epoch % 3 === 2) event.scaleLearningRate(1 / (event.epoch + 1)) } }
  const order = shuffled(parts.train.y.length, 4)
  const trainX = inputOf(parts.train)
  const x = Int32Array.from(order.length * 12 === trainX.length ? Array.from(order).flatMap((s) => Array.from(trainX.subarray(s * 12, s * 12 + 12))) : [])
  const y = Float32Array.from(order, (s) => parts.train.y[s])
  const h = await model.fit(x, y, {
    epochs: 30, batchSize: 10, validationData: [inputOf(parts.validation), parts.validation.y], callbacks: [slower, progress((line) => lines.push(line)), earlyStopping({ patience: 2 }), earlyStopping({ monitor: 'accuracy', patience: 8, minDelta: 0.001, restoreBest: false })],
  })
  if (h.stopped !== 'earlyStopping' || lines.length !== h.epochs.length) throw new Error(`expected a training that stops early, got ${h.stopped} after ${h.epochs.length} epochs`)
  return row(equigrad, model, [h.epochs, h.validation], await model.predict(inputOf(parts.test)))
}

/** Sums longer than a block of 4096 terms: over features, over samples and over pixels; depthwise kernels of many channels; one sample, and many. */
export async function long(equigrad, { digits }) {
  const { sequential, dense, conv2d, depthwiseConv2d, averagePool2d, flatten, reshape, functional, input, concatenate, sgd, adam, mse, sparseCategoricalCrossentropy } = equigrad
  const wide = numbers(3 * 9001, 37)
  const first = sequential([dense(9, { activation: 'tanh' }), dense(1)], { input: [9001], seed: 37 }).compile({ optimizer: sgd({ learningRate: 0.001 }), loss: mse() })
  const h = [(await first.fit(wide, numbers(3, 38), { epochs: 3, batchSize: 1 })).epochs]
  checkAlone(first, wide, 9001, await first.predict(wide))

  const many = numbers(4500 * 3, 39)
  const second = sequential([dense(5, { activation: 'relu' }), dense(2)], { input: [3], seed: 38 }).compile({ optimizer: sgd({ learningRate: 0.1 }), loss: mse() })
  h.push((await second.fit(many, numbers(4500 * 2, 40), { epochs: 2, batchSize: 'full', shuffle: false })).epochs)

  const { images, labels } = digits({ samples: 24, seed: 7 })
  const image = input([784], { dtype: 'u8', scale: 1 / 255 }), kind = input([1])
  const drawn = averagePool2d({ poolSize: 2 })(depthwiseConv2d(3, { activation: 'relu', padding: 'same', strides: 2 })(depthwiseConv2d(2, { depthMultiplier: 2 })(conv2d(9, 3, { padding: 'same', activation: 'relu' })(reshape([28, 28, 1])(image)))))
  const third = functional({ image, kind }, dense(10, { activation: 'softmax' })(concatenate([flatten()(drawn), kind])), { seed: 39 })
    .compile({ optimizer: adam({ learningRate: 0.01, beta1: 0.8, beta2: 0.99 }), loss: sparseCategoricalCrossentropy() })
  const x = { image: images, kind: numbers(24, 41) }
  h.push((await third.fit(x, labels, { epochs: 3, batchSize: 12 })).epochs)
  const weights = Object.fromEntries([first, second, third].flatMap((m, i) => Object.entries(m.getWeights()).map(([key, w]) => [`${i}/${key}`, w])))
  return row(equigrad, { getWeights: () => weights }, h, { data: new Float32Array([...(await second.predict(many)).data, ...(await third.predict(x)).data]) }, [first, second, third])
}

/** Every function of one value and of two, by a layer of one's own that differs between training and prediction; its gradients, in a step. */
export async function functions(equigrad) {
  const { sequential, dense, layer, step, abs, affine, clip, exp, log, neg, reciprocal, relu, sigmoid, sign, softplus, sqrt, square, tanh, add, div, mul, sub, maximum, minimum, greater, equal, matmul, concatenate, split, slice, expand, reshapeTo, constant, byMode, logSoftmax, max, mean, min, sum, logitXent, adam } = equigrad
  const n = 27
  const x = numbers(n * 8, 42)
  const y = Float32Array.from({ length: n * 2 }, (_, i) => (x[(i >> 1) * 8 + (i & 1)] > 0 ? 1 : 0))
  const mixed = layer('mixed', {}, (v, { param }) => {
    const w = param('kernel', [8, 8], { kind: 'uniform', low: -0.5, high: 0.5 })
    const [a, b] = split(matmul(v, w), [3, 5])
    const near = add(square(a), constant(0.5))
    const one = concatenate([log(near), reciprocal(near), div(a, sqrt(near))])
    const two = concatenate([exp(neg(abs(b))), mul(sigmoid(b), sign(b)), clip(b, -0.2, 0.3), relu(b)])
    const tops = concatenate([maximum(slice(b, 0, 3), a), minimum(a, slice(b, 2, 5)), mul(greater(a, slice(b, 0, 3)), a), mul(equal(a, a), tanh(a))])
    const rows = expand(reshapeTo(concatenate([max(b, -1), min(a, -1), mean(a, -1), sum(b, -1)].map((r) => reshapeTo(r, ['n', 1]))), ['n', 4, 1]), ['n', 4, 2])
    return byMode(affine(concatenate([one, two, tops, reshapeTo(rows, ['n', 8])]), 1.5, 0), concatenate([one, two, tops, reshapeTo(rows, ['n', 8])]))
  })
  const model = sequential([mixed, dense(2)], { input: [8], seed: 42 })
  const train = step(model, { x: [8], y: [2] }, (v) => {
    const out = model.call(v.x)
    const loss = add(mean(logitXent(out, v.y)), affine(mean(neg(logSoftmax(out))), 0.1, 0))
    return { loss, spread: softplus(sub(max(out), min(out))), update: adam({ learningRate: 0.02 }).minimize(loss, model.weights) }
  })
  const history = []
  for (let i = 0; i < 25; i++) history.push(await train({ x, y }))
  const compiled = model.compile({ optimizer: adam({ learningRate: 0.01 }), loss: equigrad.binaryCrossentropy({ fromLogits: true }) })
  history.push(...(await compiled.fit(x, y, { epochs: 3, batchSize: 9 })).epochs)
  return row(equigrad, model, [history], await model.predict(x))
}

/** Gradients of gradients, by pixels and by weights: penalties on how much a net's output changes, through convolutions, means of pools and every activation. */
export async function penalties(equigrad) {
  const { sequential, conv2d, averagePool2d, flatten, dense, elu, leakyRelu, step, gradients, add, affine, clip, mean, sum, mul, square, sub, slice, max, softmax, logSoftmax, sigmoid, relu, concatenate, rmsprop, adam, mse, save, load } = equigrad
  const n = 10
  const x = numbers(n * 50, 43)
  const y = Float32Array.from({ length: n }, (_, i) => x[i * 50] - x[i * 50 + 13])
  const model = sequential([
    conv2d(4, 3, { activation: elu(0.8), padding: 'same' }), averagePool2d({ poolSize: 2, strides: 1 }), conv2d(3, 2, { activation: leakyRelu(0.3), strides: 2 }), flatten(), dense(7, { activation: 'tanh' }), dense(6),
  ], { input: [5, 5, 2], seed: 43 })
  const train = step(model, { x: [5, 5, 2], y: [1] }, (v) => {
    const out = model.call(v.x)
    const [a, b] = [slice(out, 0, 3), slice(out, 3, 6)]
    const ends = concatenate([mul(softmax(a), sigmoid(b)), relu(logSoftmax(b)), mul(logSoftmax(a), clip(b, -0.4, 0.4)), relu(affine(a, 1, 0.1))])
    const [dx] = gradients(sum(add(sum(ends, -1), max(out, -1))), [v.x])
    const loss = add(mean(square(sub(mean(out, -1), sum(v.y, -1)))), mean(square(ends)))
    const kernels = model.weights.values.slice(0, 1)
    const turns = gradients(loss, kernels).map((g) => mean(square(g)))
    const penalty = turns.reduce((total, g) => add(total, g), affine(mean(square(dx)), 0.5, 0))
    return { loss, penalty, update: rmsprop({ learningRate: 0.005, globalClipNorm: 1 }).minimize(add(loss, affine(penalty, 0.2, 0)), model.weights) }
  })
  const history = []
  for (let i = 0; i < 15; i++) history.push(await train({ x, y }))
  const copy = load(save(model)).compile({ optimizer: adam(), loss: mse() })
  await copy.fit(x, numbers(n * 6, 44), { epochs: 2, batchSize: 4 })
  return row(equigrad, model, [history], await model.predict(x), [copy])
}

/** A model that gives a gradient: an energy and its forces, with what is left open between training and prediction in it; and a masked net's gradient by its weights. */
export async function forces(equigrad) {
  const { functional, sequential, input, dense, dropout, batchNormalization, gradients, step, add, affine, byMode, sum, mean, square, mask, magnitudeMask, adam, mse, mae, save, load } = equigrad
  const n = 40
  const x = numbers(n * 3, 45)
  const energy = Float32Array.from({ length: n }, (_, i) => x[i * 3] * x[i * 3] + x[i * 3 + 1] * x[i * 3 + 2])
  const force = Float32Array.from({ length: n * 3 }, (_, i) => (i % 3 === 0 ? 2 * x[i] : x[i % 3 === 1 ? i + 1 : i - 1]))
  const r = input([3])
  const e = dense(1)(dropout(0.1)(batchNormalization({ momentum: 0.6 })(dense(14, { activation: 'tanh' })(r))))
  const [f] = gradients(e, [r])
  const model = functional({ r }, { e, f }, { seed: 45 }).compile({ optimizer: adam({ learningRate: 0.02 }), loss: { e: mse(), f: mae() }, lossWeights: { f: 2 } })
  const first = await model.fit({ r: x }, { e: energy, f: force }, { epochs: 5, batchSize: 9 })
  const again = load(save(model))
  const second = await again.fit({ r: x }, { e: energy, f: force }, { epochs: 3, batchSize: 9 })
  const p = await again.predict({ r: x })

  const net = sequential([dense(10, { activation: 'sigmoid' }), dense(2)], { input: [3], seed: 46 })
  const thin = mask(net, magnitudeMask(net, { sparsity: 0.4 }))
  const train = step(thin, { x: [3] }, (v) => {
    const loss = mean(square(thin.call(v.x)))
    const size = gradients(loss, thin.weights.values).reduce((total, g) => total.concat([sum(square(g))]), [])
    return { loss, first: size[0], update: adam({ learningRate: 0.05 }).minimize(loss, thin.weights) }
  })
  const history = []
  for (let i = 0; i < 8; i++) history.push(await train({ x }))
  // While training, the square of its slope by its own weights is added to what it gives.
  const v = input([3])
  const store = equigrad.createStore()
  const kept = load(save(thin), { store })
  const slope = gradients(kept.call(v), kept.weights.values).map((g) => sum(square(g))).reduce((a, b) => add(a, b))
  const steep = functional({ v }, byMode(add(kept.call(v), affine(slope, 0.01, 0)), kept.call(v)), { seed: 47, store }).compile({ optimizer: adam({ learningRate: 0.01 }), loss: mse() })
  const third = await steep.fit({ v: x }, force.slice(0, n * 2), { epochs: 3, batchSize: 8 })
  const weights = { ...again.getWeights(), ...Object.fromEntries([thin, steep].flatMap((m, i) => Object.entries(m.getWeights()).map(([key, w]) => [`${i}/${key}`, w]))) }
  return row(equigrad, { getWeights: () => weights }, [first.epochs, second.epochs, history, third.epochs], { data: new Float32Array([...p.e.data, ...p.f.data, ...(await thin.predict(x)).data]) }, [again, steep])
}

/** A label for every step of a sequence, of many lengths: attention over time and running means by a scan of one's own, backwards too; bytes as lengths. */
export async function tagged(equigrad, { padSequences }) {
  const { functional, input, dense, layer, simpleRNN, scan, lengthMask, select, add, mul, div, sub, sum, max, exp, expand, reshapeTo, slice, concatenate, constant, affine, accuracy, adamW, exponentialDecay, sparseCategoricalCrossentropy, save, load } = equigrad
  const [n, T, d] = [22, 6, 4]
  const given = numbers(n * T * d, 47)
  const lengths = Uint8Array.from({ length: n }, (_, i) => (i * 5) % T + 1)
  const start = padSequences(Array.from({ length: n }, (_, i) => given.slice(i * T * d, i * T * d + T)), { length: T - 2, truncate: 'start' })
  const end = padSequences(Array.from({ length: n }, (_, i) => given.slice(i * T * d, i * T * d + T)), { length: T - 2, truncate: 'end' })
  const tags = Int32Array.from({ length: n * T }, (_, i) => (given[i * d] > 0.3 ? 2 : given[i * d + 1] > 0 ? 1 : 0))
  const [x, steps, extra] = [input([T, d]), input([], { below: T + 1, dtype: 'u8' }), input([T - 2])]

  const running = layer('running', {}, ({ v, lengths: l }) => {
    const zero = mul(reshapeTo(slice(v, 0, 1, { axis: 1 }), ['n', d]), constant(0))
    const forward = scan(([s, k], [xt]) => { const next = [add(s, xt), affine(k, 1, 1)]; return { carries: next, ys: [div(next[0], next[1])] } }, [zero, zero], [v], { lengths: l }).ys[0]
    const back = scan(([s], [xt]) => { const next = add(affine(s, 0.5, 0), xt); return { carries: [next], ys: [next] } }, [zero], [v], { lengths: l, reverse: true }).ys[0]
    return concatenate([forward, back])
  })
  const attention = layer('attention', {}, ({ v, lengths: l }) => {
    const scores = select(lengthMask(l, T, 1), dense(1)(v), constant(-10))
    const e = exp(sub(scores, expand(reshapeTo(max(scores, 1), ['n', 1, 1]), ['n', T, 1])))
    const w = div(e, expand(reshapeTo(sum(e, 1), ['n', 1, 1]), ['n', T, 1]))
    const seen = sum(mul(expand(w, ['n', T, 2 * d]), v), 1)
    return expand(reshapeTo(seen, ['n', 1, 2 * d]), ['n', T, 2 * d])
  })
  const states = running({ v: x, lengths: steps })
  const more = expand(reshapeTo(dense(3)(extra), ['n', 1, 3]), ['n', T, 3])
  const h = simpleRNN(7, { returnSequences: true, activation: 'relu' })(concatenate([states, attention({ v: states, lengths: steps }), more]), { lengths: steps })
  const model = functional({ x, steps, extra }, dense(3, { activation: 'softmax' })(h), { seed: 47 })
    .compile({ optimizer: adamW({ learningRate: exponentialDecay(0.02, { steps: 9, factor: 0.8, warmup: 5 }), exclude: ['bias'] }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
  const data = { x: given, steps: lengths, extra: start }
  const first = await model.fit(data, tags, { epochs: 4, batchSize: 5 })
  const again = load(save(model))
  const second = await again.fit({ ...data, extra: end }, tags, { epochs: 3, batchSize: 5 })
  return row(equigrad, again, [first.epochs, second.epochs], await again.predict(data))
}

/** A net that was trained elsewhere, its first layers frozen, its outputs within looked at; then clipped, drawn uniformly, under a budget; replicas that are given their own rows alone. */
export async function tuned(equigrad, { digits }) {
  const { sequential, functional, input, conv2d, batchNormalization, activation, globalAveragePool2d, maxPool2d, flatten, reshape, dense, stochasticClip, shardRows, stepDecay, adam, sgd, sparseCategoricalCrossentropy, mse } = equigrad
  const { images, labels } = digits({ samples: 36, seed: 8 })
  const image = () => input([784], { dtype: 'u8', scale: 1 / 255 })
  const store = equigrad.createStore()
  const compile = (model, loss, frozen) => model.compile({ optimizer: adam({ learningRate: stepDecay(0.02, { every: 4, warmup: 2 }) }), loss, frozen })
  const body = sequential([reshape([28, 28, 1]), conv2d(5, 5, { strides: 3, name: 'eye' }), batchNormalization({ momentum: 0.5, name: 'even' }), activation('elu'), maxPool2d({ poolSize: 2 }), globalAveragePool2d(), flatten()], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, name: 'body', seed: 48, store })
  const x = image()
  const auto = functional({ x }, dense(5, { name: 'code' })(body.call(x)), { seed: 49, store })
  const first = await compile(auto, mse(), []).fit({ x: images }, numbers(36 * 5, 50), { epochs: 2, batchSize: 9 })
  const z = image()
  const model = compile(functional({ z }, dense(10, { activation: 'softmax' })(dense(12, { activation: 'relu' })(body.call(z))), { seed: 50, store }), sparseCategoricalCrossentropy(), ['eye', 'even.gamma'])
  const second = await model.fit({ z: images }, labels, { epochs: 5, batchSize: 12 })

  const small = sequential([dense(16, { activation: 'tanh' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 51 })
    .compile({ optimizer: sgd({ learningRate: 0.1 }), loss: sparseCategoricalCrossentropy(), shards: 3 })
  const history = []
  for (let i = 0; i < 6; i++) {
    const sums = []
    for (let shard = 0; shard < 3; shard++) {
      const [from, to] = shardRows(36, shard, 3)
      sums.push(await small.computeShard(images.subarray(from * 784, to * 784), labels.subarray(from, to), { shard, batchSize: 36 }))
    }
    history.push(await small.applyShards(sums))
  }
  const clipped = await stochasticClip(small, { x: images, y: labels }, { fraction: 0.4, draw: 'uniform', candidates: 3, group: 20, budget: 120, seed: 3, tolerance: 0.01 })
  const weights = { ...model.getWeights(), ...Object.fromEntries(Object.entries(clipped.model.getWeights()).map(([key, w]) => [`small/${key}`, w])) }
  const { tried, accepted, loss } = clipped.statistics
  const p = [await model.predict({ z: images }), await clipped.model.predict(images)]
  return row(equigrad, { getWeights: () => weights }, [first.epochs, second.epochs, history, [{ tried, accepted, ...loss }]], { data: new Float32Array(p.flatMap(({ data }) => Array.from(data))) }, [auto, model, small])
}
