// How long something took: reported, never obeyed.

/** Starts a watch. @returns seconds since then */
export function stopwatch(): () => number {
  const from = performance.now()
  return () => (performance.now() - from) / 1000
}
