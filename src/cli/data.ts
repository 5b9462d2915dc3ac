// Images with labels to train and test on: the built-in digits, or a directory of IDX files as MNIST has them.
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { digits, readIdx, type IdxData } from '../data/index.js'
import { InputError, reasonOf } from './io.js'

export interface Part {
  /** [samples · height · width] */
  readonly images: Uint8Array
  /** [samples], from 0 to classes − 1 */
  readonly labels: Uint8Array | Int32Array
  readonly samples: number
}

export interface Dataset {
  /** for people: where it comes from */
  readonly name: string
  readonly train: Part
  readonly test: Part
  readonly classes: number
  readonly height: number
  readonly width: number
}

/** More than these are hardly classes. */
const MOST_CLASSES = 4096

/** The built-in digits: 12 000 to train on, and the 2 000 after them. */
export function builtInDigits(): Dataset {
  const part = (samples: number, offset: number): Part => ({ ...digits({ samples, offset }), samples })
  return { name: 'built-in digits', train: part(12_000, 0), test: part(2000, 12_000), classes: 10, height: 28, width: 28 }
}

/**
 * Reads a directory of four IDX files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the same with `t10k`, with or without
 * `.gz`, also with a dot before `idx`.
 *
 * @throws InputError when a file is missing, cannot be read, is malformed, or does not fit the others
 */
export function readDirectory(dir: string): Dataset {
  if (!isDirectory(dir)) throw new InputError(`--data: ${dir} is not a directory`)
  const [trainImages, trainLabels, testImages, testLabels] = [
    find(dir, 'train', 'images', 3), find(dir, 'train', 'labels', 1), find(dir, 't10k', 'images', 3), find(dir, 't10k', 'labels', 1),
  ]
  const [h, train] = readPart(trainImages, trainLabels)
  const [t, test] = readPart(testImages, testLabels)
  if (h.height !== t.height || h.width !== t.width) throw new InputError(`${testImages}: images of ${t.height} × ${t.width}, but those to train on are ${h.height} × ${h.width}`)
  const classes = Math.max(largest(train.labels), largest(test.labels)) + 1
  if (classes < 2) throw new InputError(`${trainLabels}: all labels are 0: there is nothing to tell apart`)
  if (classes > MOST_CLASSES) throw new InputError(`${trainLabels}: a label ${classes - 1}: labels are class numbers from 0, at most ${MOST_CLASSES - 1}`)
  return { name: dir, train, test, classes, ...h }
}

interface Size { readonly height: number; readonly width: number }

function readPart(imagesPath: string, labelsPath: string): readonly [Size, Part] {
  const images = readFile(imagesPath)
  const [samples = 0, height = 0, width = 0] = images.shape
  if (images.shape.length !== 3 || !(images.data instanceof Uint8Array)) throw new InputError(`${imagesPath}: images are bytes of shape [n, height, width], these are ${kindOf(images)}`)
  if (samples * height * width === 0) throw new InputError(`${imagesPath}: no images (shape [${images.shape.join(', ')}])`)
  const { data: labels, shape } = readFile(labelsPath)
  if (shape.length !== 1 || labels instanceof Float32Array || labels instanceof Float64Array) throw new InputError(`${labelsPath}: labels are whole numbers of shape [n], these are ${kindOf({ data: labels, shape })}`)
  if (labels.length !== samples) throw new InputError(`${labelsPath}: ${labels.length} labels for ${samples} images`)
  const negative = labels.findIndex((label) => label < 0)
  if (negative >= 0) throw new InputError(`${labelsPath}: label ${negative} is ${labels[negative] ?? 0}: class numbers start at 0`)
  return [{ height, width }, { images: images.data, labels, samples }]
}

function readFile(path: string): IdxData {
  let bytes: Uint8Array
  try { bytes = readFileSync(path) } catch (error) { throw new InputError(`cannot read ${path}: ${reasonOf(error)}`) }
  try { return readIdx(bytes) } catch (error) { throw new InputError(`${path}: ${error instanceof Error ? error.message : String(error)}`) }
}

/** The first of the names that a file may have. */
function find(dir: string, set: string, what: string, rank: number): string {
  const names = ['-', '.'].flatMap((sep) => ['', '.gz'].map((end) => `${set}-${what}${sep}idx${rank}-ubyte${end}`))
  const found = names.map((name) => join(dir, name)).find((path) => statSync(path, { throwIfNoEntry: false }) !== undefined)
  if (found === undefined) throw new InputError(`--data: ${dir} has no ${names[0] ?? ''} (or .gz)`)
  return found
}

function isDirectory(path: string): boolean {
  try { return statSync(path).isDirectory() } catch { return false }
}

function largest(labels: Uint8Array | Int32Array): number {
  let most = 0
  for (const label of labels) if (label > most) most = label
  return most
}

const kindOf = ({ data, shape }: IdxData): string => `${data.constructor.name.replace('Array', '').toLowerCase()} of shape [${shape.join(', ')}]`
