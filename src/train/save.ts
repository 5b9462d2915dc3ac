// One safetensors file for a model: weights and the optimizer's states as tensors, graph and training as JSON among the metadata.
import { describe, FormatError, message } from '../core/errors.js'
import { checkFlag, checkOptions } from '../core/options.js'
import { fromJson, sha256Hex, toJson } from '../core/hash.js'
import { dtypeBytes, elements, sameShape, type DType, type Shape } from '../core/shape.js'
import { fromGraph, type Graph, type GraphValue } from '../compiler/graph/graph.js'
import type { Value } from '../compiler/graph/value.js'
import { ops } from '../compiler/ops/index.js'
import { PLAN } from '../compiler/packed.js'
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../formats/safetensors.js'
import { checkHome, ownParams, params, type AnyModel, type Definition, type ModelOptions } from '../model/model.js'
import { packPlan } from '../model/plan.js'
import { TrainableModel, type TrainingState } from './model.js'
import { trainedParams, type Recipe } from './recipe.js'
import { checkDefinition, checkPartial, checkRecipe, record } from './saved.js'

/** Of the JSON in the metadata; a file of a later version is refused. */
const VERSION = 1
/** Constants longer than this are tensors of their own. */
const INLINE = 16

/** What goes into the file beside the weights. */
export interface SaveOptions {
  /** keep the optimizer, its states and the position in training, so that a loaded model trains on as if never saved (default true) */
  readonly training?: boolean
}

/**
 * A model as one safetensors file: weights under their keys, states as `optimizer/<state>/<key>`, the rest as JSON in `__metadata__`: the graph, and
 * the plan for prediction that `equigrad/predict` runs without a compiler.
 *
 * @returns the bytes of the file; Python's safetensors opens it
 * @example
 * const bytes = save(model)
 * const again = load(bytes)
 */
export function save(model: AnyModel, options: SaveOptions = {}): Uint8Array<ArrayBuffer> {
  if (!(model instanceof TrainableModel)) throw new TypeError(message('save', 'a model', describe(model)))
  checkOptions('save', options, ['training'])
  const tensors: Record<string, FileTensor> = {}
  for (const [key, { data, shape }] of Object.entries(model.getWeights())) tensors[key] = { dtype: 'f32', shape: [...shape], data }
  const training = checkFlag('save.training', options.training ?? true) ? model.trainingState() : null
  if (training !== null) {
    const shapes = new Map(params(training.recipe.graph).map(({ key, shape }) => [key, shape]))
    for (const [name, data] of Object.entries(training.states)) tensors[`optimizer/${name}`] = { dtype: 'f32', shape: (shapes.get(name.slice(name.indexOf('/') + 1)) ?? [data.length]).map(Number), data }
  }
  const { graph, ...definition } = model.definition
  const json = toJson({
    version: VERSION, definition: { ...definition, graph: withoutConstants(graph, tensors) },
    training: training === null ? null : { recipe: { ...training.recipe, graph: withoutConstants(training.recipe.graph, tensors) }, step: training.step, epoch: training.epoch, position: training.position, scale: training.scale, ...(training.partial === undefined ? {} : { partial: training.partial }) },
  })
  const plan = packPlan(graph, [definition.oneInput, definition.oneOutput], (dtype, data) => constantIn(tensors, dtype, data))
  return encodeSafetensors(tensors, { equigrad: json, ...(plan === null ? {} : { [PLAN]: JSON.stringify(plan) }) })
}

/** A graph for JSON, its long constants moved to tensors of the file, which it names. */
function withoutConstants(graph: Graph, tensors: Record<string, FileTensor>): unknown {
  return {
    ...graph, values: graph.values.map((v) => {
      if (v.role !== 'constant' || v.data.length <= INLINE) return v
      const tensor = `constant/${sha256Hex(toJson([v.dtype, v.shape, v.data])).slice(0, 16)}`
      tensors[tensor] = constantTensor(v)
      return { ...v, data: undefined, tensor }
    }),
  }
}

/** The name of the file's tensor with these numbers: one of the graph's constants, most often. */
function constantIn(tensors: Record<string, FileTensor>, dtype: DType, data: readonly number[]): string {
  const same = (t: FileTensor): boolean => t.dtype === dtype && t.data.length === data.length && t.data.every((x, i) => Object.is(x, data[i]))
  const found = Object.entries(tensors).find(([name, t]) => name.startsWith('constant/') && same(t))
  if (found !== undefined) return found[0]
  const shape = [data.length], name = `constant/${sha256Hex(toJson([dtype, shape, data])).slice(0, 16)}`
  tensors[name] = constantTensor({ dtype, shape, data })
  return name
}

function constantTensor({ dtype, shape, data }: Pick<Extract<GraphValue, { role: 'constant' }>, 'dtype' | 'shape' | 'data'>): FileTensor {
  const at = { shape: shape.map(Number) }
  switch (dtype) {
    case 'f32': return { ...at, dtype, data: Float32Array.from(data) }
    case 'f64': return { ...at, dtype, data: Float64Array.from(data) }
    case 'i32': return { ...at, dtype, data: Int32Array.from(data) }
    case 'u8': return { ...at, dtype, data: Uint8Array.from(data) }
    case 'i8': return { ...at, dtype, data: Int8Array.from(data) }
  }
}

/**
 * The model in a file that `save` made.
 *
 * @param bytes - the whole file
 * @param options - `store`: where its weights shall live (default: a store of its own), or `lanes` (default 1)
 * @returns a model that predicts the same bits; if it was saved with its training, it trains on as if never saved
 * @throws FormatError for anything that is not such a file
 */
export function load(bytes: Uint8Array, options: Pick<ModelOptions, 'store' | 'lanes'> = {}): TrainableModel<Value, Value> {
  if (!(bytes instanceof Uint8Array)) throw new TypeError(message('load', 'the bytes of a file as Uint8Array', describe(bytes)))
  checkOptions('load', options, ['store', 'lanes'])
  const home = checkHome('load', options)
  const { tensors, metadata } = decodeSafetensors(bytes)
  const json = metadata['equigrad']
  if (json === undefined) throw new FormatError(message('load', 'a file that `save` made', 'a safetensors file without a graph'))
  let parsed: unknown
  try { parsed = fromJson(json) } catch { throw new FormatError(message('load', 'JSON in the metadata', 'text that is none', 'The file is damaged.')) }
  const saved = record('file', parsed)
  if (saved['version'] !== VERSION) throw new FormatError(message('load', `a file of version ${VERSION}`, `version ${describe(saved['version'])}`, 'Use the version of equigrad that saved it, or a later one.'))
  const inside = (graph: unknown): unknown => withConstants(graph, tensors)
  const given = record('definition', saved['definition'])
  const definition: Definition = checkDefinition({ ...given, graph: inside(given['graph']) })
  check(definition.graph)
  const weights = tensorsOf(params(definition.graph), (key) => key, tensors)
  if (saved['training'] === null) return new TrainableModel(definition, ownParams(definition, home), weights)
  const t = record('training', saved['training'])
  const r = record('recipe', t['recipe'])
  const recipe: Recipe = checkRecipe({ ...r, graph: inside(r['graph']) })
  check(recipe.graph)
  if (params(recipe.graph).some((p) => !params(definition.graph).some((d) => d.key === p.key && sameShape(d.shape, p.shape)))) throw new FormatError(message('load', 'a training of the model in the file', 'weights that it does not have'))
  const states: Record<string, Float32Array> = {}
  for (const name of recipe.optimizer.states) Object.assign(states, tensorsOf(trainedParams(recipe), (key) => `optimizer/${name}/${key}`, tensors, `${name}/`))
  const count = (key: string): number => {
    const n = t[key]
    if (typeof n !== 'number' || !Number.isInteger(n) || n < 0) throw new FormatError(message(`load: ${key}`, 'a whole number', describe(n)))
    return n
  }
  const scale = t['scale']
  if (typeof scale !== 'number') throw new FormatError(message('load: scale', 'a number', describe(scale)))
  const partial = t['partial'] === undefined ? {} : { partial: checkPartial(t['partial']) }
  const training: TrainingState = { recipe, step: count('step'), epoch: count('epoch'), position: count('position'), scale, states, ...partial }
  return new TrainableModel(definition, ownParams(definition, home), weights, training)
}

/** Infers all shapes of a graph again; throws a FormatError where they do not fit. */
function check(graph: Graph): void {
  try { fromGraph(graph, (name) => ops.get(name)) } catch (error) {
    if (error instanceof FormatError) throw error
    throw new FormatError(message('load', 'a graph that fits together', error instanceof Error ? error.message : String(error)))
  }
}

/** Puts the numbers of constants that are tensors of the file back into a graph. */
function withConstants(graph: unknown, tensors: Readonly<Record<string, FileTensor>>): unknown {
  const { values, ...rest } = record('graph', graph)
  if (!Array.isArray(values)) throw new FormatError(message('load: graph', 'a list of values', describe(values)))
  return {
    ...rest, values: values.map((v: unknown) => {
      const { tensor, ...value } = record('value', v)
      if (tensor === undefined) return value
      const found = typeof tensor === 'string' ? tensors[tensor] : undefined
      if (found === undefined) throw new FormatError(message('load', `a tensor ${describe(tensor)}`, 'none'))
      return { ...value, data: Array.from(found.data) }
    }),
  }
}

/** The tensors of parameters, under the names they have in a file; throws where one is missing or of another shape. */
function tensorsOf(declared: readonly { readonly key: string; readonly shape: Shape }[], nameOf: (key: string) => string, tensors: Readonly<Record<string, FileTensor>>, prefix = ''): Record<string, Float32Array> {
  const out: Record<string, Float32Array> = {}
  for (const { key, shape } of declared) {
    const found = tensors[nameOf(key)]
    const dtype: DType = 'f32'
    if (found === undefined || found.dtype !== dtype || !sameShape(found.shape, shape) || !(found.data instanceof Float32Array) || found.data.byteLength !== elements(shape) * dtypeBytes[dtype]) {
      throw new FormatError(message('load', `a tensor '${nameOf(key)}' of f32 [${shape.join(', ')}]`, found === undefined ? 'none' : `${found.dtype} [${found.shape.join(', ')}]`))
    }
    out[`${prefix}${key}`] = found.data
  }
  return out
}
