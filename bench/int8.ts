// Integer products on both paths beside what integer dots can do at most in the same minute, and whole predictions, f32 against int8.
import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../src/compiler/kernels.js'
import { dense, sequential } from '../src/index.js'
import { quantize } from '../src/compress/index.js'
import { KernelBox } from '../test/support/kernel.js'
import { machine, median, secondsPerRound, warm, type Roofline } from './roofline.js'

const source = 'bench/assembly/int8.ts'
const ROUNDS = 9
/** Operations of one dot of four lanes, each lane's products and additions. */
const OPERATIONS = { i16: 16, relaxed: 32 } as const
/** Groups of a bare microkernel's sums: its operands, 7 KB, stay in the L1 cache. */
const GROUPS = 128
/** Where its operands lie: what is below belongs to the compiler. */
const BASE = 4096
type Path = keyof typeof OPERATIONS
/** m, n, k: batches of 64 and 1 in 784-512-512-10, and of 128 in the worked example's first layer. */
const SIZES = [[64, 512, 784], [64, 512, 512], [64, 10, 512], [128, 64, 784], [1, 512, 784], [1, 512, 512]] as const

interface Limit { readonly name: string; readonly operations: number; readonly run: (rounds: number) => void }

async function limitsOf(path: Path): Promise<readonly Limit[]> {
  let wasm: Uint8Array<ArrayBuffer> | undefined
  const readFile = (name: string): string | null => { try { return readFileSync(name, 'utf8') } catch { return null } }
  const { error, stderr } = await asc.main(
    [source, '--outFile', 'int8.wasm', '--config', 'none', '-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', ...(path === 'relaxed' ? ['--enable', 'relaxed-simd'] : []), '--use', 'abort='],
    { readFile, writeFile: (_, contents) => { if (typeof contents !== 'string') wasm = new Uint8Array(contents) } },
  )
  if (error || !wasm) throw new Error(`${source}: ${error?.message ?? ''}\n${stderr.toString()}`)
  const { memory, dots, micro4, micro6 } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {}).exports
  if (!(memory instanceof WebAssembly.Memory)) throw new Error(`${source} exports no memory`)
  memory.grow(1)
  const call = (f: unknown, ...words: number[]): void => { if (typeof f !== 'function') throw new Error(`${source} lacks a function`); f(...words) }
  const b = BASE + 6 * 4 * GROUPS, out = b + 32 * GROUPS
  const micro = (rows: number, f: unknown): Limit => ({ name: `${rows}×8 microkernel in L1`, operations: OPERATIONS[path] * 2 * rows * GROUPS, run: (rounds) => { call(f, rounds, BASE, b, GROUPS, out) } })
  return [{ name: 'registers, 8 chains', operations: OPERATIONS[path] * 8, run: (rounds) => { call(dots, rounds, 5) } }, micro(4, micro4), micro(6, micro6)]
}

function productOf(box: KernelBox, m: number, n: number, k: number): (rounds: number) => void {
  const panels = Math.ceil(n / PANEL)
  const a = box.alloc(m * k), b = box.alloc(panels * (64 + 32 * Math.ceil(k / 2))), c = box.alloc(m * n)
  for (const block of [a, b]) new Uint8Array(box.memory.buffer, block.address, block.bytes).forEach((_, i, all) => { all[i] = Math.imul(i + 1, 0x9e3779b1) >>> 25 })
  const run = box.kernel('qs8_gemm_u7', { a: a.address, b: b.address, c: c.address, m, n, k, aRow: k, cRow: n, low: { f32: 0 }, high: { f32: 127 }, zeroPoint: 0, asFloat: 0 })
  const tiles = Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS)
  return (rounds) => { for (let i = 0; i < rounds; i++) run(0, tiles) }
}

/** One path: its peak, and each product as a share of it. */
async function benchPath(path: Path): Promise<string[]> {
  const extension = readFileSync('build/int8.wasm')
  if (path === 'relaxed' && !WebAssembly.validate(extension)) return ['relaxed: this engine has no relaxed SIMD']
  const box = new KernelBox(undefined, path === 'relaxed' ? extension : undefined)
  const limits = await limitsOf(path)
  limits.forEach(({ run }) => { warm(run) })
  const peaks: number[][] = limits.map(() => [])
  const rows = SIZES.map(([m, n, k]) => {
    const run = productOf(box, m, n, k)
    warm(run)
    const [rates, shares]: [number[], number[]] = [[], []]
    for (let round = 0; round < ROUNDS; round++) {
      const found = limits.map(({ operations, run: limit }) => operations / secondsPerRound(limit) / 1e9), rate = (2 * m * n * k) / secondsPerRound(run) / 1e9
      found.forEach((peak, i) => peaks[i]?.push(peak))
      rates.push(rate)
      shares.push(rate / Math.max(...found))
    }
    return `  ${`${m}×${n}×${k}`.padEnd(16)}${median(rates).toFixed(1).padStart(7)} GOP/s ${(100 * median(shares)).toFixed(0).padStart(4)} % of the best of these`
  })
  return [`${path}: ${limits.map(({ name }, i) => `${name} ${median(peaks[i] ?? []).toFixed(1)}`).join(', ')} GOP/s`, ...rows]
}

/** Whole predictions of 784-512-512-10, u8 images, microseconds. */
async function benchPredict(): Promise<string[]> {
  const model = sequential([dense(512, { activation: 'relu' }), dense(512, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [784], dtype: 'u8', scale: 1 / 255 }, seed: 1 })
  const images = Uint8Array.from({ length: 256 * 784 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24)
  const [seven, eight] = [await quantize(model, { calibration: images }), await quantize(model, { calibration: images, activations: 8 })]
  const lines = [`predict 784-512-512-10, int8 by ${seven.runtime.int8.path}${seven.runtime.int8.reason === '' ? '' : ` (${seven.runtime.int8.reason})`}`]
  for (const batch of [1, 64]) {
    const x = images.slice(0, batch * 784)
    const runs = [model, seven, eight].map((m) => (rounds: number): void => { for (let i = 0; i < rounds; i++) m.predictSync(x) })
    runs.forEach(warm)
    const seconds: number[][] = runs.map(() => [])
    for (let round = 0; round < ROUNDS; round++) runs.forEach((run, i) => { seconds[i]?.push(secondsPerRound(run)) })
    const [f32 = NaN, u7 = NaN, u8 = NaN] = seconds.map(median)
    const form = (name: string, s: number): string => `${name} ${(s * 1e6).toFixed(1)} µs (${Math.round(batch / s)} samples/s${name === 'f32' ? '' : `, ${(f32 / s).toFixed(2)} × f32`})`
    lines.push(`  batch ${String(batch).padStart(2)}: ${form('f32', f32)}, ${form('7 bits', u7)}, ${form('8 bits', u8)}`)
  }
  return lines
}

export async function benchInt8(roofline: Roofline): Promise<string> {
  const f32 = `f32 peak of mul + add: ${roofline.peak().rate.toFixed(1)} GFLOP/s`
  return [`int8 m×n×k, one thread, ${machine()}`, f32, ...await benchPath('i16'), ...await benchPath('relaxed'), ...await benchPredict()].join('\n')
}
