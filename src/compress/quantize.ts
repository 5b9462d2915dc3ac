// Post-training quantisation to 8-bit integers: Model → Model. Dense products become integer ones, in the same graph; what lies between two of
// them stays integers. Ranges come from running the f32 graph on calibration data.
//
// How ranges, scales and biases are found was chosen on 10 000 training images of MNIST and of Fashion-MNIST, held out of training, twenty seeds each, by
// how many classes stay the same: scales for channels and the correction of biases help (+0.07 and +0.04 points, ± 0.01); of weights, scales
// that clip are no better than the largest magnitude's; the three observers are equal within noise.
import { EquigradError, message } from '../core/errors.js'
import { checkCount, checkOptions, checkRecord, checkWord } from '../core/options.js'
import { elements, isBatched } from '../core/shape.js'
import { fromGraph, toGraph } from '../compiler/graph/graph.js'
import { byName, constant, inScope, rewrite, topological, type InputSpec, type Node, type Value } from '../compiler/graph/value.js'
import { MAX_TERMS, qmatmul, quantizeLinear, type Bits, type Quantization } from '../compiler/ops/quantized.js'
import { expand, reshape } from '../compiler/ops/shapes.js'
import { specialise } from '../compiler/passes/specialise.js'
import { sliceRows, toRows, type Rows, type Typed } from '../model/data.js'
import { Model, ownParams, params, sameCount, type DataOf, type Definition } from '../model/model.js'
import type { Tensor } from '../model/tensor.js'
import { loadInt8 } from '../runtime/int8.js'
import { TrainableModel } from '../train/model.js'
import { integerWeights, quantizationOf, type Features } from './integers.js'
import { FeatureSums, Observed, OBSERVERS, type Observer } from './observers.js'

/** What {@link quantize} measures, and how it rounds. */
export interface QuantizeOptions<I> {
  /** samples as `predict` takes them, some hundreds that are like those to come: they say in which ranges values lie */
  readonly calibration: DataOf<I>
  /** bits of activations, 7 or 8 (default 7): 7 are faster where the engine has relaxed SIMD, 8 are finer */
  readonly activations?: Bits
  /** how ranges are chosen from what calibration saw (default 'mse'): on images the three are equal within noise */
  readonly observer?: Observer
  /** samples of one run of the calibration (default 256) */
  readonly batchSize?: number
}

/** A product that becomes one of integers, with what follows it. */
interface Product {
  readonly node: Node
  readonly a: Value
  readonly weight: Value
  readonly transposed: boolean
  readonly bias: Value | null
  readonly relu: boolean
  /** the nodes after the product that it takes in, each with the operand that the product is in */
  readonly rest: readonly (readonly [Node, Value])[]
  /** what the last of them gives */
  readonly y: Value
}

/**
 * A model of 8-bit integers that predicts what this one does, nearly: weights as signed bytes with a scale for each output, activations as unsigned ones of 7
 * or 8 bits with a scale for each tensor, or for each channel where one integer product gives them to others, measured on calibration data. A file of it
 * is about a quarter as large.
 *
 * Dense layers (products of samples and a weight, with bias and relu; a recurrent layer's of its inputs) become integer products; values go from one to the
 * next as bytes. Everything else stays as it is, in f32: convolutions, the steps of recurrent layers, other activations. Predictions have the same bits everywhere, whatever the batch.
 *
 * @param model - stays as it is
 * @returns a new model with the same inputs and outputs; it predicts, saves and loads, can be evaluated when it has been compiled, and cannot be trained
 * @throws TypeError, RangeError, ShapeError for options or data that do not fit; EquigradError for a model without a dense product, or whose values are not finite
 * @example
 * const small = await quantize(model, { calibration: x })
 * const bytes = save(small)
 * const served = load(bytes)
 * served.predictSync(x)
 * const { loss } = await small.compile({ optimizer: adam(), loss: mse() }).evaluate(x, y)
 */
export async function quantize<I, O>(model: Model<I, O>, options: QuantizeOptions<I>): Promise<TrainableModel<I, O>> {
  checkModel(model)
  checkOptions('quantize', options, ['calibration', 'activations', 'observer', 'batchSize'])
  const bits = checkBits(options.activations ?? 7)
  const observer = checkWord('quantize.observer', options.observer ?? 'mse', OBSERVERS)
  const batchSize = checkCount('quantize.batchSize', options.batchSize ?? 256)
  const data = calibrationData(model.definition, options.calibration)
  const values = fromGraph(model.definition.graph)
  const outputs = specialise(Object.values(values), 'predict')
  const products = productsOf(outputs)
  if (products.length === 0) throw new EquigradError(message('quantize', 'a model with a dense layer: a product of activations and a weight', 'none', 'Convolutions and the steps of recurrent layers are not quantised: leave such a model as it is.'))
  await loadInt8()
  const weights = await weightsOf(model, products, data)
  const { activations, features } = await calibrate(model, outputs, products, data, { bits, observer, batchSize })
  const definition = { ...model.definition, graph: toGraph(byName(Object.keys(values), integers(outputs, products, { weights, activations, features })), { path: () => '', key: () => '' }) }
  return new TrainableModel<I, O>(definition, ownParams(definition), copies(model, definition))
}

function checkModel(model: unknown): void {
  if (!(model instanceof Model)) throw new TypeError(message('quantize', 'a model', typeof model))
}

function checkBits(bits: unknown): Bits {
  if (bits === 7 || bits === 8) return bits
  const text = message('quantize.activations', '7 or 8 bits', String(bits))
  throw typeof bits === 'number' ? new RangeError(text) : new TypeError(text)
}

/** Copies of the weights that a rewritten definition still has, by key. */
function copies(model: Pick<Model<never, never>, 'getWeights'>, definition: Definition): Readonly<Record<string, Float32Array>> {
  const weights = model.getWeights()
  return Object.fromEntries(params(definition.graph).flatMap(({ key }) => { const w = weights[key]; return w === undefined ? [] : [[key, w.data]] }))
}

/** Calibration data for every input, checked. */
function calibrationData({ graph, oneInput }: Definition, given: unknown): ReadonlyMap<string, Rows> {
  const inputs = graph.values.flatMap((v) => (v.role === 'input' && !v.spec.name.startsWith('$') ? [v] : []))
  const record = oneInput ? { x: given } : checkRecord('quantize.calibration', given)
  for (const name of Object.keys(record)) if (!inputs.some(({ spec }) => spec.name === name)) throw new TypeError(message('quantize.calibration', `data for ${inputs.map(({ spec }) => spec.name).join(', ')}`, `'${name}'`))
  const data = new Map(inputs.map(({ shape, spec }): [string, Rows] => [spec.name, toRows(where(oneInput, spec), Object.entries(record).find(([name]) => name === spec.name)?.[1], shape, spec)]))
  sameCount('quantize.calibration', data)
  return data
}
const where = (oneInput: boolean, { name }: InputSpec): string => (oneInput ? 'quantize.calibration' : `quantize.calibration: ${name}`)

// ---- which products --------------------------------------------------------------------------------------------------------------

/** The products of samples and a weight (or an expression of weights), each with the bias and the relu that alone use what is before them. */
function productsOf(outputs: readonly Value[]): readonly Product[] {
  const order = topological(outputs)
  const fixed = fixedValues(order)
  const users = usersOf(order, outputs)
  const only = (v: Value): Node | undefined => { const list = users.get(v); return list?.length === 1 && list[0] !== null ? list[0] : undefined }
  return order.flatMap((node): Product[] => {
    const [a, weight] = node.ins, y = node.outs[0]
    if (node.op.name !== 'matmul' || a === undefined || weight === undefined || y === undefined) return []
    if (node.attrs['transposeA'] === true || fixed(a) || !fixed(weight) || !isBatched(a.shape) || Number(a.shape[a.shape.length - 1]) > MAX_TERMS) return []
    const n = y.shape[y.shape.length - 1]
    const added = only(y)
    const other = added?.ins[0] === y ? added.ins[1] : added?.ins[0]
    const biased = added?.op.name === 'add' && other !== undefined && fixed(other) && other.shape.length === 1 && other.shape[0] === n
    const sum = (biased ? added.outs[0] : undefined) ?? y
    const last = only(sum)
    const relu = last?.op.name === 'relu'
    return [{
      node, a, weight, transposed: node.attrs['transposeB'] === true, bias: biased ? other : null, relu,
      rest: [...(biased ? [[added, y] as const] : []), ...(relu ? [[last, sum] as const] : [])], y: (relu ? last.outs[0] : undefined) ?? sum,
    }]
  })
}

/** Is a value the same for every sample: made of weights and constants alone? */
function fixedValues(order: readonly Node[]): (v: Value) => boolean {
  const leaf = (v: Value): boolean => v.source.kind === 'param' || v.source.kind === 'constant'
  const known = new Set<Value>()
  const fixed = (v: Value): boolean => leaf(v) || known.has(v)
  for (const node of order) if (node.body === null && node.attrs['stream'] === undefined && node.ins.every(fixed)) node.outs.forEach((v) => { if (!isBatched(v.shape)) known.add(v) })
  return fixed
}

/** The nodes that use each value, once for each use; null for an output. */
function usersOf(order: readonly Node[], outputs: readonly Value[]): ReadonlyMap<Value, readonly (Node | null)[]> {
  const users = new Map<Value, (Node | null)[]>()
  const use = (v: Value, by: Node | null): void => { const list = users.get(v); if (list === undefined) users.set(v, [by]); else list.push(by) }
  for (const node of order) node.ins.forEach((v) => { use(v, node) })
  outputs.forEach((v) => { use(v, null) })
  return users
}

/** The value whose numbers another has in another shape. */
function origin(v: Value): Value {
  const { source } = v
  const before = source.kind === 'node' && source.node.op.name === 'reshape' ? source.node.ins[0] : undefined
  return before === undefined ? v : origin(before)
}

// ---- running the f32 graph -------------------------------------------------------------------------------------------------------

type Run = (data: Readonly<Record<string, Typed>>) => Promise<Readonly<Record<string, Tensor>>>

/** Runs the model's graph on data, for any of its values. */
function runner<I, O>(model: Model<I, O>, fetches: Readonly<Record<string, Value>>): Run {
  const definition: Definition = { ...model.definition, graph: toGraph(fetches, { path: () => '', key: () => '' }), oneInput: false, oneOutput: false }
  const observed = new Model<Readonly<Record<string, Value>>, Readonly<Record<string, Value>>>(definition, ownParams(definition), copies(model, definition))
  const inputs = new Set(definition.graph.values.flatMap((v) => (v.role === 'input' ? [v.spec.name] : [])))
  return (data) => observed.predict(Object.fromEntries(Object.entries(data).filter(([name]) => inputs.has(name))))
}

const pieces = (data: ReadonlyMap<string, Rows>, from: number, to: number): Readonly<Record<string, Typed>> =>
  Object.fromEntries([...data].map(([name, rows]) => [name, sliceRows(rows, from, to).data]))

const named = (prefix: string, values: readonly Value[]): readonly (readonly [string, Value])[] => values.map((v, i) => [`${prefix}${i}`, v])

/** The numbers of each weight and bias, by value: what their expressions give, computed as prediction does. */
async function weightsOf<I, O>(model: Model<I, O>, products: readonly Product[], data: ReadonlyMap<string, Rows>): Promise<ReadonlyMap<Value, Float32Array>> {
  const wanted = [...new Set(products.flatMap(({ weight, bias }) => [weight, ...(bias === null ? [] : [bias])]))]
  // A row of samples for each, and activations besides, so that there is a sample.
  const rows = named('w', wanted).map(([name, v]): [string, Value] => [name, expand(reshape(v, [1, ...v.shape]), ['n', ...v.shape])])
  const found = await runner(model, Object.fromEntries([...rows, ...named('a', products.map(({ a }) => a))]))(pieces(data, 0, 1))
  return new Map(wanted.map((v, i) => {
    const numbers = found[`w${i}`]?.data ?? new Float32Array(0)
    if (numbers.some((x) => x - x !== 0)) throw new EquigradError(message('quantize', 'finite weights', 'one that is not'))
    return [v, numbers]
  }))
}

/** How a tensor of activations becomes bytes. */
interface Activation {
  readonly how: Quantization
  /** what the values of each channel, the last dimension, are divided by before; [1] of one or of all alike */
  readonly spread: Float64Array
}

/** What calibration found. */
interface Calibrated {
  /** by a tensor's origin */
  readonly activations: ReadonlyMap<Value, Activation>
  /** of the activations of each product */
  readonly features: ReadonlyMap<Node, Features>
}

/** Runs the f32 graph over the calibration data: for ranges, then for what bytes of those ranges change. */
async function calibrate<I, O>(model: Model<I, O>, outputs: readonly Value[], products: readonly Product[], data: ReadonlyMap<string, Rows>, { bits, observer, batchSize }: {
  readonly bits: Bits; readonly observer: Observer; readonly batchSize: number
}): Promise<Calibrated> {
  const paths = new Map(products.map(({ a, node }) => [origin(a), node.path]))
  const wanted = [...paths.keys()]
  const run = runner(model, Object.fromEntries(named('a', wanted)))
  const channels = channelsOf(outputs, products)
  const observed = wanted.map((v) => new Observed(channels(v)))
  const n = [...data.values()][0]?.rows ?? 0
  const pass = async (look: (o: Observed, values: Float32Array, i: number) => void): Promise<void> => {
    for (let from = 0; from < n; from += batchSize) {
      const found = await run(pieces(data, from, Math.min(n, from + batchSize)))
      observed.forEach((o, i) => { look(o, found[`a${i}`]?.data ?? new Float32Array(0), i) })
    }
  }
  await pass((o, values, i) => {
    const v = wanted[i]
    if (!o.see(values)) throw new EquigradError(message('quantize', 'finite values on the calibration data', `one that is not, before ${v === undefined ? '' : paths.get(v) ?? ''}`))
  })
  if (observer !== 'minMax') await pass((o, values) => { o.count(o.spreadOut(values)) })
  const ranges = wanted.map((_, i) => quantizationOf(observed[i]?.range(observer, bits) ?? { min: 0, max: 0 }, bits))
  const sums = wanted.map((v, i) => new Map(products.filter(({ a }) => origin(a) === v).map(({ a }) => {
    const width = Number(a.shape[a.shape.length - 1])
    return [width, new FeatureSums(width, ranges[i] ?? quantizationOf({ min: 0, max: 0 }, bits))]
  })))
  await pass((o, values, i) => {
    const spread = o.spreadOut(values)
    for (const s of sums[i]?.values() ?? []) s.add(spread)
  })
  return {
    activations: new Map(wanted.flatMap((v, i) => { const how = ranges[i], spread = observed[i]?.spread; return how === undefined || spread === undefined ? [] : [[v, { how, spread }]] })),
    features: new Map(products.flatMap(({ node, a }) => { const s = sums[wanted.indexOf(origin(a))]?.get(Number(a.shape[a.shape.length - 1])); return s === undefined ? [] : [[node, s.features]] })),
  }
}

// ---- the graph of integers -------------------------------------------------------------------------------------------------------

/** Do only quantised products use a value, directly or in another shape? Then it need never be f32. */
function staysInteger(v: Value, users: ReadonlyMap<Value, readonly (Node | null)[]>, products: ReadonlyMap<Node, Product>): boolean {
  const list = users.get(v) ?? []
  return list.length > 0 && list.every((user) => user !== null && (products.has(user) || (user.op.name === 'reshape' && user.outs.every((out) => staysInteger(out, users, products)))))
}

/**
 * How many channels of a tensor may have scales of their own, by its origin: all of what one integer product gives to others, where each of their
 * terms is of one channel; the one's multipliers and the others' weights take the scales in. Otherwise 1.
 */
function channelsOf(outputs: readonly Value[], list: readonly Product[]): (v: Value) => number {
  const products = new Map(list.map((p) => [p.node, p]))
  const users = usersOf(topological(outputs), outputs)
  return (v) => {
    const channels = Number(v.shape[v.shape.length - 1])
    const takers = list.filter(({ a }) => origin(a) === v)
    return list.some(({ y }) => y === v) && staysInteger(v, users, products) && takers.every(({ a }) => Number(a.shape[a.shape.length - 1]) % channels === 0) ? channels : 1
  }
}

interface Numbers extends Calibrated { readonly weights: ReadonlyMap<Value, Float32Array> }

function integers(outputs: readonly Value[], list: readonly Product[], numbers: Numbers): readonly Value[] {
  const { activations } = numbers
  const products = new Map(list.map((p) => [p.node, p]))
  const passed = new Map(list.flatMap(({ rest }) => rest))
  const users = usersOf(topological(outputs), outputs)
  const bytes = new Map<Value, Value>()
  const asBytes = (x: Value, how: Quantization): Value => {
    if (x.dtype === 'u8') return x
    const known = bytes.get(x) ?? quantizeLinear(x, how)
    bytes.set(x, known)
    return known
  }
  return rewrite(outputs, {
    node(node, ins) {
      const product = products.get(node)
      if (product === undefined) {
        // What the product gives stands for all that it has taken in.
        const before = passed.get(node)
        const stands = before === undefined ? undefined : ins[node.ins.indexOf(before)]
        return stands === undefined ? undefined : [stands]
      }
      const x = activations.get(origin(product.a)), given = ins[0]
      if (x === undefined || given === undefined) throw new EquigradError('quantize: a product without a range')
      const y = staysInteger(product.y, users, products) ? activations.get(product.y) ?? null : null
      return inScope(node.scope, () => [integerProduct(product, asBytes(given, x.how), x, y, numbers)], node.path)
    },
  })
}

function integerProduct({ node, weight, transposed, bias, relu, y: { shape } }: Product, a: Value, x: Activation, y: Activation | null, numbers: Numbers): Value {
  const n = Number(shape[shape.length - 1]), k = elements(weight.shape) / n
  const given = numbers.weights.get(weight), features = numbers.features.get(node)
  if (given === undefined || features === undefined) throw new EquigradError('quantize: a product without numbers')
  const of = (spread: Float64Array | undefined, i: number): number => spread?.[i % spread.length] ?? 1
  const w = Float64Array.from(given, (_, i) => {
    const term = Math.floor(i / n), j = i % n
    return ((transposed ? given[j * k + term] : given[i]) ?? 0) * of(x.spread, term) / of(y?.spread, j)
  })
  const b = bias === null ? null : Float64Array.from(numbers.weights.get(bias) ?? [], (v, j) => v / of(y?.spread, j))
  const { weights, offset, multiplier } = integerWeights(w, k, n, b, x.how, y?.how ?? null, features)
  return qmatmul(a, constant([k, n], 'i8', Array.from(weights)), constant([n], 'i32', Array.from(offset)), constant([n], 'f32', Array.from(multiplier)), { bits: x.how.bits, relu, to: y?.how ?? null })
}
