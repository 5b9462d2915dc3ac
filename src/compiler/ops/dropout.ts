// dropout: elements become +0 with a probability, the rest grow. Its random words are a function of the stream, the step and the sample's
// index in the data, so that its own gradient draws the same ones again.
import { apply1, type Op, type Value } from '../graph/value.js'
import { nextStream } from '../graph/trace.js'
import { elements } from '../../core/shape.js'
import { sizeOf, tilesOf } from '../program.js'
import { ROWS } from '../kernels.js'
import { rule2 } from '../rule.js'
import { operand } from './types.js'

export const dropoutOp: Op = {
  name: 'dropout',
  infer(ins) {
    operand('dropout', ins, 1, 'i32')
    return [{ shape: operand('dropout', ins, 0).shape, dtype: 'f32' }]
  },
  lower(ctx) {
    const x = ctx.in(0)
    const rate = Number(ctx.attrs['rate'])
    ctx.call('f32_dropout', {
      x, y: ctx.out(0), rows: sizeOf(x.shape.slice(0, 1)), width: elements(x.shape.slice(1)), threshold: Math.min(0xffffffff, Math.floor(rate * 4294967296)),
      scale: { f32: 1 / (1 - rate) }, index: ctx.in(1), step: ctx.slot('step', 1), key: ctx.slot(`key:dropout/${String(ctx.attrs['stream'])}`, 2),
    }, { tiles: tilesOf({ per: 1 }, ROWS), writes: ['y'], inplace: ['x'] })
  },
  vjp: /* @__PURE__ */ rule2((dy, _, samples, __, attrs) => apply1(dropoutOp, [dy, samples], attrs)),
}

/**
 * Sets elements to +0 with probability `rate` and multiplies the others by 1 / (1 − rate).
 *
 * @param samples - i32 [n]: each row's index in the data
 * @param stream - names the random stream; empty: from the place in the model (default: the trace's next, or empty)
 */
export const dropout = (x: Value, samples: Value, rate: number, stream = nextStream()): Value => apply1(dropoutOp, [x, samples], { rate, stream })
