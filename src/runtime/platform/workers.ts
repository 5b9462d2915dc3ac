// Workers of the host: threads of Node, Deno and Bun, or those of a page. What differs between them ends here.

/**
 * Why this host has no lanes, or null.
 *
 * @param threads - its module node:worker_threads, or undefined in a page
 */
export function lacking(threads: unknown): string | null {
  if (typeof SharedArrayBuffer === 'undefined') return 'no SharedArrayBuffer: a page needs the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp'
  if (threads === undefined && (typeof Worker === 'undefined' || typeof Blob === 'undefined')) return 'no workers'
  return null
}

/** May this thread wait for others? The main thread of a page may not. */
export function mayWait(): boolean {
  try {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 1, 0)
    return true
  } catch {
    return false
  }
}

/** What a worker is told when it starts. */
export interface LaneStart {
  readonly module: WebAssembly.Module
  /** modules whose kernels take the places of those of their names */
  readonly others: readonly { readonly kernels: readonly string[]; readonly module: WebAssembly.Module }[]
  readonly memory: WebAssembly.Memory
  /** kernels in the order of the function table, which each instance fills for itself */
  readonly names: readonly string[]
  readonly control: number
  readonly lane: number
  /** say how each run ended? */
  readonly report: boolean
}

export interface LaneEvents {
  /** READY, or how a run ended */
  readonly said: (code: number) => void
  readonly died: (why: string) => void
}

export interface LaneWorker { readonly end: () => void }

/** What a worker says when it is ready. */
export const READY = -1

/** The worker: an instance on the same memory, which stays in WebAssembly until it is told to stop. */
const LIVE = `const live = ({ module, others, memory, names, control, lane, report }, say) => {
  const { exports } = new WebAssembly.Instance(module, { env: { memory } })
  exports.table.grow(names.length)
  names.forEach((name, i) => exports.table.set(i + 1, exports[name]))
  for (const { kernels, module } of others) {
    const other = new WebAssembly.Instance(module, { env: { memory } }).exports
    for (const name of kernels) exports.table.set(names.indexOf(name) + 1, other[name])
  }
  say(${READY})
  for (let code; (code = exports.lane_main(control, lane, report)) !== 0;) say(code - 1)
}
`
const IN_THREAD = `${LIVE}const { parentPort, workerData } = require('node:worker_threads')
live(workerData, (code) => parentPort.postMessage(code))`
const IN_PAGE = `${LIVE}onmessage = ({ data }) => { live(data, (code) => postMessage(code)); close() }`

interface Thread {
  on(event: 'message', listener: (code: number) => void): void
  on(event: 'error', listener: (error: unknown) => void): void
  on(event: 'exit', listener: () => void): void
  unref(): void
  terminate(): unknown
}
interface Threads { readonly Worker: new (source: string, options: { readonly eval: true; readonly workerData: LaneStart; readonly execArgv: readonly string[] }) => Thread }
/** What an error says. */
export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/**
 * Starts a worker, which keeps neither the process nor what `events` does not reach alive.
 *
 * @param threads - the host's module node:worker_threads, or undefined in a page
 */
export function startWorker(threads: unknown, start: LaneStart, { said, died }: LaneEvents): LaneWorker {
  if (threads === undefined) return inPage(start, { said, died })
  const thread = new (threads as Threads).Worker(IN_THREAD, { eval: true, workerData: start, execArgv: [] })
  thread.on('message', said)
  thread.on('error', (error) => { died(textOf(error)) })
  thread.on('exit', () => { died('its thread has ended') })
  thread.unref()
  return { end: () => { thread.terminate() } }
}

function inPage(start: LaneStart, { said, died }: LaneEvents): LaneWorker {
  const url = URL.createObjectURL(new Blob([IN_PAGE], { type: 'text/javascript' }))
  const worker = new Worker(url)
  worker.onmessage = ({ data }: MessageEvent<number>) => { if (data === READY) URL.revokeObjectURL(url); said(data) }
  worker.onerror = (event) => { died(event.message) }
  worker.postMessage(start)
  return { end: () => { worker.terminate() } }
}
