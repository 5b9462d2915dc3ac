// Measuring by the clock, for `equigrad bench`: speeds are reported, nothing is computed from them.

/** Repeats `f` often enough to outlast the clock's grain; returns the seconds of one round. */
export function secondsPerRound(f: (rounds: number) => void, atLeast: number): number {
  for (let rounds = 1; ;) {
    const from = performance.now()
    f(rounds)
    const seconds = (performance.now() - from) / 1000
    if (seconds >= atLeast) return seconds / rounds
    rounds = Math.ceil(rounds * Math.min(100, Math.max(1.5, (1.2 * atLeast) / Math.max(seconds, 1e-6))))
  }
}

/** Repeats `f` for so many seconds: engines replace their first, quick code by optimised code between calls. */
export function warm(f: () => void, seconds: number): void {
  const from = performance.now()
  while (performance.now() - from < 1000 * seconds) f()
}

export interface Spread { readonly median: number; readonly min: number; readonly max: number }

/** Of an odd number of values, at least one. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  return { median: sorted[sorted.length >> 1] ?? NaN, min: sorted[0] ?? NaN, max: sorted[sorted.length - 1] ?? NaN }
}
