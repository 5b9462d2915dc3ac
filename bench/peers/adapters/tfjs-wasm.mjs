// TensorFlow.js on its WebAssembly backend, one thread.
import { setThreadsCount, setWasmPaths } from '@tensorflow/tfjs-backend-wasm'
import { tfjs } from './tfjs.mjs'

export default tfjs('wasm', ({ wasm, threads }) => {
  setWasmPaths(`${wasm('@tensorflow/tfjs-backend-wasm')}`)
  setThreadsCount(threads)
})
