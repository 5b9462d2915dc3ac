// The GEMMs of two dense networks, forward and backward, as shares of the mul + add peak of the same minute.
import { readFileSync } from 'node:fs'
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../src/compiler/kernels.js'
import { NO_ACTIVATION, unaryCode } from '../src/core/codes.js'
import { KernelBox, type Block } from '../test/support/kernel.js'
import { machine, median, secondsPerRound, warm, type Rate, type Roofline } from './roofline.js'

/** forward: X·W. weights: dW = Xᵀ·dY. input: dX = dY·Wᵀ. m, n, k are the GEMM's own. */
interface Case { readonly kind: 'forward' | 'weights' | 'input'; readonly m: number; readonly n: number; readonly k: number }

/** The three GEMMs of a dense layer on a batch. */
const layer = (batch: number, from: number, to: number): Case[] => [
  { kind: 'forward', m: batch, n: to, k: from },
  { kind: 'weights', m: from, n: to, k: batch },
  { kind: 'input', m: batch, n: from, k: to },
]
/** 784-64-64-10 is the worked example; 784-512-512-10 fills the caches. */
const cases: readonly Case[] = [
  ...layer(128, 784, 64), ...layer(128, 64, 64), ...layer(128, 64, 10),
  ...layer(128, 784, 512), ...layer(128, 512, 512), ...layer(128, 512, 10),
]

export interface GemmRow {
  readonly name: string
  /** microseconds of one call */
  readonly microseconds: number
  /** GFLOP/s, or GB/s of a packing (read and written) */
  readonly rate: number
  /** share of the peak of the same moment; packing has none */
  readonly share?: number
}

interface Subject { readonly name: string; readonly work: number; readonly isGemm: boolean; readonly run: (rounds: number) => void }

const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5)
const repeat = (f: (begin: number, end: number) => void, tiles: number) => (rounds: number): void => {
  for (let i = 0; i < rounds; i++) f(0, tiles)
}

/** The packing of B and the product, each on its own. */
function subjects(box: KernelBox, { kind, m, n, k }: Case): Subject[] {
  const panels = Math.ceil(n / PANEL)
  const a = box.put(noise(m * k)), source = box.put(noise(k * n)), bias = box.put(noise(n))
  const b: Block = box.alloc(panels * PANEL * k * 4), c = box.alloc(m * n * 4)
  const [bStep, bColumn] = kind === 'input' ? [4, 4 * k] : [4 * n, 4]
  const pack = box.kernel('f32_pack_b', { b: source.address, out: b.address, k, n, bStep, bColumn })
  const [aRow, aStep] = kind === 'weights' ? [4, 4 * m] : [4 * k, 4]
  const gemm = box.kernel('f32_gemm', {
    a: a.address, b: b.address, c: c.address, bias: kind === 'forward' ? bias.address : 0, m, n, k, aRow, aStep,
    bStep: 4 * PANEL, bPanel: 4 * PANEL * k, cRow: 4 * n, activation: kind === 'forward' ? unaryCode.relu : NO_ACTIVATION, alpha: 0, add: 0, cBlock: 0,
  })
  const name = `${kind} ${m}×${n}×${k}`
  return [
    { name: `${name} pack B`, work: k * (n + panels * PANEL) * 4, isGemm: false, run: repeat(pack, panels) },
    { name, work: 2 * m * n * k, isGemm: true, run: repeat(gemm, Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS)) },
  ]
}

/** Seconds that each way of measuring the peak runs beside each measurement of a GEMM. */
const PEAK_SECONDS = 0.004

export interface GemmResult {
  /** what the machine is, for a heading */
  readonly machine: string
  /** mul + add, GFLOP/s */
  readonly peak: Rate
  readonly rows: readonly GemmRow[]
}

/** Medians of `rounds` rounds. The peak is measured again before every GEMM: a shared machine is not the same a tenth of a second later. */
export function benchGemm(roofline: Roofline, wasm: BufferSource = readFileSync('build/kernels.wasm'), rounds = 9): GemmResult {
  const box = new KernelBox(wasm)
  const all = cases.flatMap((c) => subjects(box, c)).map((subject) => ({ ...subject, seconds: [] as number[], shares: [] as number[] }))
  const peaks: Rate[] = []
  for (const { run } of all) warm(run)
  for (let round = 0; round < rounds; round++) for (const { isGemm, run, work, seconds, shares } of all) {
    const peak = isGemm ? roofline.peak(PEAK_SECONDS) : undefined
    const time = secondsPerRound(run)
    seconds.push(time)
    if (!peak) continue
    shares.push(work / time / 1e9 / peak.rate)
    peaks.push(peak)
  }
  const rows = all.map(({ name, work, isGemm, seconds, shares }): GemmRow => {
    const time = median(seconds)
    const row = { name, microseconds: time * 1e6, rate: work / time / 1e9 }
    return isGemm ? { ...row, share: median(shares) } : row
  })
  const sorted = peaks.sort((x, y) => x.rate - y.rate)
  return { machine: machine(), peak: sorted[sorted.length >> 1] ?? { name: 'none', rate: NaN }, rows }
}

/** The result of `benchGemm` as text. */
export function printGemm({ machine, peak, rows }: GemmResult): string {
  const line = ({ name, microseconds, rate, share }: GemmRow): string =>
    `${name.padEnd(30)}${microseconds.toFixed(1).padStart(9)} µs ${rate.toFixed(1).padStart(7)} ${
      share === undefined ? 'GB/s' : `GFLOP/s ${(100 * share).toFixed(0).padStart(4)} % of peak`}`
  return [`GEMM m×n×k, one thread, ${machine}`, `peak of mul + add: ${peak.rate.toFixed(1)} GFLOP/s (${peak.name})`, ...rows.map(line)].join('\n')
}

/** Few rows: B, read once, is what takes the time; the weights of the dense networks, packed as predictions keep them, and more than most L2 caches hold. */
const FEW: readonly (readonly [m: number, n: number, k: number])[] = [[1, 512, 784], [1, 512, 512], [1, 1024, 784], [1, 10, 512], [2, 512, 784], [3, 512, 784]]

/** Products of few rows beside the streaming read of as many bytes as B has: shares of medians of rounds that take turns. */
export function benchRows(roofline: Roofline, rounds = 11): string {
  const box = new KernelBox()
  const lines = FEW.map(([m, n, k]) => {
    const bytes = Math.ceil(n / PANEL) * PANEL * k * 4
    const a = box.put(noise(m * k)), b = box.put(noise(bytes / 4)), c = box.alloc(m * n * 4), bias = box.put(noise(n))
    const gemm = repeat(box.kernel('f32_gemm', {
      a: a.address, b: b.address, c: c.address, bias: bias.address, m, n, k, aRow: 4 * k, aStep: 4, bStep: 4 * PANEL, bPanel: 4 * PANEL * k, cRow: 4 * n,
      activation: unaryCode.relu, alpha: 0, add: 0, cBlock: 0,
    }), Math.ceil(n / GEMM_COLUMNS))
    const read = roofline.reads(bytes)
    for (const f of [gemm, read]) warm(f)
    const times = Array.from({ length: rounds }, () => ({ gemm: secondsPerRound(gemm, 0.005), read: secondsPerRound(read, 0.005) }))
    const time = median(times.map((t) => t.gemm))
    return `${`${m}×${n}×${k}`.padEnd(14)}${(time * 1e6).toFixed(1).padStart(7)} µs ${(bytes / time / 1e9).toFixed(1).padStart(6)} GB/s ${(100 * median(times.map((t) => t.read / t.gemm))).toFixed(0).padStart(4)} % of the streaming read`
  })
  return [`few rows, m×n×k, one thread, ${machine()}`, ...lines].join('\n')
}
