// Recurrent layers: rnn over a cell of one's own, and Keras' simpleRNN, lstm and gru. What does not depend on the state (x·kernel + bias) is one
// product for all steps.
import { describe, message, ShapeError } from '../../core/errors.js'
import { checkCount, checkOptions } from '../../core/options.js'
import { flag, readOptions, type Read } from '../../core/readers.js'
import { formatShape, sameShape, type Shape } from '../../core/shape.js'
import { Value, type Init } from '../../compiler/graph/value.js'
import { add, mul } from '../../compiler/ops/binary.js'
import { split } from '../../compiler/ops/concat.js'
import { matmul } from '../../compiler/ops/matmul.js'
import { scan, type ScanOptions } from '../../compiler/ops/scan.js'
import { filled } from '../../compiler/ops/shapes.js'
import { affine } from '../../compiler/ops/unary.js'
import { activationOption, type Activation } from '../activations.js'
import type { Constraint } from '../constraints.js'
import type { Initializer } from '../initializers.js'
import { layer, type Layer, type LayerContext, type LayerOptions } from '../layer.js'
import { layerOptions, weightOptions } from '../options.js'
import type { Regularizer } from '../regularizers.js'

/** What one step of a recurrent layer computes. */
export interface Cell {
  /** widths of the states that go from step to step, each [n, width], +0 before the first */
  readonly states: readonly number[]
  /** what depends on the input alone, for all steps at once: from [n, T, …] to [n, T, …] (default: the input itself) */
  readonly prepare?: (x: Value, context: LayerContext) => Value
  /** one step: from x [n, …] and the states to the output and the next states, of the same shapes */
  readonly step: (x: Value, states: readonly Value[], context: LayerContext) => { readonly output: Value; readonly states: readonly Value[] }
}

/** Options of every recurrent layer. */
export interface RnnOptions extends LayerOptions {
  /** give the output of every step, [n, T, …], or of the last one (default false) */
  readonly returnSequences?: boolean
  /** begin at the last step; outputs stand where their inputs do (Keras' `go_backwards` turns them around) (default false) */
  readonly reverse?: boolean
}
const rnnOptions = () => ({ returnSequences: flag(false), reverse: flag(false), ...layerOptions })

/** What a recurrent layer may be told of the sequences that it is called on. */
export interface SequenceOptions {
  /**
   * i32 [n], as `input([], { below: T + 1 })`: how many of its T steps each sample has (default all). At the others its states pass through, so that the last
   * output is that of its own last step, and its outputs are +0 (Keras repeats the one before; PyTorch pads with 0).
   */
  readonly lengths?: Value
  /** the states before the first step, each [n, width] (default +0) */
  readonly initialStates?: readonly Value[]
}

/** The output of a recurrent layer, and its states after the last step: for lstm [h, c], else [h]. */
export interface WithStates {
  /** [n, T, …] with `returnSequences`, else [n, …] */
  readonly output: Value
  /** each [n, width] */
  readonly states: readonly [Value, ...Value[]]
}

/** A layer over the steps of sequences. */
export interface RecurrentLayer extends Layer {
  /**
   * Applies the layer to sequences [n, T, …].
   *
   * @returns [n, T, …] with `returnSequences`, else the output of the last step, [n, …]
   * @throws TypeError for what is no value or an unknown option; ShapeError for shapes that do not fit
   */
  (x: Value, options?: SequenceOptions): Value
  /**
   * The output and the last states: to carry them on to the next part of long sequences, or from an encoder to a decoder.
   *
   * @example
   * const cell = lstm(16, { returnSequences: true }), head = dense(5)
   * const x = input([20, 5]), h = input([16]), c = input([16])
   * const { output, states } = cell.withStates(x, { initialStates: [h, c] })
   * const model = functional({ x, h, c }, { y: head(output), h: states[0], c: states[1] })
   */
  withStates(x: Value, options?: SequenceOptions): WithStates
}

/**
 * A recurrent layer over a cell of one's own.
 *
 * @param cell - what a step computes; its weights are declared by `context.param`, once for all steps
 * @returns a layer from [n, T, …] to the last output [n, …], or to all of them [n, T, …]; called with lengths or first states as {@link SequenceOptions} says
 * @throws TypeError for wrong options; ShapeError when the input is no sequence, or a step changes the shape of a state
 * @example
 * const decay = rnn({ states: [8], step: (x, [h]) => { const next = add(affine(h, 0.9, 0), x); return { output: next, states: [next] } } })
 */
export function rnn(cell: Cell, options: RnnOptions = {}): RecurrentLayer {
  const given = readOptions('rnn', options, rnnOptions())
  const { states, step }: Partial<Cell> = { ...cell }
  if (typeof step !== 'function' || !Array.isArray(states) || states.length === 0) throw new TypeError(message('rnn', 'a cell { states, step } of at least one state', describe(cell)))
  return recurrent('rnn', given, () => cell)
}

/** A layer of a cell that may depend on the width of its input. */
function recurrent(kind: string, given: Read<ReturnType<typeof rnnOptions>>, cellOf: (features: number) => Cell): RecurrentLayer {
  const { returnSequences, reverse, name: where = kind } = given
  const inner = layer(kind, given, ({ x, lengths, initialStates }: { readonly x: Value; readonly lengths?: Value | undefined; readonly initialStates?: readonly Value[] | undefined }, context) => {
    const features = x.shape[x.shape.length - 1]
    if (x.shape.length < 3 || typeof features !== 'number') throw new ShapeError(message(where, 'sequences [n, steps, …]', formatShape(x.shape)))
    const cell = cellOf(features)
    const sequences = cell.prepare?.(x, context) ?? x
    const masked = lengths === undefined ? {} : { lengths }
    // The last output is a carry already where it is a state.
    let at = -1
    const { carries, ys } = scan((states, [xt]) => {
      const { output, states: next } = stepOf(cell, xt, states, context, where)
      at = next.indexOf(output)
      return { carries: next, ys: returnSequences || at < 0 ? [output] : [] }
    }, firstStates(cell, initialStates, where), [sequences], { reverse, ...masked })
    const [first, ...others] = carries
    const output = returnSequences ? ys[0] : carries[at] ?? (ys[0] === undefined ? undefined : lastOf(ys[0], { reverse, ...masked }))
    if (output === undefined || first === undefined) throw new ShapeError(message(where, 'a step that gives an output and a state', 'none'))
    const states: WithStates['states'] = [first, ...others]
    return { output, states }
  })
  const withStates = (x: Value, sequences: SequenceOptions = {}): WithStates => {
    checkOptions(where, sequences, ['lengths', 'initialStates'])
    if (!(x instanceof Value)) throw new TypeError(message(where, 'a value, such as input([20, 3])', describe(x)))
    return inner({ x, ...sequences })
  }
  return Object.freeze(Object.assign((x: Value, sequences?: SequenceOptions) => withStates(x, sequences).output, { kind, layerName: inner.layerName, withStates }))
}

/** A step of a cell, checked. */
function stepOf(cell: Cell, x: Value | undefined, states: readonly Value[], context: LayerContext, where: string): { readonly output: Value; readonly states: readonly Value[] } {
  if (x === undefined) throw new ShapeError(message(where, 'a sequence', 'none'))
  const given: unknown = cell.step(x, states, context)
  if (typeof given !== 'object' || given === null || !('output' in given && given.output instanceof Value && 'states' in given && Array.isArray(given.states))) {
    throw new TypeError(message(where, 'a step that gives { output, states }', describe(given)))
  }
  return { output: given.output, states: given.states }
}

/** The states before the first step: +0 unless given. */
function firstStates({ states }: Cell, given: readonly Value[] | undefined, where: string): readonly Value[] {
  states.forEach((width) => { checkCount(`${where}: states`, width) })
  if (given === undefined) return states.map((width) => filled(0, ['n', width]))
  if (given.length !== states.length) throw new ShapeError(message(`${where}: initialStates`, `${states.length} states`, String(given.length)))
  given.forEach((v, i) => {
    const wanted: Shape = ['n', states[i] ?? 0]
    if (v.dtype !== 'f32' || !sameShape(v.shape, wanted)) throw new ShapeError(message(`${where}: initialStates[${i}]`, `f32${formatShape(wanted)}`, String(v)))
  })
  return given
}

/** The last step run of outputs [n, T, …]: a scan that keeps what it sees. */
function lastOf(ys: Value, options: ScanOptions): Value {
  const shape = ys.shape.filter((_, i) => i !== 1)
  const { carries } = scan((_, x) => ({ carries: x, ys: [] }), [filled(0, shape)], [ys], options)
  return carries[0] ?? ys
}

/** Options of {@link simpleRNN}. */
export interface SimpleRNNOptions extends RnnOptions {
  /** (default 'tanh') */
  readonly activation?: Activation
  /** (default true) */
  readonly useBias?: boolean
  /** (default 'glorotUniform') */
  readonly kernelInitializer?: Initializer
  /** (default 'orthogonal') */
  readonly recurrentInitializer?: Initializer
  /** (default 'zeros') */
  readonly biasInitializer?: Initializer
  /** penalty on the kernel (default none) */
  readonly kernelRegularizer?: Regularizer
  /** penalty on the recurrent kernel (default none) */
  readonly recurrentRegularizer?: Regularizer
  /** penalty on the bias (default none) */
  readonly biasRegularizer?: Regularizer
  /** what the kernel must satisfy after each update (default nothing) */
  readonly kernelConstraint?: Constraint
  /** what the recurrent kernel must satisfy after each update (default nothing) */
  readonly recurrentConstraint?: Constraint
  /** what the bias must satisfy after each update (default nothing) */
  readonly biasConstraint?: Constraint
}
/** Options of layers with gates. */
export interface GatedOptions extends SimpleRNNOptions {
  /** of the gates (default 'sigmoid') */
  readonly recurrentActivation?: Activation
}
/** Options of {@link lstm}. */
export interface LstmOptions extends GatedOptions {
  /** does the forget gate's bias begin at 1, unless `biasInitializer` says otherwise? (default true; Jozefowicz, Zaremba, Sutskever, 2015) */
  readonly unitForgetBias?: boolean
}
/** Options of {@link gru}. */
export interface GruOptions extends GatedOptions {
  /** is the reset gate applied after the recurrent product? (default true, as in Keras and cuDNN) */
  readonly resetAfter?: boolean
}

const cellOptions = () => ({
  activation: activationOption('tanh'), useBias: flag(true), ...weightOptions('kernel', 'glorotUniform'), ...weightOptions('recurrent', 'orthogonal'), ...weightOptions('bias', 'zeros'),
  ...rnnOptions(),
})

/** Weights that the three layers share, and x·kernel + bias of all steps. */
interface Weights {
  readonly prepare: (features: number) => (x: Value, context: LayerContext) => Value
  readonly recurrent: (context: LayerContext) => Value
  readonly bias: (context: LayerContext, name?: string) => Value
}

/** Weights of `gates` products side by side: kernel [d, gates·units], recurrentKernel [units, gates·units], bias [gates·units]. */
function weights(kind: string, units: number, gates: number, given: Read<ReturnType<typeof cellOptions>>): Weights {
  const width = gates * checkCount(`${kind}: units`, units), fans = { fanIn: units, fanOut: width }
  const bias: Weights['bias'] = ({ param }, name = 'bias') => param(name, [width], given.biasInitializer(fans), given.biasRegularizer, given.biasConstraint)
  return {
    prepare: (features) => (x, context) => {
      const kernel = context.param('kernel', [features, width], given.kernelInitializer({ fanIn: features, fanOut: width }), given.kernelRegularizer, given.kernelConstraint)
      const y = matmul(x, kernel)
      return given.useBias ? add(y, bias(context)) : y
    },
    recurrent: ({ param }) => param('recurrentKernel', [units, width], given.recurrentInitializer(fans), given.recurrentRegularizer, given.recurrentConstraint),
    bias,
  }
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
export function simpleRNN(units: number, options: SimpleRNNOptions = {}): RecurrentLayer {
  const given = readOptions('simpleRNN', options, cellOptions())
  const own = weights('simpleRNN', units, 1, given)
  return recurrent('simpleRNN', given, (features) => ({
    states: [units], prepare: own.prepare(features),
    step(x, states, context) {
      const [h] = parts(states, 1)
      const next = given.activation(add(x, matmul(h, own.recurrent(context))))
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
export function lstm(units: number, options: LstmOptions = {}): RecurrentLayer {
  const given = readOptions('lstm', options, { ...cellOptions(), recurrentActivation: activationOption('sigmoid'), unitForgetBias: flag(true) })
  const gate = given.recurrentActivation
  const ones: Init = { kind: 'blocks', values: [0, 1, 0, 0] }
  const own = weights('lstm', units, 4, given.unitForgetBias && options.biasInitializer === undefined ? { ...given, biasInitializer: () => ones } : given)
  return recurrent('lstm', given, (features) => ({
    states: [units, units], prepare: own.prepare(features),
    step(x, states, context) {
      const [h, c] = parts(states, 2)
      const [i, f, g, o] = parts(split(add(x, matmul(h, own.recurrent(context))), [units, units, units, units]), 4)
      const cell = add(mul(gate(f), c), mul(gate(i), given.activation(g)))
      const next = mul(gate(o), given.activation(cell))
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
export function gru(units: number, options: GruOptions = {}): RecurrentLayer {
  const given = readOptions('gru', options, { ...cellOptions(), recurrentActivation: activationOption('sigmoid'), resetAfter: flag(true) })
  const gate = given.recurrentActivation
  const own = weights('gru', units, 3, given)
  const three = [units, units, units]
  return recurrent('gru', given, (features) => ({
    states: [units], prepare: own.prepare(features),
    step(x, states, context) {
      const [h] = parts(states, 1)
      const [xz, xr, xg] = parts(split(x, three), 3)
      const u = own.recurrent(context)
      let z: Value, g: Value
      if (given.resetAfter) {
        const product = matmul(h, u)
        const [hz, hr, hg] = parts(split(given.useBias ? add(product, own.bias(context, 'recurrentBias')) : product, three), 3)
        z = gate(add(xz, hz))
        g = given.activation(add(xg, mul(gate(add(xr, hr)), hg)))
      } else {
        // The weight's parts are the same at every step: they are taken apart once.
        const [uz, ur, ug] = parts(split(u, three), 3)
        z = gate(add(xz, matmul(h, uz)))
        g = given.activation(add(xg, matmul(mul(gate(add(xr, matmul(h, ur))), h), ug)))
      }
      const next = add(mul(z, h), mul(affine(z, -1, 1), g))
      return { output: next, states: [next] }
    },
  }))
}
