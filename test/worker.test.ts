// A model behind a port, as in a worker, is the model: the same bits, scores, hooks and errors. Through a real page and worker: test/examples/run.mjs.
import { describe, expect, it } from 'vitest'
import {
  accuracy, adam, dense, dropout, earlyStopping, functional, input, load, mse, NonFiniteError, sequential, sgd, ShapeError, sparseCategoricalCrossentropy, type Callback, type FitEvent,
} from '../src/index.js'
import { inWorker, serveModels } from '../src/worker.js'
import { blobs, errorOf, FEATURES } from './train/support.js'

const { x, y } = blobs(90)
const net = () => sequential([dense(8, { activation: 'relu' }), dropout(0.2), dense(3)], { input: [FEATURES], seed: 6 })
  .compile({ optimizer: adam({ learningRate: 0.02 }), loss: sparseCategoricalCrossentropy({ fromLogits: true }), metrics: [accuracy()] })

/** Both ends, and what ends them. */
function ends(): Disposable & { readonly page: MessagePort; readonly worker: MessagePort } {
  const { port1, port2 } = new MessageChannel()
  serveModels(port2)
  return { page: port1, worker: port2, [Symbol.dispose]: () => { port1.close(); port2.close() } }
}

describe('a model in a worker', () => {
  it('trains, measures, predicts and saves as one that is here', async () => {
    using ports = ends()
    const here = net()
    const away = await inWorker(ports.page, here)
    const options = { epochs: 3, batchSize: 16, validationSplit: 0.2, maxSteps: 11 } as const
    expect(await away.fit(x, y, options)).toEqual(await here.fit(x, y, options))
    expect([away.step, away.epoch]).toEqual([here.step, here.epoch])
    expect(await away.evaluate(x, y)).toEqual(await here.evaluate(x, y))
    expect(await away.trainOnBatch(x, y)).toEqual(await here.trainOnBatch(x, y))
    const [a, b] = [await away.predict(x), await here.predict(x)]
    expect(a).toEqual(b)
    expect(a.argMax()).toEqual(b.argMax())
    expect(await away.stateHash()).toBe(here.stateHash())
    const again = load(await away.save())
    expect([again.stateHash(), again.step]).toEqual([here.stateHash(), here.step])
  })

  it('several models in one', async () => {
    using ports = ends()
    const [a, b] = [await inWorker(ports.page, net()), await inWorker(ports.page, net())]
    await Promise.all([a.fit(x, y), b.fit(x, y, { epochs: 2 })])
    const [one, two] = [net(), net()]
    await one.fit(x, y)
    await two.fit(x, y, { epochs: 2 })
    expect([await a.stateHash(), await b.stateHash()]).toEqual([one.stateHash(), two.stateHash()])
    // Answers on one port are each for their own model.
    expect(await Promise.all([a.stateHash(), b.predict(x)])).toEqual([one.stateHash(), await two.predict(x)])
  })

  it('outputs by name', async () => {
    using ports = ends()
    const a = input([FEATURES])
    const model = functional({ a }, { one: dense(2, { name: 'one' })(a), two: dense(1, { name: 'two' })(a) }, { seed: 1 }).compile({ optimizer: sgd(), loss: { one: mse(), two: mse() } })
    const away = await inWorker(ports.page, model)
    expect(await away.predict({ a: x })).toEqual(await model.predict({ a: x }))
  })

  it('arrays are copied, or moved when that is asked for; shared ones are neither', async () => {
    using ports = ends()
    const away = await inWorker(ports.page, net())
    const [data, labels] = [x.slice(), y.slice()]
    const shared = new Float32Array(new SharedArrayBuffer(x.byteLength))
    shared.set(x)
    await away.fit(data, labels)
    expect([data.length, labels.length]).toEqual([x.length, y.length])
    await away.fit(shared, labels, { transfer: true })
    expect([shared.length, labels.length]).toEqual([x.length, 0])
    await away.predict(data, { transfer: true })
    expect(data.length).toBe(0)
  })
})

describe('callbacks run here', () => {
  it('see what they would without a worker, and are waited for', async () => {
    using ports = ends()
    const watch = (seen: unknown[]): Callback => {
      const look = (hook: string) => async (event: FitEvent): Promise<void> => {
        await new Promise((resolve) => { setTimeout(resolve, 1) })
        seen.push(JSON.parse(JSON.stringify({ hook, ...event })))
      }
      return { onTrainBegin: look('begin'), onEpochBegin: look('epoch'), onBatchEnd: look('batch'), onEpochEnd: look('end'), onTrainEnd: look('done') }
    }
    const [here, there]: [unknown[], unknown[]] = [[], []]
    const model = net()
    const away = await inWorker(ports.page, model)
    await away.fit(x, y, { epochs: 2, callbacks: [watch(there)] })
    await model.fit(x, y, { epochs: 2, callbacks: [watch(here)] })
    expect(there).toEqual(here)
    expect(there.length).toBe(2 + 2 * (2 + 3))
  })

  it('stop, scale, keep and restore', async () => {
    using ports = ends()
    const callbacks = (): Callback[] => [earlyStopping({ monitor: 'loss', patience: 1, minDelta: 0.05 }), { onEpochEnd({ epoch, scaleLearningRate }) { scaleLearningRate(1 / (epoch + 1)) } }]
    const model = net()
    const away = await inWorker(ports.page, model)
    const history = await away.fit(x, y, { epochs: 60, callbacks: callbacks() })
    expect(history).toEqual(await model.fit(x, y, { epochs: 60, callbacks: callbacks() }))
    expect(history.stopped).toBe('earlyStopping')
    expect(await away.stateHash()).toBe(model.stateHash())
  })

  it('a signal ends training, and what it stopped goes on', async () => {
    using ports = ends()
    const away = await inWorker(ports.page, net())
    const controller = new AbortController()
    const { stopped } = await away.fit(x, y, { epochs: 500, signal: controller.signal, callbacks: [{ onBatchEnd() { controller.abort() } }] })
    expect(stopped).toBe('aborted')
    const whole = net()
    await whole.fit(x, y)
    await away.fit(x, y)
    expect(await away.stateHash()).toBe(whole.stateHash())
    expect((await away.fit(x, y, { signal: AbortSignal.abort() })).stopped).toBe('aborted')
  })

  it("a hook's error is fit's, and the model goes on", async () => {
    using ports = ends()
    const away = await inWorker(ports.page, net())
    await expect(away.fit(x, y, { callbacks: [{ onEpochEnd() { throw new RangeError('mine') } }] })).rejects.toThrow(/^mine$/)
    expect((await away.fit(x, y)).stopped).toBe(null)
  })
})

describe('errors', () => {
  it('are of their classes, with what they say', async () => {
    using ports = ends()
    const away = await inWorker(ports.page, net())
    const steep = sequential([dense(3)], { input: [FEATURES] }).compile({ optimizer: sgd({ learningRate: 1e30 }), loss: mse() })
    const zeros = new Float32Array(90 * 3)
    const far = await inWorker(ports.page, steep)
    const bad = x.slice()
    bad[5] = NaN
    const here = net()
    const cases = [
      [NonFiniteError, () => far.fit(x, zeros, { epochs: 9 }), () => steep.fit(x, zeros, { epochs: 9 })], [RangeError, () => away.fit(bad, y), () => here.fit(bad, y)],
      [ShapeError, () => away.fit(x.subarray(1), y), () => here.fit(x.subarray(1), y)],
    ] as const
    for (const [kind, there, expected] of cases) {
      const [a, b] = [await errorOf(there), await errorOf(expected)]
      expect(a).toBeInstanceOf(kind)
      expect({ ...a, message: a.message }).toEqual({ ...b, message: b.message })
    }
    // @ts-expect-error misspelt
    await expect(away.fit(x, y, { epoch: 2 })).rejects.toThrow(/Did you mean 'epochs'/)
    expect((await away.fit(x, y)).stopped).toBe(null)
  })
  it('what cannot be sent is refused', async () => {
    using ports = ends()
    const away = await inWorker(ports.page, net())
    const stream = { async *[Symbol.asyncIterator]() { yield { x, y } } }
    // @ts-expect-error a stream
    await expect(away.fit(stream)).rejects.toThrow(/^fit: expected arrays, got a stream\./)
    // @ts-expect-error a function
    await expect(away.evaluate(x, () => 1)).rejects.toThrow(/^evaluate: expected what can be sent to a worker, got something else .* Pass arrays; streams and functions stay here/)
    expect((await away.fit(x, y)).stopped).toBe(null)
  })
  it('a worker that fails ends every call', async () => {
    const listeners = new Map<string, (event: Event) => void>()
    const opening = inWorker({ postMessage: () => undefined, addEventListener: (type, listener) => { listeners.set(type, listener) } }, net())
    listeners.get('error')?.(new Event('error'))
    await expect(opening).rejects.toThrow(/^worker: expected a worker that runs, got one that failed \(its file could not be loaded\)\. Its file must call serveModels\(\)/)
  })
})
