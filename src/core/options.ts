// Checks of what a caller passes: each throws before anything has changed.
import { describe, message } from './errors.js'

/** Throws on what is no object of options, or a key that is not known, naming the nearest one. */
export function checkOptions(where: string, given: object | undefined, known: readonly string[]): asserts given is object {
  if (given === undefined || given === null || typeof given !== 'object' || Array.isArray(given)) throw new TypeError(message(where, 'an object of options', describe(given)))
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue
    const near = nearest(key, known)
    throw new TypeError(message(where, `options among ${known.join(', ')}`, `'${key}'`, near === undefined ? '' : `Did you mean '${near}'?`))
  }
}

export interface NumberRule { readonly min?: number; readonly max?: number; readonly above?: number; readonly below?: number; readonly integer?: boolean }

/** A finite number within a rule, else TypeError or RangeError. */
export function checkNumber(where: string, value: unknown, rule: NumberRule = {}): number {
  const { min, max, above, below, integer = false } = rule
  const what = [integer ? 'an integer' : 'a finite number', min === undefined ? '' : `≥ ${min}`, above === undefined ? '' : `> ${above}`,
    max === undefined ? '' : `≤ ${max}`, below === undefined ? '' : `< ${below}`].filter((s) => s !== '').join(' ')
  if (typeof value !== 'number') throw new TypeError(message(where, what, describe(value)))
  if (!Number.isFinite(value) || (integer && !Number.isInteger(value)) || (min !== undefined && value < min) || (max !== undefined && value > max) ||
    (above !== undefined && value <= above) || (below !== undefined && value >= below)) throw new RangeError(message(where, what, describe(value)))
  return value
}

/** true or false, else TypeError. */
export function checkFlag(where: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new TypeError(message(where, 'true or false', describe(value)))
  return value
}

/** An object that is no list and no view of bytes, else TypeError: a copy of it. */
export function checkRecord(where: string, given: unknown, what = 'a record of data by name'): Readonly<Record<string, unknown>> {
  if (typeof given !== 'object' || given === null || Array.isArray(given) || ArrayBuffer.isView(given)) throw new TypeError(message(where, what, describe(given)))
  return { ...given }
}

/** A list of strings, else TypeError. */
export function checkNames(where: string, value: unknown): readonly string[] {
  if (!Array.isArray(value) || !value.every((v) => typeof v === 'string')) throw new TypeError(message(where, 'a list of strings', describe(value)))
  return value
}

/** A whole number from 1 to 2³¹ − 1, such as `units` or `epochs`. */
export const checkCount = (where: string, value: unknown, max = 0x7fffffff): number => checkNumber(where, value, { integer: true, min: 1, max })

/** A seed: a whole number from 0 to 2⁵³ − 1. */
export const checkSeed = (where: string, value: unknown): number => checkNumber(where, value, { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER })

/** One of several words. */
export function checkWord<const W extends string>(where: string, value: unknown, words: readonly W[]): W {
  for (const word of words) if (word === value) return word
  const all = `one of ${words.map((w) => `'${w}'`).join(', ')}`
  if (typeof value !== 'string') throw new TypeError(message(where, all, describe(value)))
  const near = nearest(value, words)
  throw new RangeError(message(where, all, describe(value), near === undefined ? '' : `Did you mean '${near}'?`))
}

/** The word within two edits of a misspelt one. */
function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let distance = 3
  for (const k of known) {
    const d = editDistance(word.toLowerCase(), k.toLowerCase())
    if (d < distance) { best = k; distance = d }
  }
  return best ?? known.find((k) => k.toLowerCase().startsWith(word.toLowerCase()) && word.length > 2)
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[b.length] ?? 0
}
