// onnxruntime-web on WebAssembly, with the model as a file: the first prediction of the worked example.
import * as ort from 'onnxruntime-web/wasm'
import { image, say, SIZES } from './inputs.mjs'

ort.env.wasm.numThreads = 1
ort.env.wasm.wasmPaths = globalThis.process?.env.WASM
const model = globalThis.process === undefined ? 'model.onnx' : (await import('node:fs')).readFileSync(process.env.MODEL)
const session = await ort.InferenceSession.create(model, { executionProviders: ['wasm'] })
say((await session.run({ x: new ort.Tensor('float32', image, [1, SIZES[0]]) })).p.data)
