// Kernels that a caller gives, and hosts that give none: each wrong one is refused by an error that names the cause and the remedy.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { dense, save, sequential, useKernels } from '../../src/index.js'
import { load, useKernels as usePredictKernels } from '../../src/predict.js'
import { instantiate } from '../../src/runtime/binary.js'
import { digest, knowsTheAnswer } from '../../src/runtime/self-test.js'
import { sourceOptions } from '../support/bundle.js'

const wasm = readFileSync('build/kernels.wasm')
/** A module that another realm has compiled: no instance of this one's WebAssembly.Module. */
const foreign = (bytes: Uint8Array): WebAssembly.Module => runInNewContext('new WebAssembly.Module(bytes)', { bytes }) as WebAssembly.Module
const predict = (): Float32Array => sequential([dense(3, { activation: 'tanh' })], { input: [5], seed: 7 }).predictSync(Float32Array.of(1, -2, 3, -4, 5)).data

test("the known answer is this version's", () => {
  expect(digest(instantiate())).toBe(digest(instantiate()))
  expect(knowsTheAnswer(instantiate()), `the kernels' bits have changed: ANSWER in self-test.ts is ${digest(instantiate())} now`).toBe(true)
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
    ['fewer bytes than a module begins with', new Uint8Array(3), /expected the bytes of a WebAssembly module, got 3 bytes/],
    ['kernels that compute something else', damaged(), /a module with their names that computes something else\. Pass equigrad\/kernels\.wasm/],
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
    ['a module of other kernels', readFileSync('build/peak.wasm'), /expected the kernels of this version, got another module\. Pass equigrad\/predict\.wasm/],
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
      int8: { path: 'i16', reason: expect.stringMatching(/^int8: the faster kernels could not be loaded \(equigrad: the module int8 lacks qs8_pack_u7\); useKernels/) as string },
      fast: { path: 'baseline', reason: expect.stringMatching(/^fast: the kernels could not be loaded \(equigrad: the module fast lacks f32_gemm\); useKernels/) as string },
    })
  })
  test.each([["{ int8: 'int8.wasm' }", /TypeError: useKernels: expected a WebAssembly\.Module, or its bytes, got "int8\.wasm"/], ['{ int9: 1 }', /TypeError: useKernels: expected options among int8, fast, got 'int9'\. Did you mean 'int8'/]])('are refused at once: %s', (given, why) => { expect(ask(given)).toMatch(why) })
})
