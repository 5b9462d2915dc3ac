// The vocabulary that values, ops and programs share.
import type { DType, Shape } from '../core/shape.js'

/** What a value is, wherever it comes from. */
export interface Type { readonly shape: Shape; readonly dtype: DType }

export type Attr = number | string | boolean | readonly number[]
/** What an application of an op is told besides its operands: plain data. */
export type Attrs = { readonly [k: string]: Attr }
