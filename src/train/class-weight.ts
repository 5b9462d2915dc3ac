// Factors of the loss by class, as factors by sample.
import { message } from '../core/errors.js'
import { checkNumber, checkRecord } from '../core/options.js'
import type { Rows } from '../model/data.js'

/**
 * The factor of each sample: its class's, 1 where none is given, times that of the sample itself.
 *
 * @param labels - those of the outputs
 * @param own - the samples' own factors
 * @throws TypeError where the labels are not the class numbers of one output, or a key is no class number; RangeError for factors that are not finite or below 0
 */
export function classFactors(labels: readonly (Rows | undefined)[], classWeight: unknown, own: Rows | undefined): Rows {
  const where = 'fit.classWeight'
  const factors = new Map(Object.entries(checkRecord(where, classWeight)).map(([key, value]) => {
    if (!/^(0|[1-9]\d*)$/.test(key)) throw new TypeError(message(where, 'class numbers from 0 as keys', `'${key}'`))
    return [Number(key), checkNumber(`${where}[${key}]`, value, { min: 0 })]
  }))
  const [rows, ...more] = labels
  if (rows === undefined || more.length > 0 || rows.width !== 1 || (rows.dtype !== 'i32' && rows.dtype !== 'u8')) throw new TypeError(message(where, 'one output whose labels are class numbers', 'other labels', 'Give sampleWeight.'))
  return { data: Float32Array.from(rows.data, (label, i) => (factors.get(label) ?? 1) * (own?.data[i] ?? 1)), dtype: 'f32', rows: rows.rows, width: 1 }
}
