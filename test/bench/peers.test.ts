// The harness of bench:peers without the libraries: what it takes for a right result, how rounds become rows, what tables and charts say.
import { describe, expect, it } from 'vitest'

interface Spread { readonly median: number; readonly min: number; readonly max: number }
interface Row { readonly workload: string; readonly title: string; readonly unit: string; readonly peer: string; readonly version: string; readonly failed?: string; readonly check?: string; readonly rate?: Spread; readonly cpuRate?: Spread; readonly ratio?: Spread; readonly cpuRatio?: Spread }
interface Data { readonly images: Uint8Array; readonly labels: Int32Array; readonly first: Record<string, readonly { readonly data: Float32Array; readonly shape: readonly number[] }[]>; trained: unknown }
interface Network { readonly name: string; readonly parts: readonly unknown[] }
interface Workload { readonly id: string; readonly part: string; readonly kind: string; readonly title: string; readonly unit: string; readonly each: number; readonly batch: number; readonly network: Network; readonly product?: { readonly form: string; readonly m: number; readonly n: number; readonly k: number } }
interface Round { readonly seconds: number; readonly cpuSeconds: number; readonly count: number }
interface Runner { readonly peer: { readonly name: string }; readonly child: { prepare(): Promise<unknown>; round(): Promise<Round>; stop(): void } }

const load = async <T>(file: string): Promise<T> => await import(new URL(`../../bench/peers/${file}`, import.meta.url).href) as T
const { makeData, rowsOf, operands } = await load<{ makeData(digits: unknown): Data; rowsOf(data: Data, from: number, count: number): Float32Array; operands(p: unknown): { a: Float32Array; b: Float32Array } }>('data.mjs')
const { workloads, example } = await load<{ workloads: readonly Workload[]; example: Network }>('workloads.mjs')
const { checkTraining, checkPredictions, checkProduct, firstLoss } = await load<{
  checkTraining(before: number, after: number, steps: number, expected: number | null): string; checkPredictions(w: unknown, data: Data, found: ArrayLike<number>): string
  checkProduct(p: unknown, a: Float32Array, b: Float32Array, c: Float32Array): string; firstLoss(w: Workload, data: Data): number
}>('checks.mjs')
const { predict, element } = await load<{ predict(n: Network, w: unknown, x: Float32Array, rows: number): Float64Array; element(p: unknown, a: Float32Array, b: Float32Array, r: number, c: number): number }>('reference.mjs')
const { race } = await load<{ race(runners: readonly Runner[], w: Workload, options: { rounds: number; data: Data; say: (text: string) => void }): Promise<Row[]> }>('race.mjs')
const { tableOf, matrixOf, aligned, short, figuresOf } = await load<{ tableOf(rows: readonly Row[]): string; matrixOf(rows: readonly Row[]): string; figuresOf(table: unknown): string; aligned(lines: readonly (readonly string[])[]): string[]; short(x: number): string }>('table.mjs')
const { barChart } = await load<{ barChart(chart: unknown): string }>('chart.mjs')
const { report } = await load<{ report(result: unknown): string }>('report.mjs')
const { digits } = await import('../../src/data/index.js')
const { adam, dense, sequential, sparseCategoricalCrossentropy } = await import('../../src/index.js')

const data = makeData(digits)
const W1 = workloads.find(({ id }) => id === 'W1')!

/** Our own model with the weights that all libraries begin with. */
function ours() {
  const model = sequential([dense(64, { activation: 'relu' }), dense(64, { activation: 'relu' }), dense(10, { activation: 'softmax' })], { input: [784] }).compile({ optimizer: adam(), loss: sparseCategoricalCrossentropy() })
  model.setWeights(Object.fromEntries(Object.keys(model.getWeights()).map((key, i) => [key, data.first[example.name]![i]!])))
  return model
}

describe('what counts as right', () => {
  it('the plain network agrees with ours, its loss with our loss', async () => {
    const model = ours(), x = rowsOf(data, 0, 128)
    const mine = model.predictSync(x).data, plain = predict(example, data.first[example.name], x, 128)
    expect(Math.max(...plain.map((p, i) => Math.abs(p - mine[i]!)))).toBeLessThan(1e-6)
    expect(firstLoss(W1, data)).toBeCloseTo((await model.evaluate(x, data.labels.slice(0, 128))).loss, 5)
  })
  it('a fifth of the labels is drawn at random', () => {
    const { labels } = digits({ samples: data.labels.length })
    const other = data.labels.filter((label, i) => label !== labels[i]).length / labels.length
    expect(other).toBeGreaterThan(0.15)
    expect(other).toBeLessThan(0.2)
  })
  it('a loss must begin where it should and fall', () => {
    expect(checkTraining(2.3, 1, 100, 2.3)).toContain('2.300 → 1.000')
    expect(() => checkTraining(2.2, 1, 100, 2.3)).toThrow('before training')
    for (const after of [2.29, NaN, Infinity]) expect(() => checkTraining(2.3, after, 100, 2.3)).toThrow('did not fall')
    expect(checkTraining(2.3, 2.28, 1, 2.3)).toContain('2.280')
  })
  it('predictions must be those of the network', () => {
    const trained = { ...data, trained: data.first[example.name] }, workload = { network: example, int8: false }
    const right = Float32Array.from(predict(example, trained.trained, rowsOf(data, 0, 256), 256))
    expect(checkPredictions(workload, trained, right)).toContain('differs by')
    expect(() => checkPredictions(workload, trained, right.map((p) => p + 1e-3))).toThrow('are others')
    expect(() => checkPredictions(workload, trained, right.map(() => NaN))).toThrow('are others')
    expect(() => checkPredictions(workload, trained, right.subarray(10))).toThrow('numbers')
    expect(() => checkPredictions({ ...workload, int8: true }, trained, right.map((p) => -p))).toThrow('classes agree')
  })
  it.each(['nn', 'tn', 'nt'])('a product %s must be one', (form) => {
    const product = { form, m: 5, n: 7, k: 9 }
    const { a, b } = operands(product)
    const c = Float32Array.from({ length: 35 }, (_, i) => element(product, a, b, Math.floor(i / 7), i % 7))
    expect(checkProduct(product, a, b, c)).toContain('differs by')
    expect(() => checkProduct(product, a, b, c.map((x, i) => (i === 20 ? x + 1 : x)))).toThrow('another')
  })
})

describe('a race', () => {
  const log: string[] = []
  const runner = (name: string, seconds: number, fails?: string): Runner => ({
    peer: { name },
    child: {
      prepare: () => fails === 'prepare' ? Promise.reject(new Error('no backend')) : Promise.resolve({ version: '1', check: 'fine' }),
      round: () => { log.push(name); return fails === 'round' ? Promise.reject(new Error('lost')) : Promise.resolve({ seconds, cpuSeconds: seconds / 2, count: 10 }) },
      stop: () => undefined,
    },
  })
  it('takes rounds in turn, and lists who fails with the reason and no figure', async () => {
    log.length = 0
    const rows = await race([runner('a', 1), runner('b', 4), runner('c', 1, 'prepare'), runner('d', 1, 'round')], W1, { rounds: 7, data, say: () => undefined })
    expect(log.filter((name) => name !== 'd')).toEqual(Array.from({ length: 7 }, () => ['a', 'b']).flat())
    expect(rows.map(({ peer, failed }) => [peer, failed])).toEqual([['a', undefined], ['b', undefined], ['c', 'no backend'], ['d', 'lost']])
    expect(rows[1]!.rate!.median).toBe(320)
    expect(rows[1]!.cpuRate!.median).toBe(640)
    expect(rows[1]!.ratio).toEqual({ median: 4, min: 4, max: 4 })
    expect(rows[2]!.rate).toBe(undefined)
  })
  it('ends sooner with one whose rounds take very long', async () => {
    log.length = 0
    const rows = await race([runner('a', 1), runner('b', 30)], W1, { rounds: 7, data, say: () => undefined })
    expect(log.filter((name) => name === 'b').length).toBe(2)
    expect(rows[1]!.check).toContain('2 rounds')
    expect(rows[1]!.ratio!.median).toBe(30)
  })
})

describe('what is printed', () => {
  const spread = (x: number): Spread => ({ median: x, min: x / 2, max: 2 * x })
  const row = (peer: string, rate?: number): Row => ({
    workload: 'W1', title: 'a <title>', unit: 'samples/s', peer, version: '1.0',
    ...(rate === undefined ? { failed: 'does not train' } : { check: 'fine', rate: spread(rate), cpuRate: spread(rate), ratio: spread(1000 / rate), cpuRatio: spread(1000 / rate) }),
  })
  const rows = [row('equigrad', 1000), row('other', 100), row('none'), row('nobody')]
  it('numbers have three digits that count', () => {
    expect([0, 0.123, 1.234, 12.34, 123.4, 1234.5, 1234567, -2].map(short)).toEqual(['0.00', '0.12', '1.23', '12.3', '123', '1 235', '1 234 567', '−2.00'])
  })
  it('columns are aligned', () => {
    expect(aligned([['', 'x'], ['long', '1'], ['s', '100']])).toEqual(['        x', 'long    1', 's     100'])
  })
  it('a table has a line for each figure and one for each reason', () => {
    const lines = tableOf(rows).split('\n')
    expect(lines.length).toBe(5)
    expect(lines[3]).toMatch(/^ {2}other 1\.0 +100 +50\.0 to 200 +100 +10\.0 ×/)
    expect(lines[4]).toBe('  none, nobody: no figure, does not train')
  })
  it('a library is named with its version, then with how it runs', () => {
    expect(tableOf([row('equigrad, 2 lanes', 10)])).toContain('equigrad 1.0, 2 lanes')
  })
  it('products have a line each, ratios by the clock and by CPU time', () => {
    const lines = matrixOf([{ ...row('equigrad', 30), workload: 'W6 2×2×2 nn' }, { ...row('other', 10), workload: 'W6 2×2×2 nn', ratio: spread(3), cpuRatio: spread(2.5) }, { ...row('none'), workload: 'W6 2×2×2 nn' }]).split('\n')
    expect(lines[1]!.trim().split(/ {2,}/)).toEqual(['equigrad', 'other'])
    expect(lines[2]!.trim().split(/ {2,}/)).toEqual(['2×2×2 nn', '30.0', '10.0 (3.00, 2.50 ×)'])
    expect(lines[3]).toBe('  none: no figure, does not train')
  })
  it('figures stand under their note, which is broken between words, with what each row is', () => {
    const note = 'some words '.repeat(30).trim()
    const lines = figuresOf({ id: 'W7', title: 'size', note, columns: [{ name: 'installed', unit: 'MB' }], rows: [{ name: 'a 1.0', values: [1.5], note: 'plain JavaScript' }, { name: 'b', values: [null] }], failed: [{ name: 'c', reason: 'none' }] }).split('\n')
    expect(lines[0]).toBe('W7  size')
    expect(lines.slice(1, 4).map((line) => line.trim()).join(' ')).toBe(note)
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(120)
    expect(lines.slice(4).map((line) => line.trim().split(/ {2,}/))).toEqual([['installed, MB'], ['a 1.0', '1.50', 'plain JavaScript'], ['b'], ['c: no figure, none']])
  })
  it('a chart draws a bar for each value, and keeps text as text', () => {
    const svg = barChart({ title: 'a "title"', unit: 'x', bars: [{ name: '<b>', value: 2, low: 1, high: 3, ours: true }, { name: 'c', value: 0 }] })
    expect(svg.match(/<rect/g)?.length).toBe(2)
    expect(svg).toContain('&lt;b&gt;')
    expect(svg).not.toMatch(/NaN|undefined|Infinity/)
  })
  it('a report loads nothing', () => {
    const html = report({ machine: { CPU: 'a & b', Node: '1', date: 'today' }, rows, tables: [{ id: 'W8', title: 'memory', note: '', columns: [{ name: 'W1', unit: 'MiB' }], rows: [{ name: 'equigrad', values: [1] }, { name: 'other', values: [null] }], failed: [] }] })
    expect(html).toContain("default-src 'none'")
    expect(html).toContain('a &lt;title&gt;')
    expect(html).not.toMatch(/https?:|NaN|undefined|<script/)
  })
})
