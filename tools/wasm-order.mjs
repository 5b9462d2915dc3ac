// A module with its functions in an order in which similar ones lie close together: gzip finds what repeats within 32 kB. What they compute and how fast
// is the same. Each time the function comes next of whose pieces of LENGTH bytes the largest part is among those of the last NEAR bytes.
import binaryen from 'assemblyscript/binaryen'

const LENGTH = 4, NEAR = 16_384
/** Counts as a piece that is not there: between short functions a few pieces decide nothing. */
const DOUBT = 20

/** @param {Uint8Array} wasm @returns {Buffer[]} the bodies of its functions */
function bodiesOf(wasm) {
  let at = 8
  const leb = () => { for (let value = 0, shift = 0; ; shift += 7) { const byte = wasm[at++]; value |= (byte & 127) << shift; if (byte < 128) return value } }
  const CODE = 10
  for (let id = wasm[at++]; id !== CODE; id = wasm[at++]) { const size = leb(); at += size }
  leb()
  return Array.from({ length: leb() }, () => { const size = leb(); at += size; return Buffer.from(wasm.subarray(at - size, at)) })
}

/** @param {readonly Buffer[]} bodies @returns {number[]} their places, the first first */
function order(bodies) {
  const pieces = bodies.map((body) => new Set(Array.from({ length: Math.max(0, body.length - LENGTH + 1) }, (_, i) => body.toString('latin1', i, i + LENGTH))))
  const left = new Set(bodies.keys()), placed = []
  for (let next = 0; left.size > 0;) {
    placed.push(next)
    left.delete(next)
    const near = new Set()
    for (let i = placed.length - 1, bytes = 0; i >= 0 && bytes < NEAR; bytes += bodies[placed[i--]].length) for (const piece of pieces[placed[i]]) near.add(piece)
    let most = -1
    for (const i of left) {
      const part = [...pieces[i]].filter((piece) => near.has(piece)).length / (pieces[i].size + DOUBT)
      if (part > most) { most = part; next = i }
    }
  }
  return placed
}

/**
 * @param {Uint8Array} wasm - a module
 * @param {string} wat - as text, one function after another in the same order, each from ` (func` to the next line ` )`
 * @returns the module and its text in the other order
 */
export function ordered(wasm, wat) {
  const bodies = bodiesOf(wasm), functions = wat.match(/^ \(func \$[^]*?^ \)\n/gm) ?? []
  if (functions.length !== bodies.length) throw new Error(`${bodies.length} functions, ${functions.length} texts`)
  const places = order(bodies)
  let count = 0
  const text = wat.replace(/^ \(func \$[^]*?^ \)\n/gm, () => functions[places[count++]])
  return { wasm: binaryen.parseText(text).emitBinary(), wat: text }
}
