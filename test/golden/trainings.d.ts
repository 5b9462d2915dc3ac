// Types for trainings.js, which is plain JavaScript so that every runtime can run it as it is.
export type Row = { readonly weights: string; readonly state: string; readonly losses: string; readonly predictions: string }
export function trainings(equigrad: object, data: object, lanes?: number, names?: readonly string[]): Promise<Record<string, Row>>
