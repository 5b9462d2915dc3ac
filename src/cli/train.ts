// `equigrad train`: reads data, trains, tests, prints, saves.
import { accessSync, constants, mkdirSync, statSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { sha256Hex } from '../core/hash.js'
import { accuracy, adam, adamW, dense, rmsprop, save, sequential, sgd, sparseCategoricalCrossentropy, type Weight } from '../index.js'
import { quantize } from '../compress/index.js'
import { compare, comparisonLines } from './compare.js'
import { builtInDigits, readDirectory, type Dataset } from './data.js'
import { count, duration, loss, percent, size } from './format.js'
import { InputError, OutputError, reasonOf, type Io } from './io.js'
import { report } from './report.js'
import { confusionOf, mistakesOf, type Result } from './result.js'
import { confusionLines, Progress } from './terminal.js'

/** Optimizers by the names of `--optimizer`, with the learning rates that the library takes unless told. */
export const OPTIMIZERS = {
  sgd: { make: sgd, rate: 0.01 }, rmsprop: { make: rmsprop, rate: 0.001 }, adam: { make: adam, rate: 0.001 }, adamw: { make: adamW, rate: 0.001 },
} as const
export type OptimizerName = keyof typeof OPTIMIZERS

export interface TrainOptions {
  readonly data?: string
  readonly layers: readonly number[]
  readonly epochs: number
  readonly batch: number | 'full'
  readonly optimizer: OptimizerName
  readonly rate?: number
  readonly seed: number
  readonly validation: number
  readonly out: string
  readonly report: boolean
  readonly quantize: boolean
}

/** Images that ranges of activations are taken from. */
const CALIBRATION = 1000

/** Exit code of what Ctrl-C stopped: 128 + SIGINT. */
const STOPPED = 130

/** @returns the exit code */
export async function train(options: TrainOptions, version: string, io: Io): Promise<number> {
  const begun = performance.now()
  const say = (text = ''): void => { io.out.write(`${text}\n`) }
  checkPlace(options.out)
  const data = options.data === undefined ? builtInDigits() : readDirectory(options.data)
  const { train, test, classes } = data
  const rate = options.rate ?? OPTIMIZERS[options.optimizer].rate
  const model = build(options, rate, data)
  const validationSamples = options.validation === 0 ? 0 : train.samples - Math.floor(train.samples * (1 - options.validation))
  const settings = settingsOf(options, data, { rate, weights: weightCount(model.getWeights()) })

  say(`equigrad ${version}`)
  say(`data      ${data.name}: ${data.height} × ${data.width} pixels, ${classes} classes`)
  say(`          ${count(train.samples)} to train on${validationSamples === 0 ? '' : `, ${count(validationSamples)} of them kept back to validate`}; ${count(test.samples)} to test, unseen`)
  say(`model     ${settings['model'] ?? ''}, ${settings['weights'] ?? ''} weights`)
  say(`training  ${options.optimizer}, learning rate ${rate}, ${count(options.epochs)} ${options.epochs === 1 ? 'epoch' : 'epochs'}, batch ${options.batch}, seed ${options.seed}`)
  say()

  const progress = new Progress(io, validationSamples > 0)
  const { stopped } = await model.fit(train.images, train.labels, {
    epochs: options.epochs, batchSize: options.batch, validationSplit: options.validation, callbacks: [progress], signal: io.signal,
  }).finally(() => { progress.stop() })
  if (stopped !== null) say(`stopped by Ctrl-C after ${count(model.step)} steps`)

  const score = await model.evaluate(test.images, test.labels)
  const probabilities = await model.predict(test.images)
  const predicted = probabilities.argMax()
  const result: Result = {
    version, data, validationSamples, settings, epochs: progress.epochs, plannedEpochs: options.epochs, steps: model.step, test: score,
    confusion: confusionOf(test.labels, predicted, classes), mistakes: mistakesOf(test.labels, predicted, probabilities.data, classes),
    hash: weightHash(model.getWeights()), trained: progress.trained, ms: performance.now() - begun, machine: machine(),
  }
  say()
  for (const line of confusionLines(result.confusion, { columns: io.out.columns ?? 80, color: io.color })) say(line)
  say()
  say(`test      accuracy ${percent(score.accuracy)}, loss ${loss(score.loss)} on ${count(test.samples)} unseen samples, ${count(result.mistakes.length)} wrong`)
  say('weights   their SHA-256, the same on every machine:')
  say(`          ${result.hash}`)
  say(`speed     ${result.trained.ms === 0 ? 'no step' : `${count((1000 * result.trained.samples) / result.trained.ms)} samples/s: ${count(result.trained.samples)} in ${duration(result.trained.ms)}`}; the whole run ${duration(result.ms)}`)

  const files: readonly (readonly [string, string, string | Uint8Array])[] = [
    ['model', 'model.safetensors', save(model)], ...(options.report ? [['report', 'report.html', report(result)] as const] : []),
  ]
  for (const [what, name, content] of files) say(`${what.padEnd(8)}  ${write(options.out, name, content)}`)
  if (options.quantize) await quantised(model, data, options.out, say)
  return stopped === 'aborted' ? STOPPED : 0
}

/** Quantises the model by the first images that it was trained on, saves it and compares the two. */
async function quantised(model: ReturnType<typeof build>, { train: { images }, test, height, width }: Dataset, out: string, say: (text?: string) => void): Promise<void> {
  const small = await quantize(model, { calibration: images.subarray(0, CALIBRATION * height * width) })
  say(`int8      ${write(out, 'model-int8.safetensors', save(small))}`)
  say()
  for (const line of comparisonLines(compare({ f32: model, int8: small }, test.images, test.labels, height * width))) say(line)
  const { path } = small.runtime.int8
  say(`int8 by ${path === 'relaxed' ? 'relaxed' : 'baseline'} SIMD. Times are of this machine; the rest is the same on all.`)
}

function build({ layers, optimizer, seed }: TrainOptions, learningRate: number, { height, width, classes }: Dataset) {
  return sequential(
    [...layers.map((units) => dense(units, { activation: 'relu' })), dense(classes, { activation: 'softmax' })],
    { input: { shape: [height * width], dtype: 'u8', scale: 1 / 255 }, seed },
  ).compile({ optimizer: OPTIMIZERS[optimizer].make({ learningRate }), loss: sparseCategoricalCrossentropy(), metrics: [accuracy()] })
}

function settingsOf(options: TrainOptions, { name, height, width, classes }: Dataset, { rate, weights }: { readonly rate: number; readonly weights: number }): Readonly<Record<string, string>> {
  return {
    data: name, model: `${[height * width, ...options.layers, classes].join('-')} (${[...options.layers.map(() => 'relu'), 'softmax'].join(', ')})`, weights: count(weights),
    loss: 'sparse categorical cross-entropy', optimizer: options.optimizer, 'learning rate': String(rate), epochs: count(options.epochs),
    batch: typeof options.batch === 'number' ? count(options.batch) : options.batch, 'part to validate': String(options.validation), seed: String(options.seed),
  }
}

const weightCount = (weights: Readonly<Record<string, Weight>>): number => Object.values(weights).reduce((n, { data }) => n + data.length, 0)

/** SHA-256 of the bytes (f32, little endian) of all weights, in the order of their keys in the model. */
export const weightHash = (weights: Readonly<Record<string, Weight>>): string =>
  sha256Hex(...Object.values(weights).map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)))

function machine(): Readonly<Record<string, string>> {
  const [cpu] = cpus()
  return {
    processor: `${cpu?.model.trim() ?? 'unknown'} (${process.arch})`, system: process.platform, node: process.version,
    time: new Date().toISOString().replace('T', ' ').replace(/\..*/, ' UTC'),
  }
}

/** Throws, before any work and without writing, when files could not be written to a directory that may not exist yet. */
function checkPlace(dir: string): void {
  for (let at = resolve(dir); ; at = dirname(at)) {
    const found = stat(at)
    if (found === undefined && dirname(at) !== at) continue
    if (found?.isDirectory() !== true) throw new InputError(`--out: ${at} is not a directory`)
    try { accessSync(at, constants.W_OK | constants.X_OK) } catch (error) { throw new InputError(`--out: cannot write to ${at}: ${reasonOf(error)}`) }
    return
  }
}

/** What lies at a path, or undefined; a path through a file has nothing either. */
function stat(path: string) {
  try { return statSync(path) } catch { return undefined }
}

/** Writes a file; returns its path and size for people. */
function write(dir: string, name: string, content: string | Uint8Array): string {
  const path = join(dir, name)
  try {
    mkdirSync(dir, { recursive: true })
    writeFileSync(path, content)
  } catch (error) { throw new OutputError(`cannot write ${path}: ${reasonOf(error)}`) }
  return `${path} (${size(Buffer.byteLength(content))})`
}
