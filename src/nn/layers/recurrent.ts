// Recurrent layers: rnn over a cell of one's own, and Keras' simpleRNN, lstm and gru. What does not depend on the state (x·kernel + bias) is one
// product for all steps.
import { describe, message, ShapeError } from '../../core/errors.js'
import { checkCount, checkFlag, checkOptions } from '../../core/options.js'
import { formatShape } from '../../core/shape.js'
import { constant, Value, type Init } from '../../compiler/graph/value.js'
import { add, mul } from '../../compiler/ops/binary.js'
import { split } from '../../compiler/ops/concat.js'
import { matmul } from '../../compiler/ops/matmul.js'
import { scan } from '../../compiler/ops/scan.js'
import { expand } from '../../compiler/ops/shapes.js'
import { affine } from '../../compiler/ops/unary.js'
import { activationFunction, type Activation, type ActivationFunction } from '../activations.js'
import { initializer, type Initializer, type InitializerFunction } from '../initializers.js'
import { layer, type Layer, type LayerContext, type LayerOptions } from '../layer.js'
import { checkRegularizer, type Regularizer } from '../regularizers.js'

/** What one step of a recurrent layer computes. */
export interface Cell {
  /** widths of the states that go from step to step, each [n, width], +0 before the first */
  readonly states: readonly number[]
  /** what depends on the input alone, for all steps at once: from [n, T, …] to [n, T, …] (default: the input itself) */
  readonly prepare?: (x: Value, context: LayerContext) => Value
  /** one step: from x [n, …] and the states to the output and the next states, of the same shapes */
  readonly step: (x: Value, states: readonly Value[], context: LayerContext) => { readonly output: Value; readonly states: readonly Value[] }
}

export interface RnnOptions extends LayerOptions {
  /** give the output of every step, [n, T, …], or of the last one (default false) */
  readonly returnSequences?: boolean
  /** begin at the last step; outputs stand where their inputs do (Keras' `go_backwards` turns them around) (default false) */
  readonly reverse?: boolean
}
const RNN_OPTIONS = ['returnSequences', 'reverse', 'name', 'trainable'] as const

/**
 * A recurrent layer over a cell of one's own.
 *
 * @param cell - what a step computes; its weights are declared by `context.param`, once for all steps
 * @returns a layer from [n, T, …] to the last output [n, …], or to all of them [n, T, …]
 * @throws TypeError for wrong options; ShapeError when the input is no sequence or a step changes the shape of a state
 * @example
 * const decay = rnn({ states: [8], step: (x, [h]) => { const next = add(affine(h, 0.9, 0), x); return { output: next, states: [next] } } })
 */
export function rnn(cell: Cell, options: RnnOptions = {}): Layer {
  checkOptions('rnn', options, RNN_OPTIONS)
  const given: unknown = cell
  if (typeof given !== 'object' || given === null || typeof cell.step !== 'function' || !Array.isArray(cell.states)) throw new TypeError(message('rnn', 'a cell { states, step }', describe(given)))
  return recurrent('rnn', options, () => cell)
}

/** A layer of a cell that may depend on the width of its input. */
function recurrent(kind: string, options: RnnOptions, cellOf: (features: number) => Cell): Layer {
  const returnSequences = checkFlag(`${kind}: returnSequences`, options.returnSequences ?? false)
  const reverse = checkFlag(`${kind}: reverse`, options.reverse ?? false)
  return layer(kind, options, (x, context) => {
    const where = options.name ?? kind
    const features = x.shape[x.shape.length - 1]
    if (x.shape.length < 3 || typeof features !== 'number') throw new ShapeError(message(where, 'sequences [n, steps, …]', formatShape(x.shape)))
    const cell = cellOf(features)
    cell.states.forEach((width) => { checkCount(`${where}: states`, width) })
    const prepared = cell.prepare?.(x, context) ?? x
    // The last output is a carry of its own, unless it is a state already.
    let last: Value | undefined
    const carriesOf = (output: Value, states: readonly Value[]): number => states.indexOf(output)
    let at = -1
    const zero = constant([], 'f32', [0])
    const { carries, ys } = scan((states, [xt]) => {
      if (xt === undefined) throw new ShapeError(message(where, 'a sequence', 'none'))
      const { output, states: next } = cell.step(xt, states, context)
      if (!(output instanceof Value) || !Array.isArray(next)) throw new TypeError(message(where, 'a step that gives { output, states }', describe(output)))
      at = carriesOf(output, next)
      return { carries: next, ys: returnSequences || at < 0 ? [output] : [] }
    }, cell.states.map((width) => expand(zero, ['n', width])), [prepared], { reverse })
    if (returnSequences) last = ys[0]
    else last = carries[at] ?? (ys[0] === undefined ? undefined : lastOf(ys[0], reverse))
    if (last === undefined) throw new ShapeError(message(where, 'a step that gives an output', 'none'))
    return last
  })
}

/** The last step run of outputs [n, T, …]: a scan that keeps what it sees. */
function lastOf(ys: Value, reverse: boolean): Value {
  const shape = ys.shape.filter((_, i) => i !== 1)
  const { carries } = scan((_, x) => ({ carries: x, ys: [] }), [expand(constant([], 'f32', [0]), shape)], [ys], { reverse })
  return carries[0] ?? ys
}

export interface SimpleRNNOptions extends RnnOptions {
  /** (default 'tanh') */
  readonly activation?: Activation
  /** (default true) */
  readonly useBias?: boolean
  /** (default 'glorotUniform') */
  readonly kernelInitializer?: Initializer
  /** (default 'glorotUniform'; Keras draws orthogonal matrices, which this version has not) */
  readonly recurrentInitializer?: Initializer
  /** (default 'zeros') */
  readonly biasInitializer?: Initializer
  readonly kernelRegularizer?: Regularizer
  readonly recurrentRegularizer?: Regularizer
  readonly biasRegularizer?: Regularizer
}
export interface GatedOptions extends SimpleRNNOptions {
  /** of the gates (default 'sigmoid') */
  readonly recurrentActivation?: Activation
}
export interface LstmOptions extends GatedOptions {
  /** does the forget gate's bias begin at 1, unless `biasInitializer` says otherwise? (default true; Jozefowicz, Zaremba, Sutskever, 2015) */
  readonly unitForgetBias?: boolean
}
export interface GruOptions extends GatedOptions {
  /** is the reset gate applied after the recurrent product? (default true, as in Keras and cuDNN) */
  readonly resetAfter?: boolean
}

const WEIGHT_OPTIONS = ['activation', 'useBias', 'kernelInitializer', 'recurrentInitializer', 'biasInitializer', 'kernelRegularizer', 'recurrentRegularizer', 'biasRegularizer'] as const

/** What the three layers share, checked. */
interface Weights {
  readonly activate: ActivationFunction
  readonly useBias: boolean
  readonly kernel: (features: number, context: LayerContext) => Value
  readonly recurrent: (context: LayerContext) => Value
  readonly bias: (context: LayerContext, name?: string) => Value
}

/** Weights of `gates` products side by side: kernel [d, gates·units], recurrentKernel [units, gates·units], bias [gates·units]. */
function weights(kind: string, units: number, gates: number, options: SimpleRNNOptions, biasFirst?: InitializerFunction): Weights {
  checkCount(`${kind}: units`, units)
  const kernelInit = initializer(`${kind}: kernelInitializer`, options.kernelInitializer, 'glorotUniform')
  const recurrentInit = initializer(`${kind}: recurrentInitializer`, options.recurrentInitializer, 'glorotUniform')
  const biasInit = options.biasInitializer === undefined && biasFirst !== undefined ? biasFirst : initializer(`${kind}: biasInitializer`, options.biasInitializer, 'zeros')
  const kernelRegularizer = checkRegularizer(`${kind}: kernelRegularizer`, options.kernelRegularizer)
  const recurrentRegularizer = checkRegularizer(`${kind}: recurrentRegularizer`, options.recurrentRegularizer)
  const biasRegularizer = checkRegularizer(`${kind}: biasRegularizer`, options.biasRegularizer)
  const width = gates * units
  return {
    activate: activationFunction(`${kind}: activation`, options.activation ?? 'tanh'),
    useBias: checkFlag(`${kind}: useBias`, options.useBias ?? true),
    kernel: (features, { param }) => param('kernel', [features, width], kernelInit({ fanIn: features, fanOut: width }), kernelRegularizer),
    recurrent: ({ param }) => param('recurrentKernel', [units, width], recurrentInit({ fanIn: units, fanOut: width }), recurrentRegularizer),
    bias: ({ param }, name = 'bias') => param(name, [width], biasInit({ fanIn: units, fanOut: width }), biasRegularizer),
  }
}

/** x·kernel + bias of all steps. */
const prepared = ({ kernel, bias, useBias }: Weights, features: number) => (x: Value, context: LayerContext): Value => {
  const y = matmul(x, kernel(features, context))
  return useBias ? add(y, bias(context)) : y
}

/** A list of a known length, so that its items need no check where they are used. */
function parts<const N extends 1 | 2 | 3 | 4>(values: readonly Value[], n: N): N extends 1 ? readonly [Value] : N extends 2 ? readonly [Value, Value] : N extends 3 ? readonly [Value, Value, Value] : readonly [Value, Value, Value, Value]
function parts(values: readonly Value[], n: number): readonly Value[] {
  if (values.length !== n) throw new ShapeError(message('recurrent layer', `${n} values`, String(values.length)))
  return values
}

/**
 * h ← activation(x·kernel + h·recurrentKernel + bias), as Keras' `SimpleRNN` (Elman, 1990).
 *
 * @param units - width of the state and the output, ≥ 1
 * @returns a layer from [n, T, d] to [n, units] or, with `returnSequences`, [n, T, units]; weights `kernel` [d, units], `recurrentKernel` [units, units], `bias` [units]
 * @throws TypeError, RangeError for wrong options; ShapeError when the input is not [n, T, d]
 * @example
 * const model = sequential([simpleRNN(32), dense(1)], { input: [20, 3] })
 */
export function simpleRNN(units: number, options: SimpleRNNOptions = {}): Layer {
  checkOptions('simpleRNN', options, [...WEIGHT_OPTIONS, ...RNN_OPTIONS])
  const own = weights('simpleRNN', units, 1, options)
  return recurrent('simpleRNN', options, (features) => ({
    states: [units], prepare: prepared(own, features),
    step(x, states, context) {
      const [h] = parts(states, 1)
      const next = own.activate(add(x, matmul(h, own.recurrent(context))))
      return { output: next, states: [next] }
    },
  }))
}

/**
 * Long short-term memory, as Keras' `LSTM` (Hochreiter, Schmidhuber, 1997; with a forget gate: Gers, Schmidhuber, Cummins, 2000).
 *
 * i, f, g, o = x·kernel + h·recurrentKernel + bias; c ← σ(f)·c + σ(i)·activation(g); h ← σ(o)·activation(c).
 *
 * @param units - width of the states h and c, ≥ 1
 * @returns a layer from [n, T, d] to [n, units] or, with `returnSequences`, [n, T, units]; weights `kernel` [d, 4·units], `recurrentKernel` [units, 4·units], `bias` [4·units], gates in the order i, f, g, o
 * @throws TypeError, RangeError for wrong options; ShapeError when the input is not [n, T, d]
 * @example
 * const model = sequential([lstm(64, { returnSequences: true }), lstm(64), dense(10)], { input: [100, 8] })
 */
export function lstm(units: number, options: LstmOptions = {}): Layer {
  checkOptions('lstm', options, [...WEIGHT_OPTIONS, ...RNN_OPTIONS, 'recurrentActivation', 'unitForgetBias'])
  const gate = activationFunction('lstm: recurrentActivation', options.recurrentActivation ?? 'sigmoid')
  const ones: Init = { kind: 'blocks', values: [0, 1, 0, 0] }
  const own = weights('lstm', units, 4, options, checkFlag('lstm: unitForgetBias', options.unitForgetBias ?? true) ? () => ones : undefined)
  return recurrent('lstm', options, (features) => ({
    states: [units, units], prepare: prepared(own, features),
    step(x, states, context) {
      const [h, c] = parts(states, 2)
      const [i, f, g, o] = parts(split(add(x, matmul(h, own.recurrent(context))), [units, units, units, units]), 4)
      const cell = add(mul(gate(f), c), mul(gate(i), own.activate(g)))
      const next = mul(gate(o), own.activate(cell))
      return { output: next, states: [next, cell] }
    },
  }))
}

/**
 * Gated recurrent unit, as Keras' `GRU` (Cho et al., 2014).
 *
 * z = σ(xz + hz), r = σ(xr + hr), g = activation(xg + r·hg), h ← z·h + (1 − z)·g, where x… are the parts of x·kernel + bias, h… those of
 * h·recurrentKernel + recurrentBias; with `resetAfter: false`, hg is (r·h)·recurrentKernel's last part, and there is no recurrentBias.
 *
 * @param units - width of the state and the output, ≥ 1
 * @returns a layer from [n, T, d] to [n, units] or, with `returnSequences`, [n, T, units]; weights `kernel` [d, 3·units], `recurrentKernel` [units, 3·units], `bias`, `recurrentBias` [3·units], gates in the order z, r, g (Keras keeps the two biases as one [2, 3·units])
 * @throws TypeError, RangeError for wrong options; ShapeError when the input is not [n, T, d]
 * @example
 * const model = sequential([gru(32), dense(1)], { input: [50, 4] })
 */
export function gru(units: number, options: GruOptions = {}): Layer {
  checkOptions('gru', options, [...WEIGHT_OPTIONS, ...RNN_OPTIONS, 'recurrentActivation', 'resetAfter'])
  const gate = activationFunction('gru: recurrentActivation', options.recurrentActivation ?? 'sigmoid')
  const resetAfter = checkFlag('gru: resetAfter', options.resetAfter ?? true)
  const own = weights('gru', units, 3, options)
  const three = [units, units, units]
  return recurrent('gru', options, (features) => ({
    states: [units], prepare: prepared(own, features),
    step(x, states, context) {
      const [h] = parts(states, 1)
      const [xz, xr, xg] = parts(split(x, three), 3)
      const u = own.recurrent(context)
      let z: Value, g: Value
      if (resetAfter) {
        const product = matmul(h, u)
        const [hz, hr, hg] = parts(split(own.useBias ? add(product, own.bias(context, 'recurrentBias')) : product, three), 3)
        z = gate(add(xz, hz))
        g = own.activate(add(xg, mul(gate(add(xr, hr)), hg)))
      } else {
        // The weight's parts are the same at every step: they are taken apart once.
        const [uz, ur, ug] = parts(split(u, three), 3)
        z = gate(add(xz, matmul(h, uz)))
        g = own.activate(add(xg, matmul(mul(gate(add(xr, matmul(h, ur))), h), ug)))
      }
      const next = add(mul(z, h), mul(affine(z, -1, 1), g))
      return { output: next, states: [next] }
    },
  }))
}
