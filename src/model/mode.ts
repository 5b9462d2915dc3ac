// While a step is traced, models that are called in it compute as in training or as in prediction; elsewhere both stay possible.
import type { Value } from '../compiler/graph/value.js'
import { specialise, type Mode } from '../compiler/passes/specialise.js'

let mode: Mode | null = null

/** Runs `trace` with models computing in a mode. Synchronous. */
export function inMode<T>(chosen: Mode, trace: () => T): T {
  const before = mode
  mode = chosen
  try { return trace() } finally { mode = before }
}

/** Values as the mode that is being traced wants them. */
export const byTraceMode = (values: readonly Value[]): readonly Value[] => (mode === null ? values : specialise(values, mode))
