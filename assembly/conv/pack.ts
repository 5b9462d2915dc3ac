// What f32_conv reads: kernels in panels, and images in a frame of zeros.
import { PANEL } from '../codes'

/** Panels as in gemm/pack.ts, of k = (tap, inner), one group after the other; `tapStep` may be negative, for a flipped kernel. */
export function f32_pack_conv(d: usize, scratch: usize, begin: i32, end: i32): void {
  const w = <usize>load<u32>(d, 0), out = <usize>load<u32>(d, 4)
  const taps = load<i32>(d, 8), inner = load<i32>(d, 12), n = load<i32>(d, 16)
  const tapStep = load<i32>(d, 20), step = load<i32>(d, 24), column = load<i32>(d, 28), groupStep = load<i32>(d, 32)
  const panels = (n + PANEL - 1) / PANEL
  for (let tile = begin; tile < end; tile++) {
    const j = tile % panels * PANEL, columns = min(PANEL, n - j)
    let from = w + tile / panels * groupStep + j * column
    let to = out + <usize>(tile * taps * inner * PANEL * 4)
    for (let tap = 0; tap < taps; tap++) {
      let row = from
      for (let i = 0; i < inner; i++) {
        if (columns == PANEL && column == 4) {
          v128.store(to, v128.load(row, 0), 0)
          v128.store(to, v128.load(row, 16), 16)
        } else {
          for (let c = 0; c < PANEL; c++) store<f32>(to + (c << 2), c < columns ? load<f32>(row + c * column) : <f32>0)
        }
        to += PANEL * 4
        row += step
      }
      from += tapStep
    }
  }
}

/** One row of the framed image a tile. */
export function f32_pad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = <usize>load<u32>(d, 0), y = <usize>load<u32>(d, 4)
  const height = load<i32>(d, 8), width = load<i32>(d, 12), channels = load<i32>(d, 16)
  const rows = load<i32>(d, 20), columns = load<i32>(d, 24), top = load<i32>(d, 28), left = load<i32>(d, 32)
  const rowStep = load<i32>(d, 36), columnStep = load<i32>(d, 40)
  const pixel = channels * 4
  for (let tile = begin; tile < end; tile++) {
    const image = tile / rows, r = tile % rows - top
    const to = y + <usize>(tile * columns * pixel)
    if (r < 0 || r % rowStep != 0 || r / rowStep >= height) {
      zero(to, columns * pixel)
      continue
    }
    const from = x + <usize>((image * height + r / rowStep) * width * pixel)
    if (columnStep == 1) {
      // x's columns from `first` to `last` are seen
      const first = max(0, -left), last = max(first, min(width, columns - left))
      const before = min(columns, first + left)
      zero(to, before * pixel)
      move(from + first * pixel, to + before * pixel, (last - first) * pixel)
      zero(to + (before + last - first) * pixel, (columns - before - last + first) * pixel)
    } else {
      zero(to, columns * pixel)
      for (let q = 0; q < width; q++) {
        const at = left + q * columnStep
        if (at >= 0 && at < columns) move(from + q * pixel, to + at * pixel, pixel)
      }
    }
  }
}

// memory.fill and memory.copy leave WebAssembly: too dear for rows of some dozen floats.
function zero(to: usize, bytes: i32): void {
  const end = to + bytes, vectors = to + (bytes & ~15), nothing = i32x4.splat(0)
  for (; to < vectors; to += 16) v128.store(to, nothing)
  for (; to < end; to += 4) store<u32>(to, 0)
}
function move(from: usize, to: usize, bytes: i32): void {
  const end = to + bytes, vectors = to + (bytes & ~15)
  for (; to < vectors; to += 16) {
    v128.store(to, v128.load(from))
    from += 16
  }
  for (; to < end; to += 4) {
    store<u32>(to, load<u32>(from))
    from += 4
  }
}
