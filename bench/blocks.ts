// The constants of law 3 by measurement: products compiled with other chunks and blocks, all in one process, in turns. What is printed is the time
// of each beside that of the constants in use; they are part of the bits, so they change only with a note.
import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'
import { GEMM_COLUMNS, GEMM_ROWS, KB, KC, PANEL } from '../src/compiler/kernels.js'
import { NO_ACTIVATION } from '../src/core/codes.js'
import { KernelBox } from '../test/support/kernel.js'
import { machine, median, secondsPerRound, warm } from './roofline.js'

const ENTRY = 'assembly/fast.ts', CODES = 'assembly/codes.ts'
const ROUNDS = 9
const CHUNKS = [256, 512, 784, 1024] as const
const BLOCKS = [2048, 4096, 8192] as const
/** m, n, k: the dense networks' layers, cubes, and sums over many samples, which alone have several blocks. */
const SIZES = [[128, 64, 784], [128, 512, 784], [128, 512, 512], [1024, 1024, 1024], [1, 512, 784]] as const
const LONG = [[64, 64, 20_000], [144, 32, 25_088]] as const

/** The products, compiled with other constants. */
async function compiledWith(kc: number, kb: number): Promise<Uint8Array<ArrayBuffer>> {
  let wasm: Uint8Array<ArrayBuffer> | undefined
  const readFile = (name: string): string | null => {
    let text: string
    try { text = readFileSync(name, 'utf8') } catch { return null }
    return name.endsWith(CODES) ? text.replace(/KC: i32 = \d+/, `KC: i32 = ${kc}`).replace(/KB: i32 = \d+/, `KB: i32 = ${kb}`) : text
  }
  const { error, stderr } = await asc.main([ENTRY, '--config', 'asconfig.json', '--target', 'kernels', '--outFile', 'blocks.wasm'], { readFile, writeFile: (_, contents) => { if (typeof contents !== 'string') wasm = new Uint8Array(contents) } })
  if (error || !wasm) throw new Error(`${ENTRY}: ${error?.message ?? ''}\n${stderr.toString()}`)
  return wasm
}

/** A product of a module, many times. */
export function productOf(box: KernelBox, m: number, n: number, k: number, transposed = false): (rounds: number) => void {
  const noise = (length: number): number => box.put(Float32Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5)).address
  const [aRow, aStep] = transposed ? [4, 4 * m] : [4 * k, 4]
  const run = box.kernel('f32_gemm', {
    a: noise(m * k), b: noise(Math.ceil(n / PANEL) * PANEL * k), c: box.alloc(m * n * 4).address, bias: 0, m, n, k, aRow, aStep,
    bStep: 4 * PANEL, bPanel: 4 * PANEL * k, cRow: 4 * n, activation: NO_ACTIVATION, alpha: 0, add: 0, cBlock: 0,
  })
  const tiles = Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS)
  return (rounds) => { for (let i = 0; i < rounds; i++) run(0, tiles) }
}

/** Medians of the ratios of rounds in which all take turns, to the one at `base`. */
export function ratios(runs: readonly ((rounds: number) => void)[], base: number): readonly number[] {
  runs.forEach(warm)
  const found = Array.from({ length: ROUNDS }, () => {
    const times = runs.map((run) => secondsPerRound(run, 0.006))
    return times.map((t) => t / (times[base] ?? NaN))
  })
  return runs.map((_, i) => median(found.map((r) => r[i] ?? NaN)))
}

async function table(title: string, values: readonly number[], used: number, sizes: readonly (readonly [number, number, number])[], compile: (value: number) => Promise<Uint8Array<ArrayBuffer>>): Promise<string[]> {
  const modules: Uint8Array<ArrayBuffer>[] = []
  for (const value of values) modules.push(await compile(value))
  const head = `${`time by ${title}, ${used} = 1`.padEnd(28)}${values.map((v) => String(v).padStart(8)).join('')}`
  return [head, ...sizes.map(([m, n, k]) => {
    const found = ratios(modules.map((wasm) => productOf(new KernelBox(wasm), m, n, k)), values.indexOf(used))
    return `${`${m}×${n}×${k}`.padEnd(28)}${found.map((r) => r.toFixed(2).padStart(8)).join('')}`
  })]
}

export async function benchBlocks(): Promise<string> {
  return [
    `the constants of sums, ${machine()}`, ...await table('KC', CHUNKS, KC, SIZES, (kc) => compiledWith(kc, kc === 784 ? 784 * 5 : KB)),
    ...await table('KB', BLOCKS, KB, LONG, (kb) => compiledWith(KC, kb)),
  ].join('\n')
}
