// What the package weighs in a page, minified and gzipped, with the binary in it: programs that use more or less of it, for size-limit (npm run size).
// What is imported only when it is asked for (faster kernels) is not part of them. Needs dist/.

/** The programs: an entry, what they import, the bytes that they should have, and where that is missed what they may have meanwhile. */
const programs = [
  { name: 'equigrad', budget: 60_000, meanwhile: 92_500 },
  { name: 'equigrad/predict', budget: 25_000 },
  { name: 'equigrad/compress' },
  { name: 'equigrad/data' },
  { name: 'equigrad/doctor' },
  { name: 'equigrad/worker' },
  { name: 'equigrad', only: '{ adam, dense, mse, sequential }', meanwhile: 67_500 },
]

/** What the default entry would weigh without some of its parts. */
const parts = {
  'save and load': ['load', 'save'],
  'recurrent layers': ['gru', 'lengthMask', 'lstm', 'rnn', 'scan', 'simpleRNN'],
  'convolutions, pooling, batch normalisation': ['averagePool2d', 'batchNormalization', 'conv2d', 'depthwiseConv2d', 'globalAveragePool2d', 'maxPool2d'],
  'steps of one\'s own': ['gradients', 'step'],
  'shards as bytes': ['decodeShard', 'encodeShard', 'shardRows'],
  'useKernels and loadInt8': ['loadInt8', 'useKernels'],
}
const names = Object.keys(await import('../dist/index.js')), without = (left) => `{ ${names.filter((name) => !left.includes(name)).join(', ')} }`
for (const [part, left] of [...Object.entries(parts), ['any of these', Object.values(parts).flat()]]) programs.push({ name: 'equigrad', only: without(left), said: `all of it without ${part}` })

/** Modules of their own, loaded when they are asked for. */
const LATER = ['./fast.js', './int8.js', './lanes.js']
const bytes = (n) => `${n.toLocaleString('en')} bytes`

export default programs.map(({ name, only, said, budget, meanwhile }) => ({
  name: [`${name}, ${said ?? only ?? 'all of it'}`, ...(budget !== undefined && meanwhile !== undefined ? [`budget of ${bytes(budget)} missed, the limit holds meanwhile`] : [])].join('; '),
  path: `../dist/${name === 'equigrad' ? 'index' : name.split('/')[1]}.js`,
  import: only ?? '*',
  gzip: true,
  ...(budget === undefined && meanwhile === undefined ? {} : { limit: `${meanwhile ?? budget} B` }),
  // An import that is there for order alone is dropped, as it may be: in node_modules nothing is said of that.
  modifyEsbuildConfig: (config) => ({ ...config, format: 'esm', external: LATER, logOverride: { 'ignored-bare-import': 'silent' } }),
}))
