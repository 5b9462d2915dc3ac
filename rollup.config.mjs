// Bundles tsc's output (build/js) into dist/: the entries, chunks for what they share (a class exists once), the types, the wasm, the command line.
// The package has no dependencies at run time: what it needs is inside, and NOTICE names it.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { builtinModules } from 'node:module'
import commonjs from '@rollup/plugin-commonjs'
import nodeResolve from '@rollup/plugin-node-resolve'
import dts from 'rollup-plugin-dts'

const from = 'build/js/src'
const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
const notice = readFileSync('NOTICE', 'utf8')
const command = existsSync('src/cli/main.ts') ? { cli: `${from}/cli/main.js` } : {}

/** The wasm beside the code, for those who want to load it themselves. */
const wasm = {
  name: 'wasm',
  buildStart: () => rmSync('dist', { recursive: true, force: true }),
  generateBundle() { this.emitFile({ type: 'asset', fileName: 'kernels.wasm', source: readFileSync('build/kernels.wasm') }) },
}

/** Refuses a bundled work that NOTICE does not name. */
const named = {
  name: 'named',
  generateBundle(_, bundle) {
    const files = Object.values(bundle).flatMap((chunk) => Object.keys(chunk.modules ?? {}))
    const works = new Set(files.flatMap((file) => file.match(/.*node_modules\/((?:@[^/]+\/)?[^/?]+)/)?.[1] ?? []))
    for (const work of works) if (!new RegExp(`(^|[ ,])${work}([ ,]|$)`, 'm').test(notice)) this.error(`NOTICE does not name ${work}`)
  },
}

export default [
  {
    input: { index: `${from}/index.js`, data: `${from}/data/index.js`, ...command },
    output: {
      dir: 'dist', format: 'es', generatedCode: 'es2015', entryFileNames: '[name].js', chunkFileNames: 'shared.js',
      banner: (chunk) => (chunk.name === 'cli' && chunk.isEntry ? '#!/usr/bin/env node' : ''),
    },
    external: (id) => builtins.has(id),
    plugins: [nodeResolve({ preferBuiltins: true }), commonjs(), wasm, named],
    onwarn: (warning) => { throw new Error(`rollup: ${warning.message}`) },
  },
  {
    input: { index: `${from}/index.d.ts`, data: `${from}/data/index.d.ts` },
    output: { dir: 'dist', format: 'es', entryFileNames: '[name].d.ts', chunkFileNames: 'shared.d.ts' },
    plugins: [dts()],
  },
]
