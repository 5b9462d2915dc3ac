// What hosts differ in: here one like Next's edge runtime, which has Node's functions by name, and each throws.
import { afterEach, expect, test, vi } from 'vitest'
import { cores, threads } from '../../src/runtime/platform/host.js'
import { pause } from '../../src/runtime/platform/pause.js'
import { lacking } from '../../src/runtime/platform/workers.js'

const refuse = (): never => { throw new Error('a Node.js API is used') }
afterEach(() => { vi.unstubAllGlobals() })

/** Did other work of the event loop go on before a pause was over? */
async function givesATurn(): Promise<boolean> {
  let turned = false
  setTimeout(() => { turned = true }, 0)
  for (const start = performance.now(); performance.now() - start < 2;);
  // A timer that is due goes first, or after one turn more.
  await pause()
  await pause()
  return turned
}

test.each([
  ['setImmediate', {}],
  ['a message', { setImmediate: undefined }],
  ['a timer, where messages throw', { setImmediate: undefined, MessageChannel: refuse }],
  ['a timer, where all else throws', { setImmediate: refuse, MessageChannel: refuse }],
  ['a timer, where there is nothing else', { setImmediate: undefined, MessageChannel: undefined }],
])('a pause gives a turn by %s', async (_, globals) => {
  for (const [name, value] of Object.entries(globals)) vi.stubGlobal(name, value)
  expect(await givesATurn()).toBe(true)
})

test("Node's modules, where asking for them throws, are not there", () => {
  expect(threads()).toBeDefined()
  vi.stubGlobal('process', { getBuiltinModule: refuse })
  vi.stubGlobal('Worker', undefined)
  vi.stubGlobal('navigator', { hardwareConcurrency: 3 })
  const found = { threads: threads(), cores: cores(), lacking: lacking(threads()) }
  vi.unstubAllGlobals()
  expect(found).toEqual({ threads: undefined, cores: 3, lacking: 'no workers' })
})
