// Random streams that are a function of keys alone: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel Random Numbers: As Easy as 1, 2, 3;
// SC 2011). The kernels compute the same function; here it serves what the host draws (shuffles, synthetic data).
import { sha256 } from './hash.js'

/** Two 32-bit words. */
export type RandomKey = readonly [number, number]

/** The key of a stream: the first 8 bytes of SHA-256 of `seed/purpose/name`, little endian. */
export function randomKey(seed: number, purpose: string, name = ''): RandomKey {
  const view = new DataView(sha256(`${seed}/${purpose}/${name}`).buffer)
  return [view.getUint32(0, true), view.getUint32(4, true)]
}

const M0 = 0xd2511f53
const M1 = 0xcd9e8d57
const W0 = 0x9e3779b9
const W1 = 0xbb67ae85

/** High 32 bits of the product of two u32. */
function mulHigh(a: number, b: number): number {
  const al = a & 0xffff
  const ah = a >>> 16
  const bl = b & 0xffff
  const bh = b >>> 16
  const mid = ah * bl + ((al * bl) >>> 16)
  const low = al * bh + (mid & 0xffff)
  return (ah * bh + Math.floor(mid / 65536) + Math.floor(low / 65536)) >>> 0
}

/** Philox4x32-10: four 32-bit words for a counter of four words; written into `out`. */
export function philox(key: RandomKey, c0: number, c1: number, c2: number, c3: number, out: Uint32Array = new Uint32Array(4)): Uint32Array {
  let [k0, k1] = key
  let x0 = c0 >>> 0
  let x1 = c1 >>> 0
  let x2 = c2 >>> 0
  let x3 = c3 >>> 0
  for (let round = 0; round < 10; round++) {
    const h0 = mulHigh(M0, x0)
    const l0 = Math.imul(M0, x0)
    const h1 = mulHigh(M1, x2)
    const l1 = Math.imul(M1, x2)
    x0 = (h1 ^ x1 ^ k0) >>> 0
    x1 = l1 >>> 0
    x2 = (h0 ^ x3 ^ k1) >>> 0
    x3 = l0 >>> 0
    k0 = (k0 + W0) >>> 0
    k1 = (k1 + W1) >>> 0
  }
  out[0] = x0
  out[1] = x1
  out[2] = x2
  out[3] = x3
  return out
}

/**
 * A permutation of 0 … n − 1 (Fisher–Yates, from the end; one Philox word each, scaled to the range).
 *
 * @param n - how many
 * @param key - the stream's key
 * @returns the permutation; the same key and n give the same one
 */
export function permutation(n: number, key: RandomKey): Int32Array<ArrayBuffer> {
  const p = new Int32Array(n)
  for (let i = 0; i < n; i++) p[i] = i
  const words = new Uint32Array(4)
  for (let i = n - 1; i > 0; i--) {
    const lane = (n - 1 - i) & 3
    if (lane === 0) philox(key, (n - 1 - i) >>> 2, 0, 0, 0, words)
    const j = Math.floor(((words[lane] ?? 0) * (i + 1)) / 4294967296)
    const t = p[i] ?? 0
    p[i] = p[j] ?? 0
    p[j] = t
  }
  return p
}
