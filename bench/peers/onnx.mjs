// ONNX models of our networks and products, written from our weights: what onnxruntime is given. Runs in Node and in a page.
import onnxProto from 'onnx-proto'
import { PIXELS, rowsOf } from './data.mjs'

const { onnx } = onnxProto
const FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6
const OPSET = 17

const bytes = (array) => new Uint8Array(array.buffer, array.byteOffset, array.byteLength)
const tensor = (name, dims, data, dataType = FLOAT) => ({ name, dims, dataType, rawData: bytes(data) })
const node = (opType, input, output, attribute = []) => ({ opType, input, output: [output], attribute, name: output })
const int = (name, i) => ({ name, type: 2, i })
const value = (name, dims, elemType = FLOAT) => ({ name, type: { tensorType: { elemType, shape: { dim: dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })) } } } })

/** @returns {Uint8Array} */
const modelOf = (nodes, initializer, input, output) => onnx.ModelProto.encode(onnx.ModelProto.create({
  irVersion: 8, opsetImport: [{ domain: '', version: OPSET }], producerName: 'equigrad bench', graph: { name: 'bench', node: nodes, initializer, input, output },
})).finish()

/** Dense layers with relu, softmax at the end; input x [n, 784], output p [n, 10]. @param {import('./workloads.mjs').Network} network @param {import('./data.mjs').Weights} weights */
export function f32Model({ parts }, weights) {
  const nodes = [], initializers = []
  parts.forEach(({ from, to }, i) => {
    initializers.push(tensor(`w${i}`, [from, to], weights[2 * i].data), tensor(`b${i}`, [to], weights[2 * i + 1].data))
    nodes.push(node('Gemm', [i === 0 ? 'x' : `h${i}`, `w${i}`, `b${i}`], `z${i}`))
    nodes.push(i < parts.length - 1 ? node('Relu', [`z${i}`], `h${i + 1}`) : node('Softmax', [`z${i}`], 'p', [int('axis', 1)]))
  })
  return modelOf(nodes, initializers, [value('x', ['n', PIXELS])], [value('p', ['n', parts.at(-1).to])])
}

/** C = A·B. B is a constant, which is packed when the session is made, or the input b. @param {import('./workloads.mjs').Product} product @param {Float32Array} b */
export function productModel({ form, m, n, k, fixed }, b) {
  const [a, other] = [form === 'tn' ? [k, m] : [m, k], form === 'nt' ? [n, k] : [k, n]]
  return modelOf(
    [node('Gemm', ['a', 'b'], 'c', [int('transA', Number(form === 'tn')), int('transB', Number(form === 'nt'))])],
    fixed ? [tensor('b', other, b)] : [], [value('a', a), ...(fixed ? [] : [value('b', other)])], [value('c', [m, n])],
  )
}

/** Calibration images. */
const CALIBRATION = 1024

/** Largest value of each layer's input over the calibration images; none is below 0. */
function ranges({ parts }, weights, data) {
  let h = rowsOf(data, 0, CALIBRATION)
  return parts.map(({ from, to }, i) => {
    const most = h.reduce((x, v) => Math.max(x, v), 0)
    const y = new Float32Array(CALIBRATION * to)
    for (let r = 0; r < CALIBRATION; r++) {
      for (let c = 0; c < to; c++) y[r * to + c] = weights[2 * i + 1].data[c]
      for (let j = 0; j < from; j++) {
        const x = h[r * from + j]
        if (x !== 0) for (let c = 0; c < to; c++) y[r * to + c] += x * weights[2 * i].data[j * to + c]
      }
      for (let c = 0; c < to; c++) y[r * to + c] = Math.max(0, y[r * to + c])
    }
    h = y
    return most
  })
}

/** Symmetric int8 weights, a scale for each column. */
function quantised({ data }, from, to) {
  const scales = new Float32Array(to)
  for (let i = 0; i < data.length; i++) scales[i % to] = Math.max(scales[i % to], Math.abs(data[i]) / 127)
  return { scales, codes: Int8Array.from({ length: from * to }, (_, i) => Math.round(data[i] / scales[i % to])) }
}

/**
 * Static int8 as onnxruntime's own tool writes it (QDQ): u8 activations by their range over calibration images, s8 weights by column, i32 biases.
 * @param {import('./workloads.mjs').Network} network @param {import('./data.mjs').Weights} weights @param {import('./data.mjs').Data} data
 */
export function int8Model(network, weights, data) {
  const { parts } = network
  const most = ranges(network, weights, data)
  const nodes = [], initializers = []
  const constant = (name, dims, array, type) => { initializers.push(tensor(name, dims, array, type)); return name }
  parts.forEach(({ from, to }, i) => {
    const { scales, codes } = quantised(weights[2 * i], from, to)
    const scale = most[i] / 255
    const [s, zero] = [constant(`s${i}`, [], new Float32Array([scale])), constant(`zero${i}`, [], new Uint8Array(1), UINT8)]
    const input = i === 0 ? 'x' : `h${i}`
    nodes.push(node('QuantizeLinear', [input, s, zero], `q${i}`), node('DequantizeLinear', [`q${i}`, s, zero], `d${i}`))
    const w = [constant(`w${i}`, [from, to], codes, INT8), constant(`ws${i}`, [to], scales), constant(`wz${i}`, [to], new Int8Array(to), INT8)]
    nodes.push(node('DequantizeLinear', w, `wd${i}`, [int('axis', 1)]))
    const bias = Int32Array.from(weights[2 * i + 1].data, (b, c) => Math.round(b / (scale * scales[c])))
    const b = [constant(`b${i}`, [to], bias, INT32), constant(`bs${i}`, [to], scales.map((x) => x * scale)), constant(`bz${i}`, [to], new Int32Array(to), INT32)]
    nodes.push(node('DequantizeLinear', b, `bd${i}`, [int('axis', 0)]))
    nodes.push(node('Gemm', [`d${i}`, `wd${i}`, `bd${i}`], `z${i}`))
    nodes.push(i < parts.length - 1 ? node('Relu', [`z${i}`], `h${i + 1}`) : node('Softmax', [`z${i}`], 'p', [int('axis', 1)]))
  })
  return modelOf(nodes, initializers, [value('x', ['n', PIXELS])], [value('p', ['n', parts.at(-1).to])])
}

/** Dynamic int8: each call finds the range of its activations. @param {import('./workloads.mjs').Network} network @param {import('./data.mjs').Weights} weights */
export function dynamicInt8Model({ parts }, weights) {
  const nodes = [], initializers = []
  const constant = (name, dims, array, type) => { initializers.push(tensor(name, dims, array, type)); return name }
  parts.forEach(({ from, to }, i) => {
    const { scales, codes } = quantised(weights[2 * i], from, to)
    nodes.push({ opType: 'DynamicQuantizeLinear', input: [i === 0 ? 'x' : `h${i}`], output: [`q${i}`, `s${i}`, `zero${i}`], name: `q${i}` })
    const w = [constant(`w${i}`, [from, to], codes, INT8), constant(`wz${i}`, [to], new Int8Array(to), INT8)]
    nodes.push(node('MatMulInteger', [`q${i}`, w[0], `zero${i}`, w[1]], `sum${i}`), node('Cast', [`sum${i}`], `f${i}`, [int('to', FLOAT)]))
    nodes.push(node('Mul', [`s${i}`, constant(`ws${i}`, [to], scales)], `scale${i}`), node('Mul', [`f${i}`, `scale${i}`], `y${i}`))
    nodes.push(node('Add', [`y${i}`, constant(`b${i}`, [to], weights[2 * i + 1].data)], `z${i}`))
    nodes.push(i < parts.length - 1 ? node('Relu', [`z${i}`], `h${i + 1}`) : node('Softmax', [`z${i}`], 'p', [int('axis', 1)]))
  })
  return modelOf(nodes, initializers, [value('x', ['n', PIXELS])], [value('p', ['n', parts.at(-1).to])])
}
