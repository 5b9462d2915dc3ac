// Adam's update of the weights of two dense networks, beside the slower of what it moves and of its square roots and divisions, and the check that
// all gradients are finite beside the streaming read.
import { PIECE } from '../src/compiler/kernels.js'
import { KernelBox } from '../test/support/kernel.js'
import { machine, median, secondsPerRound, warm, type Roofline } from './roofline.js'

const COUNTS = [{ name: '784-64-64-10', weights: 55_050 }, { name: '784-512-512-10', weights: 669_706 }] as const
const ROUNDS = 11

/** The two kernels on one segment, in pieces as `apply` has them. */
function kernelsOf(box: KernelBox, weights: number): { readonly adam: (rounds: number) => void; readonly check: (rounds: number) => void } {
  const noise = (scale: number): number => box.put(Float32Array.from({ length: weights }, (_, i) => scale * ((Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5))).address
  const [w, g, m, v] = [noise(1), noise(0.01), box.put(new Float32Array(weights)).address, box.put(new Float32Array(weights)).address]
  const tiles = Math.ceil(weights / PIECE)
  const words = Array.from({ length: tiles }, (_, i) => [w + i * PIECE * 4, i * PIECE * 4, Math.min(PIECE, weights - i * PIECE), 0]).flat()
  const pieces = box.put(Uint32Array.from(words)).address
  const one = box.put(Float32Array.of(1)).address
  const segment = new DataView(new ArrayBuffer(24))
  segment.setFloat32(0, 1, true)
  segment.setUint32(20, tiles, true)
  const segments = box.put(new Uint8Array(segment.buffer)).address, rate = box.put(Float32Array.of(1e-3)).address
  const adam = box.kernel('f32_adam', {
    pieces, segments, g, m, v, factor: one, ok: one, clipValue: { f32: Infinity }, rate, decayRate: rate,
    oneMinusBeta1: { f32: 0.1 }, oneMinusBeta2: { f32: 0.001 }, epsilon: { f32: 1e-7 },
  })
  const check = box.kernel('f32_regularize', { pieces, segments, g, partial: box.alloc(tiles * 16).address, norms: 0 })
  const repeat = (f: (begin: number, end: number) => void) => (rounds: number): void => { for (let i = 0; i < rounds; i++) f(0, tiles) }
  return { adam: repeat(adam), check: repeat(check) }
}

/** Medians of rounds that take turns. */
export function benchUpdate(roofline: Roofline): string {
  const micro = (s: number): string => `${(s * 1e6).toFixed(1)} µs`
  const lines = COUNTS.map(({ name, weights }) => {
    const { adam, check } = kernelsOf(new KernelBox(), weights)
    const { roots, moves } = roofline.update(weights), reads = roofline.reads(weights * 4)
    const all = [adam, check, roots, moves, reads]
    all.forEach(warm)
    const seconds: number[][] = all.map(() => [])
    for (let round = 0; round < ROUNDS; round++) all.forEach((f, i) => { seconds[i]?.push(secondsPerRound(f, 0.005)) })
    const of = (f: (times: readonly number[]) => number): readonly number[] => seconds.map(f)
    const [a = NaN, c = NaN, r = NaN, m = NaN, d = NaN] = of(median)
    const shares = (seconds[0] ?? []).map((time, i) => Math.max(seconds[2]?.[i] ?? NaN, seconds[3]?.[i] ?? NaN) / time)
    return `${name.padEnd(18)}Adam ${micro(a)}: ${(100 * median(shares)).toFixed(0)} % of its limit (square roots and divisions ${micro(r)}, streams ${micro(m)}); check ${micro(c)} (read ${micro(d)})`
  })
  return [`updates, one thread, ${machine()}`, ...lines].join('\n')
}
