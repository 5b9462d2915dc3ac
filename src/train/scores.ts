// From sums over samples to scores: means, by name, in f64.
import type { ScoreRecord } from './callbacks.js'
import type { Recipe } from './recipe.js'

/** Sums over the part of an epoch that is done, as a file keeps them. */
export interface BoardState { readonly sums: readonly number[]; readonly penalty: number; readonly samples: number; readonly batches: number }

/** Adds up what steps measured. */
export class Scoreboard {
  readonly #recipe: Recipe
  readonly #oneOutput: boolean
  readonly #sums: Float64Array
  samples = 0
  batches = 0
  #penalty = 0

  /** @param state - where it goes on from; that of another number of scores says nothing */
  constructor(recipe: Recipe, oneOutput: boolean, state?: BoardState) {
    this.#recipe = recipe
    this.#oneOutput = oneOutput
    this.#sums = new Float64Array(1 + recipe.measured.length)
    if (state?.sums.length !== this.#sums.length) return
    this.#sums.set(state.sums)
    this.#penalty = state.penalty
    this.samples = state.samples
    this.batches = state.batches
  }

  get state(): BoardState { return { sums: [...this.#sums], penalty: this.#penalty, samples: this.samples, batches: this.batches } }

  clear(): void {
    this.#sums.fill(0)
    this.samples = 0
    this.batches = 0
    this.#penalty = 0
  }

  /**
   * @param sums - the objective, then what the recipe measures
   * @param penalty - of the weights, part of the loss
   */
  add(sums: ArrayLike<number>, penalty: number, n: number): void {
    for (let i = 0; i < this.#sums.length; i++) this.#sums[i] = (this.#sums[i] ?? 0) + (sums[i] ?? 0)
    this.#penalty += penalty * n
    this.samples += n
    this.batches++
  }

  /** `{ loss, accuracy }`, or for several outputs `{ loss, output: { loss, accuracy } }`. */
  scores(): ScoreRecord {
    const mean = (i: number): number => (this.#sums[i] ?? 0) / this.samples
    const out: { [name: string]: number | { [name: string]: number } } = { loss: mean(0) + this.#penalty / this.samples }
    this.#recipe.measured.forEach(({ output, name }, i) => {
      if (this.#oneOutput) { if (name !== 'loss') out[name] = mean(i + 1); return }
      const record = out[output]
      if (typeof record === 'object') record[name] = mean(i + 1)
      else out[output] = { [name]: mean(i + 1) }
    })
    return out
  }
}
