// Which weights are the smallest: masks for one-shot pruning by magnitude.
import { checkOptions, checkNumber, checkWord } from '../core/options.js'
import { layerWeights } from '../compiler/ops/weight.js'
import type { Model } from '../model/model.js'
import { chosenKeys, isKernel, valuesOf } from './rewrite.js'

/** Which weights {@link magnitudeMask} takes away. */
export interface MagnitudeMaskOptions {
  /** the part of the weights that goes, 0 to 1 */
  readonly sparsity: number
  /** does each weight lose that part of its own elements (default), or all together, so that some lose more than others? */
  readonly scope?: 'layer' | 'global'
  /** keys of the weights (default: all kernels, weights of at least two dimensions) */
  readonly weights?: readonly string[]
}

/**
 * Masks that remove the weights of the smallest magnitude, for `mask` (Han, Pool, Tran, Dally: Learning both Weights and Connections for Efficient Neural
 * Networks, 2015). Of two equal ones the first goes first; what is zero already, as after a mask before this one, goes before all else.
 *
 * @returns by key, one byte for each element: 0 where it goes, 1 where it stays; round(sparsity · elements) zeros
 * @throws TypeError for unknown keys or options, RangeError for a sparsity out of range
 * @example
 * const pruned = mask(model, magnitudeMask(model, { sparsity: 0.5 })).compile({ optimizer: adam(), loss: mse() })
 * await pruned.fit(x, y)
 */
export function magnitudeMask<I, O>(model: Model<I, O>, options: MagnitudeMaskOptions): Record<string, Uint8Array> {
  checkOptions('magnitudeMask', options, ['sparsity', 'scope', 'weights'])
  const sparsity = checkNumber('magnitudeMask.sparsity', options.sparsity, { min: 0, max: 1 })
  const scope = checkWord('magnitudeMask.scope', options.scope ?? 'layer', ['layer', 'global'])
  const keys = new Set(chosenKeys('magnitudeMask', options.weights, layerWeights(Object.values(valuesOf(model.definition))), isKernel))
  const chosen = Object.entries(model.getEffectiveWeights()).filter(([key]) => keys.has(key)).map(([key, { data }]) => ({ data, mask: new Uint8Array(data.length).fill(1), key }))
  for (const group of scope === 'layer' ? chosen.map((w) => [w]) : [chosen]) removeSmallest(group, sparsity)
  return Object.fromEntries(chosen.map(({ key, mask }) => [key, mask]))
}

/** Clears the mask of a part of some weights, the smallest of them all. */
function removeSmallest(group: readonly { readonly data: Float32Array; readonly mask: Uint8Array }[], sparsity: number): void {
  const total = group.reduce((sum, { data }) => sum + data.length, 0)
  const sizes = new Float32Array(total), gone = new Uint8Array(total)
  let at = 0
  for (const { data } of group) { sizes.set(data.map(Math.abs), at); at += data.length }
  // Sorting is stable: equal ones stay in their order.
  const order = Uint32Array.from({ length: total }, (_, i) => i).sort((a, b) => (sizes[a] ?? 0) - (sizes[b] ?? 0))
  for (const i of order.subarray(0, Math.round(sparsity * total))) gone[i] = 1
  at = 0
  for (const { mask } of group) { mask.forEach((_, i) => { mask[i] = gone[at + i] === 1 ? 0 : 1 }); at += mask.length }
}
