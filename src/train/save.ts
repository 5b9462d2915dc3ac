// One safetensors file for a model: weights and the optimizer's states as tensors, graph and training as JSON among the metadata.
import { describe, FormatError, message, reasonOf, ShapeError } from '../core/errors.js'
import { fromJson, sha256Hex, toJson } from '../core/hash.js'
import { checkOptions, checkRecord } from '../core/options.js'
import { flag, instance, list, readOptions } from '../core/readers.js'
import { arrayOf, formatShape, sameShape, type DType, type Shape } from '../core/shape.js'
import { fromGraph, type Graph, type GraphValue } from '../compiler/graph/graph.js'
import type { Op, Value } from '../compiler/graph/value.js'
import { ops } from '../compiler/ops/index.js'
import { PLAN } from '../compiler/packed.js'
import { decodeSafetensors, encodeSafetensors, type FileTensor } from '../formats/safetensors.js'
import { checkHome, ownParams, params, type AnyModel, type Definition, type ModelOptions } from '../model/model.js'
import { packPlan } from '../model/plan.js'
import { TrainableModel, type TrainingState } from './model.js'
import { trainedParams } from './recipe.js'
import { definition, training } from './saved.js'

/** Of the JSON in the metadata; a file of a later version is refused. */
const VERSION = 1
/** Constants longer than this are tensors of their own. */
const INLINE = 16

type Tensors = Readonly<Record<string, FileTensor>>

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
  const given = readOptions('save', options, { training: flag(true) })
  const tensors: Record<string, FileTensor> = {}
  for (const [key, { data, shape }] of Object.entries(model.getWeights())) tensors[key] = { dtype: 'f32', shape, data }
  const training = given.training ? model.trainingState() : null
  const withoutConstants = (graph: Graph): unknown => ({
    ...graph, values: graph.values.map((v) => (v.role !== 'constant' || v.data.length <= INLINE ? v : { ...v, data: undefined, tensor: addConstant(tensors, v) })),
  })
  const { graph, ...definition } = model.definition
  let saved = null
  if (training !== null) {
    const { recipe, states, ...counters } = training
    const shapes = new Map(params(recipe.graph).map(({ key, shape }) => [key, shape]))
    for (const [name, data] of Object.entries(states)) tensors[`optimizer/${name}`] = tensorOf('f32', shapes.get(name.slice(name.indexOf('/') + 1)) ?? [], data)
    saved = { recipe: { ...recipe, graph: withoutConstants(recipe.graph) }, ...counters }
  }
  const json = toJson({ version: VERSION, definition: { ...definition, graph: withoutConstants(graph) }, training: saved })
  const plan = packPlan(graph, [definition.oneInput, definition.oneOutput], (dtype, data) => constantIn(tensors, dtype, data))
  return encodeSafetensors(tensors, { equigrad: json, ...(plan === null ? {} : { [PLAN]: JSON.stringify(plan) }) })
}

/** The name of the file's tensor with these numbers: one of the graph's constants, most often. */
function constantIn(tensors: Record<string, FileTensor>, dtype: DType, data: readonly number[]): string {
  const same = (t: FileTensor): boolean => t.dtype === dtype && t.data.length === data.length && t.data.every((x, i) => Object.is(x, data[i]))
  const found = Object.entries(tensors).find(([name, t]) => name.startsWith('constant/') && same(t))
  return found?.[0] ?? addConstant(tensors, { dtype, shape: [data.length], data })
}

/** Puts a constant among the tensors of a file, under the name that it returns. */
function addConstant(tensors: Record<string, FileTensor>, { dtype, shape, data }: Pick<Extract<GraphValue, { role: 'constant' }>, 'dtype' | 'shape' | 'data'>): string {
  const name = `constant/${sha256Hex(toJson([dtype, shape, data])).slice(0, 16)}`
  tensors[name] = tensorOf(dtype, shape, data)
  return name
}

const tensorOf = (dtype: DType, shape: Shape, data: Iterable<number>): FileTensor => ({ dtype, shape, data: arrayOf[dtype].from(data) }) as FileTensor

/**
 * The model in a file that `save` made.
 *
 * @param bytes - the whole file
 * @param options - `store`: where its weights shall live (default: a store of its own), or `lanes` (default 1)
 * @returns a model that predicts the same bits; if it was saved with its training, it trains on as if never saved
 * @throws FormatError for anything that is not such a file
 */
export function load(bytes: Uint8Array, options: Pick<ModelOptions, 'store' | 'lanes'> = {}): TrainableModel<Value, Value> {
  instance(Uint8Array, 'the bytes of a file as Uint8Array')('load', bytes)
  checkOptions('load', options, ['store', 'lanes'])
  const home = checkHome('load', options)
  const { tensors, metadata } = decodeSafetensors(bytes)
  const json = metadata['equigrad']
  if (json === undefined) throw new FormatError(message('load', 'a file that `save` made', 'a safetensors file without a graph'))
  try {
    const { definition, weights, training } = read(json, tensors)
    return new TrainableModel(definition, ownParams(definition, home), weights, training)
  } catch (error) {
    const reason = error instanceof SyntaxError ? message('metadata', 'JSON', 'other text') : reasonOf(error)
    throw error instanceof FormatError ? error : new FormatError(`load: ${reason} The file is damaged.`)
  }
}

/** A file may hold any op. */
const known = (name: string): Op | undefined => ops.get(name)

/** What a file's JSON says, with the tensors that it names; all shapes are inferred again. Throws where something is not as it should be. */
function read(json: string, tensors: Tensors): { readonly definition: Definition; readonly weights: Readonly<Record<string, Float32Array>>; readonly training?: TrainingState } {
  const saved = checkRecord('file', fromJson(json))
  if (saved['version'] !== VERSION) throw new FormatError(message('load', `a file of version ${VERSION}`, `version ${describe(saved['version'])}`, 'Use the version of equigrad that saved it, or a later one.'))
  const made = definition('definition', withConstants('definition', saved['definition'], tensors))
  fromGraph(made.graph, known)
  const weights = tensorsOf(params(made.graph), tensors, '')
  if (saved['training'] === null) return { definition: made, weights }
  const given = checkRecord('training', saved['training'])
  const state = training('training', { ...given, recipe: withConstants('recipe', given['recipe'], tensors) })
  const { graph, optimizer } = state.recipe
  fromGraph(graph, known)
  if (params(graph).some((p) => !params(made.graph).some((d) => d.key === p.key && sameShape(d.shape, p.shape)))) throw new RangeError(message('training', 'weights of the model in the file', 'others'))
  const states = Object.assign({}, ...optimizer.states.map((name) => tensorsOf(trainedParams(state.recipe), tensors, `${name}/`, 'optimizer/'))) as Record<string, Float32Array>
  return { definition: made, weights, training: { ...state, states } }
}

/** Puts the numbers of constants that are tensors of the file back into a graph. */
function withConstants(where: string, given: unknown, tensors: Tensors): unknown {
  const made = checkRecord(where, given), graph = checkRecord(`${where}.graph`, made['graph'])
  const values = list((at, v) => {
    const { tensor, ...value } = checkRecord(at, v)
    return tensor === undefined ? value : { ...value, data: Array.from(named(tensors, String(tensor)).data) }
  })
  return { ...made, graph: { ...graph, values: values(`${where}.graph.values`, graph['values']) } }
}

function named(tensors: Tensors, name: string): FileTensor {
  const found = tensors[name]
  if (found === undefined) throw new RangeError(message('file', `a tensor ${describe(name)}`, 'none'))
  return found
}

/** The tensors of parameters by their keys behind a prefix; in the file there is more before that. */
function tensorsOf(declared: readonly { readonly key: string; readonly shape: Shape }[], tensors: Tensors, prefix: string, before = ''): Record<string, Float32Array> {
  return Object.fromEntries(declared.map(({ key, shape }) => {
    const name = `${before}${prefix}${key}`, { dtype, shape: given, data } = named(tensors, name)
    if (!(data instanceof Float32Array) || !sameShape(given, shape)) throw new ShapeError(message('file', `a tensor '${name}' of f32${formatShape(shape)}`, `${dtype}${formatShape(given)}`))
    return [`${prefix}${key}`, data]
  }))
}
