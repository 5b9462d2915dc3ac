// Who takes part in which workload, in the order of the tables: ours first.
import { workloads } from './workloads.mjs'

/** @typedef {import('./race.mjs').Peer} Peer */

/** @param {string} adapter @param {number} [threads] @param {string} [name] @returns {Peer} */
const peer = (adapter, threads = 1, name = adapter) => ({ adapter, threads, name })

/** All libraries but ours. */
export const rivals = ['tfjs-wasm', 'jax-js', 'onnxruntime-web', 'tfjs-cpu', 'brain.js', 'ml-matrix', 'torch']

/** Why a library has no figure for a workload; '' where it has one. @param {string} adapter @param {import('./workloads.mjs').Workload} workload */
function lacks(adapter, { kind, network, int8, product }) {
  const conv = network?.parts.some((part) => part.kind === 'conv') ?? false
  switch (adapter) {
    case 'tfjs-wasm': case 'jax-js': return int8 ? 'has no int8' : ''
    case 'tfjs-cpu': return product !== undefined && product.form !== 'nn' ? 'is left out of transposed products: it is as slow there' : int8 ? 'has no int8' : ''
    case 'onnxruntime-web': return kind === 'train' ? 'does not train' : ''
    case 'brain.js': return kind === 'product' ? 'has no products of matrices' : int8 ? 'has no int8' : conv ? 'has no convolutions' : kind === 'predict' ? 'cannot be given such a network' : ''
    case 'ml-matrix': return kind !== 'product' ? 'has matrices alone' : product?.form !== 'nn' ? 'has no transposed products' : ''
    default: return ''
  }
}

/** A product whose B is fixed is the same as another to a library that has nothing to pack once. */
const repeats = (adapter, { product }) => product?.fixed === true && !['equigrad', 'onnxruntime-web', 'tfjs-wasm', 'jax-js'].includes(adapter)

/**
 * @param {import('./workloads.mjs').Workload} workload @param {readonly string[] | null} only - adapters to take, or all
 * @returns {{ readonly peers: readonly Peer[], readonly absent: readonly { readonly name: string, readonly reason: string }[] }}
 */
export function fieldOf(workload, only) {
  if (workload.lanes) {
    const others = workload.kind === 'predict' && (only === null || only.includes('onnxruntime-web')) ? [peer('onnxruntime-web'), peer('onnxruntime-web', 2, 'onnxruntime-web, 2 threads')] : []
    return { peers: [peer('equigrad'), peer('equigrad', 2, 'equigrad, 2 lanes'), ...others], absent: [] }
  }
  const all = rivals.filter((name) => (only === null || only.includes(name)) && !repeats(name, workload))
  const reasons = all.map((name) => ({ name, reason: lacks(name, workload) }))
  return { peers: [peer('equigrad'), ...reasons.filter(({ reason }) => reason === '').map(({ name }) => peer(name))], absent: reasons.filter(({ reason }) => reason !== '') }
}

/** @param {readonly string[] | null} parts - W1, W2, …, or all */
export const chosen = (parts) => workloads.filter(({ part }) => parts === null || parts.includes(part))
