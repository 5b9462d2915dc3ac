// specialise: chooses what training or prediction computes. After it dropout and the like are ordinary ops with ordinary gradients.
import { rewrite, type Value } from '../graph/value.js'

export type Mode = 'train' | 'predict'

/** Replaces every `byMode(train, predict)` by the one of `mode`. */
export function specialise(outputs: readonly Value[], mode: Mode): readonly Value[] {
  return rewrite(outputs, { node: (node, ins) => (node.op.name === 'byMode' ? ins.slice(mode === 'train' ? 0 : 1).slice(0, 1) : undefined) })
}
