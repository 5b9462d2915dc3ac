// Reads a plan out of a file: its JSON becomes a PackedPlan whose every place lies within what it says, or a FormatError.
import { describe, FormatError, message } from '../core/errors.js'
import type { FileTensor } from '../formats/safetensors.js'
import { PLAN_VERSION, type PackedPlan } from '../compiler/packed.js'

const damaged = (what: string, got: unknown): never => { throw new FormatError(message('load: plan', what, describe(got), 'The file is damaged.')) }

function list(value: unknown, length?: number): readonly unknown[] {
  return Array.isArray(value) && (length === undefined || value.length === length) ? value : damaged(length === undefined ? 'a list' : `a list of ${length}`, value)
}

/** A whole number from `least` to `most`. */
function whole(value: unknown, most: number, least = 0): number {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most ? value : damaged(`a whole number from ${least} to ${most}`, value)
}

/** 2³²: what a word may hold lies below. */
const WORD = 0x1_0000_0000
const text = (value: unknown): string => (typeof value === 'string' ? value : damaged('a name', value))
const record = (value: unknown): Readonly<Record<string, unknown>> => (typeof value === 'object' && value !== null ? { ...value } : damaged('an object', value))

/** Numbers whose size formula may be evaluated: never a division by 0. */
function affine(value: readonly unknown[]): void {
  value.forEach((x, i) => whole(x, WORD, i === 2 ? 1 : -WORD))
}

/**
 * A plan of a file.
 *
 * @param tensors - of the file, which the plan names
 */
export function readPlan(json: string, tensors: Readonly<Record<string, FileTensor>>): PackedPlan {
  let given: unknown
  try { given = JSON.parse(json) } catch { damaged('JSON', 'text that is none') }
  const p = record(given)
  if (p['version'] !== PLAN_VERSION) throw new FormatError(message('load', `a plan of version ${PLAN_VERSION}`, `version ${describe(p['version'])}`, 'Load the file with equigrad and save it again, both of this version.'))
  const capacity = whole(p['capacity'], 4096, 1)
  list(p['one'], 2).forEach((x) => typeof x === 'boolean' || damaged('true or false', x))
  const sizes = list(p['sizes'], 2).map((x) => whole(x, WORD))
  const buffers = list(p['buffers']).map((b): number => {
    const [region, size, where] = list(b, 3)
    const bytes = whole(size, WORD)
    if (region === 'tensor') {
      const tensor = tensors[text(where)]
      if (tensor?.data.byteLength !== bytes) damaged(`a tensor ${describe(where)} of ${bytes} bytes`, tensor?.data.byteLength)
    } else if (region === 'words') {
      const words = list(where)
      words.forEach((x) => whole(x, WORD))
      if (words.length !== Math.ceil(bytes / 4)) damaged(`${bytes} bytes of words`, words.length)
    } else whole(where, (sizes[region === 'arena' ? 0 : region === 'keep' ? 1 : damaged('a region', region)] ?? 0) - bytes)
    return bytes
  })
  const place = (buffer: unknown, offset: number, bytes: number): number => whole(offset, (buffers[whole(buffer, buffers.length - 1)] ?? 0) - bytes)
  const calls = list(p['calls'])
  const shapeOf = (shape: unknown): number => list(shape).reduce<number>((product, d) => whole(product * whole(d, WORD, 1), WORD), 1)

  list(p['loops']).forEach((l) => {
    const [from, to, steps] = list(l, 3)
    whole(to, calls.length, whole(from, calls.length, whole(p['prologue'], calls.length)) + 1)
    whole(steps, WORD, 1)
  })
  const loops = p['loops'] as PackedPlan['loops']
  loops.forEach(([from, to], i) => {
    for (const [a, b] of loops.slice(0, i)) if (from < a || (from < b && to > b)) damaged('loops that nest', from)
  })
  calls.forEach((c, at) => {
    const [kernel, tiles, ...words] = list(c)
    text(kernel)
    const steps = loops.findLast(([from, to]) => from <= at && at < to)?.[2] ?? 1
    for (const word of [tiles, ...words]) {
      if (typeof word === 'number') { whole(word, WORD, -WORD); continue }
      const [buffer, offset, perStep, mul] = list(word)
      if (mul !== undefined) affine(list(word, 4))
      else for (const step of [0, steps - 1]) place(buffer, whole(offset, WORD) + step * whole(perStep ?? 0, WORD, -WORD), 0)
    }
  })
  for (const input of list(p['inputs'])) {
    const { name, shape, classes, buffer, read } = record(input)
    text(name)
    if (classes !== null) whole(classes, WORD)
    const reader = calls[whole(read, calls.length - 1, -1)]
    if (reader !== undefined && list(reader)[0] !== 'gather') damaged('a call that reads data', list(reader)[0])
    if (whole(buffer, WORD, -1) >= 0) place(buffer, 0, capacity * shapeOf(shape) * (reader === undefined ? 4 : 8))
  }
  for (const output of list(p['outputs'])) {
    const { name, shape, buffer, offset } = record(output)
    text(name)
    place(buffer, whole(offset, WORD), capacity * shapeOf(shape) * 4)
  }
  return given as PackedPlan
}
