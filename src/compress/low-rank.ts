// Factorised weights: a matrix as the product of two thinner ones.
import { describe, EquigradError, message, ShapeError } from '../core/errors.js'
import { checkCount, checkNumber, checkOptions, checkRecord } from '../core/options.js'
import { formatShape } from '../core/shape.js'
import { singularValues } from '../core/svd.js'
import { everyNode, inScope, rewrite, Value, type Node } from '../compiler/graph/value.js'
import { matmul, matmulOp } from '../compiler/ops/matmul.js'
import { type Definition, type Model } from '../model/model.js'
import type { TrainableModel } from '../train/model.js'
import { copied, knownKey, modelOf, rewriteWeights, valuesOf, withValues } from './rewrite.js'

/** How many columns and rows: so many, or as few as keep this part of the sum of squares of the singular values, above 0 to 1. */
export type Rank = number | { readonly rank: number } | { readonly energy: number }

/** What became of a weight. */
export interface Factorised {
  /** columns of U and rows of V */
  readonly rank: number
  /** ‖W − U·V‖ / ‖W‖, Frobenius norms: √(the part of the squares of singular values that was left out) */
  readonly relativeError: number
  /** numbers in W, and in U and V together: above `before`, factors cost more than they save */
  readonly before: number
  /** numbers in U and V together */
  readonly after: number
}

/** What {@link lowRank} gives. */
export interface LowRank<I, O> {
  /** a new model, not compiled */
  readonly model: TrainableModel<I, O>
  /** by key of the weight */
  readonly report: Readonly<Record<string, Factorised>>
}

/** The parameters of a definition by key, in its order. */
export function parameters(definition: Definition): ReadonlyMap<string, Value> {
  const values = Object.values(valuesOf(definition))
  const leaves = [...everyNode(values).flatMap((node) => node.ins), ...values]
  return new Map(leaves.flatMap((v): [string, Value][] => (v.source.kind === 'param' && v.source.key !== null ? [[v.source.key, v]] : [])))
}

/**
 * A model in which some matrices W [in, out] are products of two trained ones, U [in, rank] and V [rank, out] under the keys `<key>.u` and `<key>.v`: the
 * nearest to W of that rank (Eckart, Young 1936), from its singular values, each of U and V with their square roots. Where W is nothing but the second
 * operand of matrix products, as in a dense layer, x·W becomes (x·U)·V: fewer multiplications where rank < in·out / (in + out), and the
 * keys of U and V are then those of plain weights, which `strip` leaves. Elsewhere (a `recurrentKernel`, a weight with a mask) U·V is computed
 * first, and `strip` makes a plain W of it.
 *
 * U and V take over the penalties of W. A direction that W does not have at all (a singular value of 0) is zeros in both, and training leaves it so.
 * The time of the decomposition is about 10·m·n² products for sides m ≥ n.
 *
 * @param ranks - by key of a weight
 * @returns a new model, not compiled, with copies of the other weights; and for each weight its rank and relative error
 * @throws TypeError for unknown keys, RangeError for a rank or an energy out of range, ShapeError for a weight that is no matrix, EquigradError for one
 * with a constraint
 * @example
 * const { model: small, report } = lowRank(model, { 'dense1.kernel': 1, 'dense2.kernel': { energy: 0.9 } })
 * console.log(report['dense1.kernel'].relativeError)
 */
export function lowRank<I, O>(model: Model<I, O>, ranks: Readonly<Record<string, Rank>>): LowRank<I, O> {
  const known = parameters(model.definition)
  const chosen = new Map(Object.entries(checkRecord('lowRank', ranks)).map(([key, rank]) => [knownKey('lowRank', key, known), checkRank(key, rank, known)]))
  if (chosen.size === 0) throw new RangeError(message('lowRank', 'at least one key', 'none'))
  const weights = copied(model)
  const report: Record<string, Factorised> = {}
  const factors = new Map<string, Factors>()
  for (const [key, rank] of chosen) {
    const w = known.get(key), data = weights[key]
    if (w === undefined || data === undefined) continue
    const { u, v, ...made } = factorise(data, w.shape.map(Number), rank)
    report[key] = made
    factors.set(key, parametersOf(w, key, made.rank))
    Reflect.deleteProperty(weights, key)
    Object.assign(weights, { [`${key}.u`]: u, [`${key}.v`]: v })
  }
  const apart = productsApart(model.definition, factors)
  const definition = rewriteWeights(apart, (w, key) => { const f = factors.get(key); return f === undefined ? w : matmul(f.u, f.v) }, 'inside')
  return { model: modelOf<I, O>(definition, weights), report }
}

/** A rank as it was given, checked. */
function checkRank(key: string, given: unknown, known: ReadonlyMap<string, Value>): { readonly rank: number } | { readonly energy: number } {
  const w = known.get(key), where = `lowRank: ${key}`
  if (w?.source.kind !== 'param') throw new TypeError(message('lowRank', 'the key of a weight', describe(key)))
  if (w.shape.length !== 2) throw new ShapeError(message(where, 'a matrix', formatShape(w.shape)))
  if (w.source.spec.constraint !== undefined) throw new EquigradError(message(where, 'a weight without a constraint', 'one that has one', 'A product need not satisfy it.'))
  const most = Math.min(...w.shape.map(Number))
  if (typeof given === 'number') return { rank: checkCount(where, given, most) }
  const { rank, energy, ...others } = checkRecord(where, given)
  checkOptions(where, others, ['rank', 'energy'])
  if ((rank === undefined) === (energy === undefined)) throw new TypeError(message(where, 'a rank or an energy', rank === undefined ? 'neither' : 'both'))
  return energy === undefined ? { rank: checkCount(`${where}.rank`, rank, most) } : { energy: checkNumber(`${where}.energy`, energy, { above: 0, max: 1 }) }
}

interface Factors { readonly u: Value; readonly v: Value }

/** U and V as parameters in the place of W. */
function parametersOf(w: Value, key: string, rank: number): Factors {
  const [rows = 1, columns = 1] = w.shape.map(Number)
  if (w.source.kind !== 'param') throw new EquigradError(message('lowRank', 'a parameter', String(w)))
  const { spec } = w.source
  const part = (name: string, shape: readonly number[]): Value =>
    new Value(shape, 'f32', { kind: 'param', spec: { ...spec, name: `${spec.name}.${name}`, init: { kind: 'constant', value: 0 } }, scope: null, key: `${key}.${name}` })
  return { u: part('u', [rows, rank]), v: part('v', [rank, columns]) }
}

/** The nearest product of two matrices of a rank, and how near it is. */
function factorise(w: Float32Array, [rows = 1, columns = 1]: readonly number[], wanted: { readonly rank: number } | { readonly energy: number }): Factorised & { readonly u: Float32Array; readonly v: Float32Array } {
  const { values, left, right } = singularValues(w, rows, columns)
  // From the smallest, so that small ones count: the squares left out beyond each rank.
  const tail = new Float64Array(values.length + 1)
  for (let i = values.length - 1; i >= 0; i--) tail[i] = (tail[i + 1] ?? 0) + (values[i] ?? 0) * (values[i] ?? 0)
  const all = tail[0] ?? 0
  const rank = 'rank' in wanted ? wanted.rank : Math.max(1, tail.findIndex((rest) => rest <= (1 - wanted.energy) * all))
  const u = new Float32Array(rows * rank), v = new Float32Array(rank * columns)
  for (let r = 0; r < rank; r++) {
    const root = Math.sqrt(values[r] ?? 0)
    left[r]?.forEach((x, i) => { u[i * rank + r] = root * x })
    right[r]?.forEach((x, j) => { v[r * columns + j] = root * x })
  }
  return { rank, relativeError: all === 0 ? 0 : Math.sqrt((tail[rank] ?? 0) / all), before: rows * columns, after: u.length + v.length, u, v }
}

/** Does a node use W as the second operand of a product, and not otherwise? */
const isProductWith = ({ op, ins: [a, b], attrs }: Node, w: Value): boolean => op === matmulOp && b === w && a !== w && attrs['transposeA'] !== true

/** x·W as (x·U)·V, and x·Wᵀ as (x·Vᵀ)·Uᵀ, for weights that are used in no other way. */
function productsApart(definition: Definition, factors: ReadonlyMap<string, Factors>): Definition {
  const values = valuesOf(definition), outputs = Object.values(values)
  const nodes = everyNode(outputs)
  const apart = new Map<Value, Factors>()
  for (const w of new Set(nodes.flatMap((node) => node.ins))) {
    const f = w.source.kind === 'param' ? factors.get(w.source.key ?? '') : undefined
    if (f !== undefined && !outputs.includes(w) && nodes.every((node) => !node.ins.includes(w) || isProductWith(node, w))) apart.set(w, f)
  }
  const fresh = rewrite(outputs, {
    node(node, [x]) {
      const w = node.ins[1], f = w === undefined ? undefined : apart.get(w)
      if (f === undefined || x === undefined || node.op !== matmulOp) return undefined
      return inScope(node.scope, () => [node.attrs['transposeB'] === true ? matmul(matmul(x, f.v, { transposeB: true }), f.u, { transposeB: true }) : matmul(matmul(x, f.u), f.v)], node.path)
    },
  })
  return withValues(definition, Object.keys(values), fresh)
}
