// Readers: what is given, checked. Options are read by them, and what a file says.
import { describe, message } from './errors.js'
import { checkCount, checkFlag, checkOptions, checkNumber, checkRecord, checkWord, type NumberRule } from './options.js'

/** What is given at a place, checked: a TypeError or RangeError names the place. */
export type Reader<T> = (where: string, given: unknown) => T
/** Readers by the names of fields. */
export type Fields = Readonly<Record<string, Reader<unknown>>>
type OptionalKey<F extends Fields> = { readonly [K in keyof F]: undefined extends ReturnType<F[K]> ? K : never }[keyof F]
/** What fields read: those that may be undefined may be absent. */
export type Read<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKey<F>>]: ReturnType<F[K]> } & { readonly [K in OptionalKey<F>]?: Exclude<ReturnType<F[K]>, undefined> }

/** Fields of an object by their readers; what else it holds is left out, and so is what is undefined. */
export function readFields<F extends Fields>(where: string, given: unknown, fields: F): Read<F> {
  const from = checkRecord(where, given)
  return Object.fromEntries(Object.entries(fields).flatMap(([name, read]) => {
    const value = read(`${where}.${name}`, from[name])
    return value === undefined ? [] : [[name, value]]
  })) as Read<F>
}

/** Options by their readers; throws on one that has none, and where there is no object of options. */
export function readOptions<F extends Fields>(where: string, given: object | undefined, fields: F): Read<F> {
  checkOptions(where, given, Object.keys(fields))
  return readFields(where, given, fields)
}

/** Anything, to be read later. */
export const anything: Reader<unknown> = (_, given) => given
/** What is given, or a default where nothing is: null is something, and refused. */
export const or = (given: unknown, fallback: unknown): unknown => (given === undefined ? fallback : given)
/** A number within a rule. */
export const number = (fallback?: number, rule: NumberRule = {}): Reader<number> => (where, given) => checkNumber(where, or(given, fallback), rule)
/** A number > 0. */
export const positive = (fallback?: number): Reader<number> => number(fallback, { above: 0 })
/** A number ≥ 0. */
export const notNegative = (fallback?: number): Reader<number> => number(fallback, { min: 0 })
/** A number from 0 to below 1. */
export const share = (fallback?: number): Reader<number> => number(fallback, { min: 0, below: 1 })
/** A whole number ≥ 1. */
export const count = (fallback?: number, max?: number): Reader<number> => (where, given) => checkCount(where, or(given, fallback), max)
/** true or false. */
export const flag = (fallback?: boolean): Reader<boolean> => (where, given) => checkFlag(where, or(given, fallback))
/** One of several words. */
export const word = <const W extends string>(words: readonly W[], fallback?: W): Reader<W> => (where, given) => checkWord(where, or(given, fallback), words)
/** A string. */
export const text: Reader<string> = (where, given) => {
  if (typeof given !== 'string') throw new TypeError(message(where, 'a string', describe(given)))
  return given
}
/** An object of a class. @param what - it is, for messages */
export const instance = <T>(kind: abstract new (...given: never[]) => T, what = `a ${kind.name}`): Reader<T> => (where, given) => {
  if (!(given instanceof kind)) throw new TypeError(message(where, what, describe(given)))
  return given
}
/** Nothing, or what a reader reads. */
export const optional = <T>(read: Reader<T>): Reader<T | undefined> => (where, given) => (given === undefined ? given : read(where, given))
/** A word that stands for something, or that itself where it is a function. @param what - it is, for messages */
export const wordOr = <W extends string, T extends (...given: never[]) => unknown>(what: string, named: Readonly<Record<W, T>>, fallback?: W): Reader<T> => (where, given) => {
  const value = or(given, fallback)
  if (typeof value === 'function') return value as T
  if (typeof value !== 'string') throw new TypeError(message(where, what, describe(value)))
  return named[checkWord(where, value, Object.keys(named) as W[])]
}
/** Items that one reader reads. @param what - they make up, for messages */
export const list = <T>(read: Reader<T>, what = 'a list'): Reader<readonly T[]> => (where, given) => {
  if (!Array.isArray(given)) throw new TypeError(message(where, what, describe(given)))
  return given.map((item: unknown, i) => read(`${where}[${i}]`, item))
}
/** An object whose values one reader reads. */
export const map = <T>(read: Reader<T>): Reader<Readonly<Record<string, T>>> => (where, given) =>
  Object.fromEntries(Object.entries(checkRecord(where, given)).map(([name, value]) => [name, read(`${where}.${name}`, value)]))
