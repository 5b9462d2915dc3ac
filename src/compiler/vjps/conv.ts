// Gradients of convolutions: Σ x·w·dy is linear in each of the three, so each op's gradients are the other two.
import type { Vjp } from './vjp.js'
import { convAlike, convInput, convKernel } from '../ops/conv.js'

/** y = x * w. `fuse` comes after gradients, so there is no bias here. */
export const conv2dVjp: Vjp = ({ ins: [x, w], attrs }, [dy], need) => {
  if (x === undefined || w === undefined || dy === null || dy === undefined) return [null, null]
  return [need[0] === true ? convInput(attrs, dy, w, x.shape) : null, need[1] === true ? convKernel(attrs, x, dy, w.shape) : null]
}

/** The op is dx of (dy, w); `g` has the shape of x. */
export const conv2dInputVjp: Vjp = ({ ins: [dy, w], attrs }, [g], need) => {
  if (dy === undefined || w === undefined || g === null || g === undefined) return [null, null]
  return [need[0] === true ? convAlike(attrs, g, w) : null, need[1] === true ? convKernel(attrs, g, dy, w.shape) : null]
}

/** The op is dw of (x, dy); `g` has the shape of w. */
export const conv2dKernelVjp: Vjp = ({ ins: [x, dy], attrs }, [g], need) => {
  if (x === undefined || dy === undefined || g === null || g === undefined) return [null, null]
  return [need[0] === true ? convInput(attrs, dy, g, x.shape) : null, need[1] === true ? convAlike(attrs, x, g) : null]
}
