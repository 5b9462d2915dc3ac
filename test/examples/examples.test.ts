// Each example in a short form, on the source: it runs, says something, and does what it shows.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { run as characters } from '../../examples/characters.mjs'
import { run as gan } from '../../examples/gan.mjs'
import { run as penalty } from '../../examples/gradient-penalty.mjs'
import { one, run as processes, two } from '../../examples/processes.mjs'
import { run as transfer } from '../../examples/transfer.mjs'
import { sourceOptions } from '../support/bundle.js'

it('gan', async () => {
  const lines: string[] = []
  const { losses } = await gan({ steps: 30, batch: 16, samples: 200, log: (line) => lines.push(line) })
  expect(lines.length).toBe(10 + 14)
  expect(losses.judged).toBeLessThan(1.5)
  expect(Number.isFinite(losses.made)).toBe(true)
})

it('transfer', async () => {
  const lines: string[] = []
  const { transferred, random } = await transfer({ samples: 1200, few: 60, epochs: 6, log: (line) => lines.push(line) })
  expect(lines.length).toBe(1)
  // what the base has learned from other digits helps
  expect(transferred).toBeGreaterThan(random)
})

it('gradient penalty', async () => {
  const lines: string[] = []
  const first = await penalty({ steps: 5, log: (line) => lines.push(line) })
  const last = await penalty({ steps: 120, log: (line) => lines.push(line) })
  expect(last.loss).toBeLessThan(first.loss / 2)
  expect(last.deviation).toBeLessThan(first.deviation)
})

it('characters', async () => {
  const lines: string[] = []
  const text = 'a rose is a rose is a rose is a rose. '.repeat(8)
  const options = { text, units: 24, steps: 16, streams: 4, passes: 40, start: 'a rose', length: 30, log: (line: string) => lines.push(line) }
  const { losses, written } = await characters(options)
  expect(lines.length).toBe(10 + 1)
  // letters by how often they come are worth more than two nats
  expect(losses.at(-1)).toBeLessThan(0.7)
  expect(losses.at(-1)).toBeLessThan((losses[0] ?? 0) / 3)
  expect(written.startsWith('a rose')).toBe(true)
  expect(written.length).toBe('a rose'.length + 30)
  expect((await characters(options)).written).toBe(written)
})

describe('processes', async () => {
  const short = { samples: 110, epochs: 2, batchSize: 20, shards: 5, units: 12 }
  const execArgv = await sourceOptions()

  it('one, two, and two of which one is killed train the same weights', async () => {
    const lines: string[] = []
    const { hashes } = await processes({ ...short, killAt: 4, execArgv, log: (line) => lines.push(line) })
    expect(hashes.length).toBe(3)
    expect(new Set(hashes).size).toBe(1)
    expect(hashes[0]).toMatch(/^[0-9a-f]{64}$/)
    expect(lines.length).toBe(3 + 1)
    expect(lines[0]).toMatch(/^step [4-6]: the other process is gone/)
  })

  it('one that is killed at the first or the last step is no loss either', async () => {
    const want = await one(short)
    for (const killAt of [1, 11, 12]) expect(await two(short, { killAt, execArgv, log: () => undefined })).toBe(want)
  })

  it('the child goes on when the process that started it is killed, and ends', async () => {
    const example = new URL('../../examples/processes.mjs', import.meta.url).href
    const code = `import { two } from '${example}'; await two(${JSON.stringify(short)}, { killAt: 5, kill: () => process.kill(process.pid, 'SIGKILL'), execArgv: ${JSON.stringify(execArgv)} })`
    const starter = spawn(process.execPath, [...execArgv, '--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const lines: string[] = []
    starter.stdout.setEncoding('utf8').on('data', (text: string) => lines.push(text))
    // closed when no process holds it any more: the child too has ended
    const [, signal] = await once(starter, 'close') as [number | null, string | null]
    expect(signal).toBe('SIGKILL')
    expect(lines.join('')).toMatch(/^step [4-6]: the other process is gone, .*\n[0-9a-f]{64} {2}the one that is left\n$/)
    expect(lines.join('')).toContain(await one(short))
  })

  it('replicas of another model or training are refused before the first step', async () => {
    const silent = { execArgv, log: () => undefined }
    await expect(two(short, { ...silent, theirs: { units: 13 } })).rejects.toThrow(/^replicas at step 0: expected the same graph, got [0-9a-f]{12}… here and [0-9a-f]{12}… there\.$/)
    await expect(two(short, { ...silent, theirs: { shards: 4 } })).rejects.toThrow(/the same recipe/)
  })
})
