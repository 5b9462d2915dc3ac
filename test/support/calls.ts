// The calls of a linked program one by one, as they lie in the list that a run walks (assembly/run/run.ts): for those who measure them, and for tests that
// run their tiles in another order.
import type { KernelName } from '../../src/compiler/kernels.js'
import type { Executor } from '../../src/runtime/executor.js'
import type { Store } from '../../src/runtime/store.js'

const ENTRY = 32, PATCH = 12, LOOP = 4

export interface LinkedCall {
  /** tiles for the bound number of samples */
  readonly tiles: number
  /** runs tiles [begin, end), all by default */
  readonly run: (begin?: number, end?: number, scratch?: number) => void
}

/** The calls of a program that has been prepared and bound. */
export class Calls {
  readonly #executor: Executor
  readonly #store: Store
  readonly all: readonly LinkedCall[]
  /** a call's number by its entry's address */
  readonly #numbers = new Map<number, number>()

  constructor(executor: Executor, store: Store) {
    this.#executor = executor
    this.#store = store
    const { view } = store
    for (let at = executor.list; at < executor.listEnd; at += ENTRY) if (view.getUint32(at, true) !== LOOP) this.#numbers.set(at, this.#numbers.size)
    this.all = [...this.#numbers.keys()].map((at, i) => {
      const kernel: KernelName | undefined = executor.program.calls[i]?.kernel
      if (kernel === undefined) throw new RangeError(`no call ${i}`)
      const [descriptor, tiles] = [view.getUint32(at + 8, true), view.getUint32(at + 12, true)]
      return { tiles, run: (begin = 0, end = tiles, scratch = store.scratch) => { store.kernels[kernel](descriptor, scratch, begin, end) } }
    })
  }

  /** @throws RangeError for a number that no call has */
  at(call: number): LinkedCall {
    const found = this.all[call]
    if (found === undefined) throw new RangeError(`call ${call} of ${this.all.length}`)
    return found
  }

  /** Goes through the calls in the order of a run: those of a loop once for each step, their addresses at that step. */
  inOrder(visit: (call: number) => void): void { this.#walk(this.#executor.list, this.#executor.listEnd, visit) }

  #walk(from: number, to: number, visit: (call: number) => void): void {
    const { view } = this.#store
    const word = (at: number, i: number): number => view.getUint32(at + 4 * i, true)
    for (let at = from; at < to; at += ENTRY) {
      const call = this.#numbers.get(at)
      if (call !== undefined) { visit(call); continue }
      const body = at + ENTRY, end = body + word(at, 2), patches = word(at, 3)
      for (let step = 0; step < word(at, 1); step++) {
        for (let i = 0, patch = patches; i < word(at, 4); i++, patch += PATCH) view.setUint32(word(patch, 0), word(patch, 1) + step * word(patch, 2), true)
        this.#walk(body, end, visit)
      }
      at = end - ENTRY
    }
  }
}
