// The vocabulary that values, ops and programs share.
import type { DType, Shape } from '../core/shape.js'

/** What a value is, wherever it comes from. */
export interface Type { readonly shape: Shape; readonly dtype: DType }

/** What the body of a scan takes and gives at each step. */
export interface Signature { readonly ins: readonly Type[]; readonly outs: readonly Type[] }

export type Attr = number | string | boolean | readonly number[]
/** What an application of an op is told besides its operands: plain data. */
export type Attrs = { readonly [k: string]: Attr }
