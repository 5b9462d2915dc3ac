// Data as files of a directory, so that it is made once and every process, of whatever language, reads the same.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {import('./data.mjs').Data} Data */

/** @param {string} dir @param {Data} data */
export function writeData(dir, { images, labels, first, trained }) {
  writeFileSync(join(dir, 'images.u8'), images)
  writeFileSync(join(dir, 'labels.i32'), bytesOf(labels))
  const sets = { ...first, trained }
  const blob = Object.values(sets).flat().map(({ data }) => bytesOf(data))
  writeFileSync(join(dir, 'weights.f32'), Buffer.concat(blob))
  writeFileSync(join(dir, 'weights.json'), JSON.stringify(Object.fromEntries(Object.entries(sets).map(([name, weights]) => [name, weights.map(({ shape }) => shape)]))))
}

/** @param {string} dir @returns {Data} */
export function readData(dir) {
  const numbers = new Float32Array(alone(join(dir, 'weights.f32')))
  let at = 0
  const weight = (shape) => { const size = shape.reduce((p, d) => p * d, 1); at += size; return { data: numbers.slice(at - size, at), shape } }
  const { trained, ...first } = Object.fromEntries(Object.entries(JSON.parse(readFileSync(join(dir, 'weights.json'), 'utf8'))).map(([name, shapes]) => [name, shapes.map(weight)]))
  return { images: new Uint8Array(alone(join(dir, 'images.u8'))), labels: new Int32Array(alone(join(dir, 'labels.i32'))), first, trained }
}

const bytesOf = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength)
/** A file's bytes in a buffer of their own: small reads share one. @param {string} path */
const alone = (path) => Uint8Array.from(readFileSync(path)).buffer
