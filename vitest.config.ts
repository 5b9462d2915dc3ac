import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (file: string): string => fileURLToPath(new URL(`src/${file}`, import.meta.url))

export default defineConfig({
  // the examples import the package by its name: here its source
  resolve: { alias: [{ find: 'equigrad/data', replacement: source('data/index.ts') }, { find: 'equigrad/compress', replacement: source('compress/index.ts') }, { find: 'equigrad/worker', replacement: source('worker.ts') }, { find: 'equigrad/predict', replacement: source('predict.ts') }, { find: 'equigrad', replacement: source('index.ts') }] },
  test: { include: ['test/**/*.test.ts'], exclude: ['build/**', 'test/runtimes/**', 'test/bundlers/**', 'node_modules/**'], testTimeout: 60_000 },
})
