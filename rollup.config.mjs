// Bundles tsc's output (build/js) into dist/: the entries, chunks for what they share (a class exists once), the types, the wasm, the command line.
// The package has no dependencies at run time: what it needs is inside, and NOTICE names it.
import { readFileSync, rmSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { resolve } from 'node:path'
import commonjs from '@rollup/plugin-commonjs'
import nodeResolve from '@rollup/plugin-node-resolve'
import dts from 'rollup-plugin-dts'
import { minify } from 'terser'

const from = 'build/js/src'
const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
const notice = readFileSync('NOTICE', 'utf8')

/** The wasm beside the code, for those who want to load it themselves. */
const wasm = {
  name: 'wasm',
  buildStart: () => rmSync('dist', { recursive: true, force: true }),
  generateBundle() { this.emitFile({ type: 'asset', fileName: 'kernels.wasm', source: readFileSync('build/kernels.wasm') }) },
}

/**
 * The default entry where a host compiles nothing from bytes: what makes its bundles (wrangler, next) turns an import of .wasm into a compiled module.
 * Names are listed by no one: the face is index.js's own.
 */
const edge = {
  name: 'edge',
  generateBundle() {
    for (const [condition, kernels] of [['workerd', './kernels.wasm'], ['edge-light', './kernels.wasm?module']]) {
      const source = `import kernels from '${kernels}'\nimport { useKernels } from './index.js'\nuseKernels(kernels)\nexport * from './index.js'\n`
      this.emitFile({ type: 'asset', fileName: `${condition}.js`, source })
    }
  },
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

/** The binary before all else: gzip presses its text and code in blocks of their own, so a bundle is smaller where the one does not lie amid the other. */
const binaryFirst = {
  name: 'binary-first',
  renderChunk(code, _chunk, _options, { chunks }) {
    const leads = (file) => file === 'kernels.js' || (chunks[file]?.imports ?? []).some(leads)
    const own = (code.match(/^import .* from '\.\/.*';\n/gm) ?? []).filter((line) => leads(line.slice(line.lastIndexOf('/') + 1, -3)))
    return own.join('') + own.reduce((rest, line) => rest.replace(line, ''), code)
  },
}

/** Drops comments and writes what is not ASCII as escapes: an engine reads a text of one byte a character, and shorter, faster. Names and lines stay, for stack traces. */
const plain = {
  name: 'plain',
  async renderChunk(code) {
    const format = { beautify: true, indent_level: 2, comments: 'some', ascii_only: true, preserve_annotations: true }
    return (await minify(code, { module: true, compress: false, mangle: false, format })).code
  },
}

const plugins = [nodeResolve({ preferBuiltins: true }), commonjs(), named]
const onwarn = (warning) => { throw new Error(`rollup: ${warning.message}`) }
const output = { dir: 'dist', format: 'es', generatedCode: 'es2015' }

/** The faces: the command imports them as they are in dist/, so that what it runs is what others run. */
const faces = { [resolve(from, 'index.js')]: './index.js', [resolve(from, 'data/index.js')]: './data.js', [resolve(from, 'compress/index.js')]: './compress.js', [resolve(from, 'doctor/index.js')]: './doctor.js' }

/** What equigrad/predict shares with the others: in one file, since each costs a process that starts some time. */
const first = /src\/(core\/(errors|options|shape|codes)|formats\/\w+|model\/(data|tensor)|runtime\/(text|platform\/pause)|compiler\/(packed|program))\.js$/

/** The binary has a file of its own (binaryFirst). */
const fileOf = (id) => (first.test(id) ? 'shared' : id.endsWith('/kernels.generated.js') ? 'kernels' : undefined)

const library = {
  input: { index: `${from}/index.js`, data: `${from}/data/index.js`, compress: `${from}/compress/index.js`, predict: `${from}/predict.js`, doctor: `${from}/doctor/index.js`, worker: `${from}/worker.js` },
  // what is loaded only when it is needed has a name of its own
  output: { ...output, manualChunks: fileOf, chunkFileNames: ({ isDynamicEntry, name }) => (isDynamicEntry || name === 'kernels' ? `${name}.js` : 'shared.js') },
  plugins: [...plugins, binaryFirst, plain, wasm, edge], onwarn,
}
const command = {
  input: { cli: `${from}/cli/main.js` },
  output: { ...output, paths: faces, banner: '#!/usr/bin/env node' },
  external: (id) => builtins.has(id) || id in faces,
  plugins, onwarn,
}
const types = {
  input: { index: `${from}/index.d.ts`, data: `${from}/data/index.d.ts`, compress: `${from}/compress/index.d.ts`, predict: `${from}/predict.d.ts`, doctor: `${from}/doctor/index.d.ts`, worker: `${from}/worker.d.ts` },
  output: { ...output, entryFileNames: '[name].d.ts', chunkFileNames: 'shared.d.ts' },
  // Types that several faces share and no one need name: of protected members.
  plugins: [dts()], onwarn: (warning) => warning.plugin === 'dts' && warning.message.includes('private shared type') || onwarn(warning),
}
export default [library, command, types]
