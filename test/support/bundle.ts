// The source as JavaScript that a plain Node runs, for tests that start processes: needs no `npm run build`, and is never older than the source.
import { fileURLToPath } from 'node:url'
import { build } from 'vite'

const path = (file: string): string => fileURLToPath(new URL(`../../${file}`, import.meta.url))

/** Bundles the source into build/source; returns the options with which Node finds it as 'equigrad'. */
export async function sourceOptions(): Promise<readonly string[]> {
  await build({
    configFile: false, root: path(''), logLevel: 'error',
    build: { outDir: path('build/source'), emptyOutDir: true, minify: false, target: 'es2022', lib: { entry: { index: path('src/index.ts'), data: path('src/data/index.ts'), compress: path('src/compress/index.ts'), predict: path('src/predict.ts') }, formats: ['es'] } },
  })
  return ['--import', new URL('source.mjs', import.meta.url).href]
}
