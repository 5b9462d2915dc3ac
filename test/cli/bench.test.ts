// `equigrad bench`: what it prints, not how fast it is.
import { describe, expect, it } from 'vitest'
import { equigrad } from './support.js'

interface Printed { readonly version: string; readonly processor: string; readonly runtime: string; readonly peak: number; readonly rows: readonly { readonly name: string; readonly rate: { readonly median: number; readonly min: number; readonly max: number }; readonly share: number | null }[] }

describe('equigrad bench', () => {
  it('prints one line of JSON with --json', async () => {
    const { code, out, err } = await equigrad(['bench', '--json', '--rounds', '1'])
    expect({ code, err, lines: out.split('\n').length }).toEqual({ code: 0, err: '', lines: 2 })
    const { runtime, peak, rows } = JSON.parse(out) as Printed
    expect(runtime).toBe(`Node ${process.versions.node}`)
    expect(peak).toBeGreaterThan(0)
    expect(rows.map(({ name }) => name.replace(/\(.*\)/, '()'))).toEqual([
      'training 784-64-64-10, Adam, batch 128', 'training 784-512-512-10, Adam, batch 128',
      'prediction 784-512-512-10, batch 1, f32', 'prediction 784-512-512-10, batch 1, int8 ()', 'prediction 784-512-512-10, batch 64, f32', 'prediction 784-512-512-10, batch 64, int8 ()',
    ])
    for (const { name, rate, share } of rows) {
      expect(rate.min).toBeGreaterThan(0)
      expect(rate.min <= rate.median && rate.median <= rate.max).toBe(true)
      if (name.includes('int8')) expect(share).toBe(null)
      else expect(share).toBeGreaterThan(0)
    }
  })
  it('names processor and runtime above the table, and stops when it is told to', async () => {
    const controller = new AbortController()
    const { code, out } = await equigrad(['bench', '--rounds', '1'], { signal: controller.signal, onWrite: (text) => { if (text.includes('samples/s')) controller.abort() } })
    expect(code).toBe(130)
    expect(out).toContain(`Node ${process.versions.node}`)
    expect(out).not.toContain('training')
  })
  it.each([['--rounds', '2'], ['--rounds', '0'], ['--rounds', 'x'], ['--fast']])('refuses %s %s', async (...args) => {
    const { code, out, err } = await equigrad(['bench', ...args])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toMatch(/^equigrad: .+\n$/)
  })
})
