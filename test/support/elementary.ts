// The kernels' own exp and log on single numbers, so that formulas around them can be checked to the bit.
import { unaryCode } from '../../src/core/codes.js'
import { at } from './bits.js'
import { KernelBox } from './kernel.js'

const box = new KernelBox()
const cell = box.alloc(4)
const runs = {
  exp: box.kernel('f32_unary', { x: cell.address, y: cell.address, length: 1, code: unaryCode.exp, alpha: 0, beta: 0 }),
  log: box.kernel('f32_unary', { x: cell.address, y: cell.address, length: 1, code: unaryCode.log, alpha: 0, beta: 0 }),
} as const

function unary(name: keyof typeof runs, x: number): number {
  const view = new Float32Array(box.memory.buffer, cell.address, 1)
  view[0] = x
  runs[name](0, 1)
  return at(view, 0)
}

export const kernelExp = (x: number): number => unary('exp', x)
export const kernelLog = (x: number): number => unary('log', x)

/** The largest errors of both, in ulps of the exact result (test/kernels/math.test.ts holds them to it). */
export const EXP_ULPS = 2
export const LOG_ULPS = 2
