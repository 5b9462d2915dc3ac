// From values per element to one per sample.
import type { Value } from '../compiler/graph/value.js'
import { mean } from '../compiler/ops/reduce.js'

/** The mean over all but the samples. */
export function perSampleMean(x: Value): Value {
  return x.shape.length === 1 ? x : mean(x, x.shape.slice(1).map((_, i) => i + 1))
}
