// Every op by its name: what reading a file needs, and nothing else may name, since it brings all ops along.
import type { Op } from '../graph/value.js'
import { averageOp } from './average.js'
import { binaryOps } from './binary.js'
import { conv2dInputOp, conv2dKernelOp, conv2dOp } from './conv.js'
import { expandOp, reshapeOp } from './shapes.js'
import { concatOp, sliceOp, splitOp } from './concat.js'
import { dropoutOp } from './dropout.js'
import { fakeQuantOp } from './quant.js'
import { weightOp } from './weight.js'
import { sparseXentGradOp, sparseXentOp } from './loss.js'
import { matmulOp } from './matmul.js'
import { argMaxOp, sameIndexOp, totalOp } from './metric.js'
import { byModeOp } from './mode.js'
import { averagePool2dGradOp, averagePool2dOp, maxPool2dGradOp, maxPool2dOp } from './pool.js'
import { qmatmulOp, quantizeLinearOp } from './quantized.js'
import { readOp } from './read.js'
import { maxOp, meanOp, sumOp } from './reduce.js'
import { lengthMaskOp, scanOp } from './scan.js'
import { selectOp } from './select.js'
import { logSoftmaxGradOp, logSoftmaxOp, softmaxGradOp, softmaxOp } from './softmax.js'
import { unaryOps } from './unary.js'

export const ops: ReadonlyMap<string, Op> = /* @__PURE__ */ new Map<string, Op>([
  ...unaryOps, ...binaryOps,
  ...[matmulOp, conv2dOp, conv2dInputOp, conv2dKernelOp, expandOp, reshapeOp, concatOp, sliceOp, splitOp, scanOp, lengthMaskOp, sumOp, meanOp, maxOp, softmaxOp, logSoftmaxOp, softmaxGradOp,
    logSoftmaxGradOp, sparseXentOp, sparseXentGradOp, selectOp, readOp, argMaxOp, sameIndexOp, totalOp, dropoutOp, byModeOp, averageOp, weightOp, fakeQuantOp,
    maxPool2dOp, maxPool2dGradOp, averagePool2dOp, averagePool2dGradOp, quantizeLinearOp, qmatmulOp].map((op): [string, Op] => [op.name, op]),
])
