// What one core can do of f32 mul + add at most, measured here and now: what speeds are a share of. Only the command line has it.
import { RuntimeError } from '../core/errors.js'
import { wasm } from './peak.generated.js'
import { wasmOf } from './text.js'

/** Terms of the bare microkernel's sums: its operands, 12 kB, stay in the L1 cache. */
const TERMS = 256
/** Where its operands begin: what lies below belongs to the compiler. */
const BASE = 4096
/** Operations of a round: of 12 chains in registers, 4 steps of 8; of the 4×8 microkernel, 64 a term. */
const REGISTER_OPERATIONS = 8 * 12 * 4
const MICRO_OPERATIONS = 64 * TERMS

/** Work that can be repeated, with its f32 operations a round. */
export interface PeakCandidate { readonly operations: number; readonly run: (rounds: number) => void }

/** The loops whose fastest is the limit: registers alone, and the bare microkernel of GEMM out of the L1 cache. */
export function peakCandidates(): readonly PeakCandidate[] {
  const { memory, chains12, micro1, micro4 } = new WebAssembly.Instance(new WebAssembly.Module(wasmOf(wasm)), {}).exports
  if (!(memory instanceof WebAssembly.Memory)) throw new RuntimeError('equigrad: the peak binary has no memory')
  new Float32Array(memory.buffer, BASE, 12 * TERMS).fill(1 / 3)
  const b = BASE + TERMS * 16, out = b + TERMS * 32
  const micro = (f: unknown): PeakCandidate => ({ operations: MICRO_OPERATIONS, run: (rounds) => { call(f, rounds, BASE, b, TERMS, out) } })
  return [{ operations: REGISTER_OPERATIONS, run: (rounds) => { call(chains12, rounds, 1) } }, micro(micro1), micro(micro4)]
}

function call(f: unknown, ...words: number[]): void {
  if (typeof f !== 'function') throw new RuntimeError('equigrad: the peak binary lacks a function')
  f(...words)
}
