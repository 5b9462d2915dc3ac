// Bundles tsc's output (build/js) into dist/: the entries, chunks for what they share (a class exists once), the types, the wasm, the command line.
// The package has no dependencies at run time: what it needs is inside, and NOTICE names it.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { resolve } from 'node:path'
import commonjs from '@rollup/plugin-commonjs'
import nodeResolve from '@rollup/plugin-node-resolve'
import dts from 'rollup-plugin-dts'
import { minify } from 'terser'

const from = 'build/js/src'
const builtins = new Set(builtinModules.flatMap((name) => [name, `node:${name}`]))
const notice = readFileSync('NOTICE', 'utf8')

const clean = { name: 'clean', buildStart: () => rmSync('dist', { recursive: true, force: true }) }

/** The binaries beside the code, for those who want to load them themselves. */
const wasm = {
  name: 'wasm',
  generateBundle() { for (const name of ['kernels', 'int8', 'fast', 'predict']) this.emitFile({ type: 'asset', fileName: `${name}.wasm`, source: readFileSync(`build/${name}.wasm`) }) },
}

/**
 * The entries where a host compiles nothing from bytes: what makes its bundles (wrangler, next) turns an import of .wasm into a compiled module.
 * Names are listed by no one: each face is its own file's. Next runs them in Node as well, which may be one without relaxed SIMD.
 */
const edge = {
  name: 'edge',
  generateBundle() {
    const given = (query, ...names) => names.map((name) => `import ${name} from './${name}.wasm${query}'\n`).join('')
    const emit = (fileName, face, source) => { this.emitFile({ type: 'asset', fileName, source: `${source}export * from './${face}.js'\n` }) }
    const use = (face, args) => `import { useKernels } from './${face}.js'\nuseKernels(${args})\n`
    emit('workerd.js', 'index', given('', 'kernels', 'int8', 'fast') + use('index', 'kernels, { int8, fast }'))
    emit('edge-light.js', 'index', given('?module', 'kernels') + use('index', 'kernels'))
    for (const [condition, query] of [['workerd', ''], ['edge-light', '?module']]) {
      emit(`predict-${condition}.js`, 'predict', given(query, 'predict') + use('predict', 'predict'))
      emit(`doctor-${condition}.js`, 'doctor', `import './${condition}.js'\n`)
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

/** Says in each file where its types are, for Deno and JSR, which ask no package.json. A chunk of types is found by a chunk of its name. */
const typed = {
  name: 'typed',
  generateBundle(_, bundle) {
    for (const chunk of Object.values(bundle)) {
      const types = chunk.fileName.replace(/\.js$/, '.d.ts')
      if (chunk.type === 'chunk' && existsSync(`dist/${types}`)) chunk.code = `/* @ts-self-types="./${types}" */\n${chunk.code}`
    }
  },
}

const plugins = [nodeResolve({ preferBuiltins: true }), commonjs(), named]
const onwarn = (warning) => { throw new Error(`rollup: ${warning.message}`) }
const output = { dir: 'dist', format: 'es', generatedCode: 'es2015' }

/** The faces: the command imports them as they are in dist/, so that what it runs is what others run. */
const faces = { [resolve(from, 'index.js')]: './index.js', [resolve(from, 'data/index.js')]: './data.js', [resolve(from, 'compress/index.js')]: './compress.js', [resolve(from, 'doctor/index.js')]: './doctor.js' }

/** What equigrad/predict shares with the others: in one file, since each costs a process that starts some time. */
const first = /src\/(core\/(errors|options|shape|codes)|formats\/\w+|model\/(data|results|tensor)|runtime\/(compile|self-test|text|platform\/pause)|compiler\/(packed|program))\.js$/

/** The binary has a file of its own (binaryFirst). */
const fileOf = (id) => (first.test(id) ? 'shared' : id.endsWith('/kernels.generated.js') ? 'kernels' : undefined)

const library = {
  input: { index: `${from}/index.js`, data: `${from}/data/index.js`, compress: `${from}/compress/index.js`, predict: `${from}/predict.js`, doctor: `${from}/doctor/index.js`, worker: `${from}/worker.js` },
  // what is loaded only when it is needed has a name of its own
  output: { ...output, manualChunks: fileOf, chunkFileNames: ({ isDynamicEntry, name }) => (isDynamicEntry || name === 'kernels' ? `${name}.js` : 'shared.js') },
  plugins: [...plugins, binaryFirst, plain, typed, wasm, edge], onwarn,
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
  plugins: [clean, dts()], onwarn: (warning) => warning.plugin === 'dts' && warning.message.includes('private shared type') || onwarn(warning),
}
// Types first: a file names its own where there are.
export default [types, library, command]
