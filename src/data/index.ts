// The public face of the data folder: `equigrad/data`.
export { digits, type Digits, type DigitsOptions } from './digits.js'
export { readIdx, writeIdx, type IdxData, type IdxSource } from './idx.js'
export { oneHot, shuffled, split, type Part, type Samples, type Split, type SplitOptions } from './split.js'
export {
  normalize, scalerFromJSON, standardize,
  type FitOptions, type NormalizeJSON, type RangeScaler, type Scaled, type Scaler, type ScalerJSON, type StandardizeJSON, type StandardScaler, type Table, type Unfitted,
} from './preprocess.js'
export { padSequences, type Padded, type PadOptions, type Sequence } from './sequences.js'
export type { NumericArray, ShapedData } from './arrays.js'
