// An updater owns what updates need from step to step: the gradient block, the sums, the optimizers' states, and the `apply` program.
import { EquigradError, message, NonFiniteError } from '../core/errors.js'
import { evaluate, type ScalarVariables } from '../core/scalar.js'
import type { Program } from '../compiler/program.js'
import { Executor } from '../runtime/executor.js'
import type { Block, Store, Work } from '../runtime/store.js'
import { applyProgram, type Layout } from './apply.js'

/** A block of zeros. */
export function zeroed(store: Store, bytes: number): Block {
  const block = store.alloc(bytes)
  store.bytes.fill(0, block.address, block.address + block.bytes)
  return block
}

/** A loss, gradient or statistic that became NaN or infinite in a step; @param got - what exactly, if it is known, and the weights that there are. */
export const notFinite = (where: string, epoch: number, step: number, got = 'a loss, gradient or statistic that is not finite', left = 'Nothing has changed.', layer: string | null = null): NonFiniteError =>
  new NonFiniteError(message(where, 'finite numbers', got, `${left} A lower learning rate, clipping or scaled inputs may help.`), epoch, step, layer)

/** What an update comes to; `ok` is false when something was not finite: then nothing has changed. `norm` is of all gradients, 0 unless a norm clips. */
export interface Updated { readonly ok: boolean; readonly norm: number; readonly penalty: number }

export class Updater {
  readonly layout: Layout
  /** gradients of the whole step, and the statistics of moving averages */
  readonly grad: Block
  /** f64 sums of the whole step, which must be finite */
  readonly sums: Block
  readonly #store: Store
  readonly #states: ReadonlyMap<string, Block>
  readonly #apply: Executor

  constructor(layout: Layout, sumCount: number, store: Store, seed: number) {
    const program = applyProgram(layout, sumCount)
    this.layout = layout
    this.#store = store
    this.grad = zeroed(store, layout.bytes)
    this.sums = zeroed(store, sumCount * 8)
    this.#states = new Map(layout.groups.flatMap(({ optimizer, prefix, bytes }) => optimizer.states.map((name): [string, Block] => [`${prefix}${name}`, zeroed(store, bytes)])))
    this.#apply = new Executor(program, store, { seed, grad: this.grad.address, sum: this.sums.address, state: (name) => this.#state(name).address })
  }

  #state(name: string): Block {
    const block = this.#states.get(name)
    if (block === undefined) throw new EquigradError(`updater: no state '${name}'`)
    return block
  }

  get program(): Program { return this.#apply.program }

  /** Gives its memory back. */
  release(): void {
    this.#apply.release()
    for (const block of [this.grad, this.sums, ...this.#states.values()]) this.#store.free(block)
  }

  /**
   * Updates the weights by the gradients in the block.
   *
   * @param rows - samples that the block is of
   */
  *work(variables: ScalarVariables, rows: number): Work<Updated> {
    const apply = this.#apply
    apply.bind(1)
    apply.prepare()
    for (const { optimizer, prefix } of this.layout.groups) {
      for (const [name, s] of Object.entries(optimizer.scalars)) apply.setF32(`${prefix}${name}`, evaluate(s, variables, this.#store.math))
    }
    if (apply.hasSlot('rows')) apply.setF32('rows', rows)
    yield apply
    const { view } = this.#store
    const totals = apply.output('totals')
    const ok = view.getUint32(apply.output('ok'), true) === 1
    if (ok) this.#store.changed()
    return { ok, norm: view.getFloat64(totals, true), penalty: view.getFloat64(totals + 8, true) }
  }

  /** The numbers of each state of each weight, in place, by `state/key`. */
  states(): ReadonlyMap<string, Float32Array> {
    return new Map(this.layout.groups.flatMap(({ optimizer, segments, start, prefix }) => optimizer.states.flatMap((name) =>
      segments.map(({ key, offset, length }): [string, Float32Array] => [`${prefix}${name}/${key}`, this.#store.f32(this.#state(`${prefix}${name}`).address + offset - start, length)]))))
  }
}
