// Losses and metrics of one's own: those that are built in, written again, have the same bits; they are saved; what they cannot be is refused at compile.
import { describe, expect, it } from 'vitest'
import {
  abs, accuracy, adam, add, affine, argMax, constant, dense, dropout, EquigradError, equal, exp, flatten, functional, gradients, input, l2, log, loss, logitXent, mae, max, mean, metric, min, mse, mul, neg, NonFiniteError, reshapeTo,
  sameIndex, save, load, select, sequential, sgd, ShapeError, softmax, sparseCategoricalCrossentropy, sparseXent, split, square, sub, sum, toFloat, Value, type Loss, type Metric, type Numbers, type Optimizer,
} from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { errorOf, hashOf, weight } from '../train/support.js'

const n = 40
const x = randomFloats(n * 4, 1, -2, 2)
const numbers = randomFloats(n * 3, 2, -2, 2)
const classes = Int32Array.from({ length: n }, (_, i) => (at(x, i * 4) > 0 ? 2 : i % 2))
const net = () => sequential([dense(8, { activation: 'tanh' }), dense(3)], { input: [4], seed: 1 })

describe('what is built in, written again, has the same bits', () => {
  const run = async <const L extends Loss<never>, const M extends readonly Metric<string>[]>(given: L, labels: unknown, metrics: M, optimizer: Optimizer = adam({ learningRate: 0.01 })) => {
    const model = net().compile({ optimizer, loss: given, metrics })
    const history: unknown = await Reflect.apply(model.fit, model, [x, labels, { epochs: 4, batchSize: 7, validationSplit: 0.25 }])
    return { hash: hashOf(model), history: JSON.stringify(history) }
  }
  const pairs: Readonly<Record<string, readonly [Loss<never>, Loss<never>, unknown]>> = {
    mse: [mse(), loss('mine', (y, t) => square(sub(y, t))), numbers],
    mae: [mae(), loss('mine', (y, t) => abs(sub(y, t))), numbers],
    'mean already taken': [mse(), loss('mine', (y, t) => mean(square(sub(y, t)), 1)), numbers],
    sparse: [sparseCategoricalCrossentropy({ fromLogits: true }), loss('mine', sparseXent, { labels: 'classes' }), classes],
  }
  it.each(Object.entries(pairs))('%s', async (_, [theirs, mine, labels]) => {
    expect(await run(mine, labels, [])).toEqual(await run(theirs, labels, []))
  })
  it('accuracy', async () => {
    const [a, b] = [await run(sparseCategoricalCrossentropy({ fromLogits: true }), classes, [accuracy()]), await run(sparseCategoricalCrossentropy({ fromLogits: true }), classes, [metric('accuracy', (y, t) => sameIndex(argMax(y), t))])]
    expect(b).toEqual(a)
  })
})

describe('against its formula', () => {
  it('the mean over all but the samples is taken, of any shape', async () => {
    const model = sequential([dense(2)], { input: [3, 4], seed: 2 })
      .compile({ optimizer: sgd({ learningRate: 0 + 1e-9 }), loss: loss('cubes', (y, t) => mul(sub(y, t), square(sub(y, t)))), metrics: [metric('least', (y) => min(y, [1, 2])), metric('most', (y) => max(y, -1))] })
    const [images, labels] = [randomFloats(5 * 12, 3), randomFloats(5 * 6, 4)]
    const p = model.predictSync(images).data
    const scores = await model.evaluate(images, labels)
    const rows = Array.from({ length: 5 }, (_, i) => Array.from(p.subarray(i * 6, i * 6 + 6)))
    const average = (list: readonly number[]): number => list.reduce((a, b) => a + b, 0) / list.length
    expect(scores.loss).toBeCloseTo(average(Array.from(p, (v, i) => (v - at(labels, i)) ** 3)), 6)
    expect(scores.least).toBeCloseTo(average(rows.map((r) => Math.min(...r))), 6)
    expect(scores.most).toBeCloseTo(average(rows.flatMap((r) => [0, 2, 4].map((i) => Math.max(at(r, i), at(r, i + 1))))), 6)
  })

  it('focal loss of class numbers, by its own one-hot labels too: value and gradient', async () => {
    const viaXent = loss('focal', (z, y) => { const xent = sparseXent(z, y); return mul(square(affine(exp(neg(xent)), -1, 1)), xent) }, { labels: 'classes' })
    const viaOneHot = loss('focal', (z, y) => {
      const p = sum(mul(softmax(z), equal(reshapeTo(toFloat(y), ['n', 1]), constant([0, 1, 2]))), -1)
      return neg(mul(square(affine(p, -1, 1)), log(p)))
    }, { labels: 'classes' })
    const [a, b] = [viaXent, viaOneHot].map((l) => net().compile({ optimizer: sgd({ learningRate: 0.1 }), loss: l }))
    if (a === undefined || b === undefined) throw new Error('two models')
    const p = a.predictSync(x)
    const want = Array.from(classes, (c, i) => { const row = p.data.subarray(i * 3, i * 3 + 3), z = Math.log(row.reduce((s, v) => s + Math.exp(v), 0)), q = Math.exp(at(row, c) - z); return -((1 - q) ** 2) * Math.log(q) })
    expect((await a.evaluate(x, classes)).loss).toBeCloseTo(want.reduce((s, v) => s + v, 0) / n, 5)
    for (let i = 0; i < 3; i++) { await a.fit(x, classes); await b.fit(x, classes) }
    weight(a, 'dense1.kernel').forEach((w, i) => { expect(w).toBeCloseTo(at(weight(b, 'dense1.kernel'), i), 5) })
  })

  it('a penalty on weights of the model is an L2 penalty', async () => {
    const plain = net()
    const penalised = loss('penalised', (y, t) => add(mean(square(sub(y, t)), 1), affine(plain.weights.values.reduce<Value>((s, w) => (w.shape.length === 2 ? add(s, sum(square(w))) : s), constant(0)), 0.01, 0)))
    plain.compile({ optimizer: sgd({ learningRate: 0.1 }), loss: penalised })
    const built = sequential([dense(8, { activation: 'tanh', kernelRegularizer: l2(0.01) }), dense(3, { kernelRegularizer: l2(0.01) })], { input: [4], seed: 1 }).compile({ optimizer: sgd({ learningRate: 0.1 }), loss: mse() })
    const mine: unknown = await Reflect.apply(Reflect.get(plain, 'fit') as typeof built.fit, plain, [x, numbers, { epochs: 3 }])
    const theirs = await built.fit(x, numbers, { epochs: 3 })
    weight(plain, 'dense1.kernel').forEach((w, i) => { expect(w).toBeCloseTo(at(weight(built, 'dense1.kernel'), i), 5) })
    expect((mine as typeof theirs).loss.at(-1)).toBeCloseTo(theirs.loss.at(-1) ?? NaN, 4)
  })
})

describe('with the rest', () => {
  const weighted = loss('weighted', (y, t) => mul(square(sub(y, t)), constant([1, 10, 0.5])))
  it('they are in the file: training goes on as if never saved, in a world without the function', async () => {
    const model = net().compile({ optimizer: adam(), loss: weighted, metrics: [metric('signed', (y, t) => sub(y, t)), mae()], shards: 2 })
    await model.fit(x, numbers, { epochs: 2, batchSize: 8 })
    const again = load(save(model))
    const fit = (m: object): Promise<unknown> => Reflect.apply(Reflect.get(m, 'fit') as typeof model.fit, m, [x, numbers, { epochs: 2, batchSize: 8 }])
    expect(await fit(again)).toEqual(await fit(model))
    expect(hashOf(again)).toBe(hashOf(model))
  })

  it('of several outputs, with weights of samples, each with metrics of its own', async () => {
    const v = input([4])
    const h = dense(5, { activation: 'tanh' })(v)
    const model = functional(v, { kind: dense(3)(h), size: dense(3)(h) })
      .compile({ optimizer: adam(), loss: { kind: loss('mine', sparseXent, { labels: 'classes' }), size: weighted }, metrics: { size: [metric('signed', (y, t) => sub(y, t))] } })
    const scores = await model.evaluate(x, { kind: classes, size: numbers })
    expect(scores.loss).toBeCloseTo(scores.kind.loss + scores.size.loss, 5)
    expect(typeof scores.size.signed).toBe('number')
    const sampleWeight = Float32Array.from({ length: n }, (_, i) => i % 2)
    await model.fit(x, { kind: classes, size: numbers }, { sampleWeight, epochs: 2 })
    const half = await model.evaluate(x, { kind: classes, size: numbers }, { sampleWeight })
    expect(half.loss).toBeLessThan((await model.evaluate(x, { kind: classes, size: numbers })).loss)
  })

  it('a loss of one\'s own is a metric too', async () => {
    const model = net().compile({ optimizer: adam(), loss: mse(), metrics: [weighted] })
    expect((await model.evaluate(x, numbers)).weighted).toBeGreaterThan(0)
  })

  it('dropout in a loss draws by its place, the same in every run', async () => {
    const noisy = () => loss('noisy', (y, t) => square(sub(dropout(0.5)(y), t)))
    const run = async (): Promise<string> => { const m = net().compile({ optimizer: sgd(), loss: noisy() }); await m.fit(x, numbers); return hashOf(m) }
    expect(await run()).toBe(await run())
  })

  it('one that is not finite is named', async () => {
    const model = net().compile({ optimizer: sgd(), loss: loss('logs', (y) => log(neg(square(y)))) })
    const error = await errorOf(() => model.fit(x, numbers))
    expect(error).toBeInstanceOf(NonFiniteError)
    expect(error.message).toContain('loss:y')
  })
})

describe('refused', () => {
  const compile = (given: Loss<never>, metrics: readonly Metric<string>[] = []) => () => net().compile({ optimizer: adam(), loss: given, metrics })
  const of = (f: unknown): Loss<never> => Reflect.apply(loss, undefined, ['mine', f]) as Loss<never>
  const measured = (f: unknown): (() => unknown) => compile(mse(), [Reflect.apply(metric, undefined, ['mine', f]) as Metric<string>])
  const other = input([4]), foreign = sequential([dense(2, { name: 'foreign' })], { input: [4] })
  const [w] = foreign.weights.values
  it.each<readonly [string, () => unknown, new (...args: never) => Error, string]>([
    ['a name that is none', () => Reflect.apply(loss, undefined, ['', () => 1]), TypeError, 'loss: name: expected a string that is not empty, got "".'],
    ['a number for a name', () => Reflect.apply(metric, undefined, [3, () => 1]), TypeError, 'metric: name: expected a string that is not empty, got 3.'],
    ['no function', () => of(3), TypeError, 'loss \'mine\': expected a function of output and labels, got 3.'],
    ['labels that are none', () => Reflect.apply(loss, undefined, ['mine', sub, { labels: 'class' }]), RangeError, 'loss.labels: expected one of \'values\', \'classes\', got "class".'],
    ['a misspelt option', () => Reflect.apply(loss, undefined, ['mine', sub, { label: 'classes' }]), TypeError, 'Did you mean \'labels\'?'],
    ['a loss that gives a number', compile(of(() => 3)), TypeError, 'loss \'mine\': expected a function that gives a value, got 3.'],
    ['a loss that gives nothing', compile(of(() => undefined)), TypeError, 'got undefined.'],
    ['a loss over all samples', compile(of((a: Value, b: Value) => mean(sub(a, b)))), ShapeError, 'loss \'mine\': expected a function that gives numbers for each sample, f32[n, …], got f32[]. Do not reduce over the samples.'],
    ['a loss of whole numbers', compile(of((a: Value) => argMax(a))), ShapeError, 'loss \'mine\': expected a function that gives numbers for each sample, f32[n, …], got i32[n].'],
    ['a loss of shapes that do not fit', compile(of((a: Value) => sub(a, constant([1, 2])))), ShapeError, 'loss:y: sub: expected shapes that broadcast, got [n, 3] and [2].'],
    ['a loss of another input', compile(of((a: Value) => sub(a, dense(3)(other)))), EquigradError, 'compile: loss:y: expected a function of the output, the labels and weights of the model, got one of another'],
    ['a loss with a weight of another model', compile(of((a: Value) => (w === undefined ? a : mul(a, sum(w))))), EquigradError, 'got one of another weight \'kernel\'.'],
    ['a metric over all samples', measured((a: Value) => sum(a)), ShapeError, 'metric \'mine\': expected a function that gives numbers for each sample, f32[n, …], got f32[].'],
    ['a metric of class numbers', measured((a: Value) => argMax(a)), ShapeError, 'metric \'mine\': expected a function that gives numbers for each sample, f32[n, …], got i32[n].'],
    ['a metric that gives a list', measured((a: Value) => [a]), TypeError, 'metric \'mine\': expected a function that gives a value, got an array of 1.'],
    ['a loss made by hand that gives more than one number a sample', compile({ kind: 'k', name: 'k', labelKind: 'values', perSample: (a) => a, build: (a) => a }), ShapeError, 'compile: loss:y: expected one number a sample, f32[n], got f32[n, 3].'],
    ['class labels of an output without classes', () => sequential([dense(1), flatten()], { input: [4] }).compile({ optimizer: adam(), loss: loss('mine', (a, b) => mul(a, toFloat(reshapeTo(b, ['n', 2]))), { labels: 'classes' }) }), ShapeError, 'reshape: expected 1 elements a sample'],
  ])('%s', (_, run, error, text) => {
    expect(run).toThrow(error)
    expect(run).toThrow(text)
  })

  it.each<readonly [string, (a: Value, b: Value) => Value, string]>([
    ['no gradient by any weight', (a, b) => mul(toFloat(argMax(a)), mean(b, 1)), 'compile: loss: expected one with a gradient by a weight that is trained, got one that is constant in all of them.'],
    ['an op whose gradient has none', (a, b) => sum(mul(gradients(sparseXent(a, argMax(b)), [a])[0], b), 1), 'expected ops that have a gradient, got \'sparseXentGrad\' in loss:y, which has none.'],
  ])('%s', (_, f, text) => {
    const run = compile(of(f))
    expect(run).toThrow(EquigradError)
    expect(run).toThrow(text)
  })
})

describe('constant', () => {
  it.each<readonly [string, Numbers, readonly number[] | undefined, string, readonly number[]]>([
    ['a number', 3, undefined, 'f32[]', [3]], ['a list', [1, 2, 3], undefined, 'f32[3]', [1, 2, 3]], ['rows', [[1, 2], [3, 4], [5, 6]], undefined, 'f32[3, 2]', [1, 2, 3, 4, 5, 6]],
    ['doubles', Float64Array.of(0.1, -0), undefined, 'f32[2]', [Math.fround(0.1), -0]], ['another shape', Float32Array.of(1, 2, 3, 4), [2, 2], 'f32[2, 2]', [1, 2, 3, 4]], ['whole numbers', Int32Array.of(7, -1), undefined, 'i32[2]', [7, -1]],
    ['bytes', Uint8Array.of(0, 255), [2, 1], 'u8[2, 1]', [0, 255]], ['a number in a shape', 5, [1, 1], 'f32[1, 1]', [5]], ['arrays in a list', [Float32Array.of(1, 2), Float32Array.of(3, 4)], undefined, 'f32[2, 2]', [1, 2, 3, 4]],
    ['infinities', [Infinity, -Infinity], undefined, 'f32[2]', [Infinity, -Infinity]], ['nothing', [], undefined, 'f32[0]', []],
  ])('%s', (_, values, shape, type, data) => {
    const v = constant(values, shape)
    expect(String(v)).toBe(type)
    expectBits(v.source.kind === 'constant' ? v.source.data : [], data)
  })

  it('is what is computed with', () => {
    const model = functional(otherInput, select(constant(Uint8Array.of(1, 0), [2]), constant([1, 2]), constant(0)).shape.length === 1 ? mul(otherInput, constant([[1, 2]])) : otherInput)
    expectBits(model.predictSync([[3, 4]]).data, [3, 8])
  })
  const otherInput = input([2])

  it.each<readonly [string, unknown, unknown, new (...args: never) => Error, string]>([
    ['a word', 'a', undefined, TypeError, 'constant: expected a number, nested arrays of numbers, or a typed array, got "a".'], ['a hole', [1, , 3], undefined, TypeError, 'got undefined.'],
    ['rows of two lengths', [[1, 2], [3]], undefined, ShapeError, 'constant: expected rows of one shape, [2], got [1].'], ['NaN', [1, NaN], undefined, RangeError, 'constant: expected numbers, got NaN.'],
    ['a shape that does not fit', [1, 2, 3], [2, 2], ShapeError, 'constant: expected 3 elements, got the shape [2, 2].'], ['samples in a shape', [1], ['n', 1], TypeError, 'constant: shape: expected a shape such as [2, 3]'],
  ])('refuses %s', (_, values, shape, error, text) => {
    const run = (): unknown => Reflect.apply(constant, undefined, [values, shape])
    expect(run).toThrow(error)
    expect(run).toThrow(text)
  })

  it('ops that are in the open work on values of every kind', async () => {
    const v = input([4])
    const [a, b] = split(v, [1, 3])
    if (a === undefined || b === undefined) throw new Error('two parts')
    const model = functional(v, { least: reshapeTo(min(b, 1), ['n', 1]), most: reshapeTo(max(b, -1), ['n', 1]), xent: logitXent(a, a) })
    const p = await model.predict(x)
    expectBits(p.least.data, Array.from({ length: n }, (_, i) => Math.min(...x.subarray(i * 4 + 1, i * 4 + 4))))
    expectBits(p.most.data, Array.from({ length: n }, (_, i) => Math.max(...x.subarray(i * 4 + 1, i * 4 + 4))))
    expect(p.xent.shape).toEqual([n, 1])
  })
})
