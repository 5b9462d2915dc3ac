// The unary activations: one formula each, shared by f32_unary, by the epilogue of a GEMM and by losses on logits.
import { Unary } from '../codes'
import { expm1OfNegative, relu, sigmoid, softplus, tanh } from './f32x4'

/** x > 0 ? x : alpha·x */
// @ts-ignore: decorator
@inline export function leakyRelu(x: v128, alpha: v128): v128 {
  return v128.bitselect(x, f32x4.mul(x, alpha), f32x4.gt(x, f32x4.splat(0)))
}

/** x > 0 ? x : alpha·(eˣ − 1) */
// @ts-ignore: decorator
@inline export function elu(x: v128, alpha: v128): v128 {
  return v128.bitselect(x, f32x4.mul(alpha, expm1OfNegative(x)), f32x4.gt(x, f32x4.splat(0)))
}

/** The activation of a unary code; any other code, NO_ACTIVATION among them, leaves x. */
export function activate(x: v128, code: i32, alpha: f32): v128 {
  switch (code) {
    case Unary.relu: return relu(x)
    case Unary.leakyRelu: return leakyRelu(x, f32x4.splat(alpha))
    case Unary.elu: return elu(x, f32x4.splat(alpha))
    case Unary.sigmoid: return sigmoid(x)
    case Unary.tanh: return tanh(x)
    case Unary.softplus: return softplus(x)
    default: return x
  }
}
