// Random graphs: seeded, small, of every shape of lifetime that a planner meets.
import { elements, isBatched, sameShape, type Shape } from '../../src/core/shape.js'
import { constant, type Value } from '../../src/compiler/graph/value.js'
import { add, maximum, mul, sub } from '../../src/compiler/ops/binary.js'
import { matmul } from '../../src/compiler/ops/matmul.js'
import { mean, sum } from '../../src/compiler/ops/reduce.js'
import { expand, reshape } from '../../src/compiler/ops/shapes.js'
import { logSoftmax, softmax } from '../../src/compiler/ops/softmax.js'
import { affine, neg, relu, sigmoid, tanh } from '../../src/compiler/ops/unary.js'
import { random, randomFloats } from './numbers.js'
import { feed, type Feeds, type Fetches } from './programs.js'

export interface Dag { readonly fetches: Fetches; readonly feeds: (n: number) => Feeds }

const WIDTHS = [1, 3, 4, 16, 17]
const UNARY = [relu, tanh, sigmoid, neg, softmax, logSoftmax, (x: Value) => affine(x, 0.5, 0.25)]
const BINARY = [add, sub, mul, maximum]

/** Some twenty ops over values [n, w], [w] and [n], of which a few are fetched. */
export function randomDag(seed: number): Dag {
  const next = random(seed)
  const pick = <T>(from: readonly T[]): T => {
    const item = from[Math.floor(next() * from.length)]
    if (item === undefined) throw new RangeError('nothing to pick from')
    return item
  }
  const inputs = new Map<string, Shape>()
  const input = (shape: Shape): Value => { const name = `x${inputs.size}`; inputs.set(name, shape); return feed(name, shape) }
  const weight = (rows: number, columns: number): Value =>
    next() < 0.5 ? input([rows, columns]) : constant([rows, columns], 'f32', [...randomFloats(rows * columns, Math.floor(next() * 1e6))])
  const values: Value[] = [input(['n', pick(WIDTHS)]), input(['n', pick(WIDTHS)]), input([pick(WIDTHS)])]
  const wide = (): Value => pick(values.filter((v) => v.shape.length === 2 && isBatched(v.shape)))
  const width = (v: Value): number => Number(v.shape[v.shape.length - 1])
  /** Late values are picked more often, so that chains grow long; early ones live long. */
  const recent = (): Value => (next() < 0.6 ? itemAt(values, values.length - 1 - Math.floor(next() * Math.min(3, values.length))) : pick(values))
  const steps: readonly (() => Value | null)[] = [
    () => { const x = recent(); return x.shape.length === 2 ? pick(UNARY)(x) : pick([relu, tanh, neg])(x) },
    () => { const x = recent(); return pick(UNARY.slice(0, 4))(x) },
    () => { const x = wide(), y = pick(values.filter((v) => sameShape(v.shape, x.shape))); return pick(BINARY)(x, y) },
    () => { const x = wide(); const fit = values.filter((v) => v.shape.length === 1 && v.shape[0] === width(x)); return fit.length === 0 ? null : pick(BINARY)(x, pick(fit)) },
    () => { const x = wide(); return matmul(x, weight(width(x), pick(WIDTHS))) },
    () => { const x = wide(); const y = matmul(x, weight(width(x), pick(WIDTHS))); return next() < 0.5 ? relu(add(y, input([width(y)]))) : add(y, y) },
    () => { const x = wide(), y = wide(); return matmul(matmul(x, y, { transposeA: true }), weight(width(y), 3)) },
    () => { const x = wide(); return sum(x, next() < 0.5 ? 0 : 1) },
    () => mean(wide(), 1),
    () => { const x = wide(); return reshape(reshape(x, ['n', width(x), 1]), x.shape) },
    () => { const x = pick(values.filter((v) => v.shape.length === 1 && !isBatched(v.shape))); return expand(x, ['n', width(x)]) },
  ]
  while (values.length < 22) {
    const y = pick(steps)()
    if (y !== null) values.push(y)
  }
  const fetches: Record<string, Value> = { last: itemAt(values, values.length - 1) }
  for (let i = 0; i < 3; i++) fetches[`y${i}`] = pick(values.slice(3))
  return {
    fetches,
    feeds: (n) => ({ arrays: Object.fromEntries([...inputs].map(([name, shape], i) => [name, randomFloats(elements(shape) * (isBatched(shape) ? n : 1), seed + i)])) }),
  }
}

function itemAt<T>(from: readonly T[], i: number): T {
  const item = from[i]
  if (item === undefined) throw new RangeError(`no item ${i}`)
  return item
}
