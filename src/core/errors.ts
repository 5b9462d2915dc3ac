// Errors. A message says `<where>: expected <what>, got <fact>. <remedy>`.
// TypeError is for a wrong kind, RangeError for a wrong value, a subclass of EquigradError for the rest.

/** Builds the one form that all messages have. */
export const message = (where: string, expected: string, got: string, remedy = ''): string =>
  `${where}: expected ${expected}, got ${got}.${remedy === '' ? '' : ` ${remedy}`}`

/** What every error of this package other than TypeError and RangeError extends. */
export class EquigradError extends Error {
  /** the name of the class, which bundlers do not change */
  override name = 'EquigradError'
}

/** Shapes that do not fit together. */
export class ShapeError extends EquigradError {
  /** the name of the class, which bundlers do not change */
  override name = 'ShapeError'
}

/** Bytes that are not the format they should be. */
export class FormatError extends EquigradError {
  /** the name of the class, which bundlers do not change */
  override name = 'FormatError'
  /** @param offset - byte at which it showed, where one can be named */
  constructor(
    text: string,
    /** byte at which it showed, from 0; undefined where none can be named */
    readonly offset?: number,
  ) { super(text) }
}

/** A loss or gradient that became NaN or infinite; the weights are those after the last completed step. */
export class NonFiniteError extends EquigradError {
  /** the name of the class, which bundlers do not change */
  override name = 'NonFiniteError'
  /**
   * @param epoch - epoch of the failed step, from 0
   * @param step - steps completed before it
   * @param layer - path of the first layer whose value is not finite, or null when only the gradient is not
   */
  constructor(
    text: string,
    /** epoch of the failed step, from 0 */
    readonly epoch: number,
    /** steps completed before it */
    readonly step: number,
    /** path of the first layer whose value is not finite, or null when only the gradient is not */
    readonly layer: string | null,
  ) { super(text) }
}

/** The host lacks what is needed (WebAssembly SIMD, memory). */
export class RuntimeError extends EquigradError {
  /** the name of the class, which bundlers do not change */
  override name = 'RuntimeError'
}

/** The store is busy with a training call. */
export class BusyError extends EquigradError {
  /** the name of the class, which bundlers do not change */
  override name = 'BusyError'
}

/** What an error says. */
export const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** How a value reads in a message: short, and never its whole content. */
export function describe(value: unknown): string {
  if (value === null) return 'null'
  if (typeof value === 'string') return JSON.stringify(value.length > 40 ? `${value.slice(0, 40)}…` : value)
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'undefined') return Object.is(value, -0) ? '-0' : String(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Array.isArray(value)) return value.length <= 6 && value.every((v) => typeof v === 'number') ? `[${value.join(', ')}]` : `an array of ${value.length}`
  if (ArrayBuffer.isView(value)) return `${value.constructor.name} of ${'length' in value ? String(value.length) : String(value.byteLength)}`
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object') return value.constructor?.name === undefined || value.constructor.name === 'Object' ? 'an object' : `a ${value.constructor.name}`
  return typeof value
}
