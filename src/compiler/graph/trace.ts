// What is being traced: while a step of one's own runs its function, there is no model yet to give random ops their streams, and the mode is
// known. Elsewhere both stay open: toGraph gives the streams, specialise chooses the mode.
export type Mode = 'train' | 'predict'

interface Trace { readonly mode: Mode; readonly name: string; streams: number }
let current: Trace | null = null

/** Runs `define` in a mode, its random ops with streams of their own, `name#0`, `name#1`, …. Synchronous. */
export function inTrace<T>(name: string, mode: Mode, define: () => T): T {
  const before = current
  current = { mode, name, streams: 0 }
  try { return define() } finally { current = before }
}

/** The mode of the trace, or null outside of one. */
export const tracedMode = (): Mode | null => current?.mode ?? null

/** A stream for a random op: of its own in a trace, else '' until a model names it. */
export const nextStream = (): string => (current === null ? '' : `${current.name}#${current.streams++}`)
