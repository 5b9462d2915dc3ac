// fuse: bias and activation move into the matmul before them. The kernel computes the same formula in the same order, so no bit changes.
import { apply, inScope, rewrite, topological, type Node, type Value } from '../graph/value.js'
import { matmulOp } from '../ops/matmul.js'

/** Activations that the GEMM kernel applies to its finished sums. */
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
      const before = node.ins[0]
      const first = ins[0]
      if (before === undefined || first === undefined || uses.get(before) !== 1 || first.source.kind !== 'node') return undefined
      const product = first.source.node
      if (product.op !== matmulOp || product.attrs['activation'] !== undefined) return undefined
      if (node.op.name === 'add' && product.ins.length === 2) return withBias(node, product, ins[1])
      if (fusible.has(node.op.name)) return fused(node, product, product.ins, { activation: node.op.name, alpha: node.attrs['alpha'] ?? 0 })
      return undefined
    },
  })
}

function withBias(node: Node, product: Node, bias: Value | undefined): readonly Value[] | undefined {
  const y = node.outs[0]
  if (bias === undefined || y === undefined || bias.shape.length !== 1 || bias.shape[0] !== y.shape[y.shape.length - 1]) return undefined
  return fused(node, product, [...product.ins, bias], {})
}

const fused = (node: Node, product: Node, ins: readonly Value[], attrs: Node['attrs']): readonly Value[] =>
  inScope(node.scope, () => apply(matmulOp, ins, { ...product.attrs, ...attrs }), node.path)
