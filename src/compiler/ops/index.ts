// Every op by its name: what loading a model needs. Their gradients stand in ../vjps/.
import type { Op } from '../op.js'
import { binaryOps } from './binary.js'
import { concatOp, splitOp } from './columns.js'
import { expandOp, reshapeOp } from './shapes.js'
import { dropoutOp } from './dropout.js'
import { sparseXentGradOp, sparseXentOp } from './loss.js'
import { matmulOp } from './matmul.js'
import { argMaxOp, sameIndexOp, totalOp } from './metric.js'
import { byModeOp } from './mode.js'
import { readOp } from './read.js'
import { meanOp, sumOp } from './reduce.js'
import { lengthMaskOp, scanOp } from './scan.js'
import { selectOp } from './select.js'
import { logSoftmaxGradOp, logSoftmaxOp, softmaxGradOp, softmaxOp } from './softmax.js'
import { unaryOps } from './unary.js'

export const ops: ReadonlyMap<string, Op> = /* @__PURE__ */ new Map<string, Op>([
  ...unaryOps, ...binaryOps,
  ...[matmulOp, expandOp, reshapeOp, sumOp, meanOp, softmaxOp, logSoftmaxOp, softmaxGradOp, logSoftmaxGradOp, sparseXentOp, sparseXentGradOp,
    splitOp, concatOp, scanOp, lengthMaskOp, selectOp, readOp, argMaxOp, sameIndexOp, totalOp, dropoutOp, byModeOp].map((op): [string, Op] => [op.name, op]),
])
