// Whether the f32 products by the relaxed multiply-add (relaxed/fast.ts) are there, for stores that asked for them.
import { KC, PANEL, SCRATCH_BYTES } from '../compiler/kernels.js'
import { NO_ACTIVATION } from '../core/codes.js'
import { Beside } from './beside.js'

/** Whether a store's f32 products run by the relaxed multiply-add. */
export interface FastRuntime {
  /** 'relaxed': the bits may differ between hosts; 'baseline': they do not */
  readonly path: 'relaxed' | 'baseline'
  /** why it is not the relaxed one; empty if it is */
  readonly reason: string
}

const NAMES = ['f32_gemm', 'f32_conv'] as const

export const fast = /* @__PURE__ */ new Beside('fast', NAMES, () => import('./relaxed/fast.js'),
  ({ agrees }, kernels, instance) => NAMES.every((name) => agrees(instance, name, kernels[name], { KC, PANEL, SCRATCH_BYTES, NO_ACTIVATION })))
