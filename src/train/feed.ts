// Where batches come from: arrays that were copied into the store once, arrays staged batch by batch when they are too large for that, or a
// stream of batches. All three give the same bits for the same samples.
import { message, ShapeError } from '../core/errors.js'
import { permutation, randomKey } from '../core/random.js'
import { dtypeBytes } from '../core/shape.js'
import { bytesOf, dtypesOf, sameCount, type Rows } from '../model/data.js'
import type { Block, Store } from '../runtime/store.js'
import type { Batch, Sources } from './trainer.js'

/** Bytes of data that `fit` copies into the store at once; more is staged batch by batch. */
export const RESIDENT_BYTES = 1024 * 1024 * 1024

/** A batch, and where its rows are. */
export interface Placed { readonly sources: Sources; readonly batch: Batch }

/** Data of a training, as batches. */
export interface Feed {
  /** samples of an epoch, or null for a stream */
  readonly samples: number | null
  readonly batchSize: number
  /** The batches of an epoch, without the first `skip` samples. */
  batches(epoch: number, skip: number): Iterable<Placed> | AsyncIterable<Placed>
  release(): void
}

const totalBytes = (data: ReadonlyMap<string, Rows>): number => [...data.values()].reduce((sum, { data: d }) => sum + d.byteLength, 0)

const free = (store: Store, blocks: ReadonlyMap<string, Block>): void => { for (const block of blocks.values()) store.free(block) }
const addressesOf = (blocks: ReadonlyMap<string, Block>): ReadonlyMap<string, number> => new Map([...blocks].map(([name, { address }]) => [name, address]))

/** A feed of arrays needs no waiting. */
export interface ArrayFeed extends Feed {
  batches(epoch: number, skip: number): Iterable<Placed>
  /** All samples in order, as one batch. */
  whole(): Placed
}

export interface ArrayFeedOptions { readonly batchSize: number; readonly shuffle: boolean; readonly seed: number; readonly budget?: number }

/** The order of an epoch's samples: shuffled by the seed and the epoch, or as they are. */
export function epochOrder(n: number, epoch: number, { shuffle, seed }: { readonly shuffle: boolean; readonly seed: number }): Int32Array {
  if (shuffle) return permutation(n, randomKey(seed, 'shuffle', String(epoch)))
  return Int32Array.from({ length: n }, (_, i) => i)
}

/** Batches of arrays. */
export function arrayFeed(store: Store, data: ReadonlyMap<string, Rows>, n: number, options: ArrayFeedOptions): ArrayFeed {
  const resident = totalBytes(data) <= (options.budget ?? RESIDENT_BYTES)
  const dtypes = dtypesOf(data)
  const batchSize = Math.min(options.batchSize, n)
  const blocks = new Map<string, Block>()
  try {
    for (const [name, { data: d, width, dtype }] of data) blocks.set(name, store.alloc(resident ? d.byteLength : batchSize * width * dtypeBytes[dtype]))
  } catch (error) {
    free(store, blocks)
    throw error
  }
  if (resident) for (const [name, rows] of data) store.bytes.set(bytesOf(rows), blocks.get(name)?.address ?? 0)
  const sources: Sources = { addresses: addressesOf(blocks), dtypes }
  const inOrder = Int32Array.from({ length: batchSize }, (_, i) => i)
  /** Copies some samples to the front of the staging blocks. */
  const stage = (samples: Int32Array): void => {
    for (const [name, rows] of data) {
      const address = blocks.get(name)?.address ?? 0
      const bytes = bytesOf(rows)
      const size = rows.width * dtypeBytes[rows.dtype]
      samples.forEach((sample, i) => { store.bytes.set(bytes.subarray(sample * size, (sample + 1) * size), address + i * size) })
    }
  }
  const placed = (samples: Int32Array): Placed => {
    if (!resident) stage(samples)
    return { sources, batch: { rows: resident ? samples : inOrder.subarray(0, samples.length), samples } }
  }
  return {
    samples: n, batchSize,
    *batches(epoch, skip) {
      const order = epochOrder(n, epoch, options)
      for (let from = skip; from < n; from += batchSize) yield placed(order.subarray(from, Math.min(n, from + batchSize)))
    },
    whole: () => placed(inOrder),
    release() { free(store, blocks) },
  }
}

/** Batches of a stream: each is read, checked and staged when its turn comes; a sample's index is its position in the stream. */
export function streamFeed<B>(store: Store, stream: AsyncIterable<B>, read: (batch: B, at: number) => ReadonlyMap<string, Rows>): Feed {
  const blocks = new Map<string, Block>()
  const place = (name: string, bytes: number): Block => {
    const known = blocks.get(name)
    if (known !== undefined && known.bytes >= bytes) return known
    if (known !== undefined) store.free(known)
    const fresh = store.alloc(bytes)
    blocks.set(name, fresh)
    return fresh
  }
  let started = false
  return {
    samples: null, batchSize: 0,
    async *batches(epoch, skip) {
      const iterator = stream[Symbol.asyncIterator]()
      if (started && (iterator as unknown) === stream) throw new TypeError(message('fit', 'a stream that can be iterated anew for every epoch', `one that is used up before epoch ${epoch}`, 'Pass an object whose [Symbol.asyncIterator] starts again, or epochs: 1.'))
      started = true
      let position = 0
      let names: string | undefined
      let at = -1
      // for await also closes the stream when training ends early.
      for await (const next of { [Symbol.asyncIterator]: () => iterator }) {
        at++
        const data = read(next, at), n = sameCount('fit', data)
        const kinds = [...data.keys()].join()
        if (names !== undefined && names !== kinds) throw new ShapeError(message(`fit: batch ${at}`, `the parts of the batches before it (${names})`, kinds))
        names = kinds
        if (position + n <= skip) { position += n; continue }
        for (const [name, rows] of data) {
          // first, since memory may grow and `bytes` with it
          const { address } = place(name, rows.data.byteLength)
          store.bytes.set(bytesOf(rows), address)
        }
        const samples = Int32Array.from({ length: n }, (_, i) => position + i)
        position += n
        yield {
          sources: { addresses: addressesOf(blocks), dtypes: dtypesOf(data) },
          batch: { rows: Int32Array.from({ length: n }, (_, i) => i), samples },
        }
      }
      if (position === 0) throw new RangeError(message('fit', 'a stream with at least one batch', 'none'))
    },
    release() { free(store, blocks) },
  }
}
