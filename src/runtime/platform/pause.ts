// A turn for the event loop: other work of the host goes on before the promise resolves.
type Immediate = (callback: () => void) => unknown

/** Resolves in a new task, soon: by setImmediate where the host has it, else by a message to itself; by a timer where either throws, as in Next's edge runtime. */
export function pause(): Promise<void> {
  return new Promise((resolve) => {
    const { setImmediate: immediate } = globalThis as { readonly setImmediate?: Immediate }
    try {
      if (immediate !== undefined) immediate(resolve)
      else tellItself(resolve)
    } catch {
      setTimeout(resolve, 0)
    }
  })
}

/** Calls back by a message; throws where there are none. */
function tellItself(callback: () => void): void {
  const { port1, port2 } = new MessageChannel()
  port1.onmessage = () => { port1.close(); callback() }
  port2.postMessage(0)
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
