// Checks of what a file says: its JSON becomes the types of a definition and a recipe, or a FormatError.
import { describe, FormatError, message } from '../core/errors.js'
import type { Expression } from '../core/scalar.js'
import type { DType, Shape } from '../core/shape.js'
import { kernelTable } from '../compiler/kernels.js'
import type { Graph, GraphNode, GraphValue } from '../compiler/graph/graph.js'
import type { Init, InputSpec, ParamSpec } from '../compiler/graph/value.js'
import type { Attr, Attrs } from '../compiler/type.js'
import type { Definition } from '../model/model.js'
import type { Clipping, OptimizerData, UpdateKernel } from '../optim/optimizer.js'
import type { Measured, Recipe } from './recipe.js'
import type { BoardState } from './scores.js'

type Reader<T> = (value: unknown, where: string) => T

function refuse(where: string, expected: string, value: unknown): never {
  throw new FormatError(message(`load: ${where}`, expected, describe(value), 'The file is damaged.'))
}

export function record(where: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse(where, 'an object', value)
  return { ...value }
}

const number: Reader<number> = (v, where) => (typeof v === 'number' ? v : refuse(where, 'a number', v))
const finite: Reader<number> = (v, where) => (typeof v === 'number' && Number.isFinite(v) ? v : refuse(where, 'a finite number', v))
const count: Reader<number> = (v, where) => (typeof v === 'number' && Number.isInteger(v) && v >= 0 && v <= 0x8000_0000 ? v : refuse(where, 'a whole number', v))
const text: Reader<string> = (v, where) => (typeof v === 'string' ? v : refuse(where, 'a string', v))
const flag: Reader<boolean> = (v, where) => (typeof v === 'boolean' ? v : refuse(where, 'true or false', v))
const list = <T>(of: Reader<T>): Reader<readonly T[]> => (v, where) => (Array.isArray(v) ? v.map((x: unknown, i) => of(x, `${where}[${i}]`)) : refuse(where, 'a list', v))
const map = <T>(of: Reader<T>): Reader<Readonly<Record<string, T>>> => (v, where) => {
  const out: Record<string, T> = {}
  for (const [key, x] of Object.entries(record(where, v))) out[key] = of(x, `${where}.${key}`)
  return out
}
const word = <const W extends string>(...words: readonly W[]): Reader<W> => (v, where) => words.find((w) => w === v) ?? refuse(where, `one of ${words.join(', ')}`, v)
const field = <T>(v: Readonly<Record<string, unknown>>, key: string, of: Reader<T>, where: string): T => of(v[key], `${where}.${key}`)

const dtype: Reader<DType> = word('f32', 'f64', 'i32', 'u8', 'i8')
const dataType: Reader<DType> = word('f32', 'f64', 'i32', 'u8')
const shape: Reader<Shape> = (v, where) => list((d, at) => (d === 'n' ? ('n' as const) : count(d, at)))(v, where)
/** ±∞ may bound a clip; NaN is no setting of anything. */
const ordered: Reader<number> = (v, where) => (typeof v === 'number' && !Number.isNaN(v) ? v : refuse(where, 'a number', v))
const attr: Reader<Attr> = (v, where) => {
  if (typeof v === 'string' || typeof v === 'boolean') return v
  return typeof v === 'number' ? ordered(v, where) : list(ordered)(v, where)
}

const init: Reader<Init> = (v, where) => {
  const r = record(where, v)
  const kind = field(r, 'kind', word('constant', 'blocks', 'uniform', 'normal', 'truncatedNormal', 'orthogonal'), where)
  if (kind === 'constant') return { kind, value: field(r, 'value', finite, where) }
  if (kind === 'blocks') return { kind, values: field(r, 'values', list(finite), where) }
  if (kind === 'uniform') return { kind, low: field(r, 'low', finite, where), high: field(r, 'high', finite, where) }
  if (kind === 'orthogonal') return { kind, gain: field(r, 'gain', finite, where) }
  return { kind, mean: field(r, 'mean', finite, where), deviation: field(r, 'deviation', finite, where) }
}

const paramSpec: Reader<ParamSpec> = (v, where) => {
  const r = record(where, v)
  return {
    name: field(r, 'name', text, where), init: field(r, 'init', init, where), trainable: field(r, 'trainable', flag, where),
    l1: field(r, 'l1', finite, where), l2: field(r, 'l2', finite, where), ...(r['constraint'] === undefined ? {} : { constraint: field(r, 'constraint', graph, where) }),
  }
}

const inputSpec: Reader<InputSpec> = (v, where) => {
  const r = record(where, v)
  return {
    name: field(r, 'name', text, where), data: field(r, 'data', dataType, where), scale: field(r, 'scale', finite, where), offset: field(r, 'offset', finite, where),
    classes: r['classes'] === null ? null : field(r, 'classes', count, where),
  }
}

const graphValue: Reader<GraphValue> = (v, where) => {
  const r = record(where, v)
  const type = { id: field(r, 'id', count, where), shape: field(r, 'shape', shape, where), dtype: field(r, 'dtype', dtype, where) }
  const role = field(r, 'role', word('temp', 'param', 'input', 'constant', 'scalar'), where)
  switch (role) {
    case 'temp': return { ...type, role }
    case 'param': {
      const spec = field(r, 'spec', paramSpec, where)
      const size = type.shape.reduce<number>((product, d) => (d === 'n' ? NaN : product * d), 1)
      if (spec.init.kind === 'orthogonal' && type.shape.length === 0) refuse(where, 'a matrix as an orthogonal one', type.shape)
      if (spec.init.kind === 'blocks' && !Number.isInteger(size / spec.init.values.length)) refuse(where, 'first values in equal stretches', spec.init.values.length)
      return { ...type, role, key: field(r, 'key', text, where), spec }
    }
    case 'input': return { ...type, role, spec: field(r, 'spec', inputSpec, where) }
    case 'constant': {
      const data = field(r, 'data', list(number), where)
      const size = type.shape.reduce<number>((product, d) => (d === 'n' ? NaN : product * d), 1)
      return data.length === size ? { ...type, role, data } : refuse(where, `${size} numbers`, data.length)
    }
    case 'scalar': return { ...type, role, name: field(r, 'name', text, where) }
  }
}

const graphNode: Reader<GraphNode> = (v, where) => {
  const r = record(where, v)
  const attrs: Attrs = field(r, 'attrs', map(attr), where)
  return {
    op: field(r, 'op', text, where), path: field(r, 'path', text, where), ins: field(r, 'ins', list(count), where), outs: field(r, 'outs', list(count), where), attrs,
    ...(r['body'] === undefined ? {} : { body: field(r, 'body', graph, where) }),
  }
}

const graph: Reader<Graph> = (v, where) => {
  const r = record(where, v)
  const values = field(r, 'values', list(graphValue), where)
  values.forEach((value, i) => { if (value.id !== i) refuse(`${where}.values[${i}]`, `id ${i}`, value.id) })
  const nodes = field(r, 'nodes', list(graphNode), where)
  nodes.forEach(({ op, ins, attrs }, i) => {
    if (op === 'qmatmul' && attrs['bits'] === 7 && !isSeven(nodes, ins[0])) refuse(`${where}.nodes[${i}]`, 'activations of 7 bits', 'others')
    if (op !== 'average') return
    const moving = values[ins[1] ?? -1]
    if (moving?.role !== 'param' || moving.spec.trainable) refuse(`${where}.nodes[${i}]`, 'a weight that is not trained as what an average moves', moving?.role)
  })
  return { values, nodes, outputs: field(r, 'outputs', map(count), where) }
}

/** Is a value one of bytes in [0, 127]? A kernel of 7 bits may compute anything of others, and not the same everywhere. */
function isSeven(nodes: readonly GraphNode[], value: number | undefined): boolean {
  const made = nodes.find(({ outs }) => value !== undefined && outs.includes(value))
  if (made?.op === 'reshape') return isSeven(nodes.slice(0, nodes.indexOf(made)), made.ins[0])
  return (made?.op === 'quantizeLinear' && made.attrs['bits'] === 7) || (made?.op === 'qmatmul' && made.attrs['to'] === 7)
}

const OPERATORS = ['add', 'sub', 'mul', 'div', 'min', 'max', 'pow', 'exp', 'cos', 'sqrt', 'floor', 'ifLess'] as const
const scalar: Reader<Expression> = (v, where) => {
  if (typeof v === 'number') return v
  if (typeof v === 'string') return word('step', 't', 'scale')(v, where)
  const [operator, ...operands] = list<unknown>((x) => x)(v, where)
  const name = word(...OPERATORS)(operator, `${where}[0]`)
  const wanted = name === 'ifLess' ? 4 : name === 'exp' || name === 'cos' || name === 'sqrt' || name === 'floor' ? 1 : 2
  if (operands.length !== wanted) refuse(where, `${wanted} operands of ${name}`, operands.length)
  return [name, ...operands.map((x, i) => scalar(x, `${where}[${i + 1}]`))]
}

const clipping: Reader<Clipping> = (v, where) => {
  const r = record(where, v)
  return { kind: field(r, 'kind', word('none', 'value', 'norm', 'globalNorm'), where), limit: field(r, 'limit', number, where) }
}

const updateKernel: Reader<UpdateKernel> = word('f32_sgd', 'f32_rmsprop', 'f32_adam')
/** Fields that every update kernel gets from the training itself. */
const COMMON: ReadonlySet<string> = new Set(['pieces', 'segments', 'g', 'factor', 'ok', 'clipValue'])

const optimizer: Reader<OptimizerData> = (v, where) => {
  const r = record(where, v)
  const kernel = field(r, 'kernel', updateKernel, where)
  const decay = record(`${where}.decay`, r['decay'])
  const made: OptimizerData = {
    kind: field(r, 'kind', text, where), kernel, states: field(r, 'states', list(text), where), scalars: field(r, 'scalars', map(scalar), where),
    constants: field(r, 'constants', map(finite), where), flags: field(r, 'flags', map(count), where), clipping: field(r, 'clipping', clipping, where),
    learningRate: field(r, 'learningRate', scalar, where), decay: { rate: field(decay, 'rate', finite, where), exclude: field(decay, 'exclude', list(text), where) },
  }
  const given = new Set([...made.states, ...Object.keys(made.scalars), ...Object.keys(made.constants), ...Object.keys(made.flags)])
  const fields: readonly string[] = kernelTable[kernel].words
  for (const name of fields) if (!COMMON.has(name) && !given.has(name)) refuse(where, `a field '${name}' of ${kernel}`, undefined)
  for (const name of given) if (!fields.includes(name) || COMMON.has(name)) refuse(where, `fields of ${kernel}`, name)
  return made
}

const measured: Reader<Measured> = (v, where) => {
  const r = record(where, v)
  return { output: field(r, 'output', text, where), name: field(r, 'name', text, where), value: field(r, 'value', text, where) }
}

/** The definition in a file. */
export function checkDefinition(v: unknown): Definition {
  const where = 'definition'
  const r = record(where, v)
  const seed = field(r, 'seed', finite, where)
  if (!Number.isSafeInteger(seed) || seed < 0) refuse(`${where}.seed`, 'a seed', seed)
  return { graph: field(r, 'graph', graph, where), seed, name: field(r, 'name', text, where), oneInput: field(r, 'oneInput', flag, where), oneOutput: field(r, 'oneOutput', flag, where) }
}

/** The sums over the part of an epoch that is done, in a file. */
export function checkPartial(v: unknown): BoardState {
  const where = 'partial'
  const r = record(where, v)
  return { sums: field(r, 'sums', list(number), where), penalty: field(r, 'penalty', number, where), samples: field(r, 'samples', count, where), batches: field(r, 'batches', count, where) }
}

/** The recipe in a file. */
export function checkRecipe(v: unknown): Recipe {
  const where = 'recipe'
  const r = record(where, v)
  const made: Recipe = {
    graph: field(r, 'graph', graph, where), labels: field(r, 'labels', map(text), where), measured: field(r, 'measured', list(measured), where),
    optimizer: field(r, 'optimizer', optimizer, where), shards: field(r, 'shards', count, where), frozen: field(r, 'frozen', list(text), where),
  }
  if (made.shards < 1 || made.shards > 65536) refuse(`${where}.shards`, '1 to 65536', made.shards)
  for (const name of ['loss', ...made.measured.map(({ value }) => value)]) {
    const value = made.graph.values[made.graph.outputs[name] ?? -1]
    if (value === undefined || value.dtype !== 'f32' || value.shape.length !== 1 || value.shape[0] !== 'n') refuse(`${where}: ${name}`, 'one f32 a sample', value?.shape)
  }
  return made
}
