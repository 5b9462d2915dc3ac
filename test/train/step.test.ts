// One's own steps and gradients: an MLP's step as fit makes it, saliency, a gradient penalty against differences, a small GAN; what is refused.
import { describe, expect, it } from 'vitest'
import {
  activation, adam, affine, add, argMax, batchNormalization, byMode, createStore, dense, dropout, expand, EquigradError, flatten, functional, gradients, input, layer, log, maxPool2d, mean, mse, mul, neg, NonFiniteError, sequential, sgd, sigmoid, softplus, sqrt, square, step, sub, sum, tanh, Value,
} from '../../src/index.js'
import { constant } from '../../src/compiler/graph/value.js'
import { total } from '../../src/compiler/ops/metric.js'
import { expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'
import { hashOf, weight } from './support.js'

const n = 10
const x = randomFloats(n * 4, 1)
const y = randomFloats(n, 2)
const mlp = (seed = 1) => sequential([dense(6, { activation: 'tanh' }), dense(1)], { input: [4], seed })

describe('step', () => {
  it('with an update trains as trainOnBatch does, to rounding: mean over rows against the sum of shares', async () => {
    const [own, kerasLike] = [mlp(), mlp().compile({ optimizer: adam(), loss: mse() })]
    const train = step(own, { x: [4], y: [1] }, (v) => {
      const loss = mean(square(sub(own.call(v.x), v.y)))
      return { loss, update: adam().minimize(loss, own.weights) }
    })
    for (let i = 0; i < 20; i++) {
      const { loss } = await train({ x, y })
      const scores = await kerasLike.trainOnBatch(x, y)
      expect(loss).toBeCloseTo(scores.loss, 5)
    }
    const [a, b] = [weight(own, 'dense1.kernel'), weight(kerasLike, 'dense1.kernel')]
    a.forEach((w, i) => { expect(w).toBeCloseTo(b[i] ?? NaN, 4) })
  })

  it('gives the same bits twice, for any number of rows through few programs', async () => {
    const run = async (): Promise<string> => {
      const model = mlp(3)
      const train = step(model, { x: [4], y: [1] }, (v) => {
        const loss = mean(square(sub(model.call(v.x), v.y)))
        return { loss, update: sgd({ momentum: 0.9 }).minimize(loss, model.weights) }
      })
      for (const rows of [10, 1, 3, 7, 10, 2]) await train({ x: x.subarray(0, rows * 4), y: y.subarray(0, rows) })
      return hashOf(model)
    }
    expect(await run()).toBe(await run())
  })

  it('gradients by inputs and by values between are those that differences show', async () => {
    const model = mlp(4)
    const probe = step(model, { x: [4] }, (v) => {
      const h = tanh(v.x)
      const out = sum(square(model.call(h)))
      const [dx, dh] = gradients(out, [v.x, h])
      return { out, dx, dh }
    })
    const { dx, dh, out } = await probe({ x })
    expect(typeof out).toBe('number')
    const h = 1e-2
    for (let i = 0; i < 8; i++) {
      const moved = (d: number) => probe({ x: x.map((v, j) => (j === i ? v + d : v)) })
      const difference = ((await moved(h)).out - (await moved(-h)).out) / (2 * h)
      expect(dx.data[i] ?? NaN).toBeCloseTo(difference, 2)
      // dx = dh·(1 − tanh²)
      expect(dx.data[i] ?? NaN).toBeCloseTo((dh.data[i] ?? NaN) * (1 - Math.tanh(x[i] ?? NaN) ** 2), 4)
    }
  })

  it('a gradient penalty: the gradient of a gradient\'s norm is that which differences of the penalty show', async () => {
    const model = mlp(5)
    const penalty = (v: Value) => {
      const [dx] = gradients(model.call(v), [v])
      return mean(square(sub(sqrt(sum(square(dx), 1)), constant([], 'f32', [1]))))
    }
    const probe = step(model, { x: [4] }, (v) => {
      const loss = penalty(v.x)
      const [dw] = gradients(loss, model.weights.values)
      return { loss, dw: dw ?? loss }
    })
    const { dw, loss } = await probe({ x })
    const kernel = weight(model, 'dense1.kernel')
    if (typeof dw === 'number') throw new Error('a scalar')
    const h = 1e-2
    for (let i = 0; i < kernel.length; i += 5) {
      const at = async (d: number): Promise<number> => {
        model.setWeights({ 'dense1.kernel': { data: kernel.map((w, j) => (j === i ? w + d : w)), shape: [4, 6] } })
        return (await probe({ x })).loss
      }
      expect(dw.data[i] ?? NaN).toBeCloseTo(((await at(h)) - (await at(-h))) / (2 * h), 2)
    }
    model.setWeights({ 'dense1.kernel': { data: kernel, shape: [4, 6] } })
    expect((await probe({ x })).loss).toBe(loss)
    // and it trains
    const train = step(model, { x: [4] }, (v) => { const l = penalty(v.x); return { l, update: adam({ learningRate: 0.02 }).minimize(l, model.weights) } })
    for (let i = 0; i < 60; i++) await train({ x })
    expect((await probe({ x })).loss).toBeLessThan(loss / 2)
  })

  it('a GAN: two models, two optimizers, one store, in turn', async () => {
    const store = createStore()
    const g = sequential([dense(8, { activation: 'relu' }), dense(2)], { input: [3], name: 'g', seed: 1, store })
    const d = sequential([dense(8, { activation: 'relu' }), dense(1)], { input: [2], name: 'd', seed: 2, store })
    const trainD = step([g, d], { z: [3], real: [2] }, (v) => {
      const loss = add(mean(softplus(neg(d.call(v.real)))), mean(softplus(d.call(g.call(v.z)))))
      return { loss, update: adam({ learningRate: 0.01 }).minimize(loss, d.weights) }
    })
    const trainG = step([g, d], { z: [3] }, (v) => {
      const loss = mean(softplus(neg(d.call(g.call(v.z)))))
      return { loss, update: adam({ learningRate: 0.01 }).minimize(loss, g.weights) }
    })
    const real = randomFloats(64, 7, 2, 3)
    const before = hashOf(g)
    for (let i = 0; i < 100; i++) {
      const z = randomFloats(96, 100 + i)
      const dBefore = hashOf(d)
      await trainG({ z })
      expect(hashOf(d)).toBe(dBefore)
      await trainD({ z, real })
    }
    expect(hashOf(g)).not.toBe(before)
    const made = g.predictSync(randomFloats(96, 9)).data
    const centre = made.reduce((a, b) => a + b, 0) / made.length
    expect(centre).toBeGreaterThan(1)
  })

  it('dropout is on in a step that updates, off in one that looks, and as asked', async () => {
    const model = sequential([dropout(0.5)], { input: [4] })
    const look = step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }))
    const drop = step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }), { mode: 'train' })
    expect((await look({ x })).out.data).toEqual(x)
    expect((await drop({ x })).out.data).not.toEqual(x)
  })

  it('a loss that is not finite changes nothing', async () => {
    const model = mlp(6)
    const train = step(model, { x: [4] }, (v) => {
      const loss = mean(log(sub(sigmoid(model.call(v.x)), constant([], 'f32', [2]))))
      return { update: sgd().minimize(loss, model.weights) }
    })
    const before = hashOf(model)
    await expect(train({ x })).rejects.toThrow(NonFiniteError)
    expect(hashOf(model)).toBe(before)
  })

  it('refuses when it is defined: foreign layers, a weight in two updates, nothing', async () => {
    const model = mlp()
    expect(() => step(model, { x: [4] }, (v) => ({ g: gradients(sum(expand(total(v.x), [1])), [v.x])[0] }))).toThrow()
    expect(() => step(model, { x: [4] }, (v) => ({ out: dense(2)(v.x) }))).toThrow(/belong to a model/)
    expect(() => step(model, { x: [4] }, (v) => ({ out: mlp(2).call(v.x) }))).toThrow(/List that model/)
    expect(() => step(model, { x: [4] }, (v) => { const l = mean(model.call(v.x)); return { a: sgd().minimize(l, model.weights), b: sgd().minimize(l, model.weights) } })).toThrow(/each weight once, in one update, got 'dense1.kernel' twice/)
    expect(() => step(model, { x: [4] }, () => ({}))).toThrow(/something/)
    expect(() => step(model, { x: [5] }, (v) => ({ out: model.call(v.x) }))).toThrow(/call: x/)
    const other = input([4])
    expect(() => step(model, { x: [4] }, (v) => ({ out: add(v.x, other) }))).toThrow(/own inputs/)
    const ok = step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }))
    await expect(ok({ x: new Float32Array(3) })).rejects.toThrow(/multiple of 4/)
    // @ts-expect-error data of another name
    await expect(ok({ z: x })).rejects.toThrow(/data for x/)
    const r = await ok({ x })
    // @ts-expect-error not returned
    expect(r.update).toBeUndefined()
    expect(functional(other, mul(other, other)).predictSync(x).data).toEqual(x.map((v) => v * v))
  })
})

describe('batch statistics', () => {
  const rows = 12
  const data = randomFloats(rows * 4, 11, -2, 3), labels = randomFloats(rows, 12)
  const normed = (seed = 1, momentum = 0.5) => sequential([dense(5), batchNormalization({ momentum }), activation('tanh'), batchNormalization({ momentum: 0.75 }), dense(1)], { input: [4], seed })
  const NORM = 'batchNormalization1'

  it('a step moves the averages as fit does: the same bits of them after one step, and near ones after many', async () => {
    const [own, fitted] = [normed(), normed().compile({ optimizer: sgd({ learningRate: 0.1 }), loss: mse() })]
    const train = step(own, { x: [4], y: [1] }, (v) => {
      const loss = mean(square(sub(own.call(v.x), v.y)))
      return { loss, update: sgd({ learningRate: 0.1 }).minimize(loss, own.weights) }
    })
    const { loss } = await train({ x: data, y: labels })
    expect((await fitted.trainOnBatch(data, labels)).loss).toBeCloseTo(loss, 5)
    for (const name of [`${NORM}.movingMean`, `${NORM}.movingVariance`, 'batchNormalization2.movingMean', 'batchNormalization2.movingVariance']) {
      expectBits(weight(own, name), weight(fitted, name), name)
      expect(weight(own, name)).not.toEqual(weight(normed(), name))
    }
    for (let i = 0; i < 10; i++) { await train({ x: data, y: labels }); await fitted.trainOnBatch(data, labels) }
    for (const key of Object.keys(own.getWeights())) weight(own, key).forEach((w, i) => { expect(w).toBeCloseTo(weight(fitted, key)[i] ?? NaN, 4) })
  })

  it('one that looks uses the moving ones and moves nothing; in training\'s mode it uses those of the batch, and moves nothing either', async () => {
    const model = normed()
    const before = hashOf(model)
    const [look, train] = (['predict', 'train'] as const).map((mode) => step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }), { mode }))
    if (look === undefined || train === undefined) throw new Error('two')
    expectBits((await look({ x: data })).out.data, model.predictSync(data).data)
    const { out } = await train({ x: data })
    expect(out.data).not.toEqual(model.predictSync(data).data)
    expect(hashOf(model)).toBe(before)
  })

  it('of a model that is called twice take the mean of both statistics', async () => {
    const model = sequential([batchNormalization({ momentum: 0, center: false })], { input: [1] })
    const train = step(model, { a: [1], b: [1] }, (v) => {
      const loss = mean(add(square(model.call(v.a)), square(model.call(v.b))))
      return { update: sgd({ learningRate: 1e-6 }).minimize(loss, model.weights) }
    })
    await train({ a: Float32Array.of(1, 3), b: Float32Array.of(5, 9) })
    expectBits(weight(model, `${NORM}.movingMean`), [4.5])
    expectBits(weight(model, `${NORM}.movingVariance`), [2.5])
  })

  it('only those of the models that are updated move; a step that fails moves none', async () => {
    const store = createStore()
    const part = (name: string, width: number) => sequential([dense(3), batchNormalization({ momentum: 0.5 }), activation('relu'), dense(width)], { input: [2], name, store, seed: 4 })
    const [g, d] = [part('g', 2), part('d', 1)]
    const trainG = step([g, d], { z: [2] }, (v) => {
      const loss = mean(softplus(neg(d.call(g.call(v.z)))))
      return { update: adam().minimize(loss, g.weights) }
    })
    const [dBefore, gBefore] = [hashOf(d), hashOf(g)]
    const z = randomFloats(20, 3)
    await trainG({ z })
    expect(hashOf(d)).toBe(dBefore)
    expect(weight(g, 'g/batchNormalization1.movingMean')).not.toEqual(new Float32Array(3))
    const gNow = hashOf(g)
    expect(gNow).not.toBe(gBefore)
    await expect(trainG({ z: z.map((v, i) => (i === 4 ? 3e38 : v)) })).rejects.toThrow(NonFiniteError)
    expect([hashOf(g), hashOf(d)]).toEqual([gNow, dBefore])
  })

  it('the gradient goes through them: as differences of the loss in training\'s mode', async () => {
    const model = sequential([dense(2), batchNormalization(), activation('tanh'), dense(1)], { input: [4], seed: 6 })
    const probe = step(model, { x: [4] }, (v) => { const out = sum(square(model.call(v.x))); return { out, dx: gradients(out, [v.x])[0] } }, { mode: 'train' })
    const { dx } = await probe({ x: data })
    const h = 1e-2
    for (let i = 0; i < 8; i++) {
      const moved = async (by: number): Promise<number> => (await probe({ x: data.map((v, j) => (j === i ? v + by : v)) })).out
      expect(dx.data[i] ?? NaN).toBeCloseTo(((await moved(h)) - (await moved(-h))) / (2 * h), 2)
    }
  })

  it('of a layer that is not trainable stay, and are used', async () => {
    const model = sequential([batchNormalization({ trainable: false }), dense(1)], { input: [4] })
    const before = weight(model, `${NORM}.movingMean`)
    const train = step(model, { x: [4] }, (v) => { const out = model.call(v.x); return { out, update: sgd().minimize(mean(square(out)), model.weights) } })
    const want = model.predictSync(data).data
    expectBits((await train({ x: data })).out.data, want)
    expectBits(weight(model, `${NORM}.movingMean`), before)
  })
})

describe('what is random in a trace', () => {
  const anyModel = sequential([dense(1)], { input: [4], seed: 3 })
  const ones = new Float32Array(400).fill(1)
  const two = () => step(anyModel, { x: [4] }, (v) => ({ a: dropout(0.5)(v.x), b: dropout(0.5)(v.x) }), { mode: 'train' })

  it('has streams of its own: two dropouts differ, and are the same in every run', async () => {
    const [one, again] = [two(), two()]
    const [first, second] = [await one({ x: ones }), await one({ x: ones })]
    expect(first.a.data).not.toEqual(first.b.data)
    expect(second.a.data).not.toEqual(first.a.data)
    expect(await again({ x: ones })).toEqual(first)
    expect(await again({ x: ones })).toEqual(second)
    // a row's own draws do not depend on the rows beside it
    expectBits((await two()({ x: ones.subarray(0, 40) })).a.data, first.a.data.subarray(0, 40))
  })

  it('is nothing in prediction\'s mode, and what byMode says', async () => {
    const doubled = layer('doubled', {}, (v) => byMode(affine(v, 2, 0), v))
    const by = (mode: 'train' | 'predict') => step(anyModel, { x: [4] }, (v) => ({ a: dropout(0.5)(v.x), b: doubled(v.x) }), { mode })({ x: ones })
    expect((await by('predict')).a.data).toEqual(ones)
    expect((await by('predict')).b.data).toEqual(ones)
    expect((await by('train')).b.data).toEqual(ones.map(() => 2))
  })

  it('has a gradient that draws the same again', async () => {
    const probe = step(anyModel, { x: [4] }, (v) => { const y = dropout(0.5)(v.x); return { y, dx: gradients(sum(square(y)), [v.x])[0] } }, { mode: 'train' })
    const { y, dx } = await probe({ x: ones })
    // y = 2·x or 0: d(y²)/dx = 2·y·2
    expectBits(dx.data, y.data.map((v) => 4 * v))
    expect(new Set(y.data)).toEqual(new Set([0, 2]))
  })

  it('keeps the streams of models that are called beside it', async () => {
    const model = sequential([dropout(0.5)], { input: [4], seed: 3 })
    const alone = await step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }), { mode: 'train' })({ x: ones })
    const beside = await step(model, { x: [4] }, (v) => ({ before: dropout(0.5)(v.x), out: model.call(v.x) }), { mode: 'train' })({ x: ones })
    expect(beside.out).toEqual(alone.out)
    expect(beside.before).not.toEqual(beside.out)
  })
})

describe('several updates in one step', () => {
  const pair = () => {
    const store = createStore()
    const g = sequential([dense(6, { activation: 'relu' }), dense(2)], { input: [3], name: 'g', seed: 1, store })
    const d = sequential([dense(6, { activation: 'relu' }), batchNormalization({ momentum: 0.5 }), dense(1)], { input: [2], name: 'd', seed: 2, store })
    return { g, d }
  }
  const losses = ({ g, d }: ReturnType<typeof pair>, z: Value, real: Value) => {
    const fake = d.call(g.call(z))
    return { forG: mean(softplus(neg(fake))), forD: add(mean(softplus(neg(d.call(real)))), mean(softplus(fake))) }
  }
  const feeds = (i: number) => ({ z: randomFloats(36, 10 + i), real: randomFloats(24, 50 + i, 1, 2) })

  it('are what two steps from the same weights would be, to the bit', async () => {
    const [together, onlyG, onlyD] = [pair(), pair(), pair()]
    const both = step([together.g, together.d], { z: [3], real: [2] }, (v) => {
      const { forG, forD } = losses(together, v.z, v.real)
      return { forG, forD, g: adam({ learningRate: 0.01 }).minimize(forG, together.g.weights), d: sgd({ learningRate: 0.05, momentum: 0.9, globalClipNorm: 0.5 }).minimize(forD, together.d.weights) }
    })
    const stepG = step([onlyG.g, onlyG.d], { z: [3], real: [2] }, (v) => ({ g: adam({ learningRate: 0.01 }).minimize(losses(onlyG, v.z, v.real).forG, onlyG.g.weights) }))
    const stepD = step([onlyD.g, onlyD.d], { z: [3], real: [2] }, (v) => ({ d: sgd({ learningRate: 0.05, momentum: 0.9, globalClipNorm: 0.5 }).minimize(losses(onlyD, v.z, v.real).forD, onlyD.d.weights) }))
    for (let i = 0; i < 5; i++) {
      const got = await both(feeds(i))
      expect(Object.keys(got)).toEqual(['forG', 'forD'])
      await stepG(feeds(i))
      await stepD(feeds(i))
      expect(hashOf(together.g)).toBe(hashOf(onlyG.g))
      expect(hashOf(together.d)).toBe(hashOf(onlyD.d))
      // each twin's other model follows, so that the next step starts from the same weights
      onlyG.d.setWeights(onlyD.d.getWeights())
      onlyD.g.setWeights(onlyG.g.getWeights())
    }
  })

  it('are made all or none: one that is not finite leaves all as they were', async () => {
    const models = pair()
    const { g, d } = models
    const train = step([g, d], { z: [3], real: [2], poison: [1] }, (v) => {
      const { forG, forD } = losses(models, v.z, v.real)
      return { g: adam().minimize(forG, g.weights), d: adam().minimize(mul(forD, mean(v.poison)), d.weights) }
    })
    const poison = (value: number) => new Float32Array(12).fill(value)
    await train({ ...feeds(0), poison: poison(1) })
    const before = [hashOf(g), hashOf(d)]
    await expect(train({ ...feeds(1), poison: poison(3e38) })).rejects.toThrow(NonFiniteError)
    expect([hashOf(g), hashOf(d)]).toEqual(before)
    // and the other way round; then it goes on as if nothing had been
    const twin = pair()
    const swapped = step([twin.g, twin.d], { z: [3], real: [2], poison: [1] }, (v) => {
      const { forG, forD } = losses(twin, v.z, v.real)
      return { d: adam().minimize(forD, twin.d.weights), g: adam().minimize(mul(forG, mean(v.poison)), twin.g.weights) }
    })
    await swapped({ ...feeds(0), poison: poison(1) })
    expect([hashOf(twin.g), hashOf(twin.d)]).toEqual(before)
    await expect(swapped({ ...feeds(1), poison: poison(3e38) })).rejects.toThrow(NonFiniteError)
    expect([hashOf(twin.g), hashOf(twin.d)]).toEqual(before)
    await train({ ...feeds(2), poison: poison(1) })
    await swapped({ ...feeds(2), poison: poison(1) })
    expect([hashOf(twin.g), hashOf(twin.d)]).toEqual([hashOf(g), hashOf(d)])
    expect(hashOf(g)).not.toBe(before[0])
  })

  it('of parts of one model, by optimizers of their own', async () => {
    const model = mlp(7)
    const [first, rest] = [{ values: model.weights.values.slice(0, 2) }, { values: model.weights.values.slice(2) }]
    const train = step(model, { x: [4], y: [1] }, (v) => {
      const loss = mean(square(sub(model.call(v.x), v.y)))
      return { loss, slow: sgd({ learningRate: 1e-3 }).minimize(loss, first), fast: adam({ learningRate: 0.05 }).minimize(loss, rest) }
    })
    const { loss: before } = await train({ x, y })
    for (let i = 0; i < 30; i++) await train({ x, y })
    expect((await train({ x, y })).loss).toBeLessThan(before * 0.7)
  })
})

describe('refused when the step is defined', () => {
  const model = mlp()
  const images = sequential([maxPool2d(), flatten(), dense(1)], { input: [4, 4, 1] })
  const grad = (y: Value, by: Value): Value => gradients(y, [by])[0]
  it.each<readonly [string, () => unknown, string]>([
    ['a second gradient of an op that has one only', () => step(images, { x: [4, 4, 1] }, (v) => ({ g: grad(sum(square(grad(images.call(v.x), v.x))), v.x) })), 'gradients: expected ops that have a gradient, got \'maxPool2dGrad\''],
    ['a gradient penalty on such an op', () => step(images, { x: [4, 4, 1] }, (v) => { const l = mean(square(grad(images.call(v.x), v.x))); return { l, u: adam().minimize(l, images.weights) } }), '\'maxPool2dGrad\' in maxPool2d1, which has none.'],
    ['a gradient of a number', () => step(model, { x: [4] }, (v) => ({ g: Reflect.apply(gradients, undefined, [3, [v.x]])[0] })), 'gradients: expected a value of f32 to differentiate, got 3.'],
    ['a gradient of class numbers', () => step(model, { x: [4] }, (v) => ({ g: grad(argMax(v.x), v.x) })), 'gradients: expected a value of f32 to differentiate, got i32[n].'],
    ['a gradient by one value for a list', () => step(model, { x: [4] }, (v) => ({ g: Reflect.apply(gradients, undefined, [v.x, v.x])[0] })), 'gradients: expected a list of values to differentiate by, got f32[n, 4].'],
    ['a gradient by a name', () => step(model, { x: [4] }, (v) => ({ g: Reflect.apply(gradients, undefined, [v.x, ['x']])[0] })), 'gradients: by 0: expected a value of f32, got "x".'],
    ['an update of a moving average', () => { const b = sequential([batchNormalization()], { input: [4] }); const all = [...b.declarations.values()].map((e) => e.leaf); return step(b, { x: [4] }, (v) => ({ u: sgd().minimize(mean(b.call(v.x)), { values: all }) })) }, 'step: minimize: expected weights of models that are trained, got f32[4].'],
    ['an update of an input', () => step(model, { x: [4] }, (v) => ({ u: sgd().minimize(mean(model.call(v.x)), { values: [v.x] }) })), 'step: minimize: expected weights of models that are trained, got f32[n, 4].'],
    ['a loss that is no scalar', () => step(model, { x: [4] }, (v) => ({ u: Reflect.apply(sgd().minimize, undefined, [model.call(v.x), model.weights]) })), 'sgd.minimize: expected a scalar loss such as mean(…), got f32[n, 1].'],
    ['whole numbers to be returned', () => step(model, { x: [4] }, (v) => ({ c: argMax(v.x) })), 'step: c: expected a value of f32, got i32[n].'],
    ['inputs in a list', () => Reflect.apply(step, undefined, [model, [[4]], () => ({})]), 'step: inputs: expected a record of shapes by name, got an array of 1.'],
    ['a mode that is none', () => Reflect.apply(step, undefined, [model, { x: [4] }, () => ({}), { mode: 'fit' }]), 'step.mode: expected one of \'train\', \'predict\', got "fit".'],
    ['no model', () => Reflect.apply(step, undefined, ['model', { x: [4] }, () => ({})]), 'step: models: expected a model, or a list of models, got "model".'],
  ])('%s', (_, run, text) => { expect(run).toThrow(text) })

  it('data that is no record, or lacks an input, when it is run', async () => {
    const probe = step(model, { x: [4] }, (v) => ({ out: model.call(v.x) }))
    const run = (feeds: unknown): Promise<unknown> => Reflect.apply(probe, undefined, [feeds]) as Promise<unknown>
    await expect(run(undefined)).rejects.toThrow('step: expected a record of data by name, got undefined.')
    await expect(run(x)).rejects.toThrow('step: expected a record of data by name, got Float32Array of 40.')
    await expect(run({})).rejects.toThrow('step: x: expected a Float32Array')
  })

  it('and leaves nothing behind', () => {
    const before = hashOf(model)
    expect(() => step(model, { x: [4] }, () => { throw new EquigradError('mine') })).toThrow('mine')
    // outside of the trace modes are open again
    const open = sequential([dropout(0.5)], { input: [4] })
    expectBits(open.predictSync(x).data, x)
    expect(hashOf(model)).toBe(before)
  })
})
