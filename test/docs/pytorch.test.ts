// What docs/migrating.md says of PyTorch's weights: its code, run on states and outputs that PyTorch 1.13 wrote (pytorch.json), gives those outputs.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import * as equigrad from '../../src/index.js'

interface Numbers { readonly data: readonly number[]; readonly shape: readonly number[] }
interface Case { readonly state: Readonly<Record<string, Numbers>>; readonly x: Numbers; readonly y: Numbers }

const cases = JSON.parse(readFileSync('test/docs/pytorch.json', 'utf8')) as Readonly<Record<string, Case>>
const code = /## PyTorch's weights[\s\S]*```ts\n([\s\S]*?)```/.exec(readFileSync('docs/migrating.md', 'utf8'))?.[1] ?? ''
const run: unknown = Reflect.construct(Function, [...Object.keys(equigrad), `${code.replace(/^import .*$/gm, '')}\nreturn { fromPyTorch, permute }`])
if (typeof run !== 'function') throw new Error('no code')
const { fromPyTorch, permute } = run(...Object.values(equigrad)) as {
  readonly fromPyTorch: Readonly<Record<string, (state: Case['state']) => { predictSync(x: Float32Array): { readonly data: Float32Array } }>>
  readonly permute: (x: Numbers, order: readonly number[]) => Numbers
}

describe('PyTorch\'s weights', () => {
  it('each model of the page is compared', () => { expect(Object.keys(cases)).toEqual(Object.keys(fromPyTorch)) })
  it.each(Object.entries(cases))('%s gives PyTorch\'s outputs', (name, { state, x, y }) => {
    const rows = x.shape.length === 4 ? permute(x, [0, 2, 3, 1]) : x
    const got = fromPyTorch[name]?.(state).predictSync(Float32Array.from(rows.data)).data ?? new Float32Array()
    expect(got.length).toBe(y.data.length)
    // Outputs were written with six digits; sums of tens of products differ by their order.
    got.forEach((value, i) => { expect(Math.abs(value - (y.data[i] ?? NaN))).toBeLessThan(3e-6) })
  })
})
