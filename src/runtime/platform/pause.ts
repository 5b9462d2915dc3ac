// A turn for the event loop: other work of the host goes on before the promise resolves.
type Immediate = (callback: () => void) => unknown

/** Resolves in a new task, soon: by setImmediate where the host has it, else by a message to itself, else by a timer. */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate: immediate } = globalThis as { readonly setImmediate?: Immediate }
    if (immediate !== undefined) { immediate(resolve); return }
    if (typeof MessageChannel === 'undefined') { setTimeout(resolve, 0); return }
    const { port1, port2 } = new MessageChannel()
    port1.onmessage = () => { port1.close(); resolve() }
    port2.postMessage(0)
  })
}

/** Milliseconds of work between two turns of the event loop: under one frame at 60 Hz. */
const BUDGET = 12

/** Gives the event loop a turn whenever the budget is used up. A clock decides when to pause, never what is computed. */
export class Pacer {
  #since = performance.now()

  /** A promise to wait for, or undefined while there is time. */
  due(): Promise<void> | undefined {
    if (performance.now() - this.#since < BUDGET) return undefined
    return pause().then(() => { this.#since = performance.now() })
  }
}
