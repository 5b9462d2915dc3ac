// The public face of equigrad/predict: saved models that predict, without the compiler and what trains, on a binary of forward kernels.
export { useKernels } from './runtime/forward.js'
export { load, type ArrayOf, type Named, type Predictor, type PredictOptions } from './predict/model.js'
export { Tensor } from './model/tensor.js'
export type { Dense, Nested, Typed } from './model/data.js'
export { EquigradError, FormatError, RuntimeError, ShapeError } from './core/errors.js'
