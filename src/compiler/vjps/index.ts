// The gradient of every op that has one, by the op's name. An op without a row is refused when a gradient through it is defined.
// They stand apart from the ops, so that a bundle that only predicts does not carry them.
import type { Vjp } from './vjp.js'
import { conv2dInputVjp, conv2dKernelVjp, conv2dVjp } from './conv.js'
import { binaryVjps, selectVjp, unaryVjps } from './elementwise.js'
import { averageVjp, byModeVjp } from './mode.js'
import { fakeQuantVjp, weightVjp } from './weight.js'
import { averagePool2dGradVjp, averagePool2dVjp, maxPool2dVjp } from './pool.js'
import { dropoutVjp, logSoftmaxGradVjp, logSoftmaxVjp, matmulVjp, noGradient, softmaxGradVjp, softmaxVjp, sparseXentVjp } from './rows.js'
import { concatVjp, expandVjp, maxVjp, meanVjp, reshapeVjp, sliceVjp, splitVjp, sumVjp } from './shapes.js'
import { scanVjp } from './scan.js'

export const vjps: ReadonlyMap<string, Vjp> = /* @__PURE__ */ new Map<string, Vjp>([
  ...unaryVjps, ...binaryVjps,
  ['matmul', matmulVjp], ['conv2d', conv2dVjp], ['conv2dInput', conv2dInputVjp], ['conv2dKernel', conv2dKernelVjp],
  ['expand', expandVjp], ['reshape', reshapeVjp], ['sum', sumVjp], ['mean', meanVjp], ['max', maxVjp],
  ['softmax', softmaxVjp], ['logSoftmax', logSoftmaxVjp], ['softmaxGrad', softmaxGradVjp], ['logSoftmaxGrad', logSoftmaxGradVjp],
  ['sparseXent', sparseXentVjp], ['concat', concatVjp], ['slice', sliceVjp], ['split', splitVjp], ['scan', scanVjp], ['select', selectVjp], ['dropout', dropoutVjp],
  ['maxPool2d', maxPool2dVjp], ['averagePool2d', averagePool2dVjp], ['averagePool2dGrad', averagePool2dGradVjp],
  ['byMode', byModeVjp], ['average', averageVjp], ['weight', weightVjp], ['fakeQuant', fakeQuantVjp],
  ['read', noGradient], ['lengthMask', noGradient], ['argMax', noGradient], ['sameIndex', noGradient],
])
