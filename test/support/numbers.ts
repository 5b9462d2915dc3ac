// Numbers for tests: seeded random numbers, distances in units in the last place, and tiles run in any order.

/** Mulberry32: a seeded generator of numbers in [0, 1), multiples of 2⁻³². */
export function random(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let z = Math.imul(state ^ (state >>> 15), state | 1)
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61)
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296
  }
}

/** n f32 numbers, uniform in [low, high). */
export function randomFloats(n: number, seed: number, low = -1, high = 1): Float32Array {
  const next = random(seed)
  return Float32Array.from({ length: n }, () => low + (high - low) * next())
}

const float = new Float32Array(1)
const bits = new Int32Array(float.buffer)

/** The place of fround(x) in the ascending order of all f32 values; ±0 is 0. */
function place(x: number): number {
  float[0] = x
  const b = bits[0] ?? 0
  return b >= 0 ? b : -(b & 0x7fffffff)
}

/** How many f32 values lie from fround(a) to fround(b): 0 when equal, or when both are NaN; ∞ when one is NaN. */
export function ulpDistance(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) && Number.isNaN(b) ? 0 : Infinity
  return Math.abs(place(a) - place(b))
}

/** The spacing of f32 values at the magnitude of x: 2⁻¹⁴⁹ for denormals, 2¹⁰⁴ for the largest. */
function spacing(x: number): number {
  float[0] = x
  const exponent = Math.min(Math.max(((bits[0] ?? 0) >>> 23) & 0xff, 1), 254)
  bits[0] = exponent << 23
  return (float[0] ?? 0) / 8388608
}

/** |got − exact| in f32 ulps of `exact`, a real number. Equal infinities and two NaN have distance 0; where `exact` rounds to ±∞, so may `got`. */
export function ulpError(got: number, exact: number): number {
  if (Number.isNaN(exact) || Number.isNaN(got)) return Number.isNaN(exact) && Number.isNaN(got) ? 0 : Infinity
  if (got === Math.fround(exact)) return Number.isFinite(got) ? Math.abs(got - exact) / spacing(exact) : 0
  return Math.abs(got - exact) / spacing(exact)
}

/** The bits of f32 values, all NaN alike (their payloads are no part of a result). */
export function bitsOf(x: Float32Array): Int32Array {
  const all = new Int32Array(x.buffer.slice(x.byteOffset, x.byteOffset + x.byteLength))
  x.forEach((value, i) => { if (Number.isNaN(value)) all[i] = 0x7fc00000 })
  return all
}

/** Where two arrays of the same bits first differ, or '' (expect's toEqual takes milliseconds for thousands of elements). */
export function difference(got: ArrayLike<number>, expected: ArrayLike<number>): string {
  if (got.length !== expected.length) return `${got.length} elements instead of ${expected.length}`
  for (let i = 0; i < got.length; i++) {
    if (!Object.is(got[i], expected[i])) return `${got[i]} instead of ${expected[i]} at ${i}`
  }
  return ''
}

/** Integers 0 … n − 1 in a random order (Fisher-Yates). */
export function shuffled(n: number, seed: number): number[] {
  const next = random(seed)
  const order = Array.from({ length: n }, (_, i) => i)
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(next() * (i + 1))
    const held = order[i] ?? 0
    order[i] = order[j] ?? 0
    order[j] = held
  }
  return order
}

/** Runs the tiles [0, tiles) of a kernel in random pieces, in a random order, some of them empty. */
export function runTiles(run: (tileBegin: number, tileEnd: number) => void, tiles: number, seed: number): void {
  const next = random(seed)
  const pieces: (readonly [number, number])[] = []
  for (let begin = 0; begin < tiles;) {
    const end = Math.min(tiles, begin + Math.floor(next() * Math.max(2, tiles / 3)))
    pieces.push([begin, end])
    begin = end
  }
  for (const i of shuffled(pieces.length, seed ^ 0x5bd1e995)) {
    const piece = pieces[i]
    if (piece) run(piece[0], piece[1])
  }
}
