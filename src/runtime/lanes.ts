// Lanes: workers on the store's memory, created once, that share out the tiles of a program with the caller, or among them where the caller
// may not wait. The walk and the meetings are in WebAssembly (assembly/run); this starts, watches and ends the workers. It is loaded when a store starts
// lanes, and so is given what the store has.
import type { Instance, KernelModule } from './binary.js'
import { READY, startWorker, type LaneWorker } from './platform/workers.js'

/** Words of the control block (assembly/run/run.ts). */
const STOP = 1, SCRATCH = 4, LANES = 5, PATIENCE = 6, SPINS = 9, LINES = 32, LINE = 16
/** Bytes of the control block of so many lanes, and of their scratch. */
const controlBytes = (count: number): number => (LINES + LINE * count) * 4
export const lanesBytes = (count: number, scratch: number): number => controlBytes(count) + scratch * count

/** Milliseconds of one slice of a wait, and until a worker that does not start is given up. */
const SLICE = 100, START = 10_000

/**
 * Looks at a word before a lane sleeps in a meeting: some hundred microseconds, for a lane that sleeps is woken late, and often on the core
 * of the one that wakes it; some ten where lanes share cores, since the one that looks keeps another from its work.
 */
const spinsOf = (count: number, cores: number): number => (count <= cores ? 300_000 : 10_000)

export interface LanesOptions {
  readonly count: number
  readonly memory: WebAssembly.Memory
  /** the binary for that memory, and its kernels in the order of the function table */
  readonly module: WebAssembly.Module
  readonly names: readonly string[]
  /** processors, and the host's module of threads where it is like Node */
  readonly cores: number
  readonly threads: unknown
  /** address of `lanesBytes` bytes */
  readonly control: number
  /** what takes kernels' places, on every lane */
  readonly modules: readonly KernelModule[]
  /** may the caller wait, and so be the first lane? */
  readonly wait: boolean
  readonly patience: number
}

export class Lanes {
  readonly count: number
  readonly #options: LanesOptions
  readonly #workers: LaneWorker[] = []
  #ready = 0
  /** why no lane can be had any more */
  #gone: string | null = null
  #changed: () => void = () => undefined
  #ended: ((failed: number) => void) | undefined

  private constructor(options: LanesOptions) {
    const { count, control, cores, patience } = options
    this.count = count
    this.#options = options
    const words = this.#words
    words.fill(0)
    words[SCRATCH] = control + controlBytes(count)
    words[LANES] = count
    words[SPINS] = spinsOf(count, cores)
    words[PATIENCE] = Math.max(1, Math.round(patience / SLICE))
  }

  /** Starts lanes; or says why they cannot be had. */
  static async start(options: LanesOptions): Promise<Lanes | string> {
    const lanes = new Lanes(options)
    const why = await lanes.#begin()
    if (why === null) return lanes
    lanes.end()
    return why
  }

  get #words(): Uint32Array { return new Uint32Array(this.#options.memory.buffer, this.#options.control, controlBytes(this.count) / 4) }

  /** Why a lane is missing, or null. */
  get gone(): string | null { return this.#gone }

  /** Resolves when all workers are ready (null), or one has died or is late. */
  #begin(): Promise<string | null> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => { resolve(`a worker did not start within ${START / 1000} s`) }, START)
      this.#changed = () => {
        if (this.#gone === null && this.#ready < this.#workers.length) return
        clearTimeout(timer)
        resolve(this.#gone)
      }
      try {
        for (let lane = this.#options.wait ? 1 : 0; lane < this.count; lane++) this.#workers.push(this.#worker(lane))
      } catch (error) {
        this.#gone = `a worker did not start: ${error instanceof Error ? error.message : String(error)}`
      }
      this.#changed()
    })
  }

  #worker(lane: number): LaneWorker {
    const { module, modules, memory, names, control, wait, threads } = this.#options
    const others = modules.map(({ kernels, shared }) => ({ kernels, module: shared() }))
    const start = { module, others, memory, names, control, lane, report: !wait && lane === 0 }
    return startWorker(threads, start, {
      said: (code) => {
        if (code === READY) { this.#ready++; this.#changed() } else if (start.report) this.#ended?.(code)
      },
      died: (why) => {
        this.#gone ??= `lane ${lane} has died: ${why}`
        this.#changed()
      },
    })
  }

  /**
   * Runs entries of a program on all lanes.
   *
   * @returns 0, or 1 + the lane that was given up; a promise where the caller may not wait
   */
  run({ startLanes, joinLanes }: Instance, from: number, to: number): number | Promise<number> {
    const ended = this.#options.wait ? undefined : this.#watched()
    startLanes(this.#options.control, from, to)
    return ended ?? joinLanes(this.#options.control, 0)
  }

  /** How the run ends that starts now, as the first lane says, or this thread when no lane has done anything for too long. */
  #watched(): Promise<number> {
    return new Promise((resolve) => {
      let still = 0, last = -1
      const watch = setInterval(() => {
        const words = this.#words
        let now = 0
        for (let lane = 0; lane < this.count; lane++) now += words[LINES + lane * LINE] ?? 0
        still = now === last ? still + SLICE : 0
        last = now
        // The lanes watch each other; this is for when the first of them is gone.
        if (still > 2 * this.#options.patience) this.#ended?.(1)
      }, SLICE)
      this.#ended = (failed) => {
        clearInterval(watch)
        this.#ended = undefined
        resolve(failed)
      }
    })
  }

  /** Ends the workers. */
  end(): void {
    this.#gone ??= 'ended'
    const bytes = new Int32Array(this.#options.memory.buffer, this.#options.control, 2)
    Atomics.store(bytes, STOP, 1)
    Atomics.add(bytes, 0, 1)
    Atomics.notify(bytes, 0)
    for (const worker of this.#workers) worker.end()
  }
}
