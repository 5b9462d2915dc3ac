// A few linked programs, kept by what they are for; the one that was made first goes when there are too many.
import type { Executor } from './executor.js'

export class Executors {
  readonly #kept = new Map<string, Executor>()

  /** @param limit - how many are kept */
  constructor(readonly limit: number) {}

  /** The one for a key, made at first need. */
  get(key: string, make: () => Executor): Executor {
    const known = this.#kept.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#kept
    if (oldest !== undefined && this.#kept.size >= this.limit) {
      oldest[1].release()
      this.#kept.delete(oldest[0])
    }
    const made = make()
    this.#kept.set(key, made)
    return made
  }

  /** Gives the memory of all back. */
  release(): void {
    for (const executor of this.#kept.values()) executor.release()
    this.#kept.clear()
  }

  /** Forgets all, with their store. */
  clear(): void { this.#kept.clear() }
}
