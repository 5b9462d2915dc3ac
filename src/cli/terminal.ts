// What a run shows while it trains and at its end: a bar and one line an epoch, then the confusion matrix, in 80 columns.
import { SingleBar } from 'cli-progress'
import type { Callback, FitEvent, ScoreRecord } from '../index.js'
import { clock, count, duration, loss, percent } from './format.js'
import type { Io } from './io.js'
import { mostConfused, recallOf, type Epoch, type Score } from './result.js'

/** Columns of what is not known to have others. */
const COLUMNS = 80

const scoreOf = (scores: ScoreRecord | null): Score | null => {
  if (scores === null) return null
  const { loss: l, accuracy: a } = scores
  return { loss: typeof l === 'number' ? l : NaN, accuracy: typeof a === 'number' ? a : NaN }
}

/** Follows a fit: times it, keeps the scores of its epochs, and shows both. */
export class Progress implements Callback {
  readonly epochs: Epoch[] = []
  /** samples trained on so far, and the milliseconds spent on it (without validation) */
  readonly trained = { samples: 0, ms: 0 }
  readonly #io: Io
  readonly #validated: boolean
  readonly #bar: SingleBar | null
  #state: BarState | null = null
  #begun = 0
  #seen = { samples: 0, ms: 0 }

  /** @param validated - will epochs have validation scores? */
  constructor(io: Io, validated: boolean) {
    this.#io = io
    this.#validated = validated
    const columns = io.out.columns ?? COLUMNS
    this.#bar = io.out.isTTY === true
      ? new SingleBar({ stream: io.out, clearOnComplete: true, linewrap: true, gracefulExit: false, format: () => (this.#state === null ? '' : barLine(this.#state, columns)) })
      : null
  }

  onTrainBegin(event: FitEvent): void { this.#write(epochHead(event.epochs, this.#validated)) }

  onEpochBegin(event: FitEvent): void {
    this.#begun = performance.now()
    this.#seen = { samples: 0, ms: 0 }
    this.#state = this.#stateAt(event)
    this.#bar?.start(event.totalSamples ?? 0, 0)
  }

  onBatchEnd(event: FitEvent): void {
    const now = { samples: event.samples, ms: performance.now() - this.#begun }
    this.trained.samples += now.samples - this.#seen.samples
    this.trained.ms += now.ms - this.#seen.ms
    this.#seen = now
    this.#state = this.#stateAt(event)
    this.#bar?.update(event.samples)
  }

  onEpochEnd(event: FitEvent): void {
    this.#bar?.stop()
    const { samples, ms } = this.#seen
    const epoch = { ...(scoreOf(event.scores) ?? { loss: NaN, accuracy: NaN }), validation: scoreOf(event.validation), samplesPerSecond: (1000 * samples) / ms }
    this.epochs.push(epoch)
    this.#write(epochLine(epoch, event.epoch, event.epochs, performance.now() - this.#begun))
  }

  /** Takes the bar away; its timer would keep the process alive. */
  stop(): void { if (this.#bar?.isActive === true) this.#bar.stop() }

  #write(line: string): void { this.#io.out.write(`${line}\n`) }

  #stateAt(event: FitEvent): BarState {
    const { samples, ms } = this.trained
    const total = event.totalSamples ?? 0
    const left = total * (event.epochs - event.epoch) - event.samples
    return {
      name: epochName(event.epoch, event.epochs), done: total === 0 ? 0 : event.samples / total,
      perSecond: ms === 0 ? null : (1000 * samples) / ms, left: samples === 0 ? null : (left * ms) / samples, score: event.samples === 0 ? null : scoreOf(event.scores),
    }
  }
}

export interface BarState {
  /** such as 3/10 */
  readonly name: string
  /** part of the epoch, 0 to 1 */
  readonly done: number
  /** samples a second so far */
  readonly perSecond: number | null
  /** milliseconds to the end of training */
  readonly left: number | null
  readonly score: Score | null
}

/** The line of the bar. Its fields keep their places; the bar takes what room they leave. */
export function barLine({ name, done, perSecond, left, score }: BarState, columns: number): string {
  const fields = [
    `${Math.floor(100 * done)}%`.padStart(4), perSecond === null ? '' : `${count(perSecond).padStart(7)} samples/s`, left === null ? '' : `ETA ${clock(left)}`.padEnd(8),
    score === null ? '' : `loss ${loss(score.loss)}`, score === null ? '' : `acc ${percent(score.accuracy)}`,
  ]
  const width = Math.max(0, Math.min(30, columns - 1 - name.length - 62))
  const filled = Math.floor(done * width + 0.5)
  return [name, '█'.repeat(filled) + '░'.repeat(width - filled), ...fields].filter((field) => field !== '').join('  ').slice(0, columns - 1)
}

/** Of a table of epochs: the first column must take `10/10`, or what is longer. */
const nameColumn = (epochs: number): number => Math.max(5, 2 * String(epochs).length + 1)

const epochName = (epoch: number, epochs: number): string => `${epoch + 1}/${epochs}`.padStart(nameColumn(epochs))

export const epochHead = (epochs: number, validated: boolean): string =>
  `${'epoch'.padEnd(nameColumn(epochs))}      loss  accuracy${validated ? '  validation loss  accuracy' : ''}  samples/s       time`

/** One line for a finished epoch (from 0), with the milliseconds it took. */
export const epochLine = ({ loss: l, accuracy, validation, samplesPerSecond }: Epoch, epoch: number, epochs: number, ms: number): string =>
  `${epochName(epoch, epochs)}${loss(l).padStart(10)}${percent(accuracy).padStart(10)}` +
  `${validation === null ? '' : `${loss(validation.loss).padStart(17)}${percent(validation.accuracy).padStart(10)}`}` +
  `${count(samplesPerSecond).padStart(11)}${duration(ms).padStart(11)}`

/** Text in a colour of the terminal. */
const paint = (color: boolean, code: number, text: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text)
const [BOLD, RED, GREEN, GREY] = [1, 31, 32, 90]

/** The confusion matrix with the share found of each class, or, where it does not fit, the classes that were confused most. */
export function confusionLines(confusion: readonly (readonly number[])[], { columns = COLUMNS, color = false }: { readonly columns?: number; readonly color?: boolean } = {}): readonly string[] {
  const digits = String(Math.max(confusion.length, ...confusion.map((row) => Math.max(...row)))).length
  const cell = Math.max(4, digits + 1)
  const left = 6
  if (left + cell * confusion.length + 9 > columns) return confusedLines(confusion)
  const rows = confusion.map((row, label) => {
    const cells = row.map((n, p) => {
      const text = (n === 0 ? '·' : String(n)).padStart(cell)
      return n === 0 ? paint(color, GREY, text) : paint(color, p === label ? GREEN : RED, text)
    })
    const recall = recallOf(confusion, label)
    return `${paint(color, BOLD, String(label).padStart(left))}${cells.join('')}${(recall === null ? '–' : percent(recall)).padStart(9)}`
  })
  const head = `${'true'.padStart(left)}${confusion.map((_, p) => paint(color, BOLD, String(p).padStart(cell))).join('')}${'found'.padStart(9)}`
  return [`${' '.repeat(left)}${'predicted'.padStart(Math.max(cell + 8, 9))}`, head, ...rows]
}

function confusedLines(confusion: readonly (readonly number[])[]): readonly string[] {
  const pairs = mostConfused(confusion, 10)
  if (pairs.length === 0) return ['no class was taken for another']
  const width = Math.max(...pairs.map(({ samples }) => String(samples).length))
  return ['confused most often:', ...pairs.map(({ label, predicted, samples }) => `${String(samples).padStart(width + 2)} × ${label} taken for ${predicted}`)]
}
