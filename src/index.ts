// The public face of the default entry: explicit names, nothing at import time.
export { sequential, type SequentialOptions } from './train/sequential.js'
export { functional } from './train/functional.js'
export { gradients, step, type Step, type StepInput, type StepOptions } from './train/step.js'
export { input, type InputOptions } from './model/define.js'
export { createStore, Store } from './runtime/store.js'
export { Value, type Scalar } from './compiler/graph/value.js'
export { abs, affine, clip, exp, log, neg, reciprocal, relu, sigmoid, sign, softplus, sqrt, square, tanh } from './compiler/ops/unary.js'
export { add, div, equal, greater, maximum, minimum, mul, sub } from './compiler/ops/binary.js'
export { mean, sum } from './compiler/ops/reduce.js'
export { matmul } from './compiler/ops/matmul.js'
export { logSoftmax, softmax } from './compiler/ops/softmax.js'
export { concatenate, slice } from './compiler/ops/concat.js'
export { expand } from './compiler/ops/shapes.js'
export { select } from './compiler/ops/select.js'
export { Model, type AnyModel, type DataOf, type ModelOptions, type ProgramView, type TensorOf, type Values, type Weight } from './model/model.js'
export { Tensor } from './model/tensor.js'
export type { Dense, Nested, Typed } from './model/data.js'
export {
  TrainableModel, type Compiled, type CompileOptions, type EvaluateOptions, type FitOptions, type History, type LabelsOf, type LossOf, type MetricsOf, type Scores, type StreamBatch,
} from './train/model.js'
export { load, save, type SaveOptions } from './train/save.js'
export { earlyStopping, progress, type Callback, type EarlyStoppingOptions, type FitEvent, type ScoreRecord } from './train/callbacks.js'

export { mask } from './compress/rewrite.js'

export { layer, type Layer, type LayerContext, type LayerOptions, type Parts } from './nn/layer.js'
export { dense, type DenseOptions } from './nn/layers/dense.js'
export { conv2d, depthwiseConv2d, type Conv2dOptions, type DepthwiseConv2dOptions } from './nn/layers/conv.js'
export { batchNormalization, type BatchNormalizationOptions } from './nn/layers/norm.js'
export { averagePool2d, globalAveragePool2d, maxPool2d, type Pool2dOptions } from './nn/layers/pool.js'
export { activation, dropout } from './nn/layers/simple.js'
export {
  gru, lstm, rnn, simpleRNN,
  type Cell, type GruOptions, type LstmOptions, type RecurrentLayer, type RnnOptions, type SequenceOptions, type SimpleRNNOptions, type WithStates,
} from './nn/layers/recurrent.js'
export { flatten, reshape } from './nn/layers/shapes.js'
export { elu, leakyRelu, type Activation } from './nn/activations.js'
export { constantInitializer, normal, orthogonal, truncatedNormal, uniform, type Initializer } from './nn/initializers.js'
export { l1, l1l2, l2, type Regularizer } from './nn/regularizers.js'
export { binaryCrossentropy, categoricalCrossentropy, mae, mse, sparseCategoricalCrossentropy, type Labels, type Loss, type NumericData } from './nn/losses.js'
export { accuracy, binaryAccuracy, type Metric } from './nn/metrics.js'

export { adam, adamW, type AdamOptions, type AdamWOptions } from './optim/adam.js'
export { rmsprop, type RmspropOptions } from './optim/rmsprop.js'
export { sgd, type SgdOptions } from './optim/sgd.js'
export { constantSchedule, cosineDecay, exponentialDecay, stepDecay, type LearningRate, type Schedule } from './optim/schedules.js'
export type { Optimizer, OptimizerData, Update, Weights } from './optim/optimizer.js'

export { EquigradError, BusyError, FormatError, NonFiniteError, RuntimeError, ShapeError } from './core/errors.js'
