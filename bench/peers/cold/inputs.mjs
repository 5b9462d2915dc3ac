// What a cold start predicts: the worked example with weights from a generator, and one image. Each script of this folder is a whole program, as small
// as its library lets it be; it says what it predicted, and how much processor time it took.

export const SIZES = [784, 64, 64, 10]

let state = 1
const next = () => { state = (Math.imul(state, 1664525) + 1013904223) | 0; return (state >>> 8) / 2 ** 24 - 0.5 }

/** Kernel and bias of each layer. */
export const weights = SIZES.slice(1).flatMap((to, i) => [
  { data: Float32Array.from({ length: SIZES[i] * to }, () => next() * 0.2), shape: [SIZES[i], to] }, { data: new Float32Array(to), shape: [to] },
])
export const image = Float32Array.from({ length: SIZES[0] }, () => next() + 0.5)

/** @param {ArrayLike<number>} probabilities [10] */
export function say(probabilities) {
  const { user, system } = globalThis.process?.cpuUsage() ?? { user: 0, system: 0 }
  globalThis.console.log(JSON.stringify({ probabilities: Array.from(probabilities), cpuSeconds: (user + system) / 1e6 }))
}
