// `equigrad doctor`: what it prints.
import { describe, expect, it } from 'vitest'
import { equigrad } from './support.js'

describe('equigrad doctor', () => {
  it('says that this machine gives the same bits', async () => {
    const { code, out, err } = await equigrad(['doctor'])
    expect({ code, err }).toEqual({ code: 0, err: '' })
    expect(out).toContain(`Node ${process.versions.node}`)
    expect(out).toMatch(/SIMD {7}yes/)
    expect(out).not.toContain('DIFFERS')
    expect(out.trimEnd().split('\n').pop()).toBe('This machine gives the same bits as all others.')
  })
  it('prints one line of JSON with --json', async () => {
    const { code, out } = await equigrad(['doctor', '--json'])
    const found = JSON.parse(out) as { readonly equal: boolean; readonly rows: readonly unknown[] }
    expect({ code, lines: out.split('\n').length, equal: found.equal }).toEqual({ code: 0, lines: 2, equal: true })
    expect(found.rows.length).toBeGreaterThan(5)
  })
})
