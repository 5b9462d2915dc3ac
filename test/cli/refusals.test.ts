// What the command refuses: one line on stderr, exit code 2, nothing written; and what it says of itself.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { writeIdx } from '../../src/data/index.js'
import { directory, equigrad, idxFiles, temporary } from './support.js'

/** Runs `train` into a directory that must not appear. */
async function refused(args: readonly string[]): Promise<string> {
  const out = join(temporary(), 'out')
  const { code, err } = await equigrad(['train', '--out', out, ...args])
  expect(code).toBe(2)
  expect(err).toMatch(/^equigrad: [^\n]+\n$/)
  expect(existsSync(out)).toBe(false)
  return err
}

describe('arguments', () => {
  it.each([
    ['--epochs 0', 'whole number from 1'], ['--epochs 2.5', 'whole number from 1'], ['--epochs', 'argument missing'],
    ['--batch 0', 'whole number from 1, or full'], ['--batch -3', 'whole number from 1, or full'], ['--batch many', 'or full'],
    ['--layers 64,', 'such as 64,64'], ['--layers 0', 'such as 64,64'], ['--layers 1e3', 'such as 64,64'], ['--layers 99999999999', 'dense: units'],
    ['--optimizer adm', 'sgd, rmsprop, adam, adamw'], ['--rate 0', 'above 0'], ['--rate fast', 'above 0'], ['--rate 1e999', 'above 0'],
    ['--seed -1', 'whole number from 0'], ['--seed 99999999999999999999', 'whole number from 0'],
    ['--validation 1', 'below 1'], ['--validation -0.1', 'below 1'], ['--epoch 3', 'Did you mean --epochs?'], ['more', 'too many arguments'],
  ])('%s', async (args, says) => { expect(await refused(args.split(' '))).toContain(says) })

  it('a place for files that is a file, or below one', async () => {
    const file = join(temporary(), 'file')
    writeFileSync(file, 'mine')
    for (const out of [file, join(file, 'x', 'y')]) {
      const { code, err } = await equigrad(['train', '--out', out])
      expect(code).toBe(2)
      expect(err).toBe(`equigrad: --out: ${file} is not a directory\n`)
    }
    expect(readFileSync(file, 'utf8')).toBe('mine')
  })

  it('commands that are not', async () => {
    const { code, err } = await equigrad(['trian'])
    expect(code).toBe(2)
    expect(err).toBe("equigrad: unknown command 'trian' (Did you mean train?)\n")
  })

  it('no command: the help, on stderr', async () => {
    const { code, out, err } = await equigrad([])
    expect([code, out]).toEqual([2, ''])
    expect(err).toContain('Usage: equigrad')
  })
})

describe('data', () => {
  const withFile = (name: string, bytes: Uint8Array): string => directory({ ...idxFiles(), [name]: bytes })
  const images = 'train-images-idx3-ubyte'
  const labels = 'train-labels-idx1-ubyte'

  it('no such directory, or a file', async () => {
    expect(await refused(['--data', '/nowhere/at/all'])).toContain('/nowhere/at/all is not a directory')
    expect(await refused(['--data', join(directory(idxFiles()), images)])).toContain('is not a directory')
  })

  it.each(Object.keys(idxFiles()))('without %s', async (name) => {
    const { [name]: _, ...others } = idxFiles()
    expect(await refused(['--data', directory(others)])).toContain(`has no ${name} (or .gz)`)
  })

  it('a file that is a directory', async () => {
    const { [images]: _, ...others } = idxFiles()
    const dir = directory(others)
    mkdirSync(join(dir, images))
    expect(await refused(['--data', dir])).toContain(`cannot read ${join(dir, images)}: it is a directory`)
  })

  it('truncated, damaged, or none of the format', async () => {
    const whole = idxFiles()[images] ?? new Uint8Array()
    expect(await refused(['--data', withFile(images, whole.slice(0, -1))])).toMatch(/train-images-idx3-ubyte: readIdx: .*truncated/)
    expect(await refused(['--data', withFile(images, Uint8Array.of(1, 2, 3, 4, 5))])).toContain('Is this an IDX file?')
    expect(await refused(['--data', withFile(images, Uint8Array.of(0x1f, 0x8b, 8, 0))])).toContain('gzip')
    expect(await refused(['--data', withFile(images, new Uint8Array())])).toContain('truncated')
  })

  it('images that are none', async () => {
    expect(await refused(['--data', withFile(images, writeIdx(new Uint8Array(200)))])).toContain('these are uint8 of shape [200]')
    expect(await refused(['--data', withFile(images, writeIdx(new Float32Array(800), [200, 2, 2]))])).toContain('these are float32 of shape [200, 2, 2]')
    expect(await refused(['--data', withFile(images, writeIdx(new Uint8Array(0), [0, 12, 12]))])).toContain('no images')
    expect(await refused(['--data', withFile(images, writeIdx(new Uint8Array(200 * 9), [200, 3, 3]))])).toContain('images of 12 × 12, but those to train on are 3 × 3')
  })

  it('labels that do not fit', async () => {
    expect(await refused(['--data', withFile(labels, writeIdx(new Uint8Array(199)))])).toContain('199 labels for 200 images')
    expect(await refused(['--data', withFile(labels, writeIdx(new Float32Array(200)))])).toContain('these are float32 of shape [200]')
    expect(await refused(['--data', withFile(labels, writeIdx(new Int32Array(200).fill(-1)))])).toContain('label 0 is -1')
    expect(await refused(['--data', withFile(labels, writeIdx(new Int32Array(200).fill(1e9)))])).toContain('at most 4095')
    const zeros = { ...idxFiles(), [labels]: writeIdx(new Uint8Array(200)), 't10k-labels-idx1-ubyte': writeIdx(new Uint8Array(100)) }
    expect(await refused(['--data', directory(zeros)])).toContain('nothing to tell apart')
  })

  it('too few samples to keep some back', async () => {
    expect(await refused(['--data', directory(idxFiles()), '--validation', '0.999'])).toContain('fit.validationSplit')
  })
})

describe('help', () => {
  it('says what training does, its options with defaults, examples and exit codes', async () => {
    const { code, out, err } = await equigrad(['train', '--help'])
    expect([code, err]).toEqual([0, ''])
    for (const text of ['Usage: equigrad train [options]', 'SHA-256', '--data <dir>', '(default: 64,64)', '(default: 10)', '(default: 128)', 'default: "adam"', '(default: 0.1)', '"equigrad-run"', '--no-report', 'Examples:', 'Ctrl-C', '130']) expect(out).toContain(text)
    for (const line of out.split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  it('lists the commands', async () => {
    const { code, out } = await equigrad(['--help'])
    expect(code).toBe(0)
    expect(out).toMatch(/^ {2}train /m)
  })

  it('prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { readonly version: string }
    expect(await equigrad(['--version'])).toEqual({ code: 0, out: `${version}\n`, err: '' })
  })
})
