// The microkernel of gemm/micro.ts on the rows of a convolution, whose terms lie in pieces.
//
//   row i of A:  a + offset(i) ─▶ [ run of terms ]  midStep  [ run of terms ]  …   mid runs, then outerStep to the next mid
//
// Long runs of adjacent floats are walked in place. For others the terms' places stand in a table: between short runs a walk has more
// to count than to multiply.
import { Form, sweep } from '../gemm/micro'

export function sweepRuns(
  a: usize, rowOffsets: usize, walk: usize, b: usize, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32,
): void {
  sweep(Form.runs, a, 0, rowOffsets, 4, walk, b, 32, bPanel, terms, rows, panels, then, s, sRow, c, cRow, bias, activation, alpha)
}

export function sweepTable(
  a: usize, rowOffsets: usize, table: usize, b: usize, bStep: i32, bPanel: i32, terms: i32, rows: i32, panels: i32,
  then: i32, s: usize, sRow: i32, c: usize, cRow: i32, bias: usize, activation: i32, alpha: f32, kept: usize, part: i32,
): void {
  sweep(Form.table, a, 0, rowOffsets, 0, table, b, bStep, bPanel, terms, rows, panels, then, s, sRow, c, cRow, bias, activation, alpha, kept, part)
}
