// The parts of a run that are not races: sizes, cold starts, memory, speed over many steps.
import { coldStarts } from './cold.mjs'
import { memory } from './memory.mjs'
import { sizes } from './size.mjs'
import { steady } from './steady.mjs'
import { figuresOf } from './table.mjs'

/** Who has figures in which part. */
const TAKING = {
  size: ['equigrad', 'equigrad-predict', 'tfjs-wasm', 'jax-js', 'onnxruntime-web', 'tfjs-cpu', 'brain.js'],
  cold: ['equigrad', 'equigrad-predict', 'tfjs-wasm', 'jax-js', 'onnxruntime-web', 'tfjs-cpu', 'brain.js', 'torch'],
  memory: ['equigrad', 'tfjs-wasm', 'jax-js', 'tfjs-cpu'],
  steady: ['equigrad', 'jax-js', 'tfjs-wasm'],
}

/**
 * @param {readonly string[] | null} parts @param {readonly string[] | null} peers @param {import('./race.mjs').Options} options
 * @param {(table: import('./report.mjs').Table, text: string) => void} add
 */
export async function figures(parts, peers, options, add) {
  const is = (part) => parts === null || parts.includes(part)
  const of = (names) => names.filter((name) => name.startsWith('equigrad') || peers === null || peers.includes(name))
  const put = (table) => { add(table, figuresOf(table)) }
  if (is('W7')) { put(await sizes(of(TAKING.size))); put(await coldStarts(of(TAKING.cold), options)) }
  if (is('W8')) put(await memory(of(TAKING.memory), options))
  if (is('steady')) put(await steady(of(TAKING.steady), options))
}
