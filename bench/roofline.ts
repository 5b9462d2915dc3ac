// What one core can do at most, measured in the process that measures the kernels: a figure in a table is a share of these.
import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { secondsPerRound as timedRound } from '../src/cli/clock.js'

const source = 'bench/assembly/roofline.ts'
/** Terms of the bare microkernel's sums: its operands, 12 KB, stay in the L1 cache. */
const MICRO_TERMS = 256
/** Steps that a round of a register loop unrolls. */
const STEPS = 4
const MEMORY_BYTES = 128 * 2 ** 20
/** Where the buffers begin: what lies below belongs to the compiler. */
const BASE = 4096

/** A measured function: `operations` of them a round. */
interface Candidate { readonly name: string; readonly operations: number; readonly run: (rounds: number) => void }

/** Work a second: 10⁹ f32 operations, or 10⁹ bytes. */
export interface Rate { readonly name: string; readonly rate: number }

/** Seconds of one round, of a measurement of at least so many. */
export const secondsPerRound = (f: (rounds: number) => void, atLeast = 0.015): number => timedRound(f, atLeast)

/** Lets the engine replace its first, quick code by optimised code: that happens between calls, never inside one. */
export function warm(f: (rounds: number) => void): void {
  const start = performance.now()
  while (performance.now() - start < 50) f(1)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 ? sorted[middle] ?? NaN : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2
}

/** 'AMD EPYC, Node 20.20.2' */
export const machine = (): string => `${cpus()[0]?.model.trim() ?? 'unknown CPU'}, Node ${process.versions.node}`

export class Roofline {
  readonly #compute: readonly Candidate[]
  readonly #memory: readonly Candidate[]
  /** what an update of so many weights cannot be faster than */
  readonly update: (weights: number) => { readonly roots: (rounds: number) => void; readonly moves: (rounds: number) => void }
  /** streams so many bytes, some less if they are no multiple of 128 */
  readonly reads: (bytes: number) => (rounds: number) => void

  private constructor(wasm: BufferSource) {
    const { memory, chains10, chains12, chains14, micro1, micro4, read, copy, roots, update } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {}).exports
    if (!(memory instanceof WebAssembly.Memory)) throw new Error(`${source} exports no memory`)
    memory.grow(MEMORY_BYTES / 65536)
    // All of it: what was never written is one page of zeros, which never leaves the L1 cache.
    new Float32Array(memory.buffer, BASE).fill(1 / 3)
    const b = BASE + MICRO_TERMS * 16, out = b + MICRO_TERMS * 32
    const registers = (chains: number, f: unknown): Candidate =>
      ({ name: `registers, ${chains} chains`, operations: 8 * chains * STEPS, run: (rounds) => call(f, rounds, 1) })
    const micro = (steps: number, f: unknown): Candidate =>
      ({ name: `4×8 microkernel in L1, ${steps} a turn`, operations: 64 * MICRO_TERMS, run: (rounds) => call(f, rounds, BASE, b, MICRO_TERMS, out) })
    this.#compute = [registers(10, chains10), registers(12, chains12), registers(14, chains14), micro(1, micro1), micro(4, micro4)]
    const stream = (name: string, bytes: number): Candidate[] => [
      { name: `read, ${name}`, operations: bytes, run: (rounds) => call(read, rounds, BASE, bytes) },
      { name: `copy, ${name}`, operations: bytes, run: (rounds) => call(copy, rounds, BASE, BASE + bytes, bytes / 2) },
    ]
    this.#memory = [...stream('512 KB', 2 ** 19), ...stream('64 MB', 2 ** 26)]
    // A pair of them a vector; four streams, each 128 bytes more than a multiple of the pages behind the one before.
    this.update = (weights) => {
      const bytes = Math.floor(weights / 32) * 128
      return {
        roots: (rounds) => call(roots, rounds * Math.ceil(weights / 32), 1.5),
        moves: (rounds) => call(update, rounds, BASE, Math.ceil(bytes / 4096) * 4096 + 128, bytes),
      }
    }
    this.reads = (bytes) => (rounds) => call(read, rounds, BASE, Math.floor(bytes / 128) * 128)
  }

  /** Compiles the limit kernels. */
  static async load(): Promise<Roofline> {
    let wasm: Uint8Array<ArrayBuffer> | undefined
    const readFile = (name: string): string | null => {
      try { return readFileSync(name, 'utf8') } catch { return null }
    }
    const { error, stderr } = await asc.main(
      [source, '--outFile', 'roofline.wasm', '--config', 'none', '-O3', '--noAssert', '--runtime', 'stub', '--enable', 'simd', '--use', 'abort='],
      { readFile, writeFile: (_, contents) => { if (typeof contents !== 'string') wasm = new Uint8Array(contents) } },
    )
    if (error || !wasm) throw new Error(`${source}: ${error?.message ?? ''}\n${stderr.toString()}`)
    const roofline = new Roofline(wasm)
    for (const { run } of [...roofline.#compute, ...roofline.#memory]) warm(run)
    return roofline
  }

  /** GFLOP/s of mul + add by every way of measuring it. */
  compute(seconds?: number): Rate[] { return this.#compute.map((candidate) => rateOf(candidate, seconds)) }

  /** GB/s of streams; a copied byte counts twice, as read and as written. */
  memory(): Rate[] { return this.#memory.map((candidate) => rateOf(candidate)) }

  /** The best of `compute`: what a GEMM can reach. Each candidate runs for at least `seconds`. */
  peak(seconds?: number): Rate { return this.compute(seconds).reduce((best, rate) => (rate.rate > best.rate ? rate : best)) }
}

const rateOf = ({ name, operations, run }: Candidate, seconds?: number): Rate =>
  ({ name, rate: operations / secondsPerRound(run, seconds) / 1e9 })

function call(f: unknown, ...words: number[]): void {
  if (typeof f !== 'function') throw new Error(`${source} lacks a kernel`)
  f(...words)
}
