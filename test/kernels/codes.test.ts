// What the host and the kernels must agree on: src/core/codes.ts and src/compiler/kernels.ts against the text of assembly/codes.ts.
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import * as kernels from '../../src/compiler/kernels.js'
import * as codes from '../../src/core/codes.js'

const text = readFileSync(new URL('../../assembly/codes.ts', import.meta.url), 'utf8').replace(/\/\*\*.*?\*\/|\/\/.*/g, '')

/** The numbers of one namespace: name = integer, all of them. */
function namespace(name: string): Record<string, number> {
  const body = new RegExp(`export namespace ${name} \\{([^}]*)\\}`).exec(text)?.[1] ?? ''
  return Object.fromEntries([...body.matchAll(/(\w+) = (-?\d+)/g)].map(([, key, value]) => [key ?? '', Number(value)]))
}

test.each([
  ['Unary', codes.unaryCode], ['Binary', codes.binaryCode], ['Reduce', codes.reduceCode],
  ['DType', codes.dtypeCode], ['Random', codes.randomCode], ['Clip', codes.clipCode],
] as const)('%s', (name, expected) => {
  expect(namespace(name)).toEqual(expected)
  expect(new Set(Object.values(expected)).size).toBe(Object.keys(expected).length)
})

test('every namespace is compared', () => {
  expect([...text.matchAll(/namespace (\w+)/g)].map(([, name]) => name)).toEqual(['Unary', 'Binary', 'Reduce', 'DType', 'Random', 'Clip'])
})

test('sizes of tiles and chunks', () => {
  const sizes = Object.fromEntries([...text.matchAll(/^export const (\w+): i32 = (\d+)/gm)].map(([, key, value]) => [key ?? '', Number(value)]))
  expect(Object.keys(sizes)).toEqual(expect.arrayContaining(['KC', 'KB', 'GEMM_ROWS', 'GEMM_COLUMNS', 'PANEL', 'ELEMENTS', 'ROWS', 'COLUMNS']))
  expect(kernels).toMatchObject(sizes)
})

test('no activation is no code', () => {
  expect(Object.values(codes.unaryCode)).not.toContain(codes.NO_ACTIVATION)
})
