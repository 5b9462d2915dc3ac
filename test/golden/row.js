// What the golden trainings share: exact numbers, and what a training is pinned by.

/** Numbers in [-1, 1) by a linear congruential generator, exact everywhere (Numerical Recipes' constants). */
export function numbers(count, seed) {
  let state = seed >>> 0
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2147483648 - 1
  })
}

const text = new TextEncoder()
const hex = (buffer) => Array.from(new Uint8Array(buffer), (b) => b.toString(16).padStart(2, '0')).join('')
const sha256 = async (bytes) => hex(await crypto.subtle.digest('SHA-256', bytes))

/** The bytes of some f32 or f64 numbers, little-endian; there must be no NaN, whose bits differ between machines. */
function bytesOf(typed) {
  typed.forEach((x) => { if (!Number.isFinite(x)) throw new Error(`expected finite numbers, got ${x}`) })
  return new Uint8Array(typed.buffer, typed.byteOffset, typed.byteLength)
}

const join = (parts) => {
  const all = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0))
  parts.reduce((at, p) => { all.set(p, at); return at + p.length }, 0)
  return all
}

/** Every number in a record of scores, by key. */
const scores = (record) => Object.keys(record).sort().flatMap((key) => (typeof record[key] === 'number' ? [record[key]] : scores(record[key])))

/** Bytes of tensors in a file of `save` whose names begin so, each after its name. */
function tensorsOf(file, prefix) {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength)
  const length = Number(view.getBigUint64(0, true))
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)))
  return Object.keys(header).filter((name) => name.startsWith(prefix)).sort().flatMap((name) => {
    const [from, to] = header[name].data_offsets
    return [text.encode(`${name}\n`), bytesOf(new Float32Array(file.slice(8 + length + from, 8 + length + to).buffer))]
  })
}

/** How far a training has come, and what its optimizer keeps. */
const stateOf = (save, model) => [bytesOf(Float64Array.of(model.step, model.epoch)), ...tensorsOf(save(model), 'optimizer/')]

/**
 * What a training is pinned by: hashes of all weights by key, of the optimizer's state, of every score of every epoch, and of predictions.
 *
 * @param trained - compiled models, whose optimizers' states count; of steps of one's own nobody can read the state
 */
export async function row({ save }, model, histories, predictions, trained = [model]) {
  const weights = Object.entries(model.getWeights()).sort(([a], [b]) => (a < b ? -1 : 1))
  return {
    weights: await sha256(join(weights.flatMap(([key, { data, shape }]) => [text.encode(`${key} ${shape.join('x')}\n`), bytesOf(data)]))),
    state: await sha256(join(trained.flatMap((m) => stateOf(save, m)))),
    losses: await sha256(bytesOf(Float64Array.from(histories.flatMap((h) => scores(h))))),
    predictions: await sha256(bytesOf(predictions.data)),
  }
}

/** Law 4 on the way: one row alone has the bits it has among others. */
export function checkAlone(model, x, width, predictions) {
  const i = predictions.shape[0] - 1
  const alone = model.predictSync(x.slice(i * width, (i + 1) * width)).data
  alone.forEach((p, j) => { if (!Object.is(p, predictions.data[i * alone.length + j])) throw new Error(`row ${i} differs when it is predicted alone`) })
}
