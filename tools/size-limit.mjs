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

/** Modules of their own, loaded when they are asked for. */
const LATER = ['./fast.js', './int8.js', './lanes.js']
const bytes = (n) => `${n.toLocaleString('en')} bytes`

export default programs.map(({ name, only, budget, meanwhile }) => ({
  name: [only === undefined ? `${name}, all of it` : `${name}, ${only}`, ...(budget !== undefined && meanwhile !== undefined ? [`budget of ${bytes(budget)} missed, the limit holds meanwhile`] : [])].join('; '),
  path: `../dist/${name === 'equigrad' ? 'index' : name.split('/')[1]}.js`,
  import: only ?? '*',
  gzip: true,
  ...(budget === undefined && meanwhile === undefined ? {} : { limit: `${meanwhile ?? budget} B` }),
  // An import that is there for order alone is dropped, as it may be: in node_modules nothing is said of that.
  modifyEsbuildConfig: (config) => ({ ...config, format: 'esm', external: LATER, logOverride: { 'ignored-bare-import': 'silent' } }),
}))
