// Gradients of matmul and of what works row by row: softmax, sparse cross-entropy, dropout; and of what has none.
import { apply1, type Value } from '../graph/value.js'
import type { Op } from '../op.js'
import type { Vjp } from './vjp.js'
import { mul, sub } from '../ops/binary.js'
import { dropoutOp } from '../ops/dropout.js'
import { sparseXentGradOp } from '../ops/loss.js'
import { matmul } from '../ops/matmul.js'
import { sum } from '../ops/reduce.js'
import { expand, reshape } from '../ops/shapes.js'
import { logSoftmaxGradOp, softmaxGradOp } from '../ops/softmax.js'
import { exp, neg } from '../ops/unary.js'

/** C = A·B: dA = dC·Bᵀ, dB = Aᵀ·dC; the other forms alike. `fuse` comes after gradients, so there is no bias here. */
export const matmulVjp: Vjp = (node, [dc], need) => {
  const [a, b] = node.ins
  if (a === undefined || b === undefined || dc === null || dc === undefined) return [null, null]
  if (node.attrs['transposeA'] === true) {
    return [need[0] === true ? matmul(b, dc, { transposeB: true }) : null, need[1] === true ? matmul(a, dc) : null]
  }
  if (node.attrs['transposeB'] === true) {
    return [need[0] === true ? matmul(dc, b) : null, need[1] === true ? matmul(dc, a, { transposeA: true }) : null]
  }
  return [need[0] === true ? matmul(dc, b, { transposeB: true }) : null, need[1] === true ? matmul(a, dc, { transposeA: true }) : null]
}

const byOutput = (op: Op): Vjp => (node, [dy]) => {
  const y = node.outs[0]
  return [y === undefined || dy === null || dy === undefined ? null : apply1(op, [y, dy])]
}
export const softmaxVjp: Vjp = byOutput(softmaxGradOp)
export const logSoftmaxVjp: Vjp = byOutput(logSoftmaxGradOp)

/** A sum over the last axis that stays there as 1, in the shape of x. */
const rowSum = (x: Value): Value => expand(reshape(sum(x, -1), [...x.shape.slice(0, -1), 1]), x.shape)

/** f = y·(dy − Σ dy·y): by dy the same form again (it is symmetric), by y: g·(dy − Σ dy·y) − dy·Σ g·y. */
export const softmaxGradVjp: Vjp = (node, [g], need) => {
  const [y, dy] = node.ins
  if (y === undefined || dy === undefined || g === null || g === undefined) return [null, null]
  const byY = (): Value => sub(mul(g, sub(dy, rowSum(mul(dy, y)))), mul(dy, rowSum(mul(g, y))))
  return [need[0] === true ? byY() : null, need[1] === true ? apply1(softmaxGradOp, [y, g]) : null]
}

/** f = dy − eʸ·Σ dy: by dy: g − Σ g·eʸ, by y: −g·eʸ·Σ dy. */
export const logSoftmaxGradVjp: Vjp = (node, [g], need) => {
  const [y, dy] = node.ins
  if (y === undefined || dy === undefined || g === null || g === undefined) return [null, null]
  const p = exp(y)
  const byY = (): Value => neg(mul(mul(g, p), rowSum(dy)))
  return [need[0] === true ? byY() : null, need[1] === true ? sub(g, rowSum(mul(g, p))) : null]
}

export const sparseXentVjp: Vjp = (node, [dy]) => {
  const [x, labels] = node.ins
  return [x === undefined || labels === undefined || dy === null || dy === undefined ? null : apply1(sparseXentGradOp, [x, labels, dy]), null]
}

export const dropoutVjp: Vjp = (node, [dy]) => {
  const samples = node.ins[1]
  return [samples === undefined || dy === null || dy === undefined ? null : apply1(dropoutOp, [dy, samples], node.attrs), null]
}

/** Data, indices and counts have no gradient. */
export const noGradient: Vjp = (node) => node.ins.map(() => null)
