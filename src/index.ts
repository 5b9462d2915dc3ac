// The public face of the default entry: explicit names, nothing at import time.
export { sequential, type SequentialOptions } from './train/sequential.js'
export { input, type InputOptions } from './model/define.js'
export { createStore, Store } from './runtime/store.js'
export { Value } from './compiler/graph/value.js'
export { Model, type DataOf, type ModelOptions, type ProgramView, type TensorOf, type Weight } from './model/model.js'
export { Tensor } from './model/tensor.js'
export type { Dense, Nested, Typed } from './model/data.js'
export {
  TrainableModel, type Compiled, type CompileOptions, type EvaluateOptions, type FitOptions, type History, type LabelsOf, type LossOf, type MetricsOf, type Scores, type StreamBatch,
} from './train/model.js'
export { load, save, type AnyModel, type SaveOptions } from './train/save.js'
export { earlyStopping, progress, type Callback, type EarlyStoppingOptions, type FitEvent, type ScoreRecord } from './train/callbacks.js'

export { mask } from './compress/rewrite.js'

export { layer, type Layer, type LayerContext, type LayerOptions } from './nn/layer.js'
export { dense, type DenseOptions } from './nn/layers/dense.js'
export { activation, dropout } from './nn/layers/simple.js'
export { gru, lstm, rnn, simpleRNN, type Cell, type GruOptions, type LstmOptions, type RnnOptions, type SimpleRNNOptions } from './nn/layers/recurrent.js'
export { flatten, reshape } from './nn/layers/shapes.js'
export { elu, leakyRelu, type Activation } from './nn/activations.js'
export { constantInitializer, normal, truncatedNormal, uniform, type Initializer } from './nn/initializers.js'
export { l1, l1l2, l2, type Regularizer } from './nn/regularizers.js'
export { binaryCrossentropy, categoricalCrossentropy, mae, mse, sparseCategoricalCrossentropy, type Labels, type Loss, type NumericData } from './nn/losses.js'
export { accuracy, binaryAccuracy, type Metric } from './nn/metrics.js'

export { adam, adamW, type AdamOptions, type AdamWOptions } from './optim/adam.js'
export { rmsprop, type RmspropOptions } from './optim/rmsprop.js'
export { sgd, type SgdOptions } from './optim/sgd.js'
export { constantSchedule, cosineDecay, exponentialDecay, stepDecay, type LearningRate, type Schedule } from './optim/schedules.js'
export type { Optimizer } from './optim/optimizer.js'

export { EquigradError, BusyError, FormatError, NonFiniteError, RuntimeError, ShapeError } from './core/errors.js'
