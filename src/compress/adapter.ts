// Low-rank adapters: a trained model stays as it is, and few new parameters say what is added to its weights.
import { describe, EquigradError, message, ShapeError } from '../core/errors.js'
import { checkCount, checkFlag, checkOptions, checkNumber } from '../core/options.js'
import { formatShape } from '../core/shape.js'
import { Value, type Init, type ParamSpec } from '../compiler/graph/value.js'
import { add } from '../compiler/ops/binary.js'
import { matmul } from '../compiler/ops/matmul.js'
import { affine } from '../compiler/ops/unary.js'
import type { Model } from '../model/model.js'
import type { TrainableModel } from '../train/model.js'
import { chosenKeys, copied, modelOf, rewriteWeights } from './rewrite.js'
import { parameters } from './low-rank.js'

/** Which weights {@link adapter} adapts, and how. */
export interface AdapterOptions {
  /** columns of A and rows of B: from 1 to the smaller side of each weight */
  readonly rank: number
  /** A·B counts alpha / rank times (default: rank, so once) */
  readonly alpha?: number
  /** keys of the weights, matrices (default: all that are trained) */
  readonly weights?: readonly string[]
  /** are biases, and other weights of one dimension, trained as well? (default false) */
  readonly trainBiases?: boolean
}

/**
 * A model whose own weights stand still and that learns what is added to them: a matrix W [in, out] becomes W + (alpha / rank)·A·B with A [in, rank] and
 * B [rank, out], under the keys `<key>.a` and `<key>.b` (LoRA: Hu et al., Low-Rank Adaptation of Large Language Models, 2021).
 *
 * A starts with normal numbers of deviation 1 / √in, by the model's seed, B with zeros: so the first predictions have the bits of the model's. What is
 * added stands inside of masks and quantisation: pruned weights stay zero. No other weight is trained, but biases if `trainBiases`;
 * moving averages move unless their layers are `frozen` in compile. `strip` adds up what was learned: plain weights under the model's keys.
 *
 * @returns a new model with copies of the weights; it is not compiled
 * @throws TypeError for unknown keys or options, RangeError for a rank that a weight does not have, ShapeError for a weight that is no matrix,
 * EquigradError for one that has an adapter or a constraint
 * @example
 * const tuned = adapter(model, { rank: 2 }).compile({ optimizer: adam(), loss: mse() })
 * await tuned.fit(x, y)
 * const plain = strip(tuned)
 */
export function adapter<I, O>(model: Model<I, O>, options: AdapterOptions): TrainableModel<I, O> {
  checkOptions('adapter', options, ['rank', 'alpha', 'weights', 'trainBiases'])
  const rank = checkCount('adapter.rank', options.rank)
  const alpha = checkNumber('adapter.alpha', options.alpha ?? rank)
  const trainBiases = checkFlag('adapter.trainBiases', options.trainBiases ?? false)
  const known = parameters(model.definition)
  const keys = new Set(chosenKeys('adapter', options.weights, known, ({ shape, source }) => shape.length === 2 && source.kind === 'param' && source.spec.trainable))
  for (const key of keys) checkAdapted(key, rank, known)
  const definition = rewriteWeights(model.definition, (w, key) => {
    if (w.source.kind !== 'param') return w
    const { spec } = w.source
    const trainable = spec.trainable && trainBiases && w.shape.length < 2
    const base = trainable === spec.trainable ? w : new Value(w.shape, w.dtype, { ...w.source, spec: { ...spec, trainable } })
    return keys.has(key) ? adapted(base, spec, key, { rank, factor: alpha / rank }) : base
  }, 'inside')
  return modelOf<I, O>(definition, copied(model))
}

function checkAdapted(key: string, rank: number, known: ReadonlyMap<string, Value>): void {
  const w = known.get(key)
  if (w?.source.kind !== 'param') throw new TypeError(message('adapter', 'the key of a weight', describe(key)))
  if (w.shape.length !== 2) throw new ShapeError(message(`adapter: ${key}`, 'a matrix', formatShape(w.shape)))
  checkNumber(`adapter.rank, for ${key} ${formatShape(w.shape)}`, rank, { min: 1, max: Math.min(...w.shape.map(Number)) })
  if (known.has(`${key}.a`) || known.has(`${key}.b`)) throw new EquigradError(message(`adapter: ${key}`, 'a weight without an adapter', 'one that has one', 'Use strip first.'))
  if (w.source.spec.constraint !== undefined) throw new EquigradError(message(`adapter: ${key}`, 'a weight without a constraint', 'one that has one', 'A sum need not satisfy it.'))
}

function adapted(w: Value, spec: ParamSpec, key: string, { rank, factor }: { readonly rank: number; readonly factor: number }): Value {
  const [rows = 1, columns = 1] = w.shape.map(Number)
  const part = (name: string, shape: readonly number[], init: Init): Value =>
    new Value(shape, 'f32', { kind: 'param', spec: { name: `${spec.name}.${name}`, init, trainable: true, l1: 0, l2: 0 }, scope: null, key: `${key}.${name}` })
  const a = part('a', [rows, rank], { kind: 'normal', mean: 0, deviation: 1 / Math.sqrt(rows) })
  const b = part('b', [rank, columns], { kind: 'constant', value: 0 })
  const product = matmul(a, b)
  return add(w, factor === 1 ? product : affine(product, factor, 0))
}
