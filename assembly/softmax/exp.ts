// Exponentials of a row, shifted by its maximum so that the largest is 1: what softmax and cross-entropy share.
import { KC } from '../codes'
import { loadTail, storeTail } from '../lanes'
import { exp, log } from '../math/f32x4'
import { chunkSum } from '../reduce/rows'

/** y[j] = exp(x[j] − shift). y may be x. */
export function expRow(x: usize, y: usize, count: i32, shift: f32): void {
  const s = f32x4.splat(shift)
  for (; count >= 4; count -= 4, x += 16, y += 16) v128.store(y, exp(f32x4.sub(v128.load(x), s)))
  if (count > 0) storeTail(y, exp(f32x4.sub(loadTail(x, count), s)), count)
}

/** log Σ exp(x[j] − shift), summed as rows.ts says: the bits of expRow followed by rowSum and log. */
export function logSumExp(x: usize, width: i32, shift: f32, scratch: usize): f32 {
  let sum: f32 = 0
  for (; width > 0; width -= KC, x += KC * 4) {
    const count = min(KC, width)
    expRow(x, scratch, count, shift)
    sum += chunkSum(scratch, count)
  }
  return f32x4.extract_lane(log(f32x4.splat(sum)), 0)
}
