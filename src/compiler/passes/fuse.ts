// fuse: bias and activation move into the matmul or convolution before them, a sum with something of the same shape (two uses of a weight) into the
// matmul that makes it, the gradient of a relu into that of the max pooling behind it. The kernel computes the same formula in the same order, so
// no bit changes.
import { sameShape } from '../../core/shape.js'
import { apply, inScope, rewrite, topological, type Node, type Value } from '../graph/value.js'
import { scanAttrs } from '../ops/scan-parts.js'

/** Activations that the kernels of matmul and convolution apply to their finished sums. */
const fusible: ReadonlySet<string> = new Set(['relu', 'leakyRelu', 'elu', 'sigmoid', 'tanh'])

/**
 * Fuses what `fetches` need. A fetched value stays: what is asked for may not vanish.
 */
export function fuse(fetches: readonly Value[]): readonly Value[] { return fuseJoined(joinScans(fetches)) }

/**
 * Makes one of scans over the same operands whose steps begin with the same inputs: a gradient asks a scan for more outputs than the forward
 * pass did, and each step need run only once.
 */
function joinScans(fetches: readonly Value[]): readonly Value[] {
  interface Group { readonly outs: Value[]; made: readonly Value[] | null }
  const groups = new Map<Value, { readonly node: Node; readonly group: Group }[]>()
  const groupOf = new Map<Node, Group>()
  for (const node of topological(fetches)) {
    const first = node.body?.ins[0]
    if (node.body === null || first === undefined) continue
    const list = groups.get(first) ?? []
    groups.set(first, list)
    const twin = list.find(({ node: other }) => alike(node, other))
    const group = twin?.group ?? { outs: [], made: null }
    for (const v of node.body.outs.slice(twin === undefined ? 0 : scanAttrs(node.attrs).carries)) if (twin === undefined || !group.outs.slice(scanAttrs(node.attrs).carries).includes(v)) group.outs.push(v)
    list.push({ node, group })
    groupOf.set(node, group)
  }
  return rewrite(fetches, {
    node(node, ins) {
      const group = groupOf.get(node)
      if (group === undefined || node.body === null) return undefined
      const { carries } = scanAttrs(node.attrs)
      const made = group.made ??= inScope(node.scope, () => apply(node.op, ins, node.attrs, { ins: node.body?.ins ?? [], outs: group.outs }), node.path)
      return node.body.outs.flatMap((v, i) => made[i < carries ? i : group.outs.indexOf(v, carries)] ?? [])
    },
  })
}

/** Have two scans the same operands, inputs and carries? */
function alike(a: Node, b: Node): boolean {
  const [x, y] = [scanAttrs(a.attrs), scanAttrs(b.attrs)]
  const all = (p: readonly Value[] = [], q: readonly Value[] = []): boolean => p.length === q.length && p.every((v, i) => v === q[i])
  return x.carries === y.carries && x.xs === y.xs && x.steps === y.steps && x.reverse === y.reverse && all(a.ins, b.ins) && all(a.body?.ins, b.body?.ins) &&
    all(a.body?.outs.slice(0, x.carries), b.body?.outs.slice(0, x.carries))
}

function fuseJoined(fetches: readonly Value[]): readonly Value[] {
  const uses = new Map<Value, number>()
  const use = (v: Value): void => void uses.set(v, (uses.get(v) ?? 0) + 1)
  for (const node of topological(fetches)) node.ins.forEach(use)
  fetches.forEach((v) => { use(v); use(v) })

  return rewrite(fetches, {
    node(node, ins) {
      if (node.body !== null) return inScope(node.scope, () => apply(node.op, ins, node.attrs, { ins: node.body?.ins ?? [], outs: fuse(node.body?.outs ?? []) }), node.path)
      const product = (i: number): Node | undefined => {
        const [before, v] = [node.ins[i], ins[i]]
        if (before === undefined || uses.get(before) !== 1 || v?.source.kind !== 'node') return undefined
        const { node: made } = v.source
        return (made.op.name === 'matmul' || made.op.name === 'conv2d') && made.attrs['activation'] === undefined && made.attrs['accumulate'] === undefined ? made : undefined
      }
      if (node.op.name === 'reluGrad') return behindPooling(node, ins, uses)
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
  if (product?.op.name !== 'matmul' || product.ins.length > 2 || to === undefined || y === undefined || !sameShape(to.shape, y.shape) || !sameShape(product.outs[0]?.shape ?? [], y.shape)) return undefined
  return fused(node, product, [...product.ins, to], { accumulate: true })
}

/** The gradient of a relu whose output was pooled and nothing else: both are one pass over that output. */
function behindPooling(node: Node, [y, dy]: readonly Value[], uses: ReadonlyMap<Value, number>): readonly Value[] | undefined {
  const before = node.ins[1]
  if (before === undefined || uses.get(before) !== 1 || dy?.source.kind !== 'node') return undefined
  const { node: pooling } = dy.source
  return pooling.op.name === 'maxPool2dGrad' && pooling.ins[0] === y ? fused(node, pooling, pooling.ins, { relu: true }) : undefined
}

const fused = (node: Node, product: Node, ins: readonly Value[], attrs: Node['attrs']): readonly Value[] =>
  inScope(node.scope, () => apply(product.op, ins, { ...product.attrs, ...attrs }), node.path)
