// One's own steps and gradients: an MLP's step as fit makes it, saliency, a gradient penalty against differences, a small GAN; what is refused.
import { describe, expect, it } from 'vitest'
import {
  adam, add, createStore, dense, dropout, expand, functional, gradients, input, log, mean, mse, mul, neg, NonFiniteError, sequential, sgd, sigmoid, softplus, sqrt, square, step, sub, sum, tanh, Value,
} from '../../src/index.js'
import { constant } from '../../src/compiler/graph/value.js'
import { total } from '../../src/compiler/ops/metric.js'
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

  it('refuses when it is defined: no second gradient, foreign layers, two updates, nothing', async () => {
    const model = mlp()
    expect(() => step(model, { x: [4] }, (v) => ({ g: gradients(sum(expand(total(v.x), [1])), [v.x])[0] }))).toThrow()
    expect(() => step(model, { x: [4] }, (v) => ({ out: dense(2)(v.x) }))).toThrow(/belong to a model/)
    expect(() => step(model, { x: [4] }, (v) => ({ out: mlp(2).call(v.x) }))).toThrow(/List that model/)
    expect(() => step(model, { x: [4] }, (v) => { const l = mean(model.call(v.x)); return { a: sgd().minimize(l, model.weights), b: sgd().minimize(l, model.weights) } })).toThrow(/one update/)
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
