// The libraries by name. Each file is loaded only where its library is to run.

/** @typedef {import('../rounds.mjs').Adapter} Adapter */
/** @type {Readonly<Record<string, () => Promise<{ default: Adapter }>>>} */
const adapters = {
  equigrad: () => import('./equigrad.mjs'),
  'tfjs-wasm': () => import('./tfjs-wasm.mjs'),
  'tfjs-cpu': () => import('./tfjs-cpu.mjs'),
  'onnxruntime-web': () => import('./onnxruntime.mjs'),
  'jax-js': () => import('./jax.mjs'),
  'brain.js': () => import('./brain.mjs'),
  'ml-matrix': () => import('./ml-matrix.mjs'),
}

/** @param {string} name @returns {Promise<Adapter>} */
export const load = async (name) => (await adapters[name]()).default
