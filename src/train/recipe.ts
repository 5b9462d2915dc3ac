// A recipe: all that training needs, as plain data. The model's graph with the loss and the metrics of each sample, and the optimizer.
import { EquigradError, message, ShapeError } from '../core/errors.js'
import { sameShape } from '../core/shape.js'
import { fromGraph, toGraph, type Graph, type GraphValue } from '../compiler/graph/graph.js'
import { inScope, rewrite, topological, type Value } from '../compiler/graph/value.js'
import { add } from '../compiler/ops/binary.js'
import { affine } from '../compiler/ops/unary.js'
import { declarationOf } from '../model/home.js'
import { labelInput, type Loss } from '../nn/losses.js'
import type { Metric } from '../nn/metrics.js'
import type { OptimizerData } from '../optim/optimizer.js'

/** What is measured at an output: 'loss' and metrics, by the names of the graph's outputs. */
export interface Measured { readonly output: string; readonly name: string; readonly value: string }

export interface Recipe {
  /** outputs of the model, `loss` (the objective of each sample) and each measured value */
  readonly graph: Graph
  /** names of the inputs that labels come through, by output */
  readonly labels: Readonly<Record<string, string>>
  readonly measured: readonly Measured[]
  readonly optimizer: OptimizerData
  readonly shards: number
  /** layers, or keys of weights, that are not trained */
  readonly frozen: readonly string[]
}

export interface Objective {
  readonly losses: Readonly<Record<string, Loss<never>>>
  readonly metrics: Readonly<Record<string, readonly Metric<string>[]>>
  readonly weights: Readonly<Record<string, number>>
}

const identity = { path: (): string => '', key: (): string => { throw new EquigradError('recipe: a parameter without a key') } }

/** Writes loss and metrics behind a model's outputs. */
export function recipeGraph(model: Graph, objective: Objective): Pick<Recipe, 'graph' | 'labels' | 'measured'> {
  const outputs = fromGraph(model)
  const labels: Record<string, string> = {}
  const measured: Measured[] = []
  const all: Record<string, Value> = { ...outputs }
  const known = leavesOf(Object.values(outputs))
  let total: Value | undefined
  for (const name of Object.keys(outputs)) if (objective.losses[name] === undefined) throw new TypeError(message('compile: loss', `a loss for each output: ${Object.keys(outputs).join(', ')}`, `none for '${name}'`))
  for (const [name, loss] of Object.entries(objective.losses)) {
    const output = outputs[name]
    if (output === undefined) throw new TypeError(message('compile: loss', `outputs among ${Object.keys(outputs).join(', ')}`, `'${name}'`))
    const labelName = `labels:${name}`
    labels[name] = labelName
    const y = labelInput(labelName, output, loss.labelKind)
    const measure = (what: string, of: () => Value): Value => closed(`compile: ${what}`, inScope(null, of, what), known, y)
    const perSample = measure(`loss:${name}`, () => loss.perSample(output, y))
    all[`loss:${name}`] = perSample
    measured.push({ output: name, name: 'loss', value: `loss:${name}` })
    const weight = objective.weights[name] ?? 1
    const weighted = weight === 1 ? perSample : affine(perSample, weight, 0)
    total = total === undefined ? weighted : add(total, weighted)
    for (const metric of objective.metrics[name] ?? []) {
      const value = `metric:${name}:${metric.name}`
      if (all[value] !== undefined || metric.name === 'loss') throw new TypeError(message('compile: metrics', 'metrics with names of their own', `two called '${metric.name}'`, 'Give one a `name`.'))
      all[value] = measure(`metric:${metric.name}`, () => metric.build(output, y))
      measured.push({ output: name, name: metric.name, value })
    }
  }
  for (const name of Object.keys(objective.metrics)) if (objective.losses[name] === undefined) throw new TypeError(message('compile: metrics', `outputs among ${Object.keys(outputs).join(', ')}`, `'${name}'`))
  if (total === undefined) throw new TypeError(message('compile: loss', 'a loss', 'none'))
  all['loss'] = total
  return { graph: toGraph(all, identity), labels, measured }
}

const leavesOf = (values: readonly Value[]): ReadonlySet<Value> =>
  new Set([...topological(values).flatMap((node) => node.ins), ...values].filter((v) => v.source.kind !== 'node'))

/** A measured value, if it is one number a sample and comes from the model and the labels alone; weights of the model are those of its graph. */
function closed(where: string, given: Value, known: ReadonlySet<Value>, y: Value): Value {
  if (given.dtype !== 'f32' || !sameShape(given.shape, ['n'])) throw new ShapeError(message(where, 'one number a sample, f32[n]', String(given)))
  const weights = new Map([...known].flatMap((v): [string, Value][] => (v.source.kind === 'param' && v.source.key !== null ? [[v.source.key, v]] : [])))
  const [made = given] = rewrite([given], {
    leaf(v) {
      if (known.has(v) || v === y || v.source.kind === 'constant') return v
      if (v.source.kind === 'input' && v.source.spec.name.startsWith('$')) return v
      const own = v.source.kind === 'param' ? weights.get((declarationOf(v) ?? v.source).key ?? '') : undefined
      if (own !== undefined) return own
      throw new EquigradError(message(where, 'a function of the output, the labels and weights of the model', v.source.kind === 'param' ? `one of another weight '${v.source.spec.name}'` : `one of another input ${String(v)}`))
    },
  })
  return made
}

/** A trainable parameter of a recipe. */
export type TrainedParam = Pick<Extract<GraphValue, { role: 'param' }>, 'key' | 'shape' | 'spec'>

/** Is a key this one, or of the layer of this name? With or without the model's name in front. */
export const isAmong = (key: string, name: string): boolean => key === name || key.startsWith(`${name}.`) || key.endsWith(`/${name}`) || key.includes(`/${name}.`)

/** Is a weight of a recipe, or its layer, frozen? */
export const isFrozen = (recipe: Recipe, key: string): boolean => recipe.frozen.some((f) => isAmong(key, f))

/** Parameters that a recipe trains: those that are trainable and whose key or layer is not frozen. */
export function trainedParams(recipe: Recipe): readonly TrainedParam[] {
  return recipe.graph.values.flatMap((v) => (v.role === 'param' && v.spec.trainable && !isFrozen(recipe, v.key) ? [v] : []))
}
