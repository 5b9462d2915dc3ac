// Callbacks: what a caller wants to know or decide while `fit` runs.
import { describe, message } from '../core/errors.js'
import { flag, notNegative, number, optional, readOptions, text, word } from '../core/readers.js'

/** Scores by name; those of an output of several are records themselves. */
export interface ScoreRecord {
  /** `loss`, or the name of a metric or output */
  readonly [name: string]: number | ScoreRecord
}

/** What callbacks are told, and what they may do. */
export interface FitEvent {
  /** epoch, from 0, counted over all calls of fit */
  readonly epoch: number
  /** epochs that this call runs, and the first of them */
  readonly epochs: number
  /** the first epoch of this call, counted as `epoch` is */
  readonly firstEpoch: number
  /** updates completed */
  readonly step: number
  /** batches of this epoch completed, and how many there are (null for a stream) */
  readonly batch: number
  /** batches of an epoch, or null for a stream */
  readonly batches: number | null
  /** samples of this epoch seen, and how many there are (null for a stream) */
  readonly samples: number
  /** samples of an epoch, or null for a stream */
  readonly totalSamples: number | null
  /** means over this epoch so far */
  readonly scores: ScoreRecord
  /** scores on the validation data, at the end of an epoch that has some */
  readonly validation: ScoreRecord | null
  /** the learning rate of the next step, with the factor of `scaleLearningRate` */
  readonly learningRate: number
  /** Ends training after this step, or epoch. `fit` resolves; `history.stopped` gives the reason. */
  stop(reason?: string): void
  /** Multiplies the learning rate of the steps to come by a factor ≥ 0 (1 as at the start; a second call takes the place of the first). */
  scaleLearningRate(factor: number): void
  /** Keeps a copy of the weights as they are now; `restore` brings back the last one. */
  keep(): void
  /** Brings back the weights that `keep` copied last; without any it does nothing. */
  restore(): void
}

/**
 * Hooks, all optional; those that return a promise are waited for. Scores of batches are made only when `onBatchEnd` is there. A hook may call
 * `predict` and `evaluate`, but not wait for a training call on the same store: that one waits for the `fit` that waits for the hook.
 */
export interface Callback {
  /** Before the first epoch of a call of fit. */
  onTrainBegin?(event: FitEvent): void | Promise<void>
  /** Before the first batch of an epoch. */
  onEpochBegin?(event: FitEvent): void | Promise<void>
  /** After each update. */
  onBatchEnd?(event: FitEvent): void | Promise<void>
  /** After each complete epoch, when its validation is done. */
  onEpochEnd?(event: FitEvent): void | Promise<void>
  /** At the end of a call of fit, stopped or not; not after an error. */
  onTrainEnd?(event: FitEvent): void | Promise<void>
}

/** Options of {@link earlyStopping}. */
export interface EarlyStoppingOptions {
  /** which score: `'validation.loss'`, `'loss'`, `'validation.accuracy'`, … (default 'validation.loss') */
  readonly monitor?: string
  /** epochs without improvement after which training ends (default 0, as in Keras) */
  readonly patience?: number
  /** what counts as an improvement, ≥ 0 (default 0) */
  readonly minDelta?: number
  /** is less or more better? (default 'min' for losses and errors, 'max' for what is named accuracy) */
  readonly mode?: 'min' | 'max'
  /** bring back the weights of the best epoch at the end (default true; Keras false) */
  readonly restoreBest?: boolean
}

/**
 * Ends training when a score no longer improves (Keras' `EarlyStopping`).
 *
 * @example
 * await model.fit(x, y, { epochs: 100, validationSplit: 0.1, callbacks: [earlyStopping({ patience: 5 })] })
 */
export function earlyStopping(options: EarlyStoppingOptions = {}): Callback {
  const { monitor, patience, minDelta, restoreBest, mode = /accuracy/i.test(monitor) ? 'max' : 'min' } = readOptions('earlyStopping', options, {
    monitor: (where, given = 'validation.loss') => text(where, given), patience: number(0, { integer: true, min: 0 }), minDelta: notNegative(0), mode: optional(word(['min', 'max'])), restoreBest: flag(true),
  })
  let best = 0
  let waited = 0
  let any = false
  return {
    onTrainBegin() { waited = 0; any = false; best = mode === 'min' ? Infinity : -Infinity },
    onEpochEnd(event) {
      const score = scoreNamed(event, monitor)
      const better = mode === 'min' ? score < best - minDelta : score > best + minDelta
      const first = !any
      any = true
      if (better) { best = score; waited = 0 } else if (++waited >= patience && !first) event.stop('earlyStopping')
      if (restoreBest && (better || first)) event.keep()
    },
    onTrainEnd(event) { if (restoreBest && any) event.restore() },
  }
}

function scoreNamed(event: FitEvent, monitor: string): number {
  const [head = '', ...rest] = monitor.split('.')
  let at: number | ScoreRecord | undefined | null = head === 'validation' ? event.validation : event.scores[head]
  for (const key of rest) at = typeof at === 'object' && at !== null ? at[key] : undefined
  if (typeof at !== 'number') {
    throw new RangeError(message('earlyStopping.monitor', `one of ${[...Object.keys(event.scores), ...Object.keys(event.validation ?? {}).map((k) => `validation.${k}`)].join(', ')}`, describe(monitor),
      event.validation === null ? 'Without validationData or validationSplit there are no validation scores.' : ''))
  }
  return at
}

/**
 * Calls a function with one line of text an epoch.
 *
 * @param write - where lines go (default: the console)
 * @example
 * await model.fit(x, y, { callbacks: [progress()] })
 */
export function progress(write: (line: string) => void = (line) => { console.log(line) }): Callback {
  return {
    onEpochEnd(event) {
      const scores = [...flatten('', event.scores), ...flatten('validation ', event.validation ?? {})].map(([name, value]) => `${name} ${value.toFixed(4)}`)
      write(`epoch ${event.epoch + 1}/${event.firstEpoch + event.epochs}  ${scores.join('  ')}`)
    },
  }
}

function flatten(prefix: string, scores: ScoreRecord): readonly (readonly [string, number])[] {
  return Object.entries(scores).flatMap(([name, value]): readonly (readonly [string, number])[] => (typeof value === 'number' ? [[`${prefix}${name}`, value]] : flatten(`${prefix}${name}.`, value)))
}
