// onnxruntime-web on WebAssembly. Its inputs are copied into its memory at each run and its outputs into new arrays, which it leaves no choice about: of an
// output that it is given it returns the array as it was.
import * as ort from 'onnxruntime-web/wasm'
import { operands, PIXELS, rowsOf } from '../data.mjs'
import { dynamicInt8Model, f32Model, int8Model, productModel } from '../onnx.mjs'

/** @type {import('../rounds.mjs').Adapter} */
export default {
  id: 'onnxruntime-web',
  setup: (workload, data, { wasm, threads }) => {
    ort.env.wasm.numThreads = threads
    ort.env.wasm.wasmPaths = wasm('onnxruntime-web')
    return workload.kind === 'predict' ? prediction(workload, data) : product(workload.product)
  },
}

/** @param {Uint8Array} model */
const open = (model) => ort.InferenceSession.create(model, { executionProviders: ['wasm'], graphOptimizationLevel: 'all' })

async function prediction({ network, batch, int8 }, data) {
  const x = rowsOf(data, 0, batch)
  const predictBy = (session) => async (rows, count) => (await session.run({ x: new ort.Tensor('float32', rows, [count, PIXELS]) })).p.data
  const models = int8 ? { static: int8Model(network, data.trained, data), dynamic: dynamicInt8Model(network, data.trained) } : { f32: f32Model(network, data.trained) }
  const ways = []
  for (const [note, model] of Object.entries(models)) ways.push({ note, predict: predictBy(await open(model)) })
  const { note, predict } = await fastest(ways, x, batch)
  return { run: async (n) => { for (let i = 0; i < n; i++) await predict(x, batch) }, predict, note: int8 ? `u8 × s8, ${note} ranges, the faster way here` : '' }
}

/** Milliseconds that each way is tried for, after as many to warm up. */
const TRIAL = 100
async function fastest(ways, x, batch) {
  if (ways.length === 1) return ways[0]
  const runs = async ({ predict }) => { let n = 0; for (const from = performance.now(); performance.now() - from < TRIAL; n++) await predict(x, batch); return n }
  const counted = []
  for (const way of ways) { await runs(way); counted.push({ way, n: await runs(way) }) }
  return counted.reduce((best, one) => (one.n > best.n ? one : best)).way
}

async function product(of) {
  const { form, m, n, k, fixed } = of
  const { a, b } = operands(of)
  const session = await open(productModel(of, b))
  const feeds = { a: new ort.Tensor('float32', a, form === 'tn' ? [k, m] : [m, k]), ...(fixed ? {} : { b: new ort.Tensor('float32', b, form === 'nt' ? [n, k] : [k, n]) }) }
  return { run: async (times) => { for (let i = 0; i < times; i++) await session.run(feeds) }, result: async () => (await session.run(feeds)).c.data }
}
