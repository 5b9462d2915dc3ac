// In an engine of its own (int8.test.ts), where the module's test is the first that runs it: is the relaxed product exact here, is it accepted, and does a quantised model predict what the file says?
import { readFileSync } from 'node:fs'
import { dense, load, loadInt8, save, sequential } from '../../src/index.js'
import { quantize } from '../../src/compress/index.js'
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

// One lane, then three, and one of a copy: each packs for its own kernels, and the bits are those of integers.
const many = randomFloats(300 * 96, 2)
const wide = load(save(await quantize(sequential([dense(256, { activation: 'relu' }), dense(128)], { input: [96], seed: 2 }), { calibration: many })), { lanes: 3 })
const alone = wide.predictSync(many).data
const shared = (await wide.predict(many)).data
const { lanes, int8: onLanes } = wide.runtime
const last = load(save(wide)).predictSync(many).data
const lanesEqual = alone.every((v, i) => v === shared[i] && v === last[i] && Number.isFinite(v))
console.log(JSON.stringify({ lanes, onLanes, lanesEqual, relaxed: wrong, path, reason, runtime: before.runtime, equal: y.every((v) => Number.isFinite(v)), y: Array.from(new Uint32Array(y.buffer, 0, 20)) }))
