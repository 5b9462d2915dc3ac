// The gradient of a scan is a scan in the other direction over the differentiated body. What that needs of the forward steps leaves the forward
// scan as further outputs, stacked (`fuse` makes one scan of the two); memory is linear in the number of steps.
//
// Order of summation (law 3). A const that is only ever the second operand of a matmul in the body (a weight) gets its gradient from one GEMM
// over the stacked steps: Σ over samples ascending, for each over t ascending; one such sum for each matmul, added in the order of the body.
// Any other const's gradient is added up from the last step run to the first (t descending), each step's own sum finished first.
import { rewrite, topological, type Node, type Value, type Vjp } from '../graph/value.js'
import { add } from './binary.js'
import { matmul } from './matmul.js'
import { applyScan, bodyInput, operandsOf, scanAttrs, withNext, type Operand } from './scan-parts.js'
import { filled } from './shapes.js'

const zeros = ({ shape }: Value): Value => filled(0, shape)

/** The matmuls in which a value is the second operand, if that is all it is used for. */
function products(weight: Value, nodes: readonly Node[], outs: readonly Value[], outside: ReadonlySet<Value>): readonly Node[] {
  const uses = nodes.filter((node) => node.ins.includes(weight))
  const fit = uses.every(({ op, ins: [a, b], attrs }) => op.name === 'matmul' && attrs['transposeA'] !== true && b === weight && a !== undefined && a !== weight && !outside.has(a) && a.source.kind !== 'constant')
  return fit && !outs.includes(weight) ? uses : []
}

export const scanVjp: Vjp = (node, dys, need, gradients) => {
  const { body } = node
  if (body === null) return []
  const { carries: carried, xs, steps, reverse } = scanAttrs(node.attrs)
  const nodes = topological(body.outs)
  const forward = new Set(nodes.flatMap((n) => n.outs))
  const consts = new Set(body.ins.slice(carried + xs))

  // Seeds of one step: gradients of the carries that leave it, which come from the step after, and of its outputs.
  const carriesIn: Operand[] = []
  const slices: Operand[] = []
  const seeds: { y: Value; dy: Value }[] = []
  body.outs.forEach((y, i) => {
    const dy = dys[i] ?? null
    if (y.dtype !== 'f32' || (i >= carried && dy === null)) return
    const pair = { from: dy ?? zeros(node.outs[i] ?? y), in: bodyInput(`dy${i}`, y) }
    ;(i < carried ? carriesIn : slices).push(pair)
    seeds.push({ y, dy: pair.in })
  })

  // What is differentiated by: carries always, sequences and consts where it is asked for, weights through the products they are in.
  const floats = body.ins.map((v) => v.dtype === 'f32')
  const byProducts = body.ins.map((v, i) => (i >= carried + xs && need[i] === true ? products(v, nodes, body.outs, consts) : []))
  const plain = body.ins.flatMap((v, i) => (floats[i] === true && (i < carried || (need[i] === true && byProducts[i]?.length === 0)) ? [v] : []))
  const made = [...new Set(byProducts.flat())].flatMap((n) => n.outs)
  const wrt = [...plain, ...made]
  const found = new Map(gradients(seeds, wrt).map((g, i) => [wrt[i], g]))

  // Outputs of one reverse step.
  const accumulated = body.ins.flatMap((v, i) => {
    const g = found.get(v)
    if (i < carried + xs || g === null || g === undefined) return []
    const sum = bodyInput(`sum${i}`, v)
    return [{ i, from: zeros(v), in: sum, next: add(sum, g) }]
  })
  const stackedOut = [...body.ins.slice(carried, carried + xs), ...made].flatMap((v) => { const g = found.get(v); return g === null || g === undefined ? [] : [{ of: v, g }] })
  const dcarries = body.ins.slice(0, carried).flatMap((v) => (v.dtype === 'f32' ? [found.get(v) ?? zeros(v)] : []))

  // Values of the forward step that these use become sequences, as do the first operands of the products.
  const residuals = new Map<Value, Value>()
  const residual = (v: Value): Value => {
    const known = residuals.get(v)
    if (known !== undefined) return known
    const fresh = bodyInput(`residual${residuals.size}`, v)
    residuals.set(v, fresh)
    return fresh
  }
  const isCarry = new Set(body.ins.slice(0, carried))
  const isSlice = new Map(body.ins.slice(carried, carried + xs).map((v, i) => [v, node.ins[carried + i]]))
  const outs = [...dcarries, ...accumulated.map(({ next }) => next), ...stackedOut.map(({ g }) => g)]
  const fresh = rewrite(outs, {
    node: (n) => (n.outs.some((v) => forward.has(v)) ? n.outs.map(residual) : undefined),
    leaf: (v) => (isCarry.has(v) ? residual(v) : v),
  })
  const used = new Set([...fresh, ...topological(fresh).flatMap((n) => n.ins)])
  const factors = [...new Set(byProducts.flat().flatMap((n) => n.ins.slice(0, 1)))].filter((v) => !isSlice.has(v))
  const wanted = [...new Set([...[...residuals].flatMap(([v, inner]) => (used.has(inner) ? [v] : [])), ...factors])]

  // The forward scan again, with what is wanted of it. Its inputs are the same, so that it can be joined with the one there is.
  const pairs = (from: number, to: number): readonly Operand[] => operandsOf(node, from, to)
  const known = new Map<Value, Value>()
  if (wanted.length > 0) {
    const extended = applyScan(node.op, {
      carries: withNext(pairs(0, carried), body.outs),
      xs: pairs(carried, carried + xs), consts: pairs(carried + xs, node.ins.length), ys: [...body.outs.slice(carried), ...wanted], steps, reverse,
    })
    wanted.forEach((v, i) => { const stack = extended.ys[body.outs.length - carried + i]; if (stack !== undefined) known.set(v, stack) })
  }
  const stack = (v: Value): Value | undefined => isSlice.get(v) ?? known.get(v)

  const back = applyScan(node.op, {
    carries: withNext([...carriesIn, ...accumulated], fresh),
    xs: [...slices, ...pairs(carried, carried + xs), ...[...residuals].flatMap(([v, inner]) => { const from = known.get(v); return from === undefined ? [] : [{ from, in: inner }] })],
    consts: pairs(carried + xs, node.ins.length), ys: fresh.slice(dcarries.length + accumulated.length), steps, reverse: !reverse,
  })

  // Each operand's own.
  const stacks = new Map(stackedOut.map(({ of }, i) => [of, back.ys[i]]))
  const sums = new Map(accumulated.map(({ i }, at) => [i, back.carries[dcarries.length + at]]))
  let nextCarry = 0
  return body.ins.map((v, i) => {
    if (i < carried) return floats[i] === true ? back.carries[nextCarry++] ?? null : null
    if (i < carried + xs) return stacks.get(v) ?? null
    const terms = (byProducts[i] ?? []).flatMap((product) => {
      const [a, z] = [product.ins[0], product.outs[0]]
      const [stackA, dz] = [a === undefined ? undefined : stack(a), z === undefined ? undefined : stacks.get(z)]
      if (stackA === undefined || dz === undefined) return []
      return [product.attrs['transposeB'] === true ? matmul(dz, stackA, { transposeA: true }) : matmul(stackA, dz, { transposeA: true })]
    })
    return terms.length > 0 ? terms.reduce(add) : sums.get(i) ?? null
  })
}
