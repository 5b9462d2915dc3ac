// Kernels that a caller gives, and hosts that give none: each wrong one is refused by an error that names the cause and the remedy.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { dense, save, sequential, useKernels } from '../../src/index.js'
import { load, useKernels as usePredictKernels } from '../../src/predict.js'
import { ANSWERS, digest } from '../../src/runtime/self-test.js'
import { sourceOptions } from '../support/bundle.js'

const wasm = readFileSync('build/kernels.wasm')
/** A module that another realm has compiled: no instance of this one's WebAssembly.Module. */
const foreign = (bytes: Uint8Array): WebAssembly.Module => runInNewContext('new WebAssembly.Module(bytes)', { bytes }) as WebAssembly.Module
const predict = (): Float32Array => sequential([dense(3, { activation: 'tanh' })], { input: [5], seed: 7 }).predictSync(Float32Array.of(1, -2, 3, -4, 5)).data

test.each(['kernels', 'predict'])('the known answer of %s.wasm is this version\'s', (name) => {
  const found = (): number => digest(new WebAssembly.Instance(new WebAssembly.Module(readFileSync(`build/${name}.wasm`))).exports)
  expect(found()).toBe(found())
  expect(ANSWERS, `the kernels' bits have changed: ${found()} stands in ANSWERS of self-test.ts now`).toContain(found())
})

test('a module and bytes of any view compute what the inlined kernels do', () => {
  const own = predict()
  const shifted = new Uint8Array(wasm.length + 3)
  shifted.set(wasm, 3)
  expect(foreign(wasm)).not.toBeInstanceOf(WebAssembly.Module)
  for (const source of [new WebAssembly.Module(wasm), foreign(wasm), wasm, Uint8Array.from(wasm).buffer, new DataView(shifted.buffer, 3)]) {
    useKernels(source)
    expect(predict()).toEqual(own)
  }
})

/** A binary with one bit of its data or code changed: the names are right, what is computed is not. */
function damaged(bytes: Uint8Array, computed: (exports: WebAssembly.Exports) => number): Uint8Array<ArrayBuffer> {
  const computedBy = (module: Uint8Array<ArrayBuffer>): number => { try { return computed(new WebAssembly.Instance(new WebAssembly.Module(module)).exports) } catch { return NaN } }
  const want = computedBy(Uint8Array.from(bytes))
  for (let at = bytes.length - 8; at > 0; at--) {
    const other = Uint8Array.from(bytes)
    other[at] = (other[at] ?? 0) ^ 1
    if (!WebAssembly.validate(other)) continue
    const found = computedBy(other)
    if (!Number.isNaN(found) && found !== want) return other
  }
  throw new Error('no place changes it')
}
type Numbers = (...x: readonly number[]) => number
const pow = ({ f64_pow: f }: WebAssembly.Exports): number => (f as Numbers)(2.5, 3.5)
/** The first of softmax([0, 1, …, 7]). */
function softmax({ memory, heap_base: heapBase, f32_softmax: f }: WebAssembly.Exports): number {
  const { buffer } = memory as WebAssembly.Memory, at = Math.ceil((heapBase as Numbers)() / 64) * 64
  new Int32Array(buffer, at, 4).set([at + 64, at + 128, 1, 8])
  const x = new Float32Array(buffer, at + 64, 8), y = new Float32Array(buffer, at + 128, 8)
  x.forEach((_, i) => { x[i] = i })
  ;(f as Numbers)(at, at + 192, 0, 1)
  return y[0] ?? NaN
}

/** A module of these exports, whose functions all give 0. */
function idle(functions: readonly string[]): Uint8Array<ArrayBuffer> {
  const leb = (x: number): readonly number[] => (x < 128 ? [x] : [(x & 127) | 128, ...leb(x >>> 7)])
  const section = (id: number, body: readonly number[]): readonly number[] => [id, ...leb(body.length), ...body]
  const named = (name: string, kind: number): readonly number[] => [name.length, ...Buffer.from(name), kind, 0]
  const exported = [...functions.map((name) => named(name, 0)), named('memory', 2), named('table', 1)]
  return Uint8Array.from([
    0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...section(1, [1, 0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f]), ...section(3, [1, 0]), ...section(4, [1, 0x70, 0, 1]), ...section(5, [1, 0, 1]),
    ...section(7, [...leb(exported.length), ...exported.flat()]), ...section(10, [1, 4, 0, 0x41, 0, 0x0b]),
  ])
}
const functionsOf = (bytes: Uint8Array<ArrayBuffer>): readonly string[] => WebAssembly.Module.exports(new WebAssembly.Module(bytes)).filter(({ kind }) => kind === 'function').map(({ name }) => name)

describe('refused, with nothing changed:', () => {
  const own = predict()
  const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /^useKernels: expected a WebAssembly\.Module, or its bytes, got undefined/],
    ['a path', 'kernels.wasm', /expected a WebAssembly\.Module, or its bytes, got "kernels\.wasm"/],
    ['bytes that are no module', new Uint8Array(9), /expected the bytes of a WebAssembly module, got 9 bytes/],
    ['an empty module', new WebAssembly.Module(empty), /expected the kernels of this version, got a module without f32_gemm and \d+ more\. Pass equigrad\/kernels\.wasm/],
    ['a module of other kernels', readFileSync('build/peak.wasm'), /a module without f32_gemm/],
    ['a module that needs a memory', readFileSync('build/int8.wasm'), /a module that imports env\.memory|WebAssembly SIMD/],
    ['fewer bytes than a module begins with', new Uint8Array(3), /expected the bytes of a WebAssembly module, got 3 bytes/],
    ['those that only predict', readFileSync('build/predict.wasm'), /a module without \w+ and \d+ more\. Pass equigrad\/kernels\.wasm/],
    ['kernels that compute something else', damaged(wasm, pow), /a module with their names that computes something else\. Pass equigrad\/kernels\.wasm/],
    ['kernels that compute nothing', idle(functionsOf(wasm)), /a module with their names that computes something else/],
  ]
  test.each(cases)('%s', (_, source, why) => {
    // the types refuse most of these
    expect(() => { Reflect.apply(useKernels, undefined, [source]) }).toThrow(why)
    expect(predict()).toEqual(own)
  })
})

describe('equigrad/predict takes kernels too', () => {
  const own = readFileSync('build/predict.wasm'), file = save(sequential([dense(3, { activation: 'tanh' })], { input: [5], seed: 7 }))
  const alone = (): Float32Array => load(file).predictSync(Float32Array.of(1, -2, 3, -4, 5)).data
  // The whole package's binary has all that a prediction calls.
  test.each([['a module', new WebAssembly.Module(own)], ['a module of another realm', foreign(own)], ['bytes', own], ["the whole package's", wasm]])('%s', (_, source) => {
    usePredictKernels(source)
    expect(alone()).toEqual(predict())
  })
  const cases: readonly (readonly [string, unknown, RegExp])[] = [
    ['nothing', undefined, /^useKernels: expected a WebAssembly\.Module, or its bytes, got undefined/],
    ['bytes that are no module', new Uint8Array(3), /expected the bytes of a WebAssembly module, got 3 bytes/],
    ['a module of other kernels', readFileSync('build/peak.wasm'), /expected the kernels of this version, got a module without f32_gemm and \d+ more\. Pass equigrad\/predict\.wasm/],
    ['a module that needs a memory', readFileSync('build/int8.wasm'), /a module that imports env\.memory|WebAssembly SIMD/],
    ['kernels that compute something else', damaged(own, softmax), /a module with their names that computes something else\. Pass equigrad\/predict\.wasm/],
    ["the whole package's that compute something else", damaged(wasm, softmax), /a module with their names that computes something else/],
    ['kernels that compute nothing', idle(functionsOf(own)), /a module with their names that computes something else/],
  ]
  test.each(cases)('but not %s', (_, source, why) => {
    expect(() => { Reflect.apply(usePredictKernels, undefined, [source]) }).toThrow(why)
    expect(alone()).toEqual(predict())
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
  test('no memory for a model that only predicts', () => {
    writeFileSync('build/source/large.safetensors', save(sequential([dense(1024)], { input: [1024] })))
    const code = "import { readFileSync } from 'node:fs'; import { load } from 'equigrad/predict'; load(readFileSync('build/source/large.safetensors'))"
    expect(run(['--wasm-max-mem-pages=100'], code).error).toMatch(/RuntimeError: load: expected \d+ bytes of WebAssembly memory, got a limit below that\. Use a smaller model/)
  })
  test('no leave to compile', () => {
    // What a Content-Security-Policy without wasm-unsafe-eval does, whose own case is in the tests in a page.
    const code = `const { Module } = WebAssembly\nWebAssembly.Module = class { constructor() { throw new WebAssembly.CompileError('Wasm code generation disallowed by embedder') } }\n${program.replace('import {', 'const {').replace("from 'equigrad'", "= await import('equigrad')")}`
    expect(run([], code).error).toMatch(/expected a host that compiles WebAssembly, got a refusal \(Wasm code generation disallowed by embedder\)\. A page's Content-Security-Policy must have 'wasm-unsafe-eval'/)
  })
})

/** A Node with relaxed SIMD: this one, or one that is installed. */
const relaxedNode = WebAssembly.validate(readFileSync('build/int8.wasm')) ? process.execPath : ['node26', 'node24'].map((name) => `test/runtimes/node_modules/${name}/bin/node`).find((path) => existsSync(path))
describe.runIf(relaxedNode !== undefined)('relaxed kernels that a caller gives', async () => {
  const options = await sourceOptions()
  /** What a process says of its kernels and lanes that gave these. */
  const ask = (given: string, lanes = 1): unknown => {
    const code = `import { createStore, dense, loadInt8, sequential, useKernels } from 'equigrad'
      import { readFileSync } from 'node:fs'
      const bytes = (name) => readFileSync('build/' + name + '.wasm'), module = (name) => new WebAssembly.Module(bytes(name))
      useKernels(bytes('kernels'), ${given})
      const int8 = await loadInt8(), model = sequential([dense(2)], { input: [2], store: createStore({ fast: true, lanes: ${lanes} }) })
      await model.predict(new Float32Array(2))
      console.log(JSON.stringify({ int8, ...model.runtime, int8: model.runtime.int8 }))
      process.exit()`
    const { stdout, stderr } = spawnSync(relaxedNode ?? '', ['--no-warnings', ...options, '--input-type=module', '--eval', code], { encoding: 'utf8', cwd: process.cwd() })
    return stderr === '' ? JSON.parse(stdout) : stderr
  }
  const relaxed = { path: 'relaxed', reason: '' }
  test.each(["{ int8: bytes('int8'), fast: bytes('fast') }", "{ int8: module('int8'), fast: module('fast') }", '{}'])('are used: %s', (given) => { expect(ask(given)).toMatchObject({ int8: relaxed, fast: relaxed }) })
  test('are used by lanes if they are bytes', () => { expect(ask("{ int8: bytes('int8'), fast: bytes('fast') }", 2)).toMatchObject({ lanes: 2, int8: relaxed, fast: relaxed }) })
  test('keep lanes from starting if they are compiled', () => {
    expect(ask("{ fast: module('fast') }", 2)).toMatchObject({ lanes: 1, fast: relaxed, reason: expect.stringMatching(/^one lane: a worker did not start: useKernels: expected the bytes of equigrad\/fast\.wasm for lanes, got a compiled module/) as string })
  })
  test('are left alone if they are others', () => {
    expect(ask("{ int8: module('fast'), fast: module('int8') }")).toMatchObject({
      int8: { path: 'i16', reason: expect.stringMatching(/^int8: the faster kernels could not be loaded \(useKernels: expected equigrad\/int8\.wasm of this version, got a module without qs8_pack_u7\.\); useKernels/) as string },
      fast: { path: 'baseline', reason: expect.stringMatching(/^fast: the faster kernels could not be loaded \(useKernels: expected equigrad\/fast\.wasm of this version, got a module without f32_gemm\.\); useKernels/) as string },
    })
  })
  test.each([["{ int8: 'int8.wasm' }", /TypeError: useKernels: expected a WebAssembly\.Module, or its bytes, got "int8\.wasm"/], ['{ int9: 1 }', /TypeError: useKernels: expected options among int8, fast, got 'int9'\. Did you mean 'int8'/]])('are refused at once: %s', (given, why) => { expect(ask(given)).toMatch(why) })
})
