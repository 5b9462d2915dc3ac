// A view into a model: the outputs of its layers fetched, differentiated by, replaced.
import { describe, expect, test } from 'vitest'
import { activation, batchNormalization, conv2d, dense, dropout, flatten, functional, gradients, gru, input, mul, sequential, ShapeError, step, sum, Tensor, type Scalar, type Value } from '../../src/index.js'
import { at, expectBits } from '../support/bits.js'
import { randomFloats } from '../support/numbers.js'

const net = () => sequential([dense(7, { activation: 'tanh' }), dropout(0.5), dense(5, { activation: 'relu' }), dense(3)], { input: [4], seed: 3 })
const x = randomFloats(6 * 4, 1, -1, 1)
const data = (t: number | Tensor | undefined): Float32Array => { if (!(t instanceof Tensor)) throw new TypeError('a tensor'); return t.data }

test('fetched: what a model of the first layers gives; restarted from there: what the whole gives, to the bit', async () => {
  const model = net()
  const names = ['dense1', 'dropout1', 'dense2', 'dense3']
  const look = step(model, { x: [4] }, (v) => {
    const seen = model.inspect(v.x)
    expect(seen.names).toEqual(names)
    return { y: seen.output, ...Object.fromEntries(names.map((name): [string, Value] => [name, seen.layer(name)])) }
  })
  const found: Readonly<Record<string, Tensor | number>> = await look({ x })
  expectBits(data(found['y']), model.predictSync(x).data)
  expectBits(data(found['dropout1']), data(found['dense1']))
  expectBits(data(found['dense3']), data(found['y']))
  for (const [name, width] of [['dense1', 7], ['dropout1', 7], ['dense2', 5], ['dense3', 3]] as const) {
    const rest = step(model, { x: [4], h: [width] }, (v) => ({ y: model.inspect(v.x, { feeds: { [name]: v.h } }).output }))
    // the input no longer matters
    expectBits(data((await rest({ x: new Float32Array(24), h: data(found[name]) })).y), data(found['y']))
  }
})

test('the gradient by a layer\'s output is what differences of a restart show', async () => {
  const model = sequential([conv2d(2, 2, { activation: 'sigmoid' }), flatten(), dense(3, { activation: 'tanh' })], { input: [3, 3, 1], seed: 4 })
  const images = randomFloats(2 * 9, 2, -1, 1), mask = randomFloats(6, 3, -1, 1)
  const look = step(model, { x: [3, 3, 1], mask: [3] }, (v) => {
    const { output, layer } = model.inspect(v.x)
    const h = layer('conv2d1')
    return { h, dh: gradients(sum(mul(output, v.mask)), [h])[0] }
  })
  const { h, dh } = await look({ x: images, mask })
  const rest = step(model, { x: [3, 3, 1], h: [2, 2, 2], mask: [3] }, (v): { readonly y: Scalar } => ({ y: sum(mul(model.inspect(v.x, { feeds: { conv2d1: v.h } }).output, v.mask)) }))
  for (let i = 0; i < h.data.length; i++) {
    // differences of f32 results of size 1: 2⁻²³ / step, and the third derivative times step²
    const by = async (d: number): Promise<number> => (await rest({ x: images, h: h.data.map((v, j) => (j === i ? v + d : v)), mask })).y
    expect(Math.abs((await by(2 ** -9) - await by(-(2 ** -9))) / 2 ** -8 - at(dh.data, i))).toBeLessThan(2e-4)
  }
})

test('layers within layers, models within models, one used twice, statistics, sequences', () => {
  const eye = dense(4, { activation: 'relu', name: 'eye' })
  const base = sequential([dense(3, { name: 'inner' }), batchNormalization()], { input: [4], name: 'base' })
  const [a, b] = [input([4]), input([5, 4])]
  const twice = eye(eye(a))
  const model = functional({ a, b }, { y: dense(2)(base.call(twice)), z: activation('tanh')(gru(4)(b)) })
  const seen = model.inspect({ a, b })
  expect(seen.names).toEqual(['eye', 'inner', 'batchNormalization1', 'dense1', 'gru1', 'activation1'])
  expect(seen.layer('gru1').shape).toEqual(['n', 4])
  expect(seen.layer('eye').shape).toEqual(['n', 4])
  expect(model.inspect({ a, b }, { feeds: { gru1: a } }).output.z.shape).toEqual(['n', 4])
})

describe('what is refused', () => {
  const v = input([4])
  test('unknown layers and options, values of other shapes', () => {
    const model = net()
    expect(() => model.inspect(v).layer('dense4')).toThrow('inspect: expected a layer among dense1, dropout1, dense2, dense3, got "dense4".')
    expect(() => model.inspect(v, { feeds: { conv: v } })).toThrow('got "conv"')
    expect(() => model.inspect(v, { feeds: { dense1: v } })).toThrow(ShapeError)
    expect(() => model.inspect(v, { feeds: { dense1: v } })).toThrow('inspect: dense1: expected f32[n, 7], got f32[n, 4].')
    expect(() => model.inspect(v, { feed: {} } as object)).toThrow('feed')
    expect(() => model.inspect(v, { feeds: { dense1: 5 } } as never)).toThrow('inspect: dense1: expected a value, got 5')
    expect(() => model.inspect(input([5]))).toThrow('call: x: expected f32[n, 4]')
  })
})
