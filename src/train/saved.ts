// Readers of what a file says: its JSON becomes the types of a definition and a training, or an error.
import { describe, message } from '../core/errors.js'
import { checkCount, checkFlag as flag, checkNumber as finite, checkSeed } from '../core/options.js'
import { list, map, optional, readFields, text, type Fields, type Read, type Reader } from '../core/readers.js'
import { operators, type Expression } from '../core/scalar.js'
import type { DType, Shape } from '../core/shape.js'
import { kernelTable } from '../compiler/kernels.js'
import type { Graph, GraphNode, GraphValue } from '../compiler/graph/graph.js'
import type { Init, InputSpec, ParamSpec } from '../compiler/graph/value.js'
import type { Attr } from '../compiler/type.js'
import type { Definition } from '../model/model.js'
import type { OptimizerData } from '../optim/optimizer.js'
import type { TrainingState } from './model.js'
import type { Recipe } from './recipe.js'
import type { BoardState } from './scores.js'

function refuse(where: string, expected: string, given: unknown): never { throw new RangeError(message(where, expected, describe(given))) }

const oneOf = <const W extends string>(...words: readonly W[]): Reader<W> => (where, v) => words.find((w) => w === v) ?? refuse(where, `one of ${words.join(', ')}`, v)
const whole: Reader<number> = (where, v) => finite(where, v, { integer: true, min: 0, max: 0x8000_0000 })
/** A seed, or what is counted without a bound. */
const long: Reader<number> = checkSeed
const real: Reader<number> = (where, v) => (typeof v === 'number' ? v : refuse(where, 'a number', v))
/** ±∞ may bound a clip; NaN is no setting of anything. */
const ordered: Reader<number> = (where, v) => (typeof v === 'number' && !Number.isNaN(v) ? v : refuse(where, 'a number', v))
const dataType: Reader<DType> = (where, v) => oneOf('f32', 'f64', 'i32', 'u8')(where, v)
const shape: Reader<Shape> = (where, v) => list((at, d) => (d === 'n' ? d : whole(at, d)))(where, v)
const attr: Reader<Attr> = (where, v) => (typeof v === 'string' || typeof v === 'boolean' ? v : Array.isArray(v) ? list(ordered)(where, v) : ordered(where, v))

/** An object of one of several kinds: a field tells which, and so what other fields there are. */
function readKind<K extends string, C extends Fields, R extends Readonly<Record<string, Fields>>>(where: string, given: unknown, key: K, common: C, kinds: R): { [W in keyof R & string]: Read<C> & Read<R[W]> & { readonly [N in K]: W } }[keyof R & string] {
  const { [key]: kind } = readFields(where, given, { [key]: oneOf(...Object.keys(kinds)) })
  return readFields(where, given, { ...common, [key]: () => kind, ...kinds[String(kind)] }) as never
}

const init: Reader<Init> = (where, v) => readKind(where, v, 'kind', {}, {
  constant: { value: finite }, blocks: { values: list(finite) }, uniform: { low: finite, high: finite }, normal: { mean: finite, deviation: finite },
  truncatedNormal: { mean: finite, deviation: finite }, orthogonal: { gain: finite },
})

const paramSpec: Reader<ParamSpec> = (where, v) => readFields(where, v, { name: text, init, trainable: flag, l1: finite, l2: finite, constraint: optional(graph) })

const inputSpec: Reader<InputSpec> = (where, v) => readFields(where, v, {
  name: text, data: dataType, scale: finite, offset: finite, classes: (at, given) => (given === null ? given : whole(at, given)),
})

const graphValue: Reader<GraphValue> = (where, v) => {
  const made = readKind(where, v, 'role', { id: whole, shape, dtype: oneOf('f32', 'f64', 'i32', 'u8', 'i8') }, {
    temp: {}, param: { key: text, spec: paramSpec }, input: { spec: inputSpec }, constant: { data: list(real) }, scalar: { name: text },
  })
  const size = made.shape.reduce<number>((product, d) => (d === 'n' ? NaN : product * d), 1)
  if (made.role === 'constant' && made.data.length !== size) refuse(where, `${size} numbers`, made.data.length)
  if (made.role !== 'param') return made
  const { init: first } = made.spec
  if (first.kind === 'orthogonal' && made.shape.length === 0) refuse(where, 'a matrix as an orthogonal one', made.shape)
  if (first.kind === 'blocks' && !Number.isInteger(size / first.values.length)) refuse(where, 'first values in equal stretches', first.values.length)
  return made
}

const graphNode: Reader<GraphNode> = (where, v) =>
  readFields(where, v, { op: text, path: text, ins: list(whole), outs: list(whole), attrs: map(attr), body: optional(graph) })

const graph: Reader<Graph> = (where, v) => {
  const made = readFields(where, v, { values: list(graphValue), nodes: list(graphNode), outputs: map(whole) })
  const { values, nodes } = made
  values.forEach(({ id }, i) => { if (id !== i) refuse(`${where}.values[${i}]`, `id ${i}`, id) })
  nodes.forEach(({ op, ins, attrs }, i) => {
    if (op === 'qmatmul' && attrs['bits'] === 7 && !isSeven(nodes, ins[0])) refuse(`${where}.nodes[${i}]`, 'activations of 7 bits', 'others')
    if (op !== 'average') return
    const moving = values[ins[1] ?? -1]
    if (moving?.role !== 'param' || moving.spec.trainable) refuse(`${where}.nodes[${i}]`, 'a weight that is not trained as what an average moves', moving?.role)
  })
  return made
}

/** Is a value one of bytes in [0, 127]? A kernel of 7 bits may compute anything of others, and not the same everywhere. */
function isSeven(nodes: readonly GraphNode[], value: number | undefined): boolean {
  const made = nodes.find(({ outs }) => value !== undefined && outs.includes(value))
  if (made?.op === 'reshape') return isSeven(nodes.slice(0, nodes.indexOf(made)), made.ins[0])
  return (made?.op === 'quantizeLinear' && made.attrs['bits'] === 7) || (made?.op === 'qmatmul' && made.attrs['to'] === 7)
}

const scalar: Reader<Expression> = (where, v) => {
  if (typeof v === 'number') return v
  if (typeof v === 'string') return oneOf('step', 't', 'scale')(where, v)
  const [operator, ...operands] = list<unknown>((_, x) => x)(where, v)
  const name = oneOf(...Object.keys(operators) as (keyof typeof operators)[])(`${where}[0]`, operator)
  const [wanted] = operators[name]
  if (operands.length !== wanted) refuse(where, `${wanted} operands of ${name}`, operands.length)
  return [name, ...operands.map((x, i) => scalar(`${where}[${i + 1}]`, x))]
}

/** Fields that every update kernel gets from the training itself. */
const COMMON = ['pieces', 'segments', 'g', 'factor', 'ok', 'clipValue']

const optimizer: Reader<OptimizerData> = (where, v) => {
  const made = readFields(where, v, {
    kind: text, kernel: oneOf('f32_sgd', 'f32_rmsprop', 'f32_adam'), states: list(text), scalars: map(scalar), constants: map(finite), flags: map(whole),
    clipping: (at, c) => readFields(at, c, { kind: oneOf('none', 'value', 'norm', 'globalNorm'), limit: real }),
    learningRate: scalar, decay: (at, d) => readFields(at, d, { rate: finite, exclude: list(text) }),
  })
  const given = [...made.states, ...[made.scalars, made.constants, made.flags].flatMap((fields) => Object.keys(fields))]
  const wanted: readonly string[] = kernelTable[made.kernel].words.filter((name) => !COMMON.includes(name))
  for (const name of wanted) if (!given.includes(name)) refuse(where, `a field '${name}' of ${made.kernel}`, undefined)
  for (const name of given) if (!wanted.includes(name)) refuse(where, `fields of ${made.kernel}`, name)
  return made
}

/** The definition in a file. */
export const definition: Reader<Definition> = (where, v) => readFields(where, v, { graph, seed: long, name: text, oneInput: flag, oneOutput: flag })

const recipe: Reader<Recipe> = (where, v) => {
  const made = readFields(where, v, {
    graph, labels: map(text), measured: list((at, m) => readFields(at, m, { output: text, name: text, value: text })), optimizer,
    shards: (at, s) => checkCount(at, s, 65536), frozen: list(text),
  })
  for (const name of ['loss', ...made.measured.map(({ value }) => value)]) {
    const value = made.graph.values[made.graph.outputs[name] ?? -1]
    if (value === undefined || value.dtype !== 'f32' || value.shape.length !== 1 || value.shape[0] !== 'n') refuse(`${where}: ${name}`, 'one f32 a sample', value?.shape)
  }
  return made
}

const partial: Reader<BoardState> = (where, v) => readFields(where, v, { sums: list(real), penalty: real, samples: whole, batches: whole })

/** The training in a file, but for the states of its optimizer. */
export const training: Reader<Omit<TrainingState, 'states'>> = (where, v) =>
  readFields(where, v, { recipe, step: long, epoch: long, position: long, scale: real, partial: optional(partial) })
