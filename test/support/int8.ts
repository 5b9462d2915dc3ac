// The integer product against plain integers: what both of its kernels are held to, in this process or in that of another engine.
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../../src/compiler/kernels.js'
import { quantizedProduct, type Product } from '../reference/quantized.js'
import type { KernelBox } from './kernel.js'
import { difference, random, runTiles } from './numbers.js'

type Gemm = 'qs8_gemm_u7' | 'qs8_gemm_u8'

/** Packs weights and multiplies, by the kernels of a box; tiles in order, or in any by a seed. */
export function productOf(box: KernelBox, gemm: Gemm, p: Product, seed: number | null = null): ArrayLike<number> {
  const { m, n, k, to, relu } = p
  const panels = Math.ceil(n / PANEL), groups = Math.ceil(k / 2), size = to === null ? 4 : 1
  const [a, w, offset, multiplier] = [box.put(p.a), box.put(p.w), box.put(p.offset), box.put(p.multiplier)]
  const packed = box.alloc(panels * (64 + 32 * groups)), c = box.alloc(m * n * size)
  const pack = box.kernel(gemm === 'qs8_gemm_u7' ? 'qs8_pack_u7' : 'qs8_pack_u8', { w: w.address, offset: offset.address, multiplier: multiplier.address, out: packed.address, k, n })
  const zeroPoint = to?.zeroPoint ?? 0
  const run = box.kernel(gemm, {
    a: a.address, b: packed.address, c: c.address, m, n, k, aRow: k, cRow: n * size, zeroPoint, asFloat: to === null ? 1 : 0,
    low: { f32: relu ? 0 : to === null ? -Infinity : -zeroPoint }, high: { f32: to === null ? Infinity : to.high - zeroPoint },
  })
  const tiles = Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS)
  if (seed === null) { pack(0, panels); run(0, tiles) } else { runTiles(pack, panels, seed); runTiles(run, tiles, seed + 1) }
  const bytes = box.memory.buffer.slice(c.address, c.address + c.bytes)
  const after = new Uint8Array(box.memory.buffer, c.address + c.bytes, (64 - (c.bytes % 64)) % 64)
  if (after.some((byte) => byte !== 0 && byte !== 0xff)) return []
  return to === null ? new Float32Array(bytes) : new Uint8Array(bytes)
}

interface Sizes { readonly m: number; readonly n: number; readonly k: number }
type Fill = (next: () => number) => number

const WEIGHTS: Readonly<Record<string, Fill>> = {
  any: (next) => Math.floor(next() * 255) - 127, most: () => 127, least: () => -127, extremes: (next) => (next() < 0.5 ? -127 : 127),
}
const activations = (high: number): Readonly<Record<string, Fill>> => ({ any: (next) => Math.floor(next() * (high + 1)), most: () => high, extremes: (next) => (next() < 0.5 ? 0 : high) })

/** A product of some sizes. Multipliers of about 2⁰ … 2⁻¹² of the sums' size, so that bytes lie within their range, at its ends and beyond. */
export function productFrom({ m, n, k }: Sizes, high: number, seed: number, { a = 'any', w = 'any', to = null, relu = false }: { readonly a?: string; readonly w?: string; readonly to?: Product['to']; readonly relu?: boolean } = {}): Product {
  const next = random(seed)
  const [drawA, drawW] = [activations(high)[a], WEIGHTS[w]]
  if (drawA === undefined || drawW === undefined) throw new RangeError(`no values '${a}', '${w}'`)
  return {
    m, n, k, relu, to, a: Uint8Array.from({ length: m * k }, () => drawA(next)), w: Int8Array.from({ length: k * n }, () => drawW(next)),
    offset: Int32Array.from({ length: n }, () => Math.floor((next() - 0.5) * 1e5)),
    multiplier: Float32Array.from({ length: n }, () => (next() < 0.2 ? 0.5 : next() / 2 ** Math.floor(next() * 12))),
  }
}

const TO = [null, { high: 127, zeroPoint: 0 }, { high: 127, zeroPoint: 64 }, { high: 255, zeroPoint: 13 }, { high: 255, zeroPoint: 255 }] as const
const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i)
/** Every tail of every width, primes, and the ends. */
export const TERMS: readonly number[] = [...range(1, 70), 97, 127, 128, 129, 251, 255, 256, 257, 509, 511, 512, 513, 784, 1021, 1023, 1025, 2039, 2047, 2048, 2049, 3001, 4091, 4093, 4094, 4095, 4096]
export const ROWS: readonly number[] = [...range(1, 9), 31, 32, 33, 35, 65]
export const COLUMNS: readonly number[] = [...range(1, 18), 31, 32, 33, 40, 63, 64, 65, 71, 72, 73, 130]

/** Every product that must be exact; a message for each that is not. */
export function sweepProducts(box: () => KernelBox, gemm: Gemm, high: number): { readonly cases: number; readonly wrong: readonly string[] } {
  const wrong: string[] = []
  let cases = 0
  const check = (p: Product, what: string, seed: number | null = null): void => {
    cases++
    const found = difference(productOf(box(), gemm, p, seed), quantizedProduct(p))
    if (found !== '' && wrong.length < 10) wrong.push(`${gemm} ${what}, ${p.m}×${p.n}×${p.k} ${JSON.stringify(p.to)}: ${found}`)
  }
  const to = (i: number): Product['to'] => TO[i % TO.length] ?? null
  for (const k of TERMS) for (const m of [1, 5]) check(productFrom({ m, n: 41, k }, high, k + m, { to: to(k), relu: k % 3 === 0 }), 'terms')
  for (const k of [1, 2, 3, 4, 15, 16, 17, 784, 4096]) {
    for (const a of ['most', 'extremes']) for (const w of ['most', 'least', 'extremes']) for (const m of [1, 4]) check(productFrom({ m, n: 33, k }, high, k, { a, w, to: to(k) }), `${a} · ${w}`)
  }
  check({ ...productFrom({ m: 2, n: 33, k: 65536 }, high, 1, { a: 'most', w: 'most' }), offset: new Int32Array(33) }, 'the longest sum')
  check({ ...productFrom({ m: 1, n: 33, k: 65536 }, high, 1, { a: 'most', w: 'least' }), offset: new Int32Array(33) }, 'the longest sum')
  for (const m of ROWS) for (const n of COLUMNS) check(productFrom({ m, n, k: 7 + (m + n) % 14 }, high, 100 * m + n, { to: to(m + n), relu: n % 2 === 0 }), 'rows and columns', m + n)
  return { cases, wrong }
}
