// The training loop: steps over the batches of a feed, with callbacks, validation, abort and turns for the event loop between them.
import { checkNumber } from '../core/options.js'
import { Pacer } from '../runtime/platform/pause.js'
import type { Store, Work } from '../runtime/store.js'
import type { Callback, FitEvent, ScoreRecord } from './callbacks.js'
import type { Feed, Placed } from './feed.js'
import { Scoreboard } from './scores.js'
import type { Batch, Sources, Trainer } from './trainer.js'
import { notFinite } from './update.js'

export interface FitRun {
  readonly store: Store
  readonly trainer: Trainer
  readonly feed: Feed
  readonly epochs: number
  /** most steps of this run */
  readonly maxSteps: number
  readonly callbacks: readonly Callback[]
  readonly signal: AbortSignal | undefined
  readonly oneOutput: boolean
  readonly validate: (() => Promise<ScoreRecord>) | null
  readonly keep: () => void
  readonly restore: () => void
}

/** What a run of fit leaves: scores of each completed epoch, and why it ended early, if it did. */
export interface RunHistory {
  readonly epochs: readonly ScoreRecord[]
  readonly validation: readonly ScoreRecord[]
  readonly stopped: string | null
}

/** One step: the gradient of a batch, and the update. Throws a NonFiniteError, with nothing changed, when something is not finite. */
export function* stepWork(trainer: Trainer, sources: Sources, batch: Batch, capacity: number): Work<{ readonly sums: Float64Array; readonly penalty: number }> {
  yield* trainer.gradientWork(sources, batch, capacity)
  const { ok, sums, penalty } = yield* trainer.applyWork()
  if (ok) return { sums, penalty }
  const layer = trainer.diagnose(sources, batch)
  const what = layer === null ? 'a gradient that is not finite' : `a value that is not finite, first in ${layer === '' ? 'an input' : layer}`
  const { epoch, step } = trainer
  throw notFinite(`fit, epoch ${epoch}, step ${step}`, epoch, step, what, `The weights are ${step === 0 ? 'the first ones' : `those after ${step} steps`}.`, layer)
}

export async function runFit(run: FitRun): Promise<RunHistory> {
  const { store, trainer, feed, callbacks, signal } = run
  const firstEpoch = trainer.epoch
  const lastStep = trainer.step + run.maxSteps
  const history = { epochs: [] as ScoreRecord[], validation: [] as ScoreRecord[], stopped: null as string | null }
  const pacer = new Pacer()
  const board = (trainer.board ??= new Scoreboard(trainer.recipe, run.oneOutput))
  const batches = feed.samples === null ? null : Math.ceil(feed.samples / feed.batchSize)
  let validation: ScoreRecord | null = null
  let stop: string | null = null
  const call = async (hook: keyof Callback): Promise<void> => {
    for (const callback of callbacks) if (callback[hook] !== undefined) await callback[hook]?.(event())
  }
  const event = (): FitEvent => ({
    epoch: trainer.epoch, epochs: run.epochs, firstEpoch, step: trainer.step, batch: board.batches, batches, samples: board.samples, totalSamples: feed.samples,
    scores: board.scores(), validation, learningRate: trainer.learningRate,
    stop: (reason = 'callback') => { stop ??= reason },
    scaleLearningRate: (factor) => { trainer.scale = checkNumber('scaleLearningRate', factor, { min: 0 }) },
    keep: run.keep, restore: run.restore,
  })
  const everyBatch = callbacks.some((c) => c.onBatchEnd !== undefined)
  const ended = (): boolean => {
    if (signal?.aborted === true) stop ??= 'aborted'
    if (trainer.step >= lastStep) stop ??= 'maxSteps'
    return stop !== null
  }

  await call('onTrainBegin')
  while (trainer.epoch < firstEpoch + run.epochs && !ended()) {
    // A position that other data left behind says nothing about these.
    if (feed.samples !== null && trainer.position >= feed.samples) trainer.position = 0
    // A training that stopped within an epoch goes on where it stopped, scores included.
    if (trainer.position === 0) board.clear()
    validation = null
    await call('onEpochBegin')
    let capacity = feed.batchSize
    let whole = true
    for await (const { sources, batch: samples } of paced(feed.batches(trainer.epoch, trainer.position), pacer)) {
      if (ended()) { whole = false; break }
      const n = samples.rows.length
      capacity = Math.max(capacity, n)
      const { sums, penalty } = await store.onLanes('fit', () => stepWork(trainer, sources, samples, capacity))
      trainer.position += n
      board.add(sums, penalty, n)
      if (everyBatch) await call('onBatchEnd')
    }
    if (!whole) break
    trainer.position = 0
    validation = run.validate === null ? null : await run.validate()
    history.epochs.push(board.scores())
    if (validation !== null) history.validation.push(validation)
    await call('onEpochEnd')
    trainer.epoch++
  }
  await call('onTrainEnd')
  history.stopped = stop
  return history
}

/** Batches one after the other; the event loop gets a turn before one when the time is due. */
async function* paced(batches: ReturnType<Feed['batches']>, pacer: Pacer): AsyncGenerator<Placed> {
  for await (const batch of batches) {
    yield batch
    await pacer.due()
  }
}
