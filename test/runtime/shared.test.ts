// The binary for lanes: the same bytes with a shared memory that is imported.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { kernelNames, kernelNumber } from '../../src/runtime/binary.js'
import { withSharedImport, withSharedMemory } from '../../src/runtime/shared.js'

const plain = new Uint8Array(readFileSync('build/kernels.wasm'))
const shared = withSharedMemory(plain)

test('exports the same, imports its memory', () => {
  const [a, b] = [new WebAssembly.Module(plain), new WebAssembly.Module(shared)]
  expect(WebAssembly.Module.exports(b)).toEqual(WebAssembly.Module.exports(a))
  expect(WebAssembly.Module.imports(a)).toEqual([])
  expect(WebAssembly.Module.imports(b)).toEqual([{ module: 'env', name: 'memory', kind: 'memory' }])
})

test('all other bytes are the same', () => {
  // The import stands behind the types, the memory section is gone: what is before and after both is untouched.
  const tail = plain.length - 4096
  expect(shared.subarray(shared.length - 4096)).toEqual(plain.subarray(tail))
  expect(shared.subarray(0, 8)).toEqual(plain.subarray(0, 8))
})

test('runs on shared memory of any limit, and on no other', () => {
  const module = new WebAssembly.Module(shared)
  for (const maximum of [65536, 1000, 1]) {
    const memory = new WebAssembly.Memory({ initial: 1, maximum, shared: true })
    expect(new WebAssembly.Instance(module, { env: { memory } }).exports['memory']).toBe(memory)
  }
  expect(() => new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1, maximum: 1 }) } })).toThrow(WebAssembly.LinkError)
})

test('kernels are numbered from 1: a program that names none calls nothing', () => {
  expect(kernelNames.map(kernelNumber)).toEqual(kernelNames.map((_, i) => i + 1))
})

test('a module beside it: the same but for one flag, and on shared memory only', () => {
  const own = new Uint8Array(readFileSync('build/int8.wasm'))
  const patched = withSharedImport(own)
  expect(patched.length).toBe(own.length)
  expect(own.reduce((count, byte, i) => count + (byte === patched[i] ? 0 : 1), 0)).toBe(1)
  if (!WebAssembly.validate(own)) return
  const module = new WebAssembly.Module(patched)
  for (const maximum of [65536, 1000, 1]) new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1, maximum, shared: true }) } })
  expect(() => new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1, maximum: 1 }) } })).toThrow(WebAssembly.LinkError)
})
