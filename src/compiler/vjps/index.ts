// The gradient of every op that has one, by the op's name. An op without a row is refused when a gradient through it is defined.
// They stand apart from the ops, so that a bundle that only predicts does not carry them.
import type { Vjp } from './vjp.js'
import { binaryVjps, selectVjp, unaryVjps } from './elementwise.js'
import { dropoutVjp, logSoftmaxGradVjp, logSoftmaxVjp, matmulVjp, noGradient, softmaxGradVjp, softmaxVjp, sparseXentVjp } from './rows.js'
import { scanVjp } from './scan.js'
import { concatVjp, expandVjp, meanVjp, reshapeVjp, splitVjp, sumVjp } from './shapes.js'

export const vjps: ReadonlyMap<string, Vjp> = /* @__PURE__ */ new Map<string, Vjp>([
  ...unaryVjps, ...binaryVjps,
  ['matmul', matmulVjp], ['expand', expandVjp], ['reshape', reshapeVjp], ['sum', sumVjp], ['mean', meanVjp],
  ['softmax', softmaxVjp], ['logSoftmax', logSoftmaxVjp], ['softmaxGrad', softmaxGradVjp], ['logSoftmaxGrad', logSoftmaxGradVjp],
  ['sparseXent', sparseXentVjp], ['select', selectVjp], ['dropout', dropoutVjp], ['scan', scanVjp], ['split', splitVjp], ['concat', concatVjp],
  ['read', noGradient], ['lengthMask', noGradient], ['argMax', noGradient], ['sameIndex', noGradient],
])
