// Numbers for people.

/** 12000 as `12 000`. */
export const count = (n: number): string => String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ' ')

/** 0.97351 as `97.35%`. */
export const percent = (share: number): string => `${(100 * share).toFixed(2)}%`

/** A loss with four decimals, or in powers of ten where those would not show it. */
export const loss = (value: number): string => (value !== 0 && (value < 0.001 || value >= 10000) ? value.toExponential(2) : value.toFixed(4))

/** Milliseconds as `0.8 s`, `12 s`, `3 min 5 s`. */
export function duration(ms: number): string {
  const s = ms / 1000
  if (s < 9.95) return `${s.toFixed(1)} s`
  const whole = Math.round(s)
  if (whole < 60) return `${whole} s`
  const minutes = Math.floor(whole / 60)
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Milliseconds as on a clock: `0:08`, `2:57`, `1:02:57`. */
export function clock(ms: number): string {
  const s = Math.ceil(ms / 1000)
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60]
  return `${h === 0 ? String(m) : `${h}:${String(m).padStart(2, '0')}`}:${String(s % 60).padStart(2, '0')}`
}

/** Bytes as `221 kB` (1 kB = 1000 bytes). */
export const size = (bytes: number): string => (bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1e6).toFixed(1)} MB`)
