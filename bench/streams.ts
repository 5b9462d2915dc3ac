// The kernels that stream, each beside what the loads and stores of the same moment allow for as many bytes, at sizes of the L1 cache, of the L2 cache
// and of memory; and the limit of relaxed multiply-and-add, beside that of mul + add.
import asc from 'assemblyscript/asc'
import { readFileSync } from 'node:fs'
import { ELEMENTS, PANEL, PIECE, POOL_ROWS, ROWS } from '../src/compiler/kernels.js'
import { binaryCode, dtypeCode, reduceCode, unaryCode } from '../src/core/codes.js'
import { KernelBox } from '../test/support/kernel.js'
import { machine, median, secondsPerRound, warm, type Roofline } from './roofline.js'

const ROUNDS = 5
const SECONDS = 0.002
/** Bytes that a call reads and writes, about. */
const SIZES: readonly (readonly [string, number])[] = [['L1', 24 * 1024], ['L2', 384 * 1024], ['memory', 48 * 2 ** 20]]
/** Where the limits' buffer begins: what lies below belongs to the compiler. */
const BASE = 4096
const MICRO_TERMS = 256

type Run = (rounds: number) => void
/** A call: bytes that it reads and writes at least, its run. */
interface Stream { readonly read: number; readonly written: number; readonly run: Run }

/** The exported functions of a file under bench/assembly. */
async function limitsOf(name: string, features: readonly string[]): Promise<{ readonly memory: WebAssembly.Memory; readonly call: (f: string, ...words: number[]) => Run } | null> {
  const source = `bench/assembly/${name}.ts`
  let wasm: Uint8Array<ArrayBuffer> | undefined
  const readFile = (file: string): string | null => { try { return readFileSync(file, 'utf8') } catch { return null } }
  const { error, stderr } = await asc.main(
    [source, '--outFile', `${name}.wasm`, '--config', 'none', '-O3', '--noAssert', '--runtime', 'stub', ...features.flatMap((f) => ['--enable', f]), '--use', 'abort='],
    { readFile, writeFile: (_, contents) => { if (typeof contents !== 'string') wasm = new Uint8Array(contents) } },
  )
  if (error || !wasm) throw new Error(`${source}: ${error?.message ?? ''}\n${stderr.toString()}`)
  if (!WebAssembly.validate(wasm)) return null
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(wasm), {})
  const { memory } = exports
  if (!(memory instanceof WebAssembly.Memory)) throw new Error(`${source} exports no memory`)
  return {
    memory,
    call(f, ...words) {
      const run = exports[f]
      if (typeof run !== 'function') throw new Error(`${source} lacks ${f}`)
      return (rounds) => { run(rounds, ...words) }
    },
  }
}

const noise = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5)

/** Makes the calls of about `bytes`, on a memory of their own. */
function streams(bytes: number): Readonly<Record<string, () => Stream>> {
  const box = new KernelBox()
  const repeat = (f: (begin: number, end: number) => void, tiles: number): Run => (rounds) => { for (let i = 0; i < rounds; i++) f(0, tiles) }
  const floats = (length: number): number => box.put(noise(length)).address
  const empty = (length: number): number => box.alloc(length * 4).address
  /** elements of f32 where a call passes over each so many times; a multiple of 64 */
  const share = (passes: number): number => Math.max(64, Math.floor(bytes / 4 / passes / 64) * 64)
  const flat = { outer: 1, mid: 1, aOuter: 0, aMid: 0, aInner: 1, bOuter: 0, bMid: 0, bInner: 1, alpha: { f32: 0 }, beta: { f32: 0 } }
  const unary = (code: number) => (): Stream => {
    const n = share(2)
    return { read: 4 * n, written: 4 * n, run: repeat(box.kernel('f32_unary', { x: floats(n), y: empty(n), length: n, code, alpha: { f32: 0 }, beta: { f32: 0 } }), Math.ceil(n / ELEMENTS)) }
  }
  const binary = (code: number) => (): Stream => {
    const n = share(3)
    return { read: 8 * n, written: 4 * n, run: repeat(box.kernel('f32_binary', { a: floats(n), b: floats(n), y: empty(n), inner: n, code, ...flat }), Math.ceil(n / ELEMENTS)) }
  }
  const byRows = (name: 'f32_softmax' | 'f32_log_softmax', width: number) => (): Stream => {
    const rows = Math.max(1, Math.floor(share(2) / width)), n = rows * width
    return { read: 4 * n, written: 4 * n, run: repeat(box.kernel(name, { x: floats(n), y: empty(n), rows, width }), Math.ceil(rows / ROWS)) }
  }
  /** images of 16 channels, 8 columns, so many rows */
  const images = (passes: number) => {
    const height = Math.max(2, Math.floor(share(passes) / 128 / 2) * 2)
    return { n: height * 128, words: { samples: 1, height, width: 8, channels: 16, outHeight: height / 2, outWidth: 4, poolHeight: 2, poolWidth: 2, strideY: 2, strideX: 2, padTop: 0, padLeft: 0 } }
  }
  /** a weight of n elements as an optimizer sees it: no clipping, a rate that changes little */
  const update = (passes: number) => {
    const n = share(passes), w = floats(n), count = Math.ceil(n / PIECE)
    const pieces = box.put(Int32Array.from({ length: count * 4 }, (_, i) => [w + (i >> 2) * PIECE * 4, (i >> 2) * PIECE * 4, Math.min(PIECE, n - (i >> 2) * PIECE), 0][i & 3] ?? 0)).address
    const segments = box.put(new Int32Array(Float32Array.of(1, 0, 0, 0, 0, 0).buffer).map((v, i) => (i === 5 ? count : v))).address
    const scalar = box.put(Float32Array.of(1e-6)).address, factor = box.put(Float32Array.of(1)).address, ok = box.put(Int32Array.of(1)).address
    return { n, count, scalar, words: { pieces, segments, g: floats(n), factor, ok, clipValue: { f32: Infinity }, rate: scalar } }
  }
  const state = (n: number): number => box.put(noise(n).map(Math.abs)).address
  return {
    'gather, u8 to f32': () => {
      const width = 784, rows = Math.max(1, Math.floor(bytes / 5 / width)), n = rows * width
      const source = box.put(Uint8Array.from({ length: n }, (_, i) => i)).address, index = box.put(Int32Array.from({ length: rows }, (_, i) => rows - 1 - i)).address
      return { read: n, written: 4 * n, run: repeat(box.kernel('gather', { source, index, y: empty(n), rows, width, sourceType: dtypeCode.u8, yType: dtypeCode.f32, scale: { f32: 1 / 255 }, offset: { f32: 0 } }), Math.ceil(rows / ROWS)) }
    },
    'unary, relu': unary(unaryCode.relu), 'unary, tanh': unary(unaryCode.tanh), 'binary, add': binary(binaryCode.add), 'binary, gradient of relu': binary(binaryCode.reluGrad),
    'binary, a row for all (batch norm, bias)': () => {
      const width = 64, rows = Math.max(1, Math.floor(share(2) / width)), n = rows * width
      const words = { a: floats(n), b: floats(width), y: empty(n), outer: 1, mid: rows, inner: width, aOuter: 0, aMid: width, aInner: 1, bOuter: 0, bMid: 0, bInner: 1, code: binaryCode.mul, alpha: { f32: 0 }, beta: { f32: 0 } }
      return { read: 4 * n, written: 4 * n, run: repeat(box.kernel('f32_binary', words), rows) }
    },
    'sums of rows': () => {
      const k = 512, outer = Math.max(1, Math.floor(share(1) / k))
      return { read: 4 * k * outer, written: 0, run: repeat(box.kernel('f32_reduce', { x: floats(k * outer), y: empty(outer), outer, k, inner: 1, code: reduceCode.sum }), Math.ceil(outer / ROWS)) }
    },
    'sums of columns (bias gradient, batch norm)': () => {
      const inner = 64, k = Math.max(1, Math.floor(share(1) / inner))
      return { read: 4 * k * inner, written: 0, run: repeat(box.kernel('f32_reduce', { x: floats(k * inner), y: empty(inner), outer: 1, k, inner, code: reduceCode.sum }), 1) }
    },
    'softmax of 10': byRows('f32_softmax', 10), 'softmax of 512': byRows('f32_softmax', 512),
    'max pooling 2×2': () => { const { n, words } = images(1.25); return { read: 4 * n, written: n, run: repeat(box.kernel('f32_max_pool', { x: floats(n), y: empty(n / 4), ...words }), words.outHeight) } },
    'its gradient, with that of a relu': () => {
      const { n, words } = images(2.25)
      return { read: 5 * n, written: 4 * n, run: repeat(box.kernel('f32_max_pool_grad', { x: floats(n), dy: floats(n / 4), dx: empty(n), relu: 1, ...words }), Math.ceil(words.height / POOL_ROWS)) }
    },
    'average pooling 2×2': () => { const { n, words } = images(1.25); return { read: 4 * n, written: n, run: repeat(box.kernel('f32_average_pool', { x: floats(n), y: empty(n / 4), ...words }), words.outHeight) } },
    'packing of B': () => {
      const n = 64, k = Math.max(1, Math.floor(share(2) / n))
      return { read: 4 * k * n, written: 4 * k * n, run: repeat(box.kernel('f32_pack_b', { b: floats(k * n), out: empty(k * n), k, n, bStep: 4 * n, bColumn: 4 }), n / PANEL) }
    },
    'packing of B, transposed': () => {
      const n = 64, k = Math.max(4, Math.floor(share(2) / n))
      return { read: 4 * k * n, written: 4 * k * n, run: repeat(box.kernel('f32_pack_b', { b: floats(k * n), out: empty(k * n), k, n, bStep: 4, bColumn: 4 * k }), n / PANEL) }
    },
    'sgd': () => { const { n, count, words } = update(3); return { read: 8 * n, written: 4 * n, run: repeat(box.kernel('f32_sgd', { ...words, m: 0, momentum: { f32: 0 }, nesterov: 0 }), count) } },
    'sgd with momentum': () => { const { n, count, words } = update(5); return { read: 12 * n, written: 8 * n, run: repeat(box.kernel('f32_sgd', { ...words, m: state(n), momentum: { f32: 0.9 }, nesterov: 0 }), count) } },
    'rmsprop': () => {
      const { n, count, words } = update(5)
      return { read: 12 * n, written: 8 * n, run: repeat(box.kernel('f32_rmsprop', { ...words, v: state(n), a: 0, m: 0, rho: { f32: 0.9 }, oneMinusRho: { f32: 0.1 }, momentum: { f32: 0 }, epsilon: { f32: 1e-7 } }), count) }
    },
    'adam': () => {
      const { n, count, scalar, words } = update(7)
      return { read: 16 * n, written: 12 * n, run: repeat(box.kernel('f32_adam', { ...words, m: state(n), v: state(n), decayRate: scalar, oneMinusBeta1: { f32: 0.1 }, oneMinusBeta2: { f32: 0.001 }, epsilon: { f32: 1e-7 } }), count) }
    },
    'regularize (norm of the gradient)': () => {
      const { n, count, words: { pieces, segments, g } } = update(1)
      return { read: 4 * n, written: 0, run: repeat(box.kernel('f32_regularize', { pieces, segments, g, partial: empty(count * 4), norms: 1 }), count) }
    },
  }
}

/** GB/s that loads and stores allow a call: one after the other, or together as in a copy, whichever is more. */
function allowed({ read, written }: Stream, loads: number, stores: number, copies: number): number {
  const apart = (read + written) / (read / loads + written / stores)
  return read > 0 && written > 0 ? Math.max(apart, copies) : apart
}

/** Rows of text: each call's GB/s and its share of what the moment allows, medians of ROUNDS rounds. */
export async function benchStreams(roofline: Roofline): Promise<string> {
  const limits = await limitsOf('streams', ['simd'])
  if (limits === null) throw new Error('no SIMD')
  const most = Math.max(...SIZES.map(([, bytes]) => bytes))
  limits.memory.grow(Math.ceil((most + BASE) / 65536))
  const lines = [`kernels that stream, one thread, ${machine()}`, await madd(roofline)]
  for (const [place, bytes] of SIZES) {
    const rate = (run: Run, work: number): number => work / secondsPerRound(run, SECONDS) / 1e9
    const [reads, writes, copies] = [limits.call('read', BASE, bytes), limits.call('write', BASE, bytes), limits.call('copy', BASE, BASE + bytes / 2, bytes / 2)]
    for (const run of [reads, writes, copies]) warm(run)
    lines.push(`${place}, ${bytes / 1024} KB: read ${rate(reads, bytes).toFixed(0)}, write ${rate(writes, bytes).toFixed(0)}, copy ${rate(copies, bytes).toFixed(0)} GB/s (read and written)`)
    for (const [name, make] of Object.entries(streams(bytes))) {
      const stream = make(), work = stream.read + stream.written
      warm(stream.run)
      const [rates, shares]: [number[], number[]] = [[], []]
      for (let r = 0; r < ROUNDS; r++) {
        const limit = allowed(stream, rate(reads, bytes), rate(writes, bytes), rate(copies, bytes))
        const got = rate(stream.run, work)
        rates.push(got)
        shares.push(got / limit)
      }
      lines.push(`  ${name.padEnd(46)}${median(rates).toFixed(1).padStart(7)} GB/s ${(100 * median(shares)).toFixed(0).padStart(4)} % of what loads and stores allow`)
    }
  }
  return lines.join('\n')
}

/** The limit of relaxed multiply-and-add beside that of mul + add, the better of two ways each. */
async function madd(roofline: Roofline): Promise<string> {
  const peak = roofline.peak()
  const line = `mul + add: ${peak.rate.toFixed(1)} GFLOP/s (${peak.name})`
  const limits = await limitsOf('madd', ['simd', 'relaxed-simd'])
  if (limits === null) return `${line}; this engine has no relaxed multiply-and-add`
  limits.memory.grow(1)
  new Float32Array(limits.memory.buffer, BASE, 12 * MICRO_TERMS).fill(1 / 3)
  const ways = [
    { name: 'registers, 12 chains', operations: 8 * 12 * 4, run: limits.call('chains', 1) },
    { name: '4×8 microkernel in L1', operations: 64 * MICRO_TERMS, run: limits.call('micro', BASE, BASE + MICRO_TERMS * 16, MICRO_TERMS, BASE + MICRO_TERMS * 48) },
  ].map(({ name, operations, run }) => { warm(run); return { name, rate: operations / secondsPerRound(run) / 1e9 } })
  const best = ways.reduce((a, b) => (b.rate > a.rate ? b : a))
  return `${line}; relaxed madd: ${best.rate.toFixed(1)} GFLOP/s (${best.name})`
}
