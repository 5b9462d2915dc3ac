// The command `equigrad`: its words, options and exit codes. 0 done, 1 training failed, 2 the input is at fault, 130 stopped by Ctrl-C.
import { existsSync, readFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { EquigradError, NonFiniteError, RuntimeError } from '../index.js'
import { bench, type BenchOptions } from './bench.js'
import { printDoctor, type DoctorOptions } from './doctor.js'
import { InputError, OutputError, type Io } from './io.js'
import { predict, type PredictOptions } from './predict.js'
import { OPTIMIZERS, train, type OptimizerName, type TrainOptions } from './train.js'

const FAILED = 1
const BAD_INPUT = 2

/**
 * Runs a command.
 *
 * @param args - what follows the command's name
 * @param io - where it writes and what stops it
 * @returns the exit code
 */
export async function run(args: readonly string[], io: Io): Promise<number> {
  let code = 0
  const program = new Command('equigrad')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => { io.out.write(text) },
      writeErr: (text) => { io.err.write(text) },
      outputError: (text) => { complain(io, text.replace(/^error: /, '')) },
      getOutHelpWidth: () => io.out.columns ?? 80, getErrHelpWidth: () => io.err.columns ?? 80,
      getOutHasColors: () => io.color, getErrHasColors: () => false,
    })
    .description('Trains and runs neural networks on the CPU, with the same bits everywhere.')
    .version(versionOf(import.meta.url), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .addHelpText('after', '\nRun `equigrad train --help` for what training takes, and so on.')
  trainCommand(program, async (options) => { code = await train(options, program.version() ?? '', io) })
  predictCommand(program, async (model, files, options) => { code = await predict(model, files, options, io) })
  benchCommand(program, async (options) => { code = await bench(options, program.version() ?? '', io) })
  doctorCommand(program, async (options) => { code = await printDoctor(options, program.version() ?? '', io) })
  try {
    await program.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // commander has written already
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : BAD_INPUT
    if (!(error instanceof InputError || error instanceof OutputError || error instanceof EquigradError || error instanceof RangeError || error instanceof TypeError)) throw error
    complain(io, error.message)
    return error instanceof NonFiniteError || error instanceof RuntimeError || error instanceof OutputError ? FAILED : BAD_INPUT
  }
}

/** One line on stderr, whatever the text. */
const complain = (io: Io, text: string): void => { io.err.write(`equigrad: ${text.trim().replace(/\s*\n\s*/g, ' ')}\n`) }

function trainCommand(program: Command, action: (options: TrainOptions) => Promise<void>): void {
  program.command('train')
    .summary('train a classifier of images, test it, save it and write a report')
    .description(
      'Trains a multilayer perceptron to tell images apart, tests it on images it has not seen, and prints the SHA-256 of its weights: the same ' +
      'on every machine for the same data and options. Writes the model, and a report with curves, confusion matrix and mistakes. Without --data ' +
      'it learns the built-in handwriting-like digits.')
    .option('--data <dir>', 'directory of IDX files as MNIST has them: train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte; plain or .gz; images of any size (default: built-in digits, 12000 to train on and 2000 to test)')
    .addOption(new Option('--layers <units>', 'units of the hidden relu layers, or none').argParser(layersOf).default([64, 64], '64,64'))
    .option('--epochs <n>', 'times that all samples are seen', wholeFrom(1), 10)
    .option('--batch <n>', 'samples of one step, or full', batchOf, 128)
    .addOption(new Option('--optimizer <name>', 'how weights are updated').choices(Object.keys(OPTIMIZERS)).default('adam' satisfies OptimizerName))
    .option('--rate <x>', 'learning rate (default: the optimizer\'s: 0.01 for sgd, else 0.001)', rateOf)
    .option('--seed <n>', 'seed of first weights and of the order of samples', wholeFrom(0), 0)
    .option('--validation <x>', 'part of the samples to train on that is kept back to validate each epoch, 0 for none', shareOf, 0.1)
    .option('--out <dir>', 'directory for model.safetensors and report.html, made if need be', 'equigrad-run')
    .option('--quantize', 'make an int8 model of it too (model-int8.safetensors) and compare the two', false)
    .option('--no-report', 'write no report')
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', `
Examples:
  equigrad train                                the worked example, in seconds
  equigrad train --data mnist --out mnist-run   MNIST, from files on your disk
  equigrad train --layers 256,128 --optimizer adamw --epochs 20
  equigrad train --layers none --optimizer sgd --rate 0.1
  equigrad train --quantize                     beside it an int8 model

Ctrl-C stops after the running step; what was learnt is tested and saved.
A second Ctrl-C quits at once.
Exit code: 0 done, 1 training failed, 2 bad input, 130 stopped.`)
    .action(action)
}

function predictCommand(program: Command, action: (model: string, files: readonly string[], options: PredictOptions) => Promise<void>): void {
  program.command('predict')
    .summary('run a saved model, f32 or int8, on the samples of files')
    .description('Loads a model that training saved and prints one line a sample: its number, the class and its probability, or all values where they are no probabilities.')
    .argument('<model>', 'a file that `equigrad train` or `save` wrote')
    .argument('<files...>', 'samples one after the other: IDX files, plain or .gz, JSON arrays of numbers, or text with numbers')
    .option('--json', 'print all values, one line of JSON a file', false)
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', `
Examples:
  equigrad predict equigrad-run/model.safetensors t10k-images-idx3-ubyte.gz
  equigrad predict model.safetensors samples.csv --json`)
    .action(action)
}

function doctorCommand(program: Command, action: (options: DoctorOptions) => Promise<void>): void {
  program.command('doctor')
    .summary('tell what this machine can do, and whether it gives the same bits as all others')
    .description('Prints engine, SIMD, integer kernels, lanes and why not, and memory; then trains small models and compares their bits with those that every other machine gets.')
    .option('--json', 'print one line of JSON', false)
    .helpOption('-h, --help', 'print this help')
    .addHelpText('after', '\nExit code: 0 the same bits, 1 other bits.')
    .action(action)
}

function benchCommand(program: Command, action: (options: BenchOptions) => Promise<void>): void {
  program.command('bench')
    .summary('measure how fast this machine trains and predicts, in less than a minute')
    .description(
      'Trains the worked example and a wider network and predicts with it, in f32 and int8, on one thread, and prints samples per second, with the share ' +
      'of what the f32 mul + add limit of 128-bit WebAssembly SIMD, measured beside it, allows.')
    .option('--json', 'print one line of JSON instead of a table', false)
    .option('--rounds <n>', 'rounds that each figure is the median of, an odd number', oddFrom1, 9)
    .helpOption('-h, --help', 'print this help')
    .action(action)
}

// ---- values of options: commander puts the option's name in front of these messages ------------------------------------------------

const wholeFrom = (min: number) => (text: string): number => {
  const n = Number(text)
  if (!/^\d+$/.test(text) || n < min || !Number.isSafeInteger(n)) throw new InvalidArgumentError(`Expected a whole number from ${min}.`)
  return n
}

function oddFrom1(text: string): number {
  const n = wholeFrom(1)(text)
  if (n % 2 === 0) throw new InvalidArgumentError('Expected an odd number.')
  return n
}

const numberOf = (text: string): number => (/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : NaN)

function layersOf(text: string): readonly number[] {
  if (text === 'none') return []
  const units = text.split(',').map((part) => (/^\s*\d+\s*$/.test(part) ? Number(part) : 0))
  if (units.some((n) => n < 1 || !Number.isSafeInteger(n))) throw new InvalidArgumentError('Expected whole numbers from 1, such as 64,64, or none.')
  return units
}

function batchOf(text: string): number | 'full' {
  if (text === 'full') return text
  if (!/^\d+$/.test(text) || Number(text) < 1 || !Number.isSafeInteger(Number(text))) throw new InvalidArgumentError('Expected a whole number from 1, or full.')
  return Number(text)
}

function rateOf(text: string): number {
  const x = numberOf(text)
  if (!(x > 0 && Number.isFinite(x))) throw new InvalidArgumentError('Expected a number above 0.')
  return x
}

function shareOf(text: string): number {
  const x = numberOf(text)
  if (!(x >= 0 && x < 1)) throw new InvalidArgumentError('Expected a number from 0 to below 1.')
  return x
}

/** The version in the nearest package.json above a module: it lies in src/, build/ or dist/. */
function versionOf(module: string): string {
  for (let dir = new URL('.', module); ; dir = new URL('..', dir)) {
    const file = new URL('package.json', dir)
    if (existsSync(file)) {
      const parsed: unknown = JSON.parse(readFileSync(file, 'utf8'))
      if (typeof parsed === 'object' && parsed !== null && 'version' in parsed && typeof parsed.version === 'string') return parsed.version
    }
    if (dir.pathname === '/' || new URL('..', dir).href === dir.href) return ''
  }
}
