// The loss on some samples while single weights change. Every value that a change does not reach is kept, so only what lies behind the changed
// weights is computed again: programs that begin at kept values. Where a weight is the right operand of one product, several changes of different
// columns share a panel of it: a column of a product is sums of its own in the order of law 3, so it has the bits of the whole product.
import { EquigradError, message } from '../core/errors.js'
import { NO_ACTIVATION, unaryCode, type UnaryName } from '../core/codes.js'
import { dtypeBytes, elements, isBatched, type DType, type Shape } from '../core/shape.js'
import { fromGraph } from '../compiler/graph/graph.js'
import { byName, rewrite, topological, Value, type Node } from '../compiler/graph/value.js'
import { GEMM_COLUMNS, GEMM_ROWS, PANEL } from '../compiler/kernels.js'
import { matmulOp } from '../compiler/ops/matmul.js'
import { total } from '../compiler/ops/metric.js'
import { fuse } from '../compiler/passes/fuse.js'
import { lower } from '../compiler/passes/lower.js'
import { planMemory } from '../compiler/passes/plan.js'
import { specialise } from '../compiler/passes/specialise.js'
import { verify } from '../compiler/passes/verify.js'
import { bytesOf, type Rows } from '../model/data.js'
import { readInputs, type Weight } from '../model/model.js'
import { Executor } from '../runtime/executor.js'
import { Store, type Block } from '../runtime/store.js'
import type { Recipe } from '../train/recipe.js'

/** Columns of a weight: its last dimension; a vector is one column. */
export const columnCount = (shape: Shape): number => (shape.length < 2 ? 1 : Number(shape[shape.length - 1]))

/** Other values for some weights of one column: of a weight [..., columns], those at row · columns + column. */
export interface Change { readonly column: number; readonly rows: Int32Array; readonly values: Float32Array }

export interface IncrementalOptions {
  readonly recipe: Recipe
  /** inputs and labels, by the names that the recipe's inputs have */
  readonly data: ReadonlyMap<string, Rows>
  /** all weights, by key */
  readonly weights: Readonly<Record<string, Weight>>
  /** of those that will change */
  readonly keys: readonly string[]
  readonly seed: number
  /** let changes share panels where that is possible (default true) */
  readonly panels?: boolean
}

/** A product whose right operand is the weight: act(a · W + bias). */
interface Product { readonly node: Node; readonly a: Value; readonly bias: Value | undefined; readonly y: Value }

/** How a change of one weight comes to the loss. */
interface Route {
  /** nodes to compute again */
  readonly nodes: ReadonlySet<Node>
  readonly product: Product | null
  /** values that those begin with */
  readonly given: readonly Value[]
}

interface Kept { readonly name: string; readonly block: Block; readonly bytes: number }

export class IncrementalLoss {
  readonly #store = new Store()
  readonly #samples: number
  readonly #data = new Map<string, number>()
  readonly #kept = new Map<Value, Kept>()
  readonly #routes = new Map<string, Route>()
  readonly #programs = new Map<string, { readonly executor: Executor; readonly renewed: readonly Value[] }>()
  readonly #loss: Value
  readonly #seed: number
  #current = 0

  constructor({ recipe, data, weights, keys, seed, panels = true }: IncrementalOptions) {
    this.#seed = seed
    this.#samples = [...data.values()][0]?.rows ?? 0
    for (const [name, rows] of data) {
      const { address } = this.#store.alloc(rows.data.byteLength)
      this.#store.bytes.set(bytesOf(rows), address)
      this.#data.set(name, address)
    }
    this.#store.declare(Object.entries(weights).map(([key, { shape }]) => ({ key, shape, init: { kind: 'constant', value: 0 }, seed, identity: shape })))
    for (const [key, { data: w }] of Object.entries(weights)) this.weights(key).set(w)
    this.#loss = lossOf(recipe, new Map([...data].map(([name, { dtype }]) => [name, dtype])))
    for (const key of keys) this.#routes.set(key, routeOf(this.#loss, key, panels))
    this.#keep()
  }

  /** The mean loss with the weights as they are now. */
  get loss(): number { return this.#current }

  /** The weights of a key now: until memory grows. */
  weights(key: string): Float32Array {
    const { address, length } = this.#store.param(key)
    return this.#store.f32(address, length)
  }

  /** Do changes of this weight share panels? */
  sharesPanels(key: string): boolean { return this.#route(key).product !== null }

  exp(x: number): number { return this.#store.math.exp(x) }

  /**
   * Tries changes of one weight, each of a column of its own, one after the other: each on top of those before it that were taken. What is not
   * taken leaves every bit as it was.
   *
   * @param take - given the mean loss with a change, and its number: is it to stay?
   */
  pass(key: string, changes: readonly Change[], take: (loss: number, i: number) => boolean): void {
    const { product } = this.#route(key)
    if (product === null) changes.forEach((change, i) => { this.#tryWhole(key, change, (loss) => take(loss, i)) })
    else this.#tryColumns(key, product, changes, take)
  }

  /** A change in the weight itself: everything from the weight's first use on is computed again. */
  #tryWhole(key: string, change: Change, take: (loss: number) => boolean): void {
    const before = this.#write(key, change)
    this.#store.changed()
    const loss = this.#run(key)
    if (take(loss)) { this.#settle(key, loss); return }
    this.#write(key, { ...change, values: before })
    this.#store.changed()
  }

  /** Changes of a product's columns: one panel of new columns; each then stands in the product's place in turn. */
  #tryColumns(key: string, product: Product, changes: readonly Change[], take: (loss: number, i: number) => boolean): void {
    const columns = this.#columnsOf(key, product, changes)
    const y = this.#place(product.y)
    const rows = elements(product.y.shape.slice(0, -1)) * this.#samples
    const width = Number(product.y.shape[product.y.shape.length - 1])
    changes.forEach((change, i) => {
      const fresh = columns.subarray(i * rows, (i + 1) * rows)
      const before = exchange(this.#store.f32(y, rows * width), change.column, width, fresh)
      const loss = this.#run(key)
      if (!take(loss, i)) { exchange(this.#store.f32(y, rows * width), change.column, width, before); return }
      this.#write(key, change)
      // Programs in front of this weight have it packed.
      this.#store.changed()
      this.#settle(key, loss)
    })
  }

  /** The changed columns of a product, one after the other. */
  #columnsOf(key: string, { node, a, bias, y }: Product, changes: readonly Change[]): Float32Array {
    const store = this.#store
    const k = Number(a.shape[a.shape.length - 1])
    const m = elements(a.shape.slice(0, -1)) * this.#samples
    const across = Math.ceil(changes.length / PANEL) * PANEL
    const blocks = [store.alloc(across * k * 4), store.alloc(m * across * 4), store.alloc(across * 4)] as const
    const [panels, out, biases] = blocks
    pack(store.f32(panels.address, across * k), this.weights(key), k, Number(y.shape[y.shape.length - 1]), changes)
    if (bias !== undefined) {
      const from = store.f32(this.#place(bias), elements(bias.shape)), to = store.f32(biases.address, across).fill(0)
      changes.forEach(({ column }, i) => { to[i] = from[column] ?? 0 })
    }
    const activation = node.attrs['activation']
    store.run('f32_gemm', {
      a: this.#place(a), b: panels.address, c: out.address, bias: bias === undefined ? 0 : biases.address, m, n: across, k,
      aRow: k * 4, aStep: 4, bStep: PANEL * 4, bPanel: k * PANEL * 4, cRow: across * 4,
      activation: typeof activation === 'string' ? unaryCode[activation as UnaryName] : NO_ACTIVATION, alpha: { f32: Number(node.attrs['alpha'] ?? 0) }, add: 0, cBlock: 0,
    }, Math.ceil(m / GEMM_ROWS) * Math.ceil(across / GEMM_COLUMNS))
    const columns = transposed(store.f32(out.address, m * across), m, across, changes.length)
    for (const block of blocks) store.free(block)
    return columns
  }

  /** Sets weights; gives what they were. */
  #write(key: string, { column, rows, values }: Change): Float32Array {
    const w = this.weights(key)
    const { shape } = this.#store.param(key)
    const columns = columnCount(shape)
    return Float32Array.from(rows, (row, i) => {
      const before = w[row * columns + column] ?? 0
      w[row * columns + column] = values[i] ?? 0
      return before
    })
  }

  /** Keeps what a run has computed: it is what later ones begin with. */
  #settle(key: string, loss: number): void {
    const { executor, renewed } = this.#program(key)
    for (const v of renewed) this.#copy(executor, v)
    this.#current = loss
  }

  #copy(executor: Executor, v: Value): void {
    const { name, block, bytes } = this.#keptOf(v)
    const from = executor.output(name)
    this.#store.bytes.copyWithin(block.address, from, from + bytes)
  }

  /** Computes all that is kept, and the loss. */
  #keep(): void {
    const wanted = new Set<Value>()
    for (const { given, product } of this.#routes.values()) for (const v of [...given, product?.a, product?.bias]) if (v?.source.kind === 'node') wanted.add(v)
    for (const v of wanted) {
      const bytes = elements(v.shape) * (isBatched(v.shape) ? this.#samples : 1) * dtypeBytes[v.dtype]
      this.#kept.set(v, { name: `kept:${this.#kept.size}`, block: this.#store.alloc(bytes), bytes })
    }
    const executor = this.#executor([this.#loss, ...wanted], new Map())
    this.#current = this.#measure(executor)
    for (const v of wanted) this.#copy(executor, v)
    executor.release()
  }

  /** Runs what lies behind a weight; gives the mean loss. */
  #run(key: string): number { return this.#measure(this.#program(key).executor) }

  #measure(executor: Executor): number {
    executor.run()
    return this.#store.view.getFloat64(executor.output('loss'), true) / this.#samples
  }

  #program(key: string): { readonly executor: Executor; readonly renewed: readonly Value[] } {
    const known = this.#programs.get(key)
    if (known !== undefined) return known
    const { nodes, given } = this.#route(key)
    const renewed = [...this.#kept.keys()].filter((v) => v.source.kind === 'node' && nodes.has(v.source.node))
    const made = { executor: this.#executor([this.#loss, ...renewed], new Map(given.map((v) => [v, this.#keptInput(v)]))), renewed }
    this.#programs.set(key, made)
    return made
  }

  /** A program that fetches the loss and values that are kept, and begins with others that are. */
  #executor([loss, ...values]: readonly [Value, ...Value[]], given: ReadonlyMap<Value, Value>): Executor {
    const names = ['loss', ...values.map((v) => this.#keptOf(v).name)]
    const made = rewrite([loss, ...values], { node: (node) => (node.outs.some((v) => given.has(v)) ? node.outs.map((v) => given.get(v) ?? v) : undefined) })
    const fetches = byName(names, made.map((v, i) => (i === 0 ? total(v) : v)))
    const program = verify(planMemory(lower({ capacity: this.#samples, fetches, external: () => true, prologue: true })))
    const executor = new Executor(program, this.#store, { seed: this.#seed })
    for (const [name, address] of this.#data) executor.bindExternal(name, address)
    for (const { name, block } of this.#kept.values()) executor.bindExternal(name, block.address)
    executor.bind(this.#samples)
    return executor
  }

  #keptInput(v: Value): Value {
    return new Value(v.shape, v.dtype, { kind: 'input', spec: { name: this.#keptOf(v).name, data: v.dtype, scale: 1, offset: 0, classes: null } })
  }

  /** Where a kept value, an input or a weight lies. */
  #place(v: Value): number {
    if (v.source.kind === 'param') return this.#store.param(v.source.key ?? '').address
    return v.source.kind === 'input' ? this.#data.get(v.source.spec.name) ?? 0 : this.#keptOf(v).block.address
  }

  #keptOf(v: Value): Kept {
    const kept = this.#kept.get(v)
    if (kept === undefined) throw new EquigradError('incremental loss: a value that is not kept')
    return kept
  }

  #route(key: string): Route {
    const route = this.#routes.get(key)
    if (route === undefined) throw new EquigradError(`incremental loss: no route for '${key}'`)
    return route
  }
}

/** The objective of each sample in prediction, for data of these element types, as programs compute it. */
function lossOf(recipe: Recipe, dtypes: ReadonlyMap<string, DType>): Value {
  const { loss } = fromGraph(recipe.graph)
  const [ready] = loss === undefined ? [] : fuse(readInputs(specialise([loss], 'predict'), dtypes, null))
  if (ready === undefined) throw new EquigradError('incremental loss: a recipe without a loss')
  for (const v of topological([ready]).flatMap((node) => node.ins)) {
    if (v.source.kind === 'scalar' || (v.source.kind === 'input' && !dtypes.has(v.source.spec.name))) {
      throw new EquigradError(message('stochasticClip', 'a model that predicts from its inputs alone', `one that needs ${String(v)} besides`))
    }
  }
  return ready
}

const isWeight = (v: Value | undefined, key: string): boolean => v?.source.kind === 'param' && v.source.key === key
const isMade = (v: Value, nodes: ReadonlySet<Node>): boolean => v.source.kind === 'node' && nodes.has(v.source.node)

/** Which nodes a weight reaches, and what they begin with. */
function routeOf(loss: Value, key: string, panels: boolean): Route {
  const reached = new Set<Node>()
  const users: Node[] = []
  for (const node of topological([loss])) {
    const uses = node.ins.some((v) => isWeight(v, key))
    if (uses) users.push(node)
    if (uses || node.ins.some((v) => isMade(v, reached))) reached.add(node)
  }
  if (users.length === 0) throw new EquigradError(message(`stochasticClip.keys: ${key}`, 'a weight that the loss depends on in prediction', 'one that it does not'))
  const [first, ...more] = users
  const product = panels && first !== undefined && more.length === 0 && reached.size > 1 ? productOf(first, key) : null
  if (product !== null) reached.delete(product.node)
  const given = [...new Set([...reached].flatMap((node) => node.ins))].filter((v) => v.source.kind === 'node' && !reached.has(v.source.node))
  return { nodes: reached, product, given }
}

/** A node as a product whose right operand is the weight, if it is one. */
function productOf(node: Node, key: string): Product | null {
  const [a, b, bias] = node.ins
  const [y] = node.outs
  const plain = node.op === matmulOp && node.attrs['transposeA'] !== true && node.attrs['transposeB'] !== true && node.attrs['accumulate'] !== true
  if (!plain || a === undefined || y === undefined || !isWeight(b, key) || isWeight(a, key) || isWeight(bias, key)) return null
  return isBatched(a.shape) && isAddressable(a) && (bias === undefined || isAddressable(bias)) ? { node, a, bias, y } : null
}

const isAddressable = (v: Value): boolean => v.source.kind === 'node' || v.source.kind === 'param' || v.source.kind === 'input'

/** Columns with their changes, as panels [columns / PANEL][k][PANEL], zero padded. */
function pack(panels: Float32Array, w: Float32Array, k: number, width: number, changes: readonly Change[]): void {
  panels.fill(0)
  changes.forEach(({ column, rows, values }, i) => {
    const at = Math.floor(i / PANEL) * k * PANEL + (i % PANEL)
    for (let r = 0; r < k; r++) panels[at + r * PANEL] = w[r * width + column] ?? 0
    rows.forEach((row, j) => { panels[at + row * PANEL] = values[j] ?? 0 })
  })
}

/** The first `columns` columns of a matrix of `rows` rows, one after the other. */
function transposed(matrix: Float32Array, rows: number, width: number, columns: number): Float32Array {
  const out = new Float32Array(rows * columns)
  for (let r = 0; r < rows; r++) for (let c = 0; c < columns; c++) out[c * rows + r] = matrix[r * width + c] ?? 0
  return out
}

/** Puts a column into a matrix; gives the one that was there. */
function exchange(matrix: Float32Array, column: number, width: number, fresh: Float32Array): Float32Array {
  const before = new Float32Array(fresh.length)
  for (let r = 0, at = column; r < fresh.length; r++, at += width) {
    before[r] = matrix[at] ?? 0
    matrix[at] = fresh[r] ?? 0
  }
  return before
}

