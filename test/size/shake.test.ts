// What a bundler leaves of the package for a program that uses a part of it.
import { expect, it } from 'vitest'
import { build, type Rollup } from 'vite'

/** Files of src/ of which code is left in a bundle of some exports, as folder/name. */
async function filesIn(names: string, from: string): Promise<readonly string[]> {
  const entry = { name: 'entry', resolveId: (id: string) => (id === 'entry' ? '\0entry' : null), load: (id: string) => (id === '\0entry' ? `import { ${names} } from '/src/${from}'\nglobalThis.all = { ${names} }` : null) }
  const made = await build({ configFile: false, logLevel: 'error', plugins: [entry], build: { write: false, minify: false, target: 'es2022', rollupOptions: { input: 'entry', treeshake: { moduleSideEffects: false } } } })
  const chunks = (Array.isArray(made) ? made : [made]).flatMap((m) => ('output' in m ? m.output : [])).filter((o): o is Rollup.OutputChunk => o.type === 'chunk' && !o.isDynamicEntry)
  return chunks.flatMap(({ modules }) => Object.entries(modules)).filter(([, { code }]) => code !== null && code.trim() !== '')
    .flatMap(([id]) => /\/src\/(.*)\.ts$/.exec(id)?.[1] ?? [])
}
const within = (files: readonly string[], ...folders: readonly string[]): string[] => files.filter((file) => folders.some((folder) => file.startsWith(`${folder}/`))).sort()

it('dense and adam bring no other optimizer, layer, loss or compression', async () => {
  const files = await filesIn('sequential, dense, adam, mse', 'index.ts')
  expect(within(files, 'optim')).toEqual(['optim/adam', 'optim/optimizer', 'optim/schedules'])
  expect(within(files, 'nn/layers')).toEqual(['nn/layers/dense'])
  expect(within(files, 'compress', 'data', 'predict', 'cli', 'formats')).toEqual([])
})
it('nor an op of other layers, with its gradient', async () => {
  const ops = within(await filesIn('sequential, dense, adam, mse', 'index.ts'), 'compiler/ops')
  expect(ops.filter((file) => /\/(index|conv|pool|scan|scan-gradient|concat|quantized|quant|dropout|loss|select)$/.test(file))).toEqual([])
  expect(ops).toContain('compiler/ops/matmul')
})
it('the default entry brings no compression, and no binary but its own', async () => {
  const files = await filesIn('sequential, conv2d, lstm, sgd, adam, rmsprop, step, save, load', 'index.ts')
  expect(within(files, 'compress', 'data', 'predict', 'cli')).toEqual([])
  expect(files.filter((file) => file.endsWith('.generated'))).toEqual(['runtime/kernels.generated'])
})
it('equigrad/predict brings no compiler and nothing that trains', async () => {
  const files = await filesIn('load, Tensor', 'predict.ts')
  expect(within(files, 'train', 'optim', 'nn', 'compress', 'compiler/ops', 'compiler/passes', 'compiler/graph')).toEqual([])
  expect(files.filter((file) => file.endsWith('.generated'))).toEqual(['runtime/predict.generated'])
})
