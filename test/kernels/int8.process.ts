// In an engine of its own (int8.test.ts), where the module's test is the first that runs it: is the relaxed product exact here, is it accepted, and does a quantised model predict what the file says?
import { readFileSync } from 'node:fs'
import { dense, loadInt8, quantize, sequential } from '../../src/index.js'
import { sweepProducts } from '../support/int8.js'
import { KernelBox } from '../support/kernel.js'
import { randomFloats } from '../support/numbers.js'

const int8 = readFileSync('build/int8.wasm')
const relaxed = WebAssembly.validate(int8)
let box = relaxed ? new KernelBox(undefined, int8) : null
const boxes = (): KernelBox => {
  if (box === null || box.memory.buffer.byteLength > 2 ** 25) box = new KernelBox(undefined, int8)
  return box
}
// A model that has predicted before the module came stays as it is; one that predicts afterwards has it.
const x = randomFloats(77 * 13, 1)
const model = sequential([dense(70, { activation: 'relu' }), dense(9)], { input: [13], seed: 1 })
const before = await quantize(model, { calibration: x })
const { path, reason } = await loadInt8()
const y = before.predictSync(x).data
const wrong = relaxed ? sweepProducts(boxes, 'qs8_gemm_u7', 127).wrong : null
console.log(JSON.stringify({ relaxed: wrong, path, reason, runtime: before.runtime, equal: y.every((v) => Number.isFinite(v)), y: Array.from(new Uint32Array(y.buffer, 0, 20)) }))
