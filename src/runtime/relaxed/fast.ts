// The module with the f32 products by the relaxed multiply-add, and its test. It is loaded when a store asks for it, and imports nothing that is loaded
// at once. An engine may round a multiply-add once or twice, so what the module computes differs from host to host: the one thing in this package that may.
import type { Instance, Kernel } from '../binary.js'

export { wasm } from '../fast.generated.js'

/** A kernel that it has. */
export type FastKernel = 'f32_gemm' | 'f32_conv'

/** Numbers of the kernels' that the test needs: compiler/kernels.ts, core/codes.ts. */
export type Numbers = Readonly<Record<'KC' | 'PANEL' | 'SCRATCH_BYTES' | 'NO_ACTIVATION', number>>

/** Rows that go four by four and one by one; whole panels and an edge. Sums are of two chunks. */
const M = 6, N = 27

/**
 * The known-answer test: products of small whole numbers, whose sums are exact however they are rounded, have the baseline's bits.
 *
 * @param instance - the baseline, on the memory that the kernel has too; it is written over
 */
export function agrees({ kernels, memory, heapBase }: Pick<Instance, 'kernels' | 'memory' | 'heapBase'>, name: FastKernel, kernel: Kernel, numbers: Numbers): boolean {
  const { KC, PANEL, SCRATCH_BYTES } = numbers, K = KC + 5
  const panels = Math.ceil(N / PANEL)
  let top = Math.ceil(heapBase / 64) * 64
  const take = (bytes: number): number => { const at = top; top += Math.ceil(bytes / 64) * 64 + 64; return at }
  const [descriptor, scratch, a, b, expected, actual] = [take(256), take(SCRATCH_BYTES), take(M * K * 4), take(panels * PANEL * K * 4), take(M * N * 4), take(M * N * 4)]
  if (top > memory.buffer.byteLength) memory.grow(Math.ceil((top - memory.buffer.byteLength) / 65536))
  const whole = (i: number): number => (Math.imul(i + 1, 0x9e3779b1) >>> 28) - 8
  new Float32Array(memory.buffer, a, M * K).forEach((_, i, all) => { all[i] = whole(i) })
  new Float32Array(memory.buffer, b, panels * PANEL * K).forEach((_, i, all) => { all[i] = whole(i + 12345) })
  return descriptorsOf(name, a, b, numbers).every((words) => {
    for (const [c, f] of [[expected, kernels[name]], [actual, kernel]] as const) {
      new Uint8Array(memory.buffer, c, M * N * 4).fill(0xff)
      new Int32Array(memory.buffer, descriptor, words.length).set(words.map((w, i) => (i === 2 ? c : w)))
      f(descriptor, scratch, 0, 1)
    }
    const [x, y] = [expected, actual].map((at) => new Int32Array(memory.buffer, at, M * N))
    return x?.every((bits, i) => bits === y?.[i]) === true
  })
}

/** Products M × N × K by each way through A that a kernel has. Word 2 is where C goes. */
function descriptorsOf(name: FastKernel, a: number, b: number, { KC, PANEL, NO_ACTIVATION }: Numbers): readonly (readonly number[])[] {
  const K = KC + 5
  const [step, panel, cRow] = [4 * PANEL, 4 * PANEL * K, 4 * N]
  if (name === 'f32_gemm') {
    // a b c bias m n k aRow aStep bStep bPanel cRow activation alpha add cBlock
    const ways = [[4 * K, 4], [4, 4 * M], [4, 8]] as const
    return [M, 1].flatMap((m) => ways.map(([aRow, aStep]) => [a, b, 0, 0, m, N, K, aRow, aStep, step, panel, cRow, NO_ACTIVATION, 0, 0, 0]))
  }
  // a b c bias m n k, rows and terms by three strides, bStep bPanel bWidth cRow, groups, tile, activation alpha cBlock; terms in one run, and in runs of 3
  return [K, 3].map((run) => [a, b, 0, 0, M, N, K, M, 1, 4 * K, 0, 0, run, Math.ceil(K / run), 4, 4 * run, 0, step, panel, 0, cRow, 1, 0, 0, 0, 32, 64, NO_ACTIVATION, 0, 0])
}
