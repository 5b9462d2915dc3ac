// Convolutions of a small network on images, forward and both gradients, as shares of the mul + add peak of the same minute: whole ops, with the
// packing of kernels and the framing of images.
import { apply1, Value } from '../src/compiler/graph/value.js'
import { conv2dInputOp, conv2dKernelOp, conv2dOp } from '../src/compiler/ops/conv.js'
import { lower } from '../src/compiler/passes/lower.js'
import { planMemory } from '../src/compiler/passes/plan.js'
import type { Shape } from '../src/core/shape.js'
import { Executor } from '../src/runtime/executor.js'
import { Store } from '../src/runtime/store.js'
import { Calls } from '../test/support/calls.js'
import { machine, median, secondsPerRound, warm, type Roofline } from './roofline.js'

const BATCH = 128

/** Images of height and width `size`, a kernel of 3 × 3, padding that keeps the size. */
interface Layer { readonly size: number; readonly channels: number; readonly filters: number; readonly groups: number; readonly stride: number }
const layers: readonly Layer[] = [
  { size: 28, channels: 1, filters: 16, groups: 1, stride: 1 }, { size: 14, channels: 16, filters: 32, groups: 1, stride: 1 }, { size: 7, channels: 64, filters: 64, groups: 1, stride: 1 },
  { size: 28, channels: 16, filters: 32, groups: 1, stride: 2 }, { size: 14, channels: 32, filters: 32, groups: 32, stride: 1 },
]

const leaf = (name: string, shape: Shape): Value => new Value(shape, 'f32', { kind: 'input', spec: { name, data: 'f32', scale: 1, offset: 0, classes: null } })

export interface ConvRow { readonly name: string; readonly microseconds: number; readonly rate: number; readonly share: number; readonly calls: string }

/** Medians of `rounds` rounds, the peak measured again before each. */
export function benchConv(roofline: Roofline, rounds = 7): readonly ConvRow[] {
  return layers.flatMap(({ size, channels, filters, groups, stride }) => {
    const out = Math.ceil(size / stride)
    const before = stride === 1 ? 1 : 0
    const attrs = { strides: [stride, stride], dilation: [1, 1], pads: [before, 1, before, 1], groups }
    const x = leaf('x', ['n', size, size, channels]), w = leaf('w', [3, 3, channels / groups, filters]), dy = leaf('dy', ['n', out, out, filters])
    const flop = 2 * BATCH * out * out * 9 * (channels / groups) * filters
    const kinds: readonly (readonly [string, Value])[] = [
      ['forward', apply1(conv2dOp, [x, w], attrs)], ['by the kernel', apply1(conv2dKernelOp, [x, dy], { ...attrs, size: [3, 3] })], ['by the input', apply1(conv2dInputOp, [dy, w], { ...attrs, size: [size, size] })],
    ]
    return kinds.map(([kind, y]): ConvRow => {
      const store = new Store()
      const program = planMemory(lower({ capacity: BATCH, fetches: { y } }))
      const executor = new Executor(program, store, { seed: 0 })
      executor.bind(BATCH)
      executor.prepare()
      for (const view of Object.values(program.inputs)) {
        const length = view.shape.reduce<number>((p, d) => p * (d === 'n' ? BATCH : d), 1)
        store.f32(executor.addressOf(view), length).set(Float32Array.from({ length }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 8) / 2 ** 24 - 0.5))
      }
      // Inputs share the arena with what comes after them, but for those that live to the last call: numbers stay finite, which is all that counts here.
      const run = (n: number): void => { for (let i = 0; i < n; i++) executor.run() }
      warm(run)
      const [seconds, shares]: [number[], number[]] = [[], []]
      for (let r = 0; r < rounds; r++) {
        const peak = roofline.peak(0.004).rate
        const time = secondsPerRound(run)
        seconds.push(time)
        shares.push(flop / time / 1e9 / peak)
      }
      const time = median(seconds)
      const parts = new Calls(executor, store).all.map((call, i) => {
        const one = (n: number): void => { for (let i = 0; i < n; i++) call.run() }
        return `${program.calls[i]?.kernel} ${(secondsPerRound(one) * 1e6).toFixed(0)}`
      })
      executor.release()
      return { name: `${kind} ${size}×${size}×${channels}→${filters}${groups > 1 ? `, ${groups} groups` : ''}${stride > 1 ? `, stride ${stride}` : ''}`, microseconds: time * 1e6, rate: flop / time / 1e9, share: median(shares), calls: parts.join(', ') }
    })
  })
}

/** The result of `benchConv` as text. */
export function printConv(rows: readonly ConvRow[]): string {
  return [`convolutions 3×3, batch ${BATCH}, one thread, ${machine()}; µs of each call behind`, ...rows.map(({ name, microseconds, rate, share, calls }) =>
    `${name.padEnd(44)}${microseconds.toFixed(0).padStart(7)} µs ${rate.toFixed(1).padStart(6)} GFLOP/s ${(100 * share).toFixed(0).padStart(4)} % of peak   ${calls}`)].join('\n')
}
