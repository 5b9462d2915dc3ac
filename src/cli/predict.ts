// `equigrad predict`: runs a saved model on the samples of files.
import { readFileSync } from 'node:fs'
import { load, loadInt8, Tensor } from '../index.js'
import { readIdx } from '../data/index.js'
import { InputError, reasonOf, type Io } from './io.js'

export interface PredictOptions { readonly json: boolean }

type Samples = Uint8Array | Float32Array

const STOPPED = 130
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

function read(path: string): Uint8Array {
  try { return readFileSync(path) } catch (error) { throw new InputError(`cannot read ${path}: ${reasonOf(error)}`) }
}

/** Numbers of a text: nested arrays in JSON, or lines of numbers with commas, semicolons or blanks between them. */
export function numbersOf(text: string): readonly number[] {
  const trimmed = text.trim()
  if (trimmed.startsWith('[')) {
    const flat = (v: unknown): readonly number[] => {
      if (Array.isArray(v)) return v.flatMap(flat)
      if (typeof v !== 'number') throw new InputError(`expected arrays of numbers, got ${JSON.stringify(v) ?? typeof v}`)
      return [v]
    }
    let parsed: unknown
    try { parsed = JSON.parse(trimmed) } catch (error) { throw new InputError(`not JSON: ${textOf(error)}`) }
    return flat(parsed)
  }
  return trimmed.split('\n').flatMap((line, i) => line.split(/[\s,;]+/).filter((word) => word !== '').map((word) => {
    const n = Number(word)
    if (!Number.isFinite(n)) throw new InputError(`line ${i + 1}: expected numbers, got '${word}'`)
    return n
  }))
}

/** The samples of a file: IDX bytes (plain or .gz), JSON or lines of numbers. */
function samplesOf(path: string): Samples {
  const bytes = read(path)
  const zipped = bytes[0] === 0x1f && bytes[1] === 0x8b, idx = bytes[0] === 0 && bytes[1] === 0
  try {
    if (zipped || idx) {
      const { data } = readIdx(bytes)
      return data instanceof Uint8Array ? data : Float32Array.from(data)
    }
    return Float32Array.from(numbersOf(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch (error) {
    throw new InputError(`${path}: ${textOf(error)}`)
  }
}

/** A tensor's values, sample by sample. */
function perSample({ data, shape: [n = 0] }: Tensor): readonly (readonly number[])[] {
  const width = n === 0 ? 0 : data.length / n
  return Array.from({ length: n }, (_, i) => Array.from(data.subarray(i * width, (i + 1) * width)))
}

/** Probabilities by which one class may be named. */
const isDistribution = (values: readonly number[]): boolean => values.length > 1 && values.every((p) => p >= 0 && p <= 1) && Math.abs(values.reduce((a, b) => a + b, 0) - 1) < 1e-3
const line = (values: readonly number[]): string => {
  if (!isDistribution(values)) return values.join(' ')
  const best = values.indexOf(Math.max(...values))
  return `${best}  ${((values[best] ?? 0) * 100).toFixed(1)} %`
}

/** @returns the exit code */
export async function predict(modelPath: string, files: readonly string[], { json }: PredictOptions, io: Io): Promise<number> {
  const bytes = read(modelPath)
  await loadInt8()
  const model = ((): ReturnType<typeof load> => { try { return load(bytes) } catch (error) { throw new InputError(`${modelPath}: ${textOf(error)}`) } })()
  for (const path of files) {
    if (io.signal.aborted) return STOPPED
    const samples = samplesOf(path)
    let found: unknown
    try { found = await model.predict(samples as never) } catch (error) { throw new InputError(`${path}: ${textOf(error)}`) }
    if (!(found instanceof Tensor)) throw new InputError(`${modelPath}: expected a model of one output, this one has several. Run it from a program.`)
    const rows = perSample(found)
    if (json) io.out.write(`${JSON.stringify({ file: path, predictions: rows })}\n`)
    else for (const [i, row] of rows.entries()) io.out.write(`${files.length > 1 ? `${path} ` : ''}${i}  ${line(row)}\n`)
  }
  return 0
}
