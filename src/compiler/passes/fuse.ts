// fuse: bias and activation move into the matmul or convolution before them, and a sum with something of the same shape (two uses of a weight) into the
// matmul that makes it. The kernel computes the same formula in the same order, so no bit changes.
import { sameShape } from '../../core/shape.js'
import { apply, inScope, rewrite, topological, type Node, type Value } from '../graph/value.js'
import { conv2dOp } from '../ops/conv.js'
import { matmulOp } from '../ops/matmul.js'

/** Activations that the kernels of matmul and convolution apply to their finished sums. */
const fusible: ReadonlySet<string> = new Set(['relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh'])

/**
 * Fuses what `fetches` need. A fetched value stays: what is asked for may not vanish.
 */
export function fuse(fetches: readonly Value[]): readonly Value[] {
  const uses = new Map<Value, number>()
  const use = (v: Value): void => void uses.set(v, (uses.get(v) ?? 0) + 1)
  for (const node of topological(fetches)) node.ins.forEach(use)
  fetches.forEach((v) => { use(v); use(v) })

  return rewrite(fetches, {
    node(node, ins) {
      const product = (i: number): Node | undefined => {
        const [before, v] = [node.ins[i], ins[i]]
        if (before === undefined || uses.get(before) !== 1 || v?.source.kind !== 'node') return undefined
        const { node: made } = v.source
        return (made.op === matmulOp || made.op === conv2dOp) && made.attrs['activation'] === undefined && made.attrs['accumulate'] === undefined ? made : undefined
      }
      const first = product(0)
      if (node.op.name === 'add') {
        return (first !== undefined && withBias(node, first, ins[1])) || accumulated(node, product(1), ins[0]) || accumulated(node, first, ins[1])
      }
      return first !== undefined && fusible.has(node.op.name) ? fused(node, first, first.ins, { activation: node.op.name, alpha: node.attrs['alpha'] ?? 0 }) : undefined
    },
  })
}

function withBias(node: Node, product: Node, bias: Value | undefined): readonly Value[] | undefined {
  const y = node.outs[0]
  // A product of one column that a longer row is added to is repeated: that is no bias.
  if (product.ins.length > 2 || bias === undefined || y === undefined || !sameShape(product.outs[0]?.shape ?? [], y.shape)) return undefined
  if (bias.shape.length !== 1 || bias.shape[0] !== y.shape[y.shape.length - 1]) return undefined
  return fused(node, product, [...product.ins, bias], {})
}

/** A bare product, added to a value of its shape. */
function accumulated(node: Node, product: Node | undefined, to: Value | undefined): readonly Value[] | undefined {
  const y = node.outs[0]
  if (product?.op !== matmulOp || product.ins.length > 2 || to === undefined || y === undefined || !sameShape(to.shape, y.shape) || !sameShape(product.outs[0]?.shape ?? [], y.shape)) return undefined
  return fused(node, product, [...product.ins, to], { accumulate: true })
}

const fused = (node: Node, product: Node, ins: readonly Value[], attrs: Node['attrs']): readonly Value[] =>
  inScope(node.scope, () => apply(product.op, ins, { ...product.attrs, ...attrs }), node.path)
