// The libraries' versions: exact in package.json.
import own from '../../package.json' with { type: 'json' }
import peers from './package.json' with { type: 'json' }

const packages = { 'tfjs-wasm': '@tensorflow/tfjs', 'tfjs-cpu': '@tensorflow/tfjs', 'jax-js': '@jax-js/jax' }

/** @param {string} adapter - its name */
export const versionOf = (adapter) => (adapter.startsWith('equigrad') ? own.version : peers.dependencies[packages[adapter] ?? adapter])

/** A library as tables name it: with its version where that is ours to choose. @param {string} adapter */
export const titleOf = (adapter) => [adapter.replace('-predict', '/predict'), versionOf(adapter)].filter(Boolean).join(' ')
