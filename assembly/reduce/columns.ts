// Sums and maxima down the columns of a matrix, up to COLUMNS of them at a time, vectorised across columns.
//
// Order (law 3, as in GEMM): each column ascending from +0 in chunks of KC, chunks added ascending to a block of KB, blocks added ascending.
// `row` is the distance of two rows in bytes.
import { COLUMNS, KB, KC } from '../codes'
import { loadTail, storeTail } from '../lanes'

/** y[j] = Σ x[k, j]. scratch holds the sums of a block. */
export function columnSums(x: usize, row: usize, k: i32, columns: i32, y: usize, scratch: usize): void {
  memory.fill(y, 0, <usize>columns << 2)
  for (let block = 0; block < k; block += KB) {
    memory.fill(scratch, 0, COLUMNS * 4)
    const end = min(k, block + KB)
    for (let chunk = block; chunk < end; chunk += KC) {
      addChunk(x + <usize>chunk * row, row, min(KC, end - chunk), columns, scratch)
    }
    addTo(y, scratch, columns)
  }
}

/** sum[j] += the sum of one chunk of column j: sixteen columns, one cache line, at a time, then up to four. */
function addChunk(x: usize, row: usize, count: i32, columns: i32, sum: usize): void {
  for (; columns >= 16; columns -= 16, x += 64, sum += 64) {
    let a = f32x4.splat(0), b = a, c = a, d = a
    let p = x
    for (let n = count; n > 0; n--, p += row) {
      a = f32x4.add(a, v128.load(p))
      b = f32x4.add(b, v128.load(p, 16))
      c = f32x4.add(c, v128.load(p, 32))
      d = f32x4.add(d, v128.load(p, 48))
    }
    v128.store(sum, f32x4.add(v128.load(sum), a))
    v128.store(sum, f32x4.add(v128.load(sum, 16), b), 16)
    v128.store(sum, f32x4.add(v128.load(sum, 32), c), 32)
    v128.store(sum, f32x4.add(v128.load(sum, 48), d), 48)
  }
  for (; columns > 0; columns -= 4, x += 16, sum += 16) {
    let a = f32x4.splat(0)
    let p = x
    for (let n = count; n > 0; n--, p += row) a = f32x4.add(a, loadLanes(p, columns))
    v128.store(sum, f32x4.add(v128.load(sum), a))
  }
}

/** y[j] += sum[j] */
function addTo(y: usize, sum: usize, columns: i32): void {
  for (; columns >= 4; columns -= 4, y += 16, sum += 16) v128.store(y, f32x4.add(v128.load(y), v128.load(sum)))
  if (columns > 0) storeTail(y, f32x4.add(loadTail(y, columns), v128.load(sum)), columns)
}

/** The floats of the next four columns, of which `columns` are ours. */
// @ts-ignore: decorator
@inline function loadLanes(p: usize, columns: i32): v128 { return columns < 4 ? loadTail(p, columns) : v128.load(p) }

/** y[j] = max x[k, j]; NaN if there is one; −∞ where k = 0. */
export function columnMaxima(x: usize, row: usize, k: i32, columns: i32, y: usize): void {
  for (; columns > 0; columns -= 4, x += 16, y += 16) {
    let largest = f32x4.splat(-Infinity)
    let p = x
    for (let n = k; n > 0; n--, p += row) largest = f32x4.max(largest, loadLanes(p, columns))
    if (columns < 4) storeTail(y, largest, columns)
    else v128.store(y, largest)
  }
}
