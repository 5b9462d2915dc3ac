// What a layer is: a frozen function from values to values that declares parameters. It holds no memory and no weights.
import { describe, message, ShapeError } from '../core/errors.js'
import { readFields } from '../core/readers.js'
import { formatShape, sameShape, type Shape } from '../core/shape.js'
import { currentScope, inScope, located, Value, type Init, type Scope } from '../compiler/graph/value.js'
import { average } from '../compiler/ops/average.js'
import { constraintGraph, type ConstraintFunction } from './constraints.js'
import { layerOptions } from './options.js'
import type { Regularizer } from './regularizers.js'

/** What a layer takes or gives: a value, or several in a list or a record. */
export type Parts = Value | readonly Value[] | { readonly [name: string]: Value | readonly Value[] | undefined }

/** A layer: call it on what it takes to apply it. Called twice, it shares its weights. */
export interface Layer<I extends Parts = Value, O extends Parts = Value> {
  /**
   * Applies the layer: the value that it gives for `x`.
   *
   * @throws TypeError for what is no value; ShapeError for shapes that do not fit
   */
  (x: I): O
  /** what it is, such as `dense` */
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

/** What a layer declares its weights with. */
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
 * @param kind - what it is called by default, with its place in the model
 * @param options - `name` (default: kind + place), `trainable` (default true)
 * @param define - builds the output from the input, out of ops and other layers; both may be several values, in a list or a record
 * @throws TypeError when it is called on something else, or `define` gives something else
 * @example
 * const bilinear = layer('bilinear', {}, ({ left, right }: { left: Value, right: Value }, { param }) => {
 *   const mixed = matmul(left, param('kernel', [8, 8], { kind: 'normal', mean: 0, deviation: 0.1 }))
 *   return sum(mul(mixed, right), -1)
 * })
 */
export function layer<I extends Parts = Value, O extends Parts = Value>(kind: string, options: LayerOptions, define: (x: I, context: LayerContext) => O): Layer<I, O> {
  const { name = null, trainable } = readFields(kind, options, layerOptions)
  const where = name ?? kind
  const params = new Map<string, Value>()
  const scopes = new Map<Scope | null, Scope>()
  const scopeIn = (parent: Scope | null): Scope => {
    const known = scopes.get(parent)
    if (known !== undefined) return known
    const scope: Scope = { kind, name, parent }
    scopes.set(parent, scope)
    return scope
  }
  const declare = (param: string, shape: Shape, init: Init, trained: boolean, regularizer?: Regularizer, constraint?: ConstraintFunction): Value => {
    const known = params.get(param)
    if (known !== undefined) {
      if (!sameShape(known.shape, shape)) throw new ShapeError(message(where, `${formatShape(known.shape)} for its '${param}', as where it was used before`, formatShape(shape)))
      return known
    }
    const spec = {
      name: param, init, trainable: trained, l1: regularizer?.l1 ?? 0, l2: regularizer?.l2 ?? 0,
      ...(constraint === undefined ? {} : { constraint: constraintGraph(`${where}: constraint of '${param}'`, constraint, shape) }),
    }
    const fresh = new Value(shape, 'f32', { kind: 'param', spec, scope: currentScope(), key: null })
    params.set(param, fresh)
    return fresh
  }
  const context: LayerContext = {
    param: (param, shape, init, regularizer, constraint) => declare(param, shape, init, trainable, regularizer, constraint),
    average(param, stat, init, momentum) {
      const moving = declare(param, stat.shape, init, false)
      return trainable ? average(stat, moving, momentum) : moving
    },
  }
  const call = (x: I): O => {
    if (!isParts(x)) throw new TypeError(message(where, 'a value, such as input([784])', describe(x)))
    const y = inScope(scopeIn(currentScope()), () => located(() => define(x, context)))
    if (!isParts(y)) throw new TypeError(message(where, 'a layer that gives a value', describe(y)))
    return y
  }
  return Object.freeze(Object.assign(call, { kind, layerName: name }))
}

/** Is this a value, or values in a list or a record? */
function isParts(given: unknown): boolean {
  const values = (v: unknown): boolean => v instanceof Value || (Array.isArray(v) && v.length > 0 && v.every((x) => x instanceof Value))
  if (values(given)) return true
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return false
  const parts = Object.values(given).filter((v) => v !== undefined && !(Array.isArray(v) && v.length === 0))
  return parts.length > 0 && parts.every(values)
}
