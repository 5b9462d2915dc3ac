// Built-in synthetic digits: handwriting-like figures drawn from vector strokes, so that examples, tests and a first run need no download.
//
//   label ─► one of its variants (strokes of control points) ─► Catmull–Rom curves ─► line segments
//         ─► elastic field ─► shear, scale, rotation, translation ─► distance to the pen's path ─► ink ─► noise ─► bytes
//
// Only exact operations (law 2): rotation is by the rational parametrisation of the circle, the elastic field by polynomials.
// Sample i is a function of (seed, size, i) alone: its numbers are Philox words with i in the counter.
import { checkCount, checkNumber, checkOptions, checkSeed } from '../core/options.js'
import { permutation, philox, randomKey, type RandomKey } from '../core/random.js'

/** Options of {@link digits}. */
export interface DigitsOptions {
  /** how many; default 1000 */
  readonly samples?: number
  /** of all that is random; a whole number from 0; default 0 */
  readonly seed?: number
  /** height and width of an image in pixels, 12 to 256; default 28 */
  readonly size?: number
  /** index of the first sample, a whole number from 0; default 0. Ranges that do not overlap are unseen data for one another. */
  readonly offset?: number
}

/** Drawn digits with their labels. */
export interface Digits {
  /** [samples · size · size], 0 paper to 255 ink */
  readonly images: Uint8Array<ArrayBuffer>
  /** [samples], 0 to 9 */
  readonly labels: Uint8Array<ArrayBuffer>
  /** [samples, size, size] */
  readonly shape: readonly [number, number, number]
}

// ---- the figures -------------------------------------------------------------------------------------------------------------

/** Strokes in a box of 100 × 100, x to the right and y down: x y, x y, … A point given twice is a corner; otherwise the pen rounds it. */
type Figure = readonly string[]

const figures: readonly (readonly Figure[])[] = [
  [ // 0: closed; narrow with an overshoot; round with a gap at the top; begun at the right
    ['54 1, 31 12, 20 50, 32 88, 53 99, 72 87, 80 50, 70 13, 53 1'],
    ['64 10, 46 1, 27 20, 20 58, 34 94, 57 97, 75 68, 78 30, 62 4, 44 10'],
    ['42 5, 18 28, 15 66, 40 98, 72 90, 86 52, 74 14, 54 4'],
    ['76 26, 58 2, 32 8, 17 42, 24 84, 50 100, 74 82, 80 44, 70 14'],
  ],
  [ // 1: a bar; with a flag; with flag and base; leaning; hooked
    ['53 0, 52 50, 50 100'],
    ['30 24, 42 15, 54 0, 54 0, 53 50, 51 100'],
    ['30 24, 42 15, 54 0, 54 0, 53 50, 52 99', '30 100, 74 98'],
    ['64 0, 51 48, 40 100'],
    ['40 12, 54 0, 54 0, 50 52, 46 100'],
  ],
  [ // 2: a plain foot; with a loop; a long neck and a wave; angular
    ['22 24, 34 5, 58 2, 73 20, 66 46, 44 73, 20 97, 20 97, 50 97, 82 95'],
    ['24 20, 40 2, 65 6, 71 30, 56 62, 34 90, 20 93, 20 80, 36 78, 58 95, 84 92'],
    ['20 16, 46 0, 70 14, 68 40, 46 72, 20 96, 20 96, 40 88, 60 99, 84 90'],
    ['26 12, 52 2, 72 16, 62 46, 24 98, 24 98, 80 98'],
    ['28 28, 30 8, 52 1, 72 14, 70 38, 50 66, 18 92, 34 88, 56 92, 80 99'],
  ],
  [ // 3: round; flat at the top; with a loop in the middle; a shallow waist
    ['22 16, 44 0, 70 14, 64 38, 44 47, 44 47, 72 58, 76 82, 52 100, 20 87'],
    ['24 4, 73 3, 73 3, 46 40, 46 40, 72 54, 76 80, 50 100, 20 89'],
    ['24 12, 48 0, 70 16, 58 42, 40 53, 36 46, 52 45, 74 64, 70 90, 44 100, 22 88'],
    ['26 8, 56 0, 74 18, 60 44, 48 48, 66 54, 78 76, 58 98, 22 96'],
  ],
  [ // 4: open; closed; a cup and a bar; closed with a long stroke
    ['30 4, 25 30, 22 56, 22 56, 50 57, 84 53', '66 8, 64 50, 61 100'],
    ['62 0, 40 32, 18 65, 18 65, 50 65, 86 63', '62 0, 62 50, 61 100'],
    ['26 4, 22 38, 38 56, 66 46', '74 2, 67 48, 58 100'],
    ['70 14, 48 34, 20 68, 20 68, 54 66, 88 64', '70 14, 64 58, 58 100'],
    ['32 10, 18 52, 18 52, 76 50', '72 0, 66 50, 66 100'],
  ],
  [ // 5: two strokes; one stroke; like an S; a bar that floats
    ['30 4, 26 44, 26 44, 48 36, 74 52, 75 80, 50 100, 20 90', '30 4, 54 3, 78 1'],
    ['78 4, 34 6, 34 6, 28 44, 28 44, 56 38, 78 62, 66 92, 40 100, 20 90'],
    ['76 5, 46 4, 29 20, 36 42, 62 54, 73 76, 54 98, 22 92'],
    ['34 10, 28 46, 28 46, 50 40, 72 54, 72 82, 46 99, 18 92', '38 8, 60 6, 84 0'],
  ],
  [ // 6: curved; begun high; a straight stem; a small bowl
    ['67 3, 42 22, 25 58, 29 89, 53 100, 74 85, 70 61, 49 53, 28 68'],
    ['56 0, 31 36, 22 75, 40 100, 66 94, 76 72, 61 56, 39 62, 26 82'],
    ['42 0, 31 40, 26 76, 43 99, 69 91, 73 66, 52 55, 29 72'],
    ['72 0, 44 30, 26 70, 38 98, 60 97, 68 80, 56 68, 34 78'],
  ],
  [ // 7: plain; with a bar; with a serif; rounded at the top; barred and leaning
    ['20 6, 79 4, 79 4, 58 48, 42 100'],
    ['20 6, 79 4, 79 4, 58 48, 44 100', '36 52, 76 48'],
    ['20 24, 22 6, 22 6, 52 8, 79 4, 79 4, 58 42, 48 70, 46 100'],
    ['20 14, 44 3, 70 5, 75 18, 58 56, 44 100'],
    ['24 4, 76 8, 76 8, 54 46, 32 100', '30 50, 72 56'],
  ],
  [ // 8: one stroke; two rings; open at the top; a narrow one begun in the middle
    ['70 14, 48 0, 28 16, 40 39, 63 57, 74 81, 50 100, 27 84, 37 60, 62 40, 72 20, 62 4'],
    ['50 0, 31 10, 30 34, 50 46, 70 35, 70 11, 50 0', '50 46, 27 58, 24 86, 50 100, 76 86, 73 59, 50 46'],
    ['76 6, 46 2, 29 20, 46 44, 68 64, 65 92, 40 100, 26 82, 43 57, 68 34, 80 12'],
    ['50 46, 32 30, 38 6, 60 2, 68 20, 50 46, 34 66, 32 92, 54 100, 68 86, 64 64, 50 46'],
  ],
  [ // 9: a straight stem; a curved tail; begun at the stem; a long leaning tail
    ['71 20, 50 2, 27 16, 26 40, 48 50, 70 34, 73 8, 73 8, 70 50, 64 100'],
    ['74 22, 53 0, 29 12, 27 40, 50 51, 72 32, 74 16, 75 54, 64 92, 42 100, 25 92'],
    ['67 8, 41 4, 23 26, 37 50, 63 38, 71 4, 71 4, 68 60, 67 100'],
    ['72 12, 48 2, 28 22, 34 44, 56 44, 73 12, 73 12, 62 56, 40 100'],
  ],
]

/** Control points of one stroke, in units of the figure's box and centred on it; `corner[k]` says that the pen turns sharply at k. */
interface Stroke { readonly x: Float64Array; readonly y: Float64Array; readonly corner: readonly boolean[] }

const parseStroke = (text: string): Stroke => {
  const x: number[] = []
  const y: number[] = []
  const corner: boolean[] = []
  for (const pair of text.split(', ')) {
    const [px = 0, py = 0] = pair.split(' ').map((s) => Number(s) / 100 - 0.5)
    const last = x.length - 1
    if (x[last] === px && y[last] === py) corner[last] = true
    else { x.push(px); y.push(py); corner.push(false) }
  }
  return { x: Float64Array.from(x), y: Float64Array.from(y), corner }
}

/** Segments that each span between two control points is cut into. */
const PIECES = 5

/** A line [x, y] through all control points, with the corners kept: Catmull–Rom splines (Catmull, Rom 1974), cut into `PIECES` a span. */
const flatten = ({ x, y, corner }: Stroke): { x: Float64Array; y: Float64Array } => {
  const spans = x.length - 1
  const fx = new Float64Array(spans * PIECES + 1)
  const fy = new Float64Array(spans * PIECES + 1)
  // A spline sees no further than a corner or an end: there the neighbour beyond is the point itself.
  const before = (k: number): number => (k === 0 || corner[k] === true ? k : k - 1)
  const after = (k: number): number => (k === spans || corner[k] === true ? k : k + 1)
  const spline = (a: number, b: number, c: number, d: number, t: number): number =>
    b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
  for (let s = 0; s < spans; s++) {
    const [a, b, c, d] = [before(s), s, s + 1, after(s + 1)]
    for (let p = 0; p <= PIECES; p++) {
      const t = p / PIECES
      fx[s * PIECES + p] = spline(x[a] ?? 0, x[b] ?? 0, x[c] ?? 0, x[d] ?? 0, t)
      fy[s * PIECES + p] = spline(y[a] ?? 0, y[b] ?? 0, y[c] ?? 0, y[d] ?? 0, t)
    }
  }
  return { x: fx, y: fy }
}

type Line = ReturnType<typeof flatten>
/** [label][variant][stroke]: made at the first call, so that an import does no work. */
let lines: readonly (readonly (readonly Line[])[])[] | undefined

// ---- how hands differ ----------------------------------------------------------------------------------------------------------
// Each range is [centre, half-width] of a triangular distribution. Lengths are in pixels of a 28 × 28 image. Chosen by measuring: see the test.

const variation = {
  /** height and width of the figure's box */
  height: [19.5, 4], width: [17, 5],
  /** x moves by this × y: negative leans to the right */
  shear: [-0.12, 0.4],
  /** tangent of half the angle */
  halfAngle: [0, 0.16],
  shiftX: [0, 3.4], shiftY: [0, 3.2],
  /** the pen's radius, its change from the first to the last point of a stroke, and the width of the blurred rim */
  radius: [1.15, 0.65], pressure: [0, 0.4], rim: [1.3, 0.5],
  /** 1 is black */
  ink: [0.88, 0.22],
  /** paper grain, of 255; negative is none */
  grain: [4, 16],
} as const satisfies Record<string, readonly [number, number]>

/** Nodes of the elastic field along each side, and how far one of them moves, of the figure's box. */
const NODES = 5
const ELASTIC = 0.18

/** Words of randomness a sample draws before its noise: the variant, each range (two words), the field's strength and its nodes; a multiple of 4. */
const WORDS = 4 * Math.ceil((2 + 2 * 11 + 4 * NODES * NODES) / 4)

/** A scratch that one call of `digits` uses for all samples. */
class Pen {
  readonly key: RandomKey
  readonly words = new Uint32Array(WORDS)
  readonly four = new Uint32Array(4)
  /** depth of ink at each pixel, in rims: ≤ 0 outside, ≥ 1 inside; [size · size] */
  readonly depth: Float64Array
  readonly fieldX = new Float64Array(NODES * NODES)
  readonly fieldY = new Float64Array(NODES * NODES)
  next = 0

  constructor(readonly seed: number, readonly size: number) {
    this.key = randomKey(seed, 'digits')
    this.depth = new Float64Array(size * size)
  }

  /** The words of sample i: counter (block, i low, i high, 0). */
  start(i: number): void {
    for (let b = 0; b < WORDS / 4; b++) this.words.set(philox(this.key, b, i, Math.floor(i / 4294967296), 0, this.four), b * 4)
    this.next = 0
  }

  /** In [0, 1). */
  uniform(): number {
    return (this.words[this.next++] ?? 0) / 4294967296
  }

  /** Triangular in (−1, 1). */
  wobble(): number {
    return this.uniform() - this.uniform()
  }

  draw([centre, halfWidth]: readonly [number, number]): number {
    return centre + halfWidth * this.wobble()
  }
}

/** Displacement at (x, y) in the box: the field's nodes blended as a uniform quadratic B-spline, whose slope has no jumps. */
function displaced(field: Float64Array, x: number, y: number): number {
  const cells = NODES - 2
  const gx = Math.min(Math.max(x + 0.5, 0), 1) * cells
  const gy = Math.min(Math.max(y + 0.5, 0), 1) * cells
  const ix = Math.min(Math.floor(gx), cells - 1)
  const iy = Math.min(Math.floor(gy), cells - 1)
  const tx = gx - ix
  const ty = gy - iy
  const row = (k: number): number => blend(field[k] ?? 0, field[k + 1] ?? 0, field[k + 2] ?? 0, tx)
  const k = iy * NODES + ix
  return blend(row(k), row(k + NODES), row(k + 2 * NODES), ty)
}

/** Quadratic B-spline over one cell: ((1 − t)² a + (1 + 2t − 2t²) b + t² c) / 2. */
const blend = (a: number, b: number, c: number, t: number): number =>
  0.5 * ((1 - t) * (1 - t) * a + (1 + 2 * t - 2 * t * t) * b + t * t * c)

/** Deepens `depth` along the segment from (ax, ay) to (bx, by), whose radius goes from ra to rb; pixels' centres are at whole numbers. */
function drawSegment(pen: Pen, ax: number, ay: number, bx: number, by: number, ra: number, rb: number, rim: number): void {
  const { size, depth } = pen
  const reach = Math.max(ra, rb) + rim / 2
  const x0 = Math.max(Math.ceil(Math.min(ax, bx) - reach), 0)
  const x1 = Math.min(Math.floor(Math.max(ax, bx) + reach), size - 1)
  const y0 = Math.max(Math.ceil(Math.min(ay, by) - reach), 0)
  const y1 = Math.min(Math.floor(Math.max(ay, by) + reach), size - 1)
  const dx = bx - ax
  const dy = by - ay
  const squared = dx * dx + dy * dy
  const inverse = squared > 0 ? 1 / squared : 0
  for (let y = y0; y <= y1; y++) {
    for (let x = x0; x <= x1; x++) {
      // The nearest point of the segment is at t; the ink's rim falls from 1 to 0 around the radius.
      const t = Math.min(Math.max(((x - ax) * dx + (y - ay) * dy) * inverse, 0), 1)
      const ex = x - (ax + t * dx)
      const ey = y - (ay + t * dy)
      const d = (ra + t * (rb - ra) - Math.sqrt(ex * ex + ey * ey)) / rim + 0.5
      const k = y * size + x
      if (d > (depth[k] ?? 0)) depth[k] = d
    }
  }
}

/** Draws sample i with this label into `image`. */
function drawDigit(pen: Pen, variants: readonly (readonly Line[])[], i: number, image: Uint8Array): void {
  pen.start(i)
  const v = variation
  const unit = pen.size / 28
  const strokes = variants[Math.floor(pen.uniform() * variants.length)] ?? []
  const height = pen.draw(v.height) * unit
  const width = pen.draw(v.width) * unit
  const shear = pen.draw(v.shear)
  const half = pen.draw(v.halfAngle)
  // cos = (1 − h²)/(1 + h²) and sin = 2h/(1 + h²) with h = tan(angle/2)
  const cos = (1 - half * half) / (1 + half * half)
  const sin = (2 * half) / (1 + half * half)
  const centre = (pen.size - 1) / 2
  const shiftX = centre + pen.draw(v.shiftX) * unit
  const shiftY = centre + pen.draw(v.shiftY) * unit
  const radius = pen.draw(v.radius) * unit
  const pressure = pen.draw(v.pressure)
  const rim = pen.draw(v.rim) * unit
  const ink = Math.min(pen.draw(v.ink), 1) * 255
  const grain = Math.max(pen.draw(v.grain), 0)
  const elastic = ELASTIC * (0.5 + pen.uniform())
  for (let k = 0; k < NODES * NODES; k++) {
    pen.fieldX[k] = elastic * pen.wobble()
    pen.fieldY[k] = elastic * pen.wobble()
  }

  pen.depth.fill(0)
  for (const { x, y } of strokes) {
    const segments = x.length - 1
    let px = 0
    let py = 0
    for (let s = 0; s <= segments; s++) {
      const ux = x[s] ?? 0
      const uy = y[s] ?? 0
      const wy = (uy + displaced(pen.fieldY, ux, uy)) * height
      const wx = (ux + displaced(pen.fieldX, ux, uy)) * width + shear * wy
      const qx = shiftX + cos * wx - sin * wy
      const qy = shiftY + sin * wx + cos * wy
      if (s > 0) {
        const from = radius * (1 + pressure * ((s - 1) / segments - 0.5))
        const to = radius * (1 + pressure * (s / segments - 0.5))
        drawSegment(pen, px, py, qx, qy, from, to, rim)
      }
      px = qx
      py = qy
    }
  }

  // Noise: a byte per pixel, 16 bytes a Philox counter (block, i low, i high, 1), seen as −0.5 … 0.5; what falls below paper is cut off.
  const { depth, four } = pen
  for (let k = 0; k < depth.length; k++) {
    if ((k & 15) === 0) philox(pen.key, k >>> 4, i, Math.floor(i / 4294967296), 1, four)
    const byte = ((four[(k >>> 2) & 3] ?? 0) >>> ((k & 3) * 8)) & 255
    const noise = grain * (byte / 128 - 1)
    image[k] = Math.floor(Math.min(Math.max(Math.min(depth[k] ?? 0, 1) * ink + noise, 0), 255) + 0.5)
  }
}

/**
 * Draws handwriting-like digits: grey images of the figures 0 to 9 in several hands, with random slant, size, place, pen and distortion.
 * Each ten consecutive samples (from a multiple of ten) hold each digit once. Sample i is the same whatever else is drawn.
 *
 * @param options - `samples` (1 or more, default 1000), `seed` (default 0), `size` in pixels (12 to 256, default 28), `offset` of the first sample (default 0)
 * @returns `images` [samples · size · size] from 0 (paper) to 255 (ink), `labels` [samples] from 0 to 9, `shape` [samples, size, size]
 * @throws TypeError for an unknown option or a wrong kind, RangeError for a value out of range
 * @example
 * import { digits } from 'equigrad/data'
 * const train = digits({ samples: 12000, seed: 1 })
 * const test = digits({ samples: 2000, seed: 1, offset: 12000 })
 * console.log(train.shape, test.labels.slice(0, 10)) // [12000, 28, 28], each digit once
 */
export function digits(options: DigitsOptions = {}): Digits {
  checkOptions('digits', options, ['samples', 'seed', 'size', 'offset'])
  const samples = checkCount('digits: samples', options.samples ?? 1000)
  const seed = checkSeed('digits: seed', options.seed ?? 0)
  const size = checkNumber('digits: size', options.size ?? 28, { integer: true, min: 12, max: 256 })
  const offset = checkNumber('digits: offset', options.offset ?? 0, { integer: true, min: 0, max: Number.MAX_SAFE_INTEGER - samples })
  lines ??= figures.map((variants) => variants.map((strokes) => strokes.map((s) => flatten(parseStroke(s)))))

  const pixels = size * size
  const images = new Uint8Array(samples * pixels)
  const labels = new Uint8Array(samples)
  const pen = new Pen(seed, size)
  const orderKey = randomKey(seed, 'digits', 'labels')
  let ten = -1
  let order = new Int32Array(10)
  for (let s = 0; s < samples; s++) {
    const i = offset + s
    const block = Math.floor(i / 10)
    if (block !== ten) {
      ten = block
      order = permutation(10, [orderKey[0] ^ block, orderKey[1] ^ Math.floor(block / 4294967296)])
    }
    const label = order[i - block * 10] ?? 0
    labels[s] = label
    drawDigit(pen, lines[label] ?? [], i, images.subarray(s * pixels, (s + 1) * pixels))
  }
  return { images, labels, shape: [samples, size, size] }
}
