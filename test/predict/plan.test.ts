// The plan's version and the binary hold to the kernel table.
import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { sha256Hex } from '../../src/core/hash.js'
import { kernelTable } from '../../src/compiler/kernels.js'
import { FORWARD, PLAN_VERSION } from '../../src/compiler/packed.js'

it('a change of a kernel\'s words is a change of the version', () => {
  const words = FORWARD.map((name) => `${name} ${kernelTable[name].words.join(' ')}`).join('\n')
  // Files of before cannot be run then: raise PLAN_VERSION, and write the new pair here.
  expect([PLAN_VERSION, sha256Hex(words).slice(0, 16)]).toMatchInlineSnapshot(`
    [
      1,
      "f6e4e1097be0bbc1",
    ]
  `)
})
it('the word of gather that says a type is where a reader of plans writes it', () => {
  expect(kernelTable.gather.words.indexOf('sourceType')).toBe(5)
})
it('the binary that predicts exports these kernels, and nothing of the host', () => {
  const module = new WebAssembly.Module(readFileSync(new URL('../../build/predict.wasm', import.meta.url)))
  expect(WebAssembly.Module.imports(module)).toEqual([])
  const functions = WebAssembly.Module.exports(module).filter(({ kind }) => kind === 'function').map(({ name }) => name)
  expect(functions.sort()).toEqual([...FORWARD, 'heap_base', 'run_alone'].sort())
})
