// Kernels that a caller gives, and hosts that give none: each wrong one is refused by an error that names the cause and the remedy.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { dense, sequential, useKernels } from '../../src/index.js'
import { instantiate } from '../../src/runtime/binary.js'
import { digest, knowsTheAnswer } from '../../src/runtime/self-test.js'
import { sourceOptions } from '../support/bundle.js'

const wasm = readFileSync('build/kernels.wasm')
const predict = (): Float32Array => sequential([dense(3, { activation: 'tanh' })], { input: [5], seed: 7 }).predictSync(Float32Array.of(1, -2, 3, -4, 5)).data

test("the known answer is this version's", () => {
  expect(digest(instantiate())).toBe(digest(instantiate()))
  expect(knowsTheAnswer(instantiate()), `the kernels' bits have changed: ANSWER in self-test.ts is ${digest(instantiate())} now`).toBe(true)
})

test('a module and bytes of any view compute what the inlined kernels do', () => {
  const own = predict()
  const shifted = new Uint8Array(wasm.length + 3)
  shifted.set(wasm, 3)
  for (const source of [new WebAssembly.Module(wasm), wasm, Uint8Array.from(wasm).buffer, new DataView(shifted.buffer, 3)]) {
    useKernels(source)
    expect(predict()).toEqual(own)
  }
})

/** The kernels with one bit of their data or code changed: the names are right, what is computed is not. */
function damaged(): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from(wasm)
  for (let at = bytes.length - 8; at > 0; at--) {
    const other = Uint8Array.from(wasm)
    other[at] = (other[at] ?? 0) ^ 1
    if (!WebAssembly.validate(other)) continue
    const { f64_pow: pow } = new WebAssembly.Instance(new WebAssembly.Module(other), {}).exports
    if (typeof pow === 'function' && (pow as (x: number, y: number) => number)(2.5, 3.5) !== instantiate().math.pow(2.5, 3.5)) return other
  }
  throw new Error('no place changes pow')
}

describe('refused, with nothing changed:', () => {
  const own = predict()
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /^useKernels: expected a WebAssembly\.Module, or its bytes, got undefined/],
    ['a path', 'kernels.wasm', /expected a WebAssembly\.Module, or its bytes, got "kernels\.wasm"/],
    ['bytes that are no module', new Uint8Array(9), /expected the bytes of a WebAssembly module, got 9 bytes/],
    ['an empty module', new WebAssembly.Module(empty), /expected the kernels of this version, got a module that is not: one without f32_gemm, .* more\. Pass equigrad\/kernels\.wasm/],
    ['a module of other kernels', readFileSync('build/peak.wasm'), /one without f32_gemm/],
    ['a module that needs a memory', readFileSync('build/int8.wasm'), /one that imports env\.memory|WebAssembly SIMD/],
    ['kernels that compute something else', damaged(), /a module with their names that computes something else\. Pass equigrad\/kernels\.wasm/],
  ]
  test.each(cases)('%s', (_, source, why) => {
    // the types refuse most of these
    expect(() => { Reflect.apply(useKernels, undefined, [source]) }).toThrow(why)
    expect(predict()).toEqual(own)
  })
})

describe('a host that lacks something', async () => {
  const program = "import { dense, sequential } from 'equigrad'; const m = sequential([dense(2)], { input: [2] }); console.log(m.predictSync(new Float32Array(2)).data.length)"
  const options = await sourceOptions()
  const run = (flags: readonly string[], code = program) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [...flags, ...options, '--input-type=module', '--eval', code], { encoding: 'utf8', cwd: process.cwd() })
    return { status, stdout: stdout.trim(), error: /\w+Error: .*/.exec(stderr)?.[0] ?? stderr }
  }
  test('is told from one that lacks nothing', () => { expect(run([])).toMatchObject({ status: 0, stdout: '2' }) })
  test('no WebAssembly', () => { expect(run(['--jitless', '--no-warnings']).error).toMatch(/RuntimeError: equigrad: expected a host with WebAssembly, got none\. Use a current browser/) })
  // Only there can it be switched off.
  test.runIf(process.arch === 'x64')('no SIMD', () => { expect(run(['--no-enable-sse4-1', '--no-enable-ssse3', '--no-enable-sse3']).error).toMatch(/RuntimeError: equigrad: expected a host with WebAssembly SIMD, got one without\. It is there since/) })
  test('no memory for the data', () => {
    const code = program.replace('console.log', 'sequential([dense(4096)], { input: [4096] }).predictSync(new Float32Array(4096)); console.log')
    expect(run(['--wasm-max-mem-pages=100'], code).error).toMatch(/RuntimeError: store: expected \d+ bytes of WebAssembly memory, got a limit below that .* Use a smaller model or batch/)
  })
  test('no leave to compile', () => {
    // What a Content-Security-Policy without wasm-unsafe-eval does, whose own case is in the tests in a page.
    const code = `const { Module } = WebAssembly\nWebAssembly.Module = class { constructor() { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder') } }\n${program.replace('import {', 'const {').replace("from 'equigrad'", "= await import('equigrad')")}`
    expect(run([], code).error).toMatch(/expected a host that compiles WebAssembly, got a refusal \(Wasm code generation disallowed by embedder\)\. A page's Content-Security-Policy must have 'wasm-unsafe-eval'/)
  })
})
