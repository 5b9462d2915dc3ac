// f32_reduce: sum, mean or maximum over the middle dimension of x[outer, k, inner].
import { COLUMNS, Reduce, ROWS } from '../codes'
import { columnMaxima, columnSums } from './columns'
import { divideRow, rowMax, rowSum } from './rows'

export function f32_reduce(d: usize, scratch: usize, begin: i32, end: i32): void {
  const x = load<usize>(d, 0), y = load<usize>(d, 4)
  const outer = load<i32>(d, 8), k = load<i32>(d, 12), inner = load<i32>(d, 16), code = load<i32>(d, 20)
  if (inner == 1) rows(x, y, begin * ROWS, min(outer, end * ROWS), k, code)
  else for (let tile = begin; tile < end; tile++) columns(x, y, tile, k, inner, code, scratch)
}

/** y[r] for the rows of some tiles. */
function rows(x: usize, y: usize, first: i32, last: i32, k: i32, code: i32): void {
  for (let r = first; r < last; r++) {
    const row = x + ((<usize>r * <usize>k) << 2)
    let value = code == Reduce.max ? rowMax(row, k) : rowSum(row, k)
    if (code == Reduce.mean) value /= <f32>k
    store<f32>(y + (<usize>r << 2), value)
  }
}

/** y[o, i] for the columns of one tile. */
function columns(x: usize, y: usize, tile: i32, k: i32, inner: i32, code: i32, scratch: usize): void {
  const across = (inner + COLUMNS - 1) / COLUMNS
  const o = <usize>(tile / across), i = tile % across * COLUMNS
  const count = min(COLUMNS, inner - i)
  const row = <usize>inner << 2
  const from = x + o * <usize>k * row + (<usize>i << 2), to = y + o * row + (<usize>i << 2)
  if (code == Reduce.max) columnMaxima(from, row, k, count, to)
  else columnSums(from, row, k, count, to, scratch)
  if (code == Reduce.mean) divideRow(to, count, <f32>k)
}
