// `equigrad predict`: a saved model, f32 or int8, on the samples of files.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { readIdx, writeIdx } from '../../src/data/index.js'
import { quantize } from '../../src/compress/index.js'
import { dense, save, sequential } from '../../src/index.js'
import { directory, equigrad, idxFiles } from './support.js'

const WIDTH = 144
const files = idxFiles()
const images = readIdx(files['t10k-images-idx3-ubyte'] ?? new Uint8Array()).data as Uint8Array
const model = sequential([dense(8, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: { shape: [WIDTH], dtype: 'u8', scale: 1 / 255 }, seed: 3 })
const numbers = sequential([dense(2)], { input: [3], seed: 1 })

async function folder(): Promise<string> {
  const int8 = await quantize(model, { calibration: images })
  const dir = directory({ ...files, 'm.safetensors': save(model), 'int8.safetensors': save(int8), 'n.safetensors': save(numbers) })
  writeFileSync(join(dir, 'x.csv'), '1, 2, 3\n-4;5 6.5\n')
  writeFileSync(join(dir, 'x.json'), '[[1, 2, 3], [-4, 5, 6.5]]')
  writeFileSync(join(dir, 'x.f32'), writeIdx(Float32Array.of(1, 2, 3, -4, 5, 6.5), [2, 3]))
  writeFileSync(join(dir, 'images.gz'), gzipSync(files['t10k-images-idx3-ubyte'] ?? new Uint8Array()))
  return dir
}

describe('equigrad predict', () => {
  it('names the class of each image, from IDX plain and packed, in f32 and int8', async () => {
    const dir = await folder(), at = (name: string): string => join(dir, name)
    const p = model.predictSync(images), classes = p.argMax()
    const plain = await equigrad(['predict', at('m.safetensors'), at('t10k-images-idx3-ubyte')])
    expect({ code: plain.code, err: plain.err }).toEqual({ code: 0, err: '' })
    const lines = plain.out.trimEnd().split('\n')
    expect(lines.map((line) => line.split(/\s+/).slice(0, 2).map(Number))).toEqual(Array.from(classes, (c, i) => [i, c]))
    expect((await equigrad(['predict', at('m.safetensors'), at('images.gz')])).out).toBe(plain.out)
    const int8 = await equigrad(['predict', at('int8.safetensors'), at('images.gz'), '--json'])
    const small = await (await quantize(model, { calibration: images })).predict(images)
    expect((JSON.parse(int8.out) as { predictions: number[][] }).predictions.flat()).toEqual(Array.from(small.data))
  })
  it('reads numbers from text, JSON and IDX alike, and prints all of them where they are no probabilities', async () => {
    const dir = await folder(), at = (name: string): string => join(dir, name)
    const want = numbers.predictSync(Float32Array.of(1, 2, 3, -4, 5, 6.5)).data
    for (const name of ['x.csv', 'x.json', 'x.f32']) {
      const { code, out } = await equigrad(['predict', at('n.safetensors'), at(name)])
      expect({ name, code, out }).toEqual({ name, code: 0, out: `0  ${want[0]} ${want[1]}\n1  ${want[2]} ${want[3]}\n` })
    }
    const two = await equigrad(['predict', at('n.safetensors'), at('x.csv'), at('x.json')])
    expect(two.out.split('\n').map((line) => line.split(' ')[0])).toEqual([at('x.csv'), at('x.csv'), at('x.json'), at('x.json'), ''])
  })
  it('blames what is at fault: one line on stderr, exit code 2', async () => {
    const dir = await folder(), at = (name: string): string => join(dir, name)
    writeFileSync(at('bad.csv'), '1,2,x\n')
    writeFileSync(at('bad.json'), '[[1, "a"]]')
    writeFileSync(at('short.csv'), '1,2\n')
    const cases: readonly [readonly string[], RegExp][] = [
      [['predict'], /argument/], [['predict', at('m.safetensors')], /argument/],
      [['predict', at('none'), at('x.csv')], /none: it does not exist/],
      [['predict', at('x.csv'), at('x.csv')], /x\.csv: .*expected/],
      [['predict', at('n.safetensors'), at('bad.csv')], /line 1: expected numbers, got 'x'/],
      [['predict', at('n.safetensors'), at('bad.json')], /expected arrays of numbers, got "a"/],
      [['predict', at('n.safetensors'), at('short.csv')], /short\.csv: .*expected/],
      [['predict', at('n.safetensors'), at('m.safetensors')], /m\.safetensors: /],
    ]
    for (const [args, why] of cases) {
      const { code, out, err } = await equigrad(args)
      expect({ args, code, out }).toEqual({ args, code: 2, out: '' })
      expect(err).toMatch(why)
      expect(err).toMatch(/^equigrad: .+\n$/)
    }
  })
})
