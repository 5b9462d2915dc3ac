// What a layer is: a frozen function from values to values that declares parameters. It holds no memory and no weights.
import { describe, message, ShapeError } from '../core/errors.js'
import { checkFlag } from '../core/options.js'
import { formatShape, sameShape, type Shape } from '../core/shape.js'
import { currentScope, inScope, Value, type Init, type Scope } from '../compiler/graph/value.js'
import { average } from '../compiler/ops/average.js'
import { constraintGraph, type ConstraintFunction } from './constraints.js'
import type { Regularizer } from './regularizers.js'

/** A layer: call it on a value to apply it. Called twice, it shares its weights. */
export interface Layer {
  (x: Value): Value
  readonly kind: string
  /** the name it was given; otherwise the model names it by its kind and place */
  readonly layerName: string | null
}

/** What every layer may be given. */
export interface LayerOptions {
  /** its name: in keys of weights, in messages, in `summary` (default: kind + place) */
  readonly name?: string
  /** are its weights updated in training? (default true) */
  readonly trainable?: boolean
}

export interface LayerContext {
  /**
   * A weight of this layer, as a value.
   *
   * @param name - unique within the layer: the end of its key
   * @param constraint - what takes its place after each update, such as `maxNorm(2)`
   */
  param(name: string, shape: Shape, init: Init, regularizer?: Regularizer, constraint?: ConstraintFunction): Value
  /**
   * A statistic over the samples while training, its moving average in prediction. The average is a weight of this layer that each training
   * step moves: moving·momentum + stat·(1 − momentum). In a layer that is not trainable it stays, and is used in training too.
   *
   * @param name - unique within the layer: the end of the key of the moving average
   * @param stat - of a shape without samples
   * @param momentum - 0 to 1
   */
  average(name: string, stat: Value, init: Init, momentum: number): Value
}

/**
 * Makes a layer of a kind from what it computes. Layers of one's own are made the same way.
 *
 * @param define - builds the output from the input, out of ops and other layers
 */
export function layer(kind: string, options: LayerOptions, define: (x: Value, context: LayerContext) => Value): Layer {
  const { name: given } = options
  if (given !== undefined && (typeof given !== 'string' || given === '' || given.includes('/'))) throw new TypeError(message(`${kind}: name`, 'a string that is not empty, without a slash', describe(given)))
  const trainable = checkFlag(`${kind}: trainable`, options.trainable ?? true)
  const params = new Map<string, Value>()
  const scopes = new Map<Scope | null, Scope>()
  const scopeIn = (parent: Scope | null): Scope => {
    const known = scopes.get(parent)
    if (known !== undefined) return known
    const scope: Scope = { kind, name: options.name ?? null, parent }
    scopes.set(parent, scope)
    return scope
  }
  const declare = (name: string, shape: Shape, init: Init, trained: boolean, regularizer?: Regularizer, constraint?: ConstraintFunction): Value => {
    const known = params.get(name)
    if (known !== undefined) {
      if (!sameShape(known.shape, shape)) throw new ShapeError(message(options.name ?? kind, `${formatShape(known.shape)} for its '${name}', as where it was used before`, formatShape(shape)))
      return known
    }
    const spec = {
      name, init, trainable: trained, l1: regularizer?.l1 ?? 0, l2: regularizer?.l2 ?? 0,
      ...(constraint === undefined ? {} : { constraint: constraintGraph(`${options.name ?? kind}: constraint of '${name}'`, constraint, shape) }),
    }
    const fresh = new Value(shape, 'f32', { kind: 'param', spec, scope: currentScope(), key: null })
    params.set(name, fresh)
    return fresh
  }
  const context: LayerContext = {
    param: (name, shape, init, regularizer, constraint) => declare(name, shape, init, trainable, regularizer, constraint),
    average(name, stat, init, momentum) {
      const moving = declare(name, stat.shape, init, false)
      return trainable ? average(stat, moving, momentum) : moving
    },
  }
  const call = (x: Value): Value => {
    if (!(x instanceof Value)) throw new TypeError(message(given ?? kind, 'a value, such as input([784])', describe(x)))
    const y = inScope(scopeIn(currentScope()), () => define(x, context))
    if (!(y instanceof Value)) throw new TypeError(message(given ?? kind, 'a layer that gives a value', describe(y)))
    return y
  }
  return Object.freeze(Object.assign(call, { kind, layerName: options.name ?? null }))
}
