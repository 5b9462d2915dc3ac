// The kernels of quantised models against plain integers: bytes from f32, and the integer product on both of its paths. The relaxed one runs in
// this engine where it can, and in those of test/runtimes where they are installed.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { ELEMENTS, GEMM_COLUMNS, GEMM_ROWS } from '../../src/compiler/kernels.js'
import { quantized } from '../reference/quantized.js'
import { runEveryWay } from '../support/bits.js'
import { productFrom, sweepProducts } from '../support/int8.js'
import { KernelBox } from '../support/kernel.js'
import { difference, randomFloats } from '../support/numbers.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const int8 = readFileSync(join(root, 'build/int8.wasm'))
/** A box for some cases, then another: it never frees. */
function boxes(extension?: BufferSource): () => KernelBox {
  let box = new KernelBox(undefined, extension)
  return () => {
    if (box.memory.buffer.byteLength > 2 ** 25) box = new KernelBox(undefined, extension)
    return box
  }
}

describe('the integer product, baseline', () => {
  it.each([['qs8_gemm_u7', 127], ['qs8_gemm_u8', 255]] as const)('%s is what integers are', (gemm, high) => {
    expect(sweepProducts(boxes(), gemm, high).wrong).toEqual([])
  })

  it('writes its tiles and nothing else, in any order', () => {
    for (const [m, n, to] of [[33, 70, null], [1, 130, { high: 127, zeroPoint: 3 }], [7, 9, { high: 127, zeroPoint: 0 }]] as const) {
      const box = new KernelBox()
      const p = productFrom({ m, n, k: 23 }, 127, m, { to })
      const [a, w, offset, multiplier] = [box.put(p.a), box.put(p.w), box.put(p.offset), box.put(p.multiplier)]
      const panels = Math.ceil(n / 8), size = to === null ? 4 : 1
      const b = box.alloc(panels * (64 + 32 * 12)), c = box.alloc(m * n * size)
      runEveryWay(box, 'qs8_pack_u7', { w: w.address, offset: offset.address, multiplier: multiplier.address, out: b.address, k: 23, n }, panels, [b])
      runEveryWay(box, 'qs8_gemm_u7', {
        a: a.address, b: b.address, c: c.address, m, n, k: 23, aRow: 23, cRow: n * size, low: { f32: -1 }, high: { f32: 100 }, zeroPoint: 3, asFloat: to === null ? 1 : 0,
      }, Math.ceil(m / GEMM_ROWS) * Math.ceil(n / GEMM_COLUMNS), [c])
    }
  })
})

describe('bytes from f32', () => {
  const special = Float32Array.of(0, -0, 0.5, 1.5, 2.5, -0.5, -1.5, 3.4999998, 1e-45, 3e38, -3e38, Infinity, -Infinity, NaN, 126.5, 127.5, 254.5, 255.5)
  it.each([[127, 0], [127, 64], [127, 127], [255, 0], [255, 100], [255, 255]])('up to %i with zero point %i', (high, zeroPoint) => {
    for (const length of [0, 1, 3, 15, 16, 17, 33, ELEMENTS - 1, ELEMENTS + 17]) {
      for (const multiplier of [1, 0.37, 63.5]) {
        const box = new KernelBox()
        const data = randomFloats(length, length, -4, 4)
        data.set(special.subarray(0, Math.min(length, special.length)))
        const x = box.put(data), y = box.alloc(length)
        runEveryWay(box, 'qu8_quantize', { x: x.address, y: y.address, length, multiplier: { f32: multiplier }, zeroPoint, high }, Math.ceil(length / ELEMENTS), [y])
        expect(difference(new Uint8Array(box.memory.buffer.slice(y.address, y.address + length)), Array.from(data, (v) => quantized(v, multiplier, zeroPoint, high)))).toBe('')
      }
    }
  })
})

// Other engines run test/kernels/int8.process.ts, compiled.
const js = join(root, 'build/test-int8')
const run = (node: string, ...flags: string[]): unknown => JSON.parse(execFileSync(node, [...flags, join(js, 'test/kernels/int8.process.js')], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }))
const newer = ['node22', 'node24', 'node26'].map((name) => join(root, 'test/runtimes/node_modules', name, 'bin/node')).filter(existsSync)
const thisMajor = Number(process.versions.node.split('.')[0])

describe('the integer product, relaxed', () => {
  beforeAll(() => {
    execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'test/kernels/tsconfig.int8.json'], { cwd: root })
  }, 180_000)

  it('is what integers are, where this engine has it', () => {
    if (WebAssembly.validate(int8)) expect(sweepProducts(boxes(int8), 'qs8_gemm_u7', 127).wrong).toEqual([])
    else expect(run(process.execPath)).toMatchObject({ relaxed: null, path: 'i16', reason: 'int8: this engine has no relaxed SIMD' })
  })

  it.skipIf(newer.length === 0).each(newer)('is what integers are in %s, which accepts it', (node) => {
    expect(run(node)).toMatchObject({ relaxed: [], path: 'relaxed', reason: '', equal: true, lanes: 3, onLanes: { path: 'relaxed', reason: '' }, lanesEqual: true })
  })

  // V8 11.3 has it behind a flag, and returns twice the right sums.
  it.skipIf(thisMajor !== 20)('is refused by its test where the engine computes it wrong', () => {
    const found = run(process.execPath, '--experimental-wasm-relaxed-simd')
    expect(found).toMatchObject({ path: 'i16', reason: 'int8: this engine computes relaxed SIMD wrong', equal: true, lanes: 3, onLanes: { path: 'i16' }, lanesEqual: true })
    expect(found).not.toMatchObject({ relaxed: [] })
  })
})
