// What a run gives: plain data for the terminal and the report, and how it is counted.
import type { Dataset } from './data.js'

export interface Score { readonly loss: number; readonly accuracy: number }

export interface Epoch extends Score {
  readonly validation: Score | null
  /** of training alone */
  readonly samplesPerSecond: number
}

export interface Mistake {
  /** of the sample in the test set */
  readonly index: number
  readonly label: number
  readonly predicted: number
  /** the model's probability of the predicted class */
  readonly probability: number
}

export interface Result {
  readonly version: string
  readonly data: Dataset
  /** samples that were kept back of those to train on */
  readonly validationSamples: number
  /** for people, by name */
  readonly settings: Readonly<Record<string, string>>
  readonly epochs: readonly Epoch[]
  /** epochs asked for */
  readonly plannedEpochs: number
  /** updates completed */
  readonly steps: number
  readonly test: Score
  /** samples by true class (row) and predicted class */
  readonly confusion: readonly (readonly number[])[]
  /** the most confident first */
  readonly mistakes: readonly Mistake[]
  /** SHA-256 of all weights, in hexadecimal */
  readonly hash: string
  /** samples trained on, over all epochs, and the milliseconds of it */
  readonly trained: { readonly samples: number; readonly ms: number }
  /** of the whole run, in milliseconds */
  readonly ms: number
  readonly machine: Readonly<Record<string, string>>
}

/** Counts samples by true and predicted class: rows are true classes. */
export function confusionOf(labels: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): readonly (readonly number[])[] {
  const rows = Array.from({ length: classes }, () => new Array<number>(classes).fill(0))
  for (let i = 0; i < labels.length; i++) {
    const row = rows[labels[i] ?? 0]
    const p = predicted[i] ?? 0
    if (row !== undefined) row[p] = (row[p] ?? 0) + 1
  }
  return rows
}

/** Wrong predictions, the most confident first; equal ones in the order of the samples. */
export function mistakesOf(labels: ArrayLike<number>, predicted: ArrayLike<number>, probabilities: ArrayLike<number>, classes: number): readonly Mistake[] {
  const mistakes: Mistake[] = []
  for (let index = 0; index < labels.length; index++) {
    const [label = 0, p = 0] = [labels[index], predicted[index]]
    if (label !== p) mistakes.push({ index, label, predicted: p, probability: probabilities[index * classes + p] ?? 0 })
  }
  return mistakes.sort((a, b) => b.probability - a.probability || a.index - b.index)
}

export interface Confused { readonly label: number; readonly predicted: number; readonly samples: number }

/** Pairs of classes that were taken for one another, the most frequent first. */
export function mostConfused(confusion: readonly (readonly number[])[], most: number): readonly Confused[] {
  return confusion
    .flatMap((row, label) => row.map((samples, predicted): Confused => ({ label, predicted, samples })))
    .filter(({ label, predicted, samples }) => label !== predicted && samples > 0)
    .sort((a, b) => b.samples - a.samples || a.label - b.label || a.predicted - b.predicted)
    .slice(0, most)
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Of the samples of a class, the share that was found; null for a class without samples. */
export const recallOf = (confusion: readonly (readonly number[])[], label: number): number | null => {
  const row = confusion[label] ?? []
  return sum(row) === 0 ? null : (row[label] ?? 0) / sum(row)
}

/** Of the predictions of a class, the share that was right; null for a class that was never predicted. */
export const precisionOf = (confusion: readonly (readonly number[])[], label: number): number | null => {
  const column = confusion.map((row) => row[label] ?? 0)
  return sum(column) === 0 ? null : (column[label] ?? 0) / sum(column)
}
