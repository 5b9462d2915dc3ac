// specialise: chooses what training or prediction computes. After it dropout and the like are ordinary ops with ordinary gradients.
import { EquigradError, message } from '../../core/errors.js'
import { tracedMode, type Mode } from '../graph/trace.js'
import { everyNode, rewrite, topological, type Node, type Value } from '../graph/value.js'
import { momentumOf } from '../ops/average.js'
import { add } from '../ops/binary.js'
import { rebuildScan } from '../ops/scan-parts.js'
import { affine } from '../ops/unary.js'

export type { Mode } from '../graph/trace.js'

const chosen = (ins: readonly Value[], mode: Mode): readonly Value[] => ins.slice(mode === 'train' ? 0 : 1).slice(0, 1)

/** A scan whose body is specialised; undefined where that leaves it as it is. */
function within(node: Node, ins: readonly Value[], mode: Mode): readonly Value[] | undefined {
  if (node.body === null) return undefined
  const outs = specialise(node.body.outs, mode)
  return outs.every((v, i) => v === node.body?.outs[i]) ? undefined : rebuildScan(node, ins, outs)
}

/** Replaces every `byMode(train, predict)` and `average(stat, moving)` by the one of `mode`, and every mark of a weight by what it marks. */
export function specialise(outputs: readonly Value[], mode: Mode): readonly Value[] {
  return rewrite(outputs, {
    node(node, ins) {
      if (node.op.name === 'byMode' || node.op.name === 'average') return chosen(ins, mode)
      if (node.op.name === 'weight') return ins
      return within(node, ins, mode)
    },
  })
}

/** {@link specialise} for training, but for the averages, which stay to be found; those of frozen keys are their weights, as in prediction. */
function specialiseOpen(outputs: readonly Value[], frozen: (key: string) => boolean): readonly Value[] {
  return rewrite(outputs, {
    node(node, ins) {
      if (node.op.name === 'byMode') return chosen(ins, 'train')
      if (node.op.name === 'weight') return ins
      if (node.op.name === 'average') return frozen(averagedKey(node, ins)) ? chosen(ins, 'predict') : undefined
      if (node.body === null) return undefined
      const inner = everyNode(node.body.outs).find(({ op }) => op.name === 'average')
      if (inner !== undefined) throw new EquigradError(message(inner.path || 'average', 'a moving average of the whole batch', 'one of each step of a scan', 'Normalise before or after the steps, or without a moving average.'))
      return within(node, ins, 'train')
    },
  })
}

/** What a model computes that is called in a trace: as its mode says, but for averages while training, which the step will move. Elsewhere all stays open. */
export function specialiseTraced(outputs: readonly Value[]): readonly Value[] {
  const mode = tracedMode()
  return mode === null ? outputs : mode === 'predict' ? specialise(outputs, mode) : specialiseOpen(outputs, () => false)
}

/** A weight that follows a statistic: what is measured of a batch, and how slowly the weight moves. */
export interface Average { readonly key: string; readonly stat: Value; readonly momentum: number }

/** The key of the weight that an `average` moves. */
export function averagedKey(node: Node, ins: readonly Value[] = node.ins): string {
  const source = ins[1]?.source
  if (source?.kind !== 'param' || source.key === null || source.spec.trainable) {
    throw new EquigradError(message('average', 'a weight that is not trained as what a statistic moves', 'something else'))
  }
  return source.key
}

/**
 * What training computes, as {@link specialise} chooses it, and the moving averages that it updates on the way to `outputs`, in their order. A
 * weight that several statistics move (a layer that is used twice) takes their mean.
 *
 * @param frozen - keys of weights that do not move: what a frozen average gives is its weight, as in prediction
 * @throws EquigradError for a moving average within a scan, which would stand still, or one weight of two momentums
 */
export function specialiseTraining(outputs: readonly Value[], frozen: (key: string) => boolean = () => false): { readonly values: readonly Value[]; readonly averages: readonly Average[] } {
  const open = specialiseOpen(outputs, frozen)
  const found = new Map<string, { stats: Value[]; momentum: number }>()
  for (const node of topological(open)) {
    const stat = node.ins[0]
    if (node.op.name !== 'average' || stat === undefined) continue
    const key = averagedKey(node), momentum = momentumOf(node.attrs), known = found.get(key)
    if (known === undefined) found.set(key, { stats: [stat], momentum })
    else if (known.momentum !== momentum) throw new EquigradError(message(`average: ${key}`, 'one momentum', `${known.momentum} and ${momentum}`))
    else known.stats.push(stat)
  }
  const moved = [...found].map(([key, { stats, momentum }]) => ({ key, momentum, stat: stats.length === 1 ? stats[0] : affine(stats.reduce((a, b) => add(a, b)), 1 / stats.length, 0) }))
  const settled = specialise([...open, ...moved.flatMap(({ stat }) => (stat === undefined ? [] : [stat]))], 'train')
  return {
    values: settled.slice(0, open.length),
    averages: moved.flatMap(({ key, momentum }, i) => { const stat = settled[open.length + i]; return stat === undefined ? [] : [{ key, stat, momentum }] }),
  }
}
