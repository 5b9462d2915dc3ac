// Softmax cross-entropy of logits against labels that are class indices. Labels were checked by the host: 0 ≤ label < width.
//
// Stable at any magnitude: the logits are shifted by the row's maximum, and the loss is log Σ exp(x − max) − (x[label] − max), which is
// −logSoftmax(x)[label] to the bit, and loses nothing when the label has the largest logit.
import { ROWS } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { rowMax, rowSum } from '../reduce/rows'
import { expRow, logSumExp } from '../softmax/exp'

export function f32_sparse_xent(d: usize, scratch: usize, begin: i32, end: i32): void {
  const labels = load<usize>(d, 4), y = load<usize>(d, 8)
  const width = load<i32>(d, 16), bytes = <usize>width << 2
  const last = min(load<i32>(d, 12), end * ROWS)
  for (let r = begin * ROWS; r < last; r++) {
    const x = load<usize>(d, 0) + <usize>r * bytes, at = <usize>r << 2
    const largest = rowMax(x, width)
    const own = load<f32>(x + (<usize>load<u32>(labels + at) << 2)) - largest
    store<f32>(y + at, logSumExp(x, width, largest, scratch) - own)
  }
}

/** dx = (p − onehot(label))·dy with p = exp(x − max) / Σ. dx may be x. */
export function f32_sparse_xent_grad(d: usize, scratch: usize, begin: i32, end: i32): void {
  const labels = load<usize>(d, 4), dy = load<usize>(d, 8)
  const width = load<i32>(d, 20), bytes = <usize>width << 2
  const last = min(load<i32>(d, 16), end * ROWS)
  for (let r = begin * ROWS; r < last; r++) {
    const x = load<usize>(d, 0) + <usize>r * bytes, dx = load<usize>(d, 12) + <usize>r * bytes
    const at = <usize>r << 2, label = <usize>load<u32>(labels + at) << 2
    const seed = load<f32>(dy + at)
    expRow(x, dx, width, rowMax(x, width))
    const sum = rowSum(dx, width)
    const own = load<f32>(dx + label) / sum - <f32>1
    scale(dx, width, sum, seed)
    store<f32>(dx + label, own * seed)
  }
}

/** e = (e / sum)·seed */
function scale(e: usize, width: i32, sum: f32, seed: f32): void {
  const by = f32x4.splat(sum), times = f32x4.splat(seed)
  for (; width >= 4; width -= 4, e += 16) v128.store(e, f32x4.mul(f32x4.div(v128.load(e), by), times))
  if (width > 0) storeTail(e, f32x4.mul(f32x4.div(loadTail(e, width), by), times), width)
}
