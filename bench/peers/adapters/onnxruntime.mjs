// onnxruntime-web on WebAssembly. Its inputs are copied into its memory at each run, which it leaves no choice about.
import * as ort from 'onnxruntime-web/wasm'
import { operands, PIXELS, rowsOf } from '../data.mjs'
import { f32Model, int8Model, productModel } from '../onnx.mjs'

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
  const session = await open(int8 ? int8Model(network, data.trained, data) : f32Model(network, data.trained))
  const predict = async (x, rows) => (await session.run({ x: new ort.Tensor('float32', x, [rows, PIXELS]) })).p.data
  const x = rowsOf(data, 0, batch)
  return { run: async (n) => { for (let i = 0; i < n; i++) await predict(x, batch) }, predict, note: int8 ? 'static, u8 × s8' : '' }
}

async function product(of) {
  const { form, m, n, k, fixed } = of
  const { a, b } = operands(of)
  const session = await open(productModel(of, b))
  const feeds = { a: new ort.Tensor('float32', a, form === 'tn' ? [k, m] : [m, k]), ...(fixed ? {} : { b: new ort.Tensor('float32', b, form === 'nt' ? [n, k] : [k, n]) }) }
  return { run: async (times) => { for (let i = 0; i < times; i++) await session.run(feeds) }, result: async () => (await session.run(feeds)).c.data }
}
