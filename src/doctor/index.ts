// `equigrad/doctor`: what this host can do, and whether it computes the bits that all others compute.
import { createStore } from '../runtime/store.js'
import { loadInt8, type Int8Runtime } from '../runtime/int8.js'
import { hasSimd, largestMemory } from '../runtime/platform/engine.js'
import { cores } from '../runtime/platform/host.js'
import { dense } from '../nn/layers/dense.js'
import { sequential } from '../train/sequential.js'
import { expected } from './expected.js'
import { trainings } from './trainings.js'

/** One training of the short table. */
export interface DoctorRow {
  /** which training of the table */
  readonly name: string
  /** lanes that it ran on */
  readonly lanes: number
  /** SHA-256 of its weights and a prediction, or why it failed */
  readonly got: string
  /** the SHA-256 that every host gives */
  readonly expected: string
  /** is `got` what was expected? */
  readonly equal: boolean
}

/** What {@link doctor} found. */
export interface Diagnosis {
  /** engine and version, as `Node 26.1.0`, or a page's user agent */
  readonly engine: string
  /** does it run 128-bit SIMD of WebAssembly, without which nothing here runs? */
  readonly simd: boolean
  /** processors that may be used */
  readonly cores: number
  /** lanes of a store that asked for two */
  readonly lanes: number
  /** why a store that asked for two lanes has one; '' where it has two */
  readonly lanesReason: string
  /** the WebAssembly module: 'baseline', or 'shared', the same code on memory that lanes share */
  readonly binary: string
  /** which integer product quantised models run on here */
  readonly int8: Int8Runtime
  /** bytes of the largest WebAssembly memory that this host gave, of those tried: 4 GiB and its halves */
  readonly memory: number
  /** the trainings, each with its hash */
  readonly rows: readonly DoctorRow[]
  /** do all rows equal what every other host computes? */
  readonly equal: boolean
}

interface Host {
  readonly process?: { readonly versions?: Readonly<Record<string, string | undefined>> }
  readonly navigator?: { readonly userAgent?: string }
}
function engineOf({ process, navigator }: Host): string {
  const { bun, deno, node } = process?.versions ?? {}
  const names = { Bun: bun, Deno: deno, Node: node }
  const [name, version] = Object.entries(names).find(([, v]) => v !== undefined) ?? []
  // workerd gives itself out as Node too, but says its own name.
  const agent = navigator?.userAgent
  return name === undefined || agent?.startsWith('Cloudflare') === true ? agent ?? 'unknown engine' : `${name} ${version ?? ''}`
}

async function rowOf(name: string, lanes: number, train: (lanes: number) => Promise<string>): Promise<DoctorRow> {
  const want = expected[name] ?? ''
  const got = await train(lanes).catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
  return { name, lanes, got, expected: want, equal: got === want }
}

/**
 * Tells what this host can do, and computes the short form of the golden table on it: the hashes must equal those that every other host gives.
 * Takes less than a second; never rejects where the engine has SIMD.
 *
 * @throws RuntimeError where WebAssembly or its SIMD is missing or forbidden
 * @example
 * import { doctor } from 'equigrad/doctor'
 * const { equal, engine } = await doctor()
 */
export async function doctor(): Promise<Diagnosis> {
  const store = createStore({ lanes: 2 })
  const probe = sequential([dense(1)], { input: [1], store })
  await probe.predict(new Float32Array(1))
  const { lanes, reason, binary } = store.runtime
  store[Symbol.dispose]()
  const int8 = await loadInt8()
  const rows: DoctorRow[] = []
  for (const [name, train] of Object.entries(trainings)) rows.push(await rowOf(name, 1, train))
  if (lanes > 1) rows.push(await rowOf('wide', lanes, trainings.wide))
  return {
    engine: engineOf(globalThis as Host), simd: hasSimd(), cores: cores(), lanes, lanesReason: lanes > 1 ? '' : reason, binary, int8, memory: largestMemory(),
    rows, equal: rows.every(({ equal }) => equal),
  }
}
