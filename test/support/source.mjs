// For processes that tests start with `node --import …/source.mjs`: 'equigrad' is what bundle.ts made of the source. Registers itself as the hooks.
import { register } from 'node:module'
import { isMainThread } from 'node:worker_threads'

if (isMainThread) register(import.meta.url)

const bundled = (file) => new URL(`../../build/source/${file}`, import.meta.url).href
const faces = { equigrad: bundled('index.js'), 'equigrad/data': bundled('data.js'), 'equigrad/compress': bundled('compress.js'), 'equigrad/predict': bundled('predict.js') }

export const resolve = (specifier, context, next) => (faces[specifier] === undefined ? next(specifier, context) : { url: faces[specifier], shortCircuit: true })
