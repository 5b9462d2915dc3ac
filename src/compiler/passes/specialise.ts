// specialise: chooses what training or prediction computes. After it dropout and the like are ordinary ops with ordinary gradients.
import { rebuildScan } from '../ops/scan.js'
import { rewrite, type Value } from '../graph/value.js'

export type Mode = 'train' | 'predict'

/** Replaces every `byMode(train, predict)` by the one of `mode`. */
export function specialise(outputs: readonly Value[], mode: Mode): readonly Value[] {
  return rewrite(outputs, {
    node(node, ins) {
      if (node.op.name === 'byMode') return ins.slice(mode === 'train' ? 0 : 1).slice(0, 1)
      return node.body === null ? undefined : rebuildScan(node, ins, specialise(node.body.outs, mode))
    },
  })
}
