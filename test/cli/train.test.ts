// `equigrad train` from command line to files: what it prints and writes, that it is the same each time, and how it stops.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, it } from 'vitest'
import { OPTIMIZERS } from '../../src/cli/train.js'
import { readIdx, writeIdx } from '../../src/data/index.js'
import { adam, adamW, load, rmsprop, sgd } from '../../src/index.js'
import { directory, equigrad, idxFiles, temporary, type Ran } from './support.js'

const hashIn = (text: string): string => /^ {10}([0-9a-f]{64})$/m.exec(text)?.[1] ?? ''

describe('--quantize', () => {
  it('saves an int8 model besides, and ends with one table of both', async () => {
    const [out, data] = [temporary(), directory(idxFiles())]
    const { code, out: text, err } = await equigrad(['train', '--data', data, '--epochs', '2', '--batch', '16', '--layers', '24', '--out', out, '--quantize', '--no-report'])
    expect([code, err]).toEqual([0, ''])
    expect(readdirSync(out).sort()).toEqual(['model-int8.safetensors', 'model.safetensors'])
    const lines = text.trimEnd().split('\n').slice(-4)
    expect(lines[0]).toMatch(/^ +accuracy +file +one sample +batches of 64$/)
    for (const [i, name] of [[1, 'f32'], [2, 'int8']] as const) expect(lines[i]).toMatch(new RegExp(`^${name} +[\\d.]+% +\\d+ kB +[\\d.]+ µs +[\\d ]+ samples/s$`))
    expect(lines[3]).toMatch(/^int8 by (relaxed|baseline) SIMD\./)
    for (const line of lines) expect(line.length, line).toBeLessThanOrEqual(80)
    // what is said of the small one is what its file gives
    const small = load(readFileSync(join(out, 'model-int8.safetensors')))
    const [labels, images] = ['t10k-labels-idx1-ubyte', 't10k-images-idx3-ubyte'].map((name) => readIdx(readFileSync(join(data, name))).data)
    if (!(images instanceof Uint8Array) || labels === undefined) throw new Error('bytes expected')
    const right = (await small.predict(images)).argMax().filter((p, i) => p === labels[i]).length
    expect(lines[2]).toContain(`${(right / labels.length * 100).toFixed(2)}%`)
  })
})

describe('a run on IDX files', () => {
  const out = join(temporary(), 'made', 'for it')
  const data = directory(idxFiles())
  const args = ['train', '--data', data, '--epochs', '2', '--batch', '16', '--layers', '24', '--out', out]
  let ran: Ran
  beforeAll(async () => { ran = await equigrad(args) })

  it('ends well and complains of nothing', () => {
    expect(ran.code).toBe(0)
    expect(ran.err).toBe('')
  })

  it('prints plain lines of at most 80 columns, paths aside', () => {
    expect(ran.out).not.toMatch(/[\u001b\r]/)
    for (const line of ran.out.split('\n')) if (!line.includes(data) && !line.includes(out)) expect(line.length, line).toBeLessThanOrEqual(80)
    expect(ran.out).toMatch(/^ {2}1\/2 +[\d.]+ +[\d.]+% +[\d.]+ +[\d.]+% +[\d ]+ [\d.]+ s$/m)
    expect(ran.out).toContain('model     144-24-10 (relu, softmax), 3 730 weights')
    expect(ran.out).toMatch(/^test {6}accuracy [\d.]+%, loss [\d.]+ on 100 unseen samples, \d+ wrong$/m)
    expect(ran.out).toMatch(/^ +predicted\n +true( +\d){10} +found\n/m)
  })

  it('writes the model and the report, and nothing else', () => {
    expect(readdirSync(out).sort()).toEqual(['model.safetensors', 'report.html'])
    for (const name of ['model.safetensors', 'report.html']) expect(ran.out).toContain(`${join(out, name)} (`)
  })

  it('saves a model with the printed hash that predicts as it was tested', async () => {
    const model = load(readFileSync(join(out, 'model.safetensors')))
    const hash = createHash('sha256')
    for (const { data: w } of Object.values(model.getWeights())) hash.update(new Uint8Array(w.buffer, w.byteOffset, w.byteLength))
    expect(hash.digest('hex')).toBe(hashIn(ran.out))
    const labels = readIdx(readFileSync(join(data, 't10k-labels-idx1-ubyte'))).data
    const images = readIdx(readFileSync(join(data, 't10k-images-idx3-ubyte'))).data
    if (!(images instanceof Uint8Array)) throw new Error('bytes expected')
    const predicted = (await model.predict(images)).argMax()
    const wrong = predicted.filter((p, i) => p !== labels[i]).length
    expect(ran.out).toContain(`${wrong} wrong`)
  })

  it('gives the same hash again, from gzipped files with dots in their names too', async () => {
    const files = Object.fromEntries(Object.entries(idxFiles()).map(([name, bytes]) => [`${name.replace('-idx', '.idx')}.gz`, bytes]))
    const again = await equigrad(['train', '--data', directory(files), '--epochs', '2', '--batch', '16', '--layers', '24', '--out', temporary()])
    expect(again.code).toBe(0)
    expect(hashIn(again.out)).toBe(hashIn(ran.out))
  })

  it('gives another hash for another seed', async () => {
    const { out: text } = await equigrad([...args.slice(0, -1), temporary(), '--seed', '7'])
    expect(hashIn(text)).toMatch(/./)
    expect(hashIn(text)).not.toBe(hashIn(ran.out))
  })
})

describe('options', () => {
  const base = ['train', '--data', directory(idxFiles()), '--epochs', '1', '--layers', '8']

  it.each(['sgd', 'rmsprop', 'adam', 'adamw'])('trains with %s', async (name) => {
    const { code, out } = await equigrad([...base, '--out', temporary(), '--optimizer', name, '--rate', '0.02'])
    expect(code).toBe(0)
    expect(out).toContain(`training  ${name}, learning rate 0.02, 1 epoch, batch 128, seed 0`)
  })

  it('knows the rates that the library takes by default', () => {
    for (const [name, own] of Object.entries({ sgd: sgd(), rmsprop: rmsprop(), adam: adam(), adamw: adamW() })) {
      const { make, rate } = OPTIMIZERS[name as keyof typeof OPTIMIZERS]
      expect(make({ learningRate: rate })).toEqual(own)
    }
  })

  it('trains without hidden layers, without validation, on the full batch, without a report', async () => {
    const dir = temporary()
    const { code, out } = await equigrad([...base, '--out', dir, '--layers', 'none', '--validation', '0', '--batch', 'full', '--no-report'])
    expect(code).toBe(0)
    expect(out).toContain('model     144-10 (softmax)')
    expect(out).not.toContain('validation')
    expect(readdirSync(dir)).toEqual(['model.safetensors'])
  })

  it('trains on classes beyond 9 and on images that are not square', async () => {
    const files = idxFiles()
    const labels = Uint8Array.from({ length: 200 }, (_, i) => 10 * (i % 3))
    const pixels = (n: number): Uint8Array => Uint8Array.from({ length: n * 35 }, (_, k) => (Math.floor(k / 35) % 3) * 100)
    Object.assign(files, {
      'train-images-idx3-ubyte': writeIdx(pixels(200), [200, 5, 7]), 'train-labels-idx1-ubyte': writeIdx(labels),
      't10k-images-idx3-ubyte': writeIdx(pixels(100), [100, 5, 7]), 't10k-labels-idx1-ubyte': writeIdx(labels.slice(0, 100)),
    })
    const { code, out } = await equigrad(['train', '--data', directory(files), '--epochs', '1', '--layers', '8', '--out', temporary()])
    expect(code).toBe(0)
    expect(out).toContain('5 × 7 pixels, 21 classes')
    expect(out).toMatch(/confused most often:|no class was taken/)
  })
})

it('learns the built-in digits', async () => {
  const { code, out } = await equigrad(['train', '--epochs', '1', '--out', temporary()])
  expect(code).toBe(0)
  expect(out).toContain('12 000 to train on, 1 200 of them kept back to validate; 2 000 to test, unseen')
  expect(Number(/accuracy ([\d.]+)%, loss/.exec(out)?.[1])).toBeGreaterThan(75)
})

describe('a terminal', () => {
  it('gets a bar that goes away, within its columns', async () => {
    const { code, out } = await equigrad(['train', '--data', directory(idxFiles()), '--epochs', '2', '--out', temporary()], { terminal: true, columns: 80 })
    expect(code).toBe(0)
    expect(out).toMatch(/1\/2 {2}[█░]+/)
    expect(out).toMatch(/\u001b\[2K {2}1\/2 +[\d.]+/)
  })
})

describe('Ctrl-C', () => {
  it('stops after the running step, tests and saves what there is', async () => {
    const dir = temporary()
    const controller = new AbortController()
    const { code, out, err } = await equigrad(['train', '--data', directory(idxFiles()), '--epochs', '100000', '--out', dir], {
      signal: controller.signal, onWrite: (text) => { if (text.includes('3/100000')) controller.abort() },
    })
    expect(code).toBe(130)
    expect(err).toBe('')
    expect(out).toMatch(/^stopped by Ctrl-C after \d+ steps$/m)
    expect(out).toMatch(/^ {10}[0-9a-f]{64}$/m)
    expect(readdirSync(dir).sort()).toEqual(['model.safetensors', 'report.html'])
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toContain('Stopped by the user after 3 of 100\u202f000 epochs')
    expect(load(readFileSync(join(dir, 'model.safetensors'))).epoch).toBe(3)
  })

  it('before the first step saves the untrained model', async () => {
    const dir = temporary()
    const { code } = await equigrad(['train', '--data', directory(idxFiles()), '--out', dir], { signal: AbortSignal.abort() })
    expect(code).toBe(130)
    expect(readFileSync(join(dir, 'report.html'), 'utf8')).toContain('No epoch was completed')
  })
})

describe('failures', () => {
  it('of training give 1 and one line, and write nothing', async () => {
    const dir = join(temporary(), 'out')
    const { code, err } = await equigrad(['train', '--data', directory(idxFiles()), '--optimizer', 'sgd', '--rate', '1e30', '--batch', '8', '--out', dir])
    expect(code).toBe(1)
    expect(err).toMatch(/^equigrad: fit, epoch 0[^\n]+finite[^\n]+\n$/)
    expect(existsSync(dir)).toBe(false)
  })

  it('of writing give 1 and one line', async () => {
    const dir = temporary()
    const { code, err } = await equigrad(['train', '--data', directory(idxFiles()), '--epochs', '1', '--out', dir], {
      // something takes the model's place meanwhile
      onWrite: (text) => { if (text.startsWith('  1/1')) mkdirSync(join(dir, 'model.safetensors')) },
    })
    expect([code, err]).toEqual([1, `equigrad: cannot write ${join(dir, 'model.safetensors')}: it is a directory\n`])
  })
})
