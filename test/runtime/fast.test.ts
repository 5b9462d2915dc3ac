// Stores that asked for the relaxed multiply-add: they compute what others do but for roundings, or say why they are like all others.
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { adam, conv2d, createStore, dense, flatten, sequential, sparseCategoricalCrossentropy, type Store } from '../../src/index.js'
import { KC, PANEL, SCRATCH_BYTES } from '../../src/compiler/kernels.js'
import { NO_ACTIVATION } from '../../src/core/codes.js'
import { instantiate, kernelModule, kernelsOf, type Kernel } from '../../src/runtime/binary.js'
import { agrees } from '../../src/runtime/relaxed/fast.js'
import { randomFloats } from '../support/numbers.js'

const bytes = readFileSync('build/fast.wasm')
const RELAXED = WebAssembly.validate(bytes)
const expected = RELAXED ? { path: 'relaxed', reason: '' } : { path: 'baseline', reason: 'fast: this engine has no relaxed SIMD' }

const netOf = (store: Store) => sequential([conv2d(5, 3, { activation: 'relu' }), flatten(), dense(37, { activation: 'tanh' }), dense(10)], { input: [8, 8, 3], store, seed: 4 })
const x = randomFloats(9 * 192, 1), y = Int32Array.from({ length: 9 }, (_, i) => i)

/** An output is a sum of at most 180 terms below 4 in magnitude after three layers: an eps of each rounding, either way. */
const TOLERANCE = 180 * 4 * 2 ** -23

test('a store that did not ask has the baseline', async () => {
  const model = netOf(createStore())
  await model.predict(x)
  expect(model.runtime.fast).toEqual({ path: 'baseline', reason: 'fast: not asked for' })
})

test('predictions and trainings are those of others but for roundings', async () => {
  const [fast, plain] = [netOf(createStore({ fast: true })), netOf(createStore())]
  expect(fast.runtime.fast.path).toBe('baseline')
  const [a, b] = [await fast.predict(x), await plain.predict(x)]
  expect(fast.runtime.fast).toEqual(expected)
  b.data.forEach((v, i) => { expect(Math.abs((a.data[i] ?? NaN) - v)).toBeLessThanOrEqual(TOLERANCE) })
  const losses = await Promise.all([fast, plain].map(async (model) => {
    const history = await model.compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy({ fromLogits: true }) }).fit(x, y, { epochs: 5, batchSize: 4 })
    return history.epochs.map(({ loss }) => loss)
  }))
  losses[1]?.forEach((loss, i) => { expect(Math.abs((losses[0]?.[i] ?? NaN) - loss)).toBeLessThanOrEqual(1e-3 * loss) })
  // the same store, the same bits
  expect((await fast.predict(x)).data).toEqual(fast.predictSync(x).data)
})

test('what a store computes does not change on the way: one that is used at once does without', async () => {
  // Other stores of this process may have loaded the module already: then a synchronous call has it too.
  const store = createStore({ fast: true })
  const model = netOf(store)
  const first = model.predictSync(x).data
  const runtime = model.runtime.fast
  expect((await model.predict(x)).data).toEqual(first)
  expect(model.runtime.fast).toEqual(runtime)
})

test('lanes compute what one does', async () => {
  const [lanes, one] = [netOf(createStore({ fast: true, lanes: 2 })), netOf(createStore({ fast: true }))]
  expect((await lanes.predict(x)).data).toEqual((await one.predict(x)).data)
  expect(lanes.runtime).toMatchObject({ lanes: 2, fast: expected })
})

test('misuse is refused', () => {
  // @ts-expect-error a number is no flag
  expect(() => createStore({ fast: 1 })).toThrow(TypeError)
})

const NUMBERS = { KC, PANEL, SCRATCH_BYTES, NO_ACTIVATION }

describe.runIf(RELAXED)('the known-answer test', () => {
  const names = ['f32_gemm', 'f32_conv'] as const
  const made = async (name: typeof names[number]) => {
    const instance = instantiate()
    const module = await kernelModule('fast', names, () => bytes)
    if (module === null) throw new Error('no relaxed SIMD')
    return { instance, kernel: kernelsOf(module, instance.memory)[name] }
  }

  test.each(names)('%s passes, and no kernel that is wrong in one element', async (name) => {
    const { instance, kernel } = await made(name)
    expect(agrees(instance, name, kernel, NUMBERS)).toBe(true)
    for (const element of [0, 6 * 27 - 1]) {
      const wrong: Kernel = (d, ...rest) => {
        kernel(d, ...rest)
        const view = new DataView(instance.memory.buffer), at = view.getUint32(d + 8, true) + element * 4
        view.setFloat32(at, view.getFloat32(at, true) + 1, true)
      }
      expect(agrees(instance, name, wrong, NUMBERS)).toBe(false)
    }
    expect(agrees(instance, name, () => undefined, NUMBERS)).toBe(false)
  })
})
