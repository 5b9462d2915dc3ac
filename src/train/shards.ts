// Shards that travel: what one shard of a step contributes, from which replica and of which step, as bytes; and what a replica checks before it
// applies them. Accumulated gradients, replicas in workers and machines over a network differ only in who computes which shard.
import { describe, EquigradError, FormatError, message, reasonOf, ShapeError } from '../core/errors.js'
import { hex, sha256Hex, toJson } from '../core/hash.js'
import { checkCount, checkNumber, checkSeed } from '../core/options.js'
import { count, instance, number, readFields, text } from '../core/readers.js'
import { graphHash } from '../compiler/graph/graph.js'
import type { OptimizerData } from '../optim/optimizer.js'
import type { Layout } from './apply.js'
import type { Recipe } from './recipe.js'
import { shardRange, type ShardResult } from './trainer.js'

/** What one shard of a step contributes, whoever computed it. */
export interface Shard extends ShardResult {
  /** hash of the training that it is of: `model.recipeHash` */
  readonly recipe: string
  /** updates completed before its step */
  readonly step: number
  /** samples of the whole batch */
  readonly batchSize: number
}

/** Which shard of a batch, and of what batch. */
export interface ShardOptions {
  /** which of the batch's shards, from 0 */
  readonly shard: number
  /** one factor of the loss for each sample of `x` */
  readonly sampleWeight?: Float32Array | readonly number[]
  /** each sample's index in its data, which random streams count by: 0 to 2³¹ − 1 (default its place in the batch, as in `trainOnBatch`) */
  readonly samples?: Int32Array | readonly number[]
  /** samples of the whole batch, where `x` and `y` hold only those of this shard (default: they hold the whole batch) */
  readonly batchSize?: number
}

/** What a replica is about to apply: shards must be of it. */
export interface Expected {
  readonly recipe: string
  readonly step: number
  readonly shards: number
  /** numbers of the gradient block */
  readonly gradLength: number
  readonly sumCount: number
}

/** Of the bytes below; those of another version are refused. */
const VERSION = 1
/** 'EQSH', little endian */
const MAGIC = 0x48535145
/**
 * Little endian: u32 magic, version, shard, rows, samples of the batch, sums; f64 step; 32 bytes recipe; u32 numbers of the gradient, checksum. Then the
 * sums as f64, the gradient as f32.
 */
const HEADER = 72
const AT = { magic: 0, version: 4, shard: 8, rows: 12, batchSize: 16, sums: 20, step: 24, recipe: 32, grad: 64, checksum: 68 } as const

/**
 * The rows of a batch that are one shard's: ⌊s·n/S⌋ to below ⌊(s+1)·n/S⌋.
 *
 * @param n - samples of the batch
 * @param shard - 0 to `shards` − 1
 * @param shards - as compiled
 * @returns the first row, and the row after the last; the same where the shard is empty
 * @throws TypeError, RangeError for numbers that are none of these
 * @example
 * const [from, to] = shardRows(10, 1, 4) // rows 2, 3 and 4
 */
export function shardRows(n: number, shard: number, shards: number): readonly [number, number] {
  checkCount('shardRows: n', n)
  checkCount('shardRows: shards', shards, 65536)
  return shardRange(n, checkNumber('shardRows: shard', shard, { integer: true, min: 0, below: shards }), shards)
}

const byKey = <T>(record: Readonly<Record<string, T>>): readonly (readonly [string, T])[] => Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1))
const optimizerParts = ({ kernel, states, scalars, constants, flags, clipping }: OptimizerData): unknown =>
  [kernel, states, byKey(scalars), byKey(constants), byKey(flags), clipping.kind, clipping.limit]

/** SHA-256 of all that a step of a training computes but the data, the weights and the states: equal hashes, equal bits. */
export function recipeHash(recipe: Recipe, { segments, averages }: Layout, seed: number): string {
  const { graph, measured, optimizer, shards } = recipe
  const ids = new Map(graph.values.flatMap((v): [string, number][] => (v.role === 'param' ? [[v.key, v.id]] : [])))
  return sha256Hex(toJson([
    graphHash(graph), graph.outputs['loss'], measured.map(({ value }) => graph.outputs[value]), optimizerParts(optimizer), shards, seed,
    segments.map(({ key, offset, decay }) => [ids.get(key), offset, decay]), averages.map(({ key, offset, momentum }) => [ids.get(key), offset, momentum]),
  ]))
}

/** FNV-1a over the words of a message, its own left out: every change of one word shows. Words as the host has them, like all numbers of a store: little endian. */
const checksum = ({ buffer }: Uint8Array<ArrayBuffer>): number =>
  new Uint32Array(buffer).reduce((hash, word, i) => (i === AT.checksum / 4 ? hash : Math.imul(hash ^ word, 0x01000193)), 0x811c9dc5) >>> 0

/** Anything as a shard, if its fields are of the right kinds. */
function checkShard(where: string, given: unknown): Shard {
  if (typeof given !== 'object' || given === null) throw new TypeError(message(where, 'a shard made by computeShard or decodeShard', describe(given)))
  const shard = readFields(where, given, {
    recipe: text,
    step: checkSeed, batchSize: count(), shard: number(undefined, { integer: true, min: 0, below: 65536 }), rows: number(undefined, { integer: true, min: 0 }),
    grad: instance(Float32Array), sums: instance(Float64Array),
  })
  if (!/^[0-9a-f]{64}$/.test(shard.recipe)) throw new TypeError(message(`${where}.recipe`, 'a recipeHash', describe(shard.recipe)))
  checkNumber(`${where}.rows`, shard.rows, { max: shard.batchSize })
  return shard
}

/**
 * A shard as bytes, to be sent to other replicas.
 *
 * @param shard - what `computeShard` returned
 * @returns 72 bytes of header (version, training, step, shard, rows, checksum), then its sums and its gradient; the same on every machine
 * @throws TypeError, RangeError for what is no shard
 * @example
 * const bytes = encodeShard(await model.computeShard(x, y, { shard: 0 }))
 */
export function encodeShard(shard: Shard): Uint8Array<ArrayBuffer> {
  const { recipe, step, batchSize, shard: number, rows, grad, sums } = checkShard('encodeShard', shard)
  const bytes = new Uint8Array(HEADER + sums.byteLength + grad.byteLength)
  const view = new DataView(bytes.buffer)
  const words = { magic: MAGIC, version: VERSION, shard: number, rows, batchSize, sums: sums.length, grad: grad.length }
  for (const [field, word] of Object.entries(words)) view.setUint32(AT[field as keyof typeof words], word, true)
  view.setFloat64(AT.step, step, true)
  for (let i = 0; i < 32; i++) bytes[AT.recipe + i] = parseInt(recipe.slice(2 * i, 2 * i + 2), 16)
  new Float64Array(bytes.buffer, HEADER, sums.length).set(sums)
  new Float32Array(bytes.buffer, HEADER + sums.byteLength, grad.length).set(grad)
  view.setUint32(AT.checksum, checksum(bytes), true)
  return bytes
}

/**
 * The shard that {@link encodeShard} made bytes of.
 *
 * @param bytes - the whole message and nothing else
 * @returns a copy; `applyShards` checks that it fits
 * @throws TypeError for what is no Uint8Array; FormatError, with the byte where it shows, for a message that is cut off, too long, of another version or damaged
 * @example
 * const shard = decodeShard(encodeShard(await model.computeShard(x, y, { shard: 0 })))
 */
export function decodeShard(bytes: Uint8Array): Shard {
  const refuse = (expected: string, got: string, offset: number, remedy = 'The message is damaged.'): never => { throw new FormatError(message('decodeShard', expected, got, remedy), offset) }
  instance(Uint8Array, 'the bytes of a shard as Uint8Array')('decodeShard', bytes)
  if (bytes.length < HEADER) refuse(`at least ${HEADER} bytes`, String(bytes.length), bytes.length)
  // A copy, at an address that is a multiple of 8; `slice` of some subclasses is none.
  const copy = new Uint8Array(bytes)
  const view = new DataView(copy.buffer)
  const word = (field: keyof typeof AT): number => view.getUint32(AT[field], true)
  if (word('magic') !== MAGIC) refuse('a message that encodeShard made', 'other bytes', AT.magic)
  if (word('version') !== VERSION) refuse(`a message of version ${VERSION}`, `version ${word('version')}`, AT.version, 'Use the same version of equigrad everywhere.')
  const [sums, grad] = [word('sums'), word('grad')]
  const length = HEADER + 8 * sums + 4 * grad
  if (copy.length !== length) refuse(`${length} bytes`, String(copy.length), Math.min(copy.length, length))
  if (word('checksum') !== checksum(copy)) refuse('a message as it was sent', 'one with another checksum', AT.checksum)
  const [shard, rows, batchSize, step] = [word('shard'), word('rows'), word('batchSize'), view.getFloat64(AT.step, true)]
  const recipe = hex(copy.subarray(AT.recipe, AT.recipe + 32))
  const made = { recipe, step, batchSize, shard, rows, sums: new Float64Array(copy.buffer, HEADER, sums), grad: new Float32Array(copy.buffer, HEADER + 8 * sums, grad) }
  try { return checkShard('decodeShard', made) } catch (error) {
    return refuse('the header of a shard', `one that says otherwise (${reasonOf(error)})`, AT.shard)
  }
}

/**
 * Shards that make one step, if they do: each that has rows once, all of one batch of this training and step. In any order; those without rows may be missing.
 *
 * @throws TypeError, RangeError, ShapeError, EquigradError for those that do not
 */
export function checkShards(given: unknown, expected: Expected): { readonly shards: readonly Shard[]; readonly batchSize: number } {
  const where = 'applyShards'
  if (!Array.isArray(given)) throw new TypeError(message(where, 'a list of shards', describe(given)))
  const shards = given.map((s: unknown, i) => checkShard(`${where}: ${i}`, s))
  const [first] = shards
  if (first === undefined) throw new RangeError(message(where, 'at least one shard', 'none'))
  const { batchSize } = first
  const seen = new Set<number>()
  for (const s of shards) {
    checkFits(`${where}: shard ${s.shard}`, s, expected, batchSize)
    if (seen.has(s.shard)) throw new RangeError(message(where, 'each shard once', `shard ${s.shard} twice`))
    seen.add(s.shard)
  }
  for (let s = 0; s < expected.shards; s++) {
    const [from, to] = shardRange(batchSize, s, expected.shards)
    if (to > from && !seen.has(s)) throw new RangeError(message(where, `all ${expected.shards} shards of ${batchSize} samples`, `none with number ${s}`, 'Compute it here, or wait for it.'))
  }
  return { shards, batchSize }
}

function checkFits(where: string, { recipe, step, shard, rows, batchSize, grad, sums }: Shard, expected: Expected, samples: number): void {
  if (recipe !== expected.recipe) throw new EquigradError(message(where, `one of the training ${expected.recipe.slice(0, 12)}…`, `${recipe.slice(0, 12)}…`, 'Replicas must have the same model, loss, optimizer, seed and shards: compare recipeHash first.'))
  if (step !== expected.step) throw new RangeError(message(where, `one of step ${expected.step}`, `step ${step}`))
  if (shard >= expected.shards) throw new RangeError(message(where, `a number below ${expected.shards}`, String(shard)))
  const [from, to] = shardRange(batchSize, shard, expected.shards)
  const sizes = [
    [batchSize, samples, `one of a batch of ${samples} samples, as the first`, `one of ${batchSize}`], [rows, to - from, `${to - from} rows of ${batchSize}`],
    [grad.length, expected.gradLength, `a gradient of ${expected.gradLength} numbers`], [sums.length, expected.sumCount, `${expected.sumCount} sums`],
  ] as const
  for (const [given, wanted, what, got = String(given)] of sizes) if (given !== wanted) throw new ShapeError(message(where, what, got))
}
